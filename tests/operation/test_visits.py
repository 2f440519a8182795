"""Schemas that multiply from level to level cost no more to check than others, whoever wrote document and call."""

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from app.operation.effort import effort
from app.operation.keywords import is_laborious
from app.tools.arguments import ArgumentRules
from tests.openapi.documents import a_document, a_post, only
from tests.tools.test_arguments import violations

Json = dict[str, Any]


def ref(name: str, where: str = "#/$defs/") -> Json:
    return {"$ref": f"{where}{name}"}


WAYS_DOWN: dict[str, Callable[[Json], Json]] = {
    "items": lambda each: {"type": "array", "items": each},
    "prefixItems": lambda each: {"type": "array", "prefixItems": [each]},
    "properties": lambda each: {"type": "object", "properties": {"a": each}},
    "additionalProperties": lambda each: {"type": "object", "additionalProperties": each},
}


def multiplying(levels: int, ways: int, keyword: str = "anyOf", down: str = "items") -> Json:
    """Values in values, each level of them described several times over."""
    schemas: Json = {"Level0": {"type": "string"}}
    for level in range(levels):
        inner = WAYS_DOWN[down](ref(f"Level{level}", "#/components/schemas/"))
        schemas[f"Level{level + 1}"] = {keyword: [inner] * ways}
    return schemas


def nested(levels: int, value: Any) -> Any:
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.parametrize("down", WAYS_DOWN)
@pytest.mark.parametrize("keyword", ["anyOf", "oneOf", "allOf"])
def test_a_tool_whose_schemas_multiply_shows_the_types_of_its_arguments_and_checks_no_more(
    keyword: str, down: str
) -> None:
    schemas = multiplying(40, 2, keyword, down)
    body = {"type": "array", "items": ref("Level40", "#/components/schemas/")}
    operation, item = only(a_document({"/a": a_post(body)}, schemas=schemas))
    assert item.status == "degraded"
    assert "more than 2,000 schemas for one value" in str(item.reason)
    assert operation.input_schema == {
        "type": "object",
        "properties": {"body": {"description": "Not shown: too large.", "type": "array"}},
        "required": ["body"],
        "additionalProperties": False,
    }
    assert ArgumentRules(operation.input_schema).check({"body": nested(40, 1)}) == {"body": nested(40, 1)}


def test_a_tool_with_some_alternatives_at_each_of_some_levels_keeps_them() -> None:
    schemas = multiplying(4, 3)
    operation, item = only(a_document({"/a": a_post(ref("Level4", "#/components/schemas/"))}, schemas=schemas))
    assert item.status == "ready"
    assert len(operation.input_schema["$defs"]) == 5


FILTER: Json = {
    "anyOf": [
        {
            "type": "object",
            "properties": {"op": {"const": op}, "filters": {"type": "array", "items": ref("Filter")}},
            "required": ["op", "filters"],
        }
        for op in ("and", "or", "not")
    ]
    + [{"type": "string"}]
}
SEARCH: Json = {
    "type": "object",
    "properties": {"filter": ref("Filter"), "size": {"type": "integer"}},
    "required": ["size"],
    "additionalProperties": False,
    "$defs": {"Filter": FILTER},
}


def filters(levels: int, innermost: object) -> Any:
    for _ in range(levels):
        innermost = {"op": "or", "filters": [innermost]}
    return innermost


def test_what_leads_back_to_itself_is_no_reason_to_show_less() -> None:
    assert not is_laborious(SEARCH, 20)
    arguments = {"size": 1, "filter": filters(60, "blue")}
    assert ArgumentRules(SEARCH).check(arguments) == arguments


UNSAID = "does not fit the tool's input schema; it is too large to say where"


def test_what_would_take_too_long_to_explain_is_told_by_argument() -> None:
    assert violations(SEARCH, {"filter": filters(60, 5), "sise": 1}) == {
        "/size": "is required",
        "/sise": "is unknown; did you mean 'size'?",
        "/filter": UNSAID,
    }


def test_a_long_list_of_wrong_items_is_told_by_argument() -> None:
    schema: Json = {"type": "object", "properties": {"all": {"type": "array", "items": {"type": "string"}}, "a": {}}}
    assert violations(schema, {"all": [1] * 40_000, "a": 1}) == {"/all": UNSAID}
    one_wrong = {"all": ["x"] * 5_000 + [1], "a": 1}
    assert violations(schema, one_wrong) == {"/all/5000": 'the value is not of type "string"'}


