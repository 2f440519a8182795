"""Makes an input schema self-contained: the definitions it reaches, and no others, within a budget of bytes.

Too large a schema first loses words. If that is not enough, everything starts from the least and is given more, from
the root outwards, while there is room.
"""

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

from app.openapi.schemas import Definition, Schemas
from app.openapi.shortening import SHORTENED, stub_of
from app.operation.operation import Json
from app.operation.sizes import size_of

_LEGEND = f"Schemas that say `{SHORTENED}` have more optional members, which may be sent as well."
_MOST_NAMED = 10  # parts that are not shown in full, in a note
_REQUIRED, _IN_FULL = 1, 5  # of `Definition.stages`

Key = tuple[str, str]  # `properties` or `$defs`, and a name


@dataclass(frozen=True, slots=True)
class Closure:
    """An input schema with its `$defs`, its size in bytes, and what had to be noted."""

    schema: Json
    size: int
    notes: tuple[str, ...]


def self_contained(frame: Json, arguments: Mapping[str, Definition], schemas: Schemas, budget: int) -> Closure:
    """Return the schema of these arguments: the frame, with `properties` and `$defs`. The budget is in bytes."""
    parts = _Parts(frame, arguments, schemas)
    if (whole := parts.all_of(lambda each: each, budget)) is not None:
        return parts.closure(whole)
    note = f"descriptions were shortened to fit {budget:,} bytes (SOURCE_MAX_TOOL_BYTES)"
    if (terse := parts.all_of(lambda each: each.terse, budget)) is not None:
        return parts.closure(terse, note)
    if (bare := parts.all_of(lambda each: each.bare, budget)) is not None:
        return parts.closure(parts.with_words(bare, budget), f"{note}, some left out")
    parts = replace(parts, frame={**frame, "description": _LEGEND})
    cut = _Cut(parts, budget)
    return parts.closure(cut.shown, f"{note}, and these parts are not shown in full: {cut.names}")


def undescribed(closure: Closure, note: str) -> Closure:
    """Return it with no more than the types of the arguments."""
    arguments = {name: stub_of(each) for name, each in closure.schema["properties"].items()}
    schema = {keyword: value for keyword, value in closure.schema.items() if keyword != "$defs"}
    schema["properties"] = arguments
    return Closure(schema, size_of(schema), (*closure.notes, note))


@dataclass(frozen=True, slots=True)
class _Parts:
    """What an input schema is put together from."""

    frame: Json
    arguments: Mapping[str, Definition]
    schemas: Schemas

    def whole(self, key: Key) -> Definition:
        section, name = key
        return self.arguments[name] if section == "properties" else self.schemas.definition(name)

    def roots(self) -> list[Key]:
        return [("properties", name) for name in self.arguments]

    def size(self, shown: Mapping[Key, Definition]) -> int:
        frame = size_of(self.frame) + len('"properties":{},"$defs":{},')
        return frame + sum(_cost(key, definition) for key, definition in shown.items())

    def all_of(self, version: Callable[[Definition], Definition], budget: int) -> dict[Key, Definition] | None:
        """Return everything in that version, or None if it does not fit."""
        shown: dict[Key, Definition] = {}
        left = budget - self.size(shown)
        pending = deque(self.roots())
        met = set(pending)
        while pending:
            key = pending.popleft()
            shown[key] = version(self.whole(key))
            left -= _cost(key, shown[key])
            if left < 0:
                return None
            new = [each for each in _references(shown[key]) if each not in met]
            met.update(new)
            pending += new
        return shown

    def with_words(self, shown: dict[Key, Definition], budget: int) -> dict[Key, Definition]:
        """Return the same with descriptions where there is room, the root's first."""
        left = budget - self.size(shown)
        result = dict(shown)
        for key, bare in shown.items():
            terse = self.whole(key).terse
            if terse.size - bare.size <= left:
                left -= terse.size - bare.size
                result[key] = terse
        return result

    def closure(self, shown: Mapping[Key, Definition], *more: str) -> Closure:
        schema = {**self.frame, "properties": {name: shown["properties", name].schema for name in self.arguments}}
        definitions = {name: each.schema for (section, name), each in shown.items() if section == "$defs"}
        if definitions:
            schema["$defs"] = definitions
        notes = dict.fromkeys(note for each in shown.values() for note in each.notes)
        return Closure(schema, self.size(shown), (*notes, *more))


class _Cut:
    """As much as fits: first what is required, then everything without words, then with some, each from the root on."""

    def __init__(self, parts: _Parts, budget: int) -> None:
        self._parts = parts
        self._stage: dict[Key, int] = {}
        self._layers: list[list[Key]] = []
        self._distance: dict[Key, int] = {}
        self._left = budget - parts.size({})
        self._enter(parts.roots(), 0)
        self._raise_all([[_REQUIRED]])
        self._raise_all([range(_REQUIRED, _IN_FULL + 1), [_IN_FULL + 1]])

    @property
    def shown(self) -> dict[Key, Definition]:
        return {key: self._at(key, stage) for key, stage in self._stage.items()}

    @property
    def names(self) -> str:
        """What is not shown in full."""
        cut = [name for (_, name), stage in self._stage.items() if stage < _IN_FULL]
        more = "" if len(cut) <= _MOST_NAMED else f" and {len(cut) - _MOST_NAMED} more"
        return f"{', '.join(cut[:_MOST_NAMED])}{more}"

    def _raise_all(self, rounds: Iterable[Iterable[int]]) -> None:
        for stages in rounds:
            for layer in self._layers:  # to which others are added meanwhile
                smallest_first = sorted(layer, key=lambda each: self._at(each, _IN_FULL).size)
                for stage in stages:
                    for key in smallest_first:
                        self._raise(key, stage)

    def _raise(self, key: Key, stage: int) -> None:
        if self._stage[key] != stage - 1:
            return
        after = self._at(key, stage)
        price = after.size - self._at(key, stage - 1).size
        if price > self._left:
            return
        new = [each for each in _references(after) if each not in self._stage]
        if price + sum(_cost(each, self._at(each, 0)) for each in new) <= self._left:
            self._left -= price
            self._stage[key] = stage
            self._enter(new, self._distance[key] + 1)

    def _enter(self, keys: Iterable[Key], distance: int) -> None:
        for key in keys:
            self._stage[key] = 0
            self._distance[key] = distance
            self._left -= _cost(key, self._at(key, 0))
            if distance == len(self._layers):
                self._layers.append([])
            self._layers[distance].append(key)

    def _at(self, key: Key, stage: int) -> Definition:
        return self._parts.whole(key).stages[stage]


def _references(definition: Definition) -> list[Key]:
    return [("$defs", name) for name in definition.references]


def _cost(key: Key, definition: Definition) -> int:
    return len(key[1]) + len('"":,') + definition.size
