"""Request bodies: read within a limit, and parsed so that every later reader sees the same thing."""

import json
from collections.abc import AsyncGenerator, Iterable
from typing import Any

import orjson
from fastapi.routing import APIRoute
from starlette.datastructures import Headers
from starlette.routing import Match
from starlette.types import Message, Receive, Scope

from app.api.http.dependencies import composition_of
from app.api.http.held import FREE, Holding
from app.errors import Invalid, TooLarge, ToolsProviderError, UnsupportedMediaType
from app.operation.media_types import essence

REFUSAL = "refusal"  # in the state of a request whose connection says why it must be refused
_HOLDING = "holding"  # … and what its body holds
DEPTH = 128
VALUES = 100_000  # of a body; checking many more would keep every other caller waiting for seconds
_INT64_DIGITS = 18  # every integer of so many digits fits 64 bits


class ClientGone(Exception):
    """The client closed the connection before it was answered."""


def refusal_of(scope: Scope) -> ToolsProviderError | None:
    """Return why a request must be refused, as far as its connection knows."""
    refusal: ToolsProviderError | None = scope.get("state", {}).get(REFUSAL)
    return refusal


def let_go(scope: Scope) -> None:
    """Give back what the body of an answered request held."""
    if (holding := scope.get("state", {}).get(_HOLDING)) is not None:
        holding.end()


async def read_body(scope: Scope, receive: Receive, limit: int) -> bytes:
    """Return the whole request body.

    Raises TooLarge over `limit` bytes, announced or sent, UnsupportedMediaType for a compressed one, Unavailable when
    all callers' bodies hold too much, what its connection found wrong, and ClientGone when the client leaves first.
    """
    body = bytearray()
    async for chunk in chunks(scope, receive, limit):
        body += chunk
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
    if has_too_many(body):
        raise _too_many()
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise _invalid(f"The body is not JSON: {error.msg} at line {error.lineno}, column {error.colno}.") from None
    if len(body) > VALUES or body.count(b"[") + body.count(b"{") > DEPTH:
        check_shape(value)
    json.loads(body, object_pairs_hook=_unique, parse_int=_int64)
    return value


def has_too_many(body: bytes) -> bool:
    """Whether JSON has more values than are permitted, told without parsing it.

    To make a million of them, and to look through them for garbage, would keep everyone waiting for a second.
    """
    if max(_containers_and_commas(body)) <= VALUES:
        return False
    counted = containers_and_commas(body)
    return counted is None or max(counted) > VALUES


def containers_and_commas(body: bytes) -> tuple[int, int] | None:
    """Return how many lists and objects JSON has, and how many commas: each a value, or before one.

    None for more strings than permitted values and their names could be. Takes some hundredths of a second for four
    megabytes of anything.
    """
    unescaped = body.replace(b"\\\\", b"").replace(b'\\"', b"")
    if unescaped.count(b'"') > 4 * VALUES:
        return None
    return _containers_and_commas(b"".join(unescaped.split(b'"')[::2]))


def _containers_and_commas(text: bytes) -> tuple[int, int]:
    return text.count(b"[") + text.count(b"{"), text.count(b",")


def is_json(content_type: str | None) -> bool:
    """Whether a body of that media type is JSON."""
    if content_type == "application/json":  # as nearly every caller writes it
        return True
    name = essence(content_type or "")
    return name == "application/json" or (name.startswith("application/") and name.endswith("+json"))


def not_json(hint: str = "") -> UnsupportedMediaType:
    """Return the refusal of a body of another media type."""
    return UnsupportedMediaType(
        "unsupported_media_type", f"This takes JSON: send it with Content-Type: application/json.{hint}"
    )


def is_multipart(scope: Scope) -> bool:
    """Whether the request's body is a form of several parts."""
    return essence(Headers(scope=scope).get("content-type", "")) == "multipart/form-data"


class FormRoute(APIRoute):
    """Takes forms of several parts; any other body goes to the next route of the same path.

    It must stand in the application itself: routers that are included do not ask a route whether it matches.
    """

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """See Starlette."""
        match, child = super().matches(scope)
        return (match, child) if match is Match.NONE or is_multipart(scope) else (Match.NONE, {})


async def chunks(scope: Scope, receive: Receive, limit: int) -> AsyncGenerator[bytes]:
    """Yield the body as it comes. Raises what `read_body` raises."""
    headers = Headers(scope=scope)
    if headers.get("content-encoding", "identity").lower() != "identity":
        raise UnsupportedMediaType("unsupported_media_type", "Send the body as it is, without a Content-Encoding.")
    announced = headers.get("content-length", "")
    if announced.isdecimal() and int(announced[:20]) > limit:
        raise _too_large(limit)
    size = 0
    more = True
    holding = None
    while more:
        message = await receive()
        if (refusal := refusal_of(scope)) is not None:  # of what has come only a part is a body
            raise refusal
        if message["type"] == "http.disconnect":
            raise ClientGone
        chunk = message.get("body", b"")
        size += len(chunk)
        if size > limit:
            raise _too_large(limit)
        if size > FREE:
            holding = holding or _holding(scope)
            holding.grow_to(size)
        yield chunk
        more = message.get("more_body", False)


def _holding(scope: Scope) -> Holding:
    holding = Holding(composition_of(scope).held, scope["agent"].subject)
    scope.setdefault("state", {})[_HOLDING] = holding  # a server need not have made one
    return holding


def _unique(pairs: list[tuple[str, Any]]) -> None:
    if len({name for name, _ in pairs}) < len(pairs):
        raise _invalid("An object in the body has the same name twice; say each once.")


def _int64(digits: str) -> int:
    if len(digits) > _INT64_DIGITS and not (len(digits) <= _INT64_DIGITS + 3 and -(2**63) <= int(digits) < 2**64):
        raise _invalid("The body has an integer of more than 64 bits; send it as a string.")
    return 0


def check_shape(value: object) -> None:
    """Raise TooLarge for more values than permitted, Invalid("invalid_json") for more levels."""
    level, values = _containers([value]), 1
    for _ in range(DEPTH):  # level by level, and never through more values than permitted
        values += sum(len(container) for container in level)
        if values > VALUES:
            raise _too_many()
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


def _too_many() -> TooLarge:
    return TooLarge("body_too_large", f"The body has more than {VALUES:,} values; send less.")


def _too_large(limit: int) -> TooLarge:
    return TooLarge("body_too_large", f"The body has more than {limit} bytes; send less.")
