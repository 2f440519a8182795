"""Arguments are checked before anything is sent, and a null that means "left out" is left out."""

import socket
from typing import Any

import pytest

from app.errors import Invalid, Violation
from app.tools.arguments import ArgumentRules

MENU: dict[str, Any] = {
    "type": "object",
    "properties": {
        "size": {"type": "string", "enum": ["small", "large"]},
        "count": {"type": "integer", "minimum": 1, "maximum": 10},
        "note": {"type": ["string", "null"]},
        "a/b~c": {"type": "array", "items": {"$ref": "#/$defs/topping"}},
        "any": {},
        "100%": {"$ref": "#/$defs/topping"},
        "a%20b": {"type": ["string", "null"]},
        "wish": {"anyOf": [{"$ref": "#/$defs/topping"}, {"type": "null"}]},
    },
    "required": ["size"],
    "additionalProperties": False,
    "$defs": {"topping": {"type": "string", "maxLength": 8}},
}


def violations(schema: dict[str, Any], arguments: dict[str, Any]) -> dict[str, str]:
    with pytest.raises(Invalid) as refused:
        ArgumentRules(schema).check(arguments)
    assert refused.value.code == "invalid_arguments"
    return {violation.pointer: violation.detail for violation in refused.value.violations}


def test_good_arguments_pass_unchanged() -> None:
    arguments = {"size": "small", "count": 3, "a/b~c": ["ham"], "any": {"x": [None, 1.5, True]}}
    assert ArgumentRules(MENU).check(arguments) == arguments


def test_every_violation_is_listed_with_its_pointer() -> None:
    found = violations(MENU, {"count": 11, "a/b~c": ["ham", "far too long"], "sise": "small"})
    assert found.keys() == {"/size", "/count", "/a~1b~0c/1", "/sise"}
    assert found["/size"] == "is required"
    assert found["/sise"] == "is unknown; did you mean 'size'?"


def test_an_unknown_name_without_a_likeness_gets_the_names_there_are() -> None:
    assert violations(MENU, {"size": "small", "zzz": 1})["/zzz"].startswith("is unknown; this tool takes size, count,")
    assert violations({**MENU, "properties": {}, "required": []}, {"x": 1}) == {
        "/x": "is unknown: this tool takes no arguments"
    }


@pytest.mark.parametrize(
    ("alternatives", "value", "found"),
    [
        (
            [{"enum": ["small", "large"]}, {"type": "null"}],
            "tiny",
            {"/x": 'the value is not one of "small", "large"'},
        ),
        ([{"type": "integer", "minimum": 1}, {"type": "null"}], 0, {"/x": "the value is less than the minimum of 1"}),
        ([{"type": "integer"}, {"type": "null"}], "1", {"/x": "the value has none of these types: integer, null"}),
        ([{"type": "object", "required": ["a"]}, {"type": "null"}], {}, {"/x/a": "is required"}),
        ([{"anyOf": [{"const": "a"}, {"type": "null"}]}, {"type": "integer"}], "b", {"/x": '"a" was expected'}),
    ],
)
def test_of_several_alternatives_the_one_of_the_values_type_is_explained(
    alternatives: list[dict[str, Any]], value: object, found: dict[str, str]
) -> None:
    for keyword in ("anyOf", "oneOf"):
        assert violations({"type": "object", "properties": {"x": {keyword: alternatives}}}, {"x": value}) == found


