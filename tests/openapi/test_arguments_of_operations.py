"""What a caller may say to an operation: parameters, bodies and the names of arguments."""

import re
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.openapi.document.reading import Limits
from app.openapi.operations.argument_names import argument_names
from app.operation.operation import Body, BodyField, Operation, Parameter, operation_from_json, operation_to_json
from app.tools.request.plan import build_request, plan_request
from tests.openapi.documents import a_document, a_get, a_post, converted, only

TEXT = {"type": "string"}
FORM = "application/x-www-form-urlencoded"


def parameter(name: str, location: str = "query", **fields: Any) -> dict[str, Any]:
    return {"name": name, "in": location, "schema": TEXT} | fields


def properties(operation: Operation) -> dict[str, Any]:
    result: dict[str, Any] = operation.input_schema["properties"]
    return result


def body_of(document: dict[str, Any]) -> Body:
    operation, _ = only(document)
    assert operation.body is not None
    return operation.body


def test_parameters_of_the_path_belong_to_each_operation_which_may_override_them() -> None:
    item = {
        "parameters": [parameter("id", "path"), parameter("q", description="path's"), parameter("X-A", "header")],
        "get": {"parameters": [parameter("q", description="own"), parameter("x-a", "header", required=True)]},
    }
    operation, report = only(a_document({"/a/{id}": item}))
    assert {name: each.get("description") for name, each in properties(operation).items()} == {
        "id": None,
        "q": "own",
        "x-a": None,
    }
    assert operation.input_schema["required"] == ["id", "x-a"]
    assert operation.input_schema["additionalProperties"] is False
    assert report.status == "ready"


@pytest.mark.parametrize(
    ("stated", "expected"),
    [
        ({}, ("form", True)),
        ({"explode": False}, ("form", False)),
        ({"style": "spaceDelimited"}, ("spaceDelimited", False)),
        ({"style": "pipeDelimited", "explode": True}, ("pipeDelimited", True)),
        ({"style": "deepObject", "explode": True}, ("deepObject", True)),
        ({"in": "path"}, ("simple", False)),
        ({"in": "path", "style": "label", "explode": True}, ("label", True)),
        ({"in": "path", "style": "matrix"}, ("matrix", False)),
        ({"in": "header"}, ("simple", False)),
        ({"in": "cookie"}, ("form", True)),
    ],
)
def test_styles_and_their_defaults_are_those_of_the_specification(stated: Any, expected: tuple[str, bool]) -> None:
    operation, report = only(
        a_document({"/a/{p}" if stated.get("in") == "path" else "/a": a_get(parameter("p") | stated)})
    )
    assert (operation.parameters[0].style, operation.parameters[0].explode) == expected
    assert report.status == "ready"


def test_a_style_of_another_place_is_replaced_and_reported() -> None:
    operation, report = only(a_document({"/a": a_get(parameter("p", style="matrix"))}))
    assert operation.parameters[0].style == "form"
    assert "style 'matrix'" in (report.reason or "")


def test_headers_that_are_not_the_callers_are_no_arguments() -> None:
    ignored = [parameter(name, "header", required=True) for name in ("Accept", "content-type", "Authorization")]
    operation, report = only(a_document({"/a": a_get(*ignored)}))
    assert properties(operation) == {}
    assert report.status == "ready"


@pytest.mark.parametrize(
    "name",
    [
        *("Host", "Content-Length", "Transfer-Encoding", "Connection", "TE", "Upgrade", "Expect", "Accept-Encoding"),
        *("Content-Encoding", "Content_Type", "Keep-Alive", "Trailer", "Proxy", "Proxy-Authorization", "Early-Data"),
        *("Cookie", "Origin", "Referer", "Sec-Fetch-Site", "Access-Control-Request-Method"),
        *("Via", "Forwarded", "X-Forwarded-For", "X_Forwarded_Host", "X-Real-IP", "CF-Connecting-IP", "True-Client-IP"),
        *("X-Client-IP", "X-Cluster-Client-IP", "Fastly-Client-IP", "X-Envoy-External-Address", "WL-Proxy-Client-IP"),
        *("X-HTTP-Method", "X-HTTP-Method-Override", "X-Method-Override", "X-Original-URL", "X-Rewrite-URL", "X-Host"),
        *("X-Auth-Request-User", "X-Remote-User", "X-Amzn-Oidc-Data", "Client-Cert", "X-Middleware-Subrequest"),
        *("traceparent", "tracestate", "baggage", "b3", "X-B3-TraceId", "X-Amzn-Trace-Id"),
    ],
)
def test_headers_that_only_we_or_a_proxy_may_set_are_no_arguments(name: str) -> None:
    operation, report = only(a_document({"/a": a_get(parameter(name, "header"))}))
    assert (properties(operation), operation.parameters, report.status) == ({}, (), "degraded")
    said = "a parameter was left out: the header {} is never taken from a caller (at /paths/~1a/get/parameters/0)"
    assert report.reason == said.format(name)
    operation, report = only(a_document({"/a": a_get(parameter(name, "header", required=True))}))
    assert (properties(operation), operation.parameters) == ({}, ())
    assert "from a caller, and the document requires it: calls may be refused" in (report.reason or "")


