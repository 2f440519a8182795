"""One operation under its override: what callers see, what is sent, and what does not fit."""

import json
from dataclasses import replace
from typing import Any

import jsonschema_rs
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from app.curation.overrides import ArgumentOverride, ToolUpdate
from app.curation.shaping import pruned, shaped
from app.errors import Invalid
from app.operation.operation import Operation
from app.tools.arguments import ArgumentRules
from app.tools.request.plan import build_request, plan_request
from tests.effort import at_most
from tests.openapi.documents import a_document, a_post, only

SIZE = {"type": "string", "enum": ["small", "large"]}
TREE = {"type": "object", "properties": {"child": {"$ref": "#/components/schemas/Tree"}}}
QUERY = {"tenant": {"type": "string"}, "limit": {"type": "integer", "maximum": 50}, "tree": {}, "size": SIZE}


def an_order(*, body_required: bool = True, required: tuple[str, ...] = ("tenant",)) -> Operation:
    """Query: tenant, limit, tree (recursive), size. Body, in fields: dish (required), count, note."""
    parameters = [
        {"name": name, "in": "query", "required": name in required, "schema": schema} for name, schema in QUERY.items()
    ]
    parameters[2]["content"] = {"application/json": {"schema": {"$ref": "#/components/schemas/Tree"}}}
    del parameters[2]["schema"]
    fields = {"dish": {"type": "string"}, "count": {"type": "integer"}, "note": {"$ref": "#/components/schemas/Note"}}
    body = {"schema": {"type": "object", "properties": fields, "required": ["dish"]}}
    operation = {
        "operationId": "order",
        "summary": "Order",
        "parameters": parameters,
        "requestBody": {"required": body_required, "content": {"application/json": body}},
    }
    schemas = {"Tree": TREE, "Note": {"type": ["string", "null"]}, "Unused": {}}
    converted, item = only(a_document({"/orders": {"post": operation}}, schemas=schemas))
    assert item.status == "ready"
    return converted


def override(**fields: Any) -> ToolUpdate:
    return ToolUpdate.model_validate(fields)


def arguments_of(operation: Operation) -> ArgumentRules:
    return ArgumentRules(operation.input_schema, operation.preset)


def misfits_of(operation: Operation, **arguments: Any) -> list[tuple[str, bool]]:
    return [(each.pointer, each.grave) for each in shaped(operation, override(arguments=arguments))[1]]


def test_nothing_said_changes_nothing() -> None:
    assert shaped(an_order(), ToolUpdate()) == (an_order(), ())


def test_texts_and_hints_are_the_admins() -> None:
    stated = override(name="place", title="Place", description="Places it.", annotations={"read_only": True})
    operation, misfits = shaped(an_order(), stated)
    assert (operation.name, operation.title, operation.description) == ("place", "Place", "Places it.")
    assert (operation.hints.read_only, operation.hints.destructive) == (True, False)
    assert misfits == ()


def test_a_pinned_argument_is_always_sent_and_cannot_be_given() -> None:
    operation, misfits = shaped(an_order(), override(arguments={"tenant": {"pin": "acme"}}))
    assert misfits == ()
    assert "tenant" not in operation.input_schema["properties"]
    assert operation.input_schema["required"] == ["dish"]
    given = arguments_of(operation).check({"dish": "pizza"})
    assert "tenant=acme" in build_request(plan_request(operation, "https://api.example.com"), given).url
    for value in ("acme", "evil", None):
        with pytest.raises(Invalid) as refused:
            arguments_of(operation).check({"dish": "pizza", "tenant": value})
        assert [each.pointer for each in refused.value.violations] == ["/tenant"]
        assert "unknown" in refused.value.violations[0].detail


def a_file() -> Operation:
    path = {"name": "path", "in": "path", "required": True, "schema": {"type": "string"}}
    depth = {"name": "depth", "in": "query", "schema": {"type": "integer"}}
    return only(a_document({"/files/{*path}": {"get": {"parameters": [path, depth], "responses": {}}}}))[0]


@pytest.mark.parametrize(
    ("stated", "given", "url"),
    [
        ({}, {"path": "a/b"}, "/files/a%2Fb"),
        ({"path": {"allow_slashes": False}}, {"path": "a/b"}, "/files/a%2Fb"),
        ({"path": {"allow_slashes": True}}, {"path": "a/b"}, "/files/a/b"),
        ({"path": {"allow_slashes": True, "pin": "a/b"}}, {}, "/files/a/b"),
        ({"path": {"allow_slashes": True, "hide": True, "default": "a/b"}}, {}, "/files/a/b"),
    ],
)
def test_slashes_divide_segments_where_an_admin_says_so(stated: Any, given: Any, url: str) -> None:
    operation, misfits = shaped(a_file(), override(arguments=stated))
    assert misfits == ()
    sent = arguments_of(operation).check(given)
    assert build_request(plan_request(operation, "https://api"), sent).url == f"https://api{url}"


