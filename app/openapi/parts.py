"""Parses the parts of an operation with openapi-pydantic, one by one, so that a bad part costs only itself."""

from dataclasses import dataclass
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from app.operation.operation import Json, Value
from app.operation.pointers import join, remark

_Part = TypeVar("_Part", bound=BaseModel)
_FOR_PEOPLE = {"example", "examples", "externalDocs"}  # never a reason to refuse anything
_BY_SCHEMAS = "schema"  # converted and checked in schemas.py: the parser knows fewer schemas than are valid


@dataclass(frozen=True, slots=True)
class Place:
    """An object of the document and where it stands."""

    raw: Json
    pointer: str


class Unusable(Exception):
    """A part that cannot be parsed; the text says why, `pointer` where."""

    def __init__(self, reason: str, pointer: str) -> None:
        super().__init__(reason)
        self.pointer = pointer


def parse(model: type[_Part], raw: Value, pointer: str, notes: list[str]) -> _Part:
    """Return the part, without the fields that the parser refuses and the specification can spare.

    What was left out is added to the notes. Raises Unusable when a field that must be there is missing or wrong.
    """
    if not isinstance(raw, dict):
        raise Unusable("it is no object", pointer)
    fields: Json = {name: value for name, value in raw.items() if name not in _FOR_PEOPLE and not name.startswith("x-")}
    while True:
        try:
            return model.model_validate(fields)
        except ValidationError as refusal:
            error = refusal.errors(include_url=False, include_context=False, include_input=False)[0]
        name = str(error["loc"][0]) if error["loc"] else ""
        if name not in fields or name in _required(model):
            raise Unusable(f"`{name}`: {error['msg']}", pointer)
        del fields[name]
        if name != _BY_SCHEMAS:
            notes.append(remark(f"`{name}` cannot be used and was left out: {error['msg']}", join(pointer, name)))


def _required(model: type[BaseModel]) -> set[str]:
    return {field.alias or name for name, field in model.model_fields.items() if field.is_required()}
