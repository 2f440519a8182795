"""Request Body Objects (OAS 3.1.1 section 4.8.13): which media type is sent, and what a caller may say for it."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import reduce
from operator import or_

from app.openapi.operations.media import Media, Members, chosen, members_of, with_operations
from app.openapi.operations.objects import EncodingObject, RequestBodyObject
from app.openapi.operations.parts import Input, Unusable, parse
from app.openapi.operations.uploads import (
    BYTES_ONLY,
    Shape,
    Upload,
    bytes_in,
    is_of_bytes,
    is_structured,
    or_file,
    shapes_of,
    upload_of,
    uploads_among,
)
from app.openapi.schema.definitions import Definition
from app.openapi.schema.schemas import Schemas
from app.operation.media_types import (
    BYTES,
    Kind,
    concrete,
    essence,
    is_any,
    is_known_binary,
    is_media_type,
    is_range,
    kind_of,
)
from app.operation.operation import Body, BodyField, Style, Value
from app.operation.pointers import Unresolvable, join, remark
from app.operation.text import hides_something, shortened

_STYLES: tuple[Style, ...] = ("form", "spaceDelimited", "pipeDelimited", "deepObject")
_WHOLE = "body"
_LONGEST_SHOWN = 60  # characters of a name
_NO_FORMS = ("array", "boolean", "integer", "number", "string")
_SHOWN_ONLY = "Not described: the document only has an example with it."
_MOST_SHOWN_ONLY = 20  # such members


@dataclass(frozen=True, slots=True)
class ReadBody:
    """The body and what a caller may say for it: one input for the whole, or one for each of `body.fields`."""

    body: Body
    inputs: tuple[Input, ...]


def read_body(raw: Value, pointer: str, schemas: Schemas, notes: list[str]) -> ReadBody | None:
    """Return the body, or None where the operation has none. A body that cannot be read is any JSON."""
    if raw is None:
        return None
    try:
        node, place = schemas.references.follow(raw, pointer)
        content = node.get("content") if isinstance(node, dict) else None
        parsed = parse(RequestBodyObject, node, place, notes)
        media = chosen(content, place, schemas.references, notes)
    except (Unresolvable, Unusable) as error:
        notes.append(remark(f"the body is taken as any JSON: {error}", pointer))
        parsed, media = RequestBodyObject(), Media("application/json", (None, pointer), pointer)
    return read_media(parsed, media, schemas, notes)


def read_media(parsed: RequestBodyObject, media: Media, schemas: Schemas, notes: list[str]) -> ReadBody:
    """Return the body that is sent in that media type."""
    return _Reader(parsed, with_operations(media, schemas.references), schemas, notes).read()


class _Reader:
    def __init__(self, parsed: RequestBodyObject, media: Media, schemas: Schemas, notes: list[str]) -> None:
        self._parsed = parsed
        self._media = media
        self._schemas = schemas
        self._notes = notes
        self._root = self._followed(media.schema[0])
        self._shapes = shapes_of(media.schema[0], schemas.references)
        self._kind, media_type = _sent_as(media.media_type, self._shapes)
        self._body = Body(media_type=media_type, required=parsed.required)

    def read(self) -> ReadBody:
        if self._kind in {"json", "form", "multipart"}:
            members = self._media.members or members_of(*self._media.schema, self._schemas.references)
            flat = None if members is None else self._fields(members)
            if flat is not None and flat.inputs:
                return flat if self._media.files is None else self._with_files(flat, members, self._media.files)
        if self._media.files is not None:
            self._no_files(self._media.files)
        if self._kind == "json":
            return self._whole(self._any())
        if self._kind == "text":
            return self._whole(self._text())
        if self._kind == "lines":
            return self._whole(self._lines() if is_structured(self._shapes) or not self._shapes else self._text())
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

    def _with_files(self, flat: ReadBody, own: Members | None, media: Media) -> ReadBody:
        """Take the files of a form beside the JSON, where no other value can be taken for one."""
        if kind_of(media.media_type) == "binary":
            return self._with_bytes(flat, media)
        members = members_of(*media.schema, self._schemas.references)
        form = None if members is None else _Reader(self._parsed, media, self._schemas, [])._fields(members)
        if form is None or members is None or own is None:
            self._no_files(media)
            return flat
        inputs = {each.name: each for each in flat.inputs}
        fields = {each.name: each for each in flat.body.fields}
        for field, each in zip(form.body.fields, form.inputs, strict=True):
            mine = inputs.get(each.name)
            if field.binary and mine is None:
                inputs[each.name] = replace(each, required=False, once_given=False)
            elif field.binary and mine is not None and self._is_scalar(own, each.name):
                inputs[each.name] = replace(mine, schema=or_file(mine.schema))
            elif field.binary or mine is None:
                self._no_files(media, each.name)
                continue
            fields[each.name] = replace(field, or_text=field.or_text or (field.binary and mine is not None))
        given = [each if each.name in members.required else _unless_files(each) for each in inputs.values()]
        body = replace(flat.body, fields=tuple(fields.values()), with_files=concrete(media.media_type))
        return ReadBody(body, tuple(given))

    def _with_bytes(self, flat: ReadBody, media: Media) -> ReadBody:
        """Take bytes in place of all members, under a name that none of them has."""
        name, taken = "file", {each.name for each in flat.inputs}
        while name in taken:
            name += "_"
        media_type = concrete(media.media_type)
        definition = Definition(bytes_in(media_type, [media.media_type, *media.others]))
        said = f"Sent instead of all else of the body. {definition.schema['description']}"
        given = [*map(_unless_files, flat.inputs), Input(_WHOLE, name, False, definition.described(description=said))]
        fields = (*flat.body.fields, BodyField(argument=name, name=name, binary=True))
        return ReadBody(replace(flat.body, fields=fields, with_files=media_type), tuple(given))

    def _is_scalar(self, members: Members, name: str) -> bool:
        shapes = [shapes_of(raw, self._schemas.references) for raw, _ in members.schemas.get(name, ())]
        return any(shapes) and not any(map(is_structured, shapes))

    def _no_files(self, media: Media, name: str | None = None) -> None:
        what = "its files are" if name is None else f"`{shortened(name, _LONGEST_SHOWN)}` of it is"
        self._notes.append(
            remark(f"JSON is sent instead of `{essence(media.media_type)}`: {what} left out", media.pointer)
        )

    def _shown_only(self, members: Members) -> dict[str, list[tuple[Value, str]]]:
        """Return the members that the document's own examples have and its schema, which is open, does not declare."""
        schema, pointer = self._root, self._media.schema[1]
        own = [schema["example"]] if isinstance(schema, dict) and "example" in schema else []
        listed = schema.get("examples") if isinstance(schema, dict) else None
        own += listed if isinstance(listed, list) else []
        found: dict[str, list[tuple[Value, str]]] = {}
        for example in (*self._media.examples, *own):
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
        raw, root = self._media.schema[0], self._root
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
        if definition.schema.get("type") != "string":
            return Definition({"type": "string"}, notes=definition.notes)
        as_text = {keyword: value for keyword, value in definition.schema.items() if keyword not in BYTES_ONLY}
        return replace(definition, schema=as_text)

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
        elif self._shapes == {"text"} and not is_bytes:
            return self._whole(self._text())
        stated = [self._media.media_type, *(other for other in self._media.others if kind_of(other) == "binary")]
        return self._whole(Definition(bytes_in(media_type, stated)), binary=True)


def _unless_files(each: Input) -> Input:
    """The form does not need what the JSON needs."""
    if not (each.required or each.once_given):
        return each
    said = f"{each.schema.schema.get('description') or ''} Needed unless a file is given.".strip()
    return replace(each, required=False, once_given=False, schema=each.schema.described(description=said))


def _sent_as(media_type: str, shapes: set[Shape]) -> tuple[Kind, str]:
    """What any media type is good for is sent as what the schema describes."""
    if is_any(media_type) and is_of_bytes(shapes):
        return "binary", BYTES
    if is_any(media_type) and shapes == {"text"}:
        return "text", "text/plain"
    return kind_of(media_type), concrete(media_type)


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
    )
