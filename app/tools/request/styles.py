"""Parameter values as text in a URL or a header: the styles of OAS 3.1.1 section 4.8.12.2.3, built on RFC 6570.

No value can be read as anything but the value of its parameter: all characters except unreserved ones are
percent-encoded, and where a style has no encoding, what would be read as something else is refused. Whatever is
written takes its room first, names that are repeated or grow inside one another included.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

from app.operation.operation import Style, Value
from app.tools.request.writing import Pair, Room, Unencodable, percent_encoded, text_of

_HARMLESS_IN_QUERY = ":/?@!$'()*"  # of RFC 6570's reserved characters; `&=+#;[]` and the comma end or split a value
_HEADER_TEXT = re.compile(r"[\x21-\x7e](?:[\t\x20-\x7e]*[\x21-\x7e])?|")
_IN_A_COOKIE = re.compile(r"[\x21\x23-\x2b\x2d-\x3a\x3c-\x5b\x5d-\x7e]*")  # RFC 6265 section 4.1.1: cookie-octet
_Inside = Callable[[dict[str, Any] | list[Any], Room], Iterator[tuple[str, Value]]]
_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")  # RFC 6265 section 4.1.1: cookie-name
_DELIMITERS: Mapping[Style, tuple[str, str]] = {
    "form": ("", ","),
    "matrix": ("", ","),
    "spaceDelimited": (" ", "%20"),
    "pipeDelimited": ("|", "%7C"),
}


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
    if style == "cookie":
        yield from _cookies(name, value, room, explode=explode)
        return
    key = percent_encoded(name)
    safe = _HARMLESS_IN_QUERY if allow_reserved else ""
    if style == "deepObject":
        yield from _nested(key, value, room, _bracketed)
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
    """Names of members, or the same name for each item. For what is nested OAS defines nothing; see `_dotted`.

    A list of objects is only written so where its name says how: `a[]` stands for `a[0][b]`.
    """
    if isinstance(value, dict):
        for name, item in value.items():
            room.need(len(name))
            yield from _nested(percent_encoded(name), item, room, _dotted, safe)
    elif key.endswith("%5B%5D") and any(isinstance(item, dict) for item in value):
        yield from _nested(key.removesuffix("%5B%5D"), value, room, _bracketed, safe)
    else:
        for item in value:
            if item is not None:
                room.take(len(key) + 2)
                yield key, room.encoded(text_of(item), safe)


def _cookies(name: str, value: Value, room: Room, *, explode: bool) -> Iterator[Pair]:
    """The style `cookie` (OAS 3.2.0 section 4.12.2.3), in which nothing is encoded."""
    if explode and isinstance(value, dict):
        if not all(map(_TOKEN.fullmatch, value)):
            raise Unencodable("must have names that cookies can have")
        written = [(key, _cookie(text_of(each))) for key, each in value.items() if each is not None]
    elif explode and isinstance(value, list):
        written = [(name, _cookie(text_of(each))) for each in value if each is not None]
    else:
        written = [(name, ",".join(words_of(value, _cookie, explode=False)))]
    for key, text in written:
        room.take(len(key) + len(text) + 2)
        yield key, text


def _cookie(text: str) -> str:
    if not _IN_A_COOKIE.fullmatch(text):
        raise Unencodable("must be ASCII without spaces, quotes, commas, semicolons and backslashes, as cookies are")
    return text


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


def _nested(key: str, value: Value, room: Room, inside: _Inside, safe: str = "") -> Iterator[Pair]:
    """Yield a pair for each scalar in the value, named by the steps to it, which `inside` writes.

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
            levels.append((last, inside(item, room)))
            beginning = None
        elif item is not None:
            if beginning is None:
                room.need(sum(len(step) for step, _ in levels))
                beginning = "".join(step for step, _ in levels)
            room.take(len(beginning) + len(last) + 2)
            yield f"{beginning}{last}", room.encoded(text_of(item), safe)


def _bracketed(value: dict[str, Any] | list[Any], room: Room) -> Iterator[tuple[str, Value]]:
    """`a[b]=c`; lists have empty brackets, and those of objects or lists a number, as readers cannot part them."""
    if isinstance(value, list):
        return _numbered(value, "%5B%5D")
    return ((f"%5B{name}%5D", each) for name, each in _members(value, room, "[]", "brackets"))


def _dotted(value: dict[str, Any] | list[Any], room: Room) -> Iterator[tuple[str, Value]]:
    """`a.b=c`, as the binders of Spring and ASP.NET read it; `a=b&a=c` for lists, `a[0].b=c` for those of objects."""
    if isinstance(value, list):
        return _numbered(value, "")
    return ((f".{name}", each) for name, each in _members(value, room, "[].", "dots or brackets"))


def _numbered(value: list[Any], otherwise: str) -> Iterator[tuple[str, Value]]:
    items = [each for each in value if each is not None]
    numbered = any(isinstance(each, dict | list) for each in items)
    return ((f"%5B{number}%5D" if numbered else otherwise, each) for number, each in enumerate(items))


def _members(value: dict[str, Any], room: Room, dividers: str, called: str) -> Iterator[tuple[str, Value]]:
    for name, each in value.items():
        if any(divider in name for divider in dividers):
            raise Unencodable(f"must not have {called} in its names")
        room.need(len(name))
        yield percent_encoded(name), each
