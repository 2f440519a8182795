"""Checks arguments at a bounded cost.

The engine holds the interpreter's lock, so whatever it does keeps everybody waiting. What a check takes is therefore
found before it, in visits of some 50 ns: one for each schema that is applied to a value, and more where one does more,
by measurement. A pattern is matched in linear time, but a character may cost a thousand times what another does: at
worst as much as the automaton is large.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from jsonschema_rs import Draft202012Validator

from app.operation.checking import ALL_AUTOMATA, number_of_patterns, validator_of
from app.operation.keywords import ALTERNATIVES, definition_of, in_place, other_items, other_members, recursive
from app.operation.operation import Json, Value
from app.operation.schemas import NO_BOUND, is_plain, loosened, most_visits, with_patterns

_CHARACTERS_PER_VISIT = 100  # that are counted
_NAMES_PER_VISIT = 4  # that are looked up
_COPIED_PER_VISIT = 10  # values
_VISITS_PER_MULTIPLE = 25
_VISITS_PER_EXTREME_MULTIPLE = 400
_VISITS_PER_NAME = 10  # that a pattern is tried on
_VISITS_PER_PAIR = 4  # of items that have one hash
_EXACT = 2**53  # beyond it, integers share hashes with their neighbours
_PRICE_WITHIN = 3


class Checker:
    """Checks values against one schema, as far as that takes no more visits than the caller allows.

    Patterns go first, and what refuses because a schema accepts: where they alone take too much or cannot be used, the
    rest is checked without them. `plain` is
    what checks any value, if that takes little for every schema in it; `visits` are those that a check takes at most
    for each character of the value. `all_automata` are the bytes that may be made of all patterns.
    Raises UnusableSchema.
    """

    __slots__ = ("_loose", "_loose_effort", "_loose_schema", "_schema", "_strict_effort", "plain", "strict", "visits")

    def __init__(self, schema: Json, all_automata: int = ALL_AUTOMATA) -> None:
        self._schema = schema
        self.strict, per_character = with_patterns(schema, all_automata)
        loose = self.strict is None or number_of_patterns(schema) > 0
        self._loose_schema: Value = loosened(schema) if loose else None
        self._loose: Draft202012Validator | None = None
        if self.strict is None:
            self._loose = validator_of(self._loose_schema)
        again = recursive(schema)
        self._strict_effort = Effort(schema, again, per_character)
        self._loose_effort = None if self._loose_schema is None else Effort(self._loose_schema, again)
        self.plain = self.strict if is_plain(schema) else None
        self.visits = NO_BOUND if self.strict is None else most_visits(schema, per_character)

    def to_judge(self, value: Value, most: int) -> Draft202012Validator | None:
        """Return what may say whether the value is good, or None where that takes more than `most` visits."""
        return self.plain or self._within(value, most, telling=False)

    def to_tell(self, value: Value, most: int) -> tuple[Draft202012Validator, Json] | None:
        """Return what may say all that is wrong, with its schema, or None where that takes more than `most` visits."""
        validator = self._within(value, most, telling=True)
        schema: Json = self._schema if validator is self.strict else self._loose_schema
        return None if validator is None else (validator, schema)

    def _within(self, value: Value, most: int, *, telling: bool) -> Draft202012Validator | None:
        if self.strict is not None and self._strict_effort.of(value, most, telling=telling) <= most:
            return self.strict
        effort = self._loose_effort
        if effort is None or effort.of(value, most, telling=telling) > most:
            return None
        if self._loose is None:
            self._loose = validator_of(self._loose_schema)
        return self._loose


def effort(root: Json, value: Value, most: int) -> int:
    """Return the visits that it takes to tell all that is wrong with the value; counting ends soon after `most`."""
    return Effort(root, recursive(root)).of(value, most, telling=True)


class Effort:
    """Counts the visits that it takes to judge a value, or (`telling`) to tell all that is wrong with it.

    A definition of `recursive` is applied to an object or list once when it is judged. For telling nothing is
    remembered, a schema within alternatives counts three times, because its errors are kept for each of them, and an
    error has a copy of the value. `per_character` are the visits for a character that a pattern looks at.
    """

    def __init__(self, root: Json, recursive: frozenset[str], per_character: int = 0) -> None:
        self._root = root
        self._definitions: Json = root.get("$defs", {})
        self._recursive = recursive
        self._per_character = per_character
        self._parts: dict[int, _Parts] = {}  # by the id of a schema below the root

    def of(self, value: Value, most: int, *, telling: bool) -> int:
        """Return the visits; counting ends soon after `most`."""
        known: set[tuple[str, int]] | None = None if telling else set()
        alike, sizes = _alike(value), _sizes(value) if telling else {}
        pending: list[Iterator[_Visit]] = [iter([(self._root, value, 1, frozenset[str]())])]
        spent = 0
        while pending and spent <= most:
            visit = next(pending[-1], None)
            if visit is None:
                pending.pop()
                continue
            schema, value, price, _ = visit
            spent += price
            if isinstance(schema, dict):
                weight = _weight(schema, value, self._per_character, alike)
                spent += price * (weight + sizes.get(id(value), 0) // _COPIED_PER_VISIT)
                parts = self._parts_of(schema)
                if spent + price * parts.ahead(value) > most:
                    return most + 1
                pending.append(self._following(parts, *visit, known))
        return spent

    def _parts_of(self, schema: Json) -> "_Parts":
        if id(schema) not in self._parts:
            self._parts[id(schema)] = _Parts(
                in_place=tuple(in_place(schema)),
                definition=definition_of(schema) if "$ref" in schema else None,
                members=tuple(other_members(schema)),
                items=tuple(other_items(schema)),
                names=(schema["propertyNames"],) if "propertyNames" in schema else (),
                alternatives=not schema.keys().isdisjoint(ALTERNATIVES),
            )
        return self._parts[id(schema)]

    def _following(
        self,
        parts: "_Parts",
        schema: Json,
        value: Value,
        price: int,
        met: frozenset[str],
        known: set[tuple[str, int]] | None,
    ) -> "Iterator[_Visit]":
        within = _PRICE_WITHIN if known is None and parts.alternatives else price
        for each in parts.in_place:
            yield each, value, within, met
        if parts.definition is not None:
            yield from self._referred(parts.definition, value, price, met, known)
        for each, part in parts.below(schema, value):
            yield each, part, price, frozenset()

    def _referred(
        self, name: str, value: Value, price: int, met: frozenset[str], known: set[tuple[str, int]] | None
    ) -> "Iterator[_Visit]":
        if name not in self._recursive:
            yield self._definitions.get(name), value, price, met
        elif name not in met and (known is None or (name, id(value)) not in known):
            if known is not None and isinstance(value, dict | list):
                known.add((name, id(value)))
            yield self._definitions[name], value, price, met | {name}


@dataclass(frozen=True, slots=True)
class _Parts:
    """The schemas in a schema, taken apart once."""

    in_place: tuple[Value, ...]
    definition: str | None
    members: tuple[Value, ...]
    items: tuple[Value, ...]
    names: tuple[Value, ...]
    alternatives: bool

    def ahead(self, value: Value) -> int:
        """Return how often schemas for any member or item are applied, at least."""
        if isinstance(value, dict):
            return len(value) * (len(self.members) + len(self.names))
        return len(value) * len(self.items) if isinstance(value, list) else 0

    def below(self, schema: Json, value: Value) -> "Iterator[tuple[Value, Value]]":
        """Yield the schemas that are applied to names, members and items, each with what it is applied to."""
        if isinstance(value, dict):
            properties: Json = schema.get("properties", {})
            few, many = sorted((properties, value), key=len)
            yield from ((properties[name], value[name]) for name in few if name in many)
            yield from ((each, item) for each in self.members for item in value.values())
            yield from ((each, name) for each in self.names for name in value)
        elif isinstance(value, list):
            yield from zip(schema.get("prefixItems", ()), value, strict=False)
            yield from ((each, item) for each in self.items for item in value)


_Visit = tuple[Value, Value, int, frozenset[str]]  # schema, value, price, definitions that led to it at this value


def _weight(schema: Json, value: Value, per_character: int, alike: int) -> int:
    """Return the visits that a schema takes at a value beyond its own and those of its subschemas."""
    weight = 0
    if isinstance(value, str):
        weight += len(value) * per_character if "pattern" in schema else len(value) // _CHARACTERS_PER_VISIT
    elif isinstance(value, dict):
        weight += (len(schema.get("properties", ())) + len(schema.get("required", ()))) // _NAMES_PER_VISIT
        if patterns := len(schema.get("patternProperties", ())):
            weight += patterns * sum(_VISITS_PER_NAME + per_character * len(name) for name in value)
    elif isinstance(value, list):
        if schema.get("uniqueItems") is True:
            weight += len(value) * (1 + _VISITS_PER_PAIR * min(len(value), alike))
    elif "multipleOf" in schema and value is not None:
        extreme = any(each and not 1e-9 < abs(each) < _EXACT for each in (value, schema["multipleOf"]))
        weight += _VISITS_PER_EXTREME_MULTIPLE if extreme else _VISITS_PER_MULTIPLE
    if isinstance(value, dict | list) and "enum" in schema:
        weight += len(schema["enum"])
    return weight


def _sizes(value: Value) -> dict[int, int]:
    """Return how many values there are in each object and list, by its id."""
    containers, pending = [], [value]
    while pending:
        each = pending.pop()
        if isinstance(each, dict | list):
            containers.append(each)
            pending += each.values() if isinstance(each, dict) else each
    sizes: dict[int, int] = {}
    for each in reversed(containers):  # what is inside comes first
        sizes[id(each)] = sum(
            1 + sizes.get(id(item), 0) for item in (each.values() if isinstance(each, dict) else each)
        )
    return sizes


def _alike(value: Value) -> int:
    """Return how many integers in a value may have the hash of another."""
    number, pending = 0, [value]
    while pending:
        each = pending.pop()
        if isinstance(each, dict):
            pending += each.values()
        elif isinstance(each, list):
            pending += each
        elif isinstance(each, int):
            number += not -_EXACT < each < _EXACT
    return number
