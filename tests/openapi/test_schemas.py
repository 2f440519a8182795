"""Schemas of any dialect become self-contained JSON Schema 2020-12."""

from typing import Any

import jsonschema_rs
import pytest

from tests.openapi.documents import a_document, a_post, body_schema, only

NULL = {"type": "null"}


def ref(name: str) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{name}"}


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ({"type": "string", "nullable": True}, {"type": ["string", "null"]}),
        ({"type": "string", "nullable": False}, {"type": "string"}),
        ({"type": ["string", "null"], "nullable": True}, {"type": ["string", "null"]}),
        ({"type": "string", "enum": ["a"], "nullable": True}, {"type": ["string", "null"], "enum": ["a", None]}),
        ({"type": "string", "enum": ["a", None], "nullable": True}, {"type": ["string", "null"], "enum": ["a", None]}),
        ({"nullable": True}, {}),
        ({"type": "integer", "minimum": 1, "exclusiveMinimum": True}, {"type": "integer", "exclusiveMinimum": 1}),
        ({"type": "integer", "maximum": 9, "exclusiveMaximum": True}, {"type": "integer", "exclusiveMaximum": 9}),
        ({"type": "integer", "minimum": 1, "exclusiveMinimum": False}, {"type": "integer", "minimum": 1}),
        ({"type": "integer", "exclusiveMinimum": True}, {"type": "integer"}),
        ({"type": "integer", "exclusiveMinimum": 3}, {"type": "integer", "exclusiveMinimum": 3}),
        ({"type": "string", "example": "x"}, {"type": "string", "examples": ["x"]}),
        ({"type": "string", "examples": ["x", "y"]}, {"type": "string", "examples": ["x", "y"]}),
        ({"type": "string", "example": "x" * 500}, {"type": "string"}),
        ({"type": "object", "example": {"a": 1}}, {"type": "object"}),
        ({"type": "string", "format": "byte"}, {"type": "string", "format": "byte", "contentEncoding": "base64"}),
        (
            {"items": [{"type": "string"}, {}], "additionalItems": False},
            {"prefixItems": [{"type": "string"}, {}], "items": False},
        ),
        ({"type": "object", "additionalProperties": True}, {"type": "object"}),
        ({"type": "object", "additionalProperties": False}, {"type": "object", "additionalProperties": False}),
        ({"type": "string", "xml": {}, "externalDocs": {}, "discriminator": {}, "x-y": 1}, {"type": "string"}),
        (
            {"type": "array", "minItems": 1.0, "uniqueItems": True},
            {"type": "array", "minItems": 1, "uniqueItems": True},
        ),
        ({"$id": "urn:a", "$schema": "urn:b", "$anchor": "c", "$comment": "d", "const": 1}, {"const": 1}),
        ({"required": [], "type": "object"}, {"type": "object"}),
        (True, {}),
        ({"not": {}}, {"not": {}}),
        ({"description": " text \n"}, {"description": "text"}),
    ],
)
def test_an_older_dialect_becomes_2020_12_without_a_word(schema: Any, expected: Any) -> None:
    result, _, item = body_schema(schema)
    assert (result or {}) == expected
    assert item.status == "ready"


@pytest.mark.parametrize(
    ("schema", "expected", "told"),
    [
        ({"allOf": [], "anyOf": [], "oneOf": [], "type": "string"}, {"type": "string"}, "`allOf` is empty"),
        ({"enum": [], "type": "string"}, {"type": "string"}, "`enum` is empty"),
        ({"required": ["a", "a"], "type": "object"}, {"required": ["a"], "type": "object"}, "repeats a name"),
        (
            {"required": ["a", 1], "type": "object"},
            {"required": ["a"], "type": "object"},
            "something that is not a name",
        ),
        (
            {"type": "int", "minimum": 1},
            {"type": "integer", "minimum": 1},
            "'int' is not a JSON type and is taken for integer",
        ),
        ({"type": "float"}, {"type": "number"}, "taken for number"),
        ({"type": "bool"}, {"type": "boolean"}, "taken for boolean"),
        ({"type": "Date"}, {"type": "string"}, "taken for string"),
        ({"type": "list", "items": {}}, {"type": "array"}, "taken for array"),
        ({"type": ["int", "null"]}, {"type": ["integer", "null"]}, "taken for integer or null"),
        ({"type": "any"}, {}, "'any' is not a JSON type"),
        ({"type": ["string", "money"]}, {"type": "string"}, "is not a JSON type"),
    ],
)
def test_what_no_dialect_allows_is_repaired_and_reported(schema: Any, expected: Any, told: str) -> None:
    result, _, item = body_schema(schema)
    assert result == expected
    assert told in (item.reason or "")
    assert "/requestBody/content/application~1json/schema/items)" in (item.reason or "")


