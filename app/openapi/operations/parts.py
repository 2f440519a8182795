"""What the parts of an operation have in common: where they are, what is read from them, and how they are parsed.

They are parsed one by one, so that a bad part costs only itself. Server Objects are read here too.
"""

import re
from dataclasses import dataclass, field
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from app.openapi.operations.objects import ServerObject
from app.openapi.schema.definitions import Definition
from app.operation.operation import Json, Value
from app.operation.pointers import join, remark

_Part = TypeVar("_Part", bound=BaseModel)
_VARIABLE = re.compile(r"\{([^{}]*)\}")
_UNSENDABLE = re.compile(r"[\x00-\x20\x7f\\]")


@dataclass(frozen=True, slots=True)
class Place:
    """An object of the document and where it is."""

    raw: Json
    pointer: str


@dataclass(frozen=True, slots=True)
class Input:
    """One value for one place: a parameter, a field of the body, or the body as a whole (location `body`).

    `once_given`: needed only if there is a body at all, that is, if any of its fields is given.
    """

    location: str
    name: str
    required: bool
    schema: Definition
    once_given: bool = False


@dataclass(frozen=True, slots=True)
class ToolWishes:
    """What a document wants of the tool that an operation becomes; texts are as the document has them."""

    name: str | None = None
    title: str | None = None
    description: str | None = None
    hidden: bool = False
    hints: dict[str, bool] = field(default_factory=dict)


class Unusable(Exception):
    """A part that cannot be parsed; the text says why, `pointer` where."""

    def __init__(self, reason: str, pointer: str) -> None:
        super().__init__(reason)
        self.pointer = pointer


def parse(model: type[_Part], raw: Value, pointer: str, notes: list[str]) -> _Part:
    """Return the part, without optional fields that the parser refuses.

    What was left out is added to the notes. Raises Unusable when a required field is missing or wrong.
    """
    if not isinstance(raw, dict):
        raise Unusable("it is not an object", pointer)
    fields: Json = dict(raw)
    while True:
        try:
            return model.model_validate(fields)
        except ValidationError as refusal:
            error = refusal.errors(include_url=False, include_context=False, include_input=False)[0]
        name = str(error["loc"][0]) if error["loc"] else ""
        if name not in fields or name in _required(model):
            raise Unusable(f"`{name}`: {error['msg']}", pointer)
        del fields[name]
        notes.append(remark(f"`{name}` cannot be used and was left out: {error['msg']}", join(pointer, name)))


def _required(model: type[BaseModel]) -> set[str]:
    return {field.alias or name for name, field in model.model_fields.items() if field.is_required()}


def server_addresses(raw: Value, pointer: str, notes: list[str]) -> tuple[str, ...]:
    """Return the usable servers of a `servers` list (OAS 3.1.1 section 4.8.5), in its order.

    Variables are replaced by their defaults; relative addresses stay relative.
    """
    addresses = []
    for number, each in enumerate(raw if isinstance(raw, list) else ()):
        try:
            address = _expanded(parse(ServerObject, _with_text_defaults(each), join(pointer, number), notes))
        except Unusable:
            continue
        if address is not None and not _UNSENDABLE.search(address):
            addresses.append(address)
    return tuple(dict.fromkeys(addresses))


def _with_text_defaults(raw: Value) -> Value:
    """YAML reads `default: 8443` as a number."""
    if not isinstance(raw, dict) or not isinstance(raw.get("variables"), dict):
        return raw
    variables = {name: _with_text_default(each) for name, each in raw["variables"].items() if isinstance(each, dict)}
    return {**raw, "variables": variables}


def _with_text_default(variable: Json) -> Json:
    values = variable.get("enum")
    allowed = [str(value) for value in values] if isinstance(values, list) else []
    default = variable.get("default", allowed[0] if allowed else None)
    return {"default": None if default is None else str(default), "enum": allowed or None}


def _expanded(server: ServerObject) -> str | None:
    variables = server.variables or {}
    address = _VARIABLE.sub(lambda match: _value(variables, match), server.url.strip())
    return None if _VARIABLE.search(address) else address


def _value(variables: Json, match: re.Match[str]) -> str:
    variable = variables.get(match.group(1))
    return match.group(0) if variable is None else str(variable.default)
