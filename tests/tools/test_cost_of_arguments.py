"""What a check of arguments may cost, whatever a document and an agent send within their limits."""

import resource
import string
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import product
from typing import Any

import pytest

from app.errors import Invalid
from app.operation.schemas import loosened
from app.tools.arguments import AT_ONCE, ArgumentRules, TakesLonger
from tests.effort import at_most
from tests.tools.test_arguments import violations

Json = dict[str, Any]

SECONDS = 4.0  # with what measures coverage; without it, most take half a second
MEBIBYTES = 300


def tool(argument: Json, **more: Any) -> Json:
    return {"type": "object", "properties": {"x": argument}, "additionalProperties": False, **more}


def listed(items: Json) -> Json:
    return tool({"type": "array", "items": items})


@contextmanager
def bounded() -> Iterator[None]:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with at_most(SECONDS):
        yield
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < MEBIBYTES * 1024


def names(number: int, length: int, letters: str = string.ascii_lowercase[:8]) -> list[str]:
    return [
        "".join(each).rjust(length, "_") for _, each in zip(range(number), product(letters, repeat=5), strict=False)
    ]


CHAIN = {f"d{number}": {"$ref": f"#/$defs/d{number + 1}"} for number in range(200)}
LABORIOUS: dict[str, tuple[Json, Any]] = {
    "integers that share their hashes": (tool({"uniqueItems": True}), [2**63 + each for each in range(30_000)]),
    "such integers inside": (tool({"uniqueItems": True}), [[-(2**62) - each] for each in range(30_000)]),
    "multiples of next to nothing": (listed({"multipleOf": 1e-300}), [1e300] * 60_000),
    "references to references": (listed({"$ref": "#/$defs/d0"}) | {"$defs": {**CHAIN, "d200": {}}}, ["a"] * 90_000),
    "alternatives": (listed({"anyOf": [{"required": [f"p{each}"]} for each in range(50)]}), [{}] * 90_000),
    "lists to compare with": (listed({"enum": [[each] for each in range(5_000)]}), [[-1]] * 40_000),
    "names to look up": (listed({"properties": {str(each): {} for each in range(2_000)}}), [{}] * 90_000),
    "what nothing else looked at": (
        tool({"allOf": [{"contains": {"const": each}} for each in range(20)], "unevaluatedItems": False}),
        list(range(90_000)),
    ),
    "a length counted often": (tool({"allOf": [{"maxLength": 5_000_000}] * 900}), "\u00e9" * 1_900_000),
}


@pytest.mark.extended
@pytest.mark.parametrize(("schema", "value"), LABORIOUS.values(), ids=LABORIOUS)
def test_what_takes_too_long_to_check_is_left_to_the_upstream_but_for_its_names(schema: Json, value: Any) -> None:
    rules = ArgumentRules(schema | {"required": ["x"]})
    with bounded():
        assert rules.check({"x": value}) == {"x": value}
    with bounded(), pytest.raises(Invalid) as refused:
        rules.check({"x": value, "z": 1})
    assert [violation.pointer for violation in refused.value.violations] == ["/z"]


TOLD: dict[str, tuple[Json, Any]] = {
    "long alternatives in every message": (listed({"enum": names(1_400, 20)}), [1] * 14_000),
    "a large value in every message": (tool({"anyOf": [{"type": "integer"}, {"type": "boolean"}] * 100}), [0] * 90_000),
}


@pytest.mark.parametrize(("schema", "value"), TOLD.values(), ids=TOLD)
def test_what_takes_too_much_memory_to_explain_is_told_by_argument(schema: Json, value: Any) -> None:
    with bounded():
        assert violations(schema, {"x": value}) == {
            "/x": "does not fit the tool's input schema; it is too large to say where"
        }


