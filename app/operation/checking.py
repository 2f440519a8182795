"""What checks values against a schema, and what a check may cost.

The engine holds the interpreter's lock, so whatever it does keeps everybody waiting. What a check takes is therefore
found before it, in visits of some 50 ns: one for each schema that is applied to a value, and more where one visit does
more, by measurement. A pattern is matched in linear time, but a character may cost a thousand times what another does:
at worst as much as the automaton is large.
"""

from collections.abc import Iterator
from contextlib import suppress

from jsonschema_rs import Draft202012Validator, ReferencingError, RegexOptions, ValidationError

from app.operation.keywords import (
    SUBSCHEMA_LISTS,
    SUBSCHEMA_MAPS,
    SUBSCHEMAS,
    definition_of,
    in_place,
    other_items,
    other_members,
    recursive,
)
from app.operation.operation import Json, Value

_LARGEST_PATTERN = 1_000_000  # bytes of its automaton
_AUTOMATA = (5_000, 100_000, _LARGEST_PATTERN)
_ALL_AUTOMATA = 10_000_000  # bytes for all patterns of a schema; some 50 ms to make
_CACHES = (50_000, 2_000_000)  # bytes, at least and at most, that a pattern may fill while it is matched
_ALL_CACHES = 20_000_000  # bytes
_VISITS_PER_CHARACTER = 4  # of a pattern whose automaton has the smallest of those sizes
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

_PLAIN = frozenset(
    {"default", "deprecated", "description", "examples", "exclusiveMaximum", "exclusiveMinimum", "format", "items"}
    | {"maxItems", "maxLength", "maxProperties", "maximum", "minItems", "minLength", "minProperties", "minimum"}
    | {"properties", "readOnly", "required", "title", "type", "writeOnly"}
)
_FEW_NAMES = 100

# What may take less when a schema inside it takes more.
_NOT_LOOSENED = frozenset(
    {"else", "if", "maxContains", "not", "pattern", "patternProperties", "then", "unevaluatedItems"}
    | {"unevaluatedProperties"}
)


class UnusableSchema(Exception):
    """Nothing can be checked against the schema; the text is the kind of error that the validator raises."""


def validator_of(schema: Value, largest_pattern: int = _LARGEST_PATTERN) -> Draft202012Validator:
    """Return what checks values against a schema, for every schema here; `largest_pattern` is in bytes.

    Formats stay annotations, as 2020-12 has it: an upstream knows best what it takes for a date. Nothing is fetched,
    and messages do not repeat the value. Raises UnusableSchema.
    """
    patterns = max(1, _number_of_patterns(schema))
    least, most = _CACHES
    options = RegexOptions(  # the linear engine
        size_limit=min(largest_pattern, _ALL_AUTOMATA // patterns),
        dfa_size_limit=min(most, max(least, _ALL_CACHES // patterns)),
    )
    try:
        return Draft202012Validator(
            schema, pattern_options=options, validate_formats=False, offline=True, mask="the value"
        )
    except (ValidationError, ReferencingError, ValueError) as error:
        raise UnusableSchema(type(error).__name__) from error


class Checker:
    """Checks values against one schema, as far as that takes no more visits than the caller allows.

    Patterns go first: where they alone take too much or cannot be used, the rest is checked without them. Raises
    UnusableSchema.
    """

    __slots__ = ("_loose", "_loose_schema", "_per_character", "_plain", "_recursive", "_schema", "_strict")

    def __init__(self, schema: Json) -> None:
        self._schema = schema
        self._loose_schema = loosened(schema) if _number_of_patterns(schema) else None
        self._recursive = recursive(schema)
        self._plain = _is_plain(schema)
        self._loose: Draft202012Validator | None = None
        self._strict, self._per_character = _with_patterns(schema)
        if self._strict is None:
            self._loose = validator_of(schema if self._loose_schema is None else self._loose_schema)

    def to_judge(self, value: Value, most: int) -> Draft202012Validator | None:
        """Return what may say whether the value is good, or None where that takes more than `most` visits."""
        return self._strict if self._plain else self._within(value, most, telling=False)

    def to_tell(self, value: Value, most: int) -> Draft202012Validator | None:
        """Return what may say all that is wrong, or None where that takes more than `most` visits."""
        return self._within(value, most, telling=True)

    def _within(self, value: Value, most: int, *, telling: bool) -> Draft202012Validator | None:
        strict = Effort(self._schema, self._recursive, telling=telling, per_character=self._per_character)
        if self._strict is not None and strict.of(value, most) <= most:
            return self._strict
        if self._loose_schema is None or (
            Effort(self._loose_schema, self._recursive, telling=telling).of(value, most) > most
        ):
            return None
        if self._loose is None:
            self._loose = validator_of(self._loose_schema)
        return self._loose


def _with_patterns(schema: Json) -> tuple[Draft202012Validator | None, int]:
    """Return what checks the patterns too, if anything does, and the visits that a character takes at worst."""
    for size in _AUTOMATA:
        with suppress(UnusableSchema):
            return validator_of(schema, size), _VISITS_PER_CHARACTER * size // _AUTOMATA[0]
    return None, 0


def _is_plain(schema: Value) -> bool:
    """Whether one schema at most is applied to any value, and takes little."""
    if not isinstance(schema, dict):
        return True
    properties, required = schema.get("properties", {}), schema.get("required", ())
    return (
        schema.get("additionalProperties", True) in (True, False)
        and schema.keys() <= _PLAIN | {"additionalProperties"}
        and len(properties) + len(required) <= _FEW_NAMES
        and all(_is_plain(each) for each in (schema.get("items"), *properties.values()))
    )


def loosened(schema: Value) -> Value:
    """Return a schema that takes all that this one takes, and has no patterns."""
    if not isinstance(schema, dict):
        return schema
    kept = {keyword: value for keyword, value in schema.items() if keyword not in _NOT_LOOSENED}
    if "patternProperties" in schema:
        kept.pop("additionalProperties", None)
    if "oneOf" in kept:
        kept["allOf"] = [*kept.get("allOf", ()), {"anyOf": kept.pop("oneOf")}]
    for keyword, value in kept.items():
        if keyword in SUBSCHEMAS:
            kept[keyword] = loosened(value)
        elif keyword in SUBSCHEMA_LISTS:
            kept[keyword] = [loosened(each) for each in value]
        elif keyword in SUBSCHEMA_MAPS or keyword == "$defs":
            kept[keyword] = {name: loosened(each) for name, each in value.items()}
    return kept


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


def _number_of_patterns(schema: Value) -> int:
    number, pending = 0, [schema]
    while pending:
        each = pending.pop()
        if isinstance(each, dict):
            number += "pattern" in each
            number += len(each["patternProperties"]) if isinstance(each.get("patternProperties"), dict) else 0
            pending += each.values()
        elif isinstance(each, list):
            pending += each
    return number
