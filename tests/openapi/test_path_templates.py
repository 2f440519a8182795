"""Paths in the notations of RFC 6570 and of frameworks: what is called, with which arguments, and what is skipped."""

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import Invalid
from app.operation.operation import Operation, operation_from_json, operation_to_json, split_template
from app.tools.request.plan import build_request, plan_request
from tests.openapi.documents import Json, a_document, a_get, converted, only

TEXT = {"type": "string"}
SLASHES = "sent as %2F"


def in_path(name: str, schema: Json | None = None, **fields: Any) -> Json:
    return {"name": name, "in": "path", "required": True, "schema": schema or TEXT} | fields


def in_query(name: str, schema: Json | None = None) -> Json:
    return {"name": name, "in": "query", "schema": schema or TEXT}


def called(operation: Operation, **arguments: Any) -> str:
    """The path and query of a call, from what is stored of the operation."""
    stored = operation_from_json(operation_to_json(operation))
    return build_request(plan_request(stored, "http://api/v1"), arguments).url.removeprefix("http://api/v1")


@pytest.mark.parametrize(
    ("path", "arguments", "url"),
    [
        ("/find{?q,page}", {"q": "a", "page": "1"}, "/find?q=a&page=1"),
        ("/find{?q*}{&page}", {"page": "1"}, "/find?page=1"),
        ("/find?kind=x{&q}", {"q": "a"}, "/find?kind=x&q=a"),
        ("/files/{+x}", {"x": "a b"}, "/files/a%20b"),
        ("users/{id}", {"id": "1"}, "/users/1"),
        ("{id}/x", {"id": "1"}, "/1/x"),
        ("{/x,y}", {"x": "1"}, "/1"),
        ("@evil.example/{id}", {"id": "1"}, "/@evil.example/1"),
        ("/files{/x,y}", {"x": "a", "y": "b"}, "/files/a/b"),
        ("/files{/x,y}", {"x": "a"}, "/files/a"),
        ("/files{/x,y}", {}, "/files"),
        ("/map{;x,y}", {"x": "1", "y": "2"}, "/map;x=1;y=2"),
        ("/doc{.x}", {"x": "pdf"}, "/doc.pdf"),
        ("/doc{#x}", {}, "/doc"),
        ("/{x,y}", {"x": "1", "y": "2"}, "/1,2"),
        ("/users/{id?}", {"id": "7"}, "/users/7"),
        ("/users/{id?}", {}, "/users"),
        ("/{id?}", {}, ""),
        ("/export.{format?}", {}, "/export"),
        ("/users/{id:int}", {"id": 7}, "/users/7"),
        ("/users/{id:int?}", {}, "/users"),
        ("/users/{id=5}", {}, "/users"),
        ("/users/{id:guid}/x", {"id": "7"}, "/users/7/x"),
        (r"/users/{id:regex(^\d{{3}}$)}", {"id": "123"}, "/users/123"),
        ("/users/{id:[0-9]{3}}", {"id": "123"}, "/users/123"),
        (r"/users/{id: \d+}/x", {"id": "1"}, "/users/1/x"),
        ("/files/{*path}", {"path": "a"}, "/files/a"),
        ("/files/{**path}", {"path": "a"}, "/files/a"),
        ("/files/{path*}", {"path": "a"}, "/files/a"),
        ("/files/{path...}", {"path": "a"}, "/files/a"),
        ("/files/{path:path}", {"path": "a"}, "/files/a"),
        ("/{proxy+}", {"proxy": "a"}, "/a"),
        ("/{name=projects/*}:cancel", {"name": "a"}, "/a:cancel"),
        ("/users/{$}", {}, "/users/"),
        ("/users/{{id}}", {"id": "1"}, "/users/1"),
        ("/users/${id}", {"id": "1"}, "/users/1"),
        ("/users/:id", {"id": "1"}, "/users/1"),
        ("/users/:id/posts/:post?", {"id": "1"}, "/users/1/posts"),
        (r"/users/:id(\d+)", {"id": "1"}, "/users/1"),
        ("/flights/:from-:to", {"from": "a", "to": "b"}, "/flights/a-b"),
        ("/posts/:id(.:format)", {"id": "1"}, "/posts/1"),
        ("/posts/:id(.:format)", {"id": "1", "format": "json"}, "/posts/1.json"),
        ("/posts{/:id}", {}, "/posts"),
        ("/posts[/{id}[/{rev}]]", {"id": "1"}, "/posts/1"),
        ("/users/<id>", {"id": "1"}, "/users/1"),
        ("/users/<int:id>/x", {"id": 1}, "/users/1/x"),
        ("/users/<id:int>", {"id": 1}, "/users/1"),
        ("/codes/<string(length=2):code>", {"code": "ab"}, "/codes/ab"),
        ("/^users/(?P<id>[0-9]+)/$", {"id": "1"}, "/users/1/"),
        ("/files/*path", {"path": "a"}, "/files/a"),
        ("/users/%7Bid%7D", {"id": "1"}, "/users/1"),
        ("/users/:id:activate", {"id": "1"}, "/users/1:activate"),
        ("/users/:id<int>", {"id": "1"}, "/users/1"),
        (r"/users/{id<\d+>?1}", {}, "/users"),
        ("/files/<path..>", {"path": "a"}, "/files/a"),
        ("/projects/:id/(-/)packages/*name(.json)", {"id": "1", "name": "a"}, "/projects/1/packages/a"),
        ("/{ id }", {"id": "1"}, "/1"),
        ("/posts/[id]/[...rest]", {"id": "1", "rest": "a"}, "/posts/1/a"),
    ],
)
def test_what_a_template_says_is_called(path: str, arguments: Json, url: str) -> None:
    operation, report = only(a_document({path: a_get()}))
    assert operation.path == path
    assert called(operation, **arguments) == url
    assert report.status == ("degraded" if operation.parameters else "ready")