MANY_NAMES = {"ab" * 60 + str(each): 1 for each in range(20_000)}
MATCHED: dict[str, tuple[Json, Any]] = {
    "a text": (tool({"type": "string", "pattern": "[ab]*a[ab]{900}c"}), "ab" * 200_000),
    "many texts": (listed({"type": "string", "pattern": "[ab]*a[ab]{90}c"}), ["ab" * 500] * 400),
    "names": (
        tool(
            {"patternProperties": {f"[ab]*a[ab]{{90}}{each}": {} for each in range(60)}, "additionalProperties": False}
        ),
        {"ab" * 60 + str(each): 1 for each in range(20_000)},
    ),
    "names of names": (
        tool({"propertyNames": {"pattern": "[ab]*a[ab]{90}c"}}),
        {"ab" * 60 + str(each): 1 for each in range(20_000)},
    ),
}


@pytest.mark.parametrize(("schema", "value"), MATCHED.values(), ids=MATCHED)
def test_what_patterns_would_take_long_to_match_is_checked_without_them(schema: Json, value: Any) -> None:
    with bounded():
        assert ArgumentRules(schema).check({"x": value}) == {"x": value}
    assert violations(schema | {"required": ["y"]}, {"x": value}).keys() == {"/y"}


def test_a_text_of_many_characters_is_matched_where_that_is_cheap() -> None:
    schema = tool({"type": "string", "pattern": "^[A-Za-z0-9+/]*={0,2}$"})
    assert ArgumentRules(schema).check({"x": "QUJD" * 12_000}) == {"x": "QUJD" * 12_000}
    assert violations(schema, {"x": "QUJD" * 12_000 + "!"}).keys() == {"/x"}


def test_patterns_that_take_long_to_compile_are_not_compiled() -> None:
    schema = {"type": "object", "properties": {f"p{each}": {"pattern": f"(a|b|c{each}){{999}}"} for each in range(900)}}
    with bounded():
        assert ArgumentRules(schema).check({"p1": "z"}) == {"p1": "z"}
    assert violations(schema | {"required": ["y"]}, {}).keys() == {"/y"}


@pytest.mark.parametrize("alike", [False, True])
@pytest.mark.parametrize("unknown", [50, 40_000])
def test_names_are_compared_for_the_first_five_only(unknown: int, *, alike: bool) -> None:
    asked = [f"{name}{'a' if alike else 'z' * 40}" for name in names(unknown, 200)]
    schema = {"type": "object", "properties": dict.fromkeys(names(400, 200), True), "additionalProperties": False}
    with bounded():
        found = violations(schema, dict.fromkeys(asked, 1))
    assert len(found) == 50
    assert sum("did you mean" in detail for detail in found.values()) <= 5
    with bounded():
        assert len(ArgumentRules(schema, drop_unknown=True).check({"zzz": 1} | dict.fromkeys(names(9, 2), 1))) == 0


def test_of_many_names_the_nearest_is_found() -> None:
    properties: Json = {
        f"{first}{second}_{third}": {} for first, second, third in product("abcdefgh", "opqrst", ("name", "date"))
    }
    schema = {"type": "object", "properties": properties | {"customer_id": {}}, "additionalProperties": False}
    assert violations(schema, {"customerId": 1}) == {"/customerId": "is unknown; did you mean 'customer_id'?"}
    assert violations(schema, {"ustomer_id": 1}) == {"/ustomer_id": "is unknown; did you mean 'customer_id'?"}


def test_many_nulls_are_left_out_in_one_go() -> None:
    schema = {"type": "object", "properties": {f"p{each}": {"type": "string"} for each in range(1_500)}}
    with bounded():
        assert ArgumentRules(schema).check(dict.fromkeys(schema["properties"])) == {}


def test_many_wrong_arguments_are_told_in_one_go() -> None:
    either = {"type": "array", "items": {"anyOf": [{"type": "string"}, {"type": "object", "required": ["a"]}]}}
    schema = {"type": "object", "properties": {f"p{each}": either for each in range(300)}}
    with bounded():
        found = violations(schema, {f"p{each}": [1] * 40 for each in range(300)})
    assert len(found) == 50
    assert set(found.values()) == {"does not fit the tool's input schema; it is too large to say where"}


def test_a_long_option_is_cut() -> None:
    (detail,) = violations(tool({"enum": ["a" * 20_000, "b"]}), {"x": 1}).values()
    assert len(detail) == 301


