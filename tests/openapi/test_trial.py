"""What is made of a document is tried: schemas that accept nothing are loosened, examples that are refused are told."""

from typing import Any

import pytest

from app.errors import Invalid
from app.openapi.conversion import convert
from app.operation.operation import Conversion, Examples, Operation
from app.tools.arguments import ArgumentRules
from tests.effort import at_most
from tests.openapi.documents import Json, a_document, a_get, a_post, converted, only

AT = "/paths/~1a/post/requestBody/content/application~1json/schema/items"


def a_tool(schema: Any, **schemas: Any) -> tuple[Operation, str | None, str | None]:
    """The tool that takes a list of these, why it is degraded, and which examples it refuses."""
    operation, item = only(a_document({"/a": a_post({"type": "array", "items": schema})}, schemas=schemas))
    return operation, item.reason, item.refused_examples


def takes(operation: Operation, *values: Any) -> bool:
    try:
        ArgumentRules(operation.input_schema, operation.preset).check({"body": list(values)})
    except Invalid:
        return False
    return True


@pytest.mark.parametrize(
    ("schema", "values", "left_out"),
    [
        ({"type": "string", "minLength": 5, "maxLength": 3}, ["abc", "abcde"], ["maxLength", "minLength"]),
        ({"type": "string", "enum": ["a", "b"], "pattern": "^[0-9]+$"}, ["a", "b"], ["pattern"]),
        ({"type": "integer", "minimum": 10, "maximum": 5}, [10, 5], ["maximum", "minimum"]),
        ({"type": "number", "exclusiveMinimum": 1, "maximum": 1}, [1], ["exclusiveMinimum"]),
        ({"type": "integer", "minimum": 11, "maximum": 19, "multipleOf": 10}, [20], ["maximum"]),
        ({"type": "array", "items": {}, "minItems": 2, "maxItems": 1}, [["a"], ["a", "b"]], ["maxItems", "minItems"]),
        ({"type": "array", "items": {"enum": [1]}, "minItems": 2, "uniqueItems": True}, [[1, 1]], ["uniqueItems"]),
        (
            {"type": "object", "properties": {"a": {}}, "additionalProperties": False, "required": ["b"]},
            [{"b": 1}, {"a": "x", "b": 1}],
            ["additionalProperties"],
        ),
        (
            {"type": "object", "properties": {"a": {}}, "additionalProperties": False, "minProperties": 2},
            [{"a": 1}],
            ["minProperties"],
        ),
        ({"type": "object", "properties": {"x": False}, "required": ["x"]}, [{"x": 1}], ["x"]),
        ({"type": "object", "propertyNames": {"pattern": "^x"}, "required": ["abc"]}, [{"abc": 1}], ["pattern"]),
        ({"type": "string", "not": {"type": "string"}}, ["a"], ["not"]),
    ],
)  # fmt: skip
def test_what_refuses_everything_is_left_out_and_reported(schema: Json, values: list[Any], left_out: list[str]) -> None:
    operation, reason, _ = a_tool(schema)
    assert takes(operation, *values)
    assert reason is not None
    for keyword in left_out:
        assert f"`{keyword}` was left out, because it refuses all that was tried (at {AT}" in reason
    assert reason.count("was left out") == len(left_out)


@pytest.mark.parametrize(
    ("parts", "values"),
    [
        ([{"type": "string"}, {"type": "integer"}], ["a", 5]),
        ([{"enum": ["a", "b"]}, {"enum": ["c"]}], ["a", "c"]),
        (
            [{"properties": {"k": {"const": "a"}}}, {"properties": {"k": {"const": "b"}}, "required": ["k"]}],
            [{"k": "a"}, {"k": "b"}],
        ),
        (
            [{"properties": {"id": {"type": "object"}}}, {"properties": {"id": {"type": "integer"}}}],
            [{"id": 1}, {"id": {}}],
        ),
    ],
)
def test_parts_that_contradict_each_other_are_loosened_wherever_they_are(parts: list[Json], values: list[Any]) -> None:
    named = {"Base": parts[0], "Both": {"allOf": [{"$ref": "#/components/schemas/Base"}, parts[1]]}}
    for schema in (
        {"allOf": parts},
        {"$ref": "#/components/schemas/Both"},
        {"anyOf": [{"type": "boolean"}, {"allOf": parts}]},
    ):
        operation, reason, _ = a_tool(schema, **named)
        assert takes(operation, *values)
        assert reason is not None
        assert "because it refuses all that was tried" in reason


