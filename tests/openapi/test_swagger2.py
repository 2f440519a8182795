"""Swagger 2.0 becomes the same tools as OpenAPI 3 would, and the report points into the document as it is."""

import base64
from typing import Any

import pytest

from app.errors import Invalid
from app.operation.operation import Body, BodyField, Operation
from app.operation.pointers import References
from app.tools.request.plan import UpstreamRequest, build_request, plan_request
from tests.openapi.documents import Json, converted, only

TEXT = {"type": "string"}
TEXTS = {"type": "array", "items": TEXT}


def a_swagger(paths: Json | None = None, **fields: Any) -> Json:
    return {"swagger": "2.0", "info": {"title": "Old shop", "version": "1"}, "paths": paths or {}} | fields


def an_operation(*parameters: Json, **fields: Any) -> Json:
    return {"post": {"parameters": list(parameters), "responses": {}} | fields}


def form(name: str, **fields: Any) -> Json:
    return {"name": name, "in": "formData"} | (fields or TEXT)


def sent(operation: Operation, arguments: Json) -> UpstreamRequest:
    return build_request(plan_request(operation, "https://api.example.com"), arguments)


@pytest.mark.parametrize(
    ("fields", "servers"),
    [
        ({"host": "a.example", "basePath": "/v1", "schemes": ["http", "https"]}, ("https://a.example/v1", "http://a.example/v1")),
        ({"host": "a.example:8080", "schemes": ["http"]}, ("http://a.example:8080",)),
        ({"host": "a.example", "basePath": "v1/"}, ("//a.example/v1",)),
        ({"host": "a.example", "schemes": ["wss"]}, ("//a.example",)),
        ({"basePath": "/v1", "schemes": ["https"]}, ("/v1",)),
        ({"basePath": "/"}, ("/",)),
        ({"host": "{broken}", "schemes": ["https"]}, ()),
        ({"host": 7, "schemes": "https"}, ()),
        ({}, ()),
        ({"host": "a.example", "servers": [{"url": "https://b.example"}]}, ("https://b.example",)),
    ],
)  # fmt: skip
def test_host_base_path_and_schemes_are_the_servers(fields: Json, servers: tuple[str, ...]) -> None:
    assert converted(a_swagger(**fields)).servers == servers


@pytest.mark.parametrize("version", ["2.0", 2, 2.0, "2"])
def test_a_version_may_be_written_as_a_number(version: Any) -> None:
    assert len(converted(a_swagger({"/a": an_operation()}, swagger=version)).operations) == 1


@pytest.mark.parametrize(("version", "told"), [("1.2", "Swagger 1.2"), ([], "Swagger []"), ("3.0", "Swagger 3.0")])
def test_another_version_is_refused_by_its_name(version: Any, told: str) -> None:
    with pytest.raises(Invalid) as caught:
        converted(a_swagger(swagger=version))
    assert told in caught.value.detail
    assert caught.value.violations[0].pointer == "/swagger"


def test_constructs_of_both_versions_may_stand_side_by_side() -> None:
    parameters: list[Json] = [
        {"name": "old", "in": "query", "type": "integer"},
        {"name": "new", "in": "query", "schema": {"type": "integer"}},
        {"name": "b", "in": "body", "schema": TEXTS, "required": True},
    ]
    mixed = a_swagger({"/a": an_operation(*parameters)}, openapi="3.0.1", host="a.example", schemes=["https"])
    for document in (mixed, {**mixed, "swagger": None}, {**mixed, "openapi": "nonsense"}):
        conversion = converted(document)
        assert conversion.servers == ("https://a.example",)
        (operation,) = conversion.operations
        shown = {name: each["type"] for name, each in operation.input_schema["properties"].items()}
        assert shown == {"old": "integer", "new": "integer", "body": "array"}
        assert conversion.report[0].status == "ready"


