"""Schemas in the form that every model API takes and every host shows, and what arguments are checked against."""

import json
from typing import Any

import orjson
import pytest

from app.errors import Invalid
from app.operation.checking import validator_of
from app.operation.operation import Operation, size_of, size_of_tool
from app.operation.portable import in_profile, portable, portable_input
from app.tools.arguments import ArgumentRules
from tests.effort import at_most
from tests.openapi.documents import Json, a_document, a_get, a_post, converted, only
from tests.openapi.model_apis import schemas
from tests.openapi.test_never_refused import Drawn

ROOM = 32_768
A_FEW, MANY = 500, 10_000
ANY: Json = {}
ONLY_OF = {
    "array": {"contains", "items", "maxContains", "maxItems", "minContains", "minItems", "prefixItems"}
    | {"unevaluatedItems", "uniqueItems"},
    "object": {"additionalProperties", "dependentRequired", "dependentSchemas", "maxProperties", "minProperties"}
    | {"patternProperties", "properties", "propertyNames", "required", "unevaluatedProperties"},
}


def listed(operation: Operation, room: int = ROOM) -> Json:
    return in_profile(operation, "portable", room).listed_schema


def arguments_of(paths: Json, **fields: Any) -> Json:
    """The arguments of the one operation as they are listed, with the definitions as `$defs`."""
    operation, _ = only(a_document(paths, **fields))
    schema = listed(operation)
    return {**schema["properties"], **({"$defs": schema["$defs"]} if "$defs" in schema else {})}


def members(**schemas: Json) -> Json:
    return {"type": "object", "properties": schemas}


def test_every_array_says_what_its_items_are() -> None:
    document = a_document(
        {
            "/a": a_post(
                members(
                    bare={"type": "array"},
                    inner={"type": "array", "items": {"type": "array"}},
                    pair={"type": "array", "prefixItems": [{"type": "string"}, {"type": "array"}]},
                    closed={"type": "array", "prefixItems": [{"type": "string"}], "items": False},
                    maybe={"type": ["array", "null"], "description": "Some."},
                    either={"type": ["string", "array"], "minItems": 1, "minLength": 2},
                )
            )
        }
    )
    operation, _ = only(document)
    shown = listed(operation)["properties"]
    assert shown["bare"] == {"type": "array", "items": {}}
    assert shown["inner"] == {"type": "array", "items": {"type": "array", "items": {}}}
    assert shown["pair"]["items"] == {}
    assert shown["pair"]["prefixItems"][1] == {"type": "array", "items": {}}
    assert (shown["closed"]["items"], shown["closed"]["maxItems"]) == ({}, 1)
    assert shown["maybe"] == {"description": "Some.", "anyOf": [{"type": "array", "items": {}}, {"type": "null"}]}
    assert shown["either"] == {
        "anyOf": [{"type": "array", "minItems": 1, "minLength": 2, "items": {}}, {"type": "string", "minLength": 2}]
    }
    rules = ArgumentRules(operation.input_schema)
    rules.check({"bare": [1], "inner": [[1]], "pair": ["a", []], "closed": ["a"], "maybe": None, "either": "ab"})
    with pytest.raises(Invalid):
        rules.check({"closed": ["a", "b"]})


@pytest.mark.parametrize("profile", ["portable", "standard"])
def test_no_value_is_listed_twice(profile: Any) -> None:
    parameters = [
        {"name": "level", "in": "query", "schema": {"type": "number", "enum": [1, 1.0, 2]}},
        {"name": "sort", "in": "query", "schema": {"type": "string", "enum": ["up", "up", "down"]}},
        {"name": "size", "in": "query", "schema": {"type": "integer", "enum": ["10", 10, "20"]}},
        {"name": "flag", "in": "query", "schema": {"enum": [1, True, 1.0]}},
    ]
    operation, _ = only(a_document({"/a": a_get(*parameters)}))
    shown = in_profile(operation, profile, ROOM).listed_schema["properties"]
    assert {name: json.dumps(each["enum"]) for name, each in shown.items()} == {
        "level": "[1, 2]",
        "sort": '["up", "down"]',
        "size": "[10, 20]",
        "flag": "[1, true]",
    }


