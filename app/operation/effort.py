"""What it takes to check a value against a schema, found without a check.

The unit is a visit of some 50 ns: one for each schema that is applied to a value, and more where one does more, by
measurement.
"""

from collections.abc import Iterator

from app.operation.keywords import definition_of, in_place, other_items, other_members, recursive
from app.operation.operation import Json, Value

_CHARACTERS_PER_VISIT = 100  # that are counted
_NAMES_PER_VISIT = 4  # that are looked up
_COPIED_PER_VISIT = 10  # values
_VISITS_PER_MULTIPLE = 25
_VISITS_PER_EXTREME_MULTIPLE = 400
_VISITS_PER_NAME = 10  # that a pattern is tried on
_VISITS_PER_PAIR = 4  # of items that have one hash
_EXACT = 2**53  # beyond it, integers share hashes with their neighbours
_ALTERNATIVES = ("anyOf", "oneOf")
_PRICE_WITHIN = 3


def effort(root: Json, value: Value, most: int) -> int:
    """Return the visits that it takes to tell all that is wrong with the value; counting ends soon after `most`."""
    return Effort(root, recursive(root), telling=True).of(value, most)


class Effort:
    """Counts the visits that it takes to judge a value, or (`telling`) to tell all that is wrong with it.

    A definition of `recursive` is applied to an object or list once when it is judged. For telling nothing is
    remembered, a schema within alternatives counts three times, because its errors are kept for each of them, and an
    error has a copy of the value. `per_character` are the visits for a character that a pattern looks at.
    """

    def __init__(self, root: Json, recursive: frozenset[str], *, telling: bool, per_character: int = 0) -> None:
        self._root = root
        self._definitions: Json = root.get("$defs", {})
        self._recursive = recursive
        self._telling = telling
        self._per_character = per_character
        self._known: set[tuple[str, int]] = set()

    def of(self, value: Value, most: int) -> int:
        """Return the visits; counting ends soon after `most`."""
        alike, sizes = _alike(value), _sizes(value) if self._telling else {}
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
                if spent + price * _ahead(schema, value) > most:
                    return most + 1
                pending.append(self._following(*visit))
        return spent

    def _following(self, schema: Json, value: Value, price: int, met: frozenset[str]) -> "Iterator[_Visit]":
        within = _PRICE_WITHIN if self._telling and not schema.keys().isdisjoint(_ALTERNATIVES) else price
        for each in in_place(schema):
            yield each, value, within, met
        if "$ref" in schema:
            yield from self._referred(definition_of(schema), value, price, met)
        for each, part in _below(schema, value):
            yield each, part, price, frozenset()

    def _referred(self, name: str, value: Value, price: int, met: frozenset[str]) -> "Iterator[_Visit]":
        if name not in self._recursive:
            yield self._definitions.get(name), value, price, met
        elif name not in met and (name, id(value)) not in self._known:
            if not self._telling and isinstance(value, dict | list):
                self._known.add((name, id(value)))
            yield self._definitions[name], value, price, met | {name}


_Visit = tuple[Value, Value, int, frozenset[str]]  # schema, value, price, definitions that led to it at this value


def _ahead(schema: Json, value: Value) -> int:
    """Return how often schemas for any member or item are applied, at least."""
    if isinstance(value, dict):
        return len(value) * (sum(1 for _ in other_members(schema)) + ("propertyNames" in schema))
    return len(value) * sum(1 for _ in other_items(schema)) if isinstance(value, list) else 0


def _below(schema: Json, value: Value) -> Iterator[tuple[Value, Value]]:
    """Yield the schemas that are applied to names, members and items, each with what it is applied to."""
    if isinstance(value, dict):
        properties: Json = schema.get("properties", {})
        few, many = sorted((properties, value), key=len)
        yield from ((properties[name], value[name]) for name in few if name in many)
        yield from ((each, item) for each in other_members(schema) for item in value.values())
        if "propertyNames" in schema:
            yield from ((schema["propertyNames"], name) for name in value)
    elif isinstance(value, list):
        yield from zip(schema.get("prefixItems", ()), value, strict=False)
        yield from ((each, item) for each in other_items(schema) for item in value)


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
