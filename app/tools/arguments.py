"""Checks a call's arguments against the tool's input schema before anything is sent."""

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

import structlog

from app.errors import TooLarge, Violation
from app.operation.checking import UnusableSchema, validator_of
from app.operation.effort import Checker
from app.operation.filling import Filler, TooMuch
from app.operation.operation import Json
from app.operation.pointers import join
from app.tools.violations import MOST_COMPARED, MOST_VIOLATIONS, all_wrong, invalid_arguments, nearest, unknown_names

BEYOND_64_BITS = "is an integer of more than 64 bits; send it as a string if the tool takes one"

_NEARLY = 0.8  # likeness of a misspelt name; what hosts add is less like the arguments of most tools
AT_ONCE = 10_000  # visits that are counted and made while everybody waits; some milliseconds
_MOST_EFFORT = 250_000  # visits of a check; some tens of milliseconds
_FILLED_AT_ONCE = 5_000  # steps of filling in while everybody waits; some milliseconds
_MOST_FILLED = 250_000  # steps: some tenths of a second, or 16 MB
_MOST_TO_TELL = 30_000  # visits that find all that is wrong; some hundred milliseconds at the worst
_LARGEST_TELLING = 50_000_000  # bytes: what is wrong at one place may repeat all of the schema
_DEEPEST = 128  # levels; the validator recurses on the C stack and kills the process some thousand levels down
_TOO_MUCH_LEFT_OUT = (
    "Nothing was sent: so much is left out that has a default that the request would be too large with it. Send less, "
    "or say what you leave out."
)
_SURROGATE = re.compile("[\ud800-\udfff]")

_log = structlog.get_logger(__name__)


class TakesLonger(Exception):
    """The check takes more visits than the caller allows at once."""


@dataclass(frozen=True, slots=True)
class Unusable:
    """What a door puts in the place of a value that was sent and cannot be read; `detail` says why and what to do."""

    detail: str


Arguments = Mapping[str, Any] | Unusable