def test_arguments_that_do_not_fit_together_are_told_so() -> None:
    items = {"type": "array", "items": {}}
    schema: Json = {"type": "object", "properties": {"a": items, "b": {}}, "not": {"required": ["a", "b"]}}
    assert violations(schema, {"a": [1] * 40_000, "b": 1}) == {"": "do not fit the tool's input schema together"}


def test_an_argument_whose_schema_is_unusable_is_not_blamed() -> None:
    schema: Json = {"type": "object", "properties": {"a": {"$ref": "#/$defs/none", "items": {}}}}
    assert violations(schema, {"a": [1] * 40_000, "b": 1}) == {"/b": "is unknown; this tool takes a"}


NAMES = ("a", "b")
KEYWORDS = ("anyOf", "oneOf", "allOf", "prefixItems")
SINGLE = ("not", "if", "then", "else", "items", "contains", "additionalProperties")


def schemas(definitions: int) -> st.SearchStrategy[Any]:
    leaf: st.SearchStrategy[Any] = (
        st.booleans() | st.just({}) | st.integers(0, definitions - 1).map(lambda number: ref(f"d{number}"))
    )
    return st.recursive(
        leaf,
        lambda inner: (
            st.dictionaries(st.sampled_from(SINGLE), inner, max_size=2)
            | st.dictionaries(
                st.sampled_from(KEYWORDS), st.lists(inner, min_size=1, max_size=3), min_size=1, max_size=2
            )
            | st.fixed_dictionaries({"properties": st.dictionaries(st.sampled_from(NAMES), inner)})
        ),
        max_leaves=6,
    )


@st.composite
def acyclic(draw: st.DrawFn) -> Json:
    """A schema whose definitions refer to earlier ones only."""
    definitions = {f"d{number}": draw(schemas(number)) if number else {} for number in range(4)}
    root = draw(schemas(4))
    return {**(root if isinstance(root, dict) else {}), "$defs": definitions}


VALUES = st.recursive(
    st.just(0),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(("a", "b", "c")), inner, max_size=3),
    max_leaves=6,
)


COUNTABLE = 2_000  # one after the other
PATIENTLY = settings(max_examples=50, suppress_health_check=list(HealthCheck))


def applied_in_place(root: Json, schema: Json) -> list[Any]:
    applied = [each for keyword in ("anyOf", "oneOf", "allOf") for each in schema.get(keyword, ())]
    applied += [schema[keyword] for keyword in ("not", "if", "then", "else") if keyword in schema]
    return [*applied, root["$defs"][schema["$ref"].removeprefix("#/$defs/")]] if "$ref" in schema else applied


def applied_below(schema: Json, value: Any) -> list[tuple[Any, Any, str]]:
    if isinstance(value, dict):
        kept = [schema.get("additionalProperties")]
        return [
            (each, item, name)
            for name, item in value.items()
            for each in [schema.get("properties", {}).get(name), *kept]
            if each is not None
        ]
    if isinstance(value, list):
        kept = [schema.get(keyword) for keyword in ("items", "contains")]
        return [
            (each, item, str(number))
            for number, item in enumerate(value)
            for each in [*schema.get("prefixItems", ())[number : number + 1], *kept]
            if each is not None
        ]
    return []


def counted(root: Json, schema: Any, value: Any, place: str = "") -> Counter[str]:
    """How often schemas apply to each place of the value, one after the other as the specification has it."""
    found = Counter({place: 1})
    if isinstance(schema, dict):
        for each in applied_in_place(root, schema):
            found += counted(root, each, value, place)
        for each, item, name in applied_below(schema, value):
            found += counted(root, each, item, f"{place}/{name}")
    return found


@pytest.mark.extended
@PATIENTLY
@given(acyclic(), VALUES)
def test_the_effort_is_one_to_three_for_each_schema_that_is_applied(root: Json, value: Any) -> None:
    assume(effort(root, value, COUNTABLE) <= COUNTABLE)
    applied = counted(root, root, value).total()
    assert applied <= effort(root, value, 10 * COUNTABLE) <= 3 * applied


@pytest.mark.extended
@PATIENTLY
@given(acyclic(), VALUES)
def test_no_part_of_any_value_is_visited_more_often_than_foreseen(root: Json, value: Any) -> None:
    assume(effort(root, value, COUNTABLE) <= COUNTABLE)
    most = max(counted(root, root, value).values())
    assert most == 1 or is_laborious(root, most - 1)