@pytest.mark.parametrize(
    "name",
    ["If-Match", "If-None-Match", "Range", "Prefer", "Idempotency-Key", "User-Agent", "X-Request-Id", "X-Tenant"],
)
def test_conditions_ranges_and_an_api_s_own_headers_are_arguments(name: str) -> None:
    operation, report = only(a_document({"/a": a_get(parameter(name, "header"))}))
    assert list(properties(operation)) == [name]
    assert report.status == "ready"


def test_two_parameters_never_stand_for_one_name_of_the_path() -> None:
    found = [parameter(name, "path", description=name) for name in ("ID", "id", "Id")]
    operation, report = only(a_document({"/a/{id}": a_get(*found)}))
    assert [(each.argument, each.name) for each in operation.parameters] == [("id", "id")]
    assert properties(operation)["id"]["description"] == "id"
    assert (report.reason or "").count("the path has no {") == 2
    operation, report = only(a_document({"/a/{id}": a_get(found[0], found[2])}))
    assert properties(operation)["id"]["description"] == "ID"
    assert "taken for {id}, whose case differs" in (report.reason or "")
    assert "the path has no {Id}" in (report.reason or "")


def test_a_parameter_of_the_query_stands_for_the_variable_in_the_path_s_own_query() -> None:
    operation, report = only(a_document({"/find?q={q}&p={p}": a_get(parameter("q"), parameter("limit"))}))
    assert [(each.argument, each.location, each.required) for each in operation.parameters] == [
        ("q", "path", True),
        ("p", "path", True),
        ("limit", "query", False),
    ]
    assert properties(operation)["q"]["minLength"] == 1
    assert "taken for {q} in the path's own query" in (report.reason or "")
    url = build_request(plan_request(operation, "http://api"), {"q": "a b", "p": "x", "limit": "1"}).url
    assert url == "http://api/find?q=a%20b&p=x&limit=1"


@pytest.mark.parametrize("name", ["x", "q"])
def test_a_parameter_whose_name_has_another_s_value_in_the_path_s_own_query_is_left_out(name: str) -> None:
    stated = [parameter("q"), parameter(name, "path")]
    operation, report = only(a_document({f"/find?q={{{name}}}": a_get(*stated)}))
    assert [(each.name, each.location) for each in operation.parameters] == [(name, "path")]
    assert "a parameter was left out: the path has that name in its own query" in (report.reason or "")


def test_the_members_of_a_form_that_only_answers_have_are_remembered() -> None:
    members = {"owner": {"type": "string", "readOnly": True}, "note": {"type": "string"}}
    for media_type, kept in ((FORM, ("owner",)), ("application/json", ())):
        content = {media_type: {"schema": {"type": "object", "properties": members}}}
        operation, _ = only(a_document({"/a": {"post": {"requestBody": {"content": content}}}}))
        assert operation.body is not None
        assert (operation.body.read_only, list(properties(operation))) == (kept, ["note"])
        assert operation_from_json(operation_to_json(operation)) == operation


def test_a_parameter_with_content_carries_its_media_type() -> None:
    given = {"name": "filter", "in": "query", "content": {"application/json": {"schema": {"type": "object"}}}}
    operation, _ = only(a_document({"/a": a_get(given)}))
    assert operation.parameters[0].content_type == "application/json"
    assert properties(operation)["filter"] == {"type": "object"}


