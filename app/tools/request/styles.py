"""Parameter values as text in a URL or a header: the styles of OAS 3.1.1 section 4.8.12.2.3, built on RFC 6570.

No value can be read as anything but the value of its parameter: all characters except unreserved ones are
percent-encoded, and where a style has no encoding, what would be read as something else is refused. Whatever is
written takes its room first, names that are repeated or grow inside one another included.
"""

import math
import re
import string
from collections.abc import Callable, Iterator, Mapping
from functools import cache, partial
from typing import Any

import orjson

from app.errors import TooLarge
from app.operation.operation import Style, Value

_UNRESERVED = f"{string.ascii_letters}{string.digits}-._~"  # RFC 3986 section 2.3
_HARMLESS_IN_QUERY = ":/?@!$'()*"  # of RFC 6570's reserved characters; `&=+#;[]` and the comma end or split a value
_HEADER_TEXT = re.compile(r"[\x21-\x7e](?:[\t\x20-\x7e]*[\x21-\x7e])?|")
_EXACT_FLOATS = 2**53
_CHUNK = 16_384  # bytes
_PERCENT = 0x25  # first, as it is in what the others become
_DELIMITERS: Mapping[Style, tuple[str, str]] = {
    "form": ("", ","),
    "matrix": ("", ","),
    "spaceDelimited": (" ", "%20"),
    "pipeDelimited": ("|", "%7C"),
}

Pair = tuple[str, str]  # an encoded name and an encoded value


class Unencodable(Exception):
    """A value that cannot be sent where it belongs; the text follows the argument's name: `must be …`."""


class Room:
    """How many bytes one part of a request may still have. Every writer takes what it is about to write.

    Raises TooLarge (`request_too_large`) when there is no more; `too_long` says what of, with `{:,}` for how many.
    """

    __slots__ = ("_left", "_most", "_too_long")

    def __init__(self, most: int, too_long: str) -> None:
        self._left = self._most = most
        self._too_long = too_long

    def need(self, size: int) -> None:
        """Refuse what is larger than all that is left, before it is made."""
        if size > self._left:
            said = self._too_long.format(self._most)
            raise TooLarge("request_too_large", f"Nothing was sent: {said}. Send less, or send it in several calls.")

    def take(self, size: int) -> None:
        """Count what is written next."""
        self.need(size)
        self._left -= size

    def encoded(self, text: str, safe: str = "") -> str:
        """Return the text percent-encoded, and count it."""
        if text.isalnum() and text.isascii():
            self.take(len(text))
            return text
        data = utf8(text)
        self.take(len(data))
        self.take(2 * len(data.translate(None, _encoding(safe)[0])))
        return _encoded(data, safe)


def percent_encoded(text: str) -> str:
    """Return the text with everything but unreserved characters (RFC 3986 section 2.3) encoded."""
    return text if text.isalnum() and text.isascii() else _encoded(utf8(text), "")


@cache
def _encoding(safe: str) -> tuple[bytes, dict[int, str]]:
    """Return the bytes that stay as they are, and what becomes of the others."""
    kept = f"{_UNRESERVED}{safe}".encode()
    return kept, {byte: f"%{byte:02X}" for byte in range(256) if byte not in kept}


def _encoded(data: bytes, safe: str) -> str:
    kept, table = _encoding(safe)
    if len(data) <= _CHUNK:
        return data.decode("latin-1").translate(table)
    chunks = []  # byte by byte, megabytes would keep everybody waiting; most texts have few kinds that are encoded
    for start in range(0, len(data), _CHUNK):
        chunk = data[start : start + _CHUNK]
        for byte in sorted(set(chunk.translate(None, kept)), key=lambda each: each != _PERCENT):
            chunk = chunk.replace(bytes((byte,)), table[byte].encode())
        chunks.append(chunk)
    return b"".join(chunks).decode()


def utf8(text: str) -> bytes:
    """Return the text in UTF-8."""
    try:
        return text.encode()
    except UnicodeEncodeError:
        raise Unencodable("must be Unicode text without lone surrogates") from None


