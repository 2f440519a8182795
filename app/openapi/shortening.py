"""Schemas with less to read, for tools that would be too large for a model otherwise.

None of them refuses what the whole schema accepts. Words go first, then optional members, the deepest first; what is
required stays, down to its types and the values that it may have.
"""

from dataclasses import dataclass, field

from app.operation.keywords import IN_PLACE, SUBSCHEMA_LISTS, SUBSCHEMA_MAPS, SUBSCHEMAS
from app.operation.operation import Json, Value
from app.operation.text import shortened

SHORTENED = "Shortened."  # what a schema says that has more optional members than it shows
TERSE = 80  # characters of a description
EVERYTHING = 1_000_000  # levels or members: more than any schema has
_PROSE = frozenset({"examples", "title"})
# What may refuse a value because another schema accepts more than before.
_TURNING = frozenset(
    {
        "contains",
        "dependentSchemas",
        "else",
        "if",
        "maxContains",
        "minContains",
        "not",
        "then",
        "unevaluatedItems",
        "unevaluatedProperties",
    }
)
_CLOSING = frozenset({"additionalProperties", "patternProperties"})
_STUB = ("type", "required")


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
    if keyword in SUBSCHEMA_MAPS:
        return {name: without_prose(each, longest) for name, each in value.items()}
    return value


def stub_of(schema: Json) -> Json:
    """Return the least: the type, and the names without which a value would be refused."""
    kept = {keyword: schema[keyword] for keyword in _STUB if keyword in schema}
    return {"description": "Not shown: too large.", **kept}


@dataclass(slots=True)
class Outline:
    """A schema whose optional members are shown `levels` deep, so that others may be cut without contradicting it.

    `most` is how many of them an object shows: the first ones, which an author thought of first.
    """

    levels: int
    most: int = EVERYTHING
    references: dict[str, None] = field(default_factory=dict)
    is_cut: bool = False

    def of(self, schema: Json) -> Json:
        """Return the outline; it says so where it leaves out members."""
        outline: Json = self._schema(schema, self.levels, frozenset())
        return {"description": SHORTENED, **outline} if self.is_cut else outline

    def _schema(self, schema: Value, levels: int, needed: frozenset[str]) -> Value:
        if not isinstance(schema, dict):
            return schema
        needed = needed.union(_required(schema), *(_required(each) for each in schema.get("allOf", ())))
        members = self._members(schema, levels, needed)
        closed = len(members) == len(schema.get("properties", ()))
        result: Json = {}
        for keyword, value in schema.items():
            if (
                keyword in _TURNING
                or (keyword in _CLOSING and not closed)
                or (keyword == "oneOf" and "anyOf" in schema)
            ):
                continue
            if keyword == "properties":
                result.update({keyword: members} if members else {})
            elif keyword in SUBSCHEMA_LISTS:
                # One of several that accept more than before might no longer be the only one.
                inner = [self._schema(each, levels, needed if keyword in IN_PLACE else frozenset()) for each in value]
                result["anyOf" if keyword == "oneOf" else keyword] = inner
            else:
                result[keyword] = self._other(keyword, value, levels)
        return result

    def _members(self, schema: Json, levels: int, needed: frozenset[str]) -> Json:
        properties = schema.get("properties", {})
        optional = [name for name in properties if name not in needed][: self.most if levels > 0 else 0]
        shown = needed.union(optional)
        kept = {name: each for name, each in properties.items() if name in shown}
        self.is_cut = self.is_cut or len(kept) < len(properties)
        return {name: self._schema(each, levels - 1, frozenset()) for name, each in kept.items()}

    def _other(self, keyword: str, value: Value, levels: int) -> Value:
        if keyword == "$ref":
            self.references[value.rpartition("/")[2]] = None
        elif keyword in SUBSCHEMA_MAPS:
            return {name: self._schema(each, levels - 1, frozenset()) for name, each in value.items()}
        elif keyword in SUBSCHEMAS:
            return self._schema(value, levels, frozenset())
        return value


def _required(schema: Value) -> list[str]:
    names = schema.get("required") if isinstance(schema, dict) else None
    return names if isinstance(names, list) else []
