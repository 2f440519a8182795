"""A whole document: what becomes of each operation, under which name, and what the report says."""

import json
from itertools import pairwise
from typing import Any

import orjson
import pytest

from app.errors import Invalid, Violation
from app.openapi.document.reading import Limits
from app.operation.operation import operation_from_json, operation_to_json
from app.tools.request.plan import build_request, plan_request
from app.tools.tool_json import tool_json
from tests.effort import at_most
from tests.openapi.documents import Json, a_document, a_get, a_post, converted, only

LARGE = {"type": "object", "properties": {f"p{n}": {"type": "string", "description": "words " * 60} for n in range(40)}}


def test_one_bad_operation_never_loses_the_others() -> None:
    paths = {
        "/good": a_get(),
        "/bad": {"get": "nonsense", "post": {"responses": {}}},
        "/gone": {"$ref": "other.yaml#/paths/gone"},
        "/dots/../up": a_get(),
        "https://api.example/address": a_get(),
        "": a_get(),
        "/none": 7,
        "x-extension": {"get": {}},
    }
    conversion = converted(a_document(paths))
    assert [(each.method, each.path) for each in conversion.operations] == [("GET", "/good"), ("POST", "/bad")]
    skipped = {each.pointer: each.reason for each in conversion.report if each.status == "skipped"}
    assert list(skipped) == [
        "/paths/~1bad/get",
        "/paths/~1gone",
        "/paths/~1dots~1..~1up",
        "/paths/https:~1~1api.example~1address",
        "/paths/",
        "/paths/~1none",
    ]
    assert all(skipped.values())
    assert "nothing is fetched" in str(skipped["/paths/~1gone"])


def test_nothing_that_hides_is_in_what_a_document_became() -> None:
    hiding = "\u202e\u200b\x9b\u2028"
    named = {"type": "object", "properties": {f"m{hiding}": {"type": "string"}}, "required": [f"q{hiding}"]}
    paths = {
        "/good": {"get": {"operationId": f"op{hiding}", "summary": f"s{hiding}", "tags": [f"t{hiding}"]}},
        f"/x{hiding}": a_get(),
        "/line\nbreak": a_get(),
        "/body": a_post(named),
        "/named": a_get({"name": f"p{hiding}", "in": "query", "schema": {"type": "string"}}),
        "/lost": {"get": {"parameters": [{"$ref": f"#/components/parameters/{hiding}"}]}},
    }
    servers = [{"url": f"https://a.example/{hiding}"}, {"url": "https://b.example"}]
    conversion = converted(a_document(paths, servers=servers))
    tools = [tool_json(operation, "shop") for operation in conversion.operations]
    shown = orjson.dumps([conversion.title, conversion.servers, tools, conversion.report]).decode()
    assert shown.isprintable()
    assert conversion.operations[0].operation_id == "op"
    assert {each.path for each in conversion.operations} == {"/good", "/body", "/named", "/lost"}
    skipped = {each.path: each.reason or "" for each in conversion.report if each.status == "skipped"}
    assert list(skipped) == [r"/x\u202e\u200b\u009b\u2028", r"/line\u000abreak"]
    assert all("invisible characters or line breaks" in reason for reason in skipped.values())
    assert conversion.servers == ("https://b.example",)


def test_parts_that_are_no_reason_to_refuse_anything_are_not_looked_at() -> None:
    document = a_document(
        {
            "/a": {
                "get": {"responses": {"200": 5}, "security": "x", "callbacks": [], "tags": {"no": 1}, "externalDocs": 1}
            }
        },
        info=None,
        tags=[{"name": {}}],
        webhooks={"w": {"post": 1}},
        security={},
        servers=[{"url": 3}, "x", {"url": "https://api.example.com"}],
    )
    conversion = converted(document)
    assert [each.path for each in conversion.operations] == ["/a"]
    assert conversion.servers == ("https://api.example.com",)
    assert (conversion.title, conversion.version) == (None, None)


