"""Request bodies: read within a limit, and parsed so that every later reader sees the same thing."""

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any

import orjson
from starlette.datastructures import Headers
from starlette.types import Message, Receive, Scope

from app.errors import Invalid, TooLarge, Violation

DEPTH = 128
VALUES = 100_000  # of a body; checking many more would keep every other caller waiting for seconds
_INT64_DIGITS = 18  # every integer of so many digits fits 64 bits
_A_LOOK = 2**18  # bytes that a regular expression sees at once; while it runs, nobody else does
_MARKS = re.compile(rb'"(?:[^"\\]++|\\.)*+(?:"|(?P<cut>\\?\Z))|[{}\[\]]', re.DOTALL)  # texts and brackets
_IN_TEXT = re.compile(rb'(?:[^"\\]++|\\.)*+', re.DOTALL)
_DOCUMENT = re.compile(b'"%b"' % b"".join(rb"(?:%c|\\u00(?i:%02x))" % (each, each) for each in b"document"))
_COLON = re.compile(rb"\s{0,1000}:\s{0,1000}")
_IN_ITS_PLACE = '"…"'.encode()
_MARKS_A_VALUE = 3  # its name, and the brackets of a container


class ClientGone(Exception):
    """The client closed the connection before it was answered."""


async def read_body(scope: Scope, receive: Receive, limit: int) -> bytes:
    """Return the whole request body.

    Raises TooLarge over `limit` bytes, announced or sent, and ClientGone when the client leaves first.
    """
    announced = Headers(scope=scope).get("content-length", "")
    if announced.isdecimal() and int(announced[:20]) > limit:
        raise _too_large(limit)
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGone
        body += message.get("body", b"")
        if len(body) > limit:
            raise _too_large(limit)
        if not message.get("more_body", False):
            return bytes(body)


def replayed(body: bytes, receive: Receive) -> Receive:
    """Return a `receive` that hands out a body that was read already, and then what `receive` says."""
    pending: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replay() -> Message:
        return pending.pop() if pending else await receive()

    return replay


def read_json(body: bytes) -> Any:  # noqa: ANN401 - any JSON value
    """Parse JSON in which readers cannot differ.

    Raises Invalid("invalid_json") for what is not JSON (RFC 8259) in UTF-8, and for what parsers disagree on or lose:
    names given twice, integers beyond 64 bits, lone surrogates, nesting deeper than 128. Raises TooLarge over 100,000
    values.
    """
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise _invalid(f"The body is not JSON: {error.msg} at line {error.lineno}, column {error.colno}.") from None
    if len(body) > VALUES or body.count(b"[") + body.count(b"{") > DEPTH:
        _check_shape(value)
    json.loads(body, object_pairs_hook=_unique, parse_int=_int64)
    return value


def take_document(body: bytes, most_values: int) -> tuple[bytes, bytes | None]:
    """Return the body with a short text in place of its member `document`, and what that member holds.

    An object is returned as its bytes, a text as what it says; anything else stays in the body. Nothing is parsed, so
    that a large or hostile document costs little here; time grows with `most_values`. Raises Invalid
    ("invalid_document") for more values, and Invalid("invalid_json") for a text that is not JSON.
    """
    value, depth = -1, 0
    for count, (start, end) in enumerate(_texts_and_brackets(body)):
        if count > _MARKS_A_VALUE * most_values + DEPTH:
            raise _too_many(most_values)
        depth += (body[start] in b"{[") - (body[start] in b"}]")
        if depth != 1:
            continue
        if value >= 0:
            return body[:value] + _IN_ITS_PLACE + body[end:], _unfolded(memoryview(body)[value:end])
        if _DOCUMENT.fullmatch(body, start, end):
            colon = _COLON.match(body, end)
            if colon is not None and body[colon.end() : colon.end() + 1] in {b"{", b'"'}:
                value = colon.end()
    return body, None


def _texts_and_brackets(body: bytes) -> Iterator[tuple[int, int]]:
    position = 0
    while position < len(body):
        ahead = min(position + _A_LOOK, len(body))
        for found in _MARKS.finditer(body, position, ahead):
            if found.lastgroup is None:
                yield found.span()
            else:
                ahead = _end_of_text(body, found.start("cut"))
                yield found.start(), ahead
        position = ahead


def _end_of_text(body: bytes, position: int) -> int:
    while position < len(body) and body[position] != ord('"'):
        inside = _IN_TEXT.match(body, position, position + _A_LOOK)
        position = inside.end() if inside is not None and inside.end() > position else len(body)
    return min(position + 1, len(body))


def _unfolded(value: memoryview) -> bytes:
    try:
        return orjson.loads(value).encode() if value[0] == ord('"') else bytes(value)
    except orjson.JSONDecodeError as error:
        raise _invalid(f"`document` is a text that is not JSON: {error.msg}.") from None


def _too_many(most: int) -> Invalid:
    why = f"has more than {most:,} values (SOURCE_MAX_NODES)"
    return Invalid("invalid_document", f"The document {why}.", [Violation("/document", why)])


def _unique(pairs: list[tuple[str, Any]]) -> None:
    if len({name for name, _ in pairs}) < len(pairs):
        raise _invalid("An object in the body has the same name twice; say each once.")


def _int64(digits: str) -> int:
    if len(digits) > _INT64_DIGITS and not (len(digits) <= _INT64_DIGITS + 3 and -(2**63) <= int(digits) < 2**64):
        raise _invalid("The body has an integer of more than 64 bits; send it as a string.")
    return 0


def _check_shape(value: object) -> None:
    """Go down level by level, and never through more values than permitted."""
    level, values = _containers([value]), 1
    for _ in range(DEPTH):
        values += sum(len(container) for container in level)
        if values > VALUES:
            raise TooLarge("body_too_large", f"The body has more than {VALUES:,} values; send less.")
        level = [
            inner
            for container in level
            for inner in _containers(container.values() if isinstance(container, dict) else container)
        ]
    if level:
        raise _invalid(f"The body is nested deeper than {DEPTH} levels.")


def _containers(values: Iterable[object]) -> list[dict[str, Any] | list[Any]]:
    return [value for value in values if isinstance(value, dict | list)]


def _invalid(detail: str) -> Invalid:
    return Invalid("invalid_json", detail)


def _too_large(limit: int) -> TooLarge:
    return TooLarge("body_too_large", f"The body has more than {limit} bytes; send less.")