def test_parameters_have_their_keywords_beside_their_names() -> None:
    given = {"name": "n", "in": "query", "type": "integer", "minimum": 1, "exclusiveMinimum": True, "x-nullable": True}
    operation, item = only(a_swagger({"/a": an_operation({**given, "description": "How many.", "required": True})}))
    shown = {"type": ["integer", "null"], "exclusiveMinimum": 1, "description": "How many."}
    assert operation.input_schema["properties"] == {"n": shown}
    assert operation.input_schema["required"] == ["n"]
    assert item.status == "ready"


@pytest.mark.parametrize(
    ("stated", "path", "expected"),
    [
        ({"in": "query"}, "/a", "https://api.example.com/a?p=x,y%2Cz"),
        ({"in": "query", "collectionFormat": "csv"}, "/a", "https://api.example.com/a?p=x,y%2Cz"),
        ({"in": "query", "collectionFormat": "ssv"}, "/a", "https://api.example.com/a?p=x%20y%2Cz"),
        ({"in": "query", "collectionFormat": "pipes"}, "/a", "https://api.example.com/a?p=x%7Cy%2Cz"),
        ({"in": "query", "collectionFormat": "multi"}, "/a", "https://api.example.com/a?p=x&p=y%2Cz"),
        ({"in": "query", "collectionFormat": {"odd": 1}}, "/a", "https://api.example.com/a?p=x,y%2Cz"),
        ({"in": "path", "required": True}, "/a/{p}", "https://api.example.com/a/x,y%2Cz"),
        ({"in": "path", "collectionFormat": "multi"}, "/a/{p}", "https://api.example.com/a/x,y%2Cz"),
    ],
)
def test_lists_are_sent_in_their_collection_format(stated: Json, path: str, expected: str) -> None:
    operation, item = only(a_swagger({path: an_operation({"name": "p", **TEXTS, **stated})}))
    assert sent(operation, {"p": ["x", "y,z"]}).url == expected
    assert item.status == "ready"


@pytest.mark.parametrize(
    ("stated", "separator", "value", "told"),
    [
        ({"in": "query", "collectionFormat": "tsv"}, "tabs", "a\tb", "p=a%09b"),
        ({"in": "path", "collectionFormat": "pipes"}, "bars", "a|b", "/a%7Cb"),
        ({"in": "path", "collectionFormat": "ssv"}, "spaces", "a b", "/a%20b"),
    ],
)
def test_a_collection_format_that_has_no_style_is_one_text_and_reported(
    stated: Json, separator: str, value: str, told: str
) -> None:
    path = "/x/{p}" if stated["in"] == "path" else "/x"
    given = {"name": "p", "description": "Sizes.", **TEXTS, **stated}
    operation, item = only(a_swagger({path: an_operation(given)}))
    shown = operation.input_schema["properties"]["p"]
    assert shown["type"] == "string"
    assert shown["description"].startswith(f"Sizes. Several values with {separator}")
    assert sent(operation, {"p": value}).url.endswith(told)
    assert f"a list separated by {separator}" in (item.reason or "")
    assert f"(at /paths/{path.replace('/', '~1')}/post/parameters/0)" in (item.reason or "")


def test_a_body_parameter_is_the_body() -> None:
    schema = {"type": "object", "required": ["name"], "properties": {"name": TEXT, "id": {**TEXT, "readOnly": True}}}
    given = {"name": "pet", "in": "body", "required": True, "schema": {"$ref": "#/definitions/Pet"}}
    operation, item = only(a_swagger({"/a": an_operation(given)}, definitions={"Pet": schema}))
    assert operation.body == Body("application/json", True, fields=(BodyField("name", "name"),))
    assert operation.input_schema["required"] == ["name"]
    assert item.status == "ready"


@pytest.mark.parametrize(
    ("document", "own", "expected"),
    [
        (None, None, "application/json"),
        (["application/xml", "application/json"], None, "application/json"),
        (["application/xml"], None, "application/xml"),
        (["application/xml"], ["application/vnd.shop+json"], "application/vnd.shop+json"),
        (["application/xml"], [], "application/xml"),
        ("application/xml", ["nonsense", 7], "application/json"),
        (["image/png"], None, "image/png"),
    ],
)
def test_a_body_is_sent_in_what_is_consumed(document: Any, own: Any, expected: str) -> None:
    operation, _ = only(
        a_swagger({"/a": an_operation({"name": "b", "in": "body", "schema": TEXT}, consumes=own)}, consumes=document)
    )
    assert operation.body is not None
    assert operation.body.media_type == expected


