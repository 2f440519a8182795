"""How two JSON Schemas of one value differ, seen by those who send values and by those who have to trust the text.

Pure, and bounded: schemas come from documents, and documents may be hostile. What narrows is `breaking`, what widens or
reads differently is `widening`, and what cannot be judged counts as `breaking`.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from app.differences.canonical import canonical, json_text
from app.operation.keywords import SUBSCHEMA_LISTS, SUBSCHEMA_MAPS, SUBSCHEMAS
from app.operation.operation import Json, Value
from app.operation.pointers import References, Unresolvable, join

Impact = Literal["breaking", "widening", "safe"]
Direction = Literal["narrowed", "widened", "unjudged"]

_MOST_STEPS = 10_000  # pairs of subschemas; more than any tool within its budget of bytes needs
_TEXTS = frozenset(
    {"$comment", "default", "deprecated", "description", "example", "examples", "readOnly", "title", "writeOnly"}
)
_LOWER_BOUNDS = frozenset({"minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties"})
_UPPER_BOUNDS = frozenset({"maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties"})
_CONSTRAINTS = frozenset({"const", "format", "multipleOf", "pattern"})  # where none is stated, everything fits
_MONOTONE = frozenset({"additionalProperties", "items", "propertyNames", "unevaluatedItems", "unevaluatedProperties"})
_EVERY_TYPE = frozenset({"array", "boolean", "integer", "null", "number", "object", "string"})
_ABSENT = object()


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that is not as before. `pointer` leads into the tool's input schema, through its references."""

    impact: Impact
    kind: str
    pointer: str | None = None
    before: Value = None
    after: Value = None


@dataclass(frozen=True, slots=True)
class _Pair:
    """Two schemas of one value. `certain` is False below keywords that turn a widening into a narrowing."""

    before: Json
    after: Json
    pointer: str
    certain: bool


def schema_differences(before: Json, after: Json) -> list[Difference]:
    """Compare two self-contained schemas. The order of members, of required names and of alternatives means nothing."""
    walk = _Walk(before, after)
    walk.run()
    if not walk.found and canonical(before) != canonical(after):
        walk.found.append(Difference("widening", "text", ""))  # the name of a definition, or one that nothing reaches
    return walk.found