def test_slashes_are_allowed_in_the_path_alone() -> None:
    assert misfits_of(a_file(), depth={"allow_slashes": True}) == [("/arguments/depth/allow_slashes", False)]
    assert misfits_of(a_file(), gone={"allow_slashes": True}) == [("/arguments/gone", False)]


def test_a_default_shows_and_is_sent_when_the_argument_is_left_out() -> None:
    operation, _ = shaped(an_order(), override(arguments={"tenant": {"default": "acme"}, "limit": {"default": 0}}))
    assert operation.input_schema["properties"]["tenant"] == {"type": "string", "default": "acme"}
    assert operation.input_schema["properties"]["limit"]["default"] == 0
    rules = arguments_of(operation)
    assert rules.check({"dish": "x"}) == {"tenant": "acme", "limit": 0, "dish": "x"}
    assert rules.check({"dish": "x", "tenant": None})["tenant"] == "acme"
    assert rules.check({"dish": "x", "tenant": "other"})["tenant"] == "other"


def test_a_default_of_the_document_is_sent_unless_the_admin_states_another() -> None:
    page = {"name": "page", "in": "query", "required": True, "schema": {"type": "integer", "default": 1}}
    operation, _ = only(a_document({"/a": {"get": {"parameters": [page], "responses": {}}}}))
    for stated, sent in (
        ({}, 1),
        ({"page": {"hide": True}}, 1),
        ({"page": {"default": 3}}, 3),
        ({"page": {"pin": 4}}, 4),
    ):
        assert arguments_of(shaped(operation, override(arguments=stated))[0]).check({}) == {"page": sent}


@pytest.mark.parametrize(
    ("stated", "given"),
    [
        ({"count": {"pin": 5.0}, "by": {"pin": {"rows": [2.0], "rate": 1.0}}}, {}),
        ({"count": {"hide": True, "default": 5.0}}, {"by": {"rows": [2], "rate": 1.0}}),
        ({"count": {"hide": True}}, {"by": {"rows": [2], "rate": 1.0}}),
    ],
)
def test_whole_numbers_that_no_caller_gives_are_sent_as_integers_too(stated: Any, given: Any) -> None:
    by = {"type": "object", "properties": {"rows": {"type": "array", "items": {"$ref": "#/components/schemas/Row"}}}}
    body = {"type": "object", "properties": {"count": {"type": "integer", "default": 5.0}, "by": by}}
    document = a_document({"/a": a_post({**body, "required": ["count"]})}, schemas={"Row": {"type": "integer"}})
    operation, misfits = shaped(only(document)[0], override(arguments=stated))
    assert misfits == ()
    sent = build_request(plan_request(operation, "https://api"), arguments_of(operation).check(given)).content
    assert sent is not None
    assert json.loads(sent, parse_float=str) == {"count": 5, "by": {"rows": [2], "rate": "1.0"}}


def test_an_admins_words_leave_it_said_what_an_optional_body_needs() -> None:
    stated = override(arguments={"dish": {"description": "What to cook."}, "note": {"description": "For the cook."}})
    shown = shaped(an_order(body_required=False), stated)[0].input_schema["properties"]
    assert shown["dish"]["description"] == "Required if there is a body. What to cook."
    assert shown["note"]["description"] == "For the cook."


def test_a_hidden_argument_with_a_default_is_sent_and_without_one_is_not() -> None:
    hidden = {"tenant": {"hide": True, "default": "acme"}, "size": {"hide": True}}
    operation, misfits = shaped(an_order(), override(arguments=hidden))
    assert misfits == ()
    assert arguments_of(operation).check({"dish": "x"}) == {"tenant": "acme", "dish": "x"}
    with pytest.raises(Invalid):
        arguments_of(operation).check({"dish": "x", "size": "small"})


def test_an_argument_is_described_anew_and_keeps_its_schema() -> None:
    operation, _ = shaped(an_order(), override(arguments={"size": {"description": "How large."}}))
    assert operation.input_schema["properties"]["size"] == {**SIZE, "description": "How large."}


def test_definitions_that_nothing_refers_to_any_more_are_gone() -> None:
    assert set(an_order().input_schema["$defs"]) == {"Tree", "Note"}
    operation, _ = shaped(an_order(), override(arguments={"tree": {"hide": True}}))
    assert set(operation.input_schema["$defs"]) == {"Note"}
    operation, _ = shaped(an_order(), override(arguments={"tree": {"pin": {}}, "note": {"hide": True}}))
    assert "$defs" not in operation.input_schema