def test_form_parameters_are_the_fields_of_a_form() -> None:
    fields = [
        form("name", **TEXT, required=True, description="Its name."),
        form("n", type="integer"),
        form("tags", **TEXTS),
    ]
    operation, item = only(a_swagger({"/a": an_operation(*fields)}))
    assert operation.input_schema["properties"]["name"] == {"description": "Its name.", "type": "string"}
    assert operation.input_schema["required"] == ["name"]
    request = sent(operation, {"name": "a b", "n": 3, "tags": ["x", "y"]})
    assert request.content == b"name=a%20b&n=3&tags=x,y"
    assert ("content-type", "application/x-www-form-urlencoded") in request.headers
    assert item.status == "ready"


@pytest.mark.parametrize(
    ("collection_format", "expected"),
    [("multi", b"t=x&t=y"), ("ssv", b"t=x%20y"), ("pipes", b"t=x%7Cy"), ("csv", b"t=x,y")],
)
def test_lists_in_forms_are_sent_in_their_collection_format(collection_format: str, expected: bytes) -> None:
    operation, _ = only(a_swagger({"/a": an_operation(form("t", **TEXTS, collectionFormat=collection_format))}))
    assert sent(operation, {"t": ["x", "y"]}).content == expected


@pytest.mark.parametrize("consumes", [None, ["application/x-www-form-urlencoded"], ["multipart/form-data"]])
def test_a_form_with_a_file_is_multipart(consumes: Any) -> None:
    fields = [
        form("f", type="file", required=True, description="A scan."),
        form("note"),
        form("t", **TEXTS, collectionFormat="multi"),
    ]
    operation, item = only(a_swagger({"/a": an_operation(*fields)}, consumes=consumes))
    assert operation.input_schema["properties"]["f"]["description"] == "A scan."
    content = base64.b64encode(b"\x00scan").decode()
    request = sent(operation, {"f": {"content": content, "filename": "a.pdf"}, "note": "n", "t": ["x", "y"]})
    assert request.content is not None
    assert b'name="f"; filename="a.pdf"\r\nContent-Type: application/octet-stream\r\n\r\n\x00scan' in request.content
    assert request.content.count(b'name="t"') == 2
    assert item.status == "ready"


def test_a_list_joined_by_commas_in_a_multipart_form_is_one_text() -> None:
    operation, item = only(a_swagger({"/a": an_operation(form("f", type="file"), form("t", **TEXTS))}))
    assert operation.input_schema["properties"]["t"]["type"] == "string"
    assert "a list separated by commas is taken as one text (at /paths/~1a/post/parameters/1)" in (item.reason or "")


def test_several_files_are_several_files() -> None:
    several = {"type": "array", "items": {"type": "file"}}
    operation, item = only(a_swagger({"/a": an_operation(form("f", **several), consumes=["multipart/form-data"])}))
    request = sent(operation, {"f": ["AAAA", "BBBB"]})
    assert (request.content or b"").count(b'name="f"; filename="f"') == 2
    assert item.status == "ready"


def test_a_file_is_bytes_wherever_it_stands() -> None:
    upload = {"type": "object", "properties": {"f": {"type": "file"}}}
    body = {"name": "b", "in": "body", "schema": upload}
    operation, item = only(a_swagger({"/a": an_operation(body, consumes=["multipart/form-data"])}))
    assert operation.body is not None
    assert operation.body.fields == (BodyField("f", "f", binary=True),)
    body["schema"] = {"type": "array", "items": upload}
    operation, item = only(a_swagger({"/a": an_operation(body)}))
    shown = operation.input_schema["properties"]["body"]["items"]["properties"]["f"]
    assert shown == {"type": "string", "format": "binary"}
    assert item.status == "ready"


