"""Which of several media types of a body is sent (OAS 3.1.1 section 4.8.14), and what of the others is kept."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from app.openapi.operations.parts import Input, Members
from app.openapi.operations.uploads import (
    bytes_in,
    is_of_bytes,
    is_structured,
    or_file,
    parts_of,
    shapes_of,
    uploads_among,
)
from app.openapi.schema.definitions import Definition, Shown
from app.operation.media_types import by_preference, concrete, essence, kind_of
from app.operation.operation import Body, BodyField, Json, Value
from app.operation.pointers import References, remark
from app.operation.text import shortened

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
_LONGEST_SHOWN = 60  # characters of a name
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
    examples: tuple[Shown, ...] = ()
    others: tuple[str, ...] = ()
    files: "Media | None" = None


@dataclass(frozen=True, slots=True)
class ReadBody:
    """The body and what a caller may say for it: one input for the whole, or one for each of `body.fields`.

    `examples` are of the body as a whole. `said`: what the document says of it, where no input says so.
    """

    body: Body
    inputs: tuple[Input, ...]
    examples: tuple[Shown, ...] = ()
    said: str = ""


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


def with_files(
    flat: ReadBody, own: Members, form: ReadBody | None, media: Media, references: References
) -> tuple[ReadBody, list[str]]:
    """Return the JSON body with the files of `media` beside it, and notes of those that cannot be.

    What the JSON requires has to go with them, and no other value may be taken for one. `form` is what `media` is read
    as where it is a form.
    """
    needed = {each.name for each in flat.inputs if each.required or each.once_given}
    if kind_of(media.media_type) == "binary" and not needed:
        return _with_bytes(flat, media), []
    if form is None or needed - {each.name for each in form.inputs}:
        return flat, [no_files(media)]
    lost = []
    inputs = {each.name: each for each in flat.inputs}
    fields = {each.name: each for each in flat.body.fields}
    for field, each in zip(form.body.fields, form.inputs, strict=True):
        mine = inputs.get(each.name)
        if field.binary and mine is None:
            inputs[each.name] = replace(each, required=False, once_given=False)
        elif field.binary and mine is not None and _is_scalar(own, each.name, references):
            inputs[each.name] = replace(mine, schema=or_file(mine.schema))
        elif field.binary or mine is None:
            lost.append(no_files(media, each.name))
            continue
        fields[each.name] = replace(field, or_text=field.or_text or (field.binary and mine is not None))
    body = replace(flat.body, fields=tuple(fields.values()), with_files=concrete(media.media_type))
    return replace(flat, body=body, inputs=tuple(inputs.values())), lost


def _with_bytes(flat: ReadBody, media: Media) -> ReadBody:
    """Take bytes in place of all members, under a name that none of them has."""
    name, taken = "file", {each.name for each in flat.inputs}
    while name in taken:
        name += "_"
    media_type = concrete(media.media_type)
    definition = Definition(bytes_in(media_type, [media.media_type, *media.others]))
    said = f"Sent instead of all else of the body. {definition.schema['description']}"
    file = Input("body", name, False, definition.described(description=said))
    fields = (*flat.body.fields, BodyField(argument=name, name=name, binary=True))
    body = replace(flat.body, fields=fields, with_files=media_type)
    return replace(flat, body=body, inputs=(*flat.inputs, file))


def _is_scalar(members: Members, name: str, references: References) -> bool:
    shapes = [shapes_of(raw, references) for raw, _ in members.schemas.get(name, ())]
    return any(shapes) and not any(map(is_structured, shapes))


def no_files(media: Media, name: str | None = None) -> str:
    """Return the note for files, or one of them, that are offered beside JSON and left out."""
    what = "its files are" if name is None else f"its `{shortened(name, _LONGEST_SHOWN)}` is"
    return remark(f"JSON is sent instead of `{essence(media.media_type)}`, and {what} left out", media.pointer)


def _has_files(schema: Value, references: References) -> bool:
    named, further = uploads_among(schema, references)
    return bool(named) or bool(further)
