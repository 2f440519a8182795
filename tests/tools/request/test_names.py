"""A name on the wire comes from one argument, or from the address of the operation, however a server reads names."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import unquote

import pytest

from app.errors import Invalid, Violation
from app.operation.operation import Body, BodyField, Location, Operation, Parameter
from app.tools.request.plan import UpstreamRequest, build_request, plan_request
from tests.effort import at_most
from tests.tools.builders import a_parameter, an_operation

FORM = "application/x-www-form-urlencoded"
# Written by a member of an object of the caller, and read as `tenant_id` or as a part of it by one server or another.
AS_TENANT_ID = [
    "tenant_id",
    "TENANT_ID",
    " tenant_id",
    "tenant_id ",
    "tenant id",
    "tenant.id",
    "tenant[id",
    "tenant_id[]",
    "tenant_id[x]",
    "tenant_id.x",
    "tenant_id\0x",
    "[tenant_id]",
    "tenant%5Fid",
    "tenant%255fid",
    "%u0074enant_id",
    "\uff54enant_id",
    "tenant_id%00x",
    "TENANT_\u0131D",
    "tenant_\u0130d",
]
NOT_TENANT_ID = ["tenant", "id", "tenant-id", "tenant_ids", "tenant[id]", "x[tenant_id]", "x.tenant_id", "", "[]", "."]


def operation_with(
    parameters: Iterable[Parameter] = (),
    path: str = "/things",
    *,
    body: Body | None = None,
    pinned: Mapping[str, Any] | None = None,
    hidden: Iterable[str] = (),
) -> Operation:
    """All arguments may be given but for those that are pinned or hidden."""
    parameters = tuple(parameters)
    pinned = pinned or {}
    names = {parameter.argument for parameter in parameters} | (body.arguments if body is not None else set())
    properties: dict[str, Any] = {name: {} for name in names - pinned.keys() - set(hidden)}
    schema = {"type": "object", "properties": properties, "additionalProperties": False}
    operation = replace(an_operation("call", "post", path=path, body=body), parameters=parameters)
    return replace(operation, input_schema=schema, preset=dict(pinned))


def sent(operation: Operation, arguments: Mapping[str, Any], base_url: str = "http://api") -> UpstreamRequest:
    return build_request(plan_request(operation, base_url), {**operation.preset, **arguments})


def refusals(operation: Operation, arguments: Mapping[str, Any], base_url: str = "http://api") -> list[Violation]:
    with pytest.raises(Invalid) as refused:
        sent(operation, arguments, base_url)
    assert refused.value.code == "invalid_arguments"
    return list(refused.value.violations)


def query_of(request: UpstreamRequest) -> str:
    return unquote(request.url.partition("?")[2])


FILTER, EXTRA = a_parameter("filter", explode=True), a_parameter("extra", explode=True)
DEEP = a_parameter("filter", style="deepObject", explode=True)
TENANT_ID = a_parameter("tenant_id")


@pytest.mark.parametrize("name", AS_TENANT_ID)
@pytest.mark.parametrize("location", ["query", "cookie"])
def test_a_member_that_servers_read_as_a_pinned_argument_is_refused(location: Location, name: str) -> None:
    pinned, members = a_parameter("tenant_id", location), a_parameter("extra", location, explode=True)
    operation = operation_with([pinned, members], pinned={pinned.argument: "acme"})
    (violation,) = refusals(operation, {members.argument: {"x": 1, name: "evil"}})
    assert violation.pointer == f"/{location}_extra"
    shown = name.partition("\0")[0] if "\0" not in name else name
    assert violation.detail == f"must not have {shown!r} in it: that name is not the caller's to send"


def test_what_a_parameter_writes_itself_in_the_path_is_no_name_of_the_address() -> None:
    matrix = a_parameter("id", "path", "matrix", explode=True)
    assert sent(operation_with([matrix], "/p/{;id}"), {"path_id": "5"}).url == "http://api/p/;id=5"
    assert refusals(operation_with([matrix], "/p;id=1/{;id}"), {"path_id": "5"})


def test_a_name_that_would_take_long_to_compare_is_refused() -> None:
    fields = BodyField("tenant", "tenant_id"), BodyField("extra", "extra", style="form", explode=True)
    operation = operation_with(body=Body(FORM, True, fields=fields), pinned={"tenant": "acme"})
    assert sent(operation, {"extra": {"n" * 8_192: 1}}).content == b"tenant_id=acme&" + b"n" * 8_192 + b"=1"
    with at_most(0.1):
        (violation,) = refusals(operation, {"extra": {"%25" * 700_000: 1}})
    assert violation == Violation(
        "/extra", f"must not have {('%25' * 20)!r}… in it: that name has more than 8,192 bytes"
    )


@pytest.mark.parametrize("name", NOT_TENANT_ID)
def test_other_names_pass_beside_a_pinned_argument(name: str) -> None:
    operation = operation_with([TENANT_ID, EXTRA], pinned={"query_tenant_id": "acme"})
    assert query_of(sent(operation, {"query_extra": {name: "x"}})) == f"tenant_id=acme&{name}=x"


@pytest.mark.parametrize("name", AS_TENANT_ID)
def test_a_member_of_a_form_that_servers_read_as_a_pinned_field_is_refused(name: str) -> None:
    fields = BodyField("tenant", "tenant_id"), BodyField("extra", "extra", style="form", explode=True)
    operation = operation_with(body=Body(FORM, True, fields=fields), pinned={"tenant": "acme"})
    assert sent(operation, {"extra": {"a": 1}}).content == b"tenant_id=acme&a=1"
    assert [each.pointer for each in refusals(operation, {"extra": {name: "evil"}})] == ["/extra"]


@pytest.mark.parametrize("name", ["tenant_id", "tenant.id"])
def test_an_argument_that_is_hidden_and_has_no_value_cannot_be_sent_by_another(name: str) -> None:
    fields = BodyField("tenant", "tenant_id"), BodyField("extra", "extra", style="form", explode=True)
    in_body = operation_with(body=Body(FORM, False, fields=fields), hidden=["tenant"])
    assert [each.pointer for each in refusals(in_body, {"extra": {name: "evil"}})] == ["/extra"]
    in_query = operation_with([TENANT_ID, EXTRA], hidden=["query_tenant_id"])
    assert [each.pointer for each in refusals(in_query, {"query_extra": {name: "evil"}})] == ["/query_extra"]


def test_a_member_that_only_answers_have_cannot_be_sent_by_another() -> None:
    exploded = BodyField("extra", "extra", style="form", explode=True)
    operation = operation_with(body=Body(FORM, True, fields=(exploded,), read_only=("owner",)))
    detail = "must not have 'owner' in it: that name is not the caller's to send"
    assert refusals(operation, {"extra": {"owner": "me"}}) == [Violation("/extra", detail)]
    assert sent(operation, {"extra": {"own": "me"}}).content == b"own=me"


def test_a_deep_object_cannot_reach_a_pinned_member_of_its_name() -> None:
    pinned = a_parameter("filter[tenant]")
    operation = operation_with([DEEP, pinned], pinned={pinned.argument: "acme"})
    allowed = {"tenants": 1, "x": {"tenant": 2}, "a.tenant": 3}
    assert query_of(sent(operation, {"query_filter": allowed})) == (
        "filter[tenants]=1&filter[x][tenant]=2&filter[a.tenant]=3&filter[tenant]=acme"
    )
    for evil in ({"tenant": 1}, {"TENANT": 1}, {"tenant": [1]}, {"tenant": {"x": 1}}, {"tenant.x": 1}, {" tenant": 1}):
        (violation,) = refusals(operation, {"query_filter": evil})
        assert violation.pointer == "/query_filter"
        assert violation.detail.endswith("in it: that name is not the caller's to send")
    # As a text it would be the whole of which the pinned one is a part.
    (violation,) = refusals(operation, {"query_filter": "x"})
    assert violation == Violation(
        "/query_filter", "must be left out: it is sent as 'filter', and that name is not the caller's to send"
    )


def test_what_is_a_part_of_a_pinned_argument_is_not_given_at_all() -> None:
    pinned = a_parameter("filter")
    for part in (a_parameter("filter[tenant]"), a_parameter("filter.tenant"), a_parameter("FILTER", explode=True)):
        operation = operation_with([pinned, part], pinned={"query_filter": "acme"})
        (violation,) = refusals(operation, {part.argument: "evil"})
        assert violation.pointer == f"/{part.argument}"
        assert violation.detail.startswith(f"must be left out: it is sent as {part.name!r}")
        assert query_of(sent(operation, {})) == "filter=acme"
    deep = a_parameter("filter[tenant]", style="deepObject", explode=True)
    operation = operation_with([pinned, deep], pinned={"query_filter": "acme"})
    assert refusals(operation, {deep.argument: {"x": 1}})[0].pointer == "/query_filter[tenant]"


def test_names_in_headers_and_json_are_compared_too() -> None:
    pinned, given = a_parameter("X-Tenant", "header", "simple"), a_parameter("x_tenant", "header", "simple")
    operation = operation_with([pinned, given], pinned={pinned.argument: "acme"})
    assert refusals(operation, {given.argument: "evil"})[0].pointer == "/header_x_tenant"
    other = a_parameter("X-Tenants", "header", "simple")
    operation = operation_with([pinned, other], pinned={pinned.argument: "acme"})
    assert sent(operation, {other.argument: "x"}).headers[1:] == (("X-Tenant", "acme"), ("X-Tenants", "x"))
    for media_type in ("application/json", "multipart/form-data"):
        fields = BodyField("tenant", "tenant"), BodyField("Tenant", "Tenant")
        operation = operation_with(body=Body(media_type, True, fields=fields), pinned={"tenant": "acme"})
        assert refusals(operation, {"Tenant": "evil"})[0].pointer == "/Tenant"


def test_a_member_with_the_name_of_its_own_argument_is_compared_as_any_other() -> None:
    members = a_parameter("a[]", explode=True)
    operation = operation_with([members], "/things?a[b]=1")
    detail = "must not have 'a[]' in it: the address of this operation has that name already"
    assert refusals(operation, {members.argument: {"a[]": 1}}) == [Violation("/query_a[]", detail)]
    fields = BodyField("m", "a[]", style="form", explode=True), BodyField("p", "a[b]")
    in_form = operation_with(body=Body(FORM, True, fields=fields), pinned={"p": "acme"})
    detail = "must not have 'a[]' in it: that name is not the caller's to send"
    assert refusals(in_form, {"m": {"a[]": 1}}) == [Violation("/m", detail)]
    assert sent(in_form, {"m": {"b": 1}}).content == b"b=1&a%5Bb%5D=acme"


def test_a_list_in_a_deep_object_does_not_write_the_name_of_another_argument() -> None:
    operation = operation_with([a_parameter("a", style="deepObject", explode=True), a_parameter("a[]")])
    detail = "must not have 'a[]' in it: that is the name of another argument, 'query_a[]'"
    for value in ([1], {"": 1}):
        assert refusals(operation, {"query_a": value}) == [Violation("/query_a", detail)]


def test_another_spelling_of_what_the_address_says_is_left_out() -> None:
    operation = operation_with([a_parameter("ACTION")], "/orders?action=list")
    detail = "must be left out: it is sent as 'ACTION', and the address of this operation has that name already"
    assert refusals(operation, {"query_ACTION": "list"}) == [Violation("/query_ACTION", detail)]


def test_deep_objects_that_begin_alike_go_together() -> None:
    deep = [a_parameter(name, style="deepObject", explode=True) for name in ("f[a]", "f[b]")]
    operation = operation_with([*deep, a_parameter("f[a][x]"), a_parameter("f[b][x]")])
    request = sent(operation, {"query_f[a]": {"y": 1}, "query_f[b]": {"y": 2}})
    assert query_of(request) == "f[a][y]=1&f[b][y]=2"


def test_a_pinned_object_has_the_names_of_its_members() -> None:
    operation = operation_with([FILTER, EXTRA, a_parameter("page")], pinned={"query_filter": {"tenant": "a", "x": 1}})
    assert query_of(sent(operation, {"query_extra": {"y": 2}, "query_page": 3})) == "tenant=a&x=1&y=2&page=3"
    detail = "must not have 'tenant' in it: that name is not the caller's to send"
    assert refusals(operation, {"query_extra": {"tenant": "evil"}}) == [Violation("/query_extra", detail)]
    operation = operation_with([FILTER, a_parameter("tenant")], pinned={"query_filter": {"tenant": "a"}})
    assert [each.pointer for each in refusals(operation, {"query_tenant": "evil"})] == ["/query_tenant"]


def test_a_pinned_object_that_cannot_be_sent_stops_nobody_from_planning() -> None:
    for value in ({"\ud800": 1}, {"a": "x" * 2_000_000}):
        operation = operation_with([FILTER, EXTRA], pinned={"query_filter": value})
        plan_request(operation, "http://api")


def test_two_objects_do_not_bring_the_same_name() -> None:
    operation = operation_with([FILTER, EXTRA])
    assert query_of(sent(operation, {"query_filter": {"a": 1}, "query_extra": {"b": 2}})) == "a=1&b=2"
    detail = "must not have 'a' in it: that is the name of another argument, 'query_filter'"
    for name in ("a", "A", "a[x]", "a.x"):
        given = {"query_filter": {"a": 1}, "query_extra": {name: 2}}
        assert refusals(operation, given) == [Violation("/query_extra", detail.replace("'a'", repr(name)))]


def test_an_object_does_not_bring_the_name_of_an_argument_that_may_be_given() -> None:
    operation = operation_with([FILTER, a_parameter("page")])
    detail = "must not have 'page' in it: that is the name of another argument, 'query_page'"
    assert refusals(operation, {"query_filter": {"x": 1, "page": 2}}) == [Violation("/query_filter", detail)]
    cookies = operation_with([a_parameter("session", "cookie"), a_parameter("flags", "cookie", explode=True)])
    detail = "must not have 'session' in it: that is the name of another argument, 'cookie_session'"
    assert refusals(cookies, {"cookie_flags": {"session": "mine"}}) == [Violation("/cookie_flags", detail)]
    fields = BodyField("p", "page"), BodyField("f", "filter", style="form", explode=True)
    form = operation_with(body=Body(FORM, True, fields=fields))
    detail = "must not have 'page' in it: that is the name of another argument, 'p'"
    assert refusals(form, {"f": {"page": 2}}) == [Violation("/f", detail)]
    assert sent(form, {"f": {"p": 1, "filter": 2}}).content == b"p=1&filter=2"


def test_long_names_are_cut_in_what_is_said() -> None:
    operation = operation_with([FILTER, a_parameter("a" * 100)])
    (violation,) = refusals(operation, {"query_filter": {"A" * 100: 1}})
    assert violation.detail == (
        f"must not have {'A' * 60!r} in it: that is the name of another argument, {'query_' + 'a' * 54!r}"
    )


@pytest.mark.parametrize(
    ("base_url", "path", "name"),
    [
        ("http://api", "/things?v=1&api%20key=2", "api key"),
        ("http://api", "/things?v=1&api+key=2", "api_key"),
        ("http://api", "/things?v=1?&w=2#x", "v"),
        ("http://api", "/things?v=1;w=2", "w"),
        ("http://api", "/things?v=1=2", "V"),
        ("http://api", "/things?v", "v"),
        ("http://api", "/things?v[x]=1", "v"),
        ("http://api?key=1", "/things", "key"),
    ],
)
def test_no_argument_brings_a_name_that_the_address_has(base_url: str, path: str, name: str) -> None:
    operation = operation_with([FILTER], path)
    detail = f"must not have {name!r} in it: the address of this operation has that name already"
    assert refusals(operation, {"query_filter": {name: 1}}, base_url) == [Violation("/query_filter", detail)]
    assert sent(operation, {"query_filter": {"other": 1}}, base_url).url.endswith("&other=1")


def test_a_whole_query_has_no_name_that_the_address_has() -> None:
    for content_type, value in ((FORM, {"v": 2}), ("text/plain", "v"), ("application/json", "v")):
        whole = a_parameter("q", "querystring", content_type=content_type)
        name = '"v"' if content_type == "application/json" else "v"
        operation = operation_with([whole], f"/things?{name}=1")
        (violation,) = refusals(operation, {whole.argument: value})
        assert violation.detail == f"must not have {name!r} in it: the address of this operation has that name already"
    in_form = operation_with([a_parameter("q", "querystring", content_type=FORM)], "/things?v=1")
    given = {"w": [1, None, 2], "x": None, "y": ""}
    assert sent(in_form, {"querystring_q": given}).url == "http://api/things?v=1&w=1&w=2&y="
    (violation,) = refusals(in_form, {"querystring_q": "w=1"})
    assert violation.detail == "must be an object: it is sent as a form"
    in_text = operation_with([a_parameter("q", "querystring", content_type="text/plain")], "/things?v=1")
    assert sent(in_text, {"querystring_q": "$.v"}).url == "http://api/things?v=1&%24.v"


def test_what_the_address_says_may_be_said_again_but_not_otherwise() -> None:
    operation = operation_with([a_parameter("action"), a_parameter("flag")], "/orders?action=list&flag=&q={x}")
    assert sent(operation, {"query_action": "list", "query_flag": ""}).url == "http://api/orders?action=list&flag=&q="
    (violation,) = refusals(operation, {"query_flag": "x"})
    assert violation.detail == "must be '': the path of this operation says so"


def test_a_name_with_the_value_of_another_argument_is_no_argument_of_its_own() -> None:
    parameters = [a_parameter("x", "path", "simple"), a_parameter("q"), a_parameter("p")]
    operation = operation_with(parameters, "/find?q={x}")
    assert sent(operation, {"path_x": "a b", "query_p": 1}).url == "http://api/find?q=a%20b&p=1"
    detail = "must be left out: it is sent as 'q', and the address of this operation has that name already"
    assert refusals(operation, {"path_x": "a", "query_q": "b"}) == [Violation("/query_q", detail)]


def test_names_in_a_path_are_compared_as_well() -> None:
    members = a_parameter("color", "path", "matrix", explode=True)
    tenant = a_parameter("tenant", "path", "matrix")
    operation = operation_with([members, tenant], "/v;version=1/{color}{tenant}", pinned={"path_tenant": "acme"})
    given = {"path_color": {"R": 1, "G": ""}}
    assert sent(operation, given).url == "http://api/v;version=1/;R=1;G=;tenant=acme"
    for name, reason in (
        ("tenant", "that name is not the caller's to send"),
        ("Version", "the address of this operation has that name already"),
    ):
        detail = f"must not have {name!r} in it: {reason}"
        assert refusals(operation, {"path_color": {name: 1}}) == [Violation("/path_color", detail)]
    simple = a_parameter("color", "path", "simple", explode=True)
    operation = operation_with([simple, tenant], "/{color}{tenant}")
    url = sent(operation, {"path_color": {"tenant": 1}, "path_tenant": "x"}).url
    assert url == "http://api/tenant=1;tenant=x"  # an item of the value: it has no names in this style


def test_what_documents_declare_side_by_side_is_their_own_affair() -> None:
    names = ["page", "page[size]", "page[number]", "filter.a", "filter[b]", "id", "ID"]
    parameters = [*map(a_parameter, names), a_parameter("filter[c]", style="deepObject", explode=True)]
    operation = operation_with(parameters)
    given: dict[str, Any] = {f"query_{name}": number for number, name in enumerate(names)}
    assert query_of(sent(operation, {**given, "query_filter[c]": {"gte": 9}})) == (
        "page=0&page[size]=1&page[number]=2&filter.a=3&filter[b]=4&id=5&ID=6&filter[c][gte]=9"
    )
    parameters = [a_parameter("filter", style="deepObject", explode=True), *map(a_parameter, ["filter[c]", "c"])]
    operation = operation_with(parameters)
    assert query_of(sent(operation, {"query_filter": {"d": 1}, "query_c": 2})) == "filter[d]=1&c=2"
    (violation,) = refusals(operation, {"query_filter": {"c": 1}})
    assert violation.detail == (
        "must not have 'filter[c]' in it: that is the name of another argument, 'query_filter[c]'"
    )


def test_an_argument_may_repeat_its_own_name_and_those_of_other_places() -> None:
    given = {
        a_parameter("page", "header", "simple"): "h",
        FILTER: {"filter": 1, "page": 2, "key": 3, "a": 4, "A": 5, "a[b]": 6},
        a_parameter("list", explode=True): [1, 2],
        a_parameter("flags", "cookie", explode=True): {"key": 4},
    }
    operation = operation_with(given, "/#?key=1")
    request = sent(operation, {parameter.argument: value for parameter, value in given.items()})
    assert query_of(request) == "filter=1&page=2&key=3&a=4&A=5&a[b]=6&list=1&list=2"
    assert request.headers[1:] == (("page", "h"), ("cookie", "key=4"))
    alone = operation_with([FILTER])
    assert sent(alone, {"query_filter": {"": 1}}).url == "http://api/?=1".replace("api/", "api/things")


def test_an_object_that_keeps_its_own_name_does_no_harm() -> None:
    for members in (DEEP, a_parameter("filter")):
        operation = operation_with([a_parameter("page"), members], "/things?v=1")
        request = sent(operation, {"query_page": 1, "query_filter": {"page": 2, "v": 3}})
        assert request.url.startswith("http://api/things?v=1&page=1&filter")
    deep_list = operation_with([DEEP, a_parameter("filters")])
    assert query_of(sent(deep_list, {"query_filter": [1, [2]], "query_filters": 3})) == (
        "filter[0]=1&filter[1][]=2&filters=3"
    )
