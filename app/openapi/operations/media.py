"""Which of several media types of a body is sent (OAS 3.1.1 section 4.8.14), and what a JSON Patch is."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from app.openapi.operations.parts import Members
from app.openapi.operations.uploads import is_of_bytes, parts_of, shapes_of, uploads_among
from app.operation.media_types import (
    by_preference,
    essence,
    kind_of,
)
from app.operation.operation import Json, Value
from app.operation.pointers import References

JSON_PATCH = "application/json-patch+json"  # RFC 6902
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
        best = min(in_json, key=lambda name: _rank_in_json(name, offered[name], references))
        merge = [name for name in in_json if essence(name) == _MERGE_PATCH and essence(best) == JSON_PATCH]
        return next((name for name in merge if "object" in shapes_of(offered[name], references)), best)
    return multipart[0] if kind == "form" and multipart else best


def _rank_in_json(media_type: str, schema: Value, references: References) -> int:
    """A JSON Patch is a list of operations, and nothing else is one; a merge patch is mostly an object."""
    name = essence(media_type)
    if name == JSON_PATCH:
        if shapes_of(schema, references) != {"list"}:
            return 5
        items = [part["items"] for part in parts_of(schema, references) if "items" in part]
        return 0 if any(_is_operation(each, references) for each in items) else 2
    return {"application/json": 1, _MERGE_PATCH: 3}.get(name, 4)


def with_operations(media: Media, references: References) -> Media:
    """Say what is in a JSON Patch, where its schema leaves open what is in it."""
    parts = list(parts_of(media.schema[0], references))
    if not shapes_of(media.schema[0], references) <= {"object"} or any(part.keys() - _WORDS for part in parts):
        return media
    return replace(media, schema=(_OPERATIONS, media.schema[1]))


def _is_operation(schema: Value, references: References) -> bool:
    return any("op" in (part.get("properties") or {}) for part in parts_of(schema, references))


def files_beside(media_type: str, offered: Mapping[str, Value], references: References) -> list[str]:
    """Return the other media types that take files, where values are sent as JSON."""
    if kind_of(media_type) != "json":
        return []
    in_bytes = [name for name in offered if kind_of(name) == "binary"]
    return [
        *(name for name in offered if kind_of(name) == "multipart" and _has_files(offered[name], references)),
        *(name for name in in_bytes if is_of_bytes(shapes_of(offered[name], references))),
    ]


def _has_files(schema: Value, references: References) -> bool:
    named, further = uploads_among(schema, references)
    return bool(named) or bool(further)