class ArgumentRules:
    """What one tool accepts. The schema is compiled once, when it is first needed or by `compile`.

    `preset` are arguments that are sent as they are, unless the caller may give them and does; `filling` is what is
    filled in below those that are given. `drop_unknown`: what the
    tool does not have is left out instead of refused, for hosts that add arguments of their own, unless it is nearly
    the name of an argument that is not given.
    """

    __slots__ = (
        *("_checker", "_drop_unknown", "_each", "_filling", "_nullable", "_preset", "_properties", "_required"),
        "_schema",
    )

    def __init__(
        self, schema: Json, preset: Json | None = None, *, drop_unknown: bool = False, filling: Json | None = None
    ) -> None:
        properties = schema.get("properties")
        required = schema.get("required")
        self._schema = schema
        self._preset = preset or {}
        self._drop_unknown = drop_unknown
        self._filling = filling or {}
        self._properties: Json = properties if isinstance(properties, dict) else {}
        self._required = frozenset(required) if isinstance(required, list) else frozenset[str]()
        self._nullable: dict[str, bool] = {}
        self._checker: Checker | None = None
        self._each: Checker | UnusableSchema | None = None

    def compile(self) -> Checker:
        """Return the checker; a schema that cannot be compiled is replaced by one that only knows the names."""
        if self._checker is None:
            try:
                self._checker = Checker(self._schema)
            except UnusableSchema as error:
                _log.warning("an input schema is unusable, only argument names are checked", error=str(error))
                self._checker = Checker(self._names_only())
        return self._checker

    def check(self, arguments: Arguments, most: int = _MOST_EFFORT) -> dict[str, Any]:
        """Return the arguments to send. A `null` for an optional argument that may not be null counts as left out.

        What takes too many visits to check is the upstream's to judge: only its names are. Raises
        Invalid("invalid_arguments") with every violation, and TakesLonger where a lower `most` than usual is exceeded.
        """
        checker = self.compile()
        if isinstance(arguments, Unusable):
            raise invalid_arguments([Violation("", arguments.detail)])
        if self._drop_unknown:
            arguments = self._without_foreign(arguments)
        self._refuse_many_unknown(arguments)
        unusable = list(islice(_unusable(arguments), MOST_VIOLATIONS))
        if unusable:
            raise invalid_arguments(unusable)
        given = {name: value for name, value in arguments.items() if value is not None or not self._left_out(name)}
        self._fill_in(given, at_once=most < _MOST_EFFORT)
        light = checker.plain or (len(repr(given)) * checker.visits <= AT_ONCE and checker.strict)
        validator = light or checker.to_judge(given, most)
        if validator is None and most < _MOST_EFFORT:
            raise TakesLonger
        if validator is None:
            validator = validator_of(self._names_only())
        if not validator.is_valid(given):
            raise invalid_arguments(self._violations(given))
        return {**self._preset, **given} if self._preset else given

    def _fill_in(self, given: dict[str, Any], *, at_once: bool) -> None:
        if not self._filling:
            return
        filler = Filler(self._filling["definitions"], _FILLED_AT_ONCE if at_once else _MOST_FILLED)
        try:
            for name, each in self._filling["properties"].items():
                if name in given:
                    given[name] = filler.filled(given[name], each)
        except TooMuch:
            if at_once:
                raise TakesLonger from None
            raise TooLarge("request_too_large", _TOO_MUCH_LEFT_OUT) from None

    def _refuse_many_unknown(self, arguments: Mapping[str, Any]) -> None:
        """Raise Invalid where the names alone would be more than is told."""
        if len(arguments) <= len(self._properties) + MOST_VIOLATIONS:
            return
        if self._schema.get("additionalProperties") is False and "patternProperties" not in self._schema:
            unknown = (name for name in arguments if name not in self._properties)
            raise invalid_arguments(unknown_names(unknown, list(self._properties)))

    def _without_foreign(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Leave out what the tool does not have, but not what is likely one of its own, misspelt: that is refused."""
        absent = [name for name in self._properties if name not in arguments]
        unknown = islice((name for name in arguments if name not in self._properties), MOST_COMPARED)
        misspelt = {name for name in unknown if nearest(name, absent, _NEARLY)}
        return {name: value for name, value in arguments.items() if name in self._properties or name in misspelt}

    def _left_out(self, name: str) -> bool:
        if name in self._required or name not in self._properties:
            return False
        if name not in self._nullable:
            self._nullable[name] = self._takes(name, None, otherwise=False)
        return not self._nullable[name]

    def _takes(self, name: str, value: Any, *, otherwise: bool) -> bool:  # noqa: ANN401 - any JSON value
        """Whether the argument may have that value; `otherwise` is for what cannot be checked."""
        if self._each is None:
            try:
                self._each = Checker({key: self._schema[key] for key in self._schema.keys() & {"$defs", "properties"}})
            except UnusableSchema as error:
                self._each = error
        if isinstance(self._each, UnusableSchema):
            return otherwise
        validator = self._each.to_judge({name: value}, _MOST_EFFORT)
        return otherwise if validator is None else validator.is_valid({name: value})

    def _names_only(self) -> Json:
        return {
            "type": "object",
            "properties": dict.fromkeys(self._properties, True),
            "required": sorted(self._required),
            "additionalProperties": False,
        }

    def _violations(self, given: Json) -> list[Violation]:
        most = min(_MOST_TO_TELL, _LARGEST_TELLING // len(str(self._schema)))
        telling = self.compile().to_tell(given, most)
        told = [] if telling is None else all_wrong(*telling, given)
        return told or self._by_argument(given) or [Violation("", "do not fit the tool's input schema together")]

    def _by_argument(self, given: Json) -> list[Violation]:
        names_only = self._names_only()
        names = all_wrong(validator_of(names_only), names_only, given)
        values = (
            Violation(join("", name), "does not fit the tool's input schema; it is too large to say where")
            for name, value in given.items()
            if name in self._properties and not self._takes(name, value, otherwise=True)
        )
        return [*names, *islice(values, MOST_VIOLATIONS - len(names))]


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
