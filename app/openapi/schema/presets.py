"""Members that are required and have a default: a caller may leave them out, and they are sent (filling.py).

The document leaves no doubt about them where they are part of every value: not in one of several branches, of which
nobody knows which is meant.
"""

from collections.abc import Iterable, Iterator, Mapping

from app.openapi.schema.definitions import Definition
from app.openapi.schema.doubts import surely_takes
from app.openapi.schema.schemas import Schemas
from app.operation.filling import Filling
from app.operation.keywords import SIMPLE
from app.operation.operation import Json, Value

_NULL = {"type": "null"}


class Presets:
    """The fillings of one document's schemas, which require less from then on."""

    def __init__(self, schemas: Schemas) -> None:
        self._schemas = schemas
        self._found: dict[str, Filling] = {}  # by the name of a definition
        self._of_arguments: dict[int, Filling] = {}  # by the id of a schema
        self._useless = set[str]()  # definitions that lead to no member that is filled in

    def of(self, arguments: Mapping[str, Definition]) -> Json:
        """Return what is filled in below these arguments, with `definitions`; empty where that is nothing."""
        if sum(map(self._schemas.complexity, arguments.values())) > SIMPLE:
            return {}
        stated = {name: self._of_argument(each) for name, each in arguments.items()}
        if all(not _has_members(each) and self._useless.issuperset(_refs(each)) for each in stated.values()):
            return {}
        reached = self._reached(stated.values())
        useful = {name for name, each in reached.items() if _has_members(each)}
        while more := {name for name, each in reached.items() if not useful.isdisjoint(_refs(each))} - useful:
            useful |= more
        self._useless |= reached.keys() - useful
        kept = {name: each for name, each in stated.items() if _has_members(each) or not useful.isdisjoint(_refs(each))}
        return {"properties": kept, "definitions": reached} if kept else {}

    def _of_argument(self, definition: Definition) -> Filling:
        key = id(definition.schema)
        if key not in self._of_arguments:
            self._of_arguments[key] = self._filling(definition.schema)
        return self._of_arguments[key]

    def _reached(self, fillings: Iterable[Filling]) -> dict[str, Filling]:
        reached: dict[str, Filling] = {}
        pending = [name for each in fillings for name in _refs(each)]
        while pending:
            if (name := pending.pop()) not in reached:
                if name not in self._found:
                    self._found[name] = self._filling(self._schemas.definition(name).schema)
                reached[name] = self._found[name]
                pending += _refs(reached[name])
        return reached

    def _filling(self, schema: Value) -> Filling:
        if not isinstance(schema, dict):
            return {}
        filling: Filling = {}
        if members := _taken_out(schema):
            filling["members"] = members
        if "$ref" in schema:
            filling["ref"] = schema["$ref"].rpartition("/")[2]
        if below := {
            name: part for name, each in schema.get("properties", {}).items() if (part := self._filling(each))
        }:
            filling["properties"] = below
        if items := self._filling(schema.get("items")):
            filling["items"] = items
        meant = [each for each in schema.get("anyOf", ()) if each != _NULL]
        sure = [*schema.get("allOf", ()), *(meant if len(meant) == 1 else ())]
        if parts := [part for each in sure if (part := self._filling(each))]:
            filling["parts"] = parts
        return filling


def _taken_out(schema: Json) -> Json:
    """Return the defaults of required members, which are required no longer."""
    members = schema.get("properties", {})
    names = [name for name in schema.get("required", ()) if _is_preset(members.get(name))]
    if names and (left := [name for name in schema["required"] if name not in names]):
        schema["required"] = left
    elif names:
        del schema["required"]
    return {name: members[name]["default"] for name in names}


def _is_preset(member: Value) -> bool:
    return isinstance(member, dict) and "default" in member and surely_takes(member, member["default"])


def _refs(filling: Filling) -> Iterator[str]:
    if "ref" in filling:
        yield filling["ref"]
    for each in _inside(filling):
        yield from _refs(each)


def _has_members(filling: Filling) -> bool:
    return "members" in filling or any(map(_has_members, _inside(filling)))


def _inside(filling: Filling) -> Iterator[Filling]:
    yield from filling.get("properties", {}).values()
    yield from filling.get("parts", ())
    if "items" in filling:
        yield filling["items"]
