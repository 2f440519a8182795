"""From a document's media types to the bytes that are sent: ranges, patches, lines, texts, bytes, files beside JSON."""

import base64
import json
from email import message_from_bytes, policy
from email.message import Message
from typing import Any

import pytest

from app.errors import Invalid
from app.operation.operation import Operation, ReportItem, operation_from_json, operation_to_json
from app.tools.arguments import ArgumentRules
from app.tools.request.plan import build_request, plan_request
from tests.openapi.documents import Json, a_document, only

TEXT: Json = {"type": "string"}
FILE: Json = {"type": "string", "format": "binary"}
OBJECT: Json = {"type": "object", "properties": {"a": TEXT}, "required": ["a"]}
OPEN: Json = {"type": "object"}
OPERATION: Json = {"type": "object", "properties": {"op": TEXT, "path": TEXT, "value": {}}}
PATCH, MERGE = "application/json-patch+json", "application/merge-patch+json"
BYTES = bytes(range(256))
IN_BASE64 = base64.b64encode(BYTES).decode()
PNG = b"\x89PNG\r\n\x1a\n" + BYTES


def a_patch(content: Json, *, required: bool = True) -> Json:
    body = {"required": required, "content": content}
    return a_document({"/a": {"patch": {"operationId": "send", "requestBody": body, "responses": {}}}}, version="3.0.3")


def an_old_patch(consumes: list[str], schema: Json) -> Json:
    body = {"name": "body", "in": "body", "required": True, "schema": schema}
    operation = {"operationId": "send", "consumes": consumes, "parameters": [body], "responses": {}}
    return {"swagger": "2.0", "info": {"title": "t", "version": "1"}, "paths": {"/a": {"patch": operation}}}


def the_tool(document: Json) -> tuple[Operation, ReportItem]:
    """The tool as it is when it was stored and read again."""
    operation, item = only(document)
    return operation_from_json(operation_to_json(operation)), item


def sent(document: Json, **arguments: Any) -> tuple[str, bytes]:
    operation, _ = the_tool(document)
    checked = ArgumentRules(operation.input_schema, operation.preset).check(arguments)
    request = build_request(plan_request(operation, "http://api"), checked)
    assert request.content is not None
    return dict(request.headers)["content-type"], request.content


def parts_of(found: tuple[str, bytes]) -> list[Message]:
    head = f"MIME-Version: 1.0\r\nContent-Type: {found[0]}\r\n\r\n".encode()
    return list(message_from_bytes(head + found[1], policy=policy.HTTP).iter_parts())


@pytest.mark.parametrize(
    ("stated", "schema", "said", "expected"),
    [
        ("application/*+json", OPEN, {"a": 1}, ("application/json", b'{"a":1}')),
        ("application/vnd.x.*+json", OPEN, {"a": 1}, ("application/json", b'{"a":1}')),
        ("*/*", OPEN, {"a": 1}, ("application/json", b'{"a":1}')),
        ("*/*", {}, [1], ("application/json", b"[1]")),
        ("*/*", FILE, IN_BASE64, ("application/octet-stream", BYTES)),
        ("*/*", FILE, {"content": IN_BASE64, "content_type": "image/png"}, ("image/png", BYTES)),
        ("application/*", FILE, IN_BASE64, ("application/octet-stream", BYTES)),
        ("*/*", TEXT, "a text", ("text/plain", b"a text")),
        ("text/*", TEXT, "a text", ("text/plain", b"a text")),
        ("application/*+xml", TEXT, "<a/>", ("application/xml", b"<a/>")),
        ("image/*", FILE, base64.b64encode(PNG).decode(), ("image/png", PNG)),
        ("image/*", {}, {"content": IN_BASE64, "content_type": "image/x-own"}, ("image/x-own", BYTES)),
    ],
)
def test_a_range_of_media_types_means_one_of_them(
    stated: str, schema: Json, said: Any, expected: tuple[str, bytes]
) -> None:
    assert sent(a_patch({stated: {"schema": schema}}), body=said) == expected


