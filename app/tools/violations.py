"""Says what is wrong with a call's arguments, in words that an agent can follow.

What finds the errors is bounded before it begins (`Checker.to_tell`), and an error costs no more here than it took to
find: each alternative's errors are looked at once, and each schema.
"""

import difflib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from typing import Any

from jsonschema_rs import Draft202012Validator, ValidationError

from app.errors import Invalid, Violation
from app.operation.keywords import ALTERNATIVES, definition_of, in_place
from app.operation.operation import Json, Value
from app.operation.pointers import join

MOST_TOLD = 5  # violations that the detail of the failure tells itself
MOST_VIOLATIONS = 50
MOST_COMPARED = 5  # unknown names, each with
_MOST_CANDIDATES = 50  # names of arguments, of
_LONGEST_COMPARED = 40  # characters
_ALIKE = 0.6  # likeness of a name that may be meant
_MOST_LISTED = 40  # names or values that one message lists
_LONGEST_DETAIL = 300  # characters
_ITEMS = "unevaluatedItems"
_UNEVALUATED = (_ITEMS, "unevaluatedProperties")

_Pins = Mapping[str, Sequence[Value]]  # the members of which a schema allows only some values, with these


def invalid_arguments(violations: Sequence[Violation]) -> Invalid:
    """Return the failure; its detail tells the first violations, and how many more there are."""
    violations = [Violation(_short(each.pointer), each.detail) for each in violations]  # callers choose their names
    told = violations[:MOST_TOLD]
    shown = "; ".join(f"{violation.pointer or 'the arguments'} {violation.detail}" for violation in told)
    more = f"; and {len(violations) - len(told)} more" if len(violations) > len(told) else ""
    end = "" if f"{shown}{more}".endswith("?") else "."
    return Invalid("invalid_arguments", f"Nothing was sent. Correct these arguments: {shown}{more}{end}", violations)


def all_wrong(validator: Draft202012Validator, schema: Json, given: Json) -> list[Violation]:
    """Return what the validator of the schema finds wrong, as far as it is told."""
    errors = list(islice(validator.iter_errors(given), MOST_VIOLATIONS))
    return list(islice(_Telling(schema).all_told(errors), MOST_VIOLATIONS))


def unknown_names(names: Iterable[str], known: Sequence[str]) -> list[Violation]:
    """Return what is wrong with arguments that the tool does not have, as far as it is told."""
    return [
        Violation(join("", name), _unknown(name, known, compared=number < MOST_COMPARED))
        for number, name in enumerate(islice(names, MOST_VIOLATIONS))
    ]


def nearest(name: str, candidates: Sequence[str], likeness: float) -> str | None:
    """Return the candidate that is most like the name, by the beginning of both; None if none is enough."""
    written = {each[:_LONGEST_COMPARED].casefold(): each for each in candidates}
    said = name[:_LONGEST_COMPARED].casefold()
    likely = sorted(written, key=lambda each: (each[:1] != said[:1], abs(len(each) - len(said))))[:_MOST_CANDIDATES]
    found = difflib.get_close_matches(said, likely, n=1, cutoff=likeness)
    return written[found[0]] if found else None


def _unknown(name: str, known: Sequence[str], *, compared: bool) -> str:
    if not known:
        return "is unknown: this tool takes no arguments"
    close = nearest(name, known, _ALIKE) if compared else None
    if close is not None:
        return _short(f"is unknown; did you mean {close!r}?")
    return _short(f"is unknown; this tool takes {', '.join(known[:_MOST_LISTED])}")


@dataclass(frozen=True, slots=True)
class _Branch:
    """An alternative that refuses a value: why, which types it takes if that is why, and its pins."""

    errors: list[ValidationError]
    types: list[str]
    pins: _Pins


