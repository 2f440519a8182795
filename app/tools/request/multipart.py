"""A body of parts (RFC 7578), and files as callers give them: bytes in base64, with a media type if they like."""

import base64
import binascii
import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from app.operation.media_types import BYTES, essence, is_media_type, is_range, kind_of
from app.operation.operation import BodyField, Value
from app.tools.request.writing import Content, Room, Unencodable, Writing, in_charset, json_of, text_of, utf8

_URL_SAFE = str.maketrans("-_", "+/")
# As in HTML (multipart/form-data encoding algorithm); and a backslash, which many readers take for an escape.
_IN_QUOTES = str.maketrans({'"': "%22", "\r": "%0D", "\n": "%0A", "\\": "%5C"})
_CONTROL = re.compile(r"[\x00-\x09\x0b\x0c\x0e-\x1f\x7f]")  # no header has them, and some readers end a name at a NUL
_AROUND_A_PART = 70  # bytes: two hyphens, the boundary, two line ends


@dataclass(frozen=True, slots=True)
class _Head:
    """What one part of a multipart body (RFC 7578) says of itself."""

    name: str
    media_type: str | None = None
    filename: str | None = None

    def written(self) -> bytes:
        disposition = f'form-data; name="{_quoted(self.name)}"'
        if self.filename is not None:
            disposition = f'{disposition}; filename="{_quoted(self.filename)}"'
        kind = f"\r\nContent-Type: {self.media_type}" if self.media_type is not None else ""
        return utf8(f"Content-Disposition: {disposition}{kind}\r\n\r\n")


def _quoted(name: str) -> str:
    if _CONTROL.search(name):
        raise Unencodable("must not have control characters in the names of parts or files")
    return name.translate(_IN_QUOTES)


def multipart(media_type: str, given: list[tuple[BodyField, Any]], writing: Writing) -> Content:
    """Return a body with a part for each value, and for each item of a list."""
    parts: list[bytes] = []
    writing.room.take(_AROUND_A_PART)  # as many are in the last line
    for field, value in given:
        with writing.blaming(field.argument):
            items = value if isinstance(value, list) and not is_json(field) else [value]
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
        if item is not None or is_json(field):
            head, data = _part(field, item, room)
            if head != last:
                last, written = head, head.written()
            room.take(len(written) + len(data) + _AROUND_A_PART)
            yield written + data


def _part(field: BodyField, value: Value, room: Room) -> tuple[_Head, bytes]:
    if is_file(field, value):
        return _file(field, value, room)
    if isinstance(value, dict | list) or is_json(field):
        return _Head(field.name, field.content_type or "application/json"), json_of(value)
    return _Head(field.name, field.content_type), in_charset(text_of(value), field.content_type or "")


def is_json(field: BodyField) -> bool:
    """Whether the document says that the member is JSON, whatever its value is."""
    return field.content_type is not None and kind_of(field.content_type) == "json"


def is_file(field: BodyField, value: Value) -> bool:
    """Whether the value is a file, or several, and nothing in place of one."""
    return field.binary and value is not None and (isinstance(value, dict | list) or not field.or_text)


def _file(field: BodyField, value: Value, room: Room) -> tuple[_Head, bytes]:
    stated = value if isinstance(value, dict) else {"content": value}
    media_type = stated_type(stated, field.content_type or BYTES)
    filename = stated.get("filename") or field.name
    if not isinstance(filename, str):
        raise Unencodable("must have text in `filename`")
    return _Head(field.name, media_type, filename), decoded(stated.get("content"), room)


def stated_type(stated: Mapping[str, Any], otherwise: str | None) -> str:
    """Return the media type of a file. Raises Unencodable where there is none."""
    media_type = stated.get("content_type") or otherwise
    if not isinstance(media_type, str) or not is_media_type(media_type) or is_range(media_type):
        raise Unencodable("must have a media type like image/png in `content_type`")
    return media_type


def decoded(value: Value, room: Room) -> bytes:
    """Return the bytes; what they decode to has to fit in the room, but is not counted yet."""
    try:
        room.need(len(value) // 4 * 3 - 2)
        return base64.b64decode(value.translate(_URL_SAFE), validate=True)
    except (AttributeError, TypeError, ValueError, binascii.Error):
        raise Unencodable("must be bytes in base64, with padding, without line ends or a `data:` prefix") from None