def test_what_is_sent_with_every_call_needs_what_the_body_requires_beside_it() -> None:
    optional = an_order(body_required=False)
    assert optional.input_schema["dependentRequired"] == {"count": ["dish"], "note": ["dish"]}
    operation, misfits = shaped(optional, override(arguments={"count": {"pin": 1}, "tenant": {"default": "a"}}))
    assert misfits == ()
    assert operation.input_schema["required"] == ["dish"]
    operation, _ = shaped(optional, override(arguments={"dish": {"default": "x"}}))
    assert "dependentRequired" not in operation.input_schema
    assert arguments_of(operation).check({"tenant": "a", "count": 2}) == {"tenant": "a", "count": 2, "dish": "x"}


@pytest.mark.parametrize("stated", [{"pin": "acme"}, {"default": "acme"}])
def test_bytes_cannot_be_sent_in_place_of_what_is_sent_with_every_call(stated: dict[str, Any]) -> None:
    content = {
        "application/json": {"schema": {"type": "object", "properties": {"tenant": {"type": "string"}, "note": {}}}},
        "application/octet-stream": {"schema": {"type": "string", "format": "binary"}},
    }
    document, _ = only(a_document({"/a": {"post": {"requestBody": {"content": content}, "responses": {}}}}))
    assert "file" in document.input_schema["properties"]
    operation, misfits = shaped(document, override(arguments={"tenant": stated}))
    assert misfits == ()
    assert "file" not in operation.input_schema["properties"]
    assert operation.notes[-1].startswith("`file` was left out")
    hidden, _ = shaped(document, override(arguments={"tenant": {"hide": True}}))
    assert hidden.input_schema["properties"].keys() == {"file", "note"}


def test_a_whole_group_of_fields_can_be_hidden_together() -> None:
    together = {name: {"hide": True} for name in ("count", "dish", "note")}
    operation, misfits = shaped(an_order(body_required=False), override(arguments=together))
    assert misfits == ()
    assert set(operation.input_schema["properties"]) == set(QUERY)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({"tenant": {"hide": True}}, [("/arguments/tenant/hide", True)]),
        ({"tenant": {"pin": 5}}, [("/arguments/tenant/pin", True)]),
        ({"tenant": {"pin": None}}, [("/arguments/tenant/pin", True)]),
        ({"limit": {"default": 51}}, [("/arguments/limit/default", False)]),
        ({"limit": {"default": 51, "hide": True}}, [("/arguments/limit/default", True)]),
        ({"size": {"pin": "medium"}}, [("/arguments/size/pin", True)]),
        ({"tree": {"default": {"child": {"child": 7}}}}, [("/arguments/tree/default", False)]),
        ({"tree": {"default": {"child": {"child": {}}}}}, []),
        ({"note": {"pin": None}}, []),
        ({"gone~/": {"description": "x"}}, [("/arguments/gone~0~1", False)]),
        ({"gone": {"hide": True}}, [("/arguments/gone", False)]),
        ({"gone": {"pin": 1}}, [("/arguments/gone", True)]),
    ],
)
def test_what_does_not_fit_is_named_with_its_place(arguments: Any, expected: list[tuple[str, bool]]) -> None:
    assert misfits_of(an_order(), **arguments) == expected


def test_a_field_that_others_need_cannot_be_hidden_alone() -> None:
    assert misfits_of(an_order(body_required=False), dish={"hide": True}) == [("/arguments/dish/hide", True)]


def test_a_value_that_does_not_fit_is_not_told() -> None:
    _, misfits = shaped(an_order(), override(arguments={"size": {"pin": "my-secret"}}))
    assert "my-secret" not in misfits[0].detail


@pytest.mark.parametrize(
    "fields",
    [
        {"name": ""},
        {"name": "a b"},
        {"name": "ä"},
        {"name": "x" * 65},
        {"title": ""},
        {"description": " "},
        {"description": "a\u200bb"},
        {"description": "\U000e0041"},
        {"description": "x" * 2_001},
        {"hidden": "maybe"},
        {"unknown": 1},
        {"annotations": {"readOnlyHint": True}},
        {"arguments": {"a": {"pin": 1, "default": 2}}},
        {"arguments": {"a": {"pin": 1, "hide": True}}},
        {"arguments": {"a": {"description": "\u202e"}}},
        {"arguments": {"a": {"default": ["\u200b"]}}},
        {"arguments": {"a": {"rename": "b"}}},
        {"arguments": [{"hide": True}]},
    ],
)
def test_what_may_not_be_said_of_a_tool_is_refused(fields: Any) -> None:
    with pytest.raises(ValidationError):
        override(**fields)


