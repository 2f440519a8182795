"""What can be known of a schema before anything is checked against it."""

from collections.abc import Set as AbstractSet
from contextlib import suppress

from jsonschema_rs import Draft202012Validator

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

_AUTOMATA = (5_000, 100_000, LARGEST_PATTERN)
_VISITS_PER_CHARACTER = 4  # of a pattern whose automaton has the smallest of those sizes

_PLAIN = frozenset(
    {"default", "deprecated", "description", "examples", "exclusiveMaximum", "exclusiveMinimum", "format", "items"}
    | {"maxItems", "maxLength", "maxProperties", "maximum", "minItems", "minLength", "minProperties", "minimum"}
    | {"properties", "readOnly", "required", "title", "type", "writeOnly"}
)
_FEW_NAMES = 100

NO_BOUND = 10**9  # visits
_VISITS_PER_MULTIPLE = 400
_VISITS_PER_NAME = 10

_NOT_LOOSENED = TURNING | {"pattern", "patternProperties"}


def with_patterns(schema: Json, all_automata: int = ALL_AUTOMATA) -> tuple[Draft202012Validator | None, int]:
    """Return what checks the patterns too, if anything does, and the visits that a character takes at worst."""
    for size in _AUTOMATA:
        with suppress(UnusableSchema):
            return validator_of(schema, size, all_automata), _VISITS_PER_CHARACTER * size // _AUTOMATA[0]
    return None, 0


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
        inner = (
            *in_place(schema),
            *schema.get("properties", {}).values(),
            *other_members(schema),
            *schema.get("prefixItems", ()),
            *other_items(schema),
            schema.get("propertyNames"),
        )
        visits += sum(of(each) for each in inner)
        if "$ref" in schema:
            name = definition_of(schema)
            if name not in known:
                known[name] = of(definitions.get(name))
            visits += known[name]
        return min(visits, NO_BOUND)

    return NO_BOUND if recursive(root) else of(root)
