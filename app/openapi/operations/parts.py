"""What the parts of an operation have in common: where they are, what is read from them, and how they are parsed.

They are parsed one by one, so that a bad part costs only itself. Server Objects, security requirements and members of
objects are read here too.
"""

import re
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from app.openapi.operations.objects import ServerObject
from app.openapi.schema.definitions import Definition, Shown
from app.openapi.schema.meaning import CLOSING
from app.operation.operation import Json, Value
from app.operation.pointers import References, Unresolvable, join, remark
from app.operation.text import hides_something, shortened

_Part = TypeVar("_Part", bound=BaseModel)
_VARIABLE = re.compile(r"\{([^{}]*)\}")
_LONGEST_SHOWN = 60  # characters of a name
_MOST_SERVERS = 50  # of one list; the longest of real documents have about thirty
_LONGEST_ADDRESS = 2_000  # characters
_UNSENDABLE = re.compile(r"[\x00-\x20\x7f\\]")
_MOST_SCHEMAS = 200  # that one body is put together from
MOST_ARGUMENTS = 1_000  # of an operation: no model reads more, and each takes part in all that is done with it
_MORE_THAN_MEMBERS = (
    "anyOf",
    "const",
    "dependencies",
    "dependentRequired",
    "dependentSchemas",
    "discriminator",
    "else",
    "enum",
    "if",
    "not",
    "oneOf",
    "patternProperties",
    "propertyNames",
    "then",
    "$dynamicRef",
    "$recursiveRef",
)


@dataclass(frozen=True, slots=True)
class Place:
    """An object of the document and where it is."""

    raw: Json
    pointer: str


@dataclass(frozen=True, slots=True)
class Input:
    """One value for one place: a parameter, a field of the body, or the body as a whole (location `body`).

    `once_given`: needed only if there is a body at all, that is, if any of its fields is given. `examples` are those
    of the parameter, beside its schema.
    """

    location: str
    name: str
    required: bool
    schema: Definition
    once_given: bool = False
    examples: tuple[Shown, ...] = ()


@dataclass(frozen=True, slots=True)
class ToolWishes:
    """What a document wants of the tool that an operation becomes; texts are as the document has them."""

    name: str | None = None
    title: str | None = None
    description: str | None = None
    hidden: bool = False
    hints: dict[str, bool] = field(default_factory=dict)


@dataclass(slots=True)
class Members:
    """The members of an object by name, each with the schemas that apply to it and where they are.

    `closed`: the document allows no others.
    """

    schemas: dict[str, list[tuple[Value, str]]] = field(default_factory=dict)
    required: dict[str, None] = field(default_factory=dict)
    closed: bool = False


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


def missing_credentials(
    document: Json, requirements: Value, references: References, given: Collection[tuple[str, str]]
) -> str:
    """Return what an operation wants and calls lack, by its security requirements (OAS 3.1.1 section 4.8.30).

    Empty where a bearer token is enough, or nothing is wanted. `given` are parameters by `(in, name)`: a key that the
    document also makes one of these is the caller's. A scheme that is not described is taken for a bearer token.
    """
    components = document.get("components")
    described = components.get("securitySchemes") if isinstance(components, dict) else None
    schemes = described if isinstance(described, dict) else document.get("securityDefinitions")  # Swagger 2.0
    listed = requirements if isinstance(requirements, list) else [requirements]
    alternatives = [{each: []} if isinstance(each, str) else each for each in listed if isinstance(each, dict | str)]
    lacking = []
    for each in alternatives:
        raw = [schemes[name] for name in each if name in schemes] if isinstance(schemes, dict) else []
        lacking.append([wanted for scheme in raw if (wanted := _other_than_bearer(scheme, references, given))])
    return " and ".join(dict.fromkeys(lacking[0])) if lacking and all(lacking) else ""


def _other_than_bearer(raw: Value, references: References, given: Collection[tuple[str, str]]) -> str:
    """Return what a Security Scheme Object (OAS 3.1.1 section 4.8.27) wants, empty where that is a bearer token."""
    try:
        scheme, _ = references.follow(raw, "")
    except Unresolvable:
        return ""
    if not isinstance(scheme, dict):
        return ""
    kind, where, name = (str(scheme.get(key, "")) for key in ("type", "in", "name"))
    if kind == "apiKey" and name.lower() != "authorization" and (where, name) not in given:
        return f"an API key ({where} `{shortened(name, _LONGEST_SHOWN)}`)"
    if kind == "mutualTLS":
        return "a certificate of the client"
    method = "basic" if kind == "basic" else str(scheme.get("scheme", "")).lower() if kind == "http" else "bearer"
    return "" if method == "bearer" else f"HTTP authentication by `{shortened(method, _LONGEST_SHOWN)}`"


def server_addresses(raw: Value, pointer: str, notes: list[str]) -> tuple[str, ...]:
    """Return the usable servers of a `servers` list (OAS 3.1.1 section 4.8.5), in its order.

    Variables are replaced by their defaults; relative addresses stay relative. What is too long is not usable, and of
    very many servers the first are taken.
    """
    stated = raw if isinstance(raw, list) else []
    if len(stated) > _MOST_SERVERS:
        notes.append(remark(f"of {len(stated):,} servers only the first {_MOST_SERVERS} were read", pointer))
    addresses = []
    for number, each in enumerate(stated[:_MOST_SERVERS]):
        try:
            address = _expanded(parse(ServerObject, _with_text_defaults(each), join(pointer, number), notes))
        except Unusable:
            continue
        if address is None or len(address) > _LONGEST_ADDRESS:
            continue
        if not (_UNSENDABLE.search(address) or hides_something(address)):
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


def members_of(raw: Value, pointer: str, references: References) -> Members | None:
    """Return the members if the schema is an object with named members and no other constraint that matters.

    Returns None for more of them than an operation may have arguments.
    """
    members = Members()
    pending: list[tuple[Value, str]] = [(raw, pointer)]
    for _ in range(_MOST_SCHEMAS):
        if not pending:
            return members if members.schemas else None
        node, where = pending.pop(0)
        if not isinstance(node, dict) or not _is_plain(node):
            return None
        parts = [(each, join(where, "allOf", number)) for number, each in enumerate(node.get("allOf") or ())]
        if "$ref" in node:
            try:
                parts.insert(0, references.find(node["$ref"]))
            except Unresolvable:
                return None
        pending[:0] = parts
        _take(members, node, where)
        if len(members.schemas) > MOST_ARGUMENTS:
            return None
    return None


def _take(members: Members, node: Json, where: str) -> None:
    members.closed = members.closed or any(node.get(keyword) is False for keyword in CLOSING)
    for name, schema in (node.get("properties") or {}).items():
        members.schemas.setdefault(name, []).append((schema, join(where, "properties", name)))
    names = node.get("required")
    if isinstance(names, list):
        members.required.update(dict.fromkeys(name for name in names if isinstance(name, str)))


def _is_plain(node: Json) -> bool:
    types = node.get("type", "object")
    return (
        (types == "object" or (isinstance(types, list) and "object" in types))
        and not any(keyword in node for keyword in _MORE_THAN_MEMBERS)
        and node.get("additionalProperties", False) is False  # true and {} say in so many words that there are others
        and isinstance(node.get("properties") or {}, dict)
        and isinstance(node.get("allOf") or [], list)
    )
