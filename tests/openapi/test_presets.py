"""Required members with a default may be left out at any depth, and are sent, where the document leaves no doubt."""

import tracemalloc
from typing import Any

import pytest

from app.errors import Invalid, TooLarge
from app.operation.operation import Operation, operation_from_json, operation_to_json
from app.tools.arguments import AT_ONCE, ArgumentRules, TakesLonger
from app.tools.request.plan import build_request, plan_request
from tests.openapi.documents import Json, a_document, a_post, only

MONEY: Json = {
    "type": "object",
    "properties": {"amount": {"type": "integer"}, "currency": {"type": "string", "default": "EUR"}},
    "required": ["amount", "currency"],
}


def a_tool(schema: Any, **schemas: Any) -> Operation:
    operation, item = only(a_document({"/a": a_post({"type": "array", "items": schema})}, schemas=schemas))
    assert item.reason is None
    return operation_from_json(operation_to_json(operation))


def sent(operation: Operation, value: Any) -> Any:
    rules = ArgumentRules(operation.input_schema, operation.preset, filling=operation.filling)
    (item,) = rules.check({"body": [value]})["body"]
    return item


MONEY_REF = {"$ref": "#/components/schemas/Money"}
FULL = {"amount": 1, "currency": "EUR"}


@pytest.mark.parametrize(
    ("schema", "value", "expected"),
    [
        (MONEY, {"amount": 1}, FULL),
        (MONEY_REF, {"amount": 1}, FULL),
        ({"properties": {"price": MONEY_REF}}, {"price": {"amount": 1}}, {"price": FULL}),
        ({"properties": {"price": MONEY_REF}}, {}, {}),
        ({"type": "array", "items": MONEY_REF}, [{"amount": 1}, {"amount": 1, "currency": "CHF"}], None),
        ({"allOf": [MONEY_REF, {"properties": {"n": {"type": "integer"}}}]}, {"amount": 1, "n": 2}, {**FULL, "n": 2}),
        ({"anyOf": [MONEY_REF, {"type": "null"}]}, {"amount": 1}, FULL),
        ({"anyOf": [MONEY_REF, {"type": "null"}]}, None, None),
        (MONEY, {"amount": 1, "currency": "CHF"}, {"amount": 1, "currency": "CHF"}),
    ],
)
def test_what_is_left_out_is_filled_in(schema: Json, value: Any, expected: Any) -> None:
    given = {"kept": value}
    result = sent(a_tool(schema, Money=MONEY), value)
    assert result == (expected if not isinstance(value, list) else [FULL, {"amount": 1, "currency": "CHF"}])
    assert given == {"kept": value}


@pytest.mark.parametrize(
    "schema",
    [
        {"anyOf": [MONEY, {"type": "object", "properties": {"free": {"const": True}}, "required": ["free"]}]},
        {**MONEY, "properties": {**MONEY["properties"], "currency": {"type": "integer", "default": "EUR"}}},
        {**MONEY, "properties": {**MONEY["properties"], "currency": {"type": "string"}}},
    ],
    ids=["in one of several branches", "a default that is refused", "no default"],
)
def test_what_is_in_doubt_is_required(schema: Json) -> None:
    operation = a_tool(schema)
    with pytest.raises(Invalid):
        sent(operation, {"amount": 1})


def test_what_is_optional_is_not_filled_in() -> None:
    schema = {"type": "object", "properties": {"currency": {"type": "string", "default": "EUR"}}}
    assert sent(a_tool(schema), {}) == {}


@pytest.mark.parametrize("media_type", ["application/json", "application/x-www-form-urlencoded"])
def test_a_body_that_may_be_left_out_has_its_defaults_once_a_part_of_it_is_given(media_type: str) -> None:
    members = {**MONEY["properties"], "tip me": {"type": "integer", "default": 0}, "note": {"type": "string"}}
    schema = {"type": "object", "properties": members, "required": ["amount", "currency", "tip me"]}
    body = {"content": {media_type: {"schema": schema}}}
    query = {"name": "q", "in": "query", "schema": {"type": "string"}}
    operation, _ = only(a_document({"/a": {"post": {"requestBody": body, "parameters": [query]}}}))
    operation = operation_from_json(operation_to_json(operation))

    def body_of(**arguments: Any) -> bytes | None:
        rules = ArgumentRules(operation.input_schema, operation.preset, filling=operation.filling)
        return build_request(plan_request(operation, "https://a.example"), rules.check(arguments)).content

    assert body_of() is None
    assert body_of(q="x") is None
    is_json = media_type == "application/json"
    assert body_of(amount=1) == (
        b'{"amount":1,"currency":"EUR","tip me":0}' if is_json else b"amount=1&currency=EUR&tip%20me=0"
    )
    assert body_of(amount=1, currency="CHF", tip_me=2) == (
        b'{"amount":1,"currency":"CHF","tip me":2}' if is_json else b"amount=1&currency=CHF&tip%20me=2"
    )
    with pytest.raises(Invalid):
        body_of(note="without an amount")
    said = {name: each.get("description", "") for name, each in operation.input_schema["properties"].items()}
    assert [name for name, text in said.items() if "Required if there is a body." in text] == ["amount"]


def taking_items(default: str, number: int = 1) -> ArgumentRules:
    members = {f"m{each}": {"type": "string", "default": default} for each in range(number)}
    item = {"type": "object", "properties": members, "required": [*members]}
    operation = a_tool({"type": "array", "items": item})
    return ArgumentRules(operation.input_schema, operation.preset, filling=operation.filling)


@pytest.mark.parametrize(("default", "number"), [("v" * 8_000, 1), ("", 150)])
def test_what_is_filled_in_for_a_small_value_is_bounded(default: str, number: int) -> None:
    rules = taking_items(default, number)
    assert len(rules.check({"body": [[{}] * 100]})["body"][0]) == 100
    tracemalloc.start()
    try:
        with pytest.raises(TooLarge) as refused:
            rules.check({"body": [[{} for _ in range(20_000)]]})
        assert tracemalloc.get_traced_memory()[1] < 24 * 2**20
    finally:
        tracemalloc.stop()
    assert refused.value.code == "request_too_large"
    assert "has a default" in refused.value.detail


def test_filling_in_keeps_nobody_waiting_longer_than_a_check_does() -> None:
    rules = taking_items("EUR")
    with pytest.raises(TakesLonger):
        rules.check({"body": [[{}] * 10_000]}, AT_ONCE)
    assert rules.check({"body": [[{}] * 10_000]})["body"][0][-1] == {"m0": "EUR"}
