"""Schemas with names of their own: `$anchor`, `$dynamicAnchor` (JSON Schema 2020-12), `$recursiveAnchor` (2019-09)."""

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

from app.operation.operation import Json, Value
from app.operation.pointers import join

_ROOT = re.compile(r"(?:/components/schemas/[^/]*|/definitions/[^/]*|.*?/schema)(?=/|$)")
_RECURSIVE = ""  # the name that all `$recursiveAnchor`s share


def named_places(document: Value) -> Mapping[str, Sequence[str]]:
    """Return the pointers to the schemas of each name."""
    places = defaultdict(list)
    pending: list[tuple[Value, str]] = [(document, "")]
    while pending:
        node, pointer = pending.pop()
        if isinstance(node, dict):
            for name in _names(node):
                places[name].append(pointer)
        items = node.items() if isinstance(node, dict) else enumerate(node)
        pending += [(each, join(pointer, key)) for key, each in items if isinstance(each, dict | list)]
    return places


def resolved(ref: str, pointer: str, places: Mapping[str, Sequence[str]]) -> str:
    """Return the named `$ref` or `$dynamicRef` at the pointer with a JSON Pointer in place of the name.

    If several schemas have that name, the outermost one around the pointer is meant (2020-12 core, section 8.2.3.2).
    """
    name = ref.removeprefix("#")
    found = _around(name, pointer, places)
    if found is None:
        found = next(iter(places.get(name, ())), None)
    return ref if found is None else _fragment(found)


def recursive(pointer: str, places: Mapping[str, Sequence[str]]) -> str:
    """Return a `$ref` for the `$recursiveRef` at the pointer (2019-09 core, section 8.2.4.2)."""
    root = _ROOT.match(pointer)
    return _fragment(_around(_RECURSIVE, pointer, places) or (root.group() if root else pointer))


def _around(name: str, pointer: str, places: Mapping[str, Sequence[str]]) -> str | None:
    around = [each for each in places.get(name, ()) if f"{pointer}/".startswith(f"{each}/")]
    return min(around, key=len, default=None)


def _names(node: Json) -> Iterator[str]:
    if node.get("$recursiveAnchor") is True:
        yield _RECURSIVE
    for keyword in ("$anchor", "$dynamicAnchor"):
        if isinstance(node.get(keyword), str):
            yield node[keyword]


def _fragment(pointer: str) -> str:
    return f"#{pointer.replace('%', '%25')}"