@pytest.mark.parametrize(
    "path",
    [
        "/v1/{id}:cancel",
        "/v1/billing:monthly-active-users",
        "/users('{id}')",
        "/orders({id})/$count",
        "/drives/{id}/root:/{item}:/content",
        "/a/{user-id}.{user.name}/{c[]}",
    ],
)
def test_what_only_looks_like_another_notation_stays_as_it_is(path: str) -> None:
    operation, _ = only(a_document({path: a_get()}))
    assert operation.template is None
    assert called(operation, **{each.argument: "x" for each in operation.parameters}).count("x") >= len(
        operation.parameters
    )


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("/users/{id", "brace"),
        ("/users/id}", "brace"),
        ("/users/{a/b}", "{a/b}"),
        ("/files/*", "wildcard"),
        ("/files/**/x", "wildcard"),
        ("/files/img*", "wildcard"),
        ("/a/{b}/../c", "dot segments"),
    ],
)
def test_what_means_no_address_is_skipped_with_the_reason(path: str, reason: str) -> None:
    conversion = converted(a_document({path: a_get(), "/ok": a_get()}))
    assert [operation.path for operation in conversion.operations] == ["/ok"]
    (line,) = [item for item in conversion.report if item.status == "skipped"]
    assert (line.method, line.path) == ("GET", path)
    assert reason in str(line.reason)


def test_arguments_are_those_that_are_declared_and_no_others() -> None:
    operation, report = only(
        a_document({"/find{?q,page}": a_get(in_query("q"), in_query("page", {"type": "integer"}))})
    )
    assert operation.input_schema["properties"] == {"q": TEXT, "page": {"type": "integer"}}
    assert (report.status, report.reason) == ("ready", None)


def test_a_parameter_of_the_path_that_the_template_has_in_its_query_goes_there() -> None:
    operation, report = only(a_document({"/find{?q}": a_get(in_path("q"))}))
    assert [(each.name, each.location, each.required) for each in operation.parameters] == [("q", "query", True)]
    assert "in the query" in str(report.reason)


@pytest.mark.parametrize("declared", ["id", "id:int", "ID"])
def test_a_parameter_may_be_declared_under_its_name_or_under_all_that_is_in_the_braces(declared: str) -> None:
    operation, _ = only(a_document({"/users/{id:int}": a_get(in_path(declared, {"type": "integer"}))}))
    (parameter,) = operation.parameters
    assert operation.input_schema["properties"][parameter.argument]["type"] == "integer"
    assert called(operation, **{parameter.argument: 7}) == "/users/7"


@pytest.mark.parametrize("name", ["+x", "/x", "x*", "x?", "*x"])
def test_operators_in_the_name_of_a_parameter_are_no_part_of_it(name: str) -> None:
    operation, _ = only(a_document({f"/a/{{{name}}}": a_get(in_path(name))}))
    (parameter,) = operation.parameters
    assert called(operation, **{parameter.argument: "v"}).endswith("/v")


def test_the_one_parameter_that_is_left_stands_for_a_wildcard() -> None:
    operation, _ = only(a_document({"/b/{bucket}/*": a_get(in_path("bucket"), in_path("key"))}))
    assert called(operation, bucket="b", key="k") == "/b/b/k"


def test_the_type_in_a_template_is_that_of_an_argument_which_nobody_declares() -> None:
    operation, report = only(a_document({r"/a/{id:int}/{code:[A-Z]{2}}": a_get()}))
    properties = operation.input_schema["properties"]
    assert properties["id"]["type"] == "integer"
    assert properties["code"]["pattern"] == "^(?:[A-Z]{2})$"
    assert "taken as integer" in str(report.reason)


