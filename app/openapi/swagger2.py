"""What Swagger 2.0 says otherwise than OpenAPI 3, read wherever a document says it: real ones mix the two.

Nothing is moved: what is made here out of 2.0 keeps the places that it came from, so that the report's pointers lead
into the document as its author wrote it. `definitions`, `parameters` and `responses` are found like anything else.
"""

from collections.abc import Sequence

from openapi_pydantic.v3.v3_1 import RequestBody

from app.openapi.bodies import Media, ReadBody, read_media
from app.openapi.flattening import Members
from app.openapi.parts import Place
from app.openapi.schemas import Schemas
from app.operation.media_types import by_preference, is_media_type, kind_of
from app.operation.operation import Json, Value
from app.operation.pointers import Unresolvable, join, remark

_JSON = "application/json"
_FORM = "application/x-www-form-urlencoded"
_MULTIPART = "multipart/form-data"
_SCHEMES = ("https", "http")  # the better one first
_WORDS = frozenset(
    {
        "default",
        "enum",
        "exclusiveMaximum",
        "exclusiveMinimum",
        "format",
        "items",
        "maxItems",
        "maxLength",
        "maximum",
        "minItems",
        "minLength",
        "minimum",
        "multipleOf",
        "pattern",
        "type",
        "uniqueItems",
        "x-nullable",
    }
)
_LISTS = {  # Swagger 2.0, Parameter Object: `collectionFormat`; OAS 3.1.1 section 4.8.12.3 has the styles
    ("query", "csv"): ("form", False),
    ("query", "ssv"): ("spaceDelimited", False),
    ("query", "pipes"): ("pipeDelimited", False),
    ("query", "multi"): ("form", True),
    ("form", "csv"): ("form", False),
    ("form", "ssv"): ("spaceDelimited", False),
    ("form", "pipes"): ("pipeDelimited", False),
    ("form", "multi"): ("form", True),
    ("multipart", "multi"): ("form", True),
    ("path", "csv"): ("simple", False),
    ("header", "csv"): ("simple", False),
}
_SEPARATORS = {"csv": "commas", "ssv": "spaces", "tsv": "tabs", "pipes": "bars (|)"}

OF_BODY = frozenset({"body", "formData"})  # what `in` of a parameter may say besides a location


def stated_servers(document: Json) -> Value:
    """Return the `servers` list, made of `schemes`, `host` and `basePath` where a document has no such list."""
    host, base = document.get("host"), document.get("basePath")
    if document.get("servers") is not None or not (isinstance(host, str) or isinstance(base, str)):
        return document.get("servers")
    path = f"/{base.strip('/')}" if isinstance(base, str) and base.strip("/") else ""
    if not isinstance(host, str) or not host.strip():
        return [{"url": path or "/"}]
    address = f"//{host.strip().rstrip('/')}{path}"
    stated = document.get("schemes")
    schemes = [scheme for scheme in _SCHEMES if isinstance(stated, list) and scheme in stated]
    # Without schemes, the document's own is meant (Swagger 2.0, Swagger Object).
    return [{"url": f"{scheme}:{address}"} for scheme in schemes] or [{"url": address}]


