"""The request of one call as a whole: which arguments it takes, and where it goes."""

from dataclasses import replace
from typing import Any

import pytest

from app.errors import Invalid, Violation
from app.operation.operation import Body, BodyField, Operation
from app.tools.request.plan import UpstreamRequest, build_request, plan_request
from tests.tools.builders import a_parameter, an_operation


def url_of(path: str = "/menu", base_url: str = "https://api.example.com", **changes: Any) -> str:
    return build_request(plan_request(replace(an_operation(path=path), **changes), base_url), {}).url


def refusal_of(operation: Operation, arguments: dict[str, Any]) -> Invalid:
    with pytest.raises(Invalid) as refused:
        build_request(plan_request(operation, "https://api.example.com"), arguments)
    assert refused.value.code == "invalid_arguments"
    return refused.value


def test_everything_has_its_place() -> None:
    operation = replace(
        an_operation("place_order", "post", "/shops/{shop}/orders?source=agent"),
        parameters=(
            a_parameter("shop", "path", "simple"),
            a_parameter("dry"),
            a_parameter("tag", explode=True),
            a_parameter("X-Note", "header", "simple"),
            a_parameter("table", "cookie"),
        ),
        body=Body("application/json", required=True, fields=(BodyField("pizza", "pizza"), BodyField("n", "number"))),
    )
    arguments = {
        "path_shop": "main st",
        "query_dry": True,
        "query_tag": ["a", "b"],
        "header_X-Note": "no onions",
        "cookie_table": 4,
        "pizza": "Margherita",
        "n": 2,
    }
    assert build_request(plan_request(operation, "https://api.example.com/v1"), arguments) == UpstreamRequest(
        "POST",
        "https://api.example.com/v1/shops/main%20st/orders?source=agent&dry=true&tag=a&tag=b",
        (
            ("accept", "application/json, */*;q=0.1"),
            ("X-Note", "no onions"),
            ("cookie", "table=4"),
            ("content-type", "application/json"),
        ),
        b'{"pizza":"Margherita","number":2}',
    )


def test_without_arguments_there_is_little_to_send() -> None:
    assert build_request(plan_request(an_operation(), "https://api.example.com"), {}) == UpstreamRequest(
        "GET", "https://api.example.com/menu", (("accept", "application/json, */*;q=0.1"),), None
    )


@pytest.mark.parametrize(
    ("base_url", "path", "url"),
    [
        ("https://api.example.com", "/a", "https://api.example.com/a"),
        ("https://api.example.com/", "/a", "https://api.example.com/a"),
        ("https://api.example.com/v1", "/a", "https://api.example.com/v1/a"),
        ("https://api.example.com/v1/x/", "/a/", "https://api.example.com/v1/x/a/"),
        ("https://api.example.com/v1/X", "/a/", "https://api.example.com/v1/X/a/"),
        ("https://api.example.com/~v1/a:b;c=(d)", "/e", "https://api.example.com/~v1/a:b;c=(d)/e"),
        ("http://127.0.0.1:8041/v1?key=1", "/a", "http://127.0.0.1:8041/v1/a?key=1"),
        ("https://api.example.com/v1?key=1", "/a?x=2?", "https://api.example.com/v1/a?key=1&x=2?"),
        ('https://api.example.com/{v}/ü?q="', "/a", "https://api.example.com/%7Bv%7D/%C3%BC/a?q=%22"),
        ("https://api.example.com", "//evil.example/a", "https://api.example.com//evil.example/a"),
        ("https://api.example.com", "/a#b?c", "https://api.example.com/a"),
        ("https://api.example.com", '/a b/é"<>\\^`|', "https://api.example.com/a%20b/%C3%A9%22%3C%3E%5C%5E%60%7C"),
        ("https://api.example.com", "/:@!$&'()*+,;=~%20-._", "https://api.example.com/:@!$&'()*+,;=~%20-._"),
    ],
)
def test_the_path_of_the_operation_follows_the_path_of_the_base_url(base_url: str, path: str, url: str) -> None:
    assert url_of(path, base_url) == url


def test_literals_around_arguments_stay_as_the_template_has_them() -> None:
    operation = replace(
        an_operation(path="/a b/{x};v=1/{y}-{x}:copy~"),
        parameters=(a_parameter("x", "path", "simple"), a_parameter("y", "path", "simple")),
    )
    sent = build_request(plan_request(operation, "https://api.example.com"), {"path_x": "1", "path_y": "2"})
    assert sent.url == "https://api.example.com/a%20b/1;v=1/2-1:copy~"


