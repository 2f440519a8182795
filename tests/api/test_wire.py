"""What reaches an upstream for each of the constructs that converters send wrongly, as a recording upstream saw it."""

import base64
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from tests.support.installation import Headers, RunningProvider
from tests.support.servers import address_of, listener, running

ARRAY = {"type": "array", "items": {"type": "integer"}}
OBJECT = {"type": "object", "properties": {"k": {"type": "string"}, "n": {"type": "integer"}}}
FORM = "application/x-www-form-urlencoded"
NAPOLI = base64.b64encode(b"\x89PNG \xff").decode()


def query(name: str, schema: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"name": name, "in": "query", "schema": schema, **more}


def taking(*parameters: dict[str, Any], body: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    made: dict[str, Any] = {"parameters": list(parameters), **more}
    if body is not None:
        made["requestBody"] = {"required": True, "content": body}
    return made


def path_value(style: str, *, explode: bool) -> dict[str, Any]:
    return {"name": "ids", "in": "path", "required": True, "style": style, "explode": explode, "schema": ARRAY}


ADDRESS = {"type": "object", "properties": {"address": OBJECT, "note": {"type": "string"}}}
UPLOAD = {
    "type": "object",
    "properties": {"meta": OBJECT, "file": {"type": "string", "format": "binary"}, "note": {"type": "string"}},
}
FILE = {"type": "string", "format": "binary"}
LINES = {"type": "array", "items": {"type": "object"}}
ROWS = {"type": "object", "properties": {"rows": {"type": "array", "items": OBJECT}}}
ROWS_IN_A_FORM = b"rows%5B0%5D%5Bk%5D=x&rows%5B0%5D%5Bn%5D=1&rows%5B1%5D%5Bn%5D=2"
OPERATIONS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "form": ("post", "/form", taking(body={FORM: {"schema": ADDRESS}})),
    "deep_form": (
        "post",
        "/deep-form",
        taking(body={FORM: {"schema": ADDRESS, "encoding": {"address": {"style": "deepObject", "explode": True}}}}),
    ),
    "upload": (
        "post",
        "/upload",
        taking(body={"multipart/form-data": {"schema": UPLOAD, "encoding": {"file": {"contentType": "image/png"}}}}),
    ),
    "raw": ("put", "/raw", taking(body={"application/octet-stream": {}})),
    "headers": (
        "get",
        "/headers",
        taking(
            {"name": "X-Ids", "in": "header", "schema": ARRAY},
            {"name": "X-Dry", "in": "header", "schema": {"type": "boolean"}},
            {"name": "X-Pair", "in": "header", "schema": OBJECT},
        ),
    ),
    "simple": ("get", "/simple/{ids}", taking(path_value("simple", explode=False))),
    "matrix": ("get", "/matrix/{ids}", taking(path_value("matrix", explode=True))),
    "label": ("get", "/label/{ids}", taking(path_value("label", explode=True))),
    "cookies": ("get", "/cookies", taking({"name": "ids", "in": "cookie", "explode": False, "schema": ARRAY})),
    "deep": ("get", "/deep", taking(query("f", {"type": "object"}, style="deepObject", explode=True))),
    "filter": ("get", "/filter", taking({"name": "filter", "in": "query", "content": {"application/json": {}}})),
    "patch": (
        "patch",
        "/patch",
        taking(body={"application/json": {"schema": {"properties": {"a": {"type": ["string", "null"]}}}}}),
    ),
    "fixed": ("get", "/fixed?x=1", taking(query("y", {"type": "string"}))),
    "many": (
        "post",
        "/many",
        taking(
            body={
                kind: {"schema": {"properties": {"a": {"type": "string"}}}}
                for kind in ("text/json", "application/xml", "application/json")
            }
        ),
    ),
    "merge": (
        "patch",
        "/merge",
        taking(
            body={
                f"application/{kind}+json": {"schema": {"type": "object"}}
                for kind in ("json-patch", "strategic-merge-patch", "merge-patch")
            }
        ),
    ),
    "any_json": ("post", "/any-json", taking(body={"application/*+json": {"schema": OBJECT}})),
    "any_type": ("put", "/any-type", taking(body={"*/*": {"schema": {"type": "string", "format": "binary"}}})),
    "any_parts": ("post", "/any-parts", taking(body={"multipart/*": {"schema": {"properties": {"scan": FILE}}}})),
    "statement": ("post", "/statement", taking(body={"application/sparql-query": {"schema": {"type": "string"}}})),
    "lines": ("post", "/lines", taking(body={"application/vnd.acme+x-ndjson; version=8": {"schema": LINES}})),
    "rows_in_a_form": (
        "post",
        "/rows",
        taking(body={FORM: {"schema": ROWS, "encoding": {"rows": {"style": "deepObject", "explode": True}}}}),
    ),
    "rows": ("get", "/rows", taking(query("f", {"type": "object"}, style="deepObject", explode=True))),
    "json_part": (
        "post",
        "/json-part",
        taking(
            body={
                "multipart/form-data": {
                    "schema": {"properties": {"scan": FILE, "note": {"type": "string"}}},
                    "encoding": {"note": {"contentType": "application/json"}},
                }
            }
        ),
    ),
    "employees": (
        "post",
        "/\u0440\u0430\u0431\u043e\u0442\u0430",
        taking(
            query("\u0433\u043e\u0434", {"type": "integer"}),
            body={"application/json": {"schema": {"properties": {"\u0418\u043c\u044f": {"type": "string"}}}}},
        ),
    ),
    "sent": (
        "get",
        "/sent",
        taking(*(query(name, {"type": "string"}) for name in ("Sent", "Sent<", "Sent>")), query("id[]", ARRAY)),
    ),
    "xml": ("post", "/xml", taking(body={"application/xml": {"schema": {"type": "object"}}})),
    "cancel": (
        "post",
        "/jobs/{job}:cancel",
        taking({"name": "job", "in": "path", "required": True, "schema": {"type": "string"}}),
    ),
}


