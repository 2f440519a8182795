"""What checks values against a schema. The engine holds the interpreter's lock while it does."""

from functools import lru_cache

from jsonschema_rs import Draft202012Validator, ReferencingError, RegexOptions, ValidationError

from app.operation.operation import Value

LARGEST_PATTERN = 1_000_000  # bytes of its automaton
ALL_AUTOMATA = 10_000_000  # bytes for all patterns of a schema; some 50 ms to make
_CACHES = (50_000, 2_000_000)  # bytes, at least and at most, that a pattern may fill while it is matched
_ALL_CACHES = 20_000_000  # bytes


class UnusableSchema(Exception):
    """Nothing can be checked against the schema; the text is the kind of error that the validator raises."""


def validator_of(
    schema: Value, largest_pattern: int = LARGEST_PATTERN, all_automata: int = ALL_AUTOMATA
) -> Draft202012Validator:
    """Return what checks values against a schema, for every schema here; `largest_pattern` is in bytes, as are all.

    Formats stay annotations, as 2020-12 has it: an upstream knows best what it takes for a date. Nothing is fetched,
    and messages do not repeat the value. Raises UnusableSchema.
    """
    patterns = max(1, number_of_patterns(schema))
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


@lru_cache(maxsize=4_096)
def is_pattern(text: str) -> bool:
    """Whether arguments can be checked against the regular expression."""
    try:
        validator_of({"pattern": text})
    except UnusableSchema:
        return False
    return True


def number_of_patterns(schema: Value) -> int:
    """Return how many patterns the schema has."""
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
