"""Parameter values as text in a URL or a header: the styles of OAS 3.1.1 section 4.8.12.2.3, built on RFC 6570.

No value can be read as anything but the value of its parameter: all characters except unreserved ones are
percent-encoded, and where a style has no encoding, what would be read as something else is refused.
"""

import math
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import quote

import orjson

from app.operation.operation import Style, Value

_HARMLESS_IN_QUERY = ":/?@!$'()*"  # of RFC 6570's reserved characters; `&=+#;[]` and the comma end or split a value
_HEADER_TEXT = re.compile(r"[\x21-\x7e](?:[\t\x20-\x7e]*[\x21-\x7e])?|")
_EXACT_FLOATS = 2**53
_DELIMITERS: Mapping[Style, tuple[str, str]] = {
    "form": ("", ","),
    "spaceDelimited": (" ", "%20"),
    "pipeDelimited": ("|", "%7C"),
}

Encode = Callable[[str], str]


class Unencodable(Exception):
    """A value that cannot be sent where it belongs; the text follows the argument's name: `must be …`."""


def text_of(value: Value) -> str:
    """Return a scalar as text, and anything else as JSON: no standard defines a list in a list."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and not math.isfinite(value):
        raise Unencodable("must be a finite number")
    if isinstance(value, float) and value.is_integer() and abs(value) < _EXACT_FLOATS:
        return str(int(value))
    if isinstance(value, int | float):
        return str(value)
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


def percent_encoded(text: str, safe: str = "") -> str:
    """Return the text with everything but unreserved characters (RFC 3986 section 2.3) encoded."""
    if text.isalnum() and text.isascii():
        return text
    try:
        return quote(text, safe=safe)
    except UnicodeEncodeError:
        raise Unencodable("must be Unicode text without lone surrogates") from None


def path_text(name: str, value: Value, style: Style, *, explode: bool) -> str:
    """Return the text for the path: styles simple, label and matrix."""
    if style == "matrix":
        return _matrix(percent_encoded(name), value, explode=explode)
    between = "." if style == "label" and explode else ","
    return ("." if style == "label" else "") + between.join(_words(value, percent_encoded, explode=explode))


def _matrix(name: str, value: Value, *, explode: bool) -> str:
    words = _words(value, percent_encoded, explode=explode)
    if explode and isinstance(value, dict):
        return "".join(f";{word}" for word in words)
    if explode and isinstance(value, list):
        return "".join(f";{name}={word}" for word in words)
    joined = ",".join(words)
    return f";{name}={joined}" if joined else f";{name}"


def header_text(value: Value, *, explode: bool) -> str:
    """Return a header's value: style simple, where nothing is encoded, so nothing ambiguous is allowed."""
    words = _words(value, str, explode=explode)
    if isinstance(value, dict | list) and any(_is_ambiguous(word, exploded=explode) for word in _parts(value)):
        raise Unencodable("must not have commas in its items: they would be read as more items")
    return checked_header(",".join(words))


def _parts(value: dict[str, Any] | list[Any]) -> Iterator[str]:
    for item in value.items() if isinstance(value, dict) else ((each,) for each in value):
        yield from (text_of(part) for part in item)


def _is_ambiguous(word: str, *, exploded: bool) -> bool:
    return "," in word or (exploded and "=" in word)


def checked_header(text: str) -> str:
    """Return the text if it can be a header's value (RFC 9110 section 5.5) without changing on the way."""
    if not _HEADER_TEXT.fullmatch(text):
        raise Unencodable("must be printable ASCII without spaces at its ends: it is sent in a header")
    return text


def pairs(
    name: str, value: Value, style: Style, *, explode: bool, allow_reserved: bool = False
) -> list[tuple[str, str]]:
    """Return encoded names and values for a query, a cookie or a form; an exploded object has names of its own."""
    if style == "deepObject":
        return list(_deep(percent_encoded(name), value))
    key = percent_encoded(name)
    if not isinstance(value, dict | list):
        safe = f"{_HARMLESS_IN_QUERY}," if allow_reserved else ""
        return [(key, percent_encoded(text_of(value), safe))]
    safe = _HARMLESS_IN_QUERY if allow_reserved else ""

    def encode(text: str) -> str:
        return percent_encoded(text, safe)

    if explode and isinstance(value, dict):
        return [(percent_encoded(each), encode(text_of(item))) for each, item in value.items() if item is not None]
    words = _words(value, encode, explode=False)
    if explode:
        return [(key, word) for word in words]
    delimiter, written = _DELIMITERS[style]
    if delimiter and any(delimiter in part for part in _parts(value)):
        raise Unencodable(f"must not have {delimiter!r} in its items: it would be read as more items")
    return [(key, written.join(words))] if words else []


def _words(value: Value, encode: Encode, *, explode: bool) -> list[str]:
    """Return the items of a list, or names and values of an object, which explode joins by `=`; null is not an item."""
    if isinstance(value, list):
        return [encode(text_of(item)) for item in value if item is not None]
    if not isinstance(value, dict):
        return [encode(text_of(value))]
    members = [(encode(name), encode(text_of(item))) for name, item in value.items() if item is not None]
    if explode:
        return [f"{name}={item}" for name, item in members]
    return [word for member in members for word in member]


def _deep(key: str, value: Value) -> Iterator[tuple[str, str]]:
    """`a[b]=c`. OAS defines nothing deeper: nested objects add brackets, lists have empty ones."""
    pending = [(key, value)]
    while pending:
        name, item = pending.pop(0)
        if isinstance(item, dict):
            if any("[" in member or "]" in member for member in item):
                raise Unencodable("must not have brackets in its names")
            pending[:0] = [(f"{name}%5B{percent_encoded(member)}%5D", each) for member, each in item.items()]
        elif isinstance(item, list):
            pending[:0] = [(f"{name}%5B%5D", each) for each in item]
        elif item is not None:
            yield name, percent_encoded(text_of(item))