def test_small_definitions_stand_in_line_with_the_words_beside_their_reference() -> None:
    size = {"type": "string", "description": "A size.", "enum": ["s", "m"]}
    shown = arguments_of(
        {
            "/a": a_post(
                members(
                    size={"$ref": "#/components/schemas/Size", "description": "How large."},
                    others={"type": "array", "items": {"$ref": "#/components/schemas/Size"}},
                )
            )
        },
        schemas={"Size": size},
    )
    assert shown == {"size": {**size, "description": "How large."}, "others": {"type": "array", "items": size}}


def test_only_definitions_that_lead_back_to_themselves_are_left_with_nothing_beside_the_reference() -> None:
    node = members(
        label={"$ref": "#/components/schemas/Label"},
        left={"$ref": "#/components/schemas/Node", "title": "L", "description": "Left.", "minProperties": 1},
        right={"$ref": "#/components/schemas/Node", "title": "R", "description": "Right."},
    )
    shown = arguments_of(
        {"/a": a_post(members(tree={"$ref": "#/components/schemas/Node"}))},
        schemas={"Node": node, "Label": {"type": "string"}},
    )
    assert shown["tree"] == {"$ref": "#/$defs/Node"}
    assert shown["$defs"].keys() == {"Node"}
    inner = shown["$defs"]["Node"]["properties"]
    assert inner["label"] == {"type": "string"}
    assert inner["right"] == {"$ref": "#/$defs/Node", "description": "Right."}
    assert inner["left"]["allOf"] == [{"$ref": "#/$defs/Node"}]
    assert inner["left"]["minProperties"] == 1


def test_parts_of_an_object_become_one_object() -> None:
    schemas = {
        "Base": {**members(id={"type": "string"}, kind={"type": "string"}), "required": ["id"]},
        "Cat": {
            "allOf": [
                {"$ref": "#/components/schemas/Base"},
                {**members(lives={"type": "integer"}), "required": ["lives"]},
            ]
        },
    }
    shown = arguments_of({"/a": a_post(members(cat={"$ref": "#/components/schemas/Cat"}))}, schemas=schemas)
    assert shown["cat"] == {
        "type": "object",
        "properties": {"id": {"type": "string"}, "kind": {"type": "string"}, "lives": {"type": "integer"}},
        "required": ["id", "lives"],
    }


def test_members_and_items_stand_beside_their_type() -> None:
    has_id = {"required": ["id"]}
    document = a_document(
        {
            "/a": a_post(
                members(
                    implied={"properties": {"x": {"type": "string"}}, "required": ["x"]},
                    listed={"items": {"type": "string"}, "minItems": 1},
                    text={"type": "string", "properties": {"x": {}}, "required": ["x"], "minLength": 1},
                    several={"type": "array", "items": {"type": "string"}, "required": ["x"]},
                    one={"type": "object", "properties": {"id": {}}, "anyOf": [has_id, {"required": ["name"]}]},
                    either={"anyOf": [{"properties": {"x": {}}}, {"type": "string"}]},
                    any={"description": "Anything."},
                    unsure={"properties": {"x": {}}, "minLength": 3},
                )
            )
        }
    )
    shown = listed(only(document)[0])["properties"]
    assert shown["implied"] == {"type": "object", "properties": {"x": {"type": "string"}}, "required": ["x"]}
    assert shown["listed"] == {"type": "array", "items": {"type": "string"}, "minItems": 1}
    assert shown["text"] == {"type": "string", "minLength": 1}
    assert shown["several"] == {"type": "array", "items": {"type": "string"}}
    assert shown["one"]["anyOf"] == [
        {"type": "object", "required": ["id"], "properties": {"id": {}}},
        {"type": "object", "required": ["name"], "properties": {"name": {}}},
    ]
    assert shown["either"]["anyOf"] == [{"type": "object", "properties": {"x": {}}}, {"type": "string"}]
    assert shown["any"] == {"description": "Anything."}
    assert "type" not in shown["unsure"]