def test_path_items_and_operations_may_be_references() -> None:
    item = {"get": {"operationId": "shared", "responses": {}}}
    document = a_document({"/a": {"$ref": "#/components/pathItems/A"}, "/b": {"post": {"$ref": "#/x-operations/o"}}})
    document["components"]["pathItems"] = {"A": item}
    document["x-operations"] = {"o": {"operationId": "other"}}
    conversion = converted(document)
    assert [(each.name, each.path) for each in conversion.operations] == [("shared", "/a"), ("other", "/b")]
    assert [each.status for each in conversion.report] == ["ready", "degraded"]
    assert "was followed (at /paths/~1b/post)" in (conversion.report[1].reason or "")


def test_what_stands_beside_the_reference_of_a_path_is_not_lost() -> None:
    own = {"$ref": "#/x-items/i", "get": {"operationId": "own"}, "put": {"operationId": "mine"}}
    shared = {"parameters": [{"name": "q", "in": "query"}], "get": {"operationId": "theirs"}, "post": {}}
    operations = converted(a_document({"/a": own}) | {"x-items": {"i": shared}}).operations
    assert [(each.method, each.operation_id, len(each.parameters)) for each in operations] == [
        ("GET", "own", 0),
        ("PUT", "mine", 0),
        ("POST", None, 1),
    ]


def test_3_2_is_read_with_its_methods() -> None:
    paths: Json = {"/a": {"query": {}, "additionalOperations": {"PURGE": {}, "CONNECT": {}, "GET": {}, "a b": {}}}}
    conversion = converted(a_document(paths, version="3.2.0"))
    assert [each.method for each in conversion.operations] == ["QUERY", "PURGE", "GET"]
    assert [each.method for each in conversion.report if each.status == "skipped"] == ["CONNECT", "a b"]


FORM = "application/x-www-form-urlencoded"


def whole_query(media_type: str, name: str = "q", **fields: Any) -> Json:
    return {"name": name, "in": "querystring", "content": {media_type: {"schema": {}}}} | fields


@pytest.mark.parametrize(
    ("media_type", "value", "query"),
    [
        (FORM, {"a b": "1&2", "c": [1, None, True], "d": {"e": 1}}, "a%20b=1%262&c=1&c=true&d=%7B%22e%22%3A1%7D"),
        (FORM, {}, ""),
        ("application/json", {"a": [1]}, "%7B%22a%22%3A%5B1%5D%7D"),
        ("text/plain", "$.a[?x&y]", "%24.a%5B%3Fx%26y%5D"),
    ],
)  # fmt: skip
def test_3_2_knows_a_parameter_that_is_the_whole_query(media_type: str, value: Any, query: str) -> None:
    operation, item = only(a_document({"/a": a_get(whole_query(media_type, required=True))}, version="3.2.0"))
    assert operation.input_schema["required"] == ["q"]
    assert build_request(plan_request(operation, "https://api.example"), {"q": value}).url.partition("?")[2] == query
    assert item.status == "ready"


def test_a_whole_query_is_the_only_one() -> None:
    plain = {"name": "p", "in": "query", "schema": {"type": "string"}}
    for parameters, kept in [
        ([whole_query(FORM), plain], ["p"]),
        ([whole_query(FORM), whole_query(FORM, "other")], ["q"]),
        ([whole_query("image/png"), plain], ["p"]),
        ([{"name": "q", "in": "querystring", "schema": {}}], []),
    ]:
        operation, item = only(a_document({"/a": a_get(*parameters)}))
        assert list(operation.input_schema["properties"]) == kept
        assert "was left out" in (item.reason or "")


def test_a_whole_query_neither_changes_the_path_s_own_nor_hides_what_it_cannot_say() -> None:
    form = whole_query(FORM)
    operation, _ = only(a_document({"/a?x=1": a_get(form)}))
    assert (
        build_request(plan_request(operation, "https://api.example"), {"q": {"y": 2}}).url
        == "https://api.example/a?x=1&y=2"
    )
    for value, detail in (
        ({"x": 2}, "must not have 'x' in it: the address of this operation has that name already"),
        ("y=2", "must be an object: it is sent as a form"),
    ):
        with pytest.raises(Invalid) as caught:
            build_request(plan_request(operation, "https://api.example"), {"q": value})
        assert caught.value.violations == (Violation("/q", detail),)
    form["content"][FORM]["encoding"] = {"a": {"style": "pipeDelimited"}}
    assert "`encoding` is ignored" in (only(a_document({"/a": a_get(form)}))[1].reason or "")


