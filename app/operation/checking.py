"""What checks values against a schema, and what a check may cost.

The engine holds the interpreter's lock, so whatever it does keeps everybody waiting. What a check takes is therefore
found before it, in visits (effort.py). A pattern is matched in linear time, but a character may cost a thousand times
what another does: at worst as much as the automaton is large.
"""

from contextlib import suppress

from jsonschema_rs import Draft202012Validator, ReferencingError, RegexOptions, ValidationError

from app.operation.effort import Effort
from app.operation.keywords import SUBSCHEMA_LISTS, SUBSCHEMA_MAPS, SUBSCHEMAS, recursive
from app.operation.operation import Json, Value

_LARGEST_PATTERN = 1_000_000  # bytes of its automaton
_AUTOMATA = (5_000, 100_000, _LARGEST_PATTERN)
_ALL_AUTOMATA = 10_000_000  # bytes for all patterns of a schema; some 50 ms to make
_CACHES = (50_000, 2_000_000)  # bytes, at least and at most, that a pattern may fill while it is matched
_ALL_CACHES = 20_000_000  # bytes
_VISITS_PER_CHARACTER = 4  # of a pattern whose automaton has the smallest of those sizes

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


def validator_of(
    schema: Value, largest_pattern: int = _LARGEST_PATTERN, all_automata: int = _ALL_AUTOMATA
) -> Draft202012Validator:
    """Return what checks values against a schema, for every schema here; `largest_pattern` is in bytes, as are all.

    Formats stay annotations, as 2020-12 has it: an upstream knows best what it takes for a date. Nothing is fetched,
    and messages do not repeat the value. Raises UnusableSchema.
    """
    patterns = max(1, _number_of_patterns(schema))
    least, most = _CACHES
    options = RegexOptions(  # the linear engine
        size_limit=min(largest_pattern, all_automata // patterns),
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

    Patterns go first: where they alone take too much or cannot be used, the rest is checked without them.
    `all_automata` are the bytes that may be made of all patterns. Raises UnusableSchema.
    """

    __slots__ = ("_loose", "_loose_schema", "_per_character", "_plain", "_recursive", "_schema", "_strict")

    def __init__(self, schema: Json, all_automata: int = _ALL_AUTOMATA) -> None:
        self._schema = schema
        self._strict, self._per_character = _with_patterns(schema, all_automata)
        self._loose_schema = loosened(schema) if _number_of_patterns(schema) else None
        self._loose: Draft202012Validator | None = None
        if self._strict is None:
            self._loose = validator_of(schema if self._loose_schema is None else self._loose_schema)
        self._recursive = recursive(schema)
        self._plain = _is_plain(schema)

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


def _with_patterns(schema: Json, all_automata: int) -> tuple[Draft202012Validator | None, int]:
    """Return what checks the patterns too, if anything does, and the visits that a character takes at worst."""
    for size in _AUTOMATA:
        with suppress(UnusableSchema):
            return validator_of(schema, size, all_automata), _VISITS_PER_CHARACTER * size // _AUTOMATA[0]
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
        kept["allOf"] = [{"anyOf": kept.pop("oneOf")}, *kept.get("allOf", ())]
    for keyword, value in kept.items():
        if keyword in SUBSCHEMAS:
            kept[keyword] = loosened(value)
        elif keyword in SUBSCHEMA_LISTS and isinstance(value, list):
            kept[keyword] = [loosened(each) for each in value]
        elif (keyword in SUBSCHEMA_MAPS or keyword == "$defs") and isinstance(value, dict):
            kept[keyword] = {name: loosened(each) for name, each in value.items()}
    return kept


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
