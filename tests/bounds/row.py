"""A row: one kind of hostile input, at growing scales, and what may come of it."""

from collections.abc import Callable
from dataclasses import dataclass

from tests.bounds.stage import Stage

SCALES = (1, 10, 100)
OK = "ok"  # a normal result, or another answer without a failure of ours
CLOSED = "closed"  # the connection was closed without an answer
HELD = "held"  # no answer yet when the sender left


@dataclass(frozen=True, slots=True)
class Attack:
    """An input that is ready to be sent: everything that costs the sender is done.

    `size` says what the cost is to be in proportion to, bytes as a rule. `launch` sends it and tells what came of it:
    OK, CLOSED, HELD, a code of ours, or `HTTP 405` for an answer without a code; of several answers each kind once, in
    one text with commas. It may be launched several times, each time after `prepare`, which is not measured.
    """

    size: int
    launch: Callable[[], str]
    prepare: Callable[[], None] = lambda: None


@dataclass(frozen=True, slots=True)
class Row:
    """`attack` prepares the input of a scale; what comes of it must be among `expected` at every scale.

    `apart`: what is read is read by processes of their own, whose memory has a limit of its own (SOURCE_READ_MEMORY).
    """

    surface: str
    name: str
    attack: Callable[[Stage, int], Attack]
    expected: frozenset[str]
    scales: tuple[int, ...] = SCALES
    apart: bool = False

    @property
    def title(self) -> str:
        return f"{self.surface}: {self.name}"