def test_what_3_2_adds_to_streams_and_tags_is_no_obstacle() -> None:
    content = {"application/jsonl": {"itemSchema": {"type": "object"}, "itemEncoding": {}, "prefixEncoding": []}}
    document = a_document(
        {"/a": {"query": {"requestBody": {"content": content}, "responses": {"200": {"content": content}}}}},
        version="3.2.0",
        tags=[{"name": "t", "summary": "s", "parent": "p", "kind": "nav"}],
    )
    operation, item = only(document | {"$self": "https://api.example/openapi"})
    assert operation.input_schema["properties"]["body"]["items"] == {"type": "object"}
    assert operation.accept == ("application/jsonl",)
    assert item.status == "ready"


@pytest.mark.parametrize(
    ("document", "pointer", "reason"),
    [
        ({}, "/openapi", "not an OpenAPI document"),
        ({"openapi": "2.9"}, "/openapi", "not an OpenAPI document"),
        ({"openapi": ["3.0.0"]}, "/openapi", "not an OpenAPI document"),
        ({"openapi": "2.9", "swagger": "1.2"}, "/openapi", "not an OpenAPI document"),
        ({"openapi": "3.1.0", "paths": ["/a"]}, "/paths", "not an object"),
    ],
)
def test_what_is_no_openapi_document_is_refused(document: Json, pointer: str, reason: str) -> None:
    with pytest.raises(Invalid, match=reason) as caught:
        converted(document)
    assert caught.value.code == "invalid_document"
    assert [each.pointer for each in caught.value.violations] == [pointer]


@pytest.mark.parametrize(
    "document",
    [
        {"openapi": "3.1.0"},
        {"openapi": 3.1, "paths": None},
        {"openapi": "3.0.0", "paths": []},
        a_document({}, webhooks={"w": a_get()}),
    ],
)
def test_a_document_without_operations_has_none_and_says_so(document: Json) -> None:
    conversion = converted(document)
    assert conversion.operations == ()
    assert [(item.status, item.pointer, item.name) for item in conversion.report] == [("skipped", "/paths", None)]
    assert "no operations" in (conversion.report[0].reason or "")


def test_servers_have_their_variables_filled_in() -> None:
    servers = [
        {
            "url": "https://{host}:{port}/v{n}",
            "variables": {"host": {"default": "a.example"}, "port": {"enum": [8443, 443]}, "n": {"default": 2}},
        },
        {"url": "/v1"},
        {"url": "https://{unknown}.example"},
        {"url": "https://a b.example"},
        {"url": "/v1"},
    ]
    assert converted(a_document(servers=servers)).servers == ("https://a.example:8443/v2", "/v1")
    assert converted(a_document()).servers == ()


def test_of_very_many_servers_and_of_long_ones_some_are_left_out() -> None:
    servers = [{"url": f"https://s{number}.example"} for number in range(1_000)]
    conversion = converted(a_document({"/a": {"get": {"servers": [{"url": f"/{'x' * 2_000}"}, *servers]}}}))
    (operation,) = conversion.operations
    assert operation.servers == tuple(server["url"] for server in servers[:49])
    assert "of 1,001 servers only the first 50 were read" in (conversion.report[0].reason or "")


def test_a_path_that_no_server_takes_is_skipped_and_not_repeated() -> None:
    conversion = converted(a_document({f"/{'a' * 8_000}": {"get": {}}, f"/{'b' * 7_999}": {"get": {}}}))
    assert [len(operation.path) for operation in conversion.operations] == [8_000]
    skipped = conversion.report[1]
    assert (skipped.status, skipped.reason) == ("skipped", "Its path has 8,001 characters.")
    assert len(skipped.path) == len(skipped.pointer) - len("/paths/~1") + 1 == 201


