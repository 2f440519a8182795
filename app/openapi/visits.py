"""How often schemas are applied to a value when it is checked: what a check costs, found without making one.

Alternatives that describe the same member multiply from level to level: two at each of thirty levels are 2^30 visits to
the innermost value. The validator remembers what it knows only where a definition leads back to itself.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from app.openapi.keywords import IN_PLACE, SUBSCHEMA_LISTS, SUBSCHEMA_MAPS
from app.openapi.operation import Json, Value

_DEFINITIONS = "#/$defs/"
_ALTERNATIVES = ("anyOf", "oneOf")
_PRICE_WITHIN = 3
_MOST_STATES = 2_000

_State = Mapping[tuple[int, int], int]  # how often a schema, by the rank of its definition and its id, is applied


def effort(root: Json, value: Value, most: int) -> int:
    """Return what it takes to tell all that is wrong with the value; counting ends soon after `most`.

    That is one for each schema that is applied, and three within alternatives, whose errors are kept for each of them.
    """
    definitions = root.get("$defs", {})
    pending: list[tuple[Value, Value, int]] = [(root, value, 1)]
    spent = 0
    while pending and spent + len(pending) <= most:
        schema, value, price = pending.pop()
        spent += price
        if not isinstance(schema, dict):
            continue
        within = price if schema.keys().isdisjoint(_ALTERNATIVES) else _PRICE_WITHIN
        pending += [(each, value, within) for each in _in_place(schema)]
        if "$ref" in schema:
            pending.append((definitions.get(_name(schema)), value, price))
        if isinstance(value, dict):
            pending += [(each, item, price) for name, item in value.items() for each in _of_member(schema, name)]
        elif isinstance(value, list):
            pending += [(each, item, price) for number, item in enumerate(value) for each in _of_item(schema, number)]
    return spent + len(pending)


def is_laborious(root: Json, most: int) -> bool:
    """Whether a value may exist that has a part to which schemas are applied more than `most` times."""
    return _Levels(root, most).exceed()


class _Levels:
    """Goes down from the root, one level of values at a time, with all the schemas that meet at one place."""

    def __init__(self, root: Json, most: int) -> None:
        self._definitions: Json = root.get("$defs", {})
        self._ranks = _ranks(root, self._definitions)
        self._schemas: dict[int, Value] = {id(root): root}
        self._root: _State = {(len(self._ranks), id(root)): 1}
        self._most = most

    def exceed(self) -> bool:
        met = {frozenset(self._root.items())}
        pending = [self._root]
        while pending:
            here = self._in_place(pending.pop())
            if here.total() > self._most or len(met) > _MOST_STATES:
                return True
            for below in self._below(here):
                key = frozenset(below.items())
                if below and key not in met:
                    met.add(key)
                    pending.append(below)
        return False

    def _in_place(self, state: _State) -> Counter[tuple[int, int]]:
        """Return all that is applied to the same value, as far as it is not more than permitted."""
        applied: Counter[tuple[int, int]] = Counter()
        pending = list(state.items())
        while pending and applied.total() <= self._most:
            (rank, identity), count = pending.pop()
            applied[rank, identity] += count
            schema = self._schemas[identity]
            if not isinstance(schema, dict):
                continue
            pending += [(self._key(rank, each), count) for each in _in_place(schema)]
            name = _name(schema) if "$ref" in schema else None
            if name in self._ranks and self._ranks[name] < rank:  # what leads back is remembered by the validator
                pending.append((self._key(self._ranks[name], self._definitions[name]), count))
        return applied

    def _below(self, here: Mapping[tuple[int, int], int]) -> Iterator[_State]:
        schemas = [(rank, self._schemas[identity], count) for (rank, identity), count in here.items()]
        objects = [(rank, each, count) for rank, each, count in schemas if isinstance(each, dict)]
        names = {name for _, each, _ in objects for name in each.get("properties", ())}
        items = max((len(each.get("prefixItems", ())) for _, each, _ in objects), default=0)
        for name in (*names, None):
            yield self._together(
                (rank, inner, count) for rank, each, count in objects for inner in _of_member(each, name)
            )
        for number in range(items + 1):
            yield self._together(
                (rank, inner, count) for rank, each, count in objects for inner in _of_item(each, number)
            )

    def _together(self, applied: Iterator[tuple[int, Value, int]]) -> _State:
        state: Counter[tuple[int, int]] = Counter()
        for rank, schema, count in applied:
            state[self._key(rank, schema)] += count
        return state

    def _key(self, rank: int, schema: Value) -> tuple[int, int]:
        self._schemas[id(schema)] = schema
        return rank, id(schema)


def _ranks(root: Json, definitions: Json) -> dict[str, int]:
    """Number the definitions so that each refers to lower ones only, but for references that lead back to it."""
    ranks: dict[str, int] = {}
    met: set[str] = set()
    path: list[tuple[str | None, Iterator[str]]] = [(None, _references(root))]
    while path:
        name, references = path[-1]
        following = next((each for each in references if each in definitions and each not in met), None)
        if following is not None:
            met.add(following)
            path.append((following, _references(definitions[following])))
        else:
            path.pop()
            if name is not None:
                ranks[name] = len(ranks)
    return ranks


def _references(schema: Value) -> Iterator[str]:
    pending = [schema]
    while pending:
        each = pending.pop()
        if isinstance(each, dict):
            if isinstance(each.get("$ref"), str):
                yield _name(each)
            pending += [value for keyword, value in each.items() if keyword != "$defs"]
        elif isinstance(each, list):
            pending += each


def _name(schema: Json) -> str:
    return str(schema["$ref"]).removeprefix(_DEFINITIONS)


def _in_place(schema: Json) -> Iterator[Value]:
    for keyword in IN_PLACE & schema.keys():
        value = schema[keyword]
        if keyword in SUBSCHEMA_LISTS:
            yield from value
        elif keyword in SUBSCHEMA_MAPS:
            yield from value.values()
        else:
            yield value


def _of_member(schema: Json, name: Any) -> Iterator[Value]:  # noqa: ANN401 - None is a name that no schema knows
    properties = schema.get("properties", {})
    if name in properties:
        yield properties[name]
    yield from schema.get("patternProperties", {}).values()
    yield from (schema[keyword] for keyword in ("additionalProperties", "unevaluatedProperties") if keyword in schema)


def _of_item(schema: Json, number: int) -> Iterator[Value]:
    yield from schema.get("prefixItems", ())[number : number + 1]
    yield from (schema[keyword] for keyword in ("items", "contains", "unevaluatedItems") if keyword in schema)
