"""Bodies that are streams of values: server-sent events, JSON lines, JSON text sequences (RFC 7464)."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import orjson

from app.operation.media_types import EVENTS, essence, is_of_records

_MOST_VALUES = 10_000  # in one answer
_MOST_LINES = 100_000  # of one answer, with those that hold no value
_ENDS_OF_EVENTS, _ENDS_OF_RECORDS, _ENDS_OF_LINES = re.compile(r"\r\n|\n|\r"), re.compile("\x1e"), re.compile(r"\n")


@dataclass(frozen=True, slots=True)
class StreamValues:
    """What a stream held: the values as one JSON array, and whether there were more."""

    raw: bytes
    truncated: bool


def values_of(text: str, content_type: str, *, truncated: bool) -> StreamValues | None:
    """Return what the stream holds; None where a line is not JSON.

    Of a truncated text the last, unfinished value is left out. A server-sent event is `{data}`, with `event` and `id`
    where it has them; `data` is parsed where it is JSON.
    """
    name = essence(content_type)
    lines = list(islice(_lines(text.removeprefix("\ufeff"), name), _MOST_LINES + 1))
    truncated = truncated or len(lines) > _MOST_LINES
    read = _events if name == EVENTS else _plain
    try:
        written = list(islice(read(lines, whole=not truncated), _MOST_VALUES + 1))
    except orjson.JSONDecodeError:
        return None
    raw = b"[" + b",".join(written[:_MOST_VALUES]) + b"]"
    return StreamValues(raw, truncated or len(written) > _MOST_VALUES)


def _plain(lines: Sequence[str], *, whole: bool) -> Iterator[bytes]:
    for line in lines if whole else lines[:-1]:
        if line.strip():
            orjson.loads(line)
            yield line.encode()


def _events(lines: Sequence[str], *, whole: bool) -> Iterator[bytes]:
    """Yield the events of a stream (HTML standard, section 9.2.6); the last of a whole one may lack its blank line."""
    fields: dict[str, Any] = {}
    data: list[str] = []
    for line in lines[:-1] if lines[-1] == "" else lines:
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


def _lines(text: str, name: str) -> Iterator[str]:
    """Yield what is between the ends of lines, or of records, and what follows the last; that may be nothing."""
    start = 0
    ends = _ENDS_OF_EVENTS if name == EVENTS else _ENDS_OF_RECORDS if is_of_records(name) else _ENDS_OF_LINES
    for end in ends.finditer(text):
        yield text[start : end.start()]
        start = end.end()
    yield text[start:]


def _event(fields: dict[str, Any], data: str) -> bytes:
    try:
        orjson.loads(data)
    except orjson.JSONDecodeError:
        return orjson.dumps({**fields, "data": data})
    # A fragment, because what can be parsed may be nested too deep to be written again.
    return orjson.dumps({**fields, "data": orjson.Fragment(data)})