def test_what_is_required_is_among_the_members() -> None:
    closed = {"type": "object", "required": ["x"], "additionalProperties": False, "patternProperties": {"^x": {}}}
    document = a_document(
        {
            "/a": a_post(
                members(
                    open={**members(id={"type": "integer"}), "required": ["id", "name"]},
                    texts={"type": "object", "required": ["name"], "additionalProperties": {"type": "string"}},
                    closed=closed,
                    part={"allOf": [{"required": ["id"]}, members(id={"type": "integer"})]},
                )
            )
        }
    )
    shown = listed(only(document)[0])["properties"]
    assert shown["open"]["properties"] == {"id": {"type": "integer"}, "name": {}}
    assert shown["open"]["required"] == ["id", "name"]
    assert shown["texts"]["properties"] == {"name": {"type": "string"}}
    assert shown["closed"]["properties"] == {"x": {}}
    assert shown["part"] == {"type": "object", "properties": {"id": {"type": "integer"}}, "required": ["id"]}


def test_what_cannot_be_said_once_stays_apart() -> None:
    condition, other = {"if": {}, "then": {"maxLength": 5}}, {"else": {"maxLength": 1}}
    assert portable({"allOf": [condition, other]}) == {**other, "allOf": [condition]}
    assert portable({"minLength": 1, "allOf": [{"minLength": 2}]}) == {"minLength": 1, "allOf": [{"minLength": 2}]}
    number = {"type": "integer", "allOf": [{"type": "number"}]}
    assert portable(number) == number


JOINED = {"additionalProperties": {"type": "integer"}, "allOf": [{"properties": {"a": {"type": "string"}}}]}


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"not": JOINED}, {"a": "x"}),
        ({"if": JOINED, "then": False}, {"a": "x"}),
        ({"contains": JOINED, "maxContains": 1}, [{"a": 1}, {"a": "x"}, {}]),
        ({"not": {"pattern": r"^\p{L}$"}}, "1"),
        ({"not": {"properties": {"a": False}}}, {"a": 1}),
        ({"not": {"type": ["object", "null"], "required": ["a"], "enum": [1]}}, None),
    ],
)
def test_what_refuses_because_another_schema_accepts_is_not_listed_where_that_accepts_more(
    schema: Json, value: Any
) -> None:
    form = portable(schema)
    assert validator_of(schema).is_valid(value)
    assert validator_of(form).is_valid(value)
    assert portable({"not": {"type": "array"}}) == {"not": {"type": "array", "items": {}}}


def test_the_types_of_parts_are_those_that_all_allow() -> None:
    assert portable({"type": "string", "allOf": [{"type": ["string", "null"]}]}) == {"type": "string"}


def test_a_whole_that_is_closed_over_its_parts_is_a_closed_object() -> None:
    schemas = {
        "Base": {**members(id={"type": "integer"}), "additionalProperties": False},
        "Line": {"allOf": [{"$ref": "#/components/schemas/Base"}], **members(name={"type": "string"})},
    }
    schemas["Line"]["additionalProperties"] = False
    shown = arguments_of({"/a": a_post(members(line={"$ref": "#/components/schemas/Line"}))}, schemas=schemas)
    assert shown["line"] == {
        "type": "object",
        "properties": {"id": {"type": "integer"}, "name": {"type": "string"}},
        "additionalProperties": False,
    }


def test_tags_of_branches_are_listed_values() -> None:
    schemas = {
        "Pet": {
            "oneOf": [{"$ref": "#/components/schemas/Cat"}],
            "discriminator": {"propertyName": "kind", "mapping": {"cat": "#/components/schemas/Cat"}},
        },
        "Cat": {**members(kind={"type": "string"}), "required": ["kind"]},
    }
    shown = arguments_of({"/a": a_post(members(pet={"$ref": "#/components/schemas/Pet"}))}, schemas=schemas)
    (cat,) = shown["pet"]["anyOf"]
    assert cat["properties"]["kind"] == {"type": "string", "enum": ["cat"]}


def test_a_pattern_that_python_cannot_read_is_checked_and_not_listed() -> None:
    schema = members(word={"type": "string", "pattern": r"^\p{L}+$"}, code={"type": "string", "pattern": "^[a-z]$"})
    schema["properties"]["tags"] = {
        "type": "object",
        "patternProperties": {r"^\p{L}+$": {"type": "integer"}},
        "additionalProperties": False,
    }
    operation, _ = only(a_document({"/a": a_post(schema)}))
    shown = listed(operation)["properties"]
    assert shown["word"] == {"type": "string"}
    assert shown["code"]["pattern"] == "^[a-z]$"
    assert shown["tags"] == {"type": "object", "additionalProperties": {}}
    with pytest.raises(Invalid):
        ArgumentRules(operation.input_schema).check({"word": "1"})
    with pytest.raises(Invalid):
        ArgumentRules(operation.input_schema).check({"tags": {"1": 1}})