@pytest.mark.parametrize(
    "wrapped", ["{}", '{"allOf": [{}], "description": "d"}', '{"oneOf": [{}]}', '{"$ref": "#/components/schemas/It"}']
)
@pytest.mark.parametrize(
    ("schema", "stated", "said", "expected"),
    [
        (FILE, "*/*", IN_BASE64, ("application/octet-stream", BYTES)),
        ({"type": "string", "format": "byte"}, "*/*", IN_BASE64, ("application/octet-stream", BYTES)),
        ({"type": "string", "contentMediaType": "image/png"}, "*/*", IN_BASE64, ("application/octet-stream", BYTES)),
        ({"type": ["string", "null"]}, "*/*", "x", ("text/plain", b"x")),
        ({"type": "string", "nullable": True}, "application/vnd.acme", "x", ("application/vnd.acme", b"x")),
        ({"type": "integer"}, "*/*", 5.0, ("application/json", b"5")),
        (OBJECT, "application/x-ndjson", [{"a": "b"}], ("application/x-ndjson", b'{"a":"b"}\n')),
        (FILE, "application/x-ndjson", "{}\n", ("application/x-ndjson", b"{}\n")),
        (OBJECT, "application/cbor", IN_BASE64, ("application/cbor", BYTES)),
    ],
)
def test_what_a_schema_says_counts_wherever_it_stands(
    wrapped: str, schema: Json, stated: str, said: Any, expected: tuple[str, bytes]
) -> None:
    document = a_patch({stated: {"schema": json.loads(wrapped.replace("{}", json.dumps(schema)))}})
    document["components"] = {"schemas": {"It": {"allOf": [schema]}}}
    assert sent(document, body=said) == expected


def test_bytes_in_a_range_need_a_media_type_in_it() -> None:
    document = a_patch({"image/*": {"schema": FILE}})
    for said in (IN_BASE64, {"content": IN_BASE64, "content_type": "text/html"}):
        with pytest.raises(Invalid, match="body"):
            sent(document, body=said)


def test_of_several_media_types_for_bytes_a_caller_chooses_one() -> None:
    document = a_patch({"image/png": {"schema": FILE}, "image/jpeg": {"schema": FILE}})
    assert sent(document, body=IN_BASE64) == ("image/png", BYTES)
    assert sent(document, body={"content": IN_BASE64, "content_type": "image/jpeg"}) == ("image/jpeg", BYTES)
    with pytest.raises(Invalid):
        sent(document, body={"content": IN_BASE64, "content_type": "image/gif"})


def test_bytes_are_not_sent_as_json_because_that_is_offered_too() -> None:
    document = a_patch({"application/json": {"schema": FILE}, "application/pdf": {"schema": FILE}})
    assert sent(document, body=IN_BASE64) == ("application/pdf", BYTES)
    form = {"type": "object", "properties": {"f": {"allOf": [FILE]}}}
    document = a_patch({"application/json": {"schema": FILE}, "multipart/form-data": {"schema": form}})
    assert parts_of(sent(document, f=IN_BASE64))[0].get_payload(decode=True) == BYTES


@pytest.mark.parametrize(
    ("offered", "schema", "chosen"),
    [
        ([PATCH, MERGE, "application/strategic-merge-patch+json"], OPEN, MERGE),
        ([PATCH, MERGE], {"$ref": "#/definitions/Object"}, MERGE),
        ([PATCH, "application/json"], OPEN, "application/json"),
        ([PATCH, "application/strategic-merge-patch+json"], OPEN, "application/strategic-merge-patch+json"),
        ([MERGE, PATCH], {"type": "array", "items": OPERATION}, PATCH),
        (["application/json", PATCH], {"type": "array", "items": {"allOf": [OPERATION]}}, PATCH),
        (["application/json", PATCH, "text/json"], {"type": "array", "items": OPEN}, "application/json"),
        (["application/apply-patch+yaml", PATCH, MERGE], OPEN, MERGE),
        ([PATCH], OBJECT, PATCH),
    ],
)
def test_a_json_patch_is_sent_only_where_the_schema_is_a_list(offered: list[str], schema: Json, chosen: str) -> None:
    document = an_old_patch(offered, schema) | {"definitions": {"Object": OBJECT}}
    assert the_tool(document)[0].body is not None
    assert the_tool(document)[0].body.media_type == chosen  # type: ignore[union-attr]
    if "$ref" not in schema:
        modern = a_patch({name: {"schema": schema} for name in offered})
        assert the_tool(modern)[0].body.media_type == chosen  # type: ignore[union-attr]


def test_each_media_type_of_a_patch_has_a_schema_of_its_own() -> None:
    operations = {"type": "array", "items": OPERATION}
    content = {PATCH: {"schema": operations}, MERGE: {"schema": OBJECT}}
    assert sent(a_patch(content), a="b") == (MERGE, b'{"a":"b"}')
    content = {PATCH: {"schema": operations}, MERGE: {"schema": {"type": "array"}}}
    assert sent(a_patch(content), body=[{"op": "remove", "path": "/a"}])[0] == PATCH


