"""Schemas with less to read: for tools that would be too large for a model otherwise."""

from app.openapi.keywords import SUBSCHEMA_LISTS, SUBSCHEMA_MAPS, SUBSCHEMAS
from app.openapi.operation import Json, Value
from app.openapi.text import shortened

_LONGEST_DESCRIPTION = 80  # characters
_PROSE = frozenset({"examples", "title"})


def terse_of(schema: Value) -> Value:
    """Return the schema with short descriptions, without titles and examples; what it accepts stays the same."""
    if not isinstance(schema, dict):
        return schema
    result: Json = {}
    for keyword, value in schema.items():
        if keyword == "description":
            result[keyword] = shortened(value, _LONGEST_DESCRIPTION)
        elif keyword in SUBSCHEMAS:
            result[keyword] = terse_of(value)
        elif keyword in SUBSCHEMA_LISTS:
            result[keyword] = [terse_of(each) for each in value]
        elif keyword in SUBSCHEMA_MAPS:
            result[keyword] = {name: terse_of(each) for name, each in value.items()}
        elif keyword not in _PROSE:
            result[keyword] = value
    return result