def test_a_value_that_needs_itself_without_end_is_not_required() -> None:
    endless = {"type": "object", "properties": {"next": {"$ref": "#/components/schemas/Endless"}}, "required": ["next"]}
    operation, reason, _ = a_tool({"$ref": "#/components/schemas/Endless"}, Endless=endless)
    assert takes(operation, {"next": {}})
    assert reason == "`required` was left out, because it refuses all that was tried (at /components/schemas/Endless)"


@pytest.mark.parametrize(
    ("schema", "refused"),
    [
        ({"type": "string", "minLength": 2, "maxLength": 3}, "a"),
        ({"type": "string", "pattern": "^[a-z]{3}$", "minLength": 3}, "ab"),
        ({"if": {"type": "string"}, "then": False}, "a"),
        ({"not": {"type": "string"}}, "a"),
        ({"type": "string", "not": {"maxLength": 5}}, "abc"),
        ({"type": "integer", "minimum": 5, "multipleOf": 10}, 5),
        ({"type": "object", "properties": {"a": {"type": "string"}}, "minProperties": 1}, {}),
        ({"type": "array", "contains": {"type": "integer"}, "minItems": 1}, ["a"]),
        ({"anyOf": [{"required": ["a"]}, {"required": ["b"]}], "type": "object", "maxProperties": 1}, {"a": 1, "b": 2}),
        ({"type": "object", "dependentRequired": {"a": ["b"]}, "properties": {"a": {}, "b": {}}}, {"a": 1}),
        ({"allOf": [{"type": "number", "minimum": 3}, {"type": "integer", "maximum": 3}]}, 4),
    ],
)
def test_what_accepts_something_stays_as_strict_as_it_is(schema: Json, refused: Any) -> None:
    operation, reason, _ = a_tool(schema)
    assert reason is None
    assert not takes(operation, refused)


def test_an_example_that_is_refused_is_told_and_changes_nothing() -> None:
    schema = {"type": "string", "enum": ["a", "b"], "example": "c", "default": "d"}
    operation, reason, refused = a_tool(schema)
    assert reason is None
    assert not takes(operation, "c")
    assert refused is not None
    assert f'the value is not one of "a" or "b" (at {AT}/example)' in refused
    assert f"{AT}/default" in refused


def test_examples_are_counted_once_each_wherever_they_stand() -> None:
    limit = {"name": "limit", "in": "query", "schema": {"type": "integer", "default": 10}, "example": "many"}
    body = {"type": "object", "properties": {"n": {"type": "integer", "minimum": 1, "example": 0}}, "required": ["n"]}
    shown = {
        "good": {"value": {"n": 1}},
        "lacking": {"value": {}},
        "wrong": {"value": {"n": "x"}},
        "list": {"value": []},
    }
    document = a_document(
        {"/a": a_get({"$ref": "#/components/parameters/limit"}), "/b": a_get({"$ref": "#/components/parameters/limit"})}
        | {"/c": a_post(body, examples=shown)}
    )
    document["components"]["parameters"] = {"limit": limit}
    conversion = converted(document)
    first, second, third = (item.refused_examples for item in conversion.report)
    assert conversion.examples == Examples(tried=7, taken=2)
    assert first == 'the value is not of type "integer" (at /components/parameters/limit/example)'
    assert second is None
    at = "/paths/~1c/post/requestBody/content/application~1json"
    assert third is not None
    assert third.split("; ") == [
        f"the value is less than the minimum of 1 (at {at}/schema/properties/n/example)",
        f"/n: is required (at {at}/examples/lacking/value)",
        f'/n: the value is not of type "integer" (at {at}/examples/wrong/value)',
        f"it is no object (at {at}/examples/list/value)",
    ]
    assert {item.status for item in conversion.report} == {"ready"}


