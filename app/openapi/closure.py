"""Makes an input schema self-contained: the definitions it reaches, and no others, within a budget of bytes.

Too large a schema first loses prose, then the definitions that are furthest from the root.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import orjson

from app.openapi.keywords import SUBSCHEMA_LISTS, SUBSCHEMA_MAPS, SUBSCHEMAS
from app.openapi.operation import Json, Value
from app.openapi.schemas import Definition, Schemas
from app.openapi.text import shortened

_TERSE_DESCRIPTION = 80  # characters
_PROSE = frozenset({"examples", "title"})
_KEPT: tuple[str, ...] = ("type", "required")
_OUTLINED = "Not shown: too large."
_MOST_NAMED = 10  # outlined definitions, in a note


@dataclass(frozen=True, slots=True)
class Closure:
    """An input schema with its `$defs`, and what had to be noted."""

    schema: Json
    notes: tuple[str, ...]


def self_contained(schema: Json, roots: Sequence[Definition], schemas: Schemas, budget: int) -> Closure:
    """Return the schema with what the roots, which are its arguments, reach. The budget is in bytes."""
    whole = _Collected(schema, roots, schemas, budget, terse=False)
    if not whole.outlined and whole.left >= 0:
        return whole.closure()
    terse = _Collected(terse_of(schema), roots, schemas, budget, terse=True)
    note = f"descriptions were shortened to fit {budget:,} bytes"
    if terse.outlined:
        more = "" if len(terse.outlined) <= _MOST_NAMED else f" and {len(terse.outlined) - _MOST_NAMED} more"
        note = f"{note}, and these parts are not shown: {', '.join(terse.outlined[:_MOST_NAMED])}{more}"
    return terse.closure(note)


class _Collected:
    """Definitions, nearest first; those that no longer fit are outlined."""

    def __init__(
        self, schema: Json, roots: Sequence[Definition], schemas: Schemas, budget: int, *, terse: bool
    ) -> None:
        self.left = budget - len(orjson.dumps(schema))
        self.outlined: list[str] = []
        self._schema = schema
        self._definitions: Json = {}
        self._notes = [note for root in roots for note in root.notes]
        pending = deque(name for root in roots for name in root.references)
        while pending:
            name = pending.popleft()
            schemas.watch.tick()
            if name not in self._definitions:
                pending += self._take(name, schemas.definition(name), terse=terse)

    def _take(self, name: str, definition: Definition, *, terse: bool) -> Sequence[str]:
        schema = terse_of(definition.schema) if terse else definition.schema
        size = (len(orjson.dumps(schema)) if terse else definition.size) + len(name) + 4
        if size > self.left:
            self._definitions[name] = _outline(schema)
            self.outlined.append(name)
            return ()
        self.left -= size
        self._definitions[name] = schema
        self._notes += definition.notes
        return definition.references

    def closure(self, *more: str) -> Closure:
        schema = {**self._schema, "$defs": self._definitions} if self._definitions else self._schema
        return Closure(schema, tuple(dict.fromkeys([*self._notes, *more])))


def terse_of(schema: Value) -> Value:
    """Return the schema with short descriptions, without titles and examples; what it accepts stays the same."""
    if not isinstance(schema, dict):
        return schema
    result: Json = {}
    for keyword, value in schema.items():
        if keyword == "description":
            result[keyword] = shortened(value, _TERSE_DESCRIPTION)
        elif keyword in SUBSCHEMAS:
            result[keyword] = terse_of(value)
        elif keyword in SUBSCHEMA_LISTS:
            result[keyword] = [terse_of(each) for each in value]
        elif keyword in SUBSCHEMA_MAPS:
            result[keyword] = {name: terse_of(each) for name, each in value.items()}
        elif keyword not in _PROSE:
            result[keyword] = value
    return result


def _outline(schema: Json) -> Json:
    """Keep the type and the names without which a value would be refused."""
    return {"description": _OUTLINED, **{keyword: schema[keyword] for keyword in _KEPT if keyword in schema}}
