"""Makes an input schema self-contained: the definitions it reaches, and no others, within a budget of bytes.

Too large a schema first loses prose, then what is largest and what is furthest from the root.
"""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass

import orjson

from app.openapi.operation import Json
from app.openapi.schemas import Definition, Schemas

_OUTLINE_BYTES = 140  # kept free for each definition that waits its turn
_MOST_NAMED = 10  # parts that are not shown, in a note


@dataclass(frozen=True, slots=True)
class Closure:
    """An input schema with its `$defs`, its size in bytes, and what had to be noted."""

    schema: Json
    size: int
    notes: tuple[str, ...]


def self_contained(frame: Json, arguments: Mapping[str, Definition], schemas: Schemas, budget: int) -> Closure:
    """Return the schema of these arguments: the frame, with `properties` and `$defs`. The budget is in bytes."""
    whole = _Collected(frame, arguments, schemas, budget, terse=False)
    if not whole.outlined:
        return whole.closure()
    terse = _Collected(frame, arguments, schemas, budget, terse=True)
    note = f"descriptions were shortened to fit {budget:,} bytes (SOURCE_MAX_TOOL_BYTES)"
    if terse.outlined:
        more = "" if len(terse.outlined) <= _MOST_NAMED else f" and {len(terse.outlined) - _MOST_NAMED} more"
        note = f"{note}, and these parts are not shown: {', '.join(terse.outlined[:_MOST_NAMED])}{more}"
    return terse.closure(note)


class _Collected:
    """Arguments and definitions, as many as fit; the others are outlined. A full one gives up at the first of these."""

    def __init__(
        self, frame: Json, arguments: Mapping[str, Definition], schemas: Schemas, budget: int, *, terse: bool
    ) -> None:
        self.outlined: list[str] = []
        self._left = self._budget = budget
        self._left -= len(orjson.dumps(frame)) + len('"properties":{},')
        self._frame = frame
        self._terse = terse
        self._notes: dict[str, None] = {}
        self._shown = self._arguments(arguments)
        names = (name for definition in self._shown.values() for name in definition.references)
        self._definitions = self._reached(deque(dict.fromkeys(names)), schemas)

    def _arguments(self, arguments: Mapping[str, Definition]) -> dict[str, Definition]:
        required = self._frame.get("required", ())
        order = sorted(arguments, key=lambda name: (name not in required, self._version(arguments[name]).size))
        shown: dict[str, Definition] = {}
        for number, name in enumerate(order):
            if self._gives_up:
                break
            shown[name] = self._take(name, arguments[name], len(order) - number - 1)
        return {name: shown[name] for name in arguments if name in shown}

    def _reached(self, pending: deque[str], schemas: Schemas) -> dict[str, Definition]:
        if pending:
            self._left -= len('"$defs":{},')
        met = set(pending)
        reached: dict[str, Definition] = {}
        while pending and not self._gives_up:
            name = pending.popleft()
            schemas.watch.tick()
            reached[name] = self._take(name, schemas.definition(name), len(pending))
            new = [each for each in reached[name].references if each not in met]
            met.update(new)
            pending += new
        return reached

    @property
    def _gives_up(self) -> bool:
        return bool(self.outlined) and not self._terse

    def _version(self, definition: Definition) -> Definition:
        return definition.terse if self._terse else definition

    def _take(self, name: str, definition: Definition, waiting: int) -> Definition:
        taken = self._version(definition)
        kept_free = _OUTLINE_BYTES * (waiting + len(taken.references)) if self._terse else 0
        label = len(orjson.dumps(name)) + len(":,")
        if label + taken.size + kept_free > self._left and taken.size > taken.outline.size:
            taken = taken.outline
            self.outlined.append(name)
        self._left -= label + taken.size
        self._notes.update(dict.fromkeys(taken.notes))
        return taken

    def closure(self, *more: str) -> Closure:
        schema = {**self._frame, "properties": {name: each.schema for name, each in self._shown.items()}}
        if self._definitions:
            schema["$defs"] = {name: each.schema for name, each in self._definitions.items()}
        return Closure(schema, self._budget - self._left, (*self._notes, *more))
