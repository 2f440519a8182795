"""A whole number for an integer is sent as one, wherever a schema says integer; any other number as it was said."""

from typing import Any

import orjson
import pytest

from app.openapi.conversion import convert
from app.tools.arguments import ArgumentRules
from app.tools.request.plan import UpstreamRequest, build_request, plan_request
from tests.openapi.documents import Json, a_document, a_post, only

INTEGER: Json = {"type": "integer"}
NUMBER: Json = {"type": "number"}


def an_object(**members: Json) -> Json:
    return {"type": "object", "properties": members}


def request_for(document: Json, arguments: Json) -> UpstreamRequest:
    operation, _ = only(document)
    arguments = ArgumentRules(operation.input_schema, operation.preset).check(arguments)
    return build_request(plan_request(operation, "http://api"), arguments)


def sent(schema: Any, said: Any, version: str = "3.1.0", **schemas: Any) -> str:
    """The JSON that is sent for a list of one such value."""
    document = a_document({"/a": a_post({"type": "array", "items": schema})}, schemas=schemas, version=version)
    content = request_for(document, {"body": [said]}).content
    assert content is not None
    return content.decode()[1:-1]


NODE = an_object(count=INTEGER, next={"$ref": "#/components/schemas/Node"}, all={"$ref": "#/components/schemas/Node"})
CARD = {**an_object(kind={"const": "card"}, amount=INTEGER), "required": ["kind"]}
CASH = {**an_object(kind={"const": "cash"}, amount=NUMBER), "required": ["kind"]}


@pytest.mark.parametrize(
    ("schema", "said", "expected"),
    [
        (INTEGER, 5.0, "5"),
        (INTEGER, -0.0, "0"),
        (INTEGER, 1e16, "10000000000000000"),
        (INTEGER, 2.0**63, "9223372036854775808"),
        ({"type": ["integer", "null"]}, 5.0, "5"),
        ({"type": "number", "format": "int64"}, 5.0, "5"),
        ({"enum": [1, 2]}, 2.0, "2"),
        ({"const": 2}, 2.0, "2"),
        (an_object(a={"type": "array", "items": INTEGER}), {"a": [1.0, 2]}, '{"a":[1,2]}'),
        ({"type": "object", "additionalProperties": INTEGER}, {"any": 1.0}, '{"any":1}'),
        ({"type": "object", "patternProperties": {"^x": INTEGER}}, {"xy": 1.0}, '{"xy":1}'),
        ({"type": "array", "prefixItems": [NUMBER, INTEGER], "items": INTEGER}, [1.0, 2.0, 3.0], "[1.0,2,3]"),
        ({"allOf": [{"minimum": 1}, INTEGER]}, 1.0, "1"),
        ({"allOf": [NUMBER, INTEGER]}, 1.0, "1"),
        ({"oneOf": [INTEGER, {"type": "string"}]}, 1.0, "1"),
        ({"allOf": [an_object(a=INTEGER), an_object(b=NUMBER)]}, {"a": 1.0, "b": 1.0}, '{"a":1,"b":1.0}'),
        ({"$ref": "#/components/schemas/Node"}, {"next": {"all": {"count": 1.0}}}, '{"next":{"all":{"count":1}}}'),
        ({"if": an_object(a=NUMBER), "then": an_object(b=INTEGER)}, {"a": 1.0, "b": 1.0}, '{"a":1.0,"b":1}'),
        ({"dependentSchemas": {"a": an_object(b=INTEGER)}}, {"a": 1.5, "b": 1.0}, '{"a":1.5,"b":1}'),
        ({"oneOf": [CASH, CARD]}, {"kind": "card", "amount": 1.0}, '{"kind":"card","amount":1}'),
        ({"oneOf": [CARD, CASH]}, {"kind": "cash", "amount": 1.0}, '{"kind":"cash","amount":1.0}'),
        ({"anyOf": [an_object(a=INTEGER), {"type": "array", "items": INTEGER}]}, [1.0], "[1]"),
    ],
)
def test_what_is_an_integer_at_any_depth_is_sent_as_one(schema: Json, said: Any, expected: str) -> None:
    assert sent(schema, said, Node=NODE) == expected


@pytest.mark.parametrize(
    ("schema", "said", "expected"),
    [
        (NUMBER, 5.0, "5.0"),
        ({}, 5.0, "5.0"),
        ({"oneOf": [INTEGER, NUMBER]}, 5.0, "5.0"),
        ({"type": ["integer", "number"]}, 5.0, "5.0"),
        ({"enum": [1, 2.5]}, 1.0, "1.0"),
        (an_object(a=INTEGER), {"b": 5.0}, '{"b":5.0}'),
        (INTEGER, 1e300, "1e+300"),
        (INTEGER, 5, "5"),
        (an_object(type=INTEGER, enum=INTEGER), {"type": 5, "enum": 6.0, "n": 0.5}, '{"type":5,"enum":6,"n":0.5}'),
    ],
)
def test_any_other_number_is_sent_as_it_was_said(schema: Json, said: Any, expected: str) -> None:
    assert sent(schema, said) == expected


def test_alternatives_that_lead_back_to_themselves_come_to_an_end() -> None:
    tree = {
        "anyOf": [
            INTEGER,
            {"$ref": "#/components/schemas/Tree"},
            {"type": "array", "items": {"$ref": "#/components/schemas/Tree"}},
        ]
    }
    assert sent({"$ref": "#/components/schemas/Tree"}, [[1.0], 2.0], Tree=tree) == "[[1],2]"


def test_integers_are_whole_in_path_query_header_and_form_too() -> None:
    places = {"id": "path", "limit": "query", "X-Page": "header", "ids": "query"}
    parameters: list[Json] = [
        {"name": name, "in": place, "required": place == "path", "schema": INTEGER} for name, place in places.items()
    ]
    parameters[3]["schema"] = {"type": "array", "items": INTEGER}
    form = an_object(count=INTEGER, price=NUMBER)
    post = a_post(form, "application/x-www-form-urlencoded")["post"]
    document = a_document({"/a/{id}": {"post": {**post, "parameters": parameters}}})
    said = {"id": 1e16, "limit": 5.0, "X-Page": 2.0, "ids": [1e17], "count": 1e16, "price": 2.5}
    request = request_for(document, said)
    assert request.url == "http://api/a/10000000000000000?limit=5&ids=100000000000000000"
    assert ("X-Page", "2") in request.headers
    assert request.content == b"count=10000000000000000&price=2.5"


def test_a_call_of_very_many_alternatives_is_sent_all_the_same() -> None:
    branches = [an_object(**{f"m{number}": INTEGER, "n": INTEGER}) for number in range(500)]
    document = a_document({"/a": a_post({"type": "array", "items": {"anyOf": branches}})})
    (operation,) = convert(document, slug="t").operations
    request = build_request(plan_request(operation, "http://api"), {"body": [{"n": 1.0}] * 5_000})
    assert request.content is not None
    assert [each["n"] for each in orjson.loads(request.content)] == [1] * 5_000
