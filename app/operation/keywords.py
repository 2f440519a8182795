"""JSON Schema 2020-12 in tools: its keywords, and how many schemas may meet at one value.

Alternatives that describe the same member multiply from level to level: two at each of thirty levels are 2^30 visits to
the innermost value. The validator remembers what it knows only where a definition leads back to itself.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping

from jsonschema_rs import meta

from app.operation.checking import is_pattern
from app.operation.operation import Json, Value
from app.operation.text import is_presentable

SUBSCHEMAS = frozenset(
    {
        *("additionalProperties", "contains", "contentSchema", "else", "if", "items", "not", "propertyNames", "then"),
        *("unevaluatedItems", "unevaluatedProperties"),
    }
)
SUBSCHEMA_LISTS = frozenset({"allOf", "anyOf", "oneOf", "prefixItems"})
SUBSCHEMA_MAPS = frozenset({"dependentSchemas", "patternProperties", "properties"})
ALTERNATIVES = ("anyOf", "oneOf")
IN_PLACE = frozenset({"allOf", "dependentSchemas", "else", "if", "not", "then", *ALTERNATIVES})  # about the same value
# What may refuse a value because a schema in it, or beside it, accepts more.
TURNING = frozenset({"else", "if", "maxContains", "not", "then", "unevaluatedItems", "unevaluatedProperties"})

_DEFINITIONS = "#/$defs/"
_MOST_STATES = 2_000

_LEADING = SUBSCHEMAS | SUBSCHEMA_LISTS | SUBSCHEMA_MAPS | {"$ref"}

SIMPLE = 290
_COMPLEXITY_OF_A_WAY = 25
_WAYS = frozenset({"allOf", "anyOf", "dependentSchemas", "oneOf", "patternProperties"})
_SINGLE_WAYS = frozenset({"$ref", "contains", "else", "if", "not", "propertyNames", "then", "unevaluatedProperties"})
_CHOOSING = _WAYS | _SINGLE_WAYS
_MEMBERS_OR_ITEMS = frozenset({"additionalProperties", "items", "prefixItems", "properties"})

_Key = tuple[int, int]  # a schema, by the rank of the definition that it stands in, and its id
_State = Mapping[_Key, int]  # how often each is applied to one value


def is_usable(keyword: str, value: Value) -> bool:
    """Whether the meta-schema of 2020-12 allows the keyword that value, and models may see it."""
    if keyword == "pattern":
        return isinstance(value, str) and is_pattern(value)
    return is_presentable(value) and meta.is_valid({keyword: value})


def complexity_at(schema: Json) -> int:
    """Return what a schema adds to how many schemas one value may meet, without what is in it.

    Where all that a schema leads to, as often as it does, adds up to no more than `SIMPLE`, one value meets fewer than
    2,000: ways multiply, but the product of numbers is at most 3 to the power of a third of their sum.
    """
    if _CHOOSING.isdisjoint(schema):
        return 0
    ways = sum(len(schema[keyword]) for keyword in _WAYS & schema.keys() if isinstance(schema[keyword], list | dict))
    ways += len(_SINGLE_WAYS & schema.keys()) + (not _MEMBERS_OR_ITEMS.isdisjoint(schema))
    return ways * _COMPLEXITY_OF_A_WAY if ways > 1 else 1


def is_laborious(root: Json, most: int) -> bool:
    """Whether a value may exist that has a part to which schemas are applied more than `most` times."""
    return _Levels(root, most).exceed()


def words_of(schema: Value) -> set[str]:
    """Return the keywords of a schema and of all in it; names of members count as such."""
    return {word for each in objects_in(schema) for word in each}


def objects_in(value: Value) -> Iterator[Json]:
    """Yield the objects in a value, and the value itself if it is one."""
    pending = [value]
    while pending:
        each = pending.pop()
        if isinstance(each, dict):
            yield each
            pending += each.values()
        elif isinstance(each, list):
            pending += each


def recursive(root: Json) -> frozenset[str]:
    """Return the definitions that lead back to themselves, and those that lie between such."""
    definitions: Json = root.get("$defs", {})
    forth = {name: set(references(schema)) & definitions.keys() for name, schema in definitions.items()}
    back: dict[str, set[str]] = {name: set() for name in definitions}
    for name, referred in forth.items():
        for each in referred:
            back[each].add(name)
    left = set(definitions)
    for of, to in ((forth, back), (back, forth)):
        ends = [name for name in left if not of[name] & left]
        while ends:
            name = ends.pop()
            left.discard(name)
            ends += [each for each in to[name] & left if not of[each] & left]
    return frozenset(left)


class _Levels:
    """Goes down from the root, one level of values at a time, with all the schemas that meet at one place."""

    def __init__(self, root: Json, most: int) -> None:
        self._definitions: Json = root.get("$defs", {})
        self._ranks = _ranks(root, self._definitions)
        self._schemas: dict[int, Value] = {}
        self._root: _State = {self._key(len(self._ranks), root): 1}
        self._most = most

    def exceed(self) -> bool:
        met = {frozenset(self._root.items())}
        pending = [self._root]
        while pending:
            here = self._in_place(pending.pop())
            if sum(here.values()) > self._most or len(met) > _MOST_STATES:
                return True
            for below in self._below(here):
                key = frozenset(below.items())
                if key not in met:
                    met.add(key)
                    pending.append(below)
        return False

    def _in_place(self, state: _State) -> _State:
        """Return all that is applied to the same value, as far as it is not more than permitted."""
        applied: dict[_Key, int] = defaultdict(int)
        spent = 0
        pending = list(state.items())
        while pending and spent <= self._most:
            key, count = pending.pop()
            applied[key] += count
            spent += count
            rank, schema = key[0], self._schemas[key[1]]
            if not isinstance(schema, dict):
                continue
            pending += [(self._key(rank, each), count) for each in in_place(schema)]
            name = definition_of(schema) if "$ref" in schema else None
            if name in self._ranks and self._ranks[name] < rank:  # what leads back is remembered by the validator
                pending.append((self._key(self._ranks[name], self._definitions[name]), count))
        return applied

    def _below(self, here: _State) -> Iterator[_State]:
        """Return what meets at each member and item, where that leads on."""
        for stated, others in ((_members, other_members), (_items, other_items)):
            for state in self._together(here, stated, others):
                if len(state) > 1 or any(self._leads_on(key) for key in state):
                    yield state

    def _together(
        self,
        here: _State,
        stated: Callable[[Json], Iterable[tuple[str | int, Value]]],
        others: Callable[[Json], Iterable[Value]],
    ) -> Iterator[_State]:
        unnamed: dict[_Key, int] = defaultdict(int)
        named: dict[str | int, dict[_Key, int]] = defaultdict(unnamed.copy)
        schemas = [(rank, self._schemas[identity], count) for (rank, identity), count in here.items()]
        objects = [(rank, schema, count) for rank, schema, count in schemas if isinstance(schema, dict)]
        for rank, schema, count in objects:
            for each in others(schema):
                unnamed[self._key(rank, each)] += count
        for rank, schema, count in objects:
            for name, each in stated(schema):
                named[name][self._key(rank, each)] += count
        return iter((unnamed, *named.values()))

    def _leads_on(self, key: _Key) -> bool:
        schema = self._schemas[key[1]]
        return isinstance(schema, dict) and not schema.keys().isdisjoint(_LEADING)

    def _key(self, rank: int, schema: Value) -> _Key:
        self._schemas[id(schema)] = schema
        return rank, id(schema)


def _ranks(root: Json, definitions: Json) -> dict[str, int]:
    """Number the definitions so that each refers to lower ones only, but for references that lead back to it."""
    ranks: dict[str, int] = {}
    met: set[str] = set()
    path: list[tuple[str | None, Iterator[str]]] = [(None, references(root))]
    while path:
        name, referred = path[-1]
        following = next((each for each in referred if each in definitions and each not in met), None)
        if following is not None:
            met.add(following)
            path.append((following, references(definitions[following])))
        else:
            path.pop()
            if name is not None:
                ranks[name] = len(ranks)
    return ranks


def references(schema: Value) -> Iterator[str]:
    """Yield the names of the definitions that a schema refers to, as often as it does."""
    pending = [schema]
    while pending:
        each = pending.pop()
        if isinstance(each, dict):
            if isinstance(each.get("$ref"), str):
                yield definition_of(each)
            pending += [value for keyword, value in each.items() if keyword != "$defs"]
        elif isinstance(each, list):
            pending += each


def definition_of(schema: Json) -> str:
    """Return the name in `$defs` that the schema refers to."""
    return str(schema["$ref"]).removeprefix(_DEFINITIONS)


def in_place(schema: Json) -> Iterator[Value]:
    """Yield the schemas that apply to the same value as this one, but for a `$ref`."""
    for keyword in IN_PLACE & schema.keys():
        value = schema[keyword]
        if keyword in SUBSCHEMA_LISTS:
            yield from value
        elif keyword in SUBSCHEMA_MAPS:
            yield from value.values()
        else:
            yield value


def _members(schema: Json) -> Iterable[tuple[str, Value]]:
    properties: Json = schema.get("properties", {})
    return properties.items()


def other_members(schema: Json) -> Iterator[Value]:
    """Yield the schemas that may apply to any member of an object."""
    yield from schema.get("patternProperties", {}).values()
    yield from (schema[keyword] for keyword in ("additionalProperties", "unevaluatedProperties") if keyword in schema)


def _items(schema: Json) -> Iterable[tuple[int, Value]]:
    return enumerate(schema.get("prefixItems", ()))


def other_items(schema: Json) -> Iterator[Value]:
    """Return the schemas that may apply to any item of a list."""
    return (schema[keyword] for keyword in ("items", "contains", "unevaluatedItems") if keyword in schema)