class Swagger2:
    """The constructs of 2.0 in one document. Its `consumes` and `produces` hold where an operation has none."""

    def __init__(self, document: Json, schemas: Schemas) -> None:
        self._schemas = schemas
        self._consumes = _media_types(document.get("consumes"))
        self._produces = _media_types(document.get("produces"))

    def body(self, places: Sequence[Place], operation: Json, notes: list[str]) -> ReadBody | None:
        """Return what the parameters `in: body` and `in: formData` are together; None where there is none of them."""
        whole = [place for place in places if place.raw.get("in") == "body"]
        used = whole[-1:] or list(places)  # an operation's own come after those of its path
        notes += (another_body(place) for place in places if place not in used)
        if not used:
            return None
        consumes = _media_types(operation.get("consumes")) or self._consumes
        return self._whole(used[0], consumes, notes) if whole else self._form(used, consumes, notes)

    def _whole(self, place: Place, consumes: Sequence[str], notes: list[str]) -> ReadBody:
        description = place.raw.get("description")
        parsed = RequestBody(
            content={},
            required=place.raw.get("required") is True,
            description=description if isinstance(description, str) else None,
        )
        schema = place.raw.get("schema"), join(place.pointer, "schema")
        media = Media(by_preference(consumes or [_JSON])[0], schema, place.pointer)
        return read_media(parsed, media, self._schemas, notes)

    def _form(self, places: Sequence[Place], consumes: Sequence[str], notes: list[str]) -> ReadBody:
        stated = [name for name in by_preference(consumes) if kind_of(name) in {"form", "multipart"}]
        if any(place.raw.get("type") == "file" for place in places):
            stated = [name for name in stated if kind_of(name) == "multipart"] or [_MULTIPART]
        media_type = (stated or [_FORM])[0]
        members = Members()
        encoding: Json = {}
        for place in places:
            name = place.raw["name"]
            field = with_schema(place, kind_of(media_type), notes)
            schema = field.get("schema")
            described = {"description": field.get("description"), **schema} if isinstance(schema, dict) else schema
            members.schemas[name] = [(described, place.pointer)]
            if place.raw.get("required") is True:
                members.required[name] = None
            if "style" in field:
                encoding[name] = {"style": field["style"], "explode": field["explode"]}
        parsed = RequestBody(content={}, required=bool(members.required))
        media = Media(media_type, (None, places[0].pointer), places[0].pointer, encoding, members)
        return read_media(parsed, media, self._schemas, notes)

    def with_content(self, operation: Json, pointer: str) -> Json:
        """Return the operation, where responses with a `schema` have `content` as those of OpenAPI 3 do."""
        stated = operation.get("responses")
        if not isinstance(stated, dict):
            return operation
        responses = {status: self._followed(raw, join(pointer, "responses", status)) for status, raw in stated.items()}
        produces = _media_types(operation.get("produces")) or self._produces
        with_schema = {status for status, response in responses.items() if "schema" in response}
        # Many who answer with a file state no schema at all.
        answered = with_schema or (set(responses) if produces else set())
        made = {
            status: {"content": dict.fromkeys(produces or [_JSON], _schema_alone(response))}
            for status, response in responses.items()
            if status in answered and "content" not in response
        }
        return {**operation, "responses": {**stated, **made}} if made else operation

    def _followed(self, raw: Value, pointer: str) -> Json:
        try:
            response, _ = self._schemas.references.follow(raw, pointer)
        except Unresolvable:
            return {}
        return response if isinstance(response, dict) else {}


def _schema_alone(response: Json) -> Json:
    return {"schema": response["schema"]} if "schema" in response else {}


def another_body(place: Place) -> str:
    """Return the note for a parameter that would be a second body."""
    return remark("a parameter was left out: there is another body", place.pointer)


def with_schema(place: Place, kind: str, notes: list[str]) -> Json:
    """Return the parameter with the keywords beside its name in a `schema`; one of OpenAPI 3 stays as it is.

    `kind` is where it goes: a location, `form` or `multipart`. A list in a format that has no style there is one text.
    """
    raw = place.raw
    if "schema" in raw or "content" in raw or not raw.keys() & _WORDS:
        return raw
    parameter = {name: value for name, value in raw.items() if name not in _WORDS}
    schema = {name: value for name, value in raw.items() if name in _WORDS}
    if schema.get("type") != "array" or (kind == "multipart" and _is_file(schema.get("items"))):
        return {**parameter, "schema": schema}
    stated = str(raw.get("collectionFormat"))
    wanted = stated if stated in _SEPARATORS or (kind, stated) in _LISTS else "csv"
    if (style := _LISTS.get((kind, wanted))) is not None:
        return {**parameter, "schema": schema, "style": style[0], "explode": style[1]}
    notes.append(remark(f"a list separated by {_SEPARATORS[wanted]} is taken as one text", place.pointer))
    text = f"{raw.get('description') or ''} Several values with {_SEPARATORS[wanted]} between them, in one text."
    return {**parameter, "description": text.strip(), "schema": {"type": "string"}}


def _is_file(schema: Value) -> bool:
    return isinstance(schema, dict) and schema.get("type") == "file"


def _media_types(raw: Value) -> list[str]:
    return [name for name in raw if isinstance(name, str) and is_media_type(name)] if isinstance(raw, list) else []