def text_of(value: Value) -> str:
    """Return a scalar as text, and anything else as JSON: no standard defines a list in a list."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and not math.isfinite(value):
        raise Unencodable("must be a finite number")
    if isinstance(value, int | float):
        return str(int(value) if value == int(value) and abs(value) < _EXACT_FLOATS else value)
    return json_of(value).decode()


def json_of(value: Value) -> bytes:
    """Return the value as JSON."""
    pending = [value]
    while pending:
        item = pending.pop()
        if isinstance(item, float) and not math.isfinite(item):
            raise Unencodable("must hold finite numbers only")
        if isinstance(item, dict | list):
            pending.extend(item.values() if isinstance(item, dict) else item)
    try:
        return orjson.dumps(value)
    except TypeError:
        raise Unencodable(
            "cannot be written as JSON: it has lone surrogates, integers over 64 bits or more than 250 levels"
        ) from None


def header_text(value: Value, *, explode: bool) -> str:
    """Return a header's value: style simple, where nothing is encoded, so nothing ambiguous is allowed."""
    words = words_of(value, str, explode=explode)
    divider = re.compile("[,=]" if explode else ",")
    if isinstance(value, dict | list) and any(map(divider.search, _parts(value))):
        raise Unencodable("must not have commas in its items: they would be read as more items")
    return checked_header(",".join(words))


def _parts(value: dict[str, Any] | list[Any]) -> Iterator[str]:
    for item in value.items() if isinstance(value, dict) else ((each,) for each in value):
        yield from (text_of(part) for part in item)


def checked_header(text: str) -> str:
    """Return the text if it can be a header's value (RFC 9110 section 5.5) without changing on the way."""
    if not _HEADER_TEXT.fullmatch(text):
        raise Unencodable("must be printable ASCII without spaces at its ends: it is sent in a header")
    return text


def pairs(
    name: str, value: Value, style: Style, room: Room, *, explode: bool, allow_reserved: bool = False
) -> Iterator[Pair]:
    """Yield names and values for a query, a cookie, a form or the path (style matrix).

    Each pair is counted with its `=` and a byte that divides it from the one before. Exploded objects and deepObjects
    have names of their own, which are a caller's; any other name is `percent_encoded(name)`.
    """
    key = percent_encoded(name)
    safe = _HARMLESS_IN_QUERY if allow_reserved else ""
    if style == "deepObject":
        yield from _deep(key, value, room)
    elif not isinstance(value, dict | list):
        room.take(len(key) + 2)
        yield key, room.encoded(text_of(value), f"{safe}," if safe else "")
    elif explode:
        yield from _exploded(key, value, room, safe)
    else:
        delimiter, written = _DELIMITERS[style]
        words = words_of(value, partial(room.encoded, safe=safe), explode=False)
        if delimiter and any(delimiter in part for part in _parts(value)):
            raise Unencodable(f"must not have {delimiter!r} in its items: it would be read as more items")
        if words or style == "matrix":
            room.take(len(key) + 2 + len(written) * max(len(words) - 1, 0))
            yield key, written.join(words)


def _exploded(key: str, value: dict[str, Any] | list[Any], room: Room, safe: str) -> Iterator[Pair]:
    if isinstance(value, dict):
        for name, item in value.items():
            if item is not None:
                room.take(2)
                yield room.encoded(name), room.encoded(text_of(item), safe)
        return
    for item in value:
        if item is not None:
            room.take(len(key) + 2)
            yield key, room.encoded(text_of(item), safe)


def words_of(value: Value, encode: Callable[[str], str], *, explode: bool) -> list[str]:
    """Return the items of a list, or names and values of an object, which explode joins by `=`; null is not an item."""
    if isinstance(value, list):
        return [encode(text_of(item)) for item in value if item is not None]
    if not isinstance(value, dict):
        return [encode(text_of(value))]
    members = [(encode(name), encode(text_of(item))) for name, item in value.items() if item is not None]
    if explode:
        return [f"{name}={item}" for name, item in members]
    return [word for member in members for word in member]


def _deep(key: str, value: Value, room: Room) -> Iterator[Pair]:
    """`a[b]=c`. OAS defines nothing deeper: nested objects add brackets, lists have empty ones.

    The names of levels are put together where one of their values is written: deep ones would fill the memory.
    """
    levels: list[tuple[str, Iterator[tuple[str, Value]]]] = [(key, iter([("", value)]))]
    beginning: str | None = None
    while levels:
        if (found := next(levels[-1][1], None)) is None:
            levels.pop()
            beginning = None
            continue
        last, item = found
        if isinstance(item, dict | list):
            levels.append((last, _inside(item, room)))
            beginning = None
        elif item is not None:
            if beginning is None:
                room.need(sum(len(step) for step, _ in levels))
                beginning = "".join(step for step, _ in levels)
            room.take(len(beginning) + len(last) + 2)
            yield f"{beginning}{last}", room.encoded(text_of(item))


def _inside(value: dict[str, Any] | list[Any], room: Room) -> Iterator[tuple[str, Value]]:
    if isinstance(value, list):
        yield from (("%5B%5D", each) for each in value)
        return
    for member, each in value.items():
        if "[" in member or "]" in member:
            raise Unencodable("must not have brackets in its names")
        room.need(len(member))
        yield f"%5B{percent_encoded(member)}%5D", each