@pytest.mark.parametrize(
    ("server", "url"),
    [
        ("https://eu.example.com/v2", "https://eu.example.com/v2/menu"),
        ("/v3", "https://api.example.com/v3/menu"),
        (None, "https://api.example.com/v1/menu"),
    ],
)
def test_a_server_of_the_operations_own_comes_before_the_base_url(server: str | None, url: str) -> None:
    assert url_of(base_url="https://api.example.com/v1", server=server) == url


@pytest.mark.parametrize(
    ("accept", "header"),
    [
        ((), "application/json, */*;q=0.5"),
        (("text/csv",), "text/csv, */*;q=0.1"),
        (("application/json", "text/csv", "image/png"), "application/json, text/csv;q=0.8, image/png;q=0.8, */*;q=0.1"),
    ],
)
def test_what_the_document_describes_is_asked_for_first(accept: tuple[str, ...], header: str) -> None:
    sent = build_request(plan_request(replace(an_operation(), accept=accept), "https://api.example.com"), {})
    assert sent.headers == (("accept", header),)


def test_every_wrong_argument_is_named_at_once() -> None:
    operation = replace(
        an_operation(path="/{id}/{kind}"),
        parameters=(
            a_parameter("id", "path", "simple"),
            a_parameter("kind", "path", "simple"),
            a_parameter("q", required=True),
            a_parameter("limit"),
            a_parameter("X-A", "header", "simple"),
            a_parameter("c", "cookie"),
        ),
        body=Body("application/json", required=True, argument="body"),
    )
    refused = refusal_of(
        operation,
        {
            "a/b": 1,
            "path_kind": "..",
            "query_q": None,
            "query_limit": float("inf"),
            "header_X-A": "é",
            "cookie_c": float("nan"),
        },
    )
    assert refused.violations == (
        Violation("/a~1b", "is unknown"),
        Violation("/path_id", "is required"),
        Violation("/query_q", "is required"),
        Violation("/path_kind", "must not be empty, `.` or `..`: it would change the path"),
        Violation("/query_limit", "must be a finite number"),
        Violation("/header_X-A", "must be printable ASCII without spaces at its ends: it is sent in a header"),
        Violation("/cookie_c", "must be a finite number"),
        Violation("/body", "is required"),
    )
    assert refused.detail == (
        "Nothing was sent. Correct these arguments: /a~1b is unknown; /path_id is required; /query_q is required; "
        "/path_kind must not be empty, `.` or `..`: it would change the path; /query_limit must be a finite number; "
        "and 3 more."
    )


@pytest.mark.parametrize(("number", "end"), [(5, "/e is unknown."), (6, "/e is unknown; and 1 more.")])
def test_five_violations_are_told_in_words(number: int, end: str) -> None:
    refused = refusal_of(an_operation(), dict.fromkeys("abcdef"[:number]))
    assert len(refused.violations) == number
    assert refused.detail.endswith(end)


def test_arguments_of_the_body_are_known_by_their_own_names() -> None:
    body = Body("application/json", required=False, fields=(BodyField("number_in_body", "number"),))
    operation = an_operation("place_order", "post", body=body)
    assert (
        build_request(plan_request(operation, "https://api.example.com"), {"number_in_body": 1}).content
        == b'{"number":1}'
    )
    assert refusal_of(operation, {"number": 1}).violations == (Violation("/number", "is unknown"),)


def test_what_the_path_says_in_its_query_is_said_once_and_is_no_argument() -> None:
    operation = replace(
        an_operation("list", path="/orders?action=list"),
        parameters=(a_parameter("action", required=True), a_parameter("page")),
    )
    plan = plan_request(operation, "https://api.example.com?key=1")
    url = build_request(plan, {"query_action": "list", "query_page": 2}).url
    assert url == "https://api.example.com/orders?key=1&action=list&page=2"
    with pytest.raises(Invalid) as refused:
        build_request(plan, {"query_action": "delete"})
    assert refused.value.violations[0].detail == "must be 'list': the path of this operation says so"


@pytest.mark.parametrize("value", [".evil.example", "x", "@evil.example"])
def test_a_variable_without_a_name_stays_where_it_is_in_the_path(value: str) -> None:
    operation = replace(an_operation("get", path="/shops/{}"), parameters=(a_parameter("", "path", "simple"),))
    url = build_request(plan_request(operation, "https://api.example.com"), {"path_": value}).url
    assert url == f"https://api.example.com/shops/{value.replace('@', '%40')}"
