"""What schemas mean that stand together: about one object, or as a base and what extends it.

Literally, schemas that a document combines often contradict each other: two that are closed allow no member of each
other, and one that requires an `id` does not know that another says it is read-only. An author means one object with
the members of all. So each of them is read in a `View`, as a part of the whole.
"""

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from app.operation.keywords import ALTERNATIVES
from app.operation.operation import Json, Value
from app.operation.pointers import FILES, References, Unresolvable, join

_MOST_SCHEMAS = 2_000  # about one object
_MOST_STEPS = 20_000  # from schema to schema in one document; real ones take some hundred
_MOST_EXTENDING = 10_000  # schemas that extend others, for all bases of one document
_MOST_LEVELS = 20  # of branches in branches
_NULL = {"type": "null"}
_CONDITIONS = ("else", "then")
CLOSING = ("additionalProperties", "unevaluatedProperties")
_LIBRARIES = ("components/schemas", "definitions")  # where schemas have names

Place = tuple[Value, str]  # a schema and the pointer to it


class View(NamedTuple):
    """As what a schema is read. `open`: as one of several that close together, not each. `itself`: not as one of those
    that extend it. `absent`: members that no request has."""

    open: bool = False
    itself: bool = False
    absent: frozenset[str] = frozenset()


ALONE = View()


@dataclass(frozen=True, slots=True)
class Inside:
    """How that is read which a schema combines, and whether the schema closes over all of it."""

    view: View
    closes: bool


@dataclass(frozen=True, slots=True)
class _Facts:
    """What a schema says about an object, with all that applies to the same object, or may."""

    members: frozenset[str]
    read_only: frozenset[str]
    required: frozenset[str]
    declares: bool  # members, or that there are no others
    closes: bool
    is_base: bool