@pytest.mark.parametrize(
    "wrap",
    [
        lambda inner: {"type": "object", "properties": {"x": inner}},
        lambda inner: {"type": "object", "additionalProperties": inner},
        lambda inner: {"type": "object", "patternProperties": {"^x": inner}},
        lambda inner: {"type": "array", "items": inner},
        lambda inner: {"prefixItems": [inner]},
        lambda inner: {"contains": inner},
        lambda inner: {"allOf": [inner]},
        lambda inner: {"anyOf": [inner]},
        lambda inner: {"not": inner},
        lambda inner: {"if": inner, "then": inner, "else": inner},
        lambda inner: {"propertyNames": inner},
        lambda inner: {"dependentSchemas": {"x": inner}},
        lambda inner: {"unevaluatedProperties": inner},
    ],
)
def test_every_schema_position_is_converted(wrap: Any) -> None:
    result, _, item = body_schema(wrap({"type": "integer", "minimum": 1, "exclusiveMinimum": True, "nullable": True}))
    assert result == wrap({"type": ["integer", "null"], "exclusiveMinimum": 1})
    assert item.status == "ready"


def test_nullable_beside_a_reference_or_a_combination_is_meant_for_the_whole() -> None:
    nullable = {"nullable": True, "description": "d"}
    schemas = {"X": {"type": "object", "properties": {"a": {}}}}
    result, definitions, _ = body_schema({**ref("X"), **nullable}, schemas=schemas)
    assert result == {"description": "d", "anyOf": [{"$ref": "#/$defs/X"}, NULL]}
    assert definitions == {"X": {"type": "object", "properties": {"a": {}}}}
    combined, _, _ = body_schema({"type": "object", "allOf": [ref("X")], **nullable}, schemas=schemas)
    assert combined == {"description": "d", "anyOf": [{"type": "object", "allOf": [{"$ref": "#/$defs/X"}]}, NULL]}


def test_what_stands_beside_a_reference_is_kept() -> None:
    result, _, _ = body_schema({**ref("X"), "description": "d", "default": 1}, schemas={"X": {"type": "integer"}})
    assert result == {"$ref": "#/$defs/X", "description": "d", "default": 1}


def test_recursive_schemas_stay_recursive() -> None:
    node = {"type": "object", "properties": {"children": {"type": "array", "items": ref("Node")}, "up": ref("Node")}}
    result, definitions, item = body_schema(ref("Node"), schemas={"Node": node})
    assert result == {"$ref": "#/$defs/Node"}
    assert definitions["Node"]["properties"]["up"] == {"$ref": "#/$defs/Node"}
    assert item.status == "ready"


def test_only_what_is_reached_is_defined() -> None:
    schemas = {"A": {"type": "object", "properties": {"b": ref("B")}}, "B": {"type": "string"}, "C": {"type": "number"}}
    _, definitions, _ = body_schema(ref("A"), schemas=schemas)
    assert list(definitions) == ["A", "B"]


@pytest.mark.parametrize(
    ("pointer", "expected"),
    [
        ("#/components/schemas/X/allOf/0", {"type": "string"}),
        ("#/components/schemas/a~1b", {"type": "integer"}),
        ("#/components/schemas/a%20b", {"type": "number"}),
        ("#/components/schemas/50%25", {"type": "boolean"}),
        ("#/components/schemas/50%", {"type": "boolean"}),
        ("#/paths/~1a/post/x-shared", {"type": "null"}),
    ],
)
def test_references_are_json_pointers_to_anywhere(pointer: str, expected: dict[str, Any]) -> None:
    schemas = {
        "X": {"allOf": [{"type": "string"}]},
        "a/b": {"type": "integer"},
        "a b": {"type": "number"},
        "50%": {"type": "boolean"},
    }
    document = a_document({"/a": a_post({"type": "array", "items": {"$ref": pointer}})}, schemas=schemas)
    document["paths"]["/a"]["post"]["x-shared"] = {"type": "null"}
    operation, item = only(document)
    (definition,) = operation.input_schema["$defs"].values()
    assert definition == expected
    assert item.status == "ready"
    jsonschema_rs.Draft202012Validator(operation.input_schema)


