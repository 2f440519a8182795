"""What the writers of a request share: the room that there is, what is wrong so far, and scalars as text or JSON."""

import math
import re
import string
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from unicodedata import normalize
from urllib.parse import unquote

import orjson

from app.errors import TooLarge, Violation
from app.operation.media_types import charset_of, codec_of
from app.operation.operation import Value
from app.operation.pointers import join

_UNRESERVED = f"{string.ascii_letters}{string.digits}-._~"  # RFC 3986 section 2.3
_EXACT_FLOATS = 2**53
_CHUNK = 16_384  # bytes
_PERCENT = 0x25  # first, as it is in what the others become
_MOST_VIOLATIONS = 50
_MOST_DECODINGS = 10
# Too long for UTF-8, or as IIS has it: servers have read dots and slashes of it.
_OVERLONG = re.compile("%(?:c|(?:e0|f0%80)%8)([01])%([89ab][0-9a-f])|%u([0-9a-f]{4})", re.IGNORECASE)

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


def decoded_often(text: str) -> str:
    """Return the text as it is for a server that decodes it several times and takes look-alikes for what they mean."""
    for _ in range(_MOST_DECODINGS):
        plain = unquote(_OVERLONG.sub(_of_overlong, text))
        if plain == text:
            break
        text = plain
    return text if text.isascii() else normalize("NFKC", text)


def _of_overlong(found: re.Match[str]) -> str:
    high, low, unit = found.groups()
    return chr(int(unit, 16) if unit else int(high) << 6 | int(low, 16) & 0x3F)


def in_charset(text: str, media_type: str) -> bytes:
    """Return the text in the charset that is stated with the media type, else in UTF-8."""
    charset = charset_of(media_type)
    if not charset or (codec := codec_of(charset)) == "utf-8":
        return utf8(text)
    try:
        return text.encode(codec)
    except UnicodeEncodeError:
        raise Unencodable(f"must be text in {charset}, as its media type says") from None


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


@dataclass(frozen=True, slots=True)
class Content:
    """A body and its media type."""

    media_type: str
    data: bytes


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


def has_whole_floats(arguments: Mapping[str, Value]) -> bool:
    """Whether any number in them was said as `5.0` is."""
    pending: list[Value] = [*arguments.values()]
    while pending:
        each = pending.pop()
        if isinstance(each, float):
            if each.is_integer():
                return True
        elif isinstance(each, dict):
            pending += each.values()
        elif isinstance(each, list):
            pending += each
    return False
