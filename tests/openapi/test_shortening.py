"""A tool that would be too large is shortened: what it accepted it still accepts, and what is required stays shown."""

from typing import Any

import jsonschema_rs
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.openapi.document.reading import Limits
from app.operation.operation import Operation
from app.tools.tool_json import tool_json
from tests.openapi.documents import Json, a_document, a_post, converted

NAMES = ("a", "b", "c")
WORDS = "What this is for, at length. " * 8
SCALARS: list[Any] = [None, 3, "x"]
OBJECTS: list[Any] = [
    {},
    *({name: each} for name in NAMES for each in SCALARS),
    *({"a": one, "b": two} for one in SCALARS for two in SCALARS),
    *({"a": one, "b": two, "c": one} for one in SCALARS for two in SCALARS),
]
VALUES: list[Any] = [
    *SCALARS,
    *OBJECTS,
    *({"a": each} for each in OBJECTS),
    *({"a": {"b": each}, "b": "x"} for each in OBJECTS),
    *([each, {"a": 3}, 3] for each in OBJECTS),
]
PADDING = {f"optional_member_{number}": {"type": "boolean"} for number in range(8)}


def leaves() -> st.SearchStrategy[Any]:
    named = [{"$ref": f"#/components/schemas/{name}"} for name in ("X", "Y")]
    return st.sampled_from([*named, *named, {"type": "string"}, {"type": "integer"}, {"enum": [3, "x"]}])