@dataclass
class Recorder:
    """Keeps every request as it came: method, target, headers and body."""

    address: str = ""
    seen: list[tuple[str, str, dict[str, str], bytes]] = field(default_factory=list)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        request = Request(scope, receive)
        answer: Response
        if request.url.path == "/openapi.json":
            answer = JSONResponse(self.document())
        else:
            target = scope["raw_path"].decode() + (f"?{text}" if (text := scope["query_string"].decode()) else "")
            self.seen.append((request.method, target, dict(request.headers), await request.body()))
            answer = JSONResponse({})
        await answer(scope, receive, send)

    def document(self) -> dict[str, Any]:
        paths: dict[str, dict[str, Any]] = {}
        for name, (method, path, operation) in OPERATIONS.items():
            responses = {"200": {"description": "any"}}
            paths.setdefault(path, {})[method] = {"operationId": name, "responses": responses, **operation}
        return {"openapi": "3.1.0", "info": {"title": "Wire", "version": "1"}, "paths": paths}


@pytest.fixture(scope="module")
def recorder(provider: RunningProvider, admin: Headers) -> Iterator[Recorder]:
    opened = listener()
    recorder = Recorder(address_of(opened))

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            await recorder(scope, receive, send)

    with running(app, opened):
        url = f"{recorder.address}/openapi.json"
        registered = provider.register(admin, url, slug="wire", upstream_auth={"type": "none"})
        assert registered["operations"]["skipped"] == 0
        yield recorder


@pytest.mark.parametrize(
    ("tool", "arguments", "target"),
    [
        ("simple", {"ids": [1, 2]}, "/simple/1,2"),
        ("matrix", {"ids": [1, 2]}, "/matrix/;ids=1;ids=2"),
        ("label", {"ids": [1, 2]}, "/label/.1.2"),
        ("deep", {"f": {"a": {"x": 1}, "b": ["y"]}}, "/deep?f%5Ba%5D%5Bx%5D=1&f%5Bb%5D%5B%5D=y"),
        (
            "rows",
            {"f": {"or": [{"a": {"x": 1}}, {"b": 2}]}},
            "/rows?f%5Bor%5D%5B0%5D%5Ba%5D%5Bx%5D=1&f%5Bor%5D%5B1%5D%5Bb%5D=2",
        ),
        ("employees", {"god": 1}, "/%D1%80%D0%B0%D0%B1%D0%BE%D1%82%D0%B0?%D0%B3%D0%BE%D0%B4=1"),
        ("sent", {"Sent_lt": "1", "Sent_gt": "0", "id_list": [7]}, "/sent?Sent%3C=1&Sent%3E=0&id%5B%5D=7"),
        ("filter", {"filter": {"a": [1]}}, "/filter?filter=%7B%22a%22%3A%5B1%5D%7D"),
        ("fixed", {"y": "2"}, "/fixed?x=1&y=2"),
        ("cancel", {"job": "a/b:c"}, "/jobs/a%2Fb%3Ac:cancel"),
    ],
)
def test_a_value_stands_in_the_address_as_its_style_says(
    provider: RunningProvider, recorder: Recorder, agent: Headers, tool: str, arguments: dict[str, Any], target: str
) -> None:
    assert provider.execute(agent, f"wire/{tool}", **arguments).status_code == 200
    assert recorder.seen[-1][1] == target


def test_headers_and_cookies_are_written_in_their_styles(
    provider: RunningProvider, recorder: Recorder, agent: Headers
) -> None:
    arguments = {"X-Ids": [1, 2], "X-Dry": True, "X-Pair": {"k": "v", "n": 3}}
    assert provider.execute(agent, "wire/headers", **arguments).status_code == 200
    headers = recorder.seen[-1][2]
    assert [headers[name] for name in ("x-ids", "x-dry", "x-pair")] == ["1,2", "true", "k,v,n,3"]
    assert provider.execute(agent, "wire/cookies", ids=[1, 2]).status_code == 200
    assert recorder.seen[-1][2]["cookie"] == "ids=1,2"


