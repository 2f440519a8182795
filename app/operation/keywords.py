"""JSON Schema 2020-12 in tools: the keywords that hold schemas, what checks values, and what a check costs.

The cost is how often schemas are applied to a value, found without a check. Alternatives that describe the same member
multiply from level to level: two at each of thirty levels are 2^30 visits to the innermost value. The validator
remembers what it knows only where a definition leads back to itself.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import lru_cache

from jsonschema_rs import Draft202012Validator, ReferencingError, RegexOptions, ValidationError, meta

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
IN_PLACE = frozenset(
    {"allOf", "anyOf", "dependentSchemas", "else", "if", "not", "oneOf", "then"}
)  # about the same value

ALTERNATIVES = frozenset({"anyOf", "oneOf"})

_PATTERNS = RegexOptions(size_limit=1_000_000)  # the linear engine: a document's pattern cannot be made to hang us
_DEFINITIONS = "#/$defs/"
_PRICE_WITHIN = 3
_MOST_STATES = 2_000

_LEADING = SUBSCHEMAS | SUBSCHEMA_LISTS | SUBSCHEMA_MAPS | {"$ref"}

_Key = tuple[int, int]  # a schema, by the rank of the definition that it stands in, and its id
_State = Mapping[_Key, int]  # how often each is applied to one value


class UnusableSchema(Exception):
    """Nothing can be checked against the schema; the text is the kind of error that the validator raises."""


def validator_of(schema: Value) -> Draft202012Validator:
    """Return what checks values against a schema, for every schema here.

    Formats stay annotations, as 2020-12 has it: an upstream knows best what it takes for a date. Nothing is fetched,
    and messages do not repeat the value. Raises UnusableSchema.
    """
    try:
        return Draft202012Validator(
            schema, pattern_options=_PATTERNS, validate_formats=False, offline=True, mask="the value"
        )
    except (ValidationError, ReferencingError, ValueError) as error:
        raise UnusableSchema(type(error).__name__) from error


def is_usable(keyword: str, value: Value) -> bool:
    """Whether the meta-schema of 2020-12 allows the keyword that value, and models may see it."""
    if keyword == "pattern":
        return isinstance(value, str) and is_pattern(value)
    return is_presentable(value) and meta.is_valid({keyword: value})


@lru_cache(maxsize=4_096)
def is_pattern(text: str) -> bool:
    """Whether arguments can be checked against the regular expression."""
    try:
        validator_of({"pattern": text})
    except UnusableSchema:
        return False
    return True


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
        within = price if schema.keys().isdisjoint(ALTERNATIVES) else _PRICE_WITHIN
        pending += [(each, value, within) for each in in_place(schema)]
        if "$ref" in schema:
            pending.append((definitions.get(_name(schema)), value, price))
        if isinstance(value, dict):
            pending += [(each, value[name], price) for name, each in _members(schema) if name in value]
            pending += [(each, item, price) for each in _other_members(schema) for item in value.values()]
        elif isinstance(value, list):
            pending += [(each, value[number], price) for number, each in _items(schema) if number < len(value)]
            pending += [(each, item, price) for each in _other_items(schema) for item in value]
    return spent + len(pending)


def is_laborious(root: Json, most: int) -> bool:
    """Whether a value may exist that has a part to which schemas are applied more than `most` times."""
    return _Levels(root, most).exceed()


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
            name = _name(schema) if "$ref" in schema else None
            if name in self._ranks and self._ranks[name] < rank:  # what leads back is remembered by the validator
                pending.append((self._key(self._ranks[name], self._definitions[name]), count))
        return applied

    def _below(self, here: _State) -> Iterator[_State]:
        """Return what meets at each member and item, where that leads on."""
        for stated, others in ((_members, _other_members), (_items, _other_items)):
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


def in_place(schema: Json) -> Iterator[Value]:
    """Yield what a schema applies to the same value, but for a `$ref`."""
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


def _other_members(schema: Json) -> Iterator[Value]:
    yield from schema.get("patternProperties", {}).values()
    yield from (schema[keyword] for keyword in ("additionalProperties", "unevaluatedProperties") if keyword in schema)


def _items(schema: Json) -> Iterable[tuple[int, Value]]:
    return enumerate(schema.get("prefixItems", ()))


def _other_items(schema: Json) -> Iterator[Value]:
    return (schema[keyword] for keyword in ("items", "contains", "unevaluatedItems") if keyword in schema)