def test_a_json_patch_without_a_schema_is_a_list_of_operations() -> None:
    document = a_patch({PATCH: {"schema": OPEN}})
    operations = [{"op": "remove", "path": "/a"}]
    assert sent(document, body=operations) == (PATCH, json.dumps(operations, separators=(",", ":")).encode())
    with pytest.raises(Invalid):
        sent(document, body={"a": 1})


@pytest.mark.parametrize(
    "media_type", ["application/x-ndjson", "application/vnd.x+x-ndjson; v=8", "application/jsonl", "application/ndjson"]
)
@pytest.mark.parametrize("schema", [{"type": "array", "items": {}}, OPEN, {}, {"oneOf": [OPEN, {"type": "array"}]}])
def test_a_body_of_lines_has_a_line_for_each_value(media_type: str, schema: Json) -> None:
    said = [{"index": {}}, {"a": "ü\n"}]
    written = '{"index":{}}\n{"a":"ü\\n"}\n'.encode()
    assert sent(a_patch({media_type: {"schema": schema}}), body=said) == (media_type, written)


def test_a_body_of_lines_is_a_text_or_one_value_where_the_document_says_so() -> None:
    assert sent(a_patch({"application/x-ndjson": {"schema": TEXT}}), body='{"a":1}\n')[1] == b'{"a":1}\n'
    assert sent(a_patch({"application/x-ndjson": {"schema": OBJECT}}), body={"a": "b"})[1] == b'{"a":"b"}\n'
    with pytest.raises(Invalid):
        sent(a_patch({"application/x-ndjson": {"schema": OBJECT}}), body=[{"a": 1}])


def test_records_begin_with_a_separator_and_items_may_be_described_alone() -> None:
    content = {"application/geo+json-seq": {"itemSchema": OBJECT}}
    assert sent(a_patch(content), body=[{"a": "b"}, {"a": "c"}])[1] == b'\x1e{"a":"b"}\n\x1e{"a":"c"}\n'


@pytest.mark.parametrize(
    "media_type",
    [
        "application/sparql-query",
        "application/csv",
        "application/vnd.github.v3.diff",
        "application/x-pem-file",
        "application/vnd.acme.rules",
        "application/logplex-1",
    ],
)
def test_a_text_is_given_and_sent_as_it_is(media_type: str) -> None:
    assert sent(a_patch({media_type: {"schema": TEXT}}), body="a\nü") == (media_type, "a\nü".encode())


@pytest.mark.parametrize(
    "media_type", ["application/cbor", "application/x-protobuf", "application/vnd.x+cbor", "application/msgpack"]
)
@pytest.mark.parametrize("schema", [OBJECT, {"type": "array", "items": OBJECT}, {}, TEXT, FILE])
def test_what_only_bytes_can_be_is_given_as_bytes(media_type: str, schema: Json) -> None:
    document = a_patch({media_type: {"schema": schema}})
    assert sent(document, body=IN_BASE64) == (media_type, BYTES)
    _, item = the_tool(document)
    assert (item.reason is not None) == (schema.get("type") in ("object", "array"))


def test_values_in_a_media_type_that_nobody_knows_are_json() -> None:
    assert sent(a_patch({"application/vnd.acme.v1": {"schema": OBJECT}}), body={"a": "b"})[1] == b'{"a":"b"}'


def a_photo(json_schema: Json, form_schema: Json) -> Json:
    return a_patch({"application/json": {"schema": json_schema}, "multipart/form-data": {"schema": form_schema}})


def test_a_file_is_sent_as_multipart_although_json_is_offered_too() -> None:
    members = {"chat": TEXT, "size": {"type": "object"}}
    document = a_photo(
        {"type": "object", "properties": {**members, "photo": TEXT}, "required": ["chat"]},
        {"type": "object", "properties": {**members, "photo": FILE}, "required": ["chat", "photo"]},
    )
    assert sent(document, chat="c", photo="http://x") == ("application/json", b'{"chat":"c","photo":"http://x"}')
    file = {"content": IN_BASE64, "filename": "a.png", "content_type": "image/png"}
    parts = parts_of(sent(document, chat="c", size={"w": 1}, photo=file))
    assert [part.get_content_type() for part in parts] == ["text/plain", "application/json", "image/png"]
    assert parts[2].get_payload(decode=True) == BYTES
    operation, item = the_tool(document)
    assert item.status == "ready"
    assert operation.input_schema["required"] == ["chat"]


def test_what_is_no_file_is_json_beside_files() -> None:
    for own, said in (
        ({"type": "integer"}, 5),
        ({"type": "string", "nullable": True}, None),
        ({"enum": ["a"], **TEXT}, "a"),
    ):
        document = a_photo(
            {"type": "object", "properties": {"photo": {"oneOf": [own]}}},
            {"type": "object", "properties": {"photo": FILE}},
        )
        assert sent(document, photo=said) == ("application/json", f'{{"photo":{json.dumps(said)}}}'.encode())
        (part,) = parts_of(sent(document, photo={"content": IN_BASE64}))
        assert part.get_payload(decode=True) == BYTES


