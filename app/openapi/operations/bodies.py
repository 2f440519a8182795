"""Request Body Objects (OAS 3.1.1 section 4.8.13): which media type is sent, and what a caller may say for it."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from functools import reduce
from operator import or_
from types import NoneType

from app.openapi.operations.objects import EncodingObject, RequestBodyObject
from app.openapi.operations.parts import Input, Unusable, examples_of, parse
from app.openapi.operations.uploads import Upload, upload_of, uploads_among
from app.openapi.schema.definitions import Definition, Shown
from app.openapi.schema.meaning import CLOSING
from app.openapi.schema.schemas import Schemas
from app.operation.media_types import Kind, by_preference, concrete, essence, is_media_type, kind_of
from app.operation.operation import Body, BodyField, Json, Style, Value
from app.operation.pointers import References, Unresolvable, join, remark
from app.operation.text import hides_something, shortened

_STYLES: tuple[Style, ...] = ("form", "spaceDelimited", "pipeDelimited", "deepObject")
_WHOLE = "body"
_NO_FORMS = ("array", "boolean", "integer", "number", "string")
_SHOWN_ONLY = "Not described: the document only has an example with it."
_MOST_SHOWN_ONLY = 20  # such members
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
class ReadBody:
    """The body and what a caller may say for it: one input for the whole, or one for each of `body.fields`.

    `examples` are of the body as a whole.
    """

    body: Body
    inputs: tuple[Input, ...]
    examples: tuple[Shown, ...] = ()


@dataclass(frozen=True, slots=True)
class Media:
    """The media type that is sent, and what the document says about it.

    `schema` comes with its pointer. `members` is set where there are only members and no schema.
    """

    media_type: str
    schema: tuple[Value, str]
    pointer: str
    encoding: Value = None
    members: Members | None = None
    examples: tuple[Shown, ...] = ()


def read_body(raw: Value, pointer: str, schemas: Schemas, notes: list[str]) -> ReadBody | None:
    """Return the body, or None where the operation has none. A body that cannot be read is any JSON."""
    if raw is None:
        return None
    try:
        node, place = schemas.references.follow(raw, pointer)
        content = node.get("content") if isinstance(node, dict) else None
        parsed = parse(RequestBodyObject, node, place, notes)
        media = _chosen(content, place, schemas, notes)
    except (Unresolvable, Unusable) as error:
        notes.append(remark(f"the body is taken as any JSON: {error}", pointer))
        parsed, media = RequestBodyObject(), Media("application/json", (None, pointer), pointer)
    return read_media(parsed, media, schemas, notes)


def read_media(parsed: RequestBodyObject, media: Media, schemas: Schemas, notes: list[str]) -> ReadBody:
    """Return the body that is sent in that media type."""
    return replace(_Reader(parsed, media, schemas, notes).read(), examples=media.examples)


def _chosen(content: Value, pointer: str, schemas: Schemas, notes: list[str]) -> Media:
    """Prefer JSON, then forms; but a form that carries files is sent as multipart where that is offered."""
    if not isinstance(content, dict):
        raise Unusable("`content` is not an object", pointer)
    usable = [name for name in content if is_media_type(name) and isinstance(content[name], dict | NoneType)]
    if not usable:
        raise Unusable("`content` names no media type", pointer)
    ordered = by_preference(usable)
    chosen = ordered[0]
    if kind_of(chosen) == "form":
        multipart = [name for name in ordered if kind_of(name) == "multipart"]
        chosen = next((name for name in multipart if _has_files(content[name], schemas)), chosen)
    raw, where = schemas.references.follow(content[chosen], join(pointer, "content", chosen))
    if raw is None or (isinstance(raw, dict) and raw.get("schema", {}) is None):
        notes.append(remark("null in place of a schema: any value is accepted", where))
    raw = raw if isinstance(raw, dict) else {}
    schema = raw.get("schema"), join(where, "schema")
    examples = examples_of(raw, where, schemas.references)
    return Media(chosen, schema, where, raw.get("encoding"), examples=examples)


def _has_files(media: Value, schemas: Schemas) -> bool:
    named, further = uploads_among(media.get("schema") if isinstance(media, dict) else None, schemas.references)
    return bool(named) or bool(further)


class _Reader:
    def __init__(self, parsed: RequestBodyObject, media: Media, schemas: Schemas, notes: list[str]) -> None:
        self._parsed = parsed
        self._media = media
        self._schemas = schemas
        self._notes = notes
        self._kind: Kind = kind_of(media.media_type)
        self._body = Body(media_type=concrete(media.media_type), required=parsed.required)

    def read(self) -> ReadBody:
        if self._kind in {"json", "form", "multipart"}:
            members = self._media.members or members_of(*self._media.schema, self._schemas.references)
            flat = None if members is None else self._fields(members)
            if flat is not None and flat.inputs:
                return flat
        if self._kind == "json":
            return self._whole(self._any())
        if self._kind == "text":
            return self._whole(self._text())
        if self._kind == "binary":
            return self._bytes()
        return self._form()

    def _fields(self, members: Members) -> ReadBody:
        fields, inputs, read_only = [], [], []
        for name, places in {**members.schemas, **self._shown_only(members)}.items():
            if any(self._schemas.is_read_only(raw) for raw, _ in places):
                read_only.append(name)
                continue
            if hides_something(name):
                self._notes.append(remark("a member with invisible characters in its name was left out", places[0][1]))
                continue
            upload = self._upload([raw for raw, _ in places])
            field = self._field(name, upload)
            definition = _together([self._schemas.read(raw, where) for raw, where in places])
            if upload is not None:
                file = Definition(upload.schema, notes=definition.notes)
                definition = file.described(description=definition.schema.get("description"))
            needed = name in members.required
            always = needed and self._body.required
            fields.append(field)
            inputs.append(Input(_WHOLE, name, always, definition, once_given=needed and not always))
        kept = tuple(read_only) if self._kind == "form" else ()
        return ReadBody(replace(self._body, fields=tuple(fields), read_only=kept), tuple(inputs))

    def _shown_only(self, members: Members) -> dict[str, list[tuple[Value, str]]]:
        """Return the members that the document's own examples have and its schema, which is open, does not declare."""
        raw, pointer = self._media.schema
        schema = self._followed(raw)
        own = [schema["example"]] if isinstance(schema, dict) and "example" in schema else []
        listed = schema.get("examples") if isinstance(schema, dict) else None
        own += listed if isinstance(listed, list) else []
        found: dict[str, list[tuple[Value, str]]] = {}
        for example in (*(each.value for each in self._media.examples), *own):
            for name, value in example.items() if isinstance(example, dict) and not members.closed else ():
                if name not in members.schemas and len(found) < _MOST_SHOWN_ONLY:
                    found[name] = [({"description": _SHOWN_ONLY, "example": value}, join(pointer, "properties", name))]
        return found

    def _upload(self, schemas: Iterable[Value]) -> Upload | None:
        """Return what a field takes that takes files."""
        if self._kind != "multipart":
            return None
        return reduce(or_, (upload_of(raw, self._schemas.references) for raw in schemas)) or None

    def _field(self, name: str, upload: Upload | None) -> BodyField:
        field = BodyField(argument=name, name=name)
        if upload is not None:
            field = replace(field, binary=True, or_text=upload.text)
        encoding = self._encoding(name) if self._kind in {"form", "multipart"} else None
        return field if encoding is None else _encoded(field, encoding, self._kind)

    def _encoding(self, name: str) -> EncodingObject | None:
        encodings = self._media.encoding
        if not isinstance(encodings, dict) or name not in encodings:
            return None
        where = join(self._media.pointer, "encoding", name)
        try:
            return parse(EncodingObject, encodings[name], where, self._notes)
        except Unusable as error:
            self._notes.append(remark(f"an encoding was left out: {error}", where))
            return None

    def _form(self) -> ReadBody:
        """A form that one argument holds whole: `fields` are its members that are not simply written, in any branch."""
        raw = self._media.schema[0]
        root = self._followed(raw)
        if isinstance(root, dict) and root.get("type", "object") in _NO_FORMS:
            return self._form_without_names(raw)
        references = self._schemas.references
        named, further = uploads_among(raw, references) if self._kind == "multipart" else ({}, None)
        encodings = self._media.encoding if isinstance(self._media.encoding, dict) else {}
        fields = tuple(self._field(name, named.get(name)) for name in {**named, **encodings})
        files = [*(f"`{name}`" for name in named), *(["further members"] if further else [])]
        said = f"Files, their bytes in base64: {', '.join(files)}." if files else ""
        return self._whole(self._any(), binary=bool(further), fields=fields, said=said)

    def _form_without_names(self, raw: Value) -> ReadBody:
        self._notes.append(
            remark("the fields of the form have no names here: a caller names them", self._media.pointer)
        )
        upload = self._upload([raw])
        shown = {} if upload is None else replace(upload, one=True, several=True).schema
        return self._whole(Definition({"type": "object", "additionalProperties": shown}), binary=upload is not None)

    def _followed(self, raw: Value) -> Value:
        try:
            return self._schemas.references.follow(raw, "")[0]
        except Unresolvable:
            return raw

    def _whole(
        self, definition: Definition, *, binary: bool = False, fields: tuple[BodyField, ...] = (), said: str = ""
    ) -> ReadBody:
        body = replace(self._body, argument=_WHOLE, binary=binary, fields=fields)
        description = shortened(self._parsed.description or "")
        if hides_something(self._parsed.description or ""):
            self._notes.append(remark("invisible or control characters were taken out", self._media.pointer))
        if not description and "description" not in definition.schema:
            description = f"The body ({essence(self._body.media_type)})."
        if said:
            description = f"{description or definition.schema['description']} {said}"
        definition = definition.described(description=description or None)
        return ReadBody(body, (Input(_WHOLE, _WHOLE, body.required, definition),))

    def _any(self) -> Definition:
        return self._schemas.read(*self._media.schema)

    def _text(self) -> Definition:
        definition = self._any()
        if definition.schema.get("type") == "string":
            return definition
        return Definition({"type": "string"}, notes=definition.notes)

    def _bytes(self) -> ReadBody:
        raw = self._followed(self._media.schema[0])
        if isinstance(raw, dict) and (raw.get("type") in ("object", "array") or "properties" in raw):
            return self._whole(self._any())
        return self._whole(Definition(_base64_of(self._body.media_type)), binary=True)


