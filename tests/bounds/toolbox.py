"""The document of the hostile source: a tool for each place that an argument can be in, and each way it is written."""

import asyncio
from typing import Any

from tests.support.raw import Raw
from tests.support.scripted import Answer, ok

Json = dict[str, Any]

_ANSWERED = ok(b"{}", "Content-Type: application/json")
_PIECE = 1_048_576
_NAMES = 400  # of arguments that one tool has


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


TEXT: Json = {"type": "string"}
TEXTS: Json = {"type": "array", "items": TEXT}
FREE: Json = {"type": "object", "additionalProperties": True}
TREE: Json = {
    "type": "object",
    "properties": {"children": {"type": "array", "items": {"$ref": "#/components/schemas/Tree"}}},
}
MANY = {f"argument_{number:03}_with_a_name_that_a_generator_made": TEXT for number in range(_NAMES)}

# Of one argument, `value`: where it is, its schema, and how it is written.
_PLACES: dict[str, tuple[str, Json, Json]] = {
    "query_text": ("query", TEXT, {}),
    "query_texts": ("query", TEXTS, {"explode": True}),
    "query_joined": ("query", TEXTS, {"explode": False}),
    "query_spaced": ("query", TEXTS, {"style": "spaceDelimited", "explode": False}),
    "query_piped": ("query", TEXTS, {"style": "pipeDelimited", "explode": False}),
    "query_object": ("query", FREE, {"explode": True}),
    "query_deep": ("query", FREE, {"style": "deepObject", "explode": True}),
    "path_text": ("path", TEXT, {}),
    "path_texts": ("path", TEXTS, {}),
    "path_matrix": ("path", TEXTS, {"style": "matrix", "explode": True}),
    "path_label": ("path", TEXTS, {"style": "label", "explode": True}),
    "header_text": ("header", TEXT, {}),
    "header_texts": ("header", TEXTS, {}),
    "cookie_text": ("cookie", TEXT, {}),
    "cookie_texts": ("cookie", TEXTS, {}),
    "enum": ("query", {"type": "string", "enum": [f"option-{number}" for number in range(2_000)]}, {}),
    "pattern": ("query", {"type": "string", "pattern": "^(a+)+$"}, {}),
    "texts_of_pattern": ("query", {"type": "array", "items": {"type": "string", "pattern": "^([a-z]+[0-9]*)+$"}}, {}),
    "email": ("query", {"type": "string", "format": "email", "maxLength": 50}, {}),
    "number": ("query", {"type": "number", "multipleOf": 0.01}, {}),
}
_KINDS = [{"type": "object", "required": [f"kind_{n}"], "properties": {f"kind_{n}": TEXTS}} for n in range(30)]
# Of a body: its media type and schema.
_BODIES: dict[str, tuple[str, Json]] = {
    "json_free": ("application/json", FREE),
    "json_texts": ("application/json", TEXTS),
    "json_tree": ("application/json", TREE),
    "json_many": ("application/json", {"type": "object", "properties": MANY, "additionalProperties": False}),
    "json_kinds": ("application/json", {"type": "array", "items": {"oneOf": _KINDS}}),
    "json_any": ("application/json", {"type": "array", "items": {"anyOf": [TEXT, {"type": "integer"}, TEXTS]}}),
    "json_unique": ("application/json", {"type": "array", "uniqueItems": True}),
    "json_strict": (
        "application/json",
        {"type": "array", "items": {**FREE, "additionalProperties": {"type": "integer"}}},
    ),
    "json_contains": ("application/json", {"type": "array", "contains": {"const": "needle"}}),
    "form": ("application/x-www-form-urlencoded", {"type": "object", "properties": {"text": TEXT, "texts": TEXTS}}),
    "form_free": ("application/x-www-form-urlencoded", FREE),
    "multipart": (
        "multipart/form-data",
        {
            "type": "object",
            "properties": {"text": TEXT, "texts": TEXTS, "file": {"type": "string", "format": "binary"}},
        },
    ),
    "multipart_free": ("multipart/form-data", FREE),
    "text": ("text/plain", TEXT),
    "xml": ("application/xml", TEXT),
    "binary": ("application/octet-stream", {"type": "string", "format": "binary"}),
}


def _placed(name: str, where: str, schema: Json, style: Json) -> Json:
    argument = {"name": "value", "in": where, "required": where == "path", "schema": schema, **style}
    return {"get": {"operationId": name, "parameters": [argument], **_RESPONSES}}


def _sent(name: str, media_type: str, schema: Json) -> Json:
    return {"post": {"operationId": name, "requestBody": {"content": {media_type: {"schema": schema}}}, **_RESPONSES}}


_RESPONSES: Json = {"responses": {"200": {"description": "ok"}}}
DOCUMENT: Json = {
    "openapi": "3.1.0",
    "info": {"title": "Hostile", "version": "1"},
    "components": {"schemas": {"Tree": TREE}},
    "paths": {
        **{f"/{name}{'/{value}' * (of[0] == 'path')}": _placed(name, *of) for name, of in _PLACES.items()},
        **{f"/{name}": _sent(name, *of) for name, of in _BODIES.items()},
        "/query_json": {
            "get": {
                "operationId": "query_json",
                "parameters": [{"name": "value", "in": "query", "content": {"application/json": {"schema": FREE}}}],
                **_RESPONSES,
            }
        },
    },
}
