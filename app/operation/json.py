"""Operations as bytes and back, without loss."""

from typing import Any

import orjson

from app.operation.operation import Body, BodyField, Operation, Parameter


def operation_to_json(operation: Operation) -> bytes:
    """Return the operation as one JSON object on one line."""
    return orjson.dumps(operation)


def operation_from_json(data: bytes) -> Operation:
    """Return the operation that `operation_to_json` wrote."""
    state: dict[str, Any] = orjson.loads(data)
    return Operation(
        **{
            **state,
            "tags": tuple(state["tags"]),
            "accept": tuple(state["accept"]),
            "notes": tuple(state["notes"]),
            "servers": tuple(state.get("servers", ())),
            "parameters": tuple(Parameter(**parameter) for parameter in state["parameters"]),
            "body": _body(state["body"]),
        }
    )


def _body(state: dict[str, Any] | None) -> Body | None:
    if state is None:
        return None
    return Body(**{**state, "fields": tuple(BodyField(**field) for field in state["fields"])})
