"""Calls whose arguments no request can carry: their sender gets an answer of its own, as for any other wrong argument.

JSON allows integers of any length, a name twice in one object and lists in lists without end. The message around such
arguments can be read, and an HTTP error would end the session of many clients (JSON-RPC 2.0 section 5: only where the
id cannot be read does an answer have none).
"""

import json
import math
import re
from collections.abc import Iterator
from typing import Any

import orjson

from app.api.http.bodies import DEPTH, VALUES, check_shape, containers_and_commas, read_json
from app.errors import Invalid, TooLarge
from app.tools.arguments import BEYOND_64_BITS, Arguments, Unusable

_LEVELS = DEPTH + 8  # the arguments begin some levels down, and one that is too deep for them stays recognisable
_LEVELS_OF_MANY = 4  # of arguments that are too many anyway; the names in `_meta` are the deepest that count
_CONTAINERS = VALUES * 5 // 4
_LONGEST_INTEGER = 40  # digits; what is longer is not worth converting, only to be refused
_TO_BRACKET = re.compile(rb'[^"\[\]{}]*+(?:"(?:[^"\\]++|\\.)*+"[^"\[\]{}]*+)*+([\[\]{}])', re.DOTALL)
_STRING = rb'"(?:[^"\\]++|\\.)*+"'
_INNERMOST = rb"(?:[^\"\[\]{}]++|%b)*+" % _STRING
_WITHOUT_LEVELS = re.compile(rb"(?:[^\"\[\]{}]++|%b|\[%b\]|\{%b\})*+" % (_STRING, _INNERMOST, _INNERMOST), re.DOTALL)

_TWICE = Unusable("is given twice; say it once")
_NO_OBJECT = Unusable("must be an object of arguments by name")
_TOO_MANY = Unusable(f"have more than {VALUES:,} values; send less")
_TOO_LARGE = Unusable("is too large for a number; send it as a string if the tool takes one")
_TOO_LONG = Unusable(BEYOND_64_BITS)


def call_apart(body: bytes) -> tuple[dict[str, Any], Arguments] | None:
    """Return the message of a call without its arguments, and these, with Unusable in the place of what is wrong.

    None when this is no call, when anything else of the message cannot be read either, and when there are so many
    lists, objects and strings that to find the rest of the message among them would take long.
    """
    counted = containers_and_commas(body)
    if counted is None or counted[0] > _CONTAINERS:
        return None
    too_many = max(counted) > VALUES
    message = _lenient(body, _LEVELS_OF_MANY if too_many else _LEVELS)
    if not isinstance(message, dict) or message.get("method") != "tools/call":
        return None
    params = message.get("params")
    if not isinstance(params, dict):
        return None
    try:
        rest = {**message, "params": {**params, "arguments": {}}}
        read_json(orjson.dumps(rest, option=orjson.OPT_PASSTHROUGH_DATACLASS))  # which Unusable is
    except (TypeError, Invalid, TooLarge):
        return None
    return rest, _TOO_MANY if too_many else _judged(params.get("arguments"))


def _judged(arguments: object) -> Arguments:
    if isinstance(arguments, Unusable):
        return arguments
    try:
        check_shape(arguments)
    except TooLarge:
        return _TOO_MANY
    except Invalid:  # too deep: the tool's own check says where
        pass
    return arguments if isinstance(arguments, dict) else _NO_OBJECT


def _lenient(body: bytes, levels: int) -> Any:  # noqa: ANN401 - any JSON value
    """Return the value with Unusable inside, or None for what is not JSON in UTF-8."""
    try:
        text = b"".join(_shallow(body, levels)).decode()
        numbers = _Numbers()
        try:
            return json.loads(
                text,
                object_pairs_hook=_object,
                parse_int=numbers.integer,
                parse_float=numbers.fraction,
                parse_constant=_constant,
            )
        except _TooManyNumbers:
            return _of_too_many(json.loads(text, parse_constant=_constant))
    except (ValueError, RecursionError):  # the latter of what never closes
        return None


def _of_too_many(message: Any) -> Any:  # noqa: ANN401 - any JSON value
    if isinstance(message, dict) and isinstance(params := message.get("params"), dict):
        params["arguments"] = _TOO_MANY
    return message


def _shallow(body: bytes, levels: int) -> Iterator[bytes]:
    """Yield the JSON without what lies deeper than `levels`; of that, an empty list or object stays."""
    depth = start = position = 0
    while bracket := _TO_BRACKET.match(body, position):  # not finditer, which tries again at every byte of a bad string
        position = bracket.end()
        if bracket[1] in b"[{":
            depth += 1
            if depth == levels:
                yield body[start:position]
            if depth >= levels and (skipped := _WITHOUT_LEVELS.match(body, position)):
                position = skipped.end()
        else:
            if depth == levels:
                start = position - 1
            depth -= 1
    yield body[start:]


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    named: dict[str, Any] = {}
    for name, value in pairs:
        named[name] = _TWICE if name in named else value
    return named


class _TooManyNumbers(Exception):
    pass


class _Numbers:
    """Reads numbers, and no more of them than a body may have values: each is a call that keeps others waiting."""

    def __init__(self) -> None:
        self._left = VALUES

    def integer(self, digits: str) -> object:
        self._count()
        return int(digits) if len(digits) <= _LONGEST_INTEGER else _TOO_LONG

    def fraction(self, digits: str) -> object:
        self._count()
        value = float(digits)
        return value if math.isfinite(value) else _TOO_LARGE

    def _count(self) -> None:
        self._left -= 1
        if self._left < 0:
            raise _TooManyNumbers


def _constant(name: str) -> object:
    raise ValueError(f"{name} is not JSON")