def test_servers_of_paths_and_operations_are_kept_where_they_differ() -> None:
    here, there, own = ({"url": f"https://{name}.example"} for name in ("here", "there", "own"))
    paths = {
        "/a": {"servers": [there], "get": {}, "put": {"servers": [own]}, "post": {"servers": [here]}},
        "/b": {"servers": [{"url": "/v2"}], "get": {}},
        "/c": {"get": {}},
    }
    servers = {
        (each.method, each.path): each.server for each in converted(a_document(paths, servers=[here])).operations
    }
    assert servers == {
        ("GET", "/a"): "https://there.example",
        ("PUT", "/a"): "https://own.example",
        ("POST", "/a"): None,
        ("GET", "/b"): "/v2",
        ("GET", "/c"): None,
    }


def test_an_operation_tells_what_it_is_for() -> None:
    texts = {"summary": "Order\u200b", "description": "Order a pizza.\x07", "tags": ["orders"], "deprecated": True}
    operation, item = only(a_document({"/o": {"post": texts}}))
    assert (operation.title, operation.description) == ("Order", "Deprecated. Order a pizza.")
    assert (operation.tags, operation.deprecated) == (("orders",), True)
    assert "invisible" in (item.reason or "")
    assert only(a_document({"/o": {"post": {"summary": "Order"}}}))[0].description == "Order"
    assert only(a_document({"/o": {"post": {}}}))[0].description == "POST /o"
    assert len(only(a_document({"/o": {"post": {"description": "x" * 9000}}}))[0].description) == 2000


