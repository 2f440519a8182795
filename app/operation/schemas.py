"""What can be known of a schema before anything is checked against it."""

from collections.abc import Callable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from contextlib import suppress

from jsonschema_rs import Draft202012Validator, meta

from app.operation.checking import ALL_AUTOMATA, LARGEST_PATTERN, UnusableSchema, validator_of
from app.operation.keywords import (
    SUBSCHEMA_LISTS,
    SUBSCHEMA_MAPS,
    SUBSCHEMAS,
    TURNING,
    definition_of,
    in_place,
    other_items,
    other_members,
    recursive,
)
from app.operation.operation import Json, Value
from app.operation.text import shortened

_AUTOMATA = (5_000, 100_000, LARGEST_PATTERN)
_VISITS_PER_CHARACTER = 4  # of a pattern whose automaton has the smallest of those sizes

_PLAIN = frozenset(
    {"default", "deprecated", "description", "examples", "exclusiveMaximum", "exclusiveMinimum", "format", "items"}
    | {"maxItems", "maxLength", "maxProperties", "maximum", "minItems", "minLength", "minProperties", "minimum"}
    | {"properties", "readOnly", "required", "title", "type", "writeOnly"}
)
_FEW_NAMES = 100

NO_BOUND = 10**9  # visits
_MOST_SEEN_THROUGH = 2_000  # of one tool
_UNEVALUATED = frozenset({"unevaluatedItems", "unevaluatedProperties"})
_VISITS_PER_MULTIPLE = 400
_VISITS_PER_NAME = 10

ANNOTATIONS = frozenset({"default", "deprecated", "description", "examples", "title"})
_INSEPARABLE = (frozenset({"else", "if", "then"}), frozenset({"contains", "maxContains", "minContains"}))

_PROSE = frozenset({"examples", "title"})
_NOT_LOOSENED = TURNING | {"pattern", "patternProperties"}


def with_patterns(schema: Json, all_automata: int = ALL_AUTOMATA) -> tuple[Draft202012Validator | None, int]:
    """Return what checks the patterns too, if anything does, and the visits that a character takes at worst."""
    if meta.is_valid(schema) and seen_through(schema) > _MOST_SEEN_THROUGH:
        return None, 0
    for size in _AUTOMATA:
        with suppress(UnusableSchema):
            return validator_of(schema, size, all_automata), _VISITS_PER_CHARACTER * size // _AUTOMATA[0]
    return None, 0


def seen_through(root: Json) -> int:
    """Return how many schemas the engine reads for `unevaluated…`: each time all that is applied to the same value.

    It does so when it compiles them, for up to 0.1 ms each.
    """
    definitions: Json = root.get("$defs", {})
    known: dict[str, int] = {}

    def applied(schema: Value) -> int:
        if not isinstance(schema, dict):
            return 1
        number = 1 + sum(map(applied, in_place(schema)))
        if "$ref" in schema:
            name = definition_of(schema)
            if name not in known:
                known[name] = 0  # for what leads back here
                known[name] = applied(definitions.get(name))
            number += known[name]
        return min(number, NO_BOUND)

    number, pending = 0, [root, *definitions.values()]
    while pending:
        each = pending.pop()
        if isinstance(each, dict):
            pending += _inside(each)
            number += 0 if _UNEVALUATED.isdisjoint(each) else applied(each)
    return number


def is_plain(schema: Value) -> bool:
    """Whether one schema at most is applied to any value, and takes little."""
    if not isinstance(schema, dict):
        return True
    properties, required = schema.get("properties", {}), schema.get("required", ())
    return (
        schema.get("additionalProperties", True) in (True, False)
        and schema.keys() <= _PLAIN | {"additionalProperties"}
        and len(properties) + len(required) <= _FEW_NAMES
        and all(is_plain(each) for each in (schema.get("items"), *properties.values()))
    )


def loosened(schema: Value, without: AbstractSet[str] = frozenset()) -> Value:
    """Return a schema that takes all that this one takes, and has no patterns and no assertions of `without`."""
    if not isinstance(schema, dict):
        return schema
    kept = {keyword: value for keyword, value in schema.items() if keyword not in _NOT_LOOSENED | without}
    if "patternProperties" in schema:
        kept.pop("additionalProperties", None)
    if "oneOf" in kept:
        kept["allOf"] = [{"anyOf": kept.pop("oneOf")}, *kept.get("allOf", ())]
    for keyword, value in kept.items():
        if keyword in SUBSCHEMAS:
            kept[keyword] = loosened(value, without)
        elif keyword in SUBSCHEMA_LISTS and isinstance(value, list):
            kept[keyword] = [loosened(each, without) for each in value]
        elif (keyword in SUBSCHEMA_MAPS or keyword == "$defs") and isinstance(value, dict):
            kept[keyword] = {name: loosened(each, without) for name, each in value.items()}
    return kept


