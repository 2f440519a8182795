"""The keywords of JSON Schema 2020-12 that a tool's schema may hold, and what each may look like."""

import math
from collections.abc import Callable, Mapping

from jsonschema_rs import Draft202012Validator, RegexOptions, ValidationError

from app.operation.operation import Value
from app.operation.text import is_presentable

_LARGEST_EXAMPLE = 200  # characters, for texts; longer ones cost more than they tell
_PATTERNS = RegexOptions(size_limit=1_000_000)  # the engine that arguments are checked with: linear, so no look-around

SUBSCHEMAS = frozenset(
    {
        "additionalProperties",
        "contains",
        "contentSchema",
        "else",
        "if",
        "items",
        "not",
        "propertyNames",
        "then",
        "unevaluatedItems",
        "unevaluatedProperties",
    }
)
SUBSCHEMA_LISTS = frozenset({"allOf", "anyOf", "oneOf", "prefixItems"})
SUBSCHEMA_MAPS = frozenset({"dependentSchemas", "patternProperties", "properties"})
IN_PLACE = frozenset(
    {"allOf", "anyOf", "dependentSchemas", "else", "if", "not", "oneOf", "then"}
)  # about the same value


def is_pattern(text: Value) -> bool:
    """Whether arguments can be checked against the regular expression."""
    if not isinstance(text, str):
        return False
    try:
        Draft202012Validator({"pattern": text}, pattern_options=_PATTERNS, offline=True)
    except (ValidationError, ValueError):
        return False
    return True


def _is_number(value: Value) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _is_positive(value: Value) -> bool:
    return _is_number(value) and value > 0


def _is_count(value: Value) -> bool:
    return _is_number(value) and value >= 0 and value == int(value)


def _is_flag(value: Value) -> bool:
    return isinstance(value, bool)


def _is_text(value: Value) -> bool:
    return isinstance(value, str) and is_presentable(value)


def _is_names(value: Value) -> bool:
    return isinstance(value, list) and is_presentable(value)


def _is_values(value: Value) -> bool:
    return isinstance(value, list) and is_presentable(value)


def _is_name_lists(value: Value) -> bool:
    return (
        isinstance(value, dict) and is_presentable(value) and all(_is_unique_names(names) for names in value.values())
    )


def _is_unique_names(value: Value) -> bool:
    return isinstance(value, list) and all(isinstance(name, str) for name in value) and len(set(value)) == len(value)


def short_examples(values: Value) -> list[Value]:
    """Return the examples that are worth their room: presentable scalars."""
    if not isinstance(values, list):
        return []
    scalars = [value for value in values if isinstance(value, str | int | float)]
    return [value for value in scalars if len(str(value)) <= _LARGEST_EXAMPLE and is_presentable(value)][:3]


VALUES: Mapping[str, Callable[[Value], bool]] = {
    "type": lambda value: isinstance(value, str | list),
    "enum": _is_values,
    "const": is_presentable,
    "default": is_presentable,
    "format": _is_text,
    "pattern": is_pattern,
    "contentEncoding": _is_text,
    "contentMediaType": _is_text,
    "required": _is_names,
    "dependentRequired": _is_name_lists,
    "multipleOf": _is_positive,
    "minimum": _is_number,
    "maximum": _is_number,
    "exclusiveMinimum": _is_number,
    "exclusiveMaximum": _is_number,
    "minLength": _is_count,
    "maxLength": _is_count,
    "minItems": _is_count,
    "maxItems": _is_count,
    "minContains": _is_count,
    "maxContains": _is_count,
    "minProperties": _is_count,
    "maxProperties": _is_count,
    "uniqueItems": _is_flag,
    "deprecated": _is_flag,
}
