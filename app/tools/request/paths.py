"""Values in the path. None leads anywhere but below what the template says, however often a server decodes it."""

import re
from collections.abc import Container, Iterable, Mapping
from functools import partial

from app.operation.operation import Parameter, Value
from app.operation.text import cleaned
from app.tools.request.styles import words_of
from app.tools.request.writing import Room, Unencodable, decoded_often

_NO_SEGMENT = {"", ".", ".."}
_SLASHES = re.compile(r"[/\\]")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_END = re.compile("[;?#\0]")  # of a segment, for servers that look for more in it or read it as an address
_EMPTY = "must not be empty, `.` or `..`: it would change the path"
_DOTS = "must not have `.` or `..` between slashes, in any spelling: it would change the path"
_SEGMENTS = "must not begin or end with a slash, or have two of them together: it would change the path"
_SPELLINGS = "must not have backslashes, encoded slashes or control characters: they could change the path"


def put_together(
    beginning: str, pieces: Iterable[tuple[str, str]], values: Mapping[str, str], optional: Container[str]
) -> tuple[str, list[tuple[str, str]]]:
    """Return the target with the values in it, which ends before an optional one that has none.

    The second is what may not be: a name without a value with one after it that has a value.
    """
    target, end = beginning, None
    gaps: list[tuple[str, str]] = []
    for name, literal in pieces:
        value = values.get(name, "")
        if not value and name in optional:
            target, end = target[:-1] if target[-1:] in {"/", "."} else target, name
        elif value and end is not None:
            gaps.append((end, name))
        target = f"{target}{value}{literal}"
    return target, gaps


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
    decoded = decoded_often(text)
    if any(map(_is_dots, _SLASHES.split(decoded))):
        raise Unencodable(_DOTS)
    if not allow_slashes:
        return
    if "" in text.split("/"):
        raise Unencodable(_SEGMENTS)
    if "\\" in decoded or decoded.count("/") != text.count("/") or _CONTROL.search(decoded):
        raise Unencodable(_SPELLINGS)


def _is_dots(segment: str) -> bool:
    """Whether servers take it for `.` or `..`: some ignore spaces and what is invisible, or what follows."""
    return "".join(cleaned(_END.split(segment, maxsplit=1)[0]).split()) in {".", ".."}
