"""What became of a document's operations, one by one, and how large the tools are that they make.

The size of a tool is that in a list: bytes of JSON, as programs write it that escape all but ASCII.
"""

import json
from dataclasses import dataclass
from typing import Literal

import orjson

from app.operation.operation import Json, Operation, Value

_BYTES_A_TOKEN = 4
_FRAME = 240  # bytes of the slug, the members' names, annotations
_FRAME_OF_OUTPUT = 128

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


def size_of(value: Value) -> int:
    """Return the bytes of a value."""
    written = orjson.dumps(value)
    return len(written) if written.isascii() else len(json.dumps(value, separators=(",", ":")))


def size_without_schemas(operation: Operation) -> int:
    """Return the bytes of a tool but for its input and output schemas, at the most; MCP shows the title twice."""
    return size_of([operation.name, operation.description, operation.title, operation.title]) + _FRAME


def size_of_output(schema: Json | None) -> int:
    """Return the bytes that an output schema adds to its tool."""
    return 0 if schema is None else size_of(schema) + _FRAME_OF_OUTPUT


def size_of_tool(operation: Operation) -> int:
    """Return the bytes of the whole tool, at the most."""
    without = size_without_schemas(operation)
    return without + size_of(operation.input_schema) + size_of_output(operation.output_schema)
