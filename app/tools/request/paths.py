"""Values in the path. None leads anywhere but below what the template says, however often a server decodes it."""

import re
import unicodedata
from collections.abc import Container, Iterable, Mapping
from functools import partial
from urllib.parse import unquote

from app.operation.operation import Parameter, Value
from app.tools.request.styles import words_of
from app.tools.request.writing import Room, Unencodable

_NO_SEGMENT = {"", ".", ".."}
_SLASHES = re.compile(r"[/\\]")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
# What is no UTF-8, and servers have taken for a dot or a slash, as it is written with its percent signs encoded.
_OVERLONG = re.compile("%(?:25)+(?:c[01]|[ef]0%(?:25)+80|u[0-9a-f]{4})", re.IGNORECASE)
_MOST_DECODINGS = 10
_EMPTY = "must not be empty, `.` or `..`: it would change the path"
_DOTS = "must not have `.` or `..` between slashes, in any spelling: it would change the path"
_SEGMENTS = "must not begin or end with a slash, or have two of them together: it would change the path"
_SPELLINGS = "must not have backslashes, encoded slashes or control characters: they could change the path"


def put_together(
    beginning: str, pieces: Iterable[tuple[str, str]], values: Mapping[str, str], optional: Container[str]
) -> tuple[str, tuple[str, str] | None]:
    """Return the target with the values in it, which ends before an optional one that has none.

    The second is what may not be: a name without a value, and one after it with a value.
    """
    target, end, gap = beginning, None, None
    for name, literal in pieces:
        value = values.get(name, "")
        if not value and name in optional:
            target, end = target[:-1] if target[-1:] in {"/", "."} else target, name
        elif value and end is not None:
            gap = (end, name)
        target = f"{target}{value}{literal}"
    return target, gap


def path_text(parameter: Parameter, value: Value, room: Room) -> str:
    """Return the text for the path: styles simple and label. What divides its items is not counted here."""
    is_label = parameter.style == "label"
    encode = partial(room.encoded, safe="/" if parameter.allow_slashes else "")
    between = "." if is_label and parameter.explode else ","
    return ("." if is_label else "") + between.join(words_of(value, encode, explode=parameter.explode))


def require_below(text: str, *, allow_slashes: bool) -> None:
    """Raise Unencodable for what a server could take for another path: as written, or decoded again."""
    if text in _NO_SEGMENT:
        raise Unencodable(_EMPTY)
    if text.isalnum():
        return
    decoded = _decoded(text)
    if any(map(_is_dots, _SLASHES.split(decoded))):
        raise Unencodable(_DOTS)
    if not allow_slashes:
        return
    if "" in text.split("/"):
        raise Unencodable(_SEGMENTS)
    if "\\" in decoded or decoded.count("/") != text.count("/") or _CONTROL.search(decoded) or _OVERLONG.search(text):
        raise Unencodable(_SPELLINGS)


def _decoded(text: str) -> str:
    """Return the text as it is for a server that decodes it several times and takes look-alikes for what they mean."""
    for _ in range(_MOST_DECODINGS):
        plain = unquote(text)
        if plain == text:
            break
        text = plain
    return text if text.isascii() else unicodedata.normalize("NFKC", text)


def _is_dots(segment: str) -> bool:
    """Whether servers take it for `.` or `..`: some ignore spaces around it, what follows a `;` or a NUL, or both."""
    return re.split("[;\0]", segment, maxsplit=1)[0].strip() in {".", ".."}
