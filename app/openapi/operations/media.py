"""Media Type Objects of a body (OAS 3.1.1 section 4.8.14): which of them is sent, and the members of its schema."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import NoneType

from app.openapi.operations.parts import Unusable
from app.openapi.operations.uploads import is_of_bytes, parts_of, shapes_of, uploads_among
from app.openapi.schema.meaning import CLOSING
from app.operation.media_types import (
    by_preference,
    essence,
    is_media_type,
    kind_of,
)
from app.operation.operation import Json, Value
from app.operation.pointers import References, Unresolvable, join, remark

_JSON_PATCH = "application/json-patch+json"  # RFC 6902
_MERGE_PATCH = "application/merge-patch+json"  # RFC 7396
_OPERATION: Json = {
    "type": "object",
    "properties": {
        "op": {"enum": ["add", "remove", "replace", "move", "copy", "test"]},
        "path": {"type": "string", "description": "A JSON Pointer, such as /name."},
        "from": {"type": "string"},
        "value": {},
    },
    "required": ["op", "path"],
}
_OPERATIONS: Json = {"type": "array", "items": _OPERATION, "description": "The changes: a JSON Patch (RFC 6902)."}
_WORDS = frozenset({"allOf", "description", "format", "title", "type"})  # that say nothing about what is in it
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


@dataclass(frozen=True, slots=True)
class Media:
    """The media type that is sent, and what the document says about it.

    `schema` comes with its pointer. `members` is set where there are only members and no schema. `others` are media
    types in which the same bytes may be sent, `files` is what is offered beside JSON and takes files.
    """

    media_type: str
    schema: tuple[Value, str]
    pointer: str
    encoding: Value = None
    members: Members | None = None
    examples: Sequence[Value] = ()
    others: tuple[str, ...] = ()
    files: "Media | None" = None


def chosen(content: Value, pointer: str, references: References, notes: list[str]) -> Media:
    """Prefer JSON, then forms; but a form that carries files is sent as multipart where that is offered.

    Raises Unusable and Unresolvable.
    """
    if not isinstance(content, dict):
        raise Unusable("`content` is not an object", pointer)
    usable = [name for name in content if is_media_type(name) and isinstance(content[name], dict | NoneType)]
    if not usable:
        raise Unusable("`content` names no media type", pointer)
    unread = [name for name in content if name not in usable and not name.startswith("x-")]
    notes += (remark("a media type cannot be read", join(pointer, "content", name)) for name in unread)
    offered = {name: _schema_of(content[name], references) for name in usable}
    name = best_of(offered, references)
    media = _described(name, content, pointer, references, notes)
    others = tuple(other for other, schema in offered.items() if other != name and schema == offered[name])
    if kind_of(name) != "json":
        return replace(media, others=others)
    takers = by_preference(other for other, schema in offered.items() if _takes_files(other, schema, references))
    if not takers:
        return media
    files = _described(takers[0], content, pointer, references, notes)
    return replace(media, files=replace(files, others=tuple(takers[1:])))


def _described(name: str, content: Json, pointer: str, references: References, notes: list[str]) -> Media:
    raw, where = references.follow(content[name], join(pointer, "content", name))
    if raw is None or (isinstance(raw, dict) and raw.get("schema", {}) is None):
        notes.append(remark("null in place of a schema: any value is accepted", where))
    raw = raw if isinstance(raw, dict) else {}
    schema = raw.get("schema")
    if schema is None and "itemSchema" in raw:  # OAS 3.2.0 section 4.14
        schema = {"type": "array", "items": raw["itemSchema"]}
    examples = _examples(raw, where, references)
    return Media(name, (schema, join(where, "schema")), where, raw.get("encoding"), examples=examples)


def best_of(offered: Mapping[str, Value], references: References) -> str:
    """Return the best of these media types, by the schemas of what they are for."""
    ordered = by_preference(offered)
    best, kind = ordered[0], kind_of(ordered[0])
    files = [name for name in ordered if kind_of(name) == "binary"]
    multipart = [name for name in ordered if kind_of(name) == "multipart" and _has_files(offered[name], references)]
    if kind == "json" and files + multipart and is_of_bytes(shapes_of(offered[best], references)):
        return (files + multipart)[0]
    if kind == "json":
        in_json = [name for name in ordered if kind_of(name) == "json"]
        return min(in_json, key=lambda name: _rank_in_json(name, offered[name], references))
    return multipart[0] if kind == "form" and multipart else best


def _rank_in_json(media_type: str, schema: Value, references: References) -> int:
    """A JSON Patch is a list of operations, and nothing else is one; a merge patch is mostly an object."""
    name = essence(media_type)
    if name == _JSON_PATCH:
        if shapes_of(schema, references) != {"list"}:
            return 5
        items = [part["items"] for part in parts_of(schema, references) if "items" in part]
        return 0 if any(_is_operation(each, references) for each in items) else 2
    return {"application/json": 1, _MERGE_PATCH: 3}.get(name, 4)


def with_operations(media: Media, references: References) -> Media:
    """Say what a JSON Patch is, where its schema leaves open what is in it."""
    if essence(media.media_type) != _JSON_PATCH:
        return media
    parts = list(parts_of(media.schema[0], references))
    if not shapes_of(media.schema[0], references) <= {"object"} or any(part.keys() - _WORDS for part in parts):
        return media
    return replace(media, schema=(_OPERATIONS, media.schema[1]))


def _is_operation(schema: Value, references: References) -> bool:
    return any("op" in (part.get("properties") or {}) for part in parts_of(schema, references))


def _takes_files(media_type: str, schema: Value, references: References) -> bool:
    if kind_of(media_type) == "multipart":
        return _has_files(schema, references)
    return kind_of(media_type) == "binary" and is_of_bytes(shapes_of(schema, references))


def _has_files(schema: Value, references: References) -> bool:
    named, further = uploads_among(schema, references)
    return bool(named) or bool(further)


def _schema_of(media: Value, references: References) -> Value:
    """Return the schema of a Media Type Object, which may be a reference (OAS 3.2)."""
    media = _followed(media, references)
    return media.get("schema") if isinstance(media, dict) else None


def _examples(media: Json, where: str, references: References) -> list[Value]:
    """Return the examples of a Media Type Object."""
    found = [media["example"]] if "example" in media else []
    stated = media.get("examples")
    for name, each in stated.items() if isinstance(stated, dict) else ():
        try:
            example, _ = references.follow(each, join(where, "examples", name))
        except Unresolvable:
            continue
        found += [example["value"]] if isinstance(example, dict) and "value" in example else []
    return found


def _followed(raw: Value, references: References) -> Value:
    try:
        return references.follow(raw, "")[0]
    except Unresolvable:
        return None


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
