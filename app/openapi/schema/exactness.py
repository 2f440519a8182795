"""Schemas that refuse a value because another one accepts it, or does not know it: `not`, `if`, `unevaluated…`.

What is read with a loss accepts more than the document does, which is harmless everywhere but there.
"""

from collections.abc import Callable, Iterable

from app.openapi.schema.definitions import Definition
from app.openapi.schema.meaning import Meaning
from app.operation.keywords import in_place
from app.operation.operation import Json, Value

TURNING = {"contains": ("minContains", "maxContains"), "if": ("then", "else"), "not": ()}  # … and what belongs to each
UNEVALUATED = {
    "unevaluatedItems": "items",
    "unevaluatedProperties": "additionalProperties",
}  # and what may leave them nothing

Find = Callable[[str], Definition | None]  # a definition by its name; None while it is being read


def are_exact(names: Iterable[str], find: Find) -> bool:
    """Whether these definitions, with all that they lead to, accept no more than the document does."""
    pending = list(names)
    met = set(pending)
    while pending:
        definition = find(pending.pop())
        if definition is None or not definition.is_exact:
            return False
        new = set(definition.references) - met
        met |= new
        pending += new
    return True


def without_idle(schema: Json, pointer: str, meaning: Meaning) -> Json:
    """Return the schema without `unevaluated…` where nothing is left for it: anything is accepted in so many words."""
    idle = {
        keyword
        for keyword, other in UNEVALUATED.items()
        if keyword in schema
        and any(node.get(other, False) in (True, {}) for node, _ in meaning.about_the_same(schema, pointer))
    }
    return {keyword: value for keyword, value in schema.items() if keyword not in idle}


def without_unsure(schema: Json, find: Find) -> Json:
    """Return the schema without `unevaluated…` where a part of it was not read, whose members nobody knows."""
    if _is_known(schema, find, set()):
        return schema
    return {keyword: value for keyword, value in schema.items() if keyword not in UNEVALUATED}


def _is_known(schema: Value, find: Find, met: set[str]) -> bool:
    if not isinstance(schema, dict) or not schema:
        return schema is False
    if "$ref" in schema and (name := schema["$ref"].rpartition("/")[2]) not in met:
        met.add(name)
        definition = find(name)
        if definition is None or not _is_known(definition.schema, find, met):
            return False
    return all(_is_known(each, find, met) for each in in_place(schema))