@pytest.mark.parametrize(
    ("tool", "arguments", "media_type", "body"),
    [
        ("form", {"address": {"k": "x"}, "note": "a b"}, FORM, b"address=%7B%22k%22%3A%22x%22%7D&note=a%20b"),
        ("deep_form", {"address": {"k": "x", "n": 1}}, FORM, b"address%5Bk%5D=x&address%5Bn%5D=1"),
        ("raw", {"body": NAPOLI}, "application/octet-stream", b"\x89PNG \xff"),
        ("patch", {"a": None}, "application/json", b'{"a":null}'),
        ("patch", {}, "application/json", b"{}"),
        ("many", {"a": "1"}, "application/json", b'{"a":"1"}'),
        ("merge", {"body": {"labels": {"a": "b"}}}, "application/merge-patch+json", b'{"labels":{"a":"b"}}'),
        ("any_json", {"k": "x"}, "application/json", b'{"k":"x"}'),
        ("any_type", {"body": NAPOLI}, "application/octet-stream", b"\x89PNG \xff"),
        ("statement", {"body": "ASK {}"}, "application/sparql-query", b"ASK {}"),
        ("lines", {"body": [{"a": 1}, {}]}, "application/vnd.acme+x-ndjson; version=8", b'{"a":1}\n{}\n'),
        ("rows_in_a_form", {"rows": [{"k": "x", "n": 1}, {"n": 2}]}, FORM, ROWS_IN_A_FORM),
        ("employees", {"god": 1, "Imya": "x"}, "application/json", '{"\u0418\u043c\u044f":"x"}'.encode()),
        ("xml", {"body": "<a>\u00e9</a>"}, "application/xml", "<a>\u00e9</a>".encode()),
    ],
)
def test_a_body_is_written_as_its_media_type_says(
    provider: RunningProvider,
    recorder: Recorder,
    agent: Headers,
    tool: str,
    arguments: dict[str, Any],
    media_type: str,
    body: bytes,
) -> None:
    assert provider.execute(agent, f"wire/{tool}", **arguments).status_code == 200
    assert (recorder.seen[-1][2]["content-type"], recorder.seen[-1][3]) == (media_type, body)


def test_parts_of_a_form_have_their_own_media_types_and_files_their_names(
    provider: RunningProvider, recorder: Recorder, agent: Headers
) -> None:
    file = {"content": NAPOLI, "filename": "napoli.png"}
    assert provider.execute(agent, "wire/upload", meta={"k": "v"}, file=file, note="n").status_code == 200
    body = recorder.seen[-1][3]
    assert b'name="meta"\r\nContent-Type: application/json\r\n\r\n{"k":"v"}\r\n' in body
    assert b'name="file"; filename="napoli.png"\r\nContent-Type: image/png\r\n\r\n\x89PNG \xff\r\n' in body
    assert b'name="note"\r\n\r\nn\r\n' in body


@pytest.mark.parametrize(
    ("tool", "part"),
    [
        (
            "any_parts",
            b'name="scan"; filename="scan"\r\nContent-Type: application/octet-stream\r\n\r\n\x89PNG \xff\r\n',
        ),
        ("json_part", b'name="note"\r\nContent-Type: application/json\r\n\r\n"hi"\r\n'),
    ],
)
def test_a_part_is_written_as_its_media_type_says(
    provider: RunningProvider, recorder: Recorder, agent: Headers, tool: str, part: bytes
) -> None:
    note = {"note": "hi"} if tool == "json_part" else {}
    assert provider.execute(agent, f"wire/{tool}", scan={"content": NAPOLI}, **note).status_code == 200
    assert recorder.seen[-1][2]["content-type"].startswith("multipart/form-data; boundary=")
    assert part in recorder.seen[-1][3]


@pytest.mark.parametrize(
    ("tool", "arguments", "told"),
    [
        ("fixed", {"z": "1"}, "is unknown"),
        ("filter", {"filtre": {}}, "did you mean 'filter'?"),
        ("cancel", {}, "is required"),
        ("raw", {"body": "no base64!"}, "base64"),
    ],
)
def test_wrong_arguments_reach_nobody(
    provider: RunningProvider, recorder: Recorder, agent: Headers, tool: str, arguments: dict[str, Any], told: str
) -> None:
    before = len(recorder.seen)
    refused = provider.execute(agent, f"wire/{tool}", **arguments)
    assert (refused.status_code, refused.json()["code"]) == (422, "invalid_arguments")
    assert told in json.dumps(refused.json()["violations"])
    assert len(recorder.seen) == before
