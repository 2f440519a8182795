"""Checks a call's arguments against the tool's input schema before anything is sent."""

import difflib
import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from typing import Any

import structlog
from jsonschema_rs import Draft202012Validator, ValidationError

from app.errors import Invalid, Violation
from app.operation.keywords import UnusableSchema, effort, validator_of
from app.operation.operation import Json
from app.operation.pointers import join

MOST_TOLD = 5  # violations that the detail of the failure tells itself
BEYOND_64_BITS = "is an integer of more than 64 bits; send it as a string if the tool takes one"

_MOST_VIOLATIONS = 50
_MOST_NAMES = 40  # names of arguments that one message lists
_LONGEST_DETAIL = 300  # characters
_NEARLY = 0.8  # likeness of a misspelt name; what hosts add is less like the arguments of most tools
_MOST_EFFORT = 30_000  # to find all that is wrong; some hundred milliseconds at the worst
_DEEPEST = 128  # levels; the validator recurses on the C stack and kills the process some thousand levels down
_ALTERNATIVES = {"anyOf", "oneOf"}
_SURROGATE = re.compile("[\ud800-\udfff]")

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Unusable:
    """What a door puts in the place of a value that was sent and cannot be read; `detail` says why and what to do."""

    detail: str


Arguments = Mapping[str, Any] | Unusable
_Near = tuple[list[ValidationError], dict[str, list[Any]]]  # what an alternative refuses, and what it pins members to


def invalid_arguments(violations: Sequence[Violation]) -> Invalid:
    """Return the failure; its detail tells the first violations, and how many more there are."""
    violations = [Violation(_short(each.pointer), each.detail) for each in violations]  # callers choose their names
    told = violations[:MOST_TOLD]
    shown = "; ".join(f"{violation.pointer or 'the arguments'} {violation.detail}" for violation in told)
    more = f"; and {len(violations) - len(told)} more" if len(violations) > len(told) else ""
    end = "" if f"{shown}{more}".endswith("?") else "."
    return Invalid("invalid_arguments", f"Nothing was sent. Correct these arguments: {shown}{more}{end}", violations)


