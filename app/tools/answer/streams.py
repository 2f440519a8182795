"""Bodies that are streams of values: server-sent events, JSON lines, JSON text sequences (RFC 7464)."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

import orjson

from app.operation.media_types import essence

_EVENTS = "text/event-stream"
_SEQUENCE = "application/json-seq"
_LINES = ("x-ndjson", "ndjson", "jsonl", "x-jsonl", "jsonlines", "x-jsonlines")
STREAMS = frozenset({_EVENTS, _SEQUENCE, *(f"application/{name}" for name in _LINES)})
_MOST_VALUES = 10_000  # in one answer
_LINE_END = re.compile(r"\r\n|\n|\r")
_RECORD_SEPARATOR = "\x1e"

_Written = tuple[Any, bytes]  # a value and its JSON


@dataclass(frozen=True, slots=True)
class StreamValues:
    """What a stream held: the values, the same as one JSON array, and whether there were more."""

    values: list[Any]
    raw: bytes
    truncated: bool


def values_of(text: str, content_type: str, *, truncated: bool) -> StreamValues | None:
    """Return what the stream holds; None where a line is not JSON.

    Of a truncated text the last, unfinished value is left out. A server-sent event is `{data}`, with `event` and `id`
    where it has them; `data` is parsed where it is JSON.
    """
    found = _values(text.removeprefix("\ufeff"), essence(content_type), whole=not truncated)
    try:
        written = list(islice(found, _MOST_VALUES + 1))
    except orjson.JSONDecodeError:
        return None
    shown = written[:_MOST_VALUES]
    raw = b"[" + b",".join(raw for _, raw in shown) + b"]"
    return StreamValues([value for value, _ in shown], raw, truncated or len(written) > len(shown))


def _values(text: str, name: str, *, whole: bool) -> Iterator[_Written]:
    if name == _EVENTS:
        yield from _events(text, whole=whole)
        return
    parts = text.split(_RECORD_SEPARATOR if name == _SEQUENCE else "\n")
    for part in parts if whole else parts[:-1]:
        if part.strip():
            yield orjson.loads(part), part.encode()


def _events(text: str, *, whole: bool) -> Iterator[_Written]:
    """Yield the events of a stream (HTML standard, section 9.2.6); the last of a whole one may lack its blank line."""
    fields: dict[str, Any] = {}
    data: list[str] = []
    for line in _lines(text):
        if not line:
            if data:
                yield _event(fields, "\n".join(data))
            fields, data = {}, []
            continue
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "data":
            data.append(value)
        elif name in {"event", "id"} and value:
            fields[name] = value
    if whole and data:
        yield _event(fields, "\n".join(data))


def _lines(text: str) -> Iterator[str]:
    start = 0
    for end in _LINE_END.finditer(text):
        yield text[start : end.start()]
        start = end.end()
    if start < len(text):
        yield text[start:]


def _event(fields: dict[str, Any], data: str) -> _Written:
    try:
        value = orjson.loads(data)
    except orjson.JSONDecodeError:
        return {**fields, "data": data}, orjson.dumps({**fields, "data": data})
    # A fragment, because what can be parsed may be nested too deep to be written again.
    return {**fields, "data": value}, orjson.dumps({**fields, "data": orjson.Fragment(data)})