def objects(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Objects with optional members that will be cut, and with everything that may contradict that."""
    members = st.dictionaries(st.sampled_from(NAMES), inner, min_size=1)
    closing = st.just(False) | inner
    return st.fixed_dictionaries(
        {"type": st.just("object"), "properties": members.map(lambda some: {**some, **PADDING})},
        optional={
            "required": st.lists(st.sampled_from(NAMES), max_size=1),
            "additionalProperties": closing,
            "unevaluatedProperties": closing,
            "patternProperties": st.dictionaries(st.sampled_from(["^a", "b$", "c"]), inner, max_size=1),
            "dependentSchemas": members,
        },
    )


def combinations(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    several = st.lists(inner, min_size=1, max_size=3)
    return st.one_of(
        objects(inner),
        st.builds(lambda keyword, each: {keyword: each}, st.sampled_from(["allOf", "anyOf", "oneOf"]), several),
        st.builds(lambda one, other: {"oneOf": one, "anyOf": other}, several, several),
        st.builds(lambda each: {"not": each}, inner),
        st.builds(lambda some, each: {"allOf": some, "unevaluatedProperties": each}, several, st.just(False) | inner),
        st.fixed_dictionaries({"if": inner, "then": inner, "else": inner}),
        st.builds(lambda each: {"type": "array", "contains": each, "maxContains": 1}, inner),
        st.builds(lambda each: {"type": "array", "items": each}, inner),
    )


FRAME = 240  # bytes of a tool in a list besides its schema and texts


def the_tool(schema: Any, definitions: Json, most: int) -> tuple[Operation, str]:
    """The tool whose texts and schema together have that many bytes at most, and what the report says of it."""
    document = a_document({"/a": a_post({"type": "array", "items": schema})}, schemas=definitions)
    conversion = converted(document, limits=Limits(tool_bytes=most + FRAME))
    return conversion.operations[0], conversion.report[0].reason or ""


@pytest.mark.extended
@settings(max_examples=150)
@given(
    combinations(leaves() | objects(leaves())),
    st.fixed_dictionaries({"X": objects(leaves()), "Y": objects(leaves()) | combinations(leaves())}),
    st.integers(150, 900),
)
def test_what_the_whole_schema_accepts_the_shortened_one_accepts(schema: Any, definitions: Json, most: int) -> None:
    whole = jsonschema_rs.Draft202012Validator(the_tool(schema, definitions, 10**6)[0].input_schema)
    operation, _ = the_tool(schema, definitions, most)
    jsonschema_rs.meta.validate(operation.input_schema)
    short = jsonschema_rs.Draft202012Validator(operation.input_schema)
    for value in VALUES:
        if whole.is_valid({"body": [value]}):
            assert short.is_valid({"body": [value]}), value


A_TEXT: Json = {"type": "object", "properties": {"a": {"type": "string"}, **PADDING}}
A_NUMBER: Json = {"type": "object", "properties": {"a": {"type": "integer"}, **PADDING}}
X, Y = ({"$ref": f"#/components/schemas/{name}"} for name in "XY")


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"oneOf": [X, Y]}, {"a": 3}),
        ({"oneOf": [X, Y], "anyOf": [Y, {"type": "null"}]}, {"a": 3}),
        ({"not": X}, {"a": 3}),
        ({"if": X, "then": False}, {"a": 3}),
        ({"type": "array", "contains": X, "maxContains": 1}, [{"a": "x"}, {"a": 3}]),
        ({"allOf": [X], "unevaluatedProperties": False}, {"a": "x"}),
        ({**A_TEXT, "additionalProperties": False}, {"a": "x"}),
        ({**A_TEXT, "patternProperties": {"^b": {}}, "additionalProperties": False}, {"b": 3}),
    ],
)
def test_no_keyword_turns_what_was_cut_against_the_caller(schema: Json, value: Any) -> None:
    definitions = {"X": A_TEXT, "Y": A_NUMBER}
    operation, reason = the_tool(schema, definitions, 490)
    assert "items" in operation.input_schema["properties"]["body"]
    assert "not shown in full" in reason
    whole = the_tool(schema, definitions, 10**6)[0]
    for each in (whole, operation):
        assert jsonschema_rs.Draft202012Validator(each.input_schema).is_valid({"body": [value]})


def wide(count: int, **more: Any) -> Json:
    """An object with many optional members, and what is said besides."""
    members = {f"member_{number}": {"type": "string", "description": WORDS} for number in range(count)}
    return {"type": "object", **more, "properties": {**members, **more.get("properties", {})}}


def ref(name: str) -> Json:
    return {"$ref": f"#/components/schemas/{name}"}


@pytest.mark.parametrize("most", [4_000, 2_000])
def test_what_is_required_stays_with_its_types_and_values_however_deep(most: int) -> None:
    kind = {"type": "string", "enum": ["large", "small"], "description": WORDS}
    inner = wide(100, required=["kind", "next"], properties={"kind": kind, "next": ref("Far")})
    definitions = {
        "Near": wide(100, required=["inline"], properties={"inline": inner}),
        "Far": wide(300, required=["ids"], properties={"ids": {"type": "array", "items": {"type": "integer"}}}),
    }
    operation, reason = the_tool(ref("Near"), definitions, most)
    shown = operation.input_schema["$defs"]
    inline = shown["Near"]["properties"]["inline"]
    assert inline["properties"]["kind"] == {"type": "string", "enum": ["large", "small"]}
    assert inline["required"] == ["kind", "next"]
    assert inline["properties"]["next"] == {"$ref": "#/$defs/Far"}
    assert shown["Far"]["properties"]["ids"] == {"type": "array", "items": {"type": "integer"}}
    assert shown["Far"]["description"] == "Shortened."
    assert "not shown in full: Near, Far" in reason


def test_nothing_is_shown_without_what_is_required_of_it() -> None:
    far = wide(0, required=["id"], properties={"id": {"type": "string", "enum": ["x" * 400]}})
    near = wide(3, properties={"far": ref("Far")})
    operation, reason = the_tool(ref("Near"), {"Near": near, "Far": far}, 700)
    assert "Far" not in operation.input_schema["$defs"]
    assert "far" not in operation.input_schema["$defs"]["Near"].get("properties", {})
    assert reason.endswith("not shown in full: Near")


def test_required_members_are_known_through_the_parts_of_a_schema() -> None:
    parts = [{"required": ["a"]}, wide(100, properties={"a": {"type": "integer"}, "b": {"type": "boolean"}})]
    operation, _ = the_tool({"allOf": parts, "required": ["b"]}, {}, 500)
    shown = operation.input_schema["properties"]["body"]["items"]["allOf"][1]["properties"]
    assert shown == {"a": {"type": "integer"}, "b": {"type": "boolean"}}


def test_optional_members_furthest_from_the_root_go_first() -> None:
    definitions = {
        "Near": wide(20, properties={"next": ref("Middle")}),
        "Middle": wide(20, properties={"next": ref("Far")}),
        "Far": wide(20),
    }
    operation, reason = the_tool(ref("Near"), definitions, 2_100)
    shown = operation.input_schema["$defs"]
    assert len(shown["Near"]["properties"]) == 21
    assert len(shown["Middle"]["properties"]) == 21
    assert len(shown["Far"]["properties"]) == 12
    assert reason.endswith("not shown in full: Far")
    assert "`Shortened.` have more optional members" in operation.input_schema["description"]
    assert "description" not in the_tool(ref("Near"), definitions, 10**6)[0].input_schema


def test_of_many_optional_members_the_first_are_shown() -> None:
    definitions = {"Small": wide(15), "Large": wide(200)}
    both = {"type": "object", "properties": {"small": ref("Small"), "large": ref("Large")}}
    operation, _ = the_tool(both, definitions, 2_500)
    shown = operation.input_schema["$defs"]
    assert len(shown["Small"]["properties"]) == 15
    assert list(shown["Large"]["properties"]) == [f"member_{number}" for number in range(12)]


def test_words_go_before_members_and_those_of_the_root_last() -> None:
    definitions = {"Near": wide(20, properties={"next": ref("Far")}), "Far": wide(20)}
    operation, reason = the_tool(ref("Near"), definitions, 3_800)
    shown = operation.input_schema["$defs"]
    assert [len(each["properties"]) for each in shown.values()] == [21, 20]
    assert "description" in shown["Near"]["properties"]["member_0"]
    assert "description" not in shown["Far"]["properties"]["member_0"]
    assert reason.startswith("descriptions were shortened")
    assert "not shown" not in reason


def test_parts_without_a_name_are_cut_by_their_depth() -> None:
    deep = wide(10, properties={"inner": wide(10, properties={"inner": wide(60)})})
    operation, _ = the_tool(deep, {}, 1_800)
    shown = operation.input_schema["properties"]["body"]["items"]["properties"]
    assert len(shown) == 11
    assert "properties" in shown["inner"]
    assert "properties" not in shown["inner"]["properties"]["inner"]


def test_there_is_a_least_that_stays_whatever_the_budget() -> None:
    operation, reason = the_tool(wide(100, required=["member_1", "member_2"]), {}, 1)
    body = operation.input_schema["properties"]["body"]
    assert body == {"description": "Not shown: too large.", "type": "array"}
    assert "not shown in full: body" in reason


def test_names_that_are_required_go_where_they_alone_are_too_large() -> None:
    required = [f"a_long_name_of_a_member_{number}" for number in range(1_000)]
    document = a_document({"/a": a_post({"type": "object", "required": required})})
    conversion = converted(document, limits=Limits(tool_bytes=8_000))
    assert conversion.operations[0].input_schema["properties"]["body"].get("required") is None
    assert conversion.report[0].bytes < 8_000
    assert "not shown in full: body" in str(conversion.report[0].reason)


def test_what_is_small_is_shown_rather_than_said_to_be_too_large() -> None:
    document = a_document(
        {"/a": a_post({"type": "object", "properties": {f"m{n}": A_TEXT["properties"]["a"] for n in range(99)}})}
    )
    conversion = converted(document, limits=Limits(tool_bytes=1))
    assert set(map(str, conversion.operations[0].input_schema["properties"].values())) == {"{'type': 'string'}"}


@pytest.mark.parametrize("most", [20_000, 25_000, 30_000])
def test_a_tool_as_lists_have_it_stays_within_its_bytes(most: int) -> None:
    schema = {
        "type": "object",
        "properties": {f"m{n}": {"type": "string", "description": "x" * 60} for n in range(300)},
    }
    path = {"post": a_post(schema)["post"] | {"summary": "s" * 300}}
    conversion = converted(a_document({"/a": path}), limits=Limits(tool_bytes=most))
    listed = tool_json(conversion.operations[0], "s" * 32)
    del listed["_meta"]
    listed["annotations"]["title"] = listed["title"]  # as the MCP door adds it
    assert most - 200 < len(orjson.dumps(listed)) <= conversion.report[0].bytes <= most
