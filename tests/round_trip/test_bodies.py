"""Bodies: forms in every style, files, bytes and texts arrive as what a caller said."""

import base64
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.openapi.conversion import convert
from app.operation.operation import Json, Operation
from app.tools.arguments import ArgumentRules
from app.tools.request.plan import UpstreamRequest, build_request, plan_request
from tests.round_trip.conftest import Tally
from tests.round_trip.judging import ORIGIN, Judge, described, only
from tests.round_trip.test_styles import ANY_TEXT, INTEGERS, SCHEMAS

FORM = "application/x-www-form-urlencoded"
BYTES = st.binary(max_size=200)
# This reader takes white space off the ends of a filename.
NAME_CHARACTERS = st.characters(exclude_categories=["C"], exclude_characters='"\\')
FILENAMES = st.text(NAME_CHARACTERS, min_size=1, max_size=20).filter(lambda name: name == name.strip())
CASES = settings(max_examples=40, suppress_health_check=list(HealthCheck))

ENCODINGS: dict[str, Json | None] = {
    "by default": None,
    "form": {"style": "form", "explode": True},
    "form in one": {"style": "form", "explode": False},
    "spaces": {"style": "spaceDelimited", "explode": False},
    "pipes": {"style": "pipeDelimited", "explode": False},
    "deep object": {"style": "deepObject", "explode": True},
}
KINDS = {
    "by default": ["string", "integer", "boolean", "texts", "integers"],
    "form": ["string", "integer", "boolean", "texts", "integers"],
    "form in one": ["texts", "integers"],
    "spaces": ["texts", "integers"],
    "pipes": ["texts", "integers"],
    "deep object": ["object", "nested", "objects"],
}
FORMS = [(encoding, kind) for encoding, kinds in KINDS.items() for kind in kinds]


def operation_of(media_type: str, media: Json) -> Operation:
    body = {"required": True, "content": {media_type: media}}
    document = {"openapi": "3.1.0", "paths": {"/things": {"post": {"operationId": "add", "requestBody": body}}}}
    return convert(document, slug="t").operations[0]


def request_of(operation: Operation, arguments: Json) -> UpstreamRequest:
    return build_request(plan_request(operation, ORIGIN), ArgumentRules(operation.input_schema).check(arguments))


def values(kind: str, forbidden: str) -> st.SearchStrategy[Any]:
    text = ANY_TEXT.filter(lambda each: not set(each) & set(forbidden))
    of_kind: dict[str, st.SearchStrategy[Any]] = {
        "string": text,
        "integer": INTEGERS,
        "boolean": st.booleans(),
        "texts": st.lists(text, min_size=1, max_size=4),
        "integers": st.lists(INTEGERS, min_size=1, max_size=4),
        "object": st.fixed_dictionaries({"first": text, "2nd-one": INTEGERS}),
        "nested": st.fixed_dictionaries({"inner": st.fixed_dictionaries({"a": text, "b": INTEGERS})}),
        "objects": st.fixed_dictionaries(
            {"all": st.lists(st.fixed_dictionaries({"a": text, "b": INTEGERS}), min_size=1)}
        ),
    }
    return of_kind[kind]


@pytest.mark.parametrize(("encoding", "kind"), FORMS)
def test_a_form_is_read_as_it_was_said(encoding: str, kind: str, judge: Judge, tally: Tally) -> None:
    stated = ENCODINGS[encoding]
    media: Json = {"schema": {"type": "object", "properties": {"field": SCHEMAS[kind], "other": {"type": "string"}}}}
    if stated is not None:
        media["encoding"] = {"field": stated}
    operation = operation_of(FORM, media)
    # This reader takes a percent-encoded comma for one that separates.
    forbidden = {"form in one": ",", "spaces": " ", "pipes": "|"}.get(encoding, "")

    @given(values(kind, forbidden), ANY_TEXT)
    @CASES
    def one(value: Any, other: str) -> None:
        request = request_of(operation, {"field": value, "other": other})
        expected: Json = {"schema": only({"field": value, "other": other})}
        if stated is not None:
            expected["encoding"] = {"field": stated}
        tally.judged += 1
        assert judge.refusal(request, described("/things", "post", [], {FORM: expected})) is None

    one()


@given(content=BYTES, filename=FILENAMES, note=ANY_TEXT, tags=st.lists(ANY_TEXT, min_size=1, max_size=3))
@CASES
def test_parts_and_files_arrive_byte_by_byte(content: bytes, filename: str, note: str, tags: list[str]) -> None:
    properties = {
        "file": {"type": "string", "format": "binary"},
        "note": {"type": "string"},
        "tags": {"type": "array", "items": {"type": "string"}},
        "meta": {"type": "object", "properties": {"by": {"type": "string"}}},
    }
    operation = operation_of("multipart/form-data", {"schema": {"type": "object", "properties": properties}})
    file = {"content": base64.b64encode(content).decode(), "filename": filename, "content_type": "image/png"}
    request = request_of(operation, {"file": file, "note": note, "tags": tags, "meta": {"by": note}})
    parts = parts_of(request)
    assert [name_of(part) for part in parts] == ["file", "note", *["tags"] * len(tags), "meta"]
    assert [bytes_of(part) for part in parts[:-1]] == [content, note.encode(), *[tag.encode() for tag in tags]]
    assert (parts[0].get_content_type(), parts[0].get_filename()) == ("image/png", filename)
    assert parts[-1].get_content_type() == "application/json"


def parts_of(request: UpstreamRequest) -> list[EmailMessage]:
    content_type = dict(request.headers)["content-type"]
    head = f"MIME-Version: 1.0\r\nContent-Type: {content_type}\r\n\r\n".encode()
    assert request.content is not None
    message = message_from_bytes(head + request.content, policy=policy.HTTP)
    return [part for part in message.iter_parts() if isinstance(part, EmailMessage)]


def name_of(part: EmailMessage) -> str:
    return str(part["content-disposition"].params["name"])


def bytes_of(part: EmailMessage) -> bytes:
    payload = part.get_payload(decode=True)
    assert isinstance(payload, bytes)
    return payload


@given(BYTES)
@CASES
def test_bytes_arrive_as_bytes(content: bytes) -> None:
    operation = operation_of("application/octet-stream", {"schema": {"type": "string", "format": "binary"}})
    request = request_of(operation, {"body": base64.b64encode(content).decode()})
    assert (request.content, dict(request.headers)["content-type"]) == (content, "application/octet-stream")


@pytest.mark.parametrize("media_type", ["text/plain", "application/xml", "text/csv"])
def test_texts_arrive_as_they_are(media_type: str) -> None:
    operation = operation_of(media_type, {"schema": {"type": "string"}})

    @given(st.text(st.characters(exclude_categories=["Cs"])))
    @CASES
    def one(text: str) -> None:
        request = request_of(operation, {"body": text})
        assert request.content == text.encode()
        assert dict(request.headers)["content-type"].partition(";")[0] == media_type

    one()