def test_what_a_document_requires_is_required_though_a_route_could_go_without() -> None:
    operation, _ = only(a_document({"/users/{id?}": a_get(in_path("id"))}))
    assert operation.input_schema["required"] == ["id"]


def test_an_optional_part_in_the_middle_is_required() -> None:
    operation, _ = only(a_document({"/users/{id?}/posts": a_get()}))
    assert operation.input_schema["required"] == ["id"]


def test_nothing_is_called_with_a_hole_in_its_path() -> None:
    operation, _ = only(a_document({"/posts[/{id}[/{rev}]]": a_get()}))
    with pytest.raises(Invalid, match="'id', before it"):
        called(operation, rev="2")


def test_operators_say_how_a_value_is_written() -> None:
    numbers = {"type": "array", "items": {"type": "integer"}}
    operation, _ = only(a_document({"/a{;x*}{.y*}/{z*}": a_get(*(in_path(name, numbers) for name in "xyz"))}))
    assert called(operation, x=[1, 2], y=[3, 4], z=[5, 6]) == "/a;x=1;x=2.3.4/5,6"


@pytest.mark.parametrize(
    ("path", "parameter"),
    [
        ("/f/{+x}", in_path("x")),
        ("/f/{*x}", in_path("x")),
        ("/f{/x*}", in_path("x", {"type": "array", "items": TEXT})),
        ("/f/{x:path}", in_path("x")),
        ("/f/{x:.*}", in_path("x")),
        ("/f/{x}", in_path("x", {"type": "string", "pattern": "^projects/[^/]+$"})),
        ("/f/{x}", in_path("x", {"type": "string", "pattern": ".+"})),
    ],
)
def test_the_report_says_where_a_value_may_have_slashes(path: str, parameter: Json) -> None:
    operation, report = only(a_document({path: a_get(parameter)}))
    assert report.status == "degraded"
    assert SLASHES in str(report.reason)
    assert "`allow_slashes`" in str(report.reason)
    assert called(operation, x="a/b") == "/f/a%2Fb"


@pytest.mark.parametrize(
    "combined", [{"$ref": "#/components/schemas/P"}, {"allOf": [{"$ref": "#/components/schemas/P"}]}]
)
def test_what_a_value_may_be_is_seen_behind_references(combined: Json) -> None:
    path = {"type": "string", "pattern": "^projects/.*$"}
    _, report = only(a_document({"/f/{x}": a_get(in_path("x", combined))}, schemas={"P": path}))
    assert SLASHES in str(report.reason)
    _, report = only(a_document({"/f/{+x}": a_get(in_path("x", combined))}, schemas={"P": {"type": "integer"}}))
    assert report.status == "ready"
    numbers = {"type": "array", "items": {"type": "integer"}}
    operation, _ = only(a_document({"/f{;x*}": a_get(in_path("x", combined))}, schemas={"P": numbers}))
    assert called(operation, x=[1, 2]) == "/f;x=1;x=2"


@pytest.mark.parametrize("schema", [{"type": "integer"}, {"type": "string", "pattern": "^[^/]+$"}])
def test_where_no_slash_can_be_meant_nothing_is_said(schema: Json) -> None:
    _, report = only(a_document({"/f/{x}": a_get(in_path("x", schema))}))
    assert report.status == "ready"


PIECES = [
    *("/", "{", "}", "a", "id", ":", "*", "+", "?", "#", "<", ">", "[", "]", "(", ")", ",", "=", ".", "..", "|", "^"),
    *("{id}", "{x:int}", "{+p}", "{?q}", ":v", "<int:n>", "(?P<g>", "${", "%7B", "&", ";", "\\d", "$", " ", "~", "-"),
]


@given(st.lists(st.sampled_from(PIECES), max_size=9).map("".join))
def test_any_path_is_called_without_a_trace_of_its_notation_or_skipped(path: str) -> None:
    conversion = converted(a_document({f"/{path}": a_get()}))
    assert len([item for item in conversion.report if item.path]) == 1
    for operation in conversion.operations:
        arguments = {each.argument: 7 if each.name in {"x", "n"} else "v" for each in operation.parameters}
        sent = called(operation, **arguments).partition("?")[0]
        assert not {"%7B", "%7D", "*"} & set(re.findall(r"%7B|%7D|\*", sent))
        assert sent.startswith("/") or sent == ""
        assert not {".", ".."} & set(sent.split("/"))
        assert operation.template is None or split_template(operation.template) == split_template(operation.called)
