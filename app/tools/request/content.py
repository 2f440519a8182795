"""The body of a request: JSON, forms, multipart, text or bytes, as the operation's media type asks."""

import base64
import binascii
import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import orjson

from app.errors import Violation
from app.operation.media_types import (
    BYTES,
    essence,
    is_media_type,
    is_of_records,
    is_range,
    kind_of,
    recognised,
)
from app.operation.operation import Body, BodyField, Value
from app.operation.pointers import join
from app.tools.request.styles import (
    Pair,
    Room,
    Unencodable,
    checked_header,
    header_text,
    json_of,
    pairs,
    percent_encoded,
    text_of,
    utf8,
)

_URL_SAFE = str.maketrans("-_", "+/")
# As in HTML (multipart/form-data encoding algorithm); and a backslash, which many readers take for an escape.
_IN_QUOTES = str.maketrans({'"': "%22", "\r": "%0D", "\n": "%0A", "\\": "%5C"})
_AROUND_A_PART = 70  # bytes: two hyphens, the boundary, two line ends
_MOST_VIOLATIONS = 50


@dataclass(frozen=True, slots=True)
class Content:
    """A body and its media type."""

    media_type: str
    data: bytes


@dataclass(frozen=True, slots=True)
class _Head:
    """What one part of a multipart body (RFC 7578) says of itself."""

    name: str
    media_type: str | None = None
    filename: str | None = None

    def written(self) -> bytes:
        disposition = f'form-data; name="{self.name.translate(_IN_QUOTES)}"'
        if self.filename is not None:
            disposition = f'{disposition}; filename="{self.filename.translate(_IN_QUOTES)}"'
        kind = f"\r\nContent-Type: {self.media_type}" if self.media_type is not None else ""
        return utf8(f"Content-Disposition: {disposition}{kind}\r\n\r\n")


@dataclass(slots=True)
class Writing:
    """What is written into: the room that there is, `claim` for names that callers choose, what is wrong so far.

    `claim` takes the name as it is written and the argument that it comes in, and raises Unencodable.
    """

    room: Room
    claim: Callable[[str, str], None]
    violations: list[Violation]

    @contextmanager
    def blaming(self, argument: str) -> Iterator[None]:
        """Note what cannot be encoded as a violation of that argument, and continue."""
        try:
            yield
        except Unencodable as error:
            if len(self.violations) < _MOST_VIOLATIONS:
                self.violations.append(Violation(join("", argument), str(error)))

    def named(self, pairs_: Iterator[Pair], argument: str, key: str | None = None) -> Iterator[str]:
        """Yield `name=value` for each pair; a name other than `key`, which the argument writes itself, is claimed."""
        last = key
        for name, value in pairs_:
            if name != last:
                self.claim(name, argument)
                last = name
            yield f"{name}={value}"


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
        given = [(field, arguments[field.argument]) for field in body.fields if field.argument in arguments]
        return _encode_fields(body, given, writing) if given or body.required else None
    if body.argument not in arguments:
        if body.required:
            writing.violations.append(Violation(join("", body.argument), "is required"))
        return None
    with writing.blaming(body.argument):
        return _encode_whole(body, body.argument, arguments[body.argument], writing)
    return None


def _encode_fields(body: Body, given: list[tuple[BodyField, Any]], writing: Writing) -> Content:
    if body.with_files is not None and any(_is_file(field, value) for field, value in given):
        return _multipart(body.with_files, given, writing)
    kind = kind_of(body.media_type)
    if kind == "form":
        return Content(body.media_type, _form(given, writing))
    if kind == "multipart":
        return _multipart(body.media_type, given, writing)
    members = []
    writing.room.take(1)
    for field, value in given:
        with writing.blaming(field.argument):
            member = b"%b:%b" % (orjson.dumps(field.name), json_of(value))
            writing.room.take(len(member) + 1)
            members.append(member)
    return Content(body.media_type, b"{%b}" % b",".join(members))