def test_definitions_of_the_same_last_name_stay_apart() -> None:
    schemas = {"A": {"properties": {"x": {"type": "string"}}}, "B": {"properties": {"x": {"type": "integer"}}}}
    both = {"anyOf": [ref("A/properties/x"), ref("B/properties/x")]}
    result, definitions, _ = body_schema(both, schemas=schemas)
    assert [definitions[each["$ref"].removeprefix("#/$defs/")] for each in result["anyOf"]] == [
        {"type": "string"},
        {"type": "integer"},
    ]


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        ("#/components/schemas/Absent", "points to nothing"),
        ("#Anchor", "not a JSON Pointer"),
        ("other.yaml#/X", "outside this document"),
        ("https://elsewhere.example/x.json", "outside this document"),
        ("file:///etc/passwd", "outside this document"),
        (17, "not text"),
    ],
)
def test_a_reference_to_nothing_says_nothing_and_is_reported(target: Any, reason: str) -> None:
    result, _, item = body_schema({"type": "object", "properties": {"a": {"$ref": target}}})
    assert result == {"type": "object", "properties": {"a": {}}}
    assert item.status == "degraded"
    assert reason in (item.reason or "")
    assert "/paths/~1a/post/requestBody/content/application~1json/schema/items/properties/a" in (item.reason or "")


@pytest.mark.parametrize(
    "schemas",
    [
        {"X": ref("X")},
        {"X": ref("Y"), "Y": ref("X")},
        {"X": {"allOf": [ref("Y")]}, "Y": {"anyOf": [{"not": ref("X")}]}},
        {"X": {"allOf": [{"$ref": "#/components/schemas/X"}], "type": "object"}},
    ],
)
def test_a_schema_that_is_defined_by_itself_alone_is_cut(schemas: dict[str, Any]) -> None:
    operation, item = only(a_document({"/a": a_post({"type": "array", "items": ref("X")})}, schemas=schemas))
    assert "contains itself" in (item.reason or "")
    assert jsonschema_rs.Draft202012Validator(operation.input_schema).is_valid({"body": [{}]})


@pytest.mark.parametrize(
    ("keywords", "recursion"),
    [
        ({"$recursiveAnchor": True}, {"$recursiveRef": "#"}),
        ({}, {"$recursiveRef": "#"}),
        ({"$dynamicAnchor": "tree"}, {"$dynamicRef": "#tree"}),
        ({"$anchor": "tree"}, {"$ref": "#tree"}),
        ({}, {"$dynamicRef": "#/components/schemas/Tree"}),
    ],
)
def test_recursion_in_any_words_becomes_a_reference(keywords: dict[str, Any], recursion: dict[str, Any]) -> None:
    tree = {**keywords, "type": "object", "properties": {"sub": {"type": "array", "items": recursion}}}
    _, definitions, item = body_schema(ref("Tree"), schemas={"Tree": tree})
    assert definitions["Tree"]["properties"]["sub"]["items"] == {"$ref": "#/$defs/Tree"}
    assert item.status == "ready"
    operation, item = only(a_document({"/a": a_post(ref("Tree"))}, schemas={"Tree": tree}))
    assert operation.input_schema["properties"]["sub"]["items"] == {"$ref": "#/$defs/Tree"}
    assert item.status == "ready"


def test_recursion_without_a_definition_refers_to_the_whole_schema() -> None:
    item = {"type": "object", "properties": {"sub": {"type": "array", "items": {"$recursiveRef": "#"}}}}
    operation, report = only(a_document({"/50%": a_post(item)}))
    shown = operation.input_schema["$defs"]["schema"]
    assert shown["properties"]["sub"]["items"] == {"$ref": "#/$defs/schema"}
    assert report.status == "ready"


