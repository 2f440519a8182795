"""Request bodies: read within a limit, and parsed so that every later reader sees the same thing."""

import json
from collections.abc import Iterable
from typing import Any

import orjson
from starlette.types import Message, Receive

from app.errors import Invalid, TooLarge

DEPTH = 128
VALUES = 100_000  # of a body; checking many more would keep every other caller waiting for seconds
_INT64_DIGITS = 18  # every integer of so many digits fits 64 bits


class ClientGone(Exception):
    """The client closed the connection before it was answered."""


async def read_body(receive: Receive, content_length: str | None, limit: int) -> bytes:
    """Return the whole request body.

    Raises TooLarge over `limit` bytes, announced or sent, and ClientGone when the client leaves first.
    """
    if content_length is not None and content_length.isdecimal() and int(content_length[:20]) > limit:
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
