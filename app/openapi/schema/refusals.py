"""Which keywords of converted schemas refuse which values, for many schemas at once."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from jsonschema_rs import ValidationError

from app.openapi.schema.definitions import Definition
from app.openapi.schema.doubts import Allowance
from app.openapi.schema.schemas import Schemas
from app.operation.checking import UnusableSchema, validator_of
from app.operation.effort import Effort
from app.operation.keywords import ALTERNATIVES, SIMPLE, references
from app.operation.operation import Json, Value
from app.operation.pointers import join
from app.operation.schemas import loosened, seen_through

_MOST_VISITS = 3_000  # to try one value
_VISITS_PER_STEP = 10  # that are counted
_ALL_VISITS = 150_000  # … to find out what is too much; real documents need a fifth of it
_MOST_SEEN_THROUGH = 20_000  # of a document
_LONGEST = 200  # characters of what a refusal says

Path = tuple[str, ...]  # of a value in another: names and numbers


@dataclass(frozen=True, slots=True)
class Refusal:
    """What refuses the value at `place`: `holder[token]`, a keyword or a schema, which is at `at` below the root."""

    holder: Any
    token: str | int
    at: tuple[str, ...]
    place: Path
    kind: str
    message: str

    @property
    def key(self) -> tuple[int, str | int]:
        """What tells it from refusals by anything else."""
        return id(self.holder), self.token

    def leave_out(self) -> bool:
        """Take what refuses out of its schema; return whether it was still there."""
        if self.holder.get(self.token) is False if isinstance(self.holder, dict) else True:
            self.holder[self.token] = {}
            return True
        return self.holder.pop(self.token, None) is not None

    def said(self, *above: str) -> str:
        """Return the refusal in words, for a value that is below these names."""
        where = join("", *above, *self.place)
        return f"{f'{where}: ' if where else ''}{self.message}"[:_LONGEST]


class Judge:
    """Judges values by many schemas of a document, each with a name."""

    def __init__(self, judged: Mapping[str, Json], schemas: Schemas, allowance: Allowance) -> None:
        self._allowance = allowance
        parts = {name: Definition(each, tuple(references(each))) for name, each in judged.items()}
        self._light = {name for name, each in parts.items() if schemas.complexity(each) <= SIMPLE}
        self._root: Json = {"properties": dict(judged), "$defs": _reached(parts.values(), schemas.definition)}
        self._visits = 0
        try:
            heavy = seen_through(self._root) > _MOST_SEEN_THROUGH
            self._validator = validator_of(loosened(self._root) if heavy else self._root)
        except UnusableSchema:  # patterns that are too large together
            self._validator = validator_of(loosened(self._root))

    def refusals(
        self, values: Mapping[str, Value], chosen: Mapping[str, Mapping[int, int]] | None = None
    ) -> dict[str, list[Refusal]]:
        """Return what refuses them, by the names of the schemas, as far as there are steps left.

        `chosen`: the numbers of the branches that are meant, by the id of the schema with the alternatives. What takes
        too many visits to try is not among the keys; what passes has an empty list.
        """
        tried = {name: value for name, value in values.items() if self._is_light(name, value)}
        found: dict[str, list[Refusal]] = {name: [] for name in tried}
        for error in self._validator.iter_errors(tried):
            name = str(error.instance_path[0])
            found[name] += self._flat(error, (chosen or {}).get(name, {}))
        self._allowance.take(sum(map(len, found.values())))
        return found

    def _is_light(self, name: str, value: Value) -> bool:
        if self._allowance.is_used_up or self._visits > _ALL_VISITS:
            return False
        visits = 0 if name in self._light else self._effort.of({name: value}, _MOST_VISITS, telling=True)
        self._allowance.take(1 + visits // _VISITS_PER_STEP)
        self._visits += visits
        return visits <= _MOST_VISITS

    @cached_property
    def _effort(self) -> Effort:
        return Effort(self._root, frozenset())

    def _flat(self, error: ValidationError, chosen: Mapping[int, int]) -> Iterator[Refusal]:
        """Yield what refuses the value in the branch that is meant, where that is known."""
        *above, token = error.schema_path
        holder: Any = self._root
        for each in above:
            holder = holder[each if isinstance(holder, list) or each in holder else str(each)]
        branch = chosen.get(id(holder)) if error.kind.name in ALTERNATIVES else None
        if branch is not None:
            for each in error.kind.as_dict()["context"][branch]:
                yield from self._flat(each, chosen)
            return
        value: Any = error.instance
        if error.kind.name == "required" and error.kind.as_dict()["property"] in value:
            return  # the engine says so of a member that a closed object does not know
        place = tuple(map(str, error.instance_path[1:]))
        yield Refusal(holder, token, tuple(map(str, error.schema_path)), place, error.kind.name, error.message)


def _reached(parts: Iterable[Definition], definition: Callable[[str], Definition]) -> Json:
    """Return the definitions that these refer to, and those that they lead to."""
    found: Json = {}
    pending = list(dict.fromkeys(name for each in parts for name in each.references))
    while pending:
        name = pending.pop()
        if name not in found:
            reached = definition(name)
            found[name] = reached.schema
            pending += reached.references
    return found