class Meaning:
    """What the schemas of one document mean together."""

    def __init__(self, document: Json, references: References, is_read_only: Callable[[Value], bool]) -> None:
        self._document = document
        self.references = references
        self._is_read_only = is_read_only
        self._facts: dict[str, _Facts] = {}
        self._closed: dict[str, bool] = {}
        self._steps = 0
        self._extending: dict[str, dict[str, None]] = {}
        self._met_extending = 0

    def inside(self, raw: Json, pointer: str, view: View) -> Inside:
        """Return how what the schema combines is read when the schema is read in that view."""
        facts = self._facts_of(raw, pointer)
        several = self._voices(raw, pointer) > 1
        closes = several and not view.open and facts.closes and self._is_closed(raw, pointer)
        inner = View(
            open=view.open or (several and facts.closes),
            itself=view.itself or several or pointer in self._subtypes,
            absent=view.absent | facts.read_only,
        )
        return Inside(inner, closes)

    def fitting(self, raw: Value, pointer: str, view: View) -> View:
        """Return the view with no more than makes a difference for the schema."""
        facts = self._facts_of(raw, pointer)
        return View(view.open and facts.closes, view.itself and facts.is_base, view.absent & facts.required)

    def said_of(self, member: str, raw: Value, pointer: str) -> list[Json]:
        """Return the schemas of that member in all that surely applies to the same object."""
        stated = [node["properties"] for node, _ in self._conjunction(raw, pointer) if "properties" in node]
        members = [each[member] for each in stated if isinstance(each, dict) and member in each]
        return [node for each in members for node, _ in self._conjunction(each, "")]

    def extending(self, pointer: str) -> AbstractSet[str] | None:
        """Return the pointers to the schemas that extend the one at the pointer, directly or not, in their order.

        Returns None where a document has too many of them.
        """
        if pointer not in self._extending:
            self._extending[pointer] = found = dict[str, None]()
            pending = deque(self._extensions.get(pointer, ()))
            while pending and self._met_extending <= _MOST_EXTENDING:
                each = pending.popleft()
                self._met_extending += 1
                if each not in found and each != pointer:
                    found[each] = None
                    pending += self._extensions.get(each, ())
        return None if self._met_extending > _MOST_EXTENDING else self._extending[pointer].keys()

    def is_extended(self, pointer: str) -> bool:
        """Whether another schema extends the one at the pointer."""
        return any(each != pointer for each in self._extensions.get(pointer, ()))

    def _voices(self, raw: Json, pointer: str) -> int:
        """Return how many of those that the schema combines, and it itself, say what members there are."""
        listed = [_listed(raw, pointer, keyword) for keyword in ALTERNATIVES]
        alternatives = [any(self._facts_of(*each).declares for each in branches) for branches in listed]
        parts = [self._facts_of(*each).declares for each in self._parts(raw, pointer)]
        return sum((_declares(raw), *alternatives, *parts))

    def _parts(self, raw: Json, pointer: str) -> Iterator[Place]:
        yield from self._target(raw)
        yield from _listed(raw, pointer, "allOf")

    def _target(self, raw: Json) -> Iterator[Place]:
        if "$ref" in raw:
            try:
                yield self.references.find(raw["$ref"])
            except Unresolvable:
                return

    def _facts_of(self, raw: Value, pointer: str) -> _Facts:
        if pointer not in self._facts:
            self._facts[pointer] = self._gathered(raw, pointer)
        return self._facts[pointer]

    def _gathered(self, raw: Value, pointer: str) -> _Facts:
        members, read_only, required = set[str](), set[str](), set[str]()
        declares = closes = is_base = False
        for node, where in self.about_the_same(raw, pointer):
            properties = node.get("properties")
            if isinstance(properties, dict):
                members |= properties.keys()
                read_only.update(name for name, each in properties.items() if self._is_read_only(each))
            names = node["required"] if isinstance(node.get("required"), list) else ()
            required.update(name for name in names if isinstance(name, str))
            declares |= _declares(node)
            closes |= _closes(node)
            is_base |= "discriminator" in node or where in self._extensions
        return _Facts(frozenset(members), frozenset(read_only), frozenset(required), declares, closes, is_base)

    def about_the_same(self, raw: Value, pointer: str) -> Iterator[tuple[Json, str]]:
        """Yield the schema and all that applies to the same value, or may, each once."""
        return self._walk(raw, pointer, self._parts_and_branches)

    def _conjunction(self, raw: Value, pointer: str) -> Iterator[tuple[Json, str]]:
        """Yield the schema and all that surely applies to the same value, each once."""
        return self._walk(raw, pointer, self._parts)

    def _parts_and_branches(self, raw: Json, pointer: str) -> Iterator[Place]:
        yield from self._parts(raw, pointer)
        for keyword in ALTERNATIVES:
            yield from _listed(raw, pointer, keyword)
        yield from ((raw[keyword], join(pointer, keyword)) for keyword in _CONDITIONS if keyword in raw)

    def _walk(
        self, raw: Value, pointer: str, inner: Callable[[Json, str], Iterator[Place]]
    ) -> Iterator[tuple[Json, str]]:
        pending, met = [(raw, pointer)], {pointer}
        while pending:
            node, where = pending.pop()
            if isinstance(node, dict):
                yield node, where
            for each in inner(node, where) if isinstance(node, dict) else ():
                self._steps += 1
                if self._steps > _MOST_STEPS or len(met) > _MOST_SCHEMAS:
                    return
                if each[1] not in met:
                    met.add(each[1])
                    pending.append(each)

    def _is_closed(self, raw: Value, pointer: str, levels: int = _MOST_LEVELS) -> bool:
        """Whether the document allows no member that it does not name, whichever branch is meant."""
        if pointer not in self._closed:
            self._closed[pointer] = False  # for what leads back here
            self._closed[pointer] = any(
                _closes(node) or (levels > 0 and self._has_only_closed_branches(node, where, levels - 1))
                for node, where in self._conjunction(raw, pointer)
            )
        return self._closed[pointer]

    def _has_only_closed_branches(self, node: Json, pointer: str, levels: int) -> bool:
        listed = [list(_listed(node, pointer, keyword)) for keyword in ALTERNATIVES]
        return any(
            each and all(raw == _NULL or self._is_closed(raw, at, levels) for raw, at in each) for each in listed
        )

    @cached_property
    def _subtypes(self) -> frozenset[str]:
        """The pointers to the schemas that extend others."""
        return frozenset(each for extensions in self._extensions.values() for each in extensions)

    @cached_property
    def _extensions(self) -> Mapping[str, Sequence[str]]:
        """The pointers to the schemas that extend the one at a pointer by `allOf`."""
        found: dict[str, list[str]] = {}
        for raw, pointer in self._named():
            for part, _ in _listed(raw, pointer, "allOf"):
                for _, base in self._target(part) if isinstance(part, dict) else ():
                    found.setdefault(base, []).append(pointer)
        return found

    def _named(self) -> Iterator[tuple[Json, str]]:
        """Yield the schemas that have names: those of the document, those of its files, and files that are schemas."""
        files: Json = self._document.get(FILES, {})
        roots = [(self._document, ""), *((each, join("", FILES, name)) for name, each in files.items())]
        for root, where in roots:
            libraries = [(root, where)] if where else []
            for path in _LIBRARIES:
                node, pointer = root, where
                for name in path.split("/"):
                    node, pointer = node.get(name) if isinstance(node, dict) else None, join(pointer, name)
                libraries.append((node, pointer))
            if where and isinstance(root, dict):
                yield root, where
            for node, pointer in libraries:
                for name, each in node.items() if isinstance(node, dict) else ():
                    if isinstance(each, dict):
                        yield each, join(pointer, name)


def _listed(raw: Json, pointer: str, keyword: str) -> Iterator[Place]:
    listed = raw.get(keyword)
    stated = listed if isinstance(listed, list) else ()
    yield from ((each, join(pointer, keyword, number)) for number, each in enumerate(stated))


def _declares(raw: Json) -> bool:
    return bool(raw.get("properties") or raw.get("patternProperties")) or _closes(raw)


def _closes(raw: Json) -> bool:
    return any(raw.get(keyword) is False for keyword in CLOSING)
