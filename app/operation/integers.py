"""Whole numbers: what a schema calls an integer is sent as one, also if it was said as `5.0`.

JSON Schema counts 5.0 as an integer (2020-12 validation, section 6.1.1), and strict servers refuse it as written.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from app.operation.keywords import ALTERNATIVES, definition_of, other_items, other_members
from app.operation.operation import Json, Value

_MOST_STEPS = 50_000  # schemas that are looked at in one call, some tens of milliseconds; the rest is sent as it is
_FORMATS = frozenset({"int32", "int64", "uint32", "uint64"})
_SMALLEST, _LARGEST = -(2.0**63), 2.0**64  # what JSON is written with here is smaller than the latter
_MOST_LEVELS = 6  # of alternatives in alternatives for one number
_CONDITIONAL = ("then", "else")


def names_integers(schema: Json) -> bool:
    """Whether any value may have to be an integer."""
    pending: list[Value] = [schema]
    while pending:
        each = pending.pop()
        if isinstance(each, dict):
            if _says(each) == "integer":
                return True
            pending += each.values()
        elif isinstance(each, list):
            pending += each
    return False


def with_integers(arguments: Mapping[str, Any], schema: Json) -> Mapping[str, Any]:
    """Return the arguments of a tool with that input schema, each integer as one."""
    return _Reading(schema).members(dict(arguments), [schema])


def _says(schema: Json) -> str | None:
    """Return whether the schema by itself calls its value an integer or any number."""
    types = schema.get("type")
    stated = {each for each in (types if isinstance(types, list) else [types]) if isinstance(each, str)}
    if "number" in stated:
        return "integer" if schema.get("format") in _FORMATS else "number"
    if "integer" in stated:
        return "integer"
    values = [schema["const"]] if "const" in schema else schema.get("enum")
    numbers = [each for each in values if _is_number(each)] if isinstance(values, list) and types is None else []
    return "integer" if numbers and all(isinstance(each, int) for each in numbers) else None


def _is_number(value: Value) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


class _Reading:
    """Goes through values together with the schemas that apply to them."""

    def __init__(self, root: Json) -> None:
        self._definitions: Json = root.get("$defs", {})
        self._left = _MOST_STEPS

    def members(self, value: Json, schemas: list[Value]) -> Json:
        applied = [each for schema in schemas for each in self._applied(schema, value)]
        read = {}
        for name, each in value.items():
            named = [schema["properties"][name] for schema in applied if name in schema.get("properties", {})]
            read[name] = self._of(each, named or [other for schema in applied for other in other_members(schema)])
        return read

    def _of(self, value: Value, schemas: list[Value]) -> Value:
        if isinstance(value, float):
            whole = value.is_integer() and _SMALLEST <= value < _LARGEST
            return int(value) if whole and "integer" in {self._kind(each) for each in schemas} else value
        if isinstance(value, dict):
            return self.members(value, schemas) if schemas else value
        if isinstance(value, list) and schemas:
            applied = [each for schema in schemas for each in self._applied(schema, value)]
            return [self._of(each, list(_item(applied, number))) for number, each in enumerate(value)]
        return value

    def _kind(self, schema: Value, levels: int = _MOST_LEVELS) -> str | None:
        """Return what a number is by that schema: alternatives have to agree, other parts only to say it."""
        found: set[str | None] = set()
        if not levels:
            return None
        for each in self._together(schema):
            if (said := _says(each)) == "integer":
                return said
            branches = {self._kind(branch, levels - 1) for keyword in ALTERNATIVES for branch in each.get(keyword, ())}
            if "number" not in branches and "integer" in branches:
                return "integer"
            found |= {said, *branches}
        return "number" if "number" in found else None

    def _together(self, schema: Value) -> Iterator[Json]:
        """Yield the schema and those that apply wherever it does."""
        pending, met = [schema], set()
        while pending:
            each = pending.pop()
            if not isinstance(each, dict) or id(each) in met or self._left <= 0:
                continue
            met.add(id(each))
            self._left -= 1
            yield each
            pending += each.get("allOf", ())
            if "$ref" in each:
                pending.append(self._definitions.get(definition_of(each)))

    def _applied(self, schema: Value, value: Json | list[Any]) -> Iterator[Json]:
        """Yield all schemas that apply to an object or a list, of alternatives those that it may be."""
        pending, met = [schema], set()
        while pending:
            for each in self._together(pending.pop()):
                if id(each) not in met:
                    met.add(id(each))
                    yield each
                    pending += (each[keyword] for keyword in _CONDITIONAL if keyword in each)
                    pending += (inner for name, inner in each.get("dependentSchemas", {}).items() if name in value)
                    branches = [branch for keyword in ALTERNATIVES for branch in each.get(keyword, ())]
                    pending += [branch for branch in branches if self._may_be(branch, value)]

    def _may_be(self, schema: Value, value: Json | list[Any]) -> bool:
        return all(_fits(each, value) for each in self._together(schema))


def _item(schemas: list[Json], number: int) -> Iterator[Value]:
    for schema in schemas:
        first = schema.get("prefixItems", ())
        if number < len(first):
            yield first[number]
        else:
            yield from other_items(schema)


def _fits(schema: Json, value: Json | list[Any]) -> bool:
    """Whether nothing speaks against it that tells alternatives apart: types, required members and constants."""
    stated = schema.get("type", [])
    if stated and ("object" if isinstance(value, dict) else "array") not in stated:
        return False
    if isinstance(value, list):
        return True
    if any(name not in value for name in schema.get("required", ())):
        return False
    members = schema.get("properties", {})
    if schema.get("additionalProperties") is False and not value.keys() <= members.keys():
        return "patternProperties" in schema
    return all(_is_listed(each, value[name]) for name, each in members.items() if name in value)


def _is_listed(schema: Value, value: Value) -> bool:
    if not isinstance(schema, dict):
        return True
    return value == schema["const"] if "const" in schema else value in schema.get("enum", [value])