class _Telling:
    """Tells the errors of one check against the schema."""

    def __init__(self, schema: Json) -> None:
        self._schema = schema
        self._pins: dict[int, _Pins] = {}  # by the id of a schema below it

    def all_told(self, errors: Sequence[ValidationError]) -> Iterator[Violation]:
        """Tell errors of one value. What is wrong in an object makes members unevaluated that it may well have."""
        wrong = {tuple(each.instance_path) for each in errors if each.kind.name not in _UNEVALUATED}
        around = {place[:length] for place in wrong for length in range(len(place) + 1)}
        for error in errors:
            if error.kind.name not in _UNEVALUATED or tuple(error.instance_path) not in around:
                yield from self._told(error)
            elif unknown := self._unknown_in(error):
                yield Violation(join("", *error.instance_path), _short(f"has unknown members: {', '.join(unknown)}"))

    def _unknown_in(self, error: ValidationError) -> list[str]:
        """Return the members of an object that nothing names which may apply to it."""
        if error.kind.name == _ITEMS:
            return []
        pending, met, named = [self._at(error.schema_path[:-1])], set[int](), set[str]()
        while pending:
            each = pending.pop()
            if isinstance(each, dict) and id(each) not in met:
                met.add(id(each))
                named |= each.get("properties", {}).keys()
                pending += [*in_place(each), *([self._referred(each)] if "$ref" in each else [])]
        unexpected: list[str] = error.kind.as_dict()["unexpected"]
        return list(islice((name for name in unexpected if name not in named), _MOST_LISTED))

    def _told(self, error: ValidationError) -> Iterator[Violation]:
        pointer = join("", *error.instance_path)
        kind = error.kind.name
        if kind == "required":
            yield Violation(join(pointer, error.kind.as_dict()["property"]), "is required")
        elif kind == "additionalProperties" and not error.instance_path:
            yield from unknown_names(error.kind.as_dict()["unexpected"], list(self._schema.get("properties", {})))
        elif kind == "enum":
            yield Violation(pointer, _not_one_of(error.kind.as_dict()["options"]))
        elif kind in ALTERNATIVES:
            yield from self._told_alternatives(error, pointer)
        else:
            yield Violation(pointer, _short(error.message))

    def _told_alternatives(self, error: ValidationError, pointer: str) -> Iterator[Violation]:
        branches = self._branches(error)
        near = [each for each in branches if not each.types]
        if (tag := _wrong_tag(near, error)) is not None:
            yield tag
        elif meant := _meant(near, error.instance):
            yield from self.all_told(meant[:MOST_VIOLATIONS])
        elif near or not branches:
            yield Violation(pointer, _short(error.message))
        else:
            types = dict.fromkeys(chain.from_iterable(each.types for each in branches))
            yield Violation(pointer, _short(f"the value has none of these types: {', '.join(types)}"))

    def _branches(self, error: ValidationError) -> list[_Branch]:
        context, schemas = error.kind.as_dict()["context"], self._at(error.schema_path)
        if not isinstance(schemas, list) or len(schemas) != len(context):
            return []
        place = error.instance_path
        is_object = isinstance(error.instance, dict)
        return [
            _Branch(errors, _other_types(errors, place), self._pins_of(schema) if is_object else {})
            for errors, schema in zip(context, schemas, strict=True)
        ]

    def _pins_of(self, branch: Value) -> _Pins:
        if isinstance(branch, dict) and "$ref" in branch:
            branch = self._referred(branch)
        if id(branch) not in self._pins:
            members: Json = branch.get("properties", {}) if isinstance(branch, dict) else {}
            values = {name: _values(each) for name, each in members.items() if isinstance(each, dict)}
            self._pins[id(branch)] = {name: each for name, each in values.items() if each}
        return self._pins[id(branch)]

    def _at(self, path: Sequence[str | int]) -> Value:
        """Return the schema, or the list of them; None where the path leads nowhere: it has no empty names."""
        found: Value = self._schema
        for step in path:
            try:
                found = found[step]
            except (KeyError, IndexError, TypeError):
                return None
        return found

    def _referred(self, schema: Json) -> Value:
        return self._schema["$defs"][definition_of(schema)]


def _values(schema: Json) -> Sequence[Value]:
    return [schema["const"]] if "const" in schema else schema.get("enum", ())


def _wrong_tag(near: list[_Branch], error: ValidationError) -> Violation | None:
    """Return what is wrong with the member that says which alternative is meant, where that is what is wrong."""
    if len(near) < 2:
        return None
    value: Any = error.instance
    missing: set[str] | None = None
    for name in near[0].pins:
        if not all(name in each.pins for each in near):
            continue
        options = chain.from_iterable(each.pins[name] for each in near)
        pointer = join("", *error.instance_path, name)
        if name in value:
            if not any(value[name] in each.pins[name] for each in near):
                return Violation(pointer, _not_one_of(options))
            continue
        if missing is None:
            missing = set.intersection(*(_missing(each.errors, error.instance_path) for each in near))
        if name in missing:
            return Violation(pointer, _short(f"is required: one of {_listed(options)}"))
    return None


def _meant(near: list[_Branch], value: Any) -> list[ValidationError]:  # noqa: ANN401 - any JSON value
    """Return what keeps the value from the only alternative that may be meant; empty when none or several may."""
    meant = [each.errors for each in near if all(value[name] in each.pins[name] for name in each.pins if name in value)]
    return meant[0] if len(meant) == 1 else []


def _missing(errors: list[ValidationError], place: list[str | int]) -> set[str]:
    """Return the members that are required at that place."""
    return {
        each.kind.as_dict()["property"]
        for each in errors
        if each.kind.name == "required" and each.instance_path == place
    }


def _other_types(errors: list[ValidationError], place: list[str | int]) -> list[str]:
    """Return the types that an alternative takes when the value has none of them."""
    for each in errors:
        if each.kind.name == "type" and each.instance_path == place:
            types: list[str] = each.kind.as_dict()["types"]
            return types
    return []


def _not_one_of(options: Iterable[Value]) -> str:
    return _short(f"the value is not one of {_listed(options)}")


def _listed(options: Iterable[Value]) -> str:
    shown = (_short(json.dumps(each, ensure_ascii=False)) for each in islice(options, _MOST_LISTED))
    return ", ".join(dict.fromkeys(shown))


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST_DETAIL else f"{text[:_LONGEST_DETAIL]}…"