def test_path_parameters_may_not_be_empty_and_are_always_required() -> None:
    item = a_get(
        parameter("id", "path", required=False), parameter("q"), parameter("n", "path", schema={"type": "integer"})
    )
    operation, _ = only(a_document({"/a/{id}/{n}": item}))
    assert properties(operation) == {"id": {"type": "string", "minLength": 1}, "n": {"type": "integer"}, "q": TEXT}
    assert operation.input_schema["required"] == ["id", "n"]


def test_a_name_in_the_path_that_nobody_declared_is_a_text() -> None:
    operation, report = only(a_document({"/a/{id}/{;other*}": a_get()}))
    assert [each.name for each in operation.parameters] == ["id", "other"]
    assert properties(operation)["other"]["type"] == "string"
    assert "no parameter declares" in (report.reason or "")


def test_a_place_or_a_name_in_another_case_is_what_is_meant() -> None:
    item = a_get(parameter("petid", "Path", schema={"type": "integer"}), parameter("q", "Query"))
    operation, report = only(a_document({"/pets/{petId}": item}))
    assert [(each.location, each.name) for each in operation.parameters] == [("path", "petId"), ("query", "q")]
    assert properties(operation) == {"petId": {"type": "integer"}, "q": TEXT}
    assert "taken for {petId}" in (report.reason or "")
    assert "`in: Query` is taken for `query`" in (report.reason or "")


def test_parameters_that_cannot_be_sent_are_left_out_and_reported() -> None:
    item = a_get(
        parameter("gone", "path"),
        parameter("a b", "header"),
        parameter("a;b", "cookie"),
        parameter("x", "nowhere"),
        {"in": "query"},
        {"$ref": "other.yaml#/P"},
        parameter("kept"),
    )
    operation, report = only(a_document({"/a": item}))
    assert list(properties(operation)) == ["kept"]
    assert (report.reason or "").count("was left out") == 6


def test_same_names_in_several_places_stay_apart() -> None:
    item = a_post({"type": "object", "properties": {"id": TEXT, "name": TEXT}, "required": ["id"]})
    item["post"]["parameters"] = [parameter("id"), parameter("id", "header"), parameter("id", "path")]
    operation, _ = only(a_document({"/a/{id}": item}))
    assert [(each.argument, each.location) for each in operation.parameters] == [
        ("id", "path"),
        ("id__query", "query"),
        ("id__header", "header"),
    ]
    assert operation.body is not None
    assert [each.argument for each in operation.body.fields] == ["id__body", "name"]
    assert operation.input_schema["required"] == ["id", "id__body"]


def named(*inputs: tuple[str, str], kept: Mapping[tuple[str, str], str] | None = None) -> dict[tuple[str, str], str]:
    """The name of the argument for each location and name."""
    found = argument_names(inputs, kept or {})
    assert len({*found}) == len(inputs)
    assert all(re.fullmatch(r"[A-Za-z0-9_.-]{1,64}", name) for name in found)
    return dict(zip(inputs, found, strict=True))


@pytest.mark.parametrize(
    ("name", "argument"),
    [
        ("filter_name", "filter_name"),
        ("a.b-c", "a.b-c"),
        ("_id", "_id"),
        ("filter[name]", "filter_name"),
        ("filter[name][]", "filter_name_list"),
        ("id[]", "id_list"),
        ("DateSent<", "DateSent_lt"),
        ("DateSent>=", "DateSent_gte"),
        ("status!", "status_not"),
        ("status!=", "status_ne"),
        ("$top", "top"),
        ("$", "dollar"),
        ("Имя", "Imya"),
        ("größe", "grosse"),
        ("日本", "RiBen"),
        ("ъ", "argument"),
        ("x" * 100, "x" * 64),
    ],
)
def test_a_name_says_what_it_stands_for(name: str, argument: str) -> None:
    assert named(("query", name)) == {("query", name): argument}


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["$filter", "filter"], ["dollar_filter", "filter"]),
        (["a b", "a/b", "a_b"], ["a_space_b", "a_slash_b", "a_b"]),
        (["a b", "a/b"], ["a_space_b", "a_slash_b"]),
        (["DateSent", "DateSent<", "DateSent>"], ["DateSent", "DateSent_lt", "DateSent_gt"]),
        (["id", "id[]", "ids"], ["id", "id_list", "ids"]),
        (["ид", "id"], ["id__query", "id"]),
    ],
)
def test_names_that_would_be_the_same_are_told_apart_by_what_differs(names: list[str], expected: list[str]) -> None:
    found = named(*(("query", name) for name in names))
    assert list(found.values()) == expected
    again = named(*(("query", name) for name in reversed(names)))
    assert again == found