NAMES = (*QUERY, "dish", "count", "note", "gone")
VALUES: st.SearchStrategy[Any] = st.sampled_from([None, "small", "acme", 3, 99, {}, {"child": {}}, True])
STATED = st.one_of(
    st.fixed_dictionaries({"pin": VALUES}),
    st.fixed_dictionaries({}, optional={"default": VALUES, "hide": st.booleans(), "description": st.just("D")}),
)
GIVEN = st.dictionaries(st.sampled_from(NAMES), VALUES)


@given(
    st.booleans(),
    st.sets(st.sampled_from(list(QUERY))),
    st.dictionaries(st.sampled_from(NAMES), STATED),
    st.lists(GIVEN, max_size=8),
)
def test_whatever_is_accepted_under_an_override_is_accepted_by_the_document(
    body_required: bool, required: set[str], stated: dict[str, Any], calls: list[dict[str, Any]]
) -> None:
    document = an_order(body_required=body_required, required=tuple(required))
    operation, misfits = shaped(document, override(arguments=stated))
    jsonschema_rs.meta.validate(operation.input_schema)
    assert operation.input_schema["additionalProperties"] is False
    assert pruned(operation.input_schema) == operation.input_schema
    assert operation.input_schema["properties"].keys() <= document.input_schema["properties"].keys()
    if any(each.grave for each in misfits):
        return
    shown = operation.input_schema["properties"].keys()
    overrides = {name: ArgumentOverride.model_validate(each) for name, each in stated.items()}
    assert [name for name, each in overrides.items() if name in shown and not each.shown] == []
    for call in calls:
        try:
            sent = arguments_of(operation).check(call)
        except Invalid:
            continue
        assert call.keys() <= shown
        assert sent.items() >= {name: each.pin for name, each in overrides.items() if each.pins}.items()
        assert ArgumentRules(document.input_schema).check(sent) == {
            name: value for name, value in sent.items() if value is not None or name == "note"
        }
        build_request(plan_request(operation, "https://api.example.com"), sent)


def references_of(schema: Any) -> set[str]:
    return {part.split(b'"')[0].decode() for part in orjson.dumps(schema).split(b'"$ref":"#/$defs/')[1:]}


@given(
    st.dictionaries(
        st.sampled_from("ABCDE"),
        st.lists(st.sampled_from("ABCDE"), max_size=3).map(
            lambda names: {"anyOf": [{"$ref": f"#/$defs/{name}"} for name in names]} if names else {}
        ),
    ),
    st.lists(st.sampled_from("ABCDE"), max_size=2),
)
def test_pruning_keeps_what_is_reached_and_nothing_else(definitions: dict[str, Any], roots: list[str]) -> None:
    properties = {name: {"items": {"$ref": f"#/$defs/{name}"}} for name in roots}
    schema = {"type": "object", "properties": properties, "$defs": definitions}
    result = pruned(schema)
    reached, pending = set(), set(roots)
    while pending:
        name = pending.pop()
        if name in definitions and name not in reached:
            reached.add(name)
            pending |= references_of(definitions[name])
    assert set(result.get("$defs", {})) == reached
    assert result["properties"] == properties
    assert pruned(result) == result


def laborious(depth: int) -> Any:
    """A list of lists, which doubles what a check against LISTS takes at each level."""
    value: Any = "x"
    for _ in range(depth):
        value = [value]
    return value


LISTS = {"anyOf": [{"type": "array", "items": {"$ref": "#/$defs/Lists"}, key: 1} for key in ("minItems", "maxItems")]}


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        (LISTS, laborious(40)),
        ({"type": "string", "pattern": "(a{1,60}){1,60}b"}, "a" * 200_000),
        ({"type": "array", "uniqueItems": True}, list(range(2**60, 2**60 + 5_000))),
    ],
    ids=["alternatives", "pattern", "unique items"],
)
def test_a_value_that_takes_long_to_check_is_not_checked_for_long(schema: Any, value: Any) -> None:
    operation = an_order()
    definitions = {"Lists": LISTS}
    properties = {"x": schema, "tenant": {"type": "integer"}}
    hostile = replace(operation, input_schema={"type": "object", "properties": properties, "$defs": definitions})
    with at_most(0.2):
        _, misfits = shaped(hostile, override(arguments={"x": {"default": value}, "tenant": {"pin": "a"}}))
    assert ("/arguments/tenant/pin", True) in [(misfit.pointer, misfit.grave) for misfit in misfits]
