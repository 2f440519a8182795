"""Anything anywhere: a document of wrong types is converted or refused, never a crash, and never a broken schema."""

from collections.abc import Iterator
from typing import Any

import jsonschema_rs
import pytest

from app.errors import Invalid
from app.openapi.document.reading import Limits
from tests.openapi.documents import Json, a_document, a_get, a_post, converted

VALUES: list[Any] = [
    None,
    1,
    -1.5,
    "x",
    "",
    [],
    {},
    True,
    False,
    [[]],
    {"a": 1},
    [1],
    ["x"],
    [None],
    {"$ref": 1},
    1e300,
    [{}],
]
KEYWORDS = [
    "type",
    "enum",
    "const",
    "default",
    "format",
    "pattern",
    "required",
    "properties",
    "items",
    "allOf",
    "anyOf",
    "oneOf",
    "not",
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "minLength",
    "maxItems",
    "uniqueItems",
    "multipleOf",
    "additionalProperties",
    "nullable",
    "readOnly",
    "discriminator",
    "$ref",
    "$dynamicRef",
    "title",
    "description",
    "example",
    "examples",
    "patternProperties",
    "if",
    "then",
    "dependentRequired",
    "dependentSchemas",
    "dependencies",
    "prefixItems",
    "contains",
    "minContains",
    "contentEncoding",
    "contentMediaType",
    "deprecated",
    "propertyNames",
    "unevaluatedProperties",
    "$defs",
    "definitions",
    "$id",
    "$anchor",
]


def documents_with(value: Any) -> Iterator[Json]:
    yield from (
        a_document({"/a": a_get()}) | {key: value} for key in ("info", "servers", "paths", "components", "tags")
    )
    for key in ("parameters", "requestBody", "responses", "servers", "tags", "operationId", "summary", "description"):
        yield a_document({"/a": {"post": {key: value}}})
        yield a_document({"/a": {"get": {}, key: value}})
    for key in ("name", "in", "schema", "content", "style", "explode", "required", "allowReserved", "example"):
        yield a_document({"/a": a_get({"name": "a", "in": "query", "schema": {}} | {key: value})})
    for key in ("content", "required", "description"):
        yield a_document({"/a": {"post": {"requestBody": {"content": {"application/json": {}}, key: value}}}})
    form = {"type": "object", "properties": {"f": {"type": "string"}}}
    for media in (
        "application/json",
        "multipart/form-data",
        "application/x-www-form-urlencoded",
        "text/plain",
        "image/png",
    ):
        yield from (
            a_document({"/a": a_post(form, media, **{key: value})}) for key in ("encoding", "example", "examples")
        )
        yield a_document({"/a": a_post(value, media)})
        for key in ("contentType", "style", "explode", "headers"):
            yield a_document({"/a": a_post(form, media, encoding={"f": {key: value}})})
    yield from old_documents_with(value)


def old_documents_with(value: Any) -> Iterator[Json]:
    plain = a_document({"/a": {"get": {"responses": {"200": {"schema": {}}}}}}, servers=None, swagger="2.0")
    for key in ("swagger", "host", "basePath", "schemes", "consumes", "produces", "definitions", "parameters"):
        yield plain | {key: value}
    for location in ("query", "body", "formData"):
        old = {"name": "a", "in": location, "type": "array", "items": {"type": "string"}}
        for key in (
            "name",
            "in",
            "type",
            "items",
            "collectionFormat",
            "required",
            "description",
            "schema",
            "x-nullable",
        ):
            yield a_document({"/a": a_get(old | {key: value})}, swagger="2.0")
    for key in ("consumes", "produces", "responses", "schemes"):
        yield a_document({"/a": {"post": {key: value, "parameters": [{"name": "b", "in": "body"}]}}})
    yield a_document({"/a": {"get": {"responses": {"200": value, "201": {"schema": value}}}}}, produces=["text/csv"])


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_wrong_types_anywhere_in_a_document_are_no_crash(value: Any) -> None:
    outcomes: list[int] = []
    refusals: list[Invalid] = []
    for document in documents_with(value):
        try:
            outcomes.append(len(converted(document).report))
        except Invalid as refusal:
            refusals.append(refusal)
    assert all(refusal.violations for refusal in refusals)
    assert len(outcomes) > 60
    assert 1 <= max(outcomes) <= 2  # a second line tells of what is no method, or calls back


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_wrong_types_anywhere_in_a_schema_leave_a_valid_schema(value: Any) -> None:
    for keyword in KEYWORDS:
        for base in ({}, {"type": "object", "properties": {"x": {}}}, {"type": "string"}):
            schema = {**base, keyword: value}
            nested = (
                {"type": "object", "properties": {"x": schema}, "required": ["x"]},
                {"items": schema},
                {"$ref": "#/components/schemas/X"},
            )
            for each in (schema, *nested):
                answered = {"200": {"content": {"application/json": {"schema": each}}}}
                path = {"post": a_post(each)["post"] | {"responses": answered}}
                operation = converted(a_document({"/a": path}, schemas={"X": schema})).operations[0]
                for converted_schema in (operation.input_schema, operation.output_schema or {}):
                    jsonschema_rs.meta.validate(converted_schema)
                    jsonschema_rs.Draft202012Validator(converted_schema)


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_wrong_types_anywhere_in_a_schema_that_is_shortened_leave_a_valid_schema(value: Any) -> None:
    members = {f"optional_{number}": {"type": "string", "description": "words " * 50} for number in range(5)}
    for keyword in KEYWORDS:
        schema = {
            "type": "object",
            "required": ["x"],
            "properties": {"x": {}, **members},
            "oneOf": [{}],
            keyword: value,
        }
        document = a_document({"/a": a_post({"items": {"$ref": "#/components/schemas/X"}})}, schemas={"X": schema})
        operation = converted(document, limits=Limits(tool_bytes=300)).operations[0]
        jsonschema_rs.meta.validate(operation.input_schema)
        jsonschema_rs.Draft202012Validator(operation.input_schema)