def test_what_an_optional_body_requires_is_said_once_and_checked() -> None:
    schema = {**members(age={"type": "integer"}, email={"type": "string"}, name={"type": "string"})}
    schema["required"] = ["email", "name"]
    operation, _ = only(a_document({"/a": a_post(schema, required=False)}))
    shown = listed(operation)
    assert shown.keys() == {"type", "properties", "additionalProperties"}
    said = {name: each.get("description") for name, each in shown["properties"].items()}
    assert said == {"age": None, **dict.fromkeys(("email", "name"), "Required if there is a body.")}
    rules = ArgumentRules(operation.input_schema)
    rules.check({})
    with pytest.raises(Invalid):
        rules.check({"age": 5})


def test_nothing_but_the_type_stands_at_the_top() -> None:
    choice = {"anyOf": [{"required": ["a"]}], "not": {"required": ["b"]}, "if": {}, "then": {}, "enum": [{}]}
    schema = {"type": "object", "properties": {"a": ANY, "b": ANY}, "additionalProperties": False, **choice}
    assert portable_input(schema, ROOM).keys() == {"type", "properties", "additionalProperties"}


def test_a_schema_that_every_api_takes_is_listed_as_it_is() -> None:
    operation, _ = only(a_document({"/a": a_get({"name": "q", "in": "query", "schema": {"type": "string"}})}))
    assert in_profile(operation, "portable", ROOM) is operation


def test_the_standard_profile_keeps_all_that_the_document_says() -> None:
    operation, _ = only(a_document({"/a": a_post(members(a={"type": "array"}))}))
    assert in_profile(operation, "standard", ROOM) is operation
    assert operation.listed_schema["properties"]["a"] == {"type": "array"}


def test_output_schemas_too() -> None:
    answer = {"content": {"application/json": {"schema": members(ids={"type": "array"}, kind={"const": "x"})}}}
    document = a_document({"/a": {"get": {"responses": {"200": answer}}}})
    shape = in_profile(only(document)[0], "portable", ROOM).output_schema
    assert shape is not None
    assert shape["properties"] == {"ids": {"type": "array", "items": {}}, "kind": {"enum": ["x"]}}


def test_definitions_that_multiply_stay_definitions_where_there_is_no_room() -> None:
    names = [f"N{number}" for number in range(30)]
    schemas = {
        name: members(a={"$ref": f"#/components/schemas/{after}"}, b={"$ref": f"#/components/schemas/{after}"})
        for name, after in zip(names, [*names[1:], "Leaf"], strict=True)
    } | {"Leaf": {"type": "string", "description": "x" * 200}}
    operation, _ = only(a_document({"/a": a_post(members(root={"$ref": "#/components/schemas/N0"}))}, schemas=schemas))
    with at_most(0.2):
        form = in_profile(operation, "portable", ROOM)
    assert size_of_tool(form) <= max(4_096 + 1_000, 2 * size_of_tool(operation))
    assert "$defs" in form.listed_schema
    validator_of(form.listed_schema)


@pytest.mark.parametrize("pattern", ["[a-\uffff]" * 390, "[a-\uffff]" * 5_000])
def test_whether_python_reads_a_pattern_is_found_without_compiling_it(pattern: str) -> None:
    operation, _ = only(a_document({"/a": a_post(members(a={"type": "string", "pattern": pattern}))}))
    with at_most(0.2):
        in_profile(operation, "portable", ROOM)


@pytest.mark.parametrize(("uses", "in_line"), [(1, True), (2, False)])
def test_a_large_definition_stands_in_line_unless_the_schema_more_than_doubles(uses: int, in_line: bool) -> None:
    large = members(**{f"member{number}": {"type": "string", "description": "x" * 80} for number in range(50)})
    places = {f"a{number}": {"$ref": "#/$defs/Large"} for number in range(2 * uses - 1)}
    form = portable_input({**members(**places), "$defs": {"Large": large}}, ROOM)
    assert ("$defs" not in form) == in_line


def test_a_value_that_looks_like_a_reference_is_a_value() -> None:
    schema = {
        **members(node={"$ref": "#/$defs/Node", "default": {"$ref": "#/$defs/Absent"}}),
        "$defs": {"Node": members(next={"$ref": "#/$defs/Node"})},
    }
    assert portable_input(schema, ROOM) == schema


