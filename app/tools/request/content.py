"""The body of a request: JSON, forms, multipart, text or bytes, as the operation's media type asks."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import orjson

from app.errors import Violation
from app.operation.media_types import is_of_records, is_range, kind_of, recognised
from app.operation.operation import Body, BodyField, Value
from app.operation.pointers import join
from app.tools.request.multipart import decoded, is_file, is_json, multipart, stated_type
from app.tools.request.styles import checked_header, header_text, pairs
from app.tools.request.writing import (
    Content,
    Pair,
    Room,
    Unencodable,
    Writing,
    in_charset,
    json_of,
    percent_encoded,
    text_of,
)


def in_media_type(content_type: str, value: Value) -> str:
    """Return the value of a parameter that has `content`, before it is encoded for its place."""
    return json_of(value).decode() if kind_of(content_type) == "json" else text_of(value)


def in_header(value: Value, content_type: str | None, *, explode: bool) -> str:
    """Return the value of a header parameter; JSON is written in ASCII there."""
    if content_type is None:
        return header_text(value, explode=explode)
    if kind_of(content_type) == "json":
        return checked_header(json.dumps(json.loads(json_of(value)), separators=(",", ":")))
    return checked_header(text_of(value))


def encode_body(body: Body, arguments: Mapping[str, Any], writing: Writing) -> Content | None:
    """Return the body; None if it may be left out and nothing is given for it. Raises TooLarge."""
    if body.argument is None:
        given = _given(body, arguments)
        if given and body.defaults:
            given = _given(body, {**body.defaults, **arguments})
        return _encode_fields(body, given, writing) if given or body.required else None
    if body.argument not in arguments:
        if body.required:
            writing.violations.append(Violation(join("", body.argument), "is required"))
        return None
    with writing.blaming(body.argument):
        return _encode_whole(body, body.argument, arguments[body.argument], writing)
    return None


def _given(body: Body, arguments: Mapping[str, Any]) -> list[tuple[BodyField, Any]]:
    return [(field, arguments[field.argument]) for field in body.fields if field.argument in arguments]


def _encode_fields(body: Body, given: list[tuple[BodyField, Any]], writing: Writing) -> Content:
    if body.with_files is not None and any(is_file(field, value) for field, value in given):
        return _with_files(body.with_files, given, writing)
    kind = kind_of(body.media_type)
    if kind == "form":
        return Content(body.media_type, _form(given, writing))
    if kind == "multipart":
        return multipart(body.media_type, given, writing)
    members = []
    writing.room.take(1)
    for field, value in given:
        with writing.blaming(field.argument):
            member = b"%b:%b" % (orjson.dumps(field.name), json_of(value))
            writing.room.take(len(member) + 1)
            members.append(member)
    return Content(body.media_type, b"{%b}" % b",".join(members))


def _with_files(media_type: str, given: list[tuple[BodyField, Any]], writing: Writing) -> Content:
    if kind_of(media_type) == "multipart":
        return multipart(media_type, given, writing)
    content = Content(media_type, b"")
    for field, value in given:
        with writing.blaming(field.argument):
            if not is_file(field, value):
                raise Unencodable("must be left out: the file is all of the body")
            content = _counted(_bytes(media_type, value, writing.room), writing.room)
    return content


def _encode_whole(body: Body, argument: str, value: Value, writing: Writing) -> Content:
    kind = kind_of(body.media_type)
    if body.binary and kind != "multipart":
        return _counted(_bytes(body.media_type, value, writing.room), writing.room)
    if kind == "lines" and not isinstance(value, str):
        return Content(body.media_type, _lines(body.media_type, value, writing.room))
    if kind == "json" or (kind == "binary" and not isinstance(value, str)):
        return _counted(Content(body.media_type, json_of(value)), writing.room)
    if kind in {"lines", "text", "binary"}:
        return _counted(_text(body.media_type, value), writing.room)
    if not isinstance(value, dict):
        raise Unencodable("must be an object: it is sent as a form")
    known = {field.name: replace(field, argument=argument) for field in body.fields}
    given = [(known.get(name, BodyField(argument, name, binary=body.binary)), each) for name, each in value.items()]
    if kind == "form":
        return Content(body.media_type, _form(given, writing))
    return multipart(body.media_type, given, writing)


def _counted(content: Content, room: Room) -> Content:
    room.take(len(content.data))
    return content


def _bytes(media_type: str, value: Value, room: Room) -> Content:
    stated = value if isinstance(value, dict) else {"content": value}
    data = decoded(stated.get("content"), room)
    found = recognised(data, media_type) if is_range(media_type) else media_type
    return Content(stated_type(stated, found), data)


def _lines(media_type: str, value: Value, room: Room) -> bytes:
    begin = b"\x1e" if is_of_records(media_type) else b""
    lines = []
    for each in value if isinstance(value, list) else [value]:
        line = b"%b%b\n" % (begin, json_of(each))
        room.take(len(line))
        lines.append(line)
    return b"".join(lines)


def _form(given: list[tuple[BodyField, Any]], writing: Writing) -> bytes:
    parts: list[str] = []
    writing.room.take(-1)  # each pair is counted with a divider before it
    for field, value in given:
        if value is not None or is_json(field):
            with writing.blaming(field.argument):
                key = None if isinstance(value, dict) else percent_encoded(field.name)
                parts += writing.named(_form_pairs(field, value, writing.room), field.argument, key)
    return "&".join(parts).encode()


def form_pairs(value: Mapping[str, Any], room: Room) -> Iterator[Pair]:
    """Yield the members as `application/x-www-form-urlencoded` has them; a list is several values of its name."""
    for name, each in value.items():
        if each is not None:
            yield from _form_pairs(BodyField(name, name), each, room)


def _form_pairs(field: BodyField, value: Value, room: Room) -> Iterator[Pair]:
    if field.style is not None:
        return pairs(field.name, value, field.style, room, explode=bool(field.explode))
    in_json = [json_of(value).decode()] if is_json(field) else None
    items = in_json or (value if isinstance(value, list) else [text_of(value)])
    return pairs(field.name, items, "form", room, explode=True)


def _text(media_type: str, value: Value) -> Content:
    """Return a scalar as a text in the charset that the document states, else in UTF-8."""
    if not isinstance(value, str | bool | int | float):
        raise Unencodable("must be text")
    text = text_of(value)
    named = text.isascii() or ";" in media_type or not media_type.lower().startswith("text/")
    return Content(media_type if named else f"{media_type}; charset=utf-8", in_charset(text, media_type))