def test_shared_parameters_and_those_of_the_path_are_found() -> None:
    shared = {
        "limit": {"name": "limit", "in": "query", "type": "integer"},
        "pet": {"name": "pet", "in": "body", "schema": {"type": "object", "properties": {"a": TEXT}}},
        "note": form("note"),
    }
    paths = {
        "/a/{id}": {
            "parameters": [{"name": "id", "in": "path", "type": "string"}, {"$ref": "#/parameters/pet"}],
            **an_operation({"$ref": "#/parameters/limit"}),
        },
        "/b": an_operation({"$ref": "#/parameters/note"}),
    }  # fmt: skip
    first, second = converted(a_swagger(paths, parameters=shared)).operations
    assert list(first.input_schema["properties"]) == ["id", "limit", "a"]
    assert second.body == Body("application/x-www-form-urlencoded", False, fields=(BodyField("note", "note"),))


def test_of_several_bodies_one_is_taken_and_the_others_are_reported() -> None:
    parameters: list[Json] = [
        form("f"),
        {"name": "b", "in": "body", "schema": TEXTS},
        {"name": "c", "in": "body", "schema": TEXT},
    ]
    operation, item = only(a_swagger({"/a": an_operation(*parameters)}))
    assert operation.input_schema["properties"]["body"]["type"] == "string"
    assert [f"/parameters/{number}" in (item.reason or "") for number in range(3)] == [True, True, False]
    modern = {"content": {"application/json": {"schema": {"type": "boolean"}}}}
    operation, item = only(a_swagger({"/a": an_operation(*parameters, requestBody=modern)}))
    assert operation.input_schema["properties"]["body"]["type"] == "boolean"
    assert (item.reason or "").count("there is another body") == 3


def test_what_is_produced_is_asked_for() -> None:
    responses = {
        "200": {"description": "ok", "schema": {"type": "file"}},
        "201": {"$ref": "#/responses/Made"},
        "404": {"$ref": "#/responses/Gone"},
    }
    document = a_swagger(
        {
            "/own": {"get": {"responses": responses, "produces": ["text/csv", "application/json"]}},
            "/all": {"get": {"responses": responses}},
            "/none": {"get": {"responses": {"204": {"description": "done"}}}},
        },
        produces=["application/pdf"],
        responses={"Made": {"description": "made", "schema": {"type": "object"}}},
    )
    accepted = {each.path: each.accept for each in converted(document).operations}
    assert accepted == {
        "/own": ("application/json", "text/csv"),
        "/all": ("application/pdf",),
        "/none": ("application/pdf",),
    }
    del document["produces"]
    assert [each.accept for each in converted(document).operations[1:]] == [("application/json",), ()]


def test_a_discriminated_body_stays_one_argument() -> None:
    pet = {"type": "object", "discriminator": "kind", "required": ["kind"], "properties": {"kind": TEXT}}
    given = {"name": "pet", "in": "body", "required": True, "schema": {"$ref": "#/definitions/Pet"}}
    operation, item = only(a_swagger({"/a": an_operation(given)}, definitions={"Pet": pet}))
    assert list(operation.input_schema["properties"]) == ["body"]
    assert item.status == "ready"


def test_one_bad_operation_never_loses_the_others_and_pointers_lead_into_the_document() -> None:
    paths = {
        "/bad": {"post": "nonsense"},
        "/50%/{x}": an_operation(
            form("t", **TEXTS, collectionFormat="tsv", pattern="["),
            form("g", type="wibble"),
            {"name": "q", "in": "query", "type": "string", "pattern": "("},
            {"name": "x", "in": "path", "type": "string"},
            {"name": "h h", "in": "header", "type": "string"},
        ),
        "/c": an_operation({"name": "b", "in": "body", "schema": {"$ref": "#/definitions/None"}}),
    }  # fmt: skip
    document = a_swagger(paths)
    conversion = converted(document)
    assert [each.path for each in conversion.operations] == ["/50%/{x}", "/c"]
    pointers = [part.split(")")[0] for item in conversion.report for part in (item.reason or "").split("(at ")[1:]]
    pointers += [item.pointer for item in conversion.report]
    assert len(pointers) >= 8
    for pointer in pointers:
        assert References(document).find(f"#{pointer.replace('%', '%25')}")[1] == pointer