def test_a_check_that_takes_longer_than_allowed_at_once_is_not_made() -> None:
    row = {"properties": {"a": {"type": "integer"}}}
    rules = ArgumentRules(listed({"$ref": "#/$defs/row"}) | {"$defs": {"row": row}})
    assert rules.check({"x": []}, AT_ONCE) == {"x": []}
    for many in ([{"a": 1}] * 9_000, [{"a": 1}] * 9_000 + [{"a": "1"}]):
        with pytest.raises(TakesLonger):
            rules.check({"x": many}, AT_ONCE)
    with pytest.raises(Invalid) as refused:
        rules.check({"x": [{"a": 1}] * 9_000 + [{"a": "1"}]})
    assert [violation.pointer for violation in refused.value.violations] == ["/x"]


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"not": {"pattern": "a"}}, "b"),
        ({"if": {"pattern": "a"}, "then": {"maxLength": 1}, "else": {"maxLength": 9}}, "bbb"),
        ({"if": {"pattern": "a"}, "then": {"maxLength": 9}, "else": {"maxLength": 1}}, "aaa"),
        ({"oneOf": [{"pattern": "a"}, {"pattern": "b"}], "anyOf": [{"maxLength": 3}]}, "bbb"),
        ({"patternProperties": {"^a": {}}, "additionalProperties": False}, {"a1": 1}),
        ({"allOf": [{"patternProperties": {"^a": {}}}], "unevaluatedProperties": False}, {"a1": 1}),
        ({"contains": {"pattern": "a"}, "maxContains": 1}, ["a", "b"]),
        (
            {
                "properties": {"pattern": {"maxLength": 3, "pattern": "a"}},
                "allOf": [{"propertyNames": {"pattern": "p"}}],
            },
            {"pattern": "aa"},
        ),
    ],
)
def test_a_schema_without_patterns_takes_what_it_takes_with_them(schema: Json, value: Any) -> None:
    assert ArgumentRules(tool(schema)).check({"x": value}) == {"x": value}
    assert ArgumentRules(tool(loosened(schema))).check({"x": value}) == {"x": value}


def test_a_schema_without_patterns_still_refuses_the_rest() -> None:
    schema = loosened({"properties": {"pattern": {"maxLength": 3, "pattern": "a"}}, "oneOf": [{"required": ["a"]}]})
    assert schema == {"properties": {"pattern": {"maxLength": 3}}, "allOf": [{"anyOf": [{"required": ["a"]}]}]}


@pytest.mark.parametrize(
    "malformed",
    [{"properties": []}, {"allOf": {}}, {"oneOf": 7}, {"patternProperties": []}, {"required": "x"}, {"$defs": []}],
)
def test_a_schema_that_is_none_is_unusable_with_patterns_and_without(malformed: Json) -> None:
    for schema in (malformed, {**malformed, "pattern": "a"}):
        assert ArgumentRules(tool(schema)).check({"x": "b"}) == {"x": "b"}
        assert violations(tool(schema), {"y": 1}) == {"/y": "is unknown; this tool takes x"}


@pytest.mark.parametrize("keyword", ["unevaluatedItems", "unevaluatedProperties"])
def test_what_many_schemas_see_through_is_not_made_ready_for_each_of_them(keyword: str) -> None:
    branches = [{"properties": {f"p{each}": {}}, "prefixItems": [{}]} for each in range(50)]
    schema = tool({"properties": {f"m{each}": {"$ref": "#/$defs/x", keyword: False} for each in range(200)}})
    schema["$defs"] = {"x": {"anyOf": [{"$ref": "#/$defs/y"}] * 20}, "y": {"anyOf": branches}}
    with at_most(1):
        assert ArgumentRules(schema).check({"x": {"m0": {"p1": 1}}}) == {"x": {"m0": {"p1": 1}}}
    few = tool({"$ref": "#/$defs/y", keyword: False}) | {"$defs": {"y": {"anyOf": branches}}}
    wrong = {"unknown": 1} if keyword == "unevaluatedProperties" else [1, 2]
    with pytest.raises(Invalid):
        ArgumentRules(few).check({"x": wrong})
