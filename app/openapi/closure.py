"""Makes an input schema self-contained: the definitions it reaches, and no others, within a budget of bytes."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from app.openapi.operation import Json
from app.openapi.schemas import Definition, Schemas

_KEPT: tuple[str, ...] = ("type", "required")
_OUTLINED = "Left out here because the whole would be too large; see the API's own documentation."


@dataclass(frozen=True, slots=True)
class Closure:
    """The `$defs` to go with a schema, what had to be noted, and which definitions are only outlined."""

    definitions: Json
    notes: tuple[str, ...]
    outlined: tuple[str, ...]


def closure_of(roots: Sequence[Definition], schemas: Schemas, budget: int) -> Closure:
    """Return what the roots reach, nearest first; what no longer fits into the budget (bytes) is outlined."""
    notes = [note for root in roots for note in root.notes]
    pending = deque(name for root in roots for name in root.references)
    definitions: Json = {}
    outlined = []
    while pending:
        name = pending.popleft()
        schemas.watch.tick()
        if name in definitions:
            continue
        definition = schemas.definition(name)
        if definition.size <= budget:
            budget -= definition.size
            definitions[name] = definition.schema
            notes += definition.notes
            pending += definition.references
        else:
            definitions[name] = _outline(definition.schema)
            outlined.append(name)
    return Closure(definitions, tuple(dict.fromkeys(notes)), tuple(outlined))


def _outline(schema: Json) -> Json:
    """Keep the type and the names without which a value would be refused."""
    return {"description": _OUTLINED, **{keyword: schema[keyword] for keyword in _KEPT if keyword in schema}}
