"""What became of a document's operations, one by one."""

from dataclasses import dataclass
from typing import Literal

from app.operation.operation import Operation

_BYTES_A_TOKEN = 4

Status = Literal["ready", "degraded", "skipped"]


@dataclass(frozen=True, slots=True)
class ReportItem:
    """What became of one operation. `bytes` is the size of the tool.

    `pointer` is a JSON Pointer into the document; into another file of it, it follows the file's name and a `#`.
    """

    method: str
    path: str
    pointer: str
    status: Status
    reason: str | None
    name: str | None
    bytes: int
    estimated_tokens: int


@dataclass(frozen=True, slots=True)
class Conversion:
    """What a document holds. Servers have their variables filled in; relative ones stay relative."""

    title: str | None
    description: str | None
    version: str | None
    servers: tuple[str, ...]
    operations: tuple[Operation, ...]
    report: tuple[ReportItem, ...]


def estimated_tokens(size: int) -> int:
    """Return about how many tokens of a model so many bytes of a tool take."""
    return -(-size // _BYTES_A_TOKEN)