def test_of_several_schemas_of_one_name_the_outermost_around_is_meant() -> None:
    inner = {"$dynamicAnchor": "node", "type": "object", "properties": {"up": {"$dynamicRef": "#node"}}}
    outer = {"$dynamicAnchor": "node", "type": "object", "properties": {"inner": inner}}
    other = {"type": "object", "properties": {"any": {"$dynamicRef": "#node"}, "none": {"$dynamicRef": "#absent"}}}
    _, definitions, item = body_schema(
        {"anyOf": [ref("Outer"), ref("Other")]}, schemas={"Outer": outer, "Other": other}
    )
    assert definitions["Outer"]["properties"]["inner"]["properties"]["up"] == {"$ref": "#/$defs/Outer"}
    assert definitions["Other"]["properties"] == {"any": {"$ref": "#/$defs/Outer"}, "none": {}}
    assert "(at /components/schemas/Other/properties/none)" in (item.reason or "")


def test_members_only_for_answers_are_no_part_of_requests() -> None:
    schemas = {
        "Id": {"type": "string", "readOnly": True},
        "X": {
            "type": "object",
            "required": ["id", "uid", "name"],
            "properties": {"id": {"type": "string", "readOnly": True}, "uid": ref("Id"), "name": {"type": "string"}},
        },
    }
    _, definitions, item = body_schema(ref("X"), schemas=schemas)
    assert definitions["X"] == {"type": "object", "required": ["name"], "properties": {"name": {"type": "string"}}}
    assert item.status == "ready"


@pytest.mark.parametrize(
    ("keyword", "value"),
    [
        ("type", "wibble"),
        ("type", 7),
        ("pattern", "["),
        ("pattern", "^(?=a)"),
        ("pattern", 3),
        ("minimum", "1"),
        ("minLength", -1),
        ("multipleOf", 0),
        ("uniqueItems", "yes"),
        ("required", True),
        ("enum", "a"),
        ("properties", []),
        ("allOf", {}),
        ("items", "string"),
        ("patternProperties", {"[": {}}),
        ("default", "tag\U000e0041"),
        ("enum", ["a\u202eb"]),
    ],
)
def test_a_keyword_that_cannot_be_used_is_left_out_and_reported(keyword: str, value: Any) -> None:
    result, _, item = body_schema({"description": "d", keyword: value})
    assert {key: each for key, each in result.items() if each != {}} == {"description": "d"}
    assert item.status == "degraded"
    assert "/items" in (item.reason or "")


@pytest.mark.parametrize("keyword", ["maxLength", "maxItems", "maximum", "minimum", "multipleOf"])
@pytest.mark.parametrize("value", [2.0**53, 2.0**64, 1e300, 2**64 - 1])
def test_numbers_of_any_size_are_kept(keyword: str, value: float) -> None:
    result, _, item = body_schema({keyword: value})
    assert result == {keyword: value}
    assert item.status == "ready"


def test_hidden_characters_are_taken_out_of_descriptions_and_names() -> None:
    schema = {
        "type": "object",
        "title": "T\u200bitle",
        "description": "Safe\U000e0049\U000e0067 \x1b[31mred\x1b[0m\u202e end\x00\n\tkept",
        "properties": {"a\u2066b": {}, "ok": {"description": "x" * 5000}},
    }
    result, _, item = body_schema(schema)
    assert result["title"] == "Title"
    assert result["description"] == "Safe red end\n\tkept"
    assert list(result["properties"]) == ["ok"]
    assert len(result["properties"]["ok"]["description"]) == 2000
    assert "invisible" in (item.reason or "")


def test_fan_out_is_neither_copied_nor_left_to_the_validator() -> None:
    width, height = 10, 50
    wide = {f"X{n}": {"properties": {f"p{m}": ref(f"X{n + 1}") for m in range(width)}} for n in range(height)}
    operation, _ = only(a_document({"/a": a_post(ref("X0"))}, schemas={**wide, f"X{height}": {"type": "string"}}))
    assert len(operation.input_schema["$defs"]) == height
    heavy = {f"X{n}": {"allOf": [ref(f"X{n + 1}")] * width} for n in range(height)}
    _, item = only(a_document({"/a": a_post(ref("X0"))}, schemas={**heavy, f"X{height}": {"type": "string"}}))
    assert "schemas for one value" in (item.reason or "")
