"""What Swagger 2.0 says differently from OpenAPI 3, read wherever a document says it: real ones mix the two.

Nothing is moved: what is made of 2.0 here keeps its place, so that the report's pointers lead into the document as its
author wrote it. `definitions`, `parameters` and `responses` are found like anything else.
"""

from collections.abc import Mapping, Sequence

from app.openapi.operations.bodies import read_media
from app.openapi.operations.media import Media, ReadBody, best_of
from app.openapi.operations.objects import RequestBodyObject
from app.openapi.operations.parts import Members, Place
from app.openapi.schema.schemas import Schemas
from app.operation.media_types import by_preference, is_media_type, kind_of
from app.operation.operation import Json, Value
from app.operation.pointers import join, remark

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
_NAMES_OF_VALUES = ("x-enum", "x-ms-enum")
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


def stated_servers(document: Json) -> Value:
    """Return a `servers` list made of `schemes`, `host` and `basePath`; None where there is nothing to make it of."""
    host, base = document.get("host"), document.get("basePath")
    if not isinstance(host, str) and not isinstance(base, str):
        return None
    path = f"/{base.strip('/')}" if isinstance(base, str) and base.strip("/") else ""
    if not isinstance(host, str) or not host.strip():
        return [{"url": path or "/"}]
    address = f"//{host.strip().rstrip('/')}{path}"
    stated = document.get("schemes")
    schemes = [scheme for scheme in _SCHEMES if isinstance(stated, list) and scheme in stated]
    # Without schemes, the document's own is meant (Swagger 2.0, Swagger Object).
    return [{"url": f"{scheme}:{address}"} for scheme in schemes] or [{"url": address}]


def body_of(places: Sequence[Place], consumes: Value, schemas: Schemas, notes: list[str]) -> ReadBody:
    """Return the body that the parameters `in: body` and `in: formData` make together; there is at least one."""
    whole = [place for place in places if place.raw.get("in") == "body"]
    used = whole[-1:] or list(places)  # an operation's own come after those of its path
    notes += (another_body(place) for place in places if place not in used)
    media_types = by_preference(_media_types(consumes))
    parsed, media = _whole(used[0], media_types, schemas) if whole else _form(used, media_types, notes)
    return read_media(parsed, media, schemas, notes)


def _whole(place: Place, consumes: Sequence[str], schemas: Schemas) -> tuple[RequestBodyObject, Media]:
    description = place.raw.get("description")
    parsed = RequestBodyObject(
        required=place.raw.get("required") is True,
        description=description if isinstance(description, str) else None,
    )
    schema = place.raw.get("schema"), join(place.pointer, "schema")
    media_type = best_of(dict.fromkeys(consumes or [_JSON], schema[0]), schemas.references)
    others = tuple(name for name in consumes if name != media_type)
    return parsed, Media(media_type, schema, place.pointer, others=others)


def _form(places: Sequence[Place], consumes: Sequence[str], notes: list[str]) -> tuple[RequestBodyObject, Media]:
    stated = [name for name in consumes if kind_of(name) in {"form", "multipart"}]
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
    parsed = RequestBodyObject(required=bool(members.required))
    return parsed, Media(media_type, (None, places[0].pointer), places[0].pointer, encoding, members)


def with_content(responses: Mapping[str, Json], produces: Value) -> dict[str, Json]:
    """Return the responses, where those with a `schema` have `content` as those of OpenAPI 3 do."""
    media_types = _media_types(produces)
    with_schema = {status for status, response in responses.items() if "schema" in response}
    # Many who answer with a file state no schema at all.
    answered = with_schema or (set(responses) if media_types else set())
    made = {
        status: {"content": dict.fromkeys(media_types or [_JSON], _schema_alone(response))}
        for status, response in responses.items()
        if status in answered and "content" not in response
    }
    return {**responses, **made}


def _schema_alone(response: Json) -> Json:
    return {"schema": response["schema"]} if "schema" in response else {}


def another_body(place: Place) -> str:
    """Return the note for a parameter that would be a second body."""
    return remark("a parameter was left out: there is another body", place.pointer)


def with_schema(place: Place, kind: str, notes: list[str]) -> Json:
    """Return the parameter with the keywords beside its name in a `schema`.

    `kind` is where it goes: a location, `form` or `multipart`. A list in a format without a style there is one text.
    """
    raw = place.raw
    if "schema" in raw or not raw.keys() & _WORDS:
        return raw
    schema = {name: value for name, value in raw.items() if name in _WORDS or name.startswith(_NAMES_OF_VALUES)}
    parameter = {name: value for name, value in raw.items() if name not in schema}
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
