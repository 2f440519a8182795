"""What became of a document's operations, one by one."""

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from app.operation.operation import Operation

_BYTES_A_TOKEN = 4

Status = Literal["ready", "degraded", "skipped"]


@dataclass(frozen=True, slots=True)
class ReportItem:
    """What became of one operation."""

    method: Annotated[str, Field(description="The HTTP method of the operation.")]
    path: Annotated[str, Field(description="Its path template; empty where the entry is not about one operation.")]
    pointer: Annotated[
        str,
        Field(
            description="Where it is in the document: a JSON Pointer. In another file of the document, the file's name "
            "and a `#` come first."
        ),
    ]
    status: Annotated[
        Status, Field(description="`ready`: a tool; `degraded`: a tool with something lost; `skipped`: not a tool.")
    ]
    reason: Annotated[str | None, Field(description="Why it is not `ready`.")]
    name: Annotated[
        str | None, Field(description="What the tool is called, behind the slug; null if it is not a tool.")
    ]
    bytes: Annotated[int, Field(description="The size of the tool in lists of tools.")]
    estimated_tokens: Annotated[int, Field(description="About how many tokens that is for a model.")]


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