@given(
    st.lists(
        st.tuples(st.sampled_from(["path", "query", "body"]), st.text("ab[]<_ é日", max_size=5)),
        unique=True,
        max_size=9,
    )
)
def test_names_of_arguments_are_unique_and_what_model_apis_take(inputs: list[tuple[str, str]]) -> None:
    first = named(*inputs[:5])
    after = named(*inputs, kept=first)
    assert {slot: after[slot] for slot in first} == first


def test_arguments_whose_names_were_changed_say_how_they_are_sent() -> None:
    dates = [parameter(name, description="By date.") for name in ("DateSent", "DateSent<", "DateSent>")]
    operation, _ = only(a_document({"/a": a_get(*dates, parameter("страница"))}))
    assert {name: each["description"] for name, each in properties(operation).items()} == {
        "DateSent": "By date.",
        "DateSent_lt": "Sent as `DateSent<`. By date.",
        "DateSent_gt": "Sent as `DateSent>`. By date.",
        "stranitsa": "Sent as `страница`.",
    }
    url = build_request(plan_request(operation, "http://api"), {"DateSent_lt": "1", "stranitsa": "2"}).url
    assert url == "http://api/a?DateSent%3C=1&%D1%81%D1%82%D1%80%D0%B0%D0%BD%D0%B8%D1%86%D0%B0=2"


def test_namesakes_in_several_places_say_where_they_are_sent() -> None:
    item = a_post({"type": "object", "properties": {"id": TEXT | {"description": "Id."}}})
    item["post"]["parameters"] = [parameter("id", each, description="Id.") for each in ("path", "query", "header")]
    operation, _ = only(a_document({"/a/{id}": item}))
    assert {name: each["description"] for name, each in properties(operation).items()} == {
        "id": "Id.",
        "id__query": "Sent as `id` in the query. Id.",
        "id__header": "Sent as `id` as a header. Id.",
        "id__body": "Sent as `id` in the body. Id.",
    }
    whole = a_post({"type": "array"})
    whole["post"]["parameters"] = [parameter("body")]
    operation, _ = only(a_document({"/a": whole}))
    assert properties(operation)["body__body"]["description"] == "Sent as the body. The body (application/json)."


@pytest.mark.parametrize("most", [2_048, 3_000, 4_000])
def test_how_an_argument_is_sent_is_told_even_where_other_words_have_no_room(most: int) -> None:
    members = dict.fromkeys((*map(str, range(40)), "a<", "a>"), TEXT | {"description": "w" * 1900})
    document = a_document({"/a": a_post({"type": "object", "properties": members})})
    (operation,) = converted(document, limits=Limits(tool_bytes=most)).operations
    assert "descriptions were shortened" in operation.notes[0]
    assert properties(operation)["a_lt"]["description"].startswith("Sent as `a<`.")
    assert properties(operation)["a_gt"]["description"].startswith("Sent as `a>`.")


def test_a_name_that_an_argument_has_is_kept_whatever_joins_it() -> None:
    body = a_post({"type": "object", "properties": {"id": TEXT, "when<": TEXT}})
    before, _ = only(a_document({"/a": body}))
    kept = {("POST", "/a"): {("body", "id"): "id", ("body", "when<"): "when__body"}}
    body["post"]["parameters"] = [parameter("id"), parameter("when__body")]
    (after,) = converted(a_document({"/a": body}), arguments=kept).operations
    assert before.slots == {"id": ("body", "id"), "when_lt": ("body", "when<")}
    assert after.slots == {
        "id": ("body", "id"),
        "id__query": ("query", "id"),
        "when__body": ("body", "when<"),
        "when__body__query": ("query", "when__body"),
    }
    assert properties(after)["when__body"]["description"] == "Sent as `when<`."


def test_members_of_a_plain_object_are_arguments() -> None:
    schemas = {
        "Base": {
            "type": "object",
            "required": ["a"],
            "properties": {"a": TEXT, "at": {"type": "string", "readOnly": True}},
        },
        "More": {
            "allOf": [
                {"$ref": "#/components/schemas/Base"},
                {"properties": {"b": {"type": "integer"}}, "required": ["b"]},
            ]
        },
    }
    operation, report = only(a_document({"/a": a_post({"$ref": "#/components/schemas/More"})}, schemas=schemas))
    assert properties(operation) == {"a": TEXT, "b": {"type": "integer"}}
    assert operation.input_schema["required"] == ["a", "b"]
    assert operation.body == Body("application/json", True, fields=(BodyField("a", "a"), BodyField("b", "b")))
    assert report.status == "ready"