def _encode_whole(body: Body, argument: str, value: Value, writing: Writing) -> Content:
    kind = kind_of(body.media_type)
    if body.binary and kind != "multipart":
        return _counted(_bytes(body, value, writing.room), writing.room)
    if kind == "lines" and not isinstance(value, str):
        return Content(body.media_type, _lines(body.media_type, value, writing.room))
    if kind == "json" or (kind == "binary" and not isinstance(value, str)):
        return _counted(Content(body.media_type, json_of(value)), writing.room)
    if isinstance(value, str) and kind in {"lines", "text", "binary"}:
        return _counted(Content(_with_charset(body.media_type, value), utf8(value)), writing.room)
    if kind == "text":
        raise Unencodable("must be text")
    if not isinstance(value, dict):
        raise Unencodable("must be an object: it is sent as a form")
    known = {field.name: replace(field, argument=argument) for field in body.fields}
    given = [(known.get(name, BodyField(argument, name, binary=body.binary)), each) for name, each in value.items()]
    if kind == "form":
        return Content(body.media_type, _form(given, writing))
    return _multipart(body.media_type, given, writing)


def _counted(content: Content, room: Room) -> Content:
    room.take(len(content.data))
    return content


def _bytes(body: Body, value: Value, room: Room) -> Content:
    stated = value if isinstance(value, dict) else {"content": value}
    data = _decoded(stated.get("content"), room)
    found = recognised(data, body.media_type) if is_range(body.media_type) else body.media_type
    return Content(_stated_type(stated, found), data)


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
        if value is not None:
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
    in_json = [json_of(value).decode()] if _is_json(field) else None
    items = in_json or (value if isinstance(value, list) else [text_of(value)])
    return pairs(field.name, items, "form", room, explode=True)


def _is_json(field: BodyField) -> bool:
    return field.content_type is not None and kind_of(field.content_type) == "json"


def _multipart(media_type: str, given: list[tuple[BodyField, Any]], writing: Writing) -> Content:
    parts: list[bytes] = []
    writing.room.take(_AROUND_A_PART)  # as many are in the last line
    for field, value in given:
        with writing.blaming(field.argument):
            items = value if isinstance(value, list) and not _is_json(field) else [value]
            parts += _parts(field, items, writing.room)
    # No value can contain the digest of itself and all the others.
    digest = hashlib.sha256()
    for number, part in enumerate(parts):
        digest.update(b"\0" if number else b"")
        digest.update(part)
    boundary = digest.hexdigest()
    data = b"".join(b"--%b\r\n%b\r\n" % (boundary.encode(), part) for part in parts) + b"--%b--\r\n" % boundary.encode()
    return Content(f"{essence(media_type)}; boundary={boundary}", data)


def _parts(field: BodyField, items: list[Any], room: Room) -> Iterator[bytes]:
    last, written = None, b""
    for item in items:
        if item is not None:
            head, data = _part(field, item, room)
            if head != last:
                last, written = head, head.written()
            room.take(len(written) + len(data) + _AROUND_A_PART)
            yield written + data


def _part(field: BodyField, value: Value, room: Room) -> tuple[_Head, bytes]:
    if _is_file(field, value):
        return _file(field, value, room)
    if isinstance(value, dict | list) or _is_json(field):
        return _Head(field.name, field.content_type or "application/json"), json_of(value)
    return _Head(field.name, field.content_type), utf8(text_of(value))


def _is_file(field: BodyField, value: Value) -> bool:
    return field.binary and value is not None and not (field.or_text and isinstance(value, str))


def _file(field: BodyField, value: Value, room: Room) -> tuple[_Head, bytes]:
    stated = value if isinstance(value, dict) else {"content": value}
    media_type = _stated_type(stated, field.content_type or BYTES)
    filename = stated.get("filename") or field.name
    if not isinstance(filename, str):
        raise Unencodable("must have text in `filename`")
    return _Head(field.name, media_type, filename), _decoded(stated.get("content"), room)


def _stated_type(stated: Mapping[str, Any], otherwise: str | None) -> str:
    media_type = stated.get("content_type") or otherwise
    if not isinstance(media_type, str) or not is_media_type(media_type) or is_range(media_type):
        raise Unencodable("must have a media type like image/png in `content_type`")
    return media_type


def _decoded(value: Value, room: Room) -> bytes:
    """Return the bytes; what they decode to has to fit in the room, but is not counted yet."""
    try:
        room.need(len(value) // 4 * 3 - 2)
        return base64.b64decode(value.translate(_URL_SAFE), validate=True)
    except (AttributeError, TypeError, ValueError, binascii.Error):
        raise Unencodable("must be bytes in base64, with padding, without line ends or a `data:` prefix") from None


def _with_charset(media_type: str, text: str) -> str:
    if text.isascii() or ";" in media_type or not media_type.lower().startswith("text/"):
        return media_type
    return f"{media_type}; charset=utf-8"
