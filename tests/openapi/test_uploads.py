"""Files in forms, wherever a document says that there are any: the bytes arrive as files, whatever is around them."""

from email.message import Message
from email.parser import BytesParser
from email.policy import HTTP
from typing import Annotated

import pytest
from fastapi import FastAPI, File, Form, UploadFile
from fastapi.testclient import TestClient
from pydantic import BaseModel
from pydantic import Json as JsonText

from app.errors import Invalid
from app.operation.operation import Operation
from app.tools.arguments import ArgumentRules
from app.tools.request.plan import build_request, plan_request
from tests.openapi.documents import Json, a_document, a_post, only

OLD: Json = {"type": "string", "format": "binary"}
NEW: Json = {"type": "string", "contentMediaType": "application/octet-stream"}
OWN: Json = {"type": "string", "contentEncoding": "binary", "contentMediaType": "image/png"}  # Zod's, Fastify's
TEXT: Json = {"type": "string"}
NULL: Json = {"type": "null"}
HI, HO = "aGk=", "aG8="


def an_upload(schema: Json, **schemas: Json) -> Operation:
    return only(a_document({"/files": a_post(schema, "multipart/form-data")}, schemas=schemas))[0]


def parts_of(operation: Operation, arguments: Json) -> list[Message]:
    """The parts that are sent, as another reader understands them."""
    given = ArgumentRules(operation.input_schema).check(arguments)
    request = build_request(plan_request(operation, "http://api"), given)
    head = f"Content-Type: {dict(request.headers)['content-type']}\r\n\r\n".encode()
    message = BytesParser(policy=HTTP).parsebytes(head + (request.content or b""))
    assert not message.defects
    return [part for part in message.walk() if not part.is_multipart()]


def files_of(operation: Operation, arguments: Json) -> list[tuple[object, object]]:
    """Field and content of each part; all of them are files."""
    parts = parts_of(operation, arguments)
    assert all(part.get_filename() for part in parts)
    return [(part.get_param("name", header="content-disposition"), part.get_payload(decode=True)) for part in parts]


@pytest.mark.parametrize(
    "field",
    [
        {"anyOf": [{"type": "array", "items": NEW}, NULL]},
        {"type": ["array", "null"], "items": NEW},
        {"allOf": [{"$ref": "#/components/schemas/Files"}], "description": "The pictures."},
        {"type": "array", "items": {"anyOf": [OLD, NULL]}},
        {"items": OLD},
        {"type": "array", "items": OWN},
    ],
)
def test_a_list_of_files_is_one_however_it_is_said(field: Json) -> None:
    operation = an_upload({"type": "object", "properties": {"files": field}}, Files={"type": "array", "items": OLD})
    assert files_of(operation, {"files": [HI, {"content": HO, "filename": "o"}]}) == [
        ("files", b"hi"),
        ("files", b"ho"),
    ]


@pytest.mark.parametrize("given", [HI, [HI], {"content": HI, "filename": "a.png"}])
def test_where_one_file_or_several_are_taken_both_can_be_said(given: object) -> None:
    field = {"anyOf": [OLD, {"type": "array", "items": OLD, "maxItems": 16}]}
    assert files_of(an_upload({"type": "object", "properties": {"image": field}}), {"image": given}) == [
        ("image", b"hi")
    ]


def test_bytes_without_an_encoding_are_a_file_also_beside_json() -> None:
    message = {"type": "object", "properties": {"content": TEXT}}
    with_files = {"allOf": [message, {"properties": {"files[0]": {"type": "string", "contentEncoding": "binary"}}}]}
    path = a_post(message)
    path["post"]["requestBody"]["content"]["multipart/form-data"] = {"schema": with_files}
    operation, _ = only(a_document({"/messages": path}))
    assert operation.slots["files_0"] == ("body", "files[0]")
    assert files_of(operation, {"files_0": HI}) == [("files[0]", b"hi")]


def test_where_a_text_stands_for_a_file_it_is_sent_as_that_text() -> None:
    operation = an_upload({"type": "object", "properties": {"image": {"anyOf": [NEW, TEXT]}}})
    (text,) = parts_of(operation, {"image": "https://a.example/b.png"})
    assert (text.get_filename(), text.get_payload(decode=True)) == (None, b"https://a.example/b.png")
    (like_base64,) = parts_of(operation, {"image": HI})
    assert like_base64.get_payload(decode=True) == HI.encode()
    assert files_of(operation, {"image": {"content": HI}}) == [("image", b"hi")]


@pytest.mark.parametrize(
    "form",
    [
        {"properties": {"file": OLD, "url": TEXT}, "anyOf": [{"required": ["file"]}, {"required": ["url"]}]},
        {
            "oneOf": [
                {"properties": {"file": NEW}, "required": ["file"]},
                {"properties": {"url": TEXT}, "required": ["url"]},
            ]
        },
        {"properties": {"file": OLD}, "additionalProperties": TEXT},
        {"additionalProperties": OLD},
        {"anyOf": [{"$ref": "#/components/schemas/Sent"}, {"properties": {"url": TEXT}}]},
    ],
)
def test_a_form_that_is_one_argument_carries_files_too(form: Json) -> None:
    operation = an_upload({"type": "object", **form}, Sent={"properties": {"file": OLD}, "required": ["file"]})
    assert list(operation.input_schema["properties"]) == ["body"]
    assert "base64" in operation.input_schema["properties"]["body"]["description"]
    assert files_of(operation, {"body": {"file": HI}}) == [("file", b"hi")]


def test_what_is_no_file_in_such_a_form_stays_what_it_is() -> None:
    operation = an_upload({"type": "object", "properties": {"file": OLD}, "additionalProperties": TEXT})
    (note,) = parts_of(operation, {"body": {"note": HI}})
    assert (note.get_filename(), note.get_payload(decode=True)) == (None, HI.encode())
    with pytest.raises(Invalid, match="base64"):
        parts_of(operation, {"body": {"file": "no base64!"}})


@pytest.mark.parametrize("schema", [OLD, {"type": "array", "items": OLD}])
def test_a_form_whose_fields_have_no_names_lets_a_caller_name_them(schema: Json) -> None:
    operation, item = only(a_document({"/files": a_post(schema, "multipart/form-data")}))
    assert "the fields of the form have no names" in (item.reason or "")
    assert files_of(operation, {"body": {"file": HI}}) == [("file", b"hi")]


class Size(BaseModel):
    width: int


def a_gallery() -> FastAPI:
    app = FastAPI()

    @app.post("/pictures")
    async def add(
        size: Annotated[JsonText[Size], Form()],
        file: UploadFile,
        more: Annotated[list[UploadFile] | None, File()] = None,
        tags: Annotated[list[str] | None, Form()] = None,
    ) -> Json:
        files = [each.filename for each in (file, *(more or []))]
        return {"width": size.width, "files": files, "tags": tags}

    return app


def test_what_fastapi_describes_fastapi_can_read() -> None:
    app = a_gallery()
    operation, _ = only(app.openapi())
    size, file = '{"width": 3}', {"content": HI, "filename": "a.png"}
    given = ArgumentRules(operation.input_schema).check(
        {"size": size, "file": file, "more": [HO, HO], "tags": ["x", "y"]}
    )
    request = build_request(plan_request(operation, "http://testserver"), given)
    answer = TestClient(app).request(
        request.method, request.url, headers=dict(request.headers), content=request.content
    )
    assert answer.json() == {"width": 3, "files": ["a.png", "more", "more"], "tags": ["x", "y"]}
