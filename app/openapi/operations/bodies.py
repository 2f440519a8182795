"""Request Body Objects (OAS 3.1.1 section 4.8.13): which media type is sent, and what a caller may say for it."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import cached_property, reduce
from operator import or_
from types import NoneType

from app.openapi.operations.examples import examples_of, one_example, says_little
from app.openapi.operations.media import (
    JSON_PATCH,
    Media,
    ReadBody,
    best_of,
    files_beside,
    no_files,
    with_files,
    with_operations,
)
from app.openapi.operations.objects import EncodingObject, RequestBodyObject
from app.openapi.operations.parts import Input, Members, Unusable, members_of, parse
from app.openapi.operations.uploads import (
    BYTES_ONLY,
    Shape,
    Upload,
    bytes_in,
    is_of_bytes,
    is_structured,
    shapes_of,
    upload_of,
    uploads_among,
)
from app.openapi.schema.definitions import Definition, together
from app.openapi.schema.schemas import Schemas
from app.operation.media_types import (
    BYTES,
    Kind,
    charset_of,
    concrete,
    essence,
    is_any,
    is_known_binary,
    is_media_type,
    is_range,
    kind_of,
)
from app.operation.operation import Body, BodyField, Json, Style, Value
from app.operation.pointers import References, Unresolvable, join, remark
from app.operation.text import hides_something, named, shortened, summed_up, written_out

_STYLES: tuple[Style, ...] = ("form", "spaceDelimited", "pipeDelimited", "deepObject")
_WHOLE = "body"
_TEXT: Json = {"type": "string"}
_NO_FORMS = ("array", "boolean", "integer", "number", "string")
_SHOWN_ONLY = "Not described: the document only has an example with it."
_LONGEST_SAID = 400  # characters of each description of a body whose members are arguments
_REQUIRED_ONLY = "Not described: the document only says that it is required."
_MOST_SHOWN_ONLY = 20  # such members
_LONGEST_SHOWN = 60  # characters of a name in the report


def read_body(raw: Value, pointer: str, schemas: Schemas, notes: list[str]) -> ReadBody | None:
    """Return the body, or None where the operation has none. A body that cannot be read is any JSON."""
    if raw is None:
        return None
    try:
        node, place = schemas.references.described(raw, pointer)
        content = node.get("content") if isinstance(node, dict) else None
        parsed = parse(RequestBodyObject, node, place, notes)
        media = _chosen(content, place, schemas.references, notes)
    except (Unresolvable, Unusable) as error:
        notes.append(remark(f"the body is taken as any JSON: {error}", pointer))
        parsed, media = RequestBodyObject(), Media("application/json", (None, pointer), pointer)
    return read_media(parsed, media, schemas, notes)


def read_media(parsed: RequestBodyObject, media: Media, schemas: Schemas, notes: list[str]) -> ReadBody:
    """Return the body that is sent in that media type."""
    if essence(media.media_type) == JSON_PATCH:
        media = with_operations(media, schemas.references)
    return replace(_Reader(parsed, media, schemas, notes).read(), examples=media.examples)


def _chosen(content: Value, pointer: str, references: References, notes: list[str]) -> Media:
    """Prefer JSON, then forms; but a form that carries files is sent as multipart where that is offered.

    Raises Unusable and Unresolvable.
    """
    if not isinstance(content, dict):
        raise Unusable("`content` is not an object", pointer)
    usable = [name for name in content if is_media_type(name) and isinstance(content[name], dict | NoneType)]
    if not usable:
        raise Unusable("`content` names no media type", pointer)
    unread = (name for name in content.keys() - usable if not name.startswith("x-"))
    notes += (remark("a media type cannot be read", join(pointer, "content", name)) for name in sorted(unread))
    if len(usable) == 1:
        return _described(usable[0], content, pointer, references, notes)
    offered = {name: _schema_of(content[name], references) for name in usable}
    name = best_of(offered, references)
    others = tuple(other for other, schema in offered.items() if other != name and schema == offered[name])
    media = replace(_described(name, content, pointer, references, notes), others=others)
    if not (takers := files_beside(name, offered, references)):
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
    examples = examples_of(raw, where, references)
    return Media(name, (schema, join(where, "schema")), where, raw.get("encoding"), examples=examples)


def _schema_of(media: Value, references: References) -> Value:
    """Return the schema of a Media Type Object, which may be a reference (OAS 3.2)."""
    try:
        media, _ = references.follow(media, "")
    except Unresolvable:
        return None
    return media.get("schema") if isinstance(media, dict) else None


class _Reader:
    def __init__(self, parsed: RequestBodyObject, media: Media, schemas: Schemas, notes: list[str]) -> None:
        self._parsed = parsed
        self._media = media
        self._schemas = schemas
        self._notes = notes
        self._root = self._followed(media.schema[0])
        self._kind, media_type = self._sent_as(media.media_type)
        self._body = Body(media_type=media_type, required=parsed.required)

    def read(self) -> ReadBody:
        if self._kind in {"json", "form", "multipart"}:
            members = self._media.members or members_of(*self._media.schema, self._schemas.references)
            flat = None if members is None else self._fields(members)
            if flat is not None and members is not None and flat.inputs:
                return flat if self._media.files is None else self._with_files(flat, members, self._media.files)
        if self._media.files is not None:
            self._notes.append(no_files(self._media.files))
        if self._kind == "json":
            return self._whole(self._any())
        if self._kind == "text":
            return self._whole(self._text(), said=self._members_in_words())
        if self._kind == "lines":
            return self._whole(self._lines() if is_structured(self._shapes) or not self._shapes else self._text())
        if self._kind == "binary":
            return self._bytes()
        return self._form()

    @cached_property
    def _shapes(self) -> set[Shape]:
        return shapes_of(self._media.schema[0], self._schemas.references)

    def _sent_as(self, media_type: str) -> tuple[Kind, str]:
        """What any media type is good for is sent as what the schema describes."""
        if is_any(media_type) and is_of_bytes(self._shapes):
            return "binary", BYTES
        if is_any(media_type) and self._shapes == {"text"}:
            return "text", "text/plain"
        return kind_of(media_type), concrete(media_type)

    def _fields(self, members: Members) -> ReadBody:
        fields, inputs, read_only = [], [], []
        undescribed = {} if members.closed else {**self._shown_only(members), **self._required_only(members)}
        for name, places in {**members.schemas, **undescribed}.items():
            if any(self._schemas.is_read_only(raw) for raw, _ in places):
                read_only.append(name)
                continue
            if hides_something(name):
                self._notes.append(remark("a member with invisible characters in its name was left out", places[0][1]))
                continue
            schemas, encoding = [raw for raw, _ in places], self._encoding(name)
            upload = self._upload(schemas, encoding)
            field = _field(name, upload, encoding, self._kind)
            definition = together([self._schemas.read(raw, where) for raw, where in places])
            if upload is not None or self._is_written(field, schemas):
                said = Definition(_TEXT if upload is None else upload.schema, notes=definition.notes)
                definition = said.described(description=definition.schema.get("description"))
            needed = name in members.required and name in members.schemas
            always = needed and self._body.required
            fields.append(field)
            inputs.append(Input(_WHOLE, name, always, definition, once_given=needed and not always))
        kept = tuple(read_only) if self._kind == "form" else ()
        body = replace(self._body, fields=tuple(fields), read_only=kept)
        return ReadBody(body, tuple(inputs), said=self._said())

    def _said(self) -> str:
        """Return what the document says of the body as a whole: of it, and of its schema."""
        texts = (self._parsed.description, self._described_by_schema())
        if any(hides_something(each or "") for each in texts):
            self._notes.append(remark("invisible or control characters were taken out", self._media.pointer))
        return summed_up(*(shortened(each or "", _LONGEST_SAID) for each in texts))

    def _described_by_schema(self) -> str | None:
        try:
            schema, _ = self._schemas.references.described(*self._media.schema)
        except Unresolvable:
            return None
        said = schema.get("description") if isinstance(schema, dict) else None
        return said if isinstance(said, str) else None

    def _with_files(self, flat: ReadBody, own: Members, media: Media) -> ReadBody:
        """Take the files of what is offered beside the JSON; see `with_files`."""
        members = members_of(*media.schema, self._schemas.references)
        form = None if members is None else _Reader(self._parsed, media, self._schemas, [])._fields(members)
        body, lost = with_files(flat, own, form, media, self._schemas.references)
        self._notes += lost
        return body

    def _shown_only(self, members: Members) -> dict[str, list[tuple[Value, str]]]:
        """Return the members that the document's own examples have and its schema, which is open, does not declare."""
        pointer = self._media.schema[1]
        found: dict[str, list[tuple[Value, str]]] = {}
        for example in self._examples():
            for name, value in example.items() if isinstance(example, dict) else ():
                if name not in members.schemas and len(found) < _MOST_SHOWN_ONLY:
                    found[name] = [({"description": _SHOWN_ONLY, "example": value}, join(pointer, "properties", name))]
        return found

    def _required_only(self, members: Members) -> dict[str, list[tuple[Value, str]]]:
        """Return the members that are required and not declared: optional here, because it may be another's name."""
        names = [name for name in members.required if name not in members.schemas]
        if names:
            listed = named([written_out(name)[:_LONGEST_SHOWN] for name in names], "and")
            self._notes.append(remark(f"required and not described: {listed}", self._media.schema[1]))
        where, declared = join(self._media.schema[1], "required"), {name.lower() for name in members.schemas}
        return {name: [({"description": _REQUIRED_ONLY}, where)] for name in names if name.lower() not in declared}

    def _examples(self) -> list[Value]:
        """Return the document's own examples: of the media type, then of its schema."""
        schema = self._root
        own = [schema["example"]] if isinstance(schema, dict) and "example" in schema else []
        listed = schema.get("examples") if isinstance(schema, dict) else None
        return [*(each.value for each in self._media.examples), *own, *(listed if isinstance(listed, list) else [])]

    def _upload(self, schemas: Sequence[Value], encoding: EncodingObject | None) -> Upload | None:
        """Return what a field takes that takes files."""
        if self._kind != "multipart":
            return None
        references = self._schemas.references
        if found := reduce(or_, (upload_of(raw, references) for raw in schemas), Upload()):
            return found
        several = any("list" in shapes_of(raw, references) for raw in schemas)
        return Upload(one=not several, several=several) if _is_for_bytes(encoding) else None

    def _is_written(self, field: BodyField, schemas: Iterable[Value]) -> bool:
        """Whether an object is a text by its media type, such as XML, which a caller has to write."""
        if field.content_type is None or kind_of(field.content_type) != "text":
            return False
        return any("object" in shapes_of(raw, self._schemas.references) for raw in schemas)

    def _encoding(self, name: str) -> EncodingObject | None:
        encodings = self._media.encoding
        if self._kind not in {"form", "multipart"} or not isinstance(encodings, dict) or name not in encodings:
            return None
        where = join(self._media.pointer, "encoding", name)
        try:
            return parse(EncodingObject, encodings[name], where, self._notes)
        except Unusable as error:
            self._notes.append(remark(f"an encoding was left out: {error}", where))
            return None

    def _form(self) -> ReadBody:
        """A form that one argument holds whole: `fields` are its members that are not simply written, in any branch."""
        raw, root = self._media.schema[0], self._root
        if isinstance(root, dict) and root.get("type", "object") in _NO_FORMS:
            return self._form_without_names(raw)
        references = self._schemas.references
        named, further = uploads_among(raw, references) if self._kind == "multipart" else ({}, None)
        encodings = self._media.encoding if isinstance(self._media.encoding, dict) else {}
        encoded = {name: self._encoding(name) for name in {**named, **encodings}}
        named |= {name: Upload(one=True) for name, each in encoded.items() if name not in named and _is_for_bytes(each)}
        fields = tuple(_field(name, named.get(name), each, self._kind) for name, each in encoded.items())
        files = [*(f"`{name}`" for name in named), *(["further members"] if further else [])]
        said = f"Files, their bytes in base64: {', '.join(files)}." if files else ""
        return self._whole(self._any(), binary=bool(further), fields=fields, said=said)

    def _form_without_names(self, raw: Value) -> ReadBody:
        self._notes.append(
            remark("the fields of the form have no names here: a caller names them", self._media.pointer)
        )
        upload = self._upload([raw], None)
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
        shown = self._followed(self._media.schema[0]) if not self._is_object_in_text else None
        if (examples := self._examples()) and says_little(shown):
            definition = definition.described(examples=one_example(examples, self._kind))
        return ReadBody(body, (Input(_WHOLE, _WHOLE, body.required, definition),))

    def _any(self) -> Definition:
        return self._schemas.read(*self._media.schema)

    def _text(self) -> Definition:
        definition = self._any()
        if definition.schema.get("type") == "string":
            as_text = {keyword: value for keyword, value in definition.schema.items() if keyword not in BYTES_ONLY}
            return replace(definition, schema=as_text)
        is_scalar = self._shapes and self._shapes <= {"text", "other"}
        return definition if is_scalar else Definition(_TEXT, notes=definition.notes)

    @property
    def _is_object_in_text(self) -> bool:
        """Whether a caller writes an object as a text, such as XML, so that the schema is not shown."""
        return self._kind == "text" and "object" in self._shapes

    def _members_in_words(self) -> str:
        members = members_of(*self._media.schema, self._schemas.references) if self._is_object_in_text else None
        if members is None:
            return ""
        sent = {
            name: places
            for name, places in members.schemas.items()
            if not hides_something(name) and not any(self._schemas.is_read_only(raw) for raw, _ in places)
        }
        return f"Its members: {named(list(sent), 'and')}." if sent else ""

    def _lines(self) -> Definition:
        """A list of what the lines hold; a schema that is no list is taken for that of one line, or of all."""
        definition = self._any()
        if not self._shapes:
            return Definition({"type": ["array", "string"], "items": {}}, notes=definition.notes)
        if "list" in self._shapes:
            return definition
        return replace(definition, schema={"anyOf": [{"type": "array", "items": definition.schema}, definition.schema]})

    def _bytes(self) -> ReadBody:
        media_type = self._body.media_type
        is_bytes = is_known_binary(media_type) or essence(media_type) == BYTES or is_range(media_type)
        if is_structured(self._shapes):
            if not is_bytes:
                return self._whole(self._any())
            self._notes.append(
                remark(f"`{essence(media_type)}` is sent as bytes that a caller has made", self._media.pointer)
            )
        elif not is_bytes and (self._shapes == {"text"} or (not self._shapes and charset_of(media_type))):
            return self._whole(self._text())
        stated = [self._media.media_type, *(other for other in self._media.others if kind_of(other) == "binary")]
        return self._whole(Definition(bytes_in(media_type, stated)), binary=True)


def _field(name: str, upload: Upload | None, encoding: EncodingObject | None, kind: Kind) -> BodyField:
    field = BodyField(name, name, binary=upload is not None, or_text=upload is not None and upload.text)
    if encoding is None:
        return field
    content_type = next((each for each in _types_of(encoding) if not is_range(each)), None)
    if kind == "multipart" or not encoding.model_fields_set & {"style", "explode", "allow_reserved"}:
        return replace(field, content_type=content_type)
    style = next((style for style in _STYLES if style == encoding.style), _STYLES[0])
    return replace(field, style=style, explode=style == "form" if encoding.explode is None else encoding.explode)


def _types_of(encoding: EncodingObject) -> list[str]:
    stated = (each.strip() for each in (encoding.content_type or "").split(","))
    return [each for each in stated if is_media_type(each)]


def _is_for_bytes(encoding: EncodingObject | None) -> bool:
    stated = [] if encoding is None else _types_of(encoding)
    return bool(stated) and all(is_known_binary(each) or essence(each) == BYTES for each in stated)
