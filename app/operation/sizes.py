"""How large a tool is in a list: bytes of JSON, as programs write it that escape all but ASCII."""

import json

import orjson

from app.operation.operation import Json, Operation, Value

_FRAME = 240  # the slug, the members' names, annotations
_FRAME_OF_OUTPUT = 128


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
