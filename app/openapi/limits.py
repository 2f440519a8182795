"""What a document may cost, and how it is refused when it costs more."""

from dataclasses import dataclass

from app.errors import Invalid, Violation


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


def refused(why: str, pointer: str = "") -> Invalid:
    """Return the error for a document that cannot be used as a whole: `The document …`."""
    return Invalid("invalid_document", f"The document {why}.", [Violation(pointer, why)])


def too_deep(limits: Limits, pointer: str = "") -> Invalid:
    """Return the error for a document that is nested deeper than it may be."""
    return refused(f"is nested deeper than {limits.depth} levels (SOURCE_MAX_DEPTH)", pointer)