def test_deep_definitions_do_not_become_too_deep_together() -> None:
    def deep(inner: Json) -> Json:
        for _ in range(40):
            inner = members(a=inner)
        return inner

    names = ["A", "B", "C", "D"]
    schemas = {name: deep({"$ref": f"#/$defs/{after}"}) for name, after in zip(names, [*names[1:], "E"], strict=True)}
    form = portable_input({**members(root={"$ref": "#/$defs/A"}), "$defs": {**schemas, "E": {"type": "array"}}}, ROOM)
    assert len(orjson.dumps(form)) <= ROOM
    assert form["$defs"].keys() < {*names, "E"}


def test_a_long_chain_of_definitions_does_not_become_too_deep() -> None:
    names = [f"N{number}" for number in range(2_000)]
    schemas = {
        name: members(a={"$ref": f"#/$defs/{after}"}) for name, after in zip(names, [*names[1:], "N0"], strict=True)
    }
    form = portable_input({**members(root={"$ref": "#/$defs/N0"}), "$defs": schemas}, 1_000_000)
    assert len(form["$defs"]) < 200
    validator_of(form)


def test_a_tool_has_no_more_bytes_than_there_is_room() -> None:
    arrays = {f"a{number}": {"type": "array", "description": f"The list of number {number}."} for number in range(300)}
    schema = {**members(**arrays), "additionalProperties": False}
    room = size_of(schema)
    form = portable_input(schema, room)
    assert size_of(form) <= room
    assert form["properties"]["a7"] == {"type": "array", "items": {}}
    assert form["properties"].keys() == arrays.keys()


def test_long_descriptions_make_room_first() -> None:
    schema = members(**{f"a{number}": {"type": "array", "description": "x" * 500} for number in range(9)})
    room = size_of(schema)
    form = portable_input(schema, room)
    assert size_of(form) <= room
    assert form["properties"]["a8"] == {"type": "array", "items": {}, "description": f"{'x' * 319}…"}


def test_no_more_of_the_descriptions_is_left_out_than_there_is_no_room_for() -> None:
    """A little too much, and the descriptions of all arguments would be short ones."""
    said = {f"a{number}": {"type": "array", "description": "word " * 50} for number in range(20)}
    said["long"] = {"type": "array", "description": "x" * 2_000}
    form = portable_input(members(**said), size_of(members(**said)))
    assert form["properties"]["a7"]["description"] == ("word " * 50).strip()
    assert form["properties"]["long"]["description"] == f"{'x' * 639}…"


def test_where_there_is_no_room_at_all_the_types_of_arguments_are_listed() -> None:
    nested = members(**{f"a{number}": {"type": "array"} for number in range(300)})
    schema = {**members(nested=nested, word={"type": "string"}), "required": ["word"]}
    form = portable_input(schema, size_of(schema))
    assert form == {**members(nested={"type": "object"}, word={"type": "string"}), "required": ["word"]}


def with_types(schema: Json) -> Json:
    """The schema where what is about members or items alone is about objects or arrays, as everybody means it."""
    stated: Json = json.loads(json.dumps(schema))
    for each in schemas(stated):
        kinds = [kind for kind, keywords in ONLY_OF.items() if each.keys() & keywords]
        if "type" not in each and len(kinds) == 1:
            each["type"] = kinds[0]
    return stated


def assert_never_stricter(wanted: int, seed: int) -> None:
    drawn = Drawn(seed)
    judged = 0
    while judged < wanted:
        operation = converted(drawn.document()).operations[0]
        form = listed(operation)
        full, shown = validator_of(with_types(operation.input_schema)), validator_of(form)
        for value in ({"body": [drawn.value()]} for _ in range(12)):
            if full.is_valid(value):
                judged += 1
                assert shown.is_valid(value), f"{value} {json.dumps(operation.input_schema)} {json.dumps(form)}"


def test_what_is_accepted_is_listed_as_acceptable() -> None:
    assert_never_stricter(A_FEW, seed=28)


@pytest.mark.deep
@pytest.mark.timeout(1_800)
def test_much_more_of_what_is_accepted_is_listed_as_acceptable() -> None:
    assert_never_stricter(MANY, seed=29)
