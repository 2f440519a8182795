"""What a document says of answers becomes a small schema that accepts whatever the document accepts."""

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from app.openapi.document.reading import Limits
from tests.openapi.documents import Json, a_document, converted, only

KEYWORDS = {"type", "enum", "const", "description", "properties", "required", "items", "additionalProperties"}


def an_answer(schema: Any, media_type: str = "application/json", status: str = "200") -> Json:
    return {status: {"description": "", "content": {media_type: {"schema": schema}}}}


def shape_of(responses: Any, **fields: Any) -> Json | None:
    operation, item = only(a_document({"/a": {"get": {"responses": responses}}}, **fields))
    assert item.status == "ready"
    return operation.output_schema


OBJECT = {"type": "object", "properties": {"a": {"type": "string"}}}


@pytest.mark.parametrize(
    ("schema", "shape"),
    [
        (OBJECT, OBJECT),
        ({"type": "array", "items": OBJECT}, {"type": "array", "items": OBJECT}),
        ({"type": "object", "required": ["a", "b"], "properties": {"a": {}}}, {
            "type": "object", "properties": {"a": {}}, "required": ["a", "b"]}),
        ({**OBJECT, "additionalProperties": False, "minProperties": 1, "patternProperties": {"^x": {}}}, OBJECT),
        ({"type": "string", "format": "date", "pattern": "^x", "maxLength": 3}, {"type": "string"}),
        ({"type": "integer", "minimum": 1, "enum": [1, 2]}, {"type": "integer", "enum": [1, 2]}),
        ({"type": "object", "additionalProperties": {"type": "integer"}},
         {"type": "object", "additionalProperties": {"type": "integer"}}),
        ({"oneOf": [OBJECT, {"type": "string", "format": "uri"}]}, {"anyOf": [OBJECT, {"type": "string"}]}),
        ({"type": "object", "anyOf": [OBJECT, {}]}, {"type": "object"}),
        ({"allOf": [OBJECT, {"not": OBJECT}]}, {"allOf": [OBJECT]}),
        ({"type": "array", "prefixItems": [{"type": "string"}], "items": {"type": "integer"}}, {"type": "array"}),
        ({"$ref": "#/components/schemas/Node"},
         {"type": "object", "properties": {"next": {"type": ["object", "null"]}}}),
    ],
)  # fmt: skip
def test_a_shape_says_what_is_there_and_refuses_nothing_else(schema: Any, shape: Json) -> None:
    node = {"type": "object", "properties": {"next": {"anyOf": [{"$ref": "#/components/schemas/Node"}]}}}
    got = shape_of(an_answer(schema), schemas={"Node": node})
    if "$ref" in schema:
        assert got is not None
        assert got["properties"]["next"]["anyOf"][0]["properties"]["next"]["anyOf"][0]["type"] == "object"
    else:
        assert got == shape


def test_what_only_requests_have_is_not_in_an_answer_and_what_only_answers_have_is() -> None:
    secret = {"type": "string", "writeOnly": True}
    schema = {
        "type": "object",
        "required": ["id", "secret"],
        "properties": {"id": {"type": "integer", "readOnly": True}, "secret": secret},
        "additionalProperties": {"type": "boolean"},
    }
    assert shape_of(an_answer(schema)) == {
        "type": "object",
        "properties": {"id": {"type": "integer"}},
        "required": ["id"],
    }


@pytest.mark.parametrize("version", ["3.0.3", "3.1.0"])
def test_null_is_accepted_where_the_document_says_so(version: str) -> None:
    nullable = {"type": "string", "nullable": True} if version == "3.0.3" else {"type": ["string", "null"]}
    shape = shape_of(an_answer({"type": "object", "properties": {"a": nullable}}), version=version)
    assert shape == {"type": "object", "properties": {"a": {"type": ["string", "null"]}}}


@pytest.mark.parametrize(
    "responses",
    [
        None,
        {},
        {"default": an_answer(OBJECT)["200"]},
        an_answer(OBJECT, status="400"),
        {**an_answer(OBJECT), **an_answer({"type": "array"}, status="206")},
        an_answer({}),
        an_answer(None),
        an_answer({"description": "anything"}),
        an_answer({"$ref": "#/nowhere"}),
        an_answer(OBJECT, "text/event-stream"),
        an_answer(OBJECT, "application/xml"),
        {"200": {"$ref": "#/nowhere"}},
    ],
)
def test_without_one_shape_of_success_nothing_is_promised(responses: Any) -> None:
    assert shape_of(responses) is None


