"""The same bytes for what means the same, to tell whether something has changed."""

import orjson

from app.operation.keywords import SUBSCHEMA_LISTS, SUBSCHEMA_MAPS, SUBSCHEMAS
from app.operation.operation import Value, kept_json

_UNORDERED = frozenset({"allOf", "anyOf", "enum", "oneOf", "required", "type"})


def json_text(value: Value) -> bytes:
    """Return the value as JSON with its members in order. `1`, `1.0` and `true` differ, as they do not in Python."""
    return kept_json(value, orjson.OPT_SORT_KEYS)


def canonical(schema: Value) -> bytes:
    """Return the same bytes for JSON Schemas that differ in nothing but the order of what has none."""
    return json_text(_ordered(schema))


def _ordered(node: Value) -> Value:
    return {name: _ordered_value(name, value) for name, value in node.items()} if isinstance(node, dict) else node


def _ordered_value(keyword: str, value: Value) -> Value:
    if isinstance(value, list):
        members = [_ordered(each) for each in value] if keyword in SUBSCHEMA_LISTS else value
        return sorted(members, key=json_text) if keyword in _UNORDERED else members
    if not isinstance(value, dict):
        return value
    if keyword in SUBSCHEMAS:
        return _ordered(value)
    if keyword in SUBSCHEMA_MAPS or keyword == "$defs":
        return {name: _ordered(each) for name, each in value.items()}
    if keyword == "dependentRequired":
        return {name: _ordered_value("required", names) for name, names in value.items()}
    return value