def test_the_report_has_the_size_of_each_tool() -> None:
    operation, item = only(a_document({"/a": a_post(LARGE)}))
    listed = {name: each for name, each in tool_json(operation, "x" * 32).items() if name != "_meta"}
    assert 0 <= item.bytes - len(orjson.dumps(listed)) < 100
    assert item.estimated_tokens == -(-item.bytes // 4)
    assert (item.name, item.status, item.reason) == (operation.name, "ready", None)
    assert (item.method, item.path, item.pointer) == ("POST", "/a", "/paths/~1a/post")


def test_a_tool_over_its_budget_first_loses_words_and_then_depth_but_no_argument() -> None:
    schemas = {"Large": LARGE, "Far": {"type": "object", "required": ["x"], "properties": {"x": LARGE}}}
    root = {
        "type": "object",
        "properties": {name: {"$ref": f"#/components/schemas/{name}"} for name in schemas},
        "required": ["Far"],
    }
    document = a_document({"/a": a_post(root)}, schemas=schemas)
    roomy = converted(document, limits=Limits(tool_bytes=100_000)).report[0]
    assert roomy.status == "ready"
    tight = converted(document, limits=Limits(tool_bytes=12_000))
    assert tight.report[0].bytes <= 12_000
    assert "descriptions were shortened" in (tight.report[0].reason or "")
    assert "not shown" not in (tight.report[0].reason or "")
    tighter = converted(document, limits=Limits(tool_bytes=2_500))
    assert tighter.report[0].bytes <= 2_500
    assert "some left out" in (tighter.report[0].reason or "")
    assert set(tighter.operations[0].input_schema["$defs"]["Large"]["properties"]) == set(LARGE["properties"])
    tightest = converted(document, limits=Limits(tool_bytes=1_500))
    schema = tightest.operations[0].input_schema
    assert tightest.report[0].bytes <= 1_500
    assert list(schema["properties"]) == ["Large", "Far"]
    assert schema["$defs"]["Far"]["required"] == ["x"]
    assert schema["$defs"]["Far"]["properties"]["x"]["type"] == "object"
    assert "not shown in full: Far" in (tightest.report[0].reason or "")


def test_an_argument_that_alone_is_over_the_budget_is_outlined() -> None:
    document = a_document(
        {
            "/a": a_get(
                {"name": "q", "in": "query", "schema": LARGE},
                {"name": "r", "in": "query", "schema": {"type": "integer"}},
            )
        }
    )
    conversion = converted(document, limits=Limits(tool_bytes=540))
    assert conversion.operations[0].input_schema["properties"] == {
        "q": {"description": "Shortened.", "type": "object"},
        "r": {"type": "integer"},
    }


def test_all_tools_together_fit_their_budget() -> None:
    paths = {f"/p{n}": a_post({"$ref": "#/components/schemas/Large"}) for n in range(40)}
    document = a_document(paths, schemas={"Large": {"anyOf": [LARGE]}})
    full = sum(item.bytes for item in converted(document).report)
    halved = converted(document, limits=Limits(list_bytes=full // 2))
    assert len(halved.operations) == 40
    assert sum(item.bytes for item in halved.report) <= full // 2
    with pytest.raises(Invalid, match="altogether"):
        converted(document, limits=Limits(list_bytes=500))


def test_too_many_operations_are_refused() -> None:
    document = a_document({f"/p{n}": {"get": {}} for n in range(11)})
    assert len(converted(document, limits=Limits(operations=11)).operations) == 11
    with pytest.raises(Invalid, match="more than 10 operations"):
        converted(document, limits=Limits(operations=10))


def test_an_operation_survives_storage() -> None:
    form = {"type": "object", "properties": {"f": {"type": "string", "format": "binary"}, "ü": {"maximum": 2**63}}}
    operation, _ = only(
        a_document({"/a/{b}": a_post(form, "multipart/form-data", encoding={"f": {"contentType": "image/png"}})})
    )
    assert operation_from_json(operation_to_json(operation)) == operation
    plain, _ = only(a_document({"/a": a_get({"name": "q", "in": "query", "schema": {}})}))
    assert operation_from_json(operation_to_json(plain)) == plain
    assert b"\n" not in operation_to_json(operation)
    assert json.loads(operation_to_json(plain))["path"] == "/a"


class Surprising(dict[str, Any]):
    """Something that nobody foresaw, in the shape of an object of a document."""

    def get(self, *_: object) -> Any:
        raise KeyError("surprise")

    items = keys = get


def test_what_nobody_foresaw_costs_one_operation_and_is_told() -> None:
    no_json: dict[str, Any] = {"name": "q", "in": "query", "schema": {"default": 2**70}}
    conversion = converted(a_document({"/a": a_get(Surprising(name="q")), "/b": a_get(no_json), "/c": {"get": {}}}))
    assert [operation.path for operation in conversion.operations] == ["/c"]
    assert {item.path: item.status for item in conversion.report} == {"/a": "skipped", "/b": "skipped", "/c": "ready"}
    reasons = [item.reason or "" for item in conversion.report if item.status == "skipped"]
    assert all("This is a fault of ours; please report it: " in reason for reason in reasons)
    assert ["KeyError in tests." in reasons[1], "TypeError in app." in reasons[0]] == [True, True]
    assert "surprise" not in "".join(reasons)


def test_thousands_of_schemas_that_lead_to_one_another_cost_what_each_costs() -> None:
    number = 3_000
    names = [f"C{each}" for each in range(number)]
    chain = {name: {"properties": {name: {"type": "string"}}, "allOf": [ref(to)]} for name, to in pairwise(names)}
    mesh = {
        f"M{each}": {"properties": {f"r{step}": ref(f"M{(7 * each + 13 * step + 1) % number}") for step in range(3)}}
        for each in range(number)
    }
    schemas = {**chain, names[-1]: {"type": "object"}, **mesh}
    paths = {f"/{name}": a_post({"type": "array", "items": ref(name)}) for name in ("C0", "M0")}
    with at_most(2.5):
        conversion = converted(a_document(paths, schemas=schemas))
    assert [operation.path for operation in conversion.operations] == ["/C0", "/M0"]


def ref(name: str) -> Json:
    return {"$ref": f"#/components/schemas/{name}"}
