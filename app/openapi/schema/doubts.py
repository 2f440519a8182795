"""Which schemas may accept nothing: those that say several things about one value.

What is plain is not looked at again, because to try a value takes a hundred times longer.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from app.operation.keywords import SUBSCHEMA_LISTS, SUBSCHEMA_MAPS, SUBSCHEMAS, definition_of
from app.operation.operation import Json, Value

Tokens = tuple[str | int, ...]

_ANNOTATIONS = frozenset({"default", "deprecated", "description", "examples", "title"})
_SAYS_NOTHING = _ANNOTATIONS | {"contentEncoding", "contentMediaType", "format"}
_COMBINING = frozenset({"$ref", "allOf", "anyOf"})
_PLAIN = _SAYS_NOTHING | {
    *("additionalProperties", "items", "properties", "required", "type", "pattern", "uniqueItems", "multipleOf"),
    *("minLength", "maxLength", "minItems", "maxItems", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"),
    *("minProperties", "maxProperties"),
}
_OF_OBJECTS = frozenset({"additionalProperties", "minProperties", "properties", "required"})
_LISTED = _SAYS_NOTHING | {"enum", "type"}
_MEASURED = {int: _LISTED | {"minimum", "maximum"}, str: _LISTED | {"minLength", "maxLength"}}
_HOLDING = (SUBSCHEMAS | SUBSCHEMA_LISTS | SUBSCHEMA_MAPS) - {"dependentSchemas", "if", "not"}
_BOUNDS = (  # the lower, the upper, and how much is between them at least
    ("minItems", "maxItems", 0),
    ("minLength", "maxLength", 0),
    ("minimum", "maximum", 0),
    ("exclusiveMinimum", "maximum", 1),
    ("minimum", "exclusiveMaximum", 1),
    ("exclusiveMinimum", "exclusiveMaximum", 2),
)
_SELDOM = frozenset({"maxProperties", "multipleOf"})
_NOTHING: Json = {"not": {}}  # in so many words
_TYPES: dict[type, tuple[str, ...]] = {
    bool: ("boolean",),
    float: ("number",),
    int: ("integer", "number"),
    str: ("string",),
    type(None): ("null",),
}


@dataclass(slots=True)
class Allowance:
    """The steps that a trial may still take: a schema looked at for a value, a value judged, a refusal told.

    They are counted and not timed, so that a document always becomes the same tools.
    """

    left: int

    def take(self, steps: int) -> None:
        """Count steps, which are taken in any case."""
        self.left -= steps

    @property
    def is_used_up(self) -> bool:
        """Whether nothing more is to be tried."""
        return self.left < 0


def doubtful(schema: Json) -> Iterator[tuple[Tokens, Json]]:
    """Yield the schemas in this one that may accept nothing although what is in them does, and where they are."""
    pending: list[tuple[Tokens, Value]] = [((), schema)]
    for place, each in pending:
        if isinstance(each, dict) and not each.keys() <= _LISTED:
            pending += _inside(each, place)
            if not _is_plain(each):
                yield place, each


def _inside(schema: Json, at: Tokens) -> Iterator[tuple[Tokens, Value]]:
    for keyword, value in schema.items():
        if keyword not in _HOLDING:
            continue
        if keyword in SUBSCHEMA_MAPS:
            yield from (((*at, keyword, name), each) for name, each in value.items())
        elif keyword in SUBSCHEMA_LISTS:
            yield from (((*at, keyword, number), each) for number, each in enumerate(value))
        else:
            yield (*at, keyword), value


def _is_plain(schema: Json) -> bool:
    if schema == _NOTHING:
        return True
    said = schema.keys() - _SAYS_NOTHING
    if combining := said & _COMBINING:
        return len(said) == 1 and ("allOf" not in combining or len(schema["allOf"]) == 1)
    if said <= _LISTED:
        return True
    if not said <= _PLAIN or (len(said) > 2 and said & _SELDOM):
        return False
    return _is_within_bounds(schema) and (said.isdisjoint(_OF_OBJECTS) or _is_plain_object(schema))


def _is_within_bounds(schema: Json) -> bool:
    if schema.get("uniqueItems") is True and schema.get("minItems", 0) > 1:
        return False
    return not any(
        lower in schema and upper in schema and schema[lower] + between > schema[upper]
        for lower, upper, between in _BOUNDS
    )


def _is_plain_object(schema: Json) -> bool:
    members = schema.get("properties", {})
    closed = schema.get("additionalProperties", True) is False
    if False in members.values() or schema.get("minProperties", 0) > (len(members) if closed else 100):
        return False
    return not closed or all(name in members for name in schema.get("required", ()))


def endless(definitions: Mapping[str, Json]) -> set[str]:
    """Return the definitions of which each value needs a value of another one of them, and so on."""
    needed = {name: set(_needed(schema)) & definitions.keys() for name, schema in definitions.items()}
    needing: dict[str, list[str]] = {name: [] for name in definitions}
    for name, others in needed.items():
        for each in others:
            needing[each].append(name)
    ends = [name for name, others in needed.items() if not others]
    while ends:
        end = ends.pop()
        del needed[end]
        for name in needing[end]:
            needed[name].discard(end)
            if not needed[name]:
                ends.append(name)
    return set(needed)


def _needed(schema: Json) -> Iterator[str]:
    """Yield the definitions of which a value of the schema has, or is, a value."""
    pending = [schema]
    while pending:
        each = pending.pop()
        if "$ref" in each:
            yield definition_of(each)
        if "required" in each:
            members = each.get("properties", {})
            pending += [members[name] for name in each["required"] if isinstance(members.get(name), dict)]
        pending += [part for part in each.get("allOf", ()) if isinstance(part, dict)]


def surely_takes(schema: Json, value: Value) -> bool:
    """Whether it is plain that the schema accepts the value."""
    if not schema.keys() <= _MEASURED.get(type(value), _LISTED):
        return False
    types = schema.get("type")
    kinds = _TYPES.get(type(value), ())
    if types is not None and not any(kind == types or kind in types for kind in kinds):
        return False
    if isinstance(value, str) and not schema.get("minLength", 0) <= len(value) <= schema.get("maxLength", len(value)):
        return False
    if isinstance(value, int) and not schema.get("minimum", value) <= value <= schema.get("maximum", value):
        return False
    return "enum" not in schema or value in schema["enum"]
