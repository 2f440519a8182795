"""Which names are given: to operations, and to sources that nobody gave one.

A name is given once and kept. It is readable, within what hosts and model APIs take, and the same at the next import,
whatever stands beside it in the document.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

from anyascii import anyascii

from app.operation.abbreviation import abbreviated
from app.operation.text import LONGEST_SLUG, Key, digest, mcp_name

LONGEST_NAMES = (46, 60, 64)  # characters of an MCP name that VS Code, Cursor, and model APIs take
LONGEST_GIVEN = LONGEST_NAMES[0]
LONGEST_GIVEN_SLUG = 16

_LEAST = 6  # characters that an operation's own name has, however long the slug is
_DIGITS = 6  # of the hash
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9_-]+")
_MOST_SEGMENTS = 20  # of a path, at either end
_FRAME_OF_PATHS = frozenset({"api", "apis", "rest"})
_VERSION_IN_A_PATH = re.compile(r"v?[0-9]+(?:\.[0-9]+)*", re.IGNORECASE)
_LEAST_OF_A_WORD = 4  # characters, of one that is cut
_ADDENDUM = re.compile(r"\s*[(\[+]| with ")
_BEFORE_A_DIGIT = "api"  # Gemini refuses a whole list for one name that begins with a digit
_GENITIVE = re.compile(r"'s\b")
_OF_A_TITLE = re.compile(r"[a-z0-9]+")
_VERSION = re.compile(r"v?[0-9]{1,2}|v[0-9][a-z0-9]{0,7}|20[0-9]{2}")
_NOT_TELLING = frozenset(
    {"a", "an", "and", "api", "apis", "by", "collection", "definition", "definitions", "docs", "document"}
    | {"documentation", "endpoint", "endpoints", "extension", "for", "http", "https", "in", "interface", "json", "oas"}
    | {"odata", "of", "official", "on", "open", "openapi", "our", "platform", "public", "reference", "rest", "restful"}
    | {"schema", "server", "service", "services", "spec", "specification", "specifications", "specs", "swagger"}
    | {"the", "to", "version", "web", "yaml"}
)


def operation_names(
    wanted: Mapping[Key, str | None],
    *,
    slug: str,
    assigned: Mapping[Key, str] | None = None,
    longest: int = LONGEST_GIVEN,
) -> dict[Key, str]:
    """Return a name for each operation, from what the document calls it or else from method and path.

    An assigned name is kept: for its operation, and from every other one. `longest` is for the MCP names that are given
    now; one that would be longer is abbreviated. Every member of a collision (letter case aside) carries a hash of its
    method and path, so that no name depends on the order of the document.
    """
    kept = {key: name for key, name in (assigned or {}).items() if key in wanted}
    room = max(longest - len(mcp_name(slug, "")), _LEAST)
    plain = {key: _Plain(key, identifier, slug) for key, identifier in wanted.items() if key not in kept}
    digits = dict.fromkeys(plain, 0)
    names: dict[Key, str] = {}
    pending: Iterable[Key] = plain
    while True:
        names |= {key: plain[key].within(room, digits[key]) for key in pending}
        counts = Counter(name.lower() for name in (*names.values(), *(assigned or {}).values()))
        pending = [key for key, name in names.items() if counts[name.lower()] > 1]
        if not pending:
            return {**kept, **names}
        for key in pending:
            digits[key] += 4 if digits[key] else _DIGITS


class _Plain:
    """What an operation is called, before it has to fit and be the only one of that name."""

    def __init__(self, key: Key, identifier: str | None, slug: str) -> None:
        self._key = key
        self._known = frozenset(slug.split("-"))
        self._identified = _simplified(identifier or "")
        self._name = self._identified or _simplified(f"{key[0].lower()} {key[1]}")

    def within(self, room: int, digits: int) -> str:
        """Return the name with so many digits of the hash."""
        if not digits:
            return self._fitted(room)
        method, path = self._key
        tail = digest((method.upper(), path))[:digits]
        start = self._fitted(room - digits - 1) if room > digits + 1 else ""
        return f"{start}_{tail}" if start else tail

    def _fitted(self, room: int) -> str:
        return self._name if len(self._name) <= room else abbreviated(self._brief(), room, self._known)

    def _brief(self) -> str:
        return _without_path(self._key, self._name) if self._identified else _briefly(self._key)


def _simplified(text: str) -> str:
    """Return the text in the alphabet of names; other scripts are written as they sound."""
    return _NOT_IN_NAMES.sub("_", anyascii(text)).strip("_")


def _briefly(key: Key) -> str:
    """Return the name by method and path without what most paths share: how they begin, and what is not at the end."""
    method, path = key
    segments = [segment for segment in path.split("/") if segment]
    segments = [*segments[:_MOST_SEGMENTS], *segments[_MOST_SEGMENTS:][-_MOST_SEGMENTS:]]
    own = [
        segment
        for number, segment in enumerate(segments, 1)
        if number == len(segments) or not (segment.startswith("{") or _is_frame(segment))
    ]
    return _simplified(f"{method.lower()} {' '.join(own)}")


def _is_frame(segment: str) -> bool:
    return segment.lower() in _FRAME_OF_PATHS or _VERSION_IN_A_PATH.fullmatch(segment) is not None


def _without_path(key: Key, name: str) -> str:
    """Return the name without path and method at its end, which FastAPI and others write behind a function's name."""
    method, path = key
    tail = f"{re.sub(r'[^A-Za-z0-9]', '_', path)}_{method}".lower()
    return (name[: -len(tail)].rstrip("_-") if name.lower().endswith(tail) else "") or name


def names_over(slug: str, operations: Iterable[str | None]) -> dict[str, int]:
    """Return how many MCP names are longer than each of LONGEST_NAMES."""
    lengths = [len(mcp_name(slug, name)) for name in operations if name is not None]
    return {str(most): sum(length > most for length in lengths) for most in LONGEST_NAMES}


def slugs_for(name: str) -> Iterator[str]:
    """Yield slugs for what people call a source, the shortest first; none if there is no word in it.

    Other scripts are written as they sound. Words that many titles have, and versions, are left out unless there are no
    others. The next slug has the version, as one of several documents of an API does; the last is the whole name.
    """
    whole = _GENITIVE.sub("", anyascii(name).lower())
    words, ours = _OF_A_TITLE.findall(whole), _OF_A_TITLE.findall(_ADDENDUM.split(whole)[0])
    telling = _telling(ours) or _telling(words) or words
    versions = [word for word in words if _VERSION.fullmatch(word)] if telling is not words else []
    slugs = [_joined(telling, LONGEST_GIVEN_SLUG)]
    if versions:
        slugs.append(f"{_joined(telling, LONGEST_GIVEN_SLUG - 1 - len(versions[0]))}-{versions[0]}")
    slugs.append(_joined(words, LONGEST_SLUG))
    yield from dict.fromkeys(filter(None, slugs))


def _telling(words: Sequence[str]) -> list[str]:
    telling = [word for word in words if word not in _NOT_TELLING and not _VERSION.fullmatch(word)]
    return telling if any(not word.isdigit() for word in telling) else []


def _joined(words: Iterable[str], most: int) -> str:
    """Join the words as far as there is room, the last one perhaps in part; names of tools begin with a letter."""
    slug = ""
    for word in words:
        if not slug and word[0].isdigit():
            slug = _BEFORE_A_DIGIT
        room = most - len(slug) - bool(slug)
        if len(word) > room and (room < _LEAST_OF_A_WORD):
            break
        slug = f"{slug}-{word[:room]}" if slug else word[:room]
    return slug