class ArgumentRules:
    """What one tool accepts. The schema is compiled once, when it is first needed or by `compile`.

    `preset` are arguments that are sent as they are, unless the caller may give them and does. `drop_unknown`: what the
    tool does not have is left out instead of refused, for hosts that add arguments of their own, unless it is nearly
    the name of an argument that is not given.
    """

    __slots__ = ("_drop_unknown", "_nullable", "_preset", "_properties", "_required", "_schema", "_validator")

    def __init__(self, schema: Json, preset: Json | None = None, *, drop_unknown: bool = False) -> None:
        properties = schema.get("properties")
        required = schema.get("required")
        self._schema = schema
        self._preset = preset or {}
        self._drop_unknown = drop_unknown
        self._properties: Json = properties if isinstance(properties, dict) else {}
        self._required = frozenset(required) if isinstance(required, list) else frozenset[str]()
        self._nullable: dict[str, bool] = {}
        self._validator: Draft202012Validator | None = None

    def compile(self) -> Draft202012Validator:
        """Return the validator; a schema that cannot be compiled is replaced by one that only knows the names."""
        if self._validator is None:
            try:
                self._validator = validator_of(self._schema)
            except UnusableSchema as error:
                _log.warning("an input schema is unusable, only argument names are checked", error=str(error))
                self._validator = validator_of(self._names_only())
        return self._validator

    def check(self, arguments: Arguments) -> dict[str, Any]:
        """Return the arguments to send. A `null` for an optional argument that may not be null counts as left out.

        Raises Invalid("invalid_arguments") with every violation.
        """
        validator = self.compile()
        if isinstance(arguments, Unusable):
            raise invalid_arguments([Violation("", arguments.detail)])
        if self._drop_unknown:
            arguments = self._without_foreign(arguments)
        unusable = list(islice(_unusable(arguments), _MOST_VIOLATIONS))
        if unusable:
            raise invalid_arguments(unusable)
        given = {name: value for name, value in arguments.items() if value is not None or not self._left_out(name)}
        if not validator.is_valid(given):
            raise invalid_arguments(list(islice(self._violations(given), _MOST_VIOLATIONS)))
        return {**self._preset, **given} if self._preset else given

    def _without_foreign(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Leave out what the tool does not have, but not what is likely one of its own, misspelt: that is refused."""
        absent = [name.casefold() for name in self._properties if name not in arguments]
        unknown = islice((name for name in arguments if name not in self._properties), _MOST_VIOLATIONS)
        misspelt = {
            name
            for name in unknown
            if difflib.get_close_matches(name[:_LONGEST_DETAIL].casefold(), absent, n=1, cutoff=_NEARLY)
        }
        return {name: value for name, value in arguments.items() if name in self._properties or name in misspelt}

    def _left_out(self, name: str) -> bool:
        if name in self._required or name not in self._properties:
            return False
        if name not in self._nullable:
            self._nullable[name] = self._takes(name, None, otherwise=False)
        return not self._nullable[name]

    def _takes(self, name: str, value: Any, *, otherwise: bool) -> bool:  # noqa: ANN401 - any JSON value
        """Whether the argument may have that value; `otherwise` is for a schema that cannot be compiled."""
        pointer = join("/properties", name).replace("%", "%25")
        schema = {key: value for key, value in self._schema.items() if key in {"$defs", "properties"}}
        try:
            return validator_of({**schema, "$ref": f"#{pointer}"}).is_valid(value)
        except UnusableSchema:
            return otherwise

    def _names_only(self) -> Json:
        return {
            "type": "object",
            "properties": dict.fromkeys(self._properties, True),
            "required": sorted(self._required),
            "additionalProperties": False,
        }

    def _violations(self, given: Json) -> Iterator[Violation]:
        if effort(self._schema, given, _MOST_EFFORT) > _MOST_EFFORT:
            yield from self._by_argument(given) or [Violation("", "do not fit the tool's input schema together")]
        else:
            yield from self._all_told(self.compile(), given)

    def _by_argument(self, given: Json) -> list[Violation]:
        names = islice(self._all_told(validator_of(self._names_only()), given), _MOST_VIOLATIONS)
        values = [
            Violation(join("", name), "does not fit the tool's input schema; it is too large to say where")
            for name, value in given.items()
            if name in self._properties and not self._takes(name, value, otherwise=True)
        ]
        return [*names, *values]

    def _all_told(self, validator: Draft202012Validator, given: Json) -> Iterator[Violation]:
        for error in validator.iter_errors(given):
            yield from self._told(error)

    def _told(self, error: ValidationError) -> Iterator[Violation]:
        pointer = join("", *error.instance_path)
        if error.kind.name == "required":
            name = error.kind.as_dict()["property"]
            yield Violation(join(pointer, name), "is required")
        elif error.kind.name == "additionalProperties" and not error.instance_path:
            for name in error.kind.as_dict()["unexpected"]:
                yield Violation(join("", name), self._unknown(name))
        elif tag := _tag(near := self._near(error), error):
            yield tag
        elif meant := _meant(near, error):
            for each in meant:
                yield from self._told(each)
        else:
            yield Violation(pointer, _short(_words(error)))

    def _near(self, error: ValidationError) -> list[_Near]:
        """Return the alternatives that take values of this type: what is wrong for each, and which it pins members to.

        None for an error that is not about alternatives.
        """
        if not _branches(error):
            return []
        node: Any = self._schema
        for step in error.schema_path:
            node = node[step]
        definitions = self._schema.get("$defs", {})
        pins = [_pins(each, definitions) if isinstance(error.instance, dict) else {} for each in node]
        both = zip(_branches(error), pins, strict=True)
        return [(errors, pinned) for errors, pinned in both if not _other_types(errors, error)]

    def _unknown(self, name: str) -> str:
        names = list(self._properties)
        if not names:
            return "is unknown: this tool takes no arguments"
        close = difflib.get_close_matches(name[:_LONGEST_DETAIL], names, n=1, cutoff=0.6)
        if close:
            return f"is unknown; did you mean {close[0]!r}?"
        return _short(f"is unknown; this tool takes {', '.join(names[:_MOST_NAMES])}")


def _pins(branch: Any, definitions: Json) -> dict[str, list[Any]]:  # noqa: ANN401 - a schema
    """Return the members of which an alternative allows only some values, with these."""
    if isinstance(branch, dict) and "$ref" in branch:
        branch = definitions.get(branch["$ref"].rpartition("/")[2])
    members: Json = branch.get("properties", {}) if isinstance(branch, dict) else {}
    stated = {name: _values(each) for name, each in members.items() if isinstance(each, dict)}
    return {name: values for name, values in stated.items() if values}


def _values(schema: Json) -> list[Any]:
    return [schema["const"]] if "const" in schema else list(schema.get("enum", ()))


def _tag(near: list[_Near], error: ValidationError) -> Violation | None:
    """Return what is wrong with the member that says which alternative is meant, where that is what is wrong."""
    if len(near) < 2:
        return None
    value: Any = error.instance
    for name in near[0][1]:
        if not all(name in pinned for _, pinned in near):
            continue
        options = [each for _, pinned in near for each in pinned[name]]
        told = ", ".join(dict.fromkeys(json.dumps(each, ensure_ascii=False) for each in options))
        pointer = join("", *error.instance_path, name)
        if name not in value and all(_misses(name, errors) for errors, _ in near):
            return Violation(pointer, _short(f"is required: one of {told}"))
        if name in value and value[name] not in options:
            return Violation(pointer, _short(f"the value is not one of {told}"))
    return None


def _misses(name: str, errors: list[ValidationError]) -> bool:
    return any(each.kind.name == "required" and each.kind.as_dict()["property"] == name for each in errors)


def _meant(near: list[_Near], error: ValidationError) -> list[ValidationError]:
    """Return what keeps the value from the only alternative that may be meant; empty when none or several may."""
    value: Any = error.instance
    meant = [errors for errors, pinned in near if all(value[name] in pinned[name] for name in pinned if name in value)]
    return meant[0] if len(meant) == 1 else []


def _words(error: ValidationError) -> str:
    if error.kind.name == "enum":
        options = (json.dumps(each, ensure_ascii=False) for each in error.kind.as_dict()["options"])
        return f"the value is not one of {', '.join(options)}"
    types = [_other_types(branch, error) for branch in _branches(error)]
    if types and all(types):
        return f"the value has none of these types: {', '.join(dict.fromkeys(chain.from_iterable(types)))}"
    return error.message


def _branches(error: ValidationError) -> list[list[ValidationError]]:
    """Return the errors of each alternative; none for an error that is not about alternatives."""
    if error.kind.name not in _ALTERNATIVES:
        return []
    branches: list[list[ValidationError]] = error.kind.as_dict()["context"]
    return branches


def _other_types(branch: list[ValidationError], error: ValidationError) -> list[str]:
    """Return the types that an alternative takes when the value has none of them."""
    for each in branch:
        if each.kind.name == "type" and each.instance_path == error.instance_path:
            types: list[str] = each.kind.as_dict()["types"]
            return types
    return []


def _unusable(arguments: Mapping[str, Any]) -> Iterator[Violation]:
    """Yield what no request can carry: too deep, NaN and infinities, huge integers, lone surrogates, Unusable."""
    pending: list[tuple[tuple[str | int, ...], Mapping[str, Any] | list[Any]]] = [((), arguments)]
    while pending:
        path, container = pending.pop()
        if len(path) >= _DEEPEST:
            yield Violation(join("", *path), f"is nested deeper than {_DEEPEST} levels")
            continue
        for key, item in container.items() if isinstance(container, Mapping) else enumerate(container):
            if type(key) is str and not key.isascii() and _has_surrogate(key):
                yield Violation(join("", *path), "has a name with half a surrogate pair in it")
            elif isinstance(item, dict | list):
                pending.append(((*path, key), item))
            elif (detail := _unusable_scalar(item)) is not None:
                yield Violation(join("", *path, key), detail)


def _unusable_scalar(value: object) -> str | None:
    if isinstance(value, str):
        unusable = not value.isascii() and _has_surrogate(value)
        return "has half a surrogate pair in it, which is not Unicode text" if unusable else None
    if isinstance(value, float) and not math.isfinite(value):
        return "is not a finite number"
    if isinstance(value, int) and not -(2**63) <= value < 2**64:
        return BEYOND_64_BITS
    return value.detail if isinstance(value, Unusable) else None


def _has_surrogate(text: str) -> bool:
    return _SURROGATE.search(text) is not None


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST_DETAIL else f"{text[:_LONGEST_DETAIL]}…"