def test_a_file_that_only_the_form_has_is_an_argument() -> None:
    document = a_photo(
        {"type": "object", "properties": {"url": TEXT}},
        {"type": "object", "properties": {"file": FILE}, "required": ["file"]},
    )
    assert sent(document, url="http://x") == ("application/json", b'{"url":"http://x"}')
    (part,) = parts_of(sent(document, file=IN_BASE64))
    assert (part.get_payload(decode=True), part.get_filename()) == (BYTES, "file")


def test_bytes_that_are_offered_beside_json_are_sent_in_its_place() -> None:
    json_ = {"type": "object", "properties": {"url": TEXT, "file": TEXT}}
    document = a_patch(
        {"application/json": {"schema": json_}, "image/*": {"schema": FILE}, "application/pdf": {"schema": FILE}}
    )
    _, item = the_tool(document)
    assert item.status == "ready"
    assert sent(document, url="u", file="f") == ("application/json", b'{"url":"u","file":"f"}')
    assert sent(document, file_=base64.b64encode(PNG).decode()) == ("image/png", PNG)
    assert sent(document, file_={"content": IN_BASE64, "content_type": "application/pdf"}) == ("application/pdf", BYTES)
    with pytest.raises(Invalid) as refused:
        sent(document, url="u", file_={"content": IN_BASE64, "content_type": "application/pdf"})
    (violation,) = refused.value.violations
    assert (violation.pointer, violation.detail) == ("/url", "must be left out: the file is all of the body")


@pytest.mark.parametrize(
    ("json_schema", "form_schema", "lost"),
    [
        ({"type": "array"}, {"type": "object", "properties": {"f": FILE}}, "its files are left out"),
        ({**OBJECT, "anyOf": [{}, {}]}, {"type": "object", "properties": {"f": FILE}}, "its files are left out"),
        (OBJECT, {"type": "object", "properties": {"f": FILE}}, "its files are left out"),
        (
            {**OBJECT, "required": []},
            {"oneOf": [{"type": "object", "properties": {"f": FILE}}]},
            "its files are left out",
        ),
        (
            {"type": "object", "properties": {"f": {"type": "object"}}},
            {"type": "object", "properties": {"f": FILE}},
            "`f`",
        ),
    ],
)
def test_files_that_cannot_be_sent_beside_json_are_reported(json_schema: Json, form_schema: Json, lost: str) -> None:
    _, item = the_tool(a_photo(json_schema, form_schema))
    assert item.status == "degraded"
    assert lost in (item.reason or "")


def test_bytes_that_cannot_be_sent_beside_json_are_reported() -> None:
    _, item = the_tool(a_patch({"application/json": {"schema": OBJECT}, "image/png": {"schema": FILE}}))
    assert "JSON is sent instead of `image/png`, and its files are left out" in (item.reason or "")


@pytest.mark.parametrize("said", ["hi", 5, None, ["a"], {"a": 1}, True])
def test_a_part_and_a_field_that_are_json_are_written_as_json(said: Any) -> None:
    schema = {"type": "object", "properties": {"note": {}, "other": TEXT}}
    encoding = {"note": {"contentType": "application/json"}}
    document = a_patch({"multipart/form-data": {"schema": schema, "encoding": encoding}})
    part, other = parts_of(sent(document, note=said, other="x"))
    assert (part.get_content_type(), part.get_payload(decode=True)) == (
        "application/json",
        json.dumps(said, separators=(",", ":")).encode(),
    )
    assert other.get_payload(decode=True) == b"x"


@pytest.mark.parametrize(
    "media_type", ["image/png, image/jpeg", "image/*", "application/octet-stream", "application/cbor"]
)
@pytest.mark.parametrize("schema", [TEXT, {}, {"allOf": [TEXT]}])
def test_a_part_whose_media_type_is_of_bytes_is_a_file(media_type: str, schema: Json) -> None:
    form: Json = {"type": "object", "properties": {"f": schema}}
    encoding = {"f": {"contentType": media_type}}
    for whole in (False, True):
        stated = {"oneOf": [form, {"type": "object"}]} if whole else form
        document = a_patch({"multipart/form-data": {"schema": stated, "encoding": encoding}})
        (part,) = parts_of(sent(document, **({"body": {"f": IN_BASE64}} if whole else {"f": IN_BASE64})))
        assert part.get_payload(decode=True) == BYTES
        first = media_type.split(",", maxsplit=1)[0]
        assert part.get_content_type() == ("application/octet-stream" if "*" in first else first)