def test_one_body_among_several_successes_is_a_shape() -> None:
    assert shape_of({"204": {"description": ""}, **an_answer(OBJECT, status="2XX"), "400": {}}) == OBJECT
    both = {"200": {"content": {"application/xml": {"schema": {}}, "application/json": {"schema": OBJECT}}}}
    assert shape_of(both) == OBJECT


def wide(levels: int) -> Json:
    inner = wide(levels - 1) if levels else {"type": "string", "description": "A word. " * 100}
    return {"type": "object", "description": "Long. " * 100, "properties": {f"member_{n}": inner for n in range(9)}}


def test_a_large_shape_is_left_open_from_the_inside() -> None:
    shape = shape_of(an_answer(wide(4)))
    assert shape is not None
    assert len(orjson.dumps(shape)) <= 1_024
    assert shape["properties"]["member_0"] == {"type": "object"}
    names: Json = {f"member_{number}": {} for number in range(500)}
    assert shape_of(an_answer({"type": "object", "properties": names})) is None


def test_output_schemas_go_first_when_a_list_is_too_large() -> None:
    document = a_document({f"/{number}": {"get": {"responses": an_answer(OBJECT)}} for number in range(20)})
    whole = converted(document)
    assert all(operation.output_schema == OBJECT for operation in whole.operations)
    tight = converted(document, limits=Limits(list_bytes=sum(item.bytes for item in whole.report) - 1))
    assert all(operation.output_schema is None for operation in tight.operations)
    assert [operation.input_schema for operation in tight.operations] == [
        operation.input_schema for operation in whole.operations
    ]
    assert [item.status for item in tight.report] == ["ready"] * 20
    small = converted(document, limits=Limits(tool_bytes=whole.report[0].bytes - 1))
    assert small.operations[0].output_schema is None


def test_references_that_multiply_end_at_once() -> None:
    schemas = {
        f"S{number}": {"allOf": [{"$ref": f"#/components/schemas/S{number + 1}"}] * 10} for number in range(100)
    } | {"S100": {"allOf": [{"$ref": "#/components/schemas/S100"}] * 2}}
    assert shape_of(an_answer({"$ref": "#/components/schemas/S0"}), schemas=schemas) is None


SCHEMAS = st.recursive(
    st.sampled_from(
        [
            {"type": "string", "minLength": 2},
            {"type": "integer", "minimum": 3},
            {"type": ["number", "null"]},
            {"enum": ["a", 1, None]},
            {"const": {"a": 1}},
            True,
            False,
            {"type": "boolean"},
        ]
    ),
    lambda inner: st.fixed_dictionaries(
        {},
        optional={
            "type": st.sampled_from(["object", "array"]),
            "properties": st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
            "patternProperties": st.dictionaries(st.sampled_from(["^a", "b"]), inner, max_size=1),
            "additionalProperties": inner,
            "required": st.lists(st.sampled_from("abc"), unique=True, max_size=2),
            "items": inner,
            "prefixItems": st.lists(inner, min_size=1, max_size=2),
            "allOf": st.lists(inner, min_size=1, max_size=2),
            "anyOf": st.lists(inner, min_size=1, max_size=2),
            "oneOf": st.lists(inner, min_size=1, max_size=2),
            "not": inner,
        },
    ),
    max_leaves=8,
)
VALUES = st.recursive(
    st.sampled_from([None, True, 1, 5, "a", "abc", 2.5]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=8,
)


@given(SCHEMAS, VALUES)
def test_a_shape_accepts_whatever_the_document_accepts(schema: Any, value: Any) -> None:
    shape = shape_of(an_answer(schema))
    if shape is None:
        return
    Draft202012Validator.check_schema(shape)
    if Draft202012Validator(schema).is_valid(value):
        assert Draft202012Validator(shape).is_valid(value)


def test_a_media_type_that_cannot_be_read_is_not_asked_for_and_needs_no_line() -> None:
    """Whatever an API answers is read by the media type that comes with it."""
    content = {"json": {"schema": {}}, "application/json": {"schema": OBJECT}}
    operation, item = only(a_document({"/a": {"get": {"responses": {"200": {"content": content}}}}}))
    assert (operation.accept, operation.output_schema) == (("application/json",), OBJECT)
    assert (item.status, item.reason) == ("ready", None)
