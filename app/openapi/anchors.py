"""Schemas with names of their own: `$anchor`, `$dynamicAnchor` (JSON Schema 2020-12), `$recursiveAnchor` (2019-09)."""

import re
from collections import defaultdict
from collections.abc import Iterator
from functools import cached_property

from app.operation.operation import Json, Value
from app.operation.pointers import join

_ROOT = re.compile(r"(?:/components/schemas/[^/]*|/definitions/[^/]*|.*?/schema)(?=/|$)")
_RECURSIVE = ""  # the name that all `$recursiveAnchor`s share


class Anchors:
    """The named schemas of one document. Nothing is looked at before the first name is asked for."""

    def __init__(self, document: Value) -> None:
        self._document = document

    def reference(self, ref: Value, pointer: str) -> Value:
        """Return the `$ref` or `$dynamicRef` that stands at the pointer with a JSON Pointer in place of a name.

        Of several schemas of that name, the outermost around the pointer is meant (2020-12 core, section 8.2.3.2).
        """
        if not isinstance(ref, str) or not ref.startswith("#") or ref == "#" or ref.startswith("#/"):
            return ref
        found = self._around(ref.removeprefix("#"), pointer)
        return ref if found is None else _fragment(found)

    def recursive(self, pointer: str) -> str:
        """Return a `$ref` for the `$recursiveRef` that stands at the pointer (2019-09 core, section 8.2.4.2)."""
        root = _ROOT.match(pointer)
        return _fragment(self._around(_RECURSIVE, pointer) or (root.group() if root else pointer))

    def _around(self, name: str, pointer: str) -> str | None:
        places = self._places.get(name, [])
        around = [each for each in places if f"{pointer}/".startswith(f"{each}/")]
        if around or name == _RECURSIVE:
            return min(around, key=len, default=None)
        return places[0] if places else None

    @cached_property
    def _places(self) -> dict[str, list[str]]:
        places = defaultdict(list)
        pending: list[tuple[Value, str]] = [(self._document, "")]
        while pending:
            node, pointer = pending.pop()
            if isinstance(node, dict):
                for name in _names(node):
                    places[name].append(pointer)
            items = node.items() if isinstance(node, dict) else enumerate(node)
            pending += [(each, join(pointer, key)) for key, each in items if isinstance(each, dict | list)]
        return places


def _names(node: Json) -> Iterator[str]:
    if node.get("$recursiveAnchor") is True:
        yield _RECURSIVE
    for keyword in ("$anchor", "$dynamicAnchor"):
        if isinstance(node.get(keyword), str):
            yield node[keyword]


def _fragment(pointer: str) -> str:
    return f"#{pointer.replace('%', '%25')}"
