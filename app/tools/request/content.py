"""The body of a request: JSON, forms, multipart, text or bytes, as the operation's media type asks."""

import base64
import binascii
import hashlib
from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import orjson

from app.errors import Violation
from app.operation.media_types import essence, is_media_type, kind_of
from app.operation.operation import Body, BodyField, Value
from app.operation.pointers import join
from app.tools.request.styles import Unencodable, json_of, pairs, percent_encoded, text_of

_BINARY = "application/octet-stream"
_URL_SAFE = str.maketrans("-_", "+/")
_IN_QUOTES = str.maketrans({'"': "%22", "\r": "%0D", "\n": "%0A"})


@dataclass(frozen=True, slots=True)
class Content:
    """A body and its media type."""

    media_type: str
    data: bytes


@dataclass(frozen=True, slots=True)
class _Part:
    """One part of a multipart body (RFC 7578)."""

    name: str
    data: bytes
    media_type: str | None = None
    filename: str | None = None

    def written(self) -> bytes:
        disposition = f'form-data; name="{self.name.translate(_IN_QUOTES)}"'
        if self.filename is not None:
            disposition = f'{disposition}; filename="{self.filename.translate(_IN_QUOTES)}"'
        kind = f"\r\nContent-Type: {self.media_type}" if self.media_type is not None else ""
        return _utf8(f"Content-Disposition: {disposition}{kind}\r\n\r\n") + self.data


@contextmanager
def blaming(argument: str, violations: list[Violation]) -> Iterator[None]:
    """Note what cannot be encoded as a violation of that argument, and continue."""
    try:
        yield
    except Unencodable as error:
        violations.append(Violation(join("", argument), str(error)))


def encode_body(body: Body, arguments: Mapping[str, Any], violations: list[Violation]) -> Content | None:
    """Return the body; None if it may be left out and nothing is given for it."""
    if body.argument is None:
        given = [(field, arguments[field.argument]) for field in body.fields if field.argument in arguments]
        return _encode_fields(body, given, violations) if given or body.required else None
    if body.argument not in arguments:
        if body.required:
            violations.append(Violation(join("", body.argument), "is required"))
        return None
    with blaming(body.argument, violations):
        return _encode_whole(body, body.argument, arguments[body.argument], violations)
    return None


def _encode_fields(body: Body, given: list[tuple[BodyField, Any]], violations: list[Violation]) -> Content:
    kind = kind_of(body.media_type)
    if kind == "form":
        return Content(body.media_type, _form(given, {field.name for field in body.fields}, violations))
    if kind == "multipart":
        return _multipart(body.media_type, given, violations)
    members = {}
    for field, value in given:
        with blaming(field.argument, violations):
            members[field.name] = orjson.Fragment(json_of(value))
    return Content(body.media_type, orjson.dumps(members))


def _encode_whole(body: Body, argument: str, value: Value, violations: list[Violation]) -> Content:
    kind = kind_of(body.media_type)
    if body.binary and kind != "multipart":
        return Content(body.media_type, _bytes(value))
    if kind == "json":
        return Content(body.media_type, json_of(value))
    if isinstance(value, str) and kind in {"text", "binary"}:
        return Content(_with_charset(body.media_type, value), _utf8(value))
    if kind == "text":
        raise Unencodable("must be text")
    if kind == "binary":
        return Content(body.media_type, json_of(value))
    if not isinstance(value, dict):
        raise Unencodable("must be an object: it is sent as a form")
    known = {field.name: replace(field, argument=argument) for field in body.fields}
    given = [(known.get(name, BodyField(argument, name, binary=body.binary)), each) for name, each in value.items()]
    if kind == "form":
        return Content(body.media_type, _form(given, set(value), violations))
    return _multipart(body.media_type, given, violations)


def _form(given: list[tuple[BodyField, Any]], names: set[str], violations: list[Violation]) -> bytes:
    written: list[tuple[str, str]] = []
    for field, value in given:
        if value is None:
            continue
        with blaming(field.argument, violations):
            if field.style is not None and field.explode and isinstance(value, dict) and field.style != "deepObject":
                refuse_names(value, names - {field.name})
            written += _form_pairs(field, value)
    return "&".join(f"{name}={text}" for name, text in written).encode()


def form_text(value: Mapping[str, Any]) -> str:
    """Return the members as `application/x-www-form-urlencoded`; a list is several values of its name."""
    pairs_of_all = [_form_pairs(BodyField(name, name), each) for name, each in value.items() if each is not None]
    return "&".join(f"{name}={text}" for each in pairs_of_all for name, text in each)


def refuse_names(value: Mapping[str, Any], others: AbstractSet[str]) -> None:
    """Refuse an exploded object whose members have the names of other arguments."""
    for name in value:
        if name in others:
            raise Unencodable(f"must not have {name!r} in it: that is the name of another argument")


def _form_pairs(field: BodyField, value: Value) -> list[tuple[str, str]]:
    if field.style is not None:
        return pairs(field.name, value, field.style, explode=bool(field.explode))
    name = percent_encoded(field.name)
    items = value if isinstance(value, list) and not _is_json(field) else [value]
    return [(name, percent_encoded(text_of(item))) for item in items if item is not None]


def _is_json(field: BodyField) -> bool:
    return field.content_type is not None and kind_of(field.content_type) == "json"


def _multipart(media_type: str, given: list[tuple[BodyField, Any]], violations: list[Violation]) -> Content:
    parts: list[bytes] = []
    for field, value in given:
        with blaming(field.argument, violations):
            items = value if isinstance(value, list) and not _is_json(field) else [value]
            parts += [_part(field, item).written() for item in items if item is not None]
    # No value can contain the digest of itself and all the others.
    boundary = hashlib.sha256(b"\0".join(parts)).hexdigest()
    data = b"".join(b"--%b\r\n%b\r\n" % (boundary.encode(), part) for part in parts) + b"--%b--\r\n" % boundary.encode()
    return Content(f"{essence(media_type)}; boundary={boundary}", data)


def _part(field: BodyField, value: Value) -> _Part:
    if field.binary and not (field.or_text and isinstance(value, str)):
        return _file(field, value)
    if isinstance(value, dict | list):
        return _Part(field.name, json_of(value), field.content_type or "application/json")
    return _Part(field.name, _utf8(text_of(value)), field.content_type)


def _file(field: BodyField, value: Value) -> _Part:
    stated = value if isinstance(value, dict) else {"content": value}
    media_type = stated.get("content_type") or field.content_type or _BINARY
    filename = stated.get("filename") or field.name
    if not isinstance(media_type, str) or not is_media_type(media_type):
        raise Unencodable("must have a media type like image/png in `content_type`")
    if not isinstance(filename, str):
        raise Unencodable("must have text in `filename`")
    return _Part(field.name, _bytes(stated.get("content")), media_type, filename)


def _bytes(value: Value) -> bytes:
    try:
        return base64.b64decode(value.translate(_URL_SAFE), validate=True)
    except (AttributeError, ValueError, binascii.Error):
        raise Unencodable("must be bytes in base64, with padding, without line ends or a `data:` prefix") from None


def _with_charset(media_type: str, text: str) -> str:
    if text.isascii() or ";" in media_type or not media_type.lower().startswith("text/"):
        return media_type
    return f"{media_type}; charset=utf-8"


def _utf8(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:
        raise Unencodable("must be Unicode text without lone surrogates") from None