class _Walk:
    """Goes through both schemas side by side, without recursion: a chain of references may be long."""

    def __init__(self, before: Json, after: Json) -> None:
        self.found: list[Difference] = []
        self._roots = References(before), References(after)
        self._pending: list[_Pair] = []
        self._met: set[tuple[int, int, bool]] = set()
        self._push(before, after, "", certain=True)

    def run(self) -> None:
        while self._pending:
            if len(self._met) > _MOST_STEPS:
                self.found.append(Difference("breaking", "unjudged", ""))
                return
            pair = self._pending.pop()
            for keyword in sorted(pair.before.keys() | pair.after.keys()):
                _JUDGES.get(keyword, _Walk.other)(self, pair, keyword)

    def _push(self, before: Value, after: Value, pointer: str, *, certain: bool) -> None:
        """Compare later; `True` says the same as `{}`."""
        before, after = self._followed(before, after)
        if before is False or after is False:
            if before is not after:
                self._note("narrowed" if after is False else "widened", pointer, before, after, certain=certain)
            return
        pair = _Pair(_dict(before), _dict(after), pointer, certain)
        key = (id(pair.before), id(pair.after), certain)
        if key not in self._met:
            self._met.add(key)
            self._pending.append(pair)

    def _followed(self, before: Value, after: Value) -> tuple[Value, Value]:
        """A reference on one side only is what it leads to; `_reference` compares references with one another."""
        if _is_reference(before) and not _has_reference(after):
            return self._target(0, before), after
        if _is_reference(after) and not _has_reference(before):
            return before, self._target(1, after)
        return before, after

    def _target(self, side: int, node: Json) -> Value:
        try:
            return self._roots[side].follow({"$ref": node["$ref"]}, "")[0]
        except Unresolvable:
            return {}

    def reference(self, pair: _Pair, keyword: str) -> None:
        if keyword in pair.before and keyword in pair.after:
            targets = self._target(0, pair.before), self._target(1, pair.after)
            self._push(*targets, pair.pointer, certain=pair.certain)
        else:
            self.other(pair, keyword)

    def definitions(self, pair: _Pair, keyword: str) -> None:
        """What is used of them is compared where it is used."""

    def words(self, pair: _Pair, keyword: str) -> None:
        before, after = _values(pair, keyword)
        if not _same(before, after):
            place = join(pair.pointer, keyword)
            self.found.append(Difference("widening", "text", place, _stated(before), _stated(after)))

    def properties(self, pair: _Pair, keyword: str) -> None:
        before, after = (_dict(value) for value in _values(pair, keyword))
        for name in sorted(before.keys() | after.keys()):
            place = join(pair.pointer, keyword, name)
            if name not in after:
                self.found.append(Difference("breaking", "property_removed", place, before=before[name]))
            elif name not in before:
                impact: Impact = "widening" if pair.certain else "breaking"
                self.found.append(Difference(impact, "property_added", place, after=after[name]))
            else:
                self._push(before[name], after[name], place, certain=pair.certain)

    def subschema(self, pair: _Pair, keyword: str) -> None:
        before, after = (True if value is _ABSENT else value for value in _values(pair, keyword))
        certain = pair.certain and keyword in _MONOTONE
        self._push(before, after, join(pair.pointer, keyword), certain=certain)

    def map(self, pair: _Pair, keyword: str) -> None:
        before, after = (_dict(value) for value in _values(pair, keyword))
        for name in sorted(before.keys() | after.keys()):
            place = join(pair.pointer, keyword, name)
            if name in before and name in after:
                self._push(before[name], after[name], place, certain=pair.certain)
            else:
                self._note("unjudged", place, before.get(name), after.get(name), certain=False)

    def alternatives(self, pair: _Pair, keyword: str) -> None:
        before, after = _values(pair, keyword)
        place = join(pair.pointer, keyword)
        if not isinstance(before, list) or not isinstance(after, list):
            self.constraint(pair, keyword)
            return
        certain = pair.certain and keyword != "oneOf"  # a value that fits two of these fits no more
        gone, new = self._matched(before, after, place, certain=certain)
        if len(gone) == len(new):
            for old, member in zip(gone, new, strict=True):
                self._push(old, member, place, certain=certain)
            return
        less, more = ("widened", "narrowed") if keyword == "allOf" else ("narrowed", "widened")
        for member in gone:
            self._note(less, place, member, None, certain=certain)
        for member in new:
            self._note(more, place, None, member, certain=certain)

    def _matched(
        self, before: list[Value], after: list[Value], place: str, *, certain: bool
    ) -> tuple[list[Value], list[Value]]:
        """Pair the members that read the same, which may still refer to what changed, and return the others."""
        waiting: dict[bytes, list[Value]] = {}
        for member in after:
            waiting.setdefault(canonical(member), []).append(member)
        gone = []
        for member in before:
            if twins := waiting.get(canonical(member)):
                self._push(member, twins.pop(), place, certain=certain)
            else:
                gone.append(member)
        return gone, [member for left in waiting.values() for member in left]

    def positions(self, pair: _Pair, keyword: str) -> None:
        before, after = (value if isinstance(value, list) else [] for value in _values(pair, keyword))
        if len(before) != len(after):
            self.other(pair, keyword)
            return
        for number, (old, new) in enumerate(zip(before, after, strict=True)):
            self._push(old, new, join(pair.pointer, keyword, number), certain=pair.certain)

    def types(self, pair: _Pair, keyword: str) -> None:
        before, after = (_types_of(value) for value in _values(pair, keyword))
        if before != after:
            self._judged("widened" if before < after else "narrowed", pair, keyword)

    def enumeration(self, pair: _Pair, keyword: str) -> None:
        before, after = _values(pair, keyword)
        if not isinstance(before, list) or not isinstance(after, list):
            self.constraint(pair, keyword)
            return
        old, new = ({json_text(value): value for value in values} for values in (before, after))
        place = join(pair.pointer, keyword)
        for key in sorted(old.keys() - new.keys()):
            self._note("narrowed", place, old[key], None, certain=pair.certain)
        for key in sorted(new.keys() - old.keys()):
            self._note("widened", place, None, new[key], certain=pair.certain)

    def required(self, pair: _Pair, keyword: str) -> None:
        old, new = (_names(value) for value in _values(pair, keyword))
        self._needs(pair, old, new, pair.pointer)

    def dependencies(self, pair: _Pair, keyword: str) -> None:
        before, after = (_dict(value) for value in _values(pair, keyword))
        for name in sorted(before.keys() | after.keys()):
            place = join(pair.pointer, keyword, name)
            self._needs(pair, _names(before.get(name)), _names(after.get(name)), place)

    def _needs(self, pair: _Pair, old: set[str], new: set[str], place: str) -> None:
        for name in sorted(new - old):
            self.found.append(Difference("breaking", "required", join(place, "properties", name)))
        for name in sorted(old - new):
            impact: Impact = "widening" if pair.certain else "breaking"
            self.found.append(Difference(impact, "optional", join(place, "properties", name)))

    def bound(self, pair: _Pair, keyword: str) -> None:
        before, after = _values(pair, keyword)
        if not _same(before, after) and _is_number(before) and _is_number(after):
            raised = after > before
            self._judged("narrowed" if raised == (keyword in _LOWER_BOUNDS) else "widened", pair, keyword)
        else:
            self.constraint(pair, keyword)

    def uniqueness(self, pair: _Pair, keyword: str) -> None:
        before, after = (value is True for value in _values(pair, keyword))
        if before != after:
            self._judged("narrowed" if after else "widened", pair, keyword)

    def constraint(self, pair: _Pair, keyword: str) -> None:
        before, after = _values(pair, keyword)
        if not _same(before, after):
            direction: Direction = "narrowed" if before is _ABSENT else "widened" if after is _ABSENT else "unjudged"
            self._judged(direction, pair, keyword)

    def other(self, pair: _Pair, keyword: str) -> None:
        if keyword.startswith("x-"):
            self.words(pair, keyword)
        elif not _same(*_values(pair, keyword)):
            self._judged("unjudged", pair, keyword)

    def _judged(self, direction: Direction, pair: _Pair, keyword: str) -> None:
        before, after = (_stated(value) for value in _values(pair, keyword))
        self._note(direction, join(pair.pointer, keyword), before, after, certain=pair.certain)

    def _note(self, direction: str, pointer: str, before: Value, after: Value, *, certain: bool) -> None:
        impact: Impact = "widening" if direction == "widened" and certain else "breaking"
        self.found.append(Difference(impact, direction if certain else "unjudged", pointer, before, after))


