"""The keywords of JSON Schema 2020-12 that a tool's schema may hold, and what each may look like."""

import math
from collections.abc import Callable, Mapping

from jsonschema_rs import Draft202012Validator, ReferencingError, RegexOptions, ValidationError

from app.operation.operation import Value
from app.operation.text import is_presentable

_LARGEST_EXAMPLE = 200  # characters, for texts; longer ones cost more than they tell
_PATTERNS = RegexOptions(size_limit=1_000_000)  # the linear engine: a document's pattern cannot be made to hang us

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


def is_pattern(text: Value) -> bool:
    """Whether arguments can be checked against the regular expression."""
    if not isinstance(text, str):
        return False
    try:
        validator_of({"pattern": text})
    except UnusableSchema:
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