@pytest.mark.parametrize("version", ["3.0.1", "3.1.0"])
def test_an_example_that_is_null_is_none(version: str) -> None:
    """Some generators write `null` wherever nobody gave an example."""
    shown = {"schema": {"type": "string", "example": None}, "example": None}
    body = {"type": "object", "properties": {"n": {"type": "integer", "example": None}}, "example": None}
    paths = {"/a": {**a_get({"name": "q", "in": "query", **shown}), **a_post(body, example=None)}}
    conversion = converted(a_document(paths, version=version))
    assert conversion.examples == Examples(tried=0, taken=0)
    assert [item.refused_examples for item in conversion.report] == [None, None]


def nested(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.parametrize(
    "example",
    [nested(5_000), ["x"] * 100_000, float("inf"), "\ud800", {"\udfff": 1}, "a" * 1_000_000],
    ids=["deep", "long", "infinite", "half a letter", "half a name", "long text"],
)
def test_hostile_examples_cost_little_and_no_tool(example: Any) -> None:
    schema = {"type": "array", "items": {"type": "array"}, "example": example, "default": example}
    paths = {"/a": a_post(schema, example=example), "/b": a_get({"name": "q", "in": "query", "example": example})}
    with at_most(1):
        conversion = converted(a_document(paths))
    assert len(conversion.operations) == 2


def test_alternatives_that_multiply_are_not_tried_without_end() -> None:
    levels = 40
    schemas: Json = {f"L{levels}": {"type": "string", "minLength": 2, "maxLength": 1}}
    for level in range(levels):
        below = {"properties": {"a": {"$ref": f"#/components/schemas/L{level + 1}"}}, "required": ["a"]}
        schemas[f"L{level}"] = {"allOf": [{"type": "object"}], "anyOf": [below, {**below, "type": "object"}]}
    schemas["L0"]["example"] = {"a": {"a": {"a": {"a": {}}}}}
    with at_most(4):
        conversion = converted(a_document({"/a": a_post({"$ref": "#/components/schemas/L0"})}, schemas=schemas))
    assert len(conversion.operations) == 1
    assert ended_early(conversion)


def ended_early(conversion: Conversion) -> bool:
    return any(item.reason is not None and item.reason.startswith("Not all") for item in conversion.report)


def test_what_is_more_than_a_trial_may_take_is_left_as_it_is_and_told() -> None:
    impossible = {"type": "string", "minLength": 2, "maxLength": 1}
    schemas = {**{f"S{number}": impossible for number in range(1_500)}, "Last": impossible}
    bodies = {name: {"type": "array", "items": {"$ref": f"#/components/schemas/{name}"}} for name in schemas}
    document = a_document({f"/{name}": a_post(body) for name, body in bodies.items()}, schemas=schemas)
    with at_most(1.5):
        conversion = converted(document)
    assert ended_early(conversion)
    first, last = (conversion.operations[number].input_schema["$defs"] for number in (0, -1))
    assert "maxLength" not in first["S0"]
    assert "maxLength" in last["Last"]
    assert converted(document) == conversion


def test_many_examples_of_one_schema_take_what_each_takes() -> None:
    schema = {"type": "object", "properties": {"a": {"type": "string"}}, "additionalProperties": False}
    examples = {f"e{number}": {"value": [{"a": "x"} if number else {"b": 1}]} for number in range(40_000)}
    document = a_document({"/a": a_post({"type": "array", "items": schema}, examples=examples)})
    with at_most(1.5):
        conversion = converted(document)
    assert ended_early(conversion)
    assert 19_000 < conversion.examples.tried < 22_000
    assert conversion.report[0].refused_examples is not None


def test_a_trial_of_a_usual_document_does_not_end_early() -> None:
    parts = [{"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}, {"minProperties": 1}]
    schemas = {f"S{number}": {"allOf": parts, "example": {"a": "x"}} for number in range(300)}
    paths = {
        f"/{name}": a_post({"type": "array", "items": {"$ref": f"#/components/schemas/{name}"}}) for name in schemas
    }
    conversion = converted(a_document(paths, schemas=schemas))
    assert not ended_early(conversion)
    assert conversion.examples == Examples(300, 300)


def test_a_document_is_tried_the_same_way_each_time() -> None:
    schema = {"allOf": [{"type": "string"}, {"type": "integer", "example": "x"}]}
    document = a_document({"/a": a_post({"type": "array", "items": schema})})
    assert convert(document, slug="shop") == convert(document, slug="shop")