def _encoded(field: BodyField, encoding: EncodingObject, kind: Kind) -> BodyField:
    stated = [each.strip() for each in (encoding.content_type or "").split(",")]
    content_type = next((each for each in stated if is_media_type(each) and "*" not in essence(each)), None)
    if kind == "multipart" or not encoding.model_fields_set & {"style", "explode", "allow_reserved"}:
        return replace(field, content_type=content_type)
    style = next((style for style in _STYLES if style == encoding.style), _STYLES[0])
    return replace(field, style=style, explode=style == "form" if encoding.explode is None else encoding.explode)


def _together(definitions: list[Definition]) -> Definition:
    if len(definitions) == 1:
        return definitions[0]
    distinct = [
        each for number, each in enumerate(definitions) if each.schema not in [d.schema for d in definitions[:number]]
    ]
    if len(distinct) == 1:
        return distinct[0]
    return Definition(
        {"allOf": [each.schema for each in distinct]},
        tuple(name for each in distinct for name in each.references),
        tuple(note for each in distinct for note in each.notes),
        sum(each.weight for each in distinct),
        pointer=distinct[0].pointer,
        examples=tuple(shown for each in distinct for shown in each.examples),
    )


def _base64_of(media_type: str) -> Json:
    """Return the schema of a body of bytes."""
    description = f"The body ({media_type}) in base64."
    return {"type": "string", "contentEncoding": "base64", "contentMediaType": media_type, "description": description}


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