Judge = Callable[[_Walk, _Pair, str], None]


def _each(judge: Judge, keywords: Iterable[str]) -> dict[str, Judge]:
    return dict.fromkeys(keywords, judge)


_JUDGES: Mapping[str, Judge] = {
    **_each(_Walk.words, _TEXTS),
    **_each(_Walk.bound, _LOWER_BOUNDS | _UPPER_BOUNDS),
    **_each(_Walk.constraint, _CONSTRAINTS),
    **_each(_Walk.subschema, SUBSCHEMAS),
    **_each(_Walk.alternatives, SUBSCHEMA_LISTS - {"prefixItems"}),
    **_each(_Walk.map, SUBSCHEMA_MAPS - {"properties"}),
    "$defs": _Walk.definitions,
    "$ref": _Walk.reference,
    "dependentRequired": _Walk.dependencies,
    "enum": _Walk.enumeration,
    "prefixItems": _Walk.positions,
    "properties": _Walk.properties,
    "required": _Walk.required,
    "type": _Walk.types,
    "uniqueItems": _Walk.uniqueness,
}


def _values(pair: _Pair, keyword: str) -> tuple[Value, Value]:
    return pair.before.get(keyword, _ABSENT), pair.after.get(keyword, _ABSENT)


def _stated(value: Value) -> Value:
    return None if value is _ABSENT else value


def _same(before: Value, after: Value) -> bool:
    """Python takes 1, 1.0 and True for the same; JSON does not."""
    if before is _ABSENT or after is _ABSENT:
        return before is after
    return json_text(before) == json_text(after)


def _is_reference(node: Value) -> bool:
    return isinstance(node, dict) and len(node) == 1 and "$ref" in node


def _has_reference(node: Value) -> bool:
    return isinstance(node, dict) and "$ref" in node


def _is_number(value: Value) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _dict(value: Value) -> Json:
    return value if isinstance(value, dict) else {}


def _names(value: Value) -> set[str]:
    return {name for name in value if isinstance(name, str)} if isinstance(value, list) else set()


def _types_of(value: Value) -> frozenset[str]:
    if value is _ABSENT:
        return _EVERY_TYPE
    types = frozenset(str(each) for each in (value if isinstance(value, list) else [value]))
    return types | {"integer"} if "number" in types else types