def test_a_member_described_twice_has_to_fit_both() -> None:
    both = {
        "allOf": [
            {"properties": {"a": TEXT}},
            {"properties": {"a": {"maxLength": 3}, "b": TEXT}},
            {"properties": {"b": TEXT}},
        ]
    }
    operation, _ = only(a_document({"/a": a_post(both)}))
    assert properties(operation) == {"a": {"allOf": [TEXT, {"maxLength": 3}]}, "b": TEXT}


def test_what_a_body_requires_and_does_not_describe_may_be_sent_and_is_reported() -> None:
    schema = {"type": "object", "properties": {"Name": TEXT}, "required": ["Name", "name", "kind"]}
    operation, report = only(a_document({"/a": a_post(schema)}))
    assert operation.input_schema["required"] == ["Name"]
    assert properties(operation).keys() == {"Name", "kind"}
    assert "only says that it is required" in properties(operation)["kind"]["description"]
    request = build_request(plan_request(operation, "http://api"), {"Name": "A", "kind": ["x"]})
    assert request.content == b'{"Name":"A","kind":["x"]}'
    assert report.status == "degraded"
    assert "required and not described: `name` and `kind`" in str(report.reason)
    closed, report = only(a_document({"/a": a_post({**schema, "additionalProperties": False})}))
    assert properties(closed).keys() == {"Name"}


def test_an_optional_body_needs_its_required_members_once_there_is_one() -> None:
    schema = {"type": "object", "required": ["a"], "properties": {"a": TEXT, "b": TEXT}}
    operation, _ = only(a_document({"/a": a_post(schema, required=False)}))
    assert "required" not in operation.input_schema
    assert operation.input_schema["dependentRequired"] == {"b": ["a"]}


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "array", "items": TEXT},
        TEXT,
        {},
        True,
        None,
        {"type": "object"},
        {"oneOf": [{"properties": {"a": TEXT}}, {"properties": {"b": TEXT}}]},
        {"properties": {"a": TEXT}, "anyOf": [{"required": ["a"]}]},
        {"properties": {"a": TEXT}, "additionalProperties": TEXT},
        {"properties": {"a": TEXT}, "discriminator": {"propertyName": "a"}},
        {"properties": {"a": TEXT}, "if": {"required": ["a"]}},
        {"$ref": "elsewhere.json"},
        {"allOf": [{"$ref": "#/components/schemas/Self"}]},
    ],
)
def test_any_other_body_is_one_argument(schema: Any) -> None:
    self = {"allOf": [{"$ref": "#/components/schemas/Self"}], "properties": {"a": TEXT}}
    operation, _ = only(a_document({"/a": a_post(schema)}, schemas={"Self": self}))
    assert list(properties(operation)) == ["body"]
    assert operation.input_schema["required"] == ["body"]
    assert operation.body is not None
    assert operation.body.argument == "body"


def test_a_body_argument_gives_way_to_a_parameter_of_that_name() -> None:
    item = a_post({"type": "array"})
    item["post"]["parameters"] = [parameter("body")]
    operation, _ = only(a_document({"/a": item}))
    assert operation.body is not None
    assert operation.body.argument == "body__body"


@pytest.mark.parametrize(
    ("offered", "chosen"),
    [
        (["application/xml", "text/json", "application/vnd.x+json", "application/json"], "application/json"),
        (["application/xml", "application/x-www-form-urlencoded", "application/vnd.x+json"], "application/vnd.x+json"),
        (["multipart/form-data", "application/x-www-form-urlencoded"], "application/x-www-form-urlencoded"),
        (["application/octet-stream", "text/csv"], "text/csv"),
        (["application/json; charset=utf-8"], "application/json; charset=utf-8"),
        (["*/*"], "application/json"),
        (["text/*"], "text/plain"),
        (["multipart/*"], "multipart/form-data"),
        (["application/*+json"], "application/json"),
        (["application/*+xml", "image/png"], "application/xml"),
        (["image/*"], "image/*"),  # the bytes say which
        (["nonsense", "a/b\r\nX: y", "application/pdf"], "application/pdf"),
    ],
)
def test_json_is_preferred_and_ranges_are_made_concrete(offered: list[str], chosen: str) -> None:
    content: dict[str, Any] = {name: {"schema": {"type": "object", "properties": {"a": TEXT}}} for name in offered}
    assert body_of(a_document({"/a": {"post": {"requestBody": {"content": content}}}})).media_type == chosen


