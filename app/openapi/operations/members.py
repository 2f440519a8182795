"""The members of a body, where its schema is an object and says nothing else that matters."""

from dataclasses import dataclass, field

from app.openapi.schema.meaning import CLOSING
from app.operation.operation import Json, Value
from app.operation.pointers import References, Unresolvable, join

_MOST_SCHEMAS = 200  # that one body is put together from
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


@dataclass(slots=True)
class Members:
    """The members of an object by name, each with the schemas that apply to it and where they are.

    `closed`: the document allows no others.
    """

    schemas: dict[str, list[tuple[Value, str]]] = field(default_factory=dict)
    required: dict[str, None] = field(default_factory=dict)
    closed: bool = False


def members_of(raw: Value, pointer: str, references: References) -> Members | None:
    """Return the members if the schema is an object with named members and no other constraint that matters."""
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
