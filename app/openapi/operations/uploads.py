"""Files: which fields of a form take them, which bodies are one, and what a caller says for it."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from app.openapi.schema.definitions import Definition
from app.operation.media_types import essence, is_range, kind_of
from app.operation.operation import Json, Value
from app.operation.pointers import References, Unresolvable

Shape = Literal["bytes", "text", "list", "object", "other"]

_MOST_LEVELS = 6  # of combinations and references in which a file is looked for
_COMBINATIONS = ("allOf", "anyOf", "oneOf")
_BINARY = "binary"  # a format of OAS 3.0, and the encoding of RFC 2045 section 6.2 that is none
_FORMATS = frozenset({"base64", "base64url", _BINARY, "byte"})
_SHAPES: dict[str, Shape] = {"string": "text", "array": "list", "object": "object"}
_MOST_PARTS = 200  # of one schema
BYTES_ONLY = frozenset({"contentEncoding", "contentMediaType", "format"})  # what a text has no use for
_BASE64: Json = {"type": "string", "contentEncoding": "base64"}
_FILE_MEMBERS: Json = {"content": _BASE64, "filename": {"type": "string"}, "content_type": {"type": "string"}}
_NAMED: Json = {"type": "object", "properties": _FILE_MEMBERS, "required": ["content"], "additionalProperties": False}
_FILE: Json = {
    "description": "A file: its bytes in base64, alone or with a name and a media type.",
    "anyOf": [_BASE64, _NAMED],
}
_FILES: Json = {"description": "Files.", "type": "array", "items": _FILE}


@dataclass(frozen=True, slots=True)
class Upload:
    """What a form field takes: one file, several, a text instead of a file. Nothing of it: no file at all."""

    one: bool = False
    several: bool = False
    text: bool = False

    def __or__(self, other: "Upload") -> "Upload":
        return Upload(self.one or other.one, self.several or other.several, self.text or other.text)

    def __bool__(self) -> bool:
        return self.one or self.several

    @property
    def schema(self) -> Json:
        """What a caller may say: where a text is one too, a file is never a text in base64."""
        if self.several and not (self.one or self.text):
            return _FILES
        single = [_NAMED, {"type": "string"}] if self.text else _FILE["anyOf"]
        several = [{"type": "array", "items": _NAMED if self.text else _FILE}] if self.several else []
        said = "A text, or a file: its bytes in base64 as `content`." if self.text else _FILE["description"]
        return {"description": said, "anyOf": [*single, *several]}


def upload_of(raw: Value, references: References) -> Upload:
    """Return what a form field with this schema takes."""
    return _Search(references).upload(raw, _MOST_LEVELS)


@dataclass(slots=True)
class _Search:
    """The search for files in the schemas of one field; each may refer to all others. `left` are looked at."""

    references: References
    left: int = _MOST_PARTS

    def upload(self, raw: Value, levels: int) -> Upload:
        node = _followed(raw, self.references)
        self.left -= 1
        if not isinstance(node, dict) or levels == 0 or self.left < 0:
            return Upload()
        if node.get("type") == "file" or _BINARY in (node.get("format"), node.get("contentEncoding")):
            return Upload(one=True)
        if "contentMediaType" in node and "contentEncoding" not in node:
            return Upload(one=kind_of(str(node["contentMediaType"])) != "json")  # JSON is written as a text
        found = Upload(several=bool(self.upload(node.get("items"), levels - 1)))
        for keyword, each in _branches(node):
            if self.left < 0:
                break
            text = keyword != "allOf" and _is_text(_followed(each, self.references))
            found |= self.upload(each, levels - 1) or Upload(text=text)
        return found


def uploads_among(raw: Value, references: References) -> tuple[dict[str, Upload], Upload]:
    """Return the members that take files in any branch of an object's schema, and what its further members take."""
    named: dict[str, Upload] = {}
    further = Upload()
    for node in parts_of(raw, references):
        properties = node.get("properties")
        for name, each in properties.items() if isinstance(properties, dict) else ():
            if upload := upload_of(each, references):
                named[name] = named.get(name, Upload()) | upload
        further |= upload_of(node.get("additionalProperties"), references)
    return named, further


def parts_of(raw: Value, references: References) -> Iterator[Json]:
    """Yield a schema and those that it is put together from or that are its alternatives, in their order."""
    pending, met = [raw], set[int]()
    while pending and len(met) < _MOST_PARTS:
        node = _followed(pending.pop(), references)
        if isinstance(node, dict) and id(node) not in met:
            met.add(id(node))
            yield node
            pending += [each for _, each in _branches(node)][::-1]


def shapes_of(raw: Value, references: References) -> set[Shape]:
    """Return what values of a schema look like, as far as it says so; nothing: it does not."""
    return {shape for part in parts_of(raw, references) for shape in _shapes(part)}


def _shapes(schema: Json) -> Iterator[Shape]:
    types = schema.get("type")
    if (
        types == "file"
        or str(schema.get("format")) in _FORMATS
        or schema.keys() & {"contentEncoding", "contentMediaType"}
    ):
        yield "bytes"
    elif types is not None:
        stated = types if isinstance(types, list) else [types]
        yield from (_SHAPES.get(str(each), "other") for each in stated if each != "null")
    elif schema.keys() & {"items", "prefixItems"}:
        yield "list"
    elif schema.keys() & {"properties", "additionalProperties"}:
        yield "object"


def is_of_bytes(shapes: set[Shape]) -> bool:
    """Whether a whole body of these is a file."""
    return "bytes" in shapes and not is_structured(shapes)


def is_structured(shapes: set[Shape]) -> bool:
    """Whether a value of these may have others in it."""
    return bool(shapes & {"list", "object"})


def bytes_in(media_type: str, stated: Sequence[str]) -> Json:
    """Return the schema of a whole body of bytes, sent in that media type unless the caller states another one.

    `stated` are those that the document has, and may be ranges.
    """
    description = f"The body ({media_type}) in base64."
    alone = {**_BASE64, "contentMediaType": media_type, "description": description}
    if len(stated) == 1 and not is_range(stated[0]):
        return alone
    kinds: Json = {"enum": [*stated]}
    if any(map(is_range, stated)):
        kinds = {"pattern": f"^({'|'.join(map(_pattern_of, stated))})"}
    members = {"content": _BASE64, "content_type": {"type": "string", **kinds}}
    named = {**_NAMED, "properties": members}
    return {"description": f"{description[:-1]}, alone or with another media type.", "anyOf": [_BASE64, named]}


def or_file(text: Definition) -> Definition:
    """Return the schema of a text in whose place a file may be given."""
    description = text.schema.get("description")
    schema: Json = {"anyOf": [text.schema, {"description": "A file: its bytes in base64 as `content`.", **_NAMED}]}
    return replace(text, schema={"description": description, **schema} if description else schema)


def _pattern_of(media_type: str) -> str:
    return re.escape(essence(media_type)).replace(r"\*", "[^/]+")


def _branches(node: Json) -> Iterator[tuple[str, Value]]:
    for keyword in _COMBINATIONS:
        if isinstance(node.get(keyword), list):
            yield from ((keyword, each) for each in node[keyword])


def _is_text(node: Value) -> bool:
    return isinstance(node, dict) and node.get("type") == "string"


def _followed(raw: Value, references: References) -> Value:
    try:
        return references.follow(raw, "")[0]
    except Unresolvable:
        return None