def test_a_form_with_files_is_sent_as_multipart_where_that_is_offered() -> None:
    file = {"type": "object", "properties": {"f": {"type": "string", "format": "binary"}}}
    content = {"application/x-www-form-urlencoded": {"schema": file}, "multipart/form-data": {"schema": file}}
    body = body_of(a_document({"/a": {"post": {"requestBody": {"content": content}}}}))
    assert body == Body("multipart/form-data", required=False, fields=(BodyField("f", "f", binary=True),))


@pytest.mark.parametrize(
    ("schema", "several"),
    [
        ({"type": "string", "format": "binary"}, False),
        ({"type": "string", "contentMediaType": "application/octet-stream"}, False),
        ({"type": "array", "items": {"type": "string", "format": "binary"}}, True),
        ({"anyOf": [{"type": "string", "format": "binary"}, {"type": "null"}]}, False),
        ({"$ref": "#/components/schemas/File"}, False),
    ],
)
def test_files_are_base64_with_or_without_a_name(schema: Any, several: bool) -> None:
    form = {"type": "object", "properties": {"f": {**schema, "description": "The picture."}}}
    operation, _ = only(
        a_document(
            {"/a": a_post(form, "multipart/form-data")}, schemas={"File": {"type": "string", "format": "binary"}}
        )
    )
    shown = properties(operation)["f"]
    file = shown["items"] if several else shown
    assert file["anyOf"][0] == {"type": "string", "contentEncoding": "base64"}
    assert file["anyOf"][1]["required"] == ["content"]
    assert operation.body is not None
    assert operation.body.fields[0].binary
    if "$ref" not in schema:
        assert shown["description"] == "The picture."


def test_encodings_of_forms_are_kept() -> None:
    form = {"type": "object", "properties": {"a": {"type": "object"}, "b": TEXT, "c": {"type": "array"}}}
    encoding = {
        "a": {"style": "deepObject", "explode": True},
        "b": {"contentType": "text/csv, text/*"},
        "c": {"style": "form", "explode": False},
    }
    body = body_of(a_document({"/a": a_post(form, "application/x-www-form-urlencoded", encoding=encoding)}))
    assert body.fields == (
        BodyField("a", "a", style="deepObject", explode=True),
        BodyField("b", "b", content_type="text/csv"),
        BodyField("c", "c", style="form", explode=False),
    )
    body = body_of(a_document({"/a": a_post(form, "multipart/form-data", encoding={"a": {"contentType": "image/*"}})}))
    assert body.fields[0].content_type is None


@pytest.mark.parametrize(
    "media_type", ["application/octet-stream", "image/png", "application/zip", "application/vnd.x"]
)
def test_bodies_of_bytes_are_base64(media_type: str) -> None:
    operation, _ = only(a_document({"/a": a_post({"type": "string", "format": "binary"}, media_type)}))
    assert properties(operation)["body"]["contentEncoding"] == "base64"
    assert operation.body == Body(media_type, True, argument="body", binary=True)


@pytest.mark.parametrize(
    "media_type",
    [
        "text/plain",
        "application/xml",
        "application/soap+xml",
        "application/sparql-update",
        "application/vnd.github.v3.diff",
        "application/x-pem-file",
        "application/csv",
        "text/csv",
    ],
)
def test_texts_are_texts_whatever_they_mean(media_type: str) -> None:
    operation, _ = only(a_document({"/a": a_post({"type": "object", "properties": {"a": TEXT}}, media_type)}))
    assert properties(operation)["body"]["type"] == "string"
    assert operation.body == Body(media_type, True, argument="body")


@pytest.mark.parametrize("raw", [{}, {"content": {}}, {"content": []}, {"$ref": "x.json"}, {"required": True}])
def test_a_body_that_cannot_be_read_is_any_json_and_reported(raw: Any) -> None:
    operation, report = only(a_document({"/a": {"post": {"requestBody": raw}}}))
    assert list(properties(operation)) == ["body"]
    assert "taken as any JSON" in (report.reason or "")


