"""What a document may cost, and the watch that says when it costs too much."""

import time
from dataclasses import dataclass

from app.errors import Invalid, Violation

_LOOK_EVERY = 1_024  # ticks between two looks at the clock


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of one document, all its files together; each is the setting `SOURCE_MAX_…`, and is named when it bites.

    The largest real documents have some 260,000 values and are 30 containers deep.
    """

    nodes: int = 1_000_000  # values, those that YAML aliases stand for counted each time
    alias_nodes: int = 250_000  # … of which by aliases
    depth: int = 200  # containers in containers
    files: int = 5_000  # beside the document itself
    operations: int = 10_000
    tool_bytes: int = 32_768  # of one tool
    list_bytes: int = 10_485_760  # of all tools of the document


class Watch:
    """Ends work at a deadline, a time of `time.monotonic`; None never ends it."""

    def __init__(self, deadline: float | None) -> None:
        self._deadline = deadline
        self._ticks = 0

    def tick(self) -> None:
        """Count a step. Raises Invalid("invalid_document") when the deadline has passed."""
        self._ticks += 1
        if self._ticks % _LOOK_EVERY == 0:
            self.look()

    def look(self) -> None:
        """Look at the clock now."""
        if self._deadline is not None and time.monotonic() >= self._deadline:
            raise refused("takes too long to read (SOURCE_READ_TIMEOUT); register a smaller part of it")


def refused(why: str, pointer: str = "") -> Invalid:
    """Return the error for a document that cannot be used as a whole: `The document …`."""
    return Invalid("invalid_document", f"The document {why}.", [Violation(pointer, why)])


def too_deep(limits: Limits, pointer: str = "") -> Invalid:
    """Return the error for a document that is nested deeper than it may be."""
    return refused(f"is nested deeper than {limits.depth} levels (SOURCE_MAX_DEPTH)", pointer)
