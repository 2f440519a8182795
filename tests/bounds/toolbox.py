"""The document of the hostile source: a tool for each place that an argument can be in, and each way it is written."""

import asyncio
from typing import Any

from tests.support.raw import Raw
from tests.support.scripted import Answer, ok

_ANSWERED = ok(b"{}", "Content-Type: application/json")
_PIECE = 1_048_576


def drained(hostile: Raw) -> Answer:
    """An answer of `{}`, once the body has been read."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        lines = hostile.server.heads.pop().lower().split("\r\n")
        left = next((int(line[15:]) for line in lines if line.startswith("content-length:")), 0)
        while left and (piece := await reader.read(min(left, _PIECE))):
            left -= len(piece)
        writer.write(_ANSWERED)
        await writer.drain()

    return answer


def _operation(name: str, *parameters: dict[str, Any], body: dict[str, Any] | None = None) -> dict[str, Any]:
    described: dict[str, Any] = {"operationId": name, "responses": {"200": {"description": "ok"}}}
    if parameters:
        described["parameters"] = list(parameters)
    if body is not None:
        described["requestBody"] = {"required": True, "content": body}
    return described


def _argument(where: str, schema: dict[str, Any], **style: Any) -> dict[str, Any]:
    return {"name": "value", "in": where, "required": where == "path", "schema": schema, **style}


TEXT: dict[str, Any] = {"type": "string"}
TEXTS: dict[str, Any] = {"type": "array", "items": TEXT}
FREE: dict[str, Any] = {"type": "object", "additionalProperties": True}

DOCUMENT = {
    "openapi": "3.1.0",
    "info": {"title": "Hostile", "version": "1"},
    "paths": {
        "/query/texts": {"get": _operation("query_texts", _argument("query", TEXTS, explode=True))},
    },
}