LINE = {"type": "object", "properties": {"id": {"type": "integer"}, "name": {"type": "string"}}}
NOTED = {"required": ["note"], "properties": {"note": {"type": "string"}, "loud": {"type": "boolean"}}}
CLOSED = {
    "allOf": [{"$ref": "#/$defs/line"}],
    "anyOf": [NOTED, {"properties": {"at": {}}}],
    "unevaluatedProperties": False,
}
UNKNOWN = "has unknown members: {}"


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ({"id": "x", "name": "n"}, {"/x/id": 'the value is not of type "integer"'}),
        ({"id": "x", "zz": 1, "y": 2}, {"/x/id": 'the value is not of type "integer"', "/x": UNKNOWN.format("zz, y")}),
        ({"at": 1, "loud": True}, {"/x": "Unevaluated properties are not allowed ('loud' was unexpected)"}),
        ({"id": 1, "zz": 1}, {"/x": "Unevaluated properties are not allowed ('zz' was unexpected)"}),
    ],
)
def test_what_is_wrong_in_an_object_makes_no_other_member_unknown(value: object, found: dict[str, str]) -> None:
    schema = {"type": "object", "properties": {"x": CLOSED}, "$defs": {"line": LINE}}
    assert violations(schema, {"x": value}) == found
    wrapped = {"anyOf": [CLOSED, {"type": "null"}]}
    assert violations({**schema, "properties": {"x": wrapped}}, {"x": value}) == found


def test_what_is_wrong_in_a_list_leaves_no_item_over() -> None:
    pair = {"anyOf": [{"prefixItems": [{"type": "integer"}, {"type": "string"}]}], "unevaluatedItems": False}
    schema = {"type": "object", "properties": {"x": pair}}
    assert violations(schema, {"x": ["a", "b"]}) == {"/x/0": 'the value is not of type "integer"'}
    assert "items are not allowed" in violations(schema, {"x": [1, "b", "c"]})["/x"]


def test_every_choice_is_told() -> None:
    schema = {"type": "object", "properties": {"x": {"enum": ["a", "b", "c", "d", 5, None]}}}
    assert violations(schema, {"x": "e"}) == {"/x": 'the value is not one of "a", "b", "c", "d", 5, null'}


def test_where_several_alternatives_come_near_none_is_preferred() -> None:
    schema = {"type": "object", "properties": {"x": {"anyOf": [{"enum": ["a"]}, {"enum": ["b"]}]}}}
    assert "any of the schemas" in violations(schema, {"x": "c"})["/x"]
    either = {"type": "object", "properties": {"x": {"oneOf": [{"type": "number"}, {"type": "integer"}]}}}
    assert "more than one" in violations(either, {"x": 1})["/x"]