def most_visits(root: Json, per_character: int) -> int:
    """Return the visits that a check takes at most for each character of a value in JSON; `NO_BOUND` is too many."""
    definitions: Json = root.get("$defs", {})
    known: dict[str, int] = {}

    def of(schema: Value) -> int:
        if not isinstance(schema, dict):
            return 1
        if "uniqueItems" in schema:
            return NO_BOUND
        visits = 1 + sum(len(schema.get(keyword, ())) for keyword in ("enum", "properties", "required"))
        visits += _VISITS_PER_MULTIPLE * ("multipleOf" in schema) + per_character * ("pattern" in schema)
        visits += (_VISITS_PER_NAME + per_character) * len(schema.get("patternProperties", ()))
        visits += sum(map(of, _inside(schema)))
        if "$ref" in schema:
            name = definition_of(schema)
            if name not in known:
                known[name] = of(definitions.get(name))
            visits += known[name]
        return min(visits, NO_BOUND)

    return NO_BOUND if recursive(root) else of(root)


def _inside(schema: Json) -> Iterator[Value]:
    """Yield the schemas in a schema."""
    yield from in_place(schema)
    yield from schema.get("properties", {}).values()
    yield from other_members(schema)
    yield from schema.get("prefixItems", ())
    yield from other_items(schema)
    yield schema.get("propertyNames")


def without_prose(schema: Value, longest: int) -> Value:
    """Return the schema without titles, examples and, but for as many characters, descriptions."""
    if not isinstance(schema, dict):
        return schema
    return {
        keyword: _with_short_prose(keyword, value, longest)
        for keyword, value in schema.items()
        if keyword not in _PROSE and (longest or keyword != "description")
    }


def _with_short_prose(keyword: str, value: Value, longest: int) -> Value:
    if keyword == "description":
        return shortened(value, longest)
    if keyword in SUBSCHEMAS:
        return without_prose(value, longest)
    if keyword in SUBSCHEMA_LISTS:
        return [without_prose(each, longest) for each in value]
    if keyword in SUBSCHEMA_MAPS or keyword == "$defs":
        return {name: without_prose(each, longest) for name, each in value.items()}
    return value


def both(first: Json, second: Json) -> Json | None:
    """Return one schema for what two say about the same value: it takes all that both take together, and may take more.

    Annotations are the first one's where both have them. Returns None where a keyword of both cannot be said once.
    """
    if any(not first.keys().isdisjoint(group) and not second.keys().isdisjoint(group) for group in _INSEPARABLE):
        return None
    result = {**second, **first}
    for keyword in (first.keys() & second.keys()) - ANNOTATIONS:
        one, other = first[keyword], second[keyword]
        if one == other:
            continue
        said = _ONCE[keyword](one, other) if keyword in _ONCE else None
        if said is None:
            return None
        result[keyword] = said
    return result


def _names_of_both(one: list[str], other: list[str]) -> list[str]:
    return list(dict.fromkeys([*other, *one]))


def _types_of_both(one: Value, other: Value) -> Value:
    """Return the types that both name; none where `integer` may stand for `number`, and where there are none."""
    names = one if isinstance(one, list) else [one]
    shared = [name for name in (other if isinstance(other, list) else [other]) if name in names]
    if not shared or "number" in {*names, *(other if isinstance(other, list) else [other])}:
        return None
    return shared[0] if len(shared) == 1 else shared


def _members_of_both(one: Json, other: Json) -> Json | None:
    result = {**other, **one}
    for name in one.keys() & other.keys():
        if one[name] != other[name]:
            said = _schema_of_both(one[name], other[name])
            if said is None:
                return None
            result[name] = said
    return result


def _schema_of_both(one: Value, other: Value) -> Json | None:
    if not isinstance(one, dict) or not isinstance(other, dict) or "$ref" in one or "$ref" in other:
        return None
    return both(one, other)


_ONCE: Mapping[str, Callable[[Value, Value], Value]] = {
    "items": _schema_of_both,
    "patternProperties": _members_of_both,
    "properties": _members_of_both,
    "required": _names_of_both,
    "type": _types_of_both,
}