@pytest.mark.parametrize("media", [{}, {"schema": None}, None, {"$ref": "#/x-media/any"}])
def test_a_media_type_without_a_schema_takes_any_value(media: Any) -> None:
    body = {"required": True, "content": {"application/json": media}}
    operation, report = only(a_document({"/a": {"post": {"requestBody": body}}}) | {"x-media": {"any": {}}})
    assert operation.input_schema["required"] == ["body"]
    assert properties(operation)["body"] == {"description": "The body (application/json)."}
    null = media is None or "schema" in media
    assert ("any value is accepted" in (report.reason or "")) is null
    assert report.status == ("degraded" if null else "ready")


def test_a_media_type_may_be_a_reference() -> None:
    document = a_document({"/a": {"post": {"requestBody": {"content": {"application/json": {"$ref": "#/x-m"}}}}}})
    operation, report = only(document | {"x-m": {"schema": {"type": "object", "properties": {"a": TEXT}}}})
    assert properties(operation) == {"a": TEXT}
    assert report.status == "ready"


def test_branches_of_a_discriminated_body_stay() -> None:
    schemas = {
        name: {"type": "object", "required": ["kind", name], "properties": {"kind": TEXT, name: TEXT}}
        for name in ("cat", "dog")
    }
    refs = [{"$ref": f"#/components/schemas/{name}"} for name in schemas]
    schema = {"oneOf": refs, "discriminator": {"propertyName": "kind", "mapping": {"c": refs[0]["$ref"]}}}
    operation, report = only(a_document({"/a": a_post(schema)}, schemas=schemas))
    assert properties(operation)["body"]["anyOf"] == [
        {"properties": {"kind": {"const": "c"}}, "allOf": [{"$ref": "#/$defs/cat"}]},
        {"properties": {"kind": {"examples": ["dog"]}}, "allOf": [{"$ref": "#/$defs/dog"}]},
    ]
    assert [each["required"] for each in operation.input_schema["$defs"].values()] == [["kind", "cat"], ["kind", "dog"]]
    assert report.status == "ready"


def test_what_an_operation_may_answer_with_is_asked_for() -> None:
    responses = {
        "200": {"$ref": "#/components/responses/Ok"},
        "201": {"content": {"text/csv": {}}},
        "404": {"content": {"application/problem+json": {}}},
    }
    ok: dict[str, Any] = {"Ok": {"content": {"application/xml": {}, "application/json": {}, "bad\r\nX: 1": {}}}}
    operation, _ = only(a_document({"/a": {"get": {"responses": responses}}}, components={"responses": ok}))
    assert operation.accept == ("application/json", "application/xml", "text/csv")


def test_parameters_are_told_apart_from_what_the_parser_cannot_take() -> None:
    given = parameter("p", examples={"a": 1}, deprecated="maybe", explode=[], description={"no": "text"})
    operation, report = only(a_document({"/a": a_get(given)}))
    assert operation.parameters == (Parameter("p", "p", "query", required=False, style="form", explode=True),)
    assert (report.reason or "").count("was left out") == 3
    assert "/paths/~1a/get/parameters/0/deprecated" in (report.reason or "")


def test_an_operation_of_more_than_a_thousand_parameters_is_no_tool() -> None:
    (item,) = converted(a_document({"/a": a_get(*(parameter(f"q{number}") for number in range(1_001)))})).report
    assert item.status == "skipped"
    assert item.reason == "It cannot be called: it has 1,001 parameters; a tool has at most 1,000 arguments."
    assert only(a_document({"/a": a_get(*(parameter(f"q{number}") for number in range(1_000)))}))[1].status != "skipped"


def test_a_body_of_more_than_a_thousand_members_stays_whole() -> None:
    def members(number: int, schema: dict[str, Any]) -> dict[str, Any]:
        return {"type": "object", "properties": {f"m{each}": schema for each in range(number)}}

    assert len(body_of(a_document({"/a": a_post(members(1_000, TEXT))})).fields) == 1_000
    assert body_of(a_document({"/a": a_post(members(1_001, TEXT))})).argument == "body"
    files = members(1_001, {"type": "string", "format": "binary"})
    (item,) = converted(a_document({"/a": a_post(files, "multipart/form-data")})).report
    assert item.reason == "It cannot be called: its form has 1,001 files; a tool has at most 1,000 arguments."