def kind(tag: dict[str, Any], **members: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": {"kind": tag, **members}, "required": ["kind", *members]}


CAT = kind({"const": "cat"}, lives={"type": "integer"})
DOG = kind({"enum": ["dog", "hound"]}, owner={"type": "object", "required": ["kind"]})
COSTLY = {"patternProperties": {"[ab]*a[ab]{900}c": {}}, "not": {"required": ["ab" * 9]}}


@pytest.mark.parametrize("keyword", ["anyOf", "oneOf"])
@pytest.mark.parametrize("more", [{}, COSTLY], ids=["", "without its patterns, which take too long"])
@pytest.mark.parametrize(
    ("value", "found"),
    [
        ({"lives": 9}, {"/x/0/kind": 'is required: one of "cat", "dog", "hound"'}),
        ({"kind": "bird"}, {"/x/0/kind": 'the value is not one of "cat", "dog", "hound"'}),
        ({"kind": "cat", "lives": "9"}, {"/x/0/lives": 'the value is not of type "integer"'}),
        ({"kind": "hound", "owner": {}}, {"/x/0/owner/kind": "is required"}),
    ],
)
def test_a_member_that_tells_alternatives_apart_says_which_is_meant(
    keyword: str, more: dict[str, Any], value: dict[str, Any], found: dict[str, str]
) -> None:
    either = {keyword: [{"$ref": "#/$defs/Cat"}, {**DOG, **more}, {"type": "null"}]}
    schema = {
        "type": "object",
        "properties": {"x": {"type": "array", "items": {"$ref": "#/$defs/Animal"}}},
        "$defs": {"Cat": CAT, "Animal": {"allOf": [either]}},
    }
    long = dict.fromkeys(("ab" * 600 + str(each) for each in range(300)), 1)
    assert violations(schema, {"x": [value | long]}) == found


def test_a_member_that_some_alternatives_leave_open_tells_nothing() -> None:
    schema = {"type": "object", "properties": {"x": {"anyOf": [CAT, kind({"type": "string"}, barks={})]}}}
    assert "any of the schemas" in violations(schema, {"x": {"kind": "cat"}})["/x"]
    assert violations(schema, {"x": {"kind": "dog"}}) == {"/x/barks": "is required"}


def test_a_member_that_tells_alternatives_apart_may_be_optional() -> None:
    alternatives = [{"properties": {"kind": {"const": each}, "owner": CAT}} for each in "ab"]
    schema = {"type": "object", "properties": {"x": {"anyOf": alternatives}}}
    assert "any of the schemas" in violations(schema, {"x": {"owner": {"lives": 9}}})["/x"]


def test_a_member_that_is_wrong_is_not_called_unknown() -> None:
    part = {"properties": {"count": {"type": "integer"}}, "required": ["name"]}
    pet = {"allOf": [{"$ref": "#/$defs/Pet"}], "properties": {"kind": {}}, "unevaluatedProperties": False}
    properties = {"a/b~c": {"anyOf": [pet, {"type": "null"}]}}
    schema = {"type": "object", "properties": properties, "$defs": {"Pet": part}}
    value = {"kind": "cat", "count": "many"}
    wrong = {"/a~1b~0c/count": 'the value is not of type "integer"', "/a~1b~0c/name": "is required"}
    assert violations(schema, {"a/b~c": value}) == wrong
    unknown = {"/a~1b~0c": "has unknown members: bark"}
    assert violations(schema, {"a/b~c": {**value, "bark": 1}}) == wrong | unknown


@pytest.mark.parametrize("further", [{}, {"anyOf": {"type": "integer"}}, {"anyOf": {"anyOf": [True]}}])
def test_a_member_without_a_name_can_be_wrong_too(further: dict[str, Any]) -> None:
    inside = {"anyOf": [{"properties": {"kind": {"const": each}}, "required": ["kind"]} for each in "ab"]}
    closed = {"unevaluatedProperties": False}
    schema = {"type": "object", "properties": {"": {"anyOf": [inside, closed]}, **further}}
    assert "any of the schemas" in " ".join(violations(schema, {"": {"x": 1}}).values())
    assert violations({"type": "object", "properties": {"": closed}}, {"": {"x": 1}})


def test_the_values_are_not_repeated() -> None:
    with pytest.raises(Invalid) as refused:
        ArgumentRules(MENU).check({"size": "my-secret-value", "count": "my-secret-value", "any": 1})
    assert "my-secret-value" not in f"{refused.value.detail} {refused.value.violations}"


@pytest.mark.parametrize("name", ["count", "a/b~c", "100%"])
def test_null_for_an_optional_argument_that_may_not_be_null_counts_as_left_out(name: str) -> None:
    rules = ArgumentRules(MENU)
    for _ in range(2):
        assert rules.check({"size": "small", name: None}) == {"size": "small"}


@pytest.mark.parametrize("name", ["note", "any", "wish", "a%20b"])
def test_null_is_kept_where_it_is_allowed(name: str) -> None:
    assert ArgumentRules(MENU).check({"size": "small", name: None}) == {"size": "small", name: None}


def test_null_for_a_required_argument_is_refused() -> None:
    assert violations(MENU, {"size": None}).keys() == {"/size"}


def test_null_for_an_unknown_argument_is_still_unknown() -> None:
    assert violations(MENU, {"size": "small", "sise": None}).keys() == {"/sise"}


@pytest.mark.parametrize(
    ("value", "detail"),
    [
        (float("nan"), "is not a finite number"),
        (float("-inf"), "is not a finite number"),
        (2**64, "is an integer of more than 64 bits; send it as a string if the tool takes one"),
        (-(2**63) - 1, "is an integer of more than 64 bits; send it as a string if the tool takes one"),
        ("x\ud800", "has half a surrogate pair in it, which is not Unicode text"),
        ({"x\udfff": 1}, "has a name with half a surrogate pair in it"),
    ],
)
def test_what_no_request_can_carry_is_refused(value: object, detail: str) -> None:
    assert violations(MENU, {"size": "small", "any": [value]}) == {"/any/0": detail}


@pytest.mark.parametrize("value", [2**64 - 1, -(2**63), "päivää \U0001f355", {"ключ": "значение"}, 1e300])
def test_unusual_values_that_can_be_carried_pass(value: object) -> None:
    assert ArgumentRules(MENU).check({"size": "small", "any": value})["any"] == value


def test_nesting_that_would_overflow_the_validator_is_refused() -> None:
    nested: list[Any] = []
    for _ in range(50_000):
        nested = [nested]
    schema = {"type": "object", "properties": {"x": {"type": "array", "items": {"$ref": "#/properties/x"}}}}
    assert list(violations(schema, {"x": nested}).values()) == ["is nested deeper than 128 levels"]


def test_a_great_number_of_violations_is_cut_off() -> None:
    found = violations({"type": "object", "properties": {"x": {"items": {"type": "string"}}}}, {"x": [1] * 10_000})
    assert len(found) == 50


def test_a_pattern_made_to_hang_is_answered_in_linear_time() -> None:
    schema = {"type": "object", "properties": {"x": {"type": "string", "pattern": "^(a+)+$"}}}
    assert violations(schema, {"x": "a" * 5_000 + "b"}) == {"/x": 'the value does not match "^(a+)+$"'}
    assert violations(schema, {"x": "a" * 50_000 + "b"}).keys() == {"/x"}


@pytest.mark.parametrize(
    "unusable",
    [
        {"type": "no-such-type"},
        {"$ref": "#/$defs/missing"},
        {"$ref": "http://127.0.0.1:9/schema"},
        {"$ref": "file:///etc/hostname"},
        {"type": "string", "pattern": "^(?=look)ahead"},
        {"type": "string", "pattern": "(((a{900}){900}){900})"},
        {"minimum": "three"},
    ],
)
def test_a_schema_that_cannot_be_compiled_still_checks_the_names(unusable: dict[str, Any]) -> None:
    schema = {
        "type": "object",
        "properties": {"x": unusable, "y": {}},
        "required": ["y"],
        "additionalProperties": False,
    }
    rules = ArgumentRules(schema)
    assert rules.check({"x": "anything", "y": 1}) == {"x": "anything", "y": 1}
    assert rules.check({"x": None, "y": 1}) == {"y": 1}
    assert violations(schema, {"z": 1}).keys() == {"/y", "/z"}


def test_nothing_is_fetched_for_a_schema() -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        server.setblocking(False)
        address = f"http://127.0.0.1:{server.getsockname()[1]}/schema"
        ArgumentRules({"type": "object", "properties": {"x": {"$ref": address}}}).check({"x": 1})
        with pytest.raises(BlockingIOError):
            server.accept()


def test_a_schema_that_refers_to_itself_is_no_trap() -> None:
    schema = {"type": "object", "properties": {"x": {"$ref": "#/$defs/x"}}, "$defs": {"x": {"$ref": "#/$defs/x"}}}
    assert ArgumentRules(schema).check({"x": None}) == {"x": None}


def test_a_schema_without_properties_takes_anything_it_allows() -> None:
    assert ArgumentRules({"type": "object"}).check({"x": 1}) == {"x": 1}


def test_the_schema_is_compiled_once() -> None:
    rules = ArgumentRules(MENU)
    assert rules.compile() is rules.compile()


def test_violations_name_the_place_in_the_detail_too() -> None:
    with pytest.raises(Invalid) as refused:
        ArgumentRules(MENU).check({})
    assert refused.value.violations == (Violation("/size", "is required"),)
    assert refused.value.detail == "Nothing was sent. Correct these arguments: /size is required."


def test_a_detail_that_asks_ends_with_its_question() -> None:
    with pytest.raises(Invalid) as refused:
        ArgumentRules(MENU).check({"size": "small", "sise": "small"})
    assert refused.value.detail.endswith("/sise is unknown; did you mean 'size'?")