def test_several_parts_of_bytes_are_files() -> None:
    form = {"type": "object", "properties": {"f": {"type": "array", "items": TEXT}}}
    document = a_patch({"multipart/form-data": {"schema": form, "encoding": {"f": {"contentType": "image/png"}}}})
    assert [part.get_payload(decode=True) for part in parts_of(sent(document, f=[IN_BASE64, "aGk="]))] == [BYTES, b"hi"]


def test_a_part_of_xml_is_written_by_the_caller() -> None:
    form = {"type": "object", "properties": {"f": OBJECT, "tags": {"type": "array", "items": TEXT}}}
    encoding = {"f": {"contentType": "application/xml"}, "tags": {"contentType": "text/plain"}}
    document = a_patch({"multipart/form-data": {"schema": form, "encoding": encoding}})
    part, *tags = parts_of(sent(document, f="<a/>", tags=["x", "y"]))
    assert (part.get_content_type(), part.get_payload(decode=True)) == ("application/xml", b"<a/>")
    assert [tag.get_payload(decode=True) for tag in tags] == [b"x", b"y"]
    with pytest.raises(Invalid):
        sent(document, f={"a": "b"})


@pytest.mark.parametrize(
    ("media_type", "schema", "said", "written"),
    [
        ("text/csv; charset=iso-8859-1", TEXT, "ü", b"\xfc"),
        ('application/csv;charset="Windows-1252"', TEXT, "€", b"\x80"),
        ("text/plain; charset=UTF-16LE", TEXT, "ü", b"\xfc\x00"),
        ("text/plain; charset=utf-8", TEXT, "ü", b"\xc3\xbc"),
        ("text/plain; charset=latin1", TEXT, "ü", b"\xfc"),
        ("text/plain; charset=Shift_JIS", TEXT, "日", b"\x93\xfa"),
        ("text/plain; charset=koi8-r", TEXT, "Ж", b"\xf6"),
        ("text/plain; charset=utf-32be", TEXT, "ü", b"\0\0\0\xfc"),
        ("text/plain; charset=idna", TEXT, "ü", b"\xc3\xbc"),
        ("application/vnd.acme; charset=utf-8", {}, "ü", b"\xc3\xbc"),
    ],
)
def test_a_text_is_in_the_charset_that_its_media_type_states(
    media_type: str, schema: Json, said: str, written: bytes
) -> None:
    assert sent(a_patch({media_type: {"schema": schema}}), body=said) == (media_type, written)


@pytest.mark.parametrize(
    ("schema", "said", "written", "refused"),
    [
        ({"type": "boolean"}, False, b"false", "no"),
        ({"type": "integer", "minimum": 1}, 5.0, b"5", 0),
        ({"type": "number"}, 0.5, b"0.5", "half"),
        ({"$ref": "#/components/schemas/Level"}, "high", b"high", "higher"),
        ({"oneOf": [{"type": "integer"}, {"type": "string"}]}, 1, b"1", [1]),
        ({"type": ["string", "null"]}, "x", b"x", None),
        ({"type": "object"}, "<a/>", b"<a/>", {"a": 1}),
    ],
)
def test_a_text_is_what_its_schema_says(schema: Json, said: Any, written: bytes, refused: Any) -> None:
    document = a_patch({"text/plain": {"schema": schema}})
    document["components"] = {"schemas": {"Level": {"type": "string", "enum": ["low", "high"]}}}
    assert sent(document, body=said) == ("text/plain", written)
    with pytest.raises(Invalid):
        sent(document, body=refused)


def test_what_a_charset_cannot_hold_is_refused() -> None:
    with pytest.raises(Invalid) as refused:
        sent(a_patch({"text/csv; charset=iso-8859-1": {"schema": TEXT}}), body="€")
    (violation,) = refused.value.violations
    assert violation.detail == "must be text in iso-8859-1, as its media type says"


@pytest.mark.parametrize(
    "schema", [{"type": 5, "format": ["binary"]}, {"type": [{}]}, {"allOf": {}, "items": []}, 5, None]
)
@pytest.mark.parametrize("media_type", ["*/*", PATCH, "application/x-ndjson", "application/vnd.x", "image/*"])
def test_schemas_that_are_none_make_a_tool_all_the_same(media_type: str, schema: Any) -> None:
    operation, item = the_tool(a_patch({media_type: {"schema": schema}, "text/csv": {"schema": schema}}))
    assert item.status != "skipped"
    assert operation.input_schema["required"] == ["body"]
