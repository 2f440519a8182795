"""References that are not meant from the root of their file: `$id`, `$defs` in a schema, `$self`."""

import json
from typing import Any

import pytest

from app.openapi.document.bundling import read_bundled
from app.openapi.document.reading import File
from tests.openapi.documents import Json, a_document, a_post, only

ADDRESS = "https://api.example/v1/openapi.json"
WEIGHT = {"type": "object", "properties": {"weight": {"type": "integer"}}}


def read(document: Json, address: str = ADDRESS, files: Json | None = None) -> tuple[Json, list[str], str | None]:
    """The definitions of the only operation, the addresses that were asked for, and what its report says."""
    asked: list[str] = []

    def load(wanted: Any) -> list[File | str]:
        asked.extend(wanted)
        known = {f"https://api.example/{name}": content for name, content in (files or {}).items()}
        return [File(json.dumps(known[each]).encode()) if each in known else "not here" for each in wanted]

    operation, report = only(read_bundled(File(json.dumps(document).encode()), address, load))
    return operation.input_schema.get("$defs", {}), asked, report.reason


def a_body(ref: str, version: str = "3.1.0", schemas: Json | None = None, **fields: Any) -> Json:
    paths = {"/a": a_post({"type": "object", "properties": {"size": {"$ref": ref}}})}
    return a_document(paths, schemas=schemas, version=version, **fields)


@pytest.mark.parametrize("grams", ["#/$defs/Grams", "size#/$defs/Grams", "https://schemas.example/size#/$defs/Grams"])
@pytest.mark.parametrize("flag", ["flag", "./flag", "https://schemas.example/flag", "#/components/schemas/Flag"])
def test_an_identity_is_the_base_of_what_is_inside(grams: str, flag: str) -> None:
    size = {
        "$id": "https://schemas.example/size",
        "type": "object",
        "properties": {"weight": {"$ref": grams}, "fragile": {"$ref": flag}, "inside": {"$ref": "#"}},
        "$defs": {"Grams": {"type": "integer"}},
    }
    schemas = {"Size": size, "Flag": {"$id": "https://schemas.example/flag", "type": "boolean"}}
    definitions, asked, reason = read(a_body("#/components/schemas/Size", schemas=schemas))
    assert (asked, reason) == ([], None)
    assert definitions["Grams"] == {"type": "integer"}
    assert definitions["Flag"] == {"type": "boolean"}
    assert definitions["Size"]["properties"]["inside"] == {"$ref": "#/$defs/Size"}


def test_an_identity_in_an_identity_is_relative_to_it() -> None:
    inner = {"$id": "parts/inner", "type": "object", "properties": {"other": {"$ref": "leaf"}}}
    leaf = {"$id": "https://schemas.example/a/parts/leaf", "type": "string"}
    outer = {"$id": "https://schemas.example/a/outer", "type": "object", "properties": {"inner": inner}}
    definitions, asked, reason = read(a_body("#/components/schemas/Outer", schemas={"Outer": outer, "Leaf": leaf}))
    assert (asked, reason, definitions["Leaf"]) == ([], None, {"type": "string"})


@pytest.mark.parametrize("keyword", ["$defs", "definitions"])
def test_a_schema_that_was_pasted_brings_its_definitions(keyword: str) -> None:
    made = {
        "type": "object",
        "properties": {"weight": {"$ref": f"#/{keyword}/Grams"}},
        keyword: {"Grams": {"type": "integer"}},
    }
    definitions, _, reason = read(a_body("#/components/schemas/Size", schemas={"Size": made}))
    assert (reason, definitions["Grams"]) == (None, {"type": "integer"})


@pytest.mark.parametrize("ref", ["#/definitions/Size", "#/$defs/Size", "#/definitions/Size/properties/weight"])
def test_a_reference_of_another_version_leads_to_what_has_that_name(ref: str) -> None:
    definitions, _, reason = read(a_body(ref, schemas={"Size": WEIGHT}))
    weight: Json = {"type": "integer"}
    assert list(definitions.values()) == [weight if ref.endswith("weight") else WEIGHT]
    assert reason is None


def test_references_of_openapi_3_are_understood_in_swagger_2() -> None:
    size, count = {"$ref": "#/components/schemas/Size"}, {"$ref": "#/components/parameters/Count"}
    body = {"name": "size", "in": "body", "schema": {"type": "object", "properties": {"size": size}}}
    document = {
        "swagger": "2.0",
        "info": {"title": "Shop", "version": "1"},
        "paths": {"/a": {"post": {"parameters": [body, count], "responses": {}}}},
        "definitions": {"Size": WEIGHT},
        "parameters": {"Count": {"name": "count", "in": "query", "type": "integer"}},
    }
    written = json.dumps(document).replace("/", "\\/")  # as PHP does
    operation, report = only(read_bundled(File(written.encode()), ADDRESS, lambda _: []))
    assert operation.input_schema["$defs"] == {"Size": WEIGHT}
    assert operation.input_schema["properties"]["count"] == {"type": "integer"}
    assert report.reason is None


def test_what_the_document_has_goes_before_what_is_around() -> None:
    schemas = {
        "Grams": {"type": "number"},
        "Size": {
            "type": "object",
            "properties": {"weight": {"$ref": "#/components/schemas/Grams"}},
            "$defs": {"components": {}},
        },
    }
    assert read(a_body("#/components/schemas/Size", schemas=schemas))[0]["Grams"] == {"type": "number"}


def test_data_that_looks_like_an_identity_is_none() -> None:
    schema = {"type": "object", "properties": {"$id": {"type": "string"}, "weight": {"$ref": "#/components/schemas/G"}}}
    schema["example"] = {"$id": "https://schemas.example/x", "$ref": "#/y"}
    definitions, asked, reason = read(a_body("#/components/schemas/S", schemas={"S": schema, "G": {"type": "integer"}}))
    assert (asked, reason, definitions["G"]) == ([], None, {"type": "integer"})
    assert definitions["S"]["properties"]["$id"] == {"type": "string"}


@pytest.mark.parametrize("address", [ADDRESS, "file:///tmp/openapi.json", ""])
@pytest.mark.parametrize("ref", ["https://api.example/v2/api", "api", "/v2/api", "./api"])
def test_a_document_is_known_by_its_own_name(address: str, ref: str) -> None:
    document = a_body(f"{ref}#/components/schemas/Size", "3.2.0", {"Size": WEIGHT})
    document["$self"] = "https://api.example/v2/api"
    definitions, asked, reason = read(document, address)
    assert (asked, reason) == ([], None)
    assert definitions["Size"]["properties"] == WEIGHT["properties"]


def test_the_neighbours_of_a_document_are_where_it_says_that_it_belongs() -> None:
    document = a_body("shared#/Size", "3.2.0") | {"$self": "/v2/api"}
    definitions, asked, reason = read(document, files={"v2/shared": {"Size": WEIGHT}})
    assert (asked, reason) == (["https://api.example/v2/shared"], None)
    assert "Size" in definitions


def test_the_neighbours_of_a_copy_are_beside_it() -> None:
    document = a_body("shared#/Size", "3.2.0") | {"$self": "https://elsewhere.example/v2/api"}
    _, asked, _ = read(document, files={"v1/shared": {"Size": WEIGHT}})
    assert asked == ["https://api.example/v1/shared"]
