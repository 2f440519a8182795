"""REST: queries of lists and of the audit, and what admins send about sources."""

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

from tests.bounds.row import OK, Row
from tests.bounds.rows.heads import LARGE
from tests.bounds.sending import request
from tests.bounds.stage import Stage

WRONG = ("invalid_request", "invalid_json", "body_too_large", "document_too_large")
OF_DOCUMENTS = (
    "invalid_document",
    "invalid_overrides",
    "document_too_complex",
    "other_server_refused",
    "base_url_refused",
    "address_refused",
)
_BASE = "http://127.0.0.1:9"
_BOUNDARY = "0123456789"


def query(name: str, path: str, given: Callable[[int], dict[str, str]], *expected: str, username: str = "admin") -> Row:
    """A row of a query; of what is encoded three times, the address is three times as long."""
    return request(
        f"query of {path}",
        name,
        lambda stage, scale: stage.head(f"GET /api/v1/{path}?{urlencode(given(scale))}", None, username=username),
        *expected,
        *LARGE,
    )


def document(paths: int = 1, **more: Any) -> dict[str, Any]:
    operation = {"responses": {"200": {"description": "ok"}}}
    found = {f"/{number}": {"get": {"operationId": f"o{number}", **operation}} for number in range(paths)}
    return {"openapi": "3.1.0", "info": {"title": "Row", "version": "1"}, "paths": found, **more}


def registration(name: str, given: Callable[[int], dict[str, Any]], *expected: str) -> Row:
    """A row of fields of a new source, with a document of a hundred operations if they have none."""

    def build(stage: Stage, scale: int) -> bytes:
        body = {"name": "Row", "slug": "row", "base_url": _BASE, "document": document(100), **given(scale)}
        return stage.post("/api/v1/sources", json.dumps(body).encode(), username="admin")

    return request("registration", name, build, OK, *WRONG, *OF_DOCUMENTS, *expected, registers=True)


def upload(name: str, parts: Callable[[int], bytes], *expected: str, boundary: str = _BOUNDARY) -> Row:
    """A row of a form with a document in it; `parts` is everything before the last boundary."""

    def build(stage: Stage, scale: int) -> bytes:
        body = parts(scale) + f"--{boundary}--\r\n".encode()
        lines = f"Content-Type: multipart/form-data; boundary={boundary}", f"Content-Length: {len(body)}"
        return stage.head("POST /api/v1/sources", None, *lines, username="admin") + body

    return request("upload", name, build, OK, *WRONG, *OF_DOCUMENTS, *expected, registers=True)


def part(name: str, content: bytes, *lines: str) -> bytes:
    head = [f"--{_BOUNDARY}", f'Content-Disposition: form-data; name="{name}"', *lines, "", ""]
    return "\r\n".join(head).encode() + content + b"\r\n"


_SOURCE = part("source", json.dumps({"name": "Row", "slug": "row", "base_url": _BASE}).encode())
_DOCUMENT = part("document", json.dumps(document()).encode())


def _overrides(count: int) -> list[dict[str, Any]]:
    return [{"method": "GET", "path": f"/{number}", "description": "a" * 50} for number in range(count)]


QUERIES = [
    query("many words", "tools", lambda scale: {"q": "a " * 100 * scale}, OK, "invalid_request", username="johndoe"),
    query("one long word", "tools", lambda scale: {"q": "a" * 150 * scale}, OK, "invalid_request", username="johndoe"),
    query(
        "a word of letters that fold to others",
        "tools",
        lambda scale: {"q": "ß" * 50 * scale},
        OK,
        "invalid_request",
        username="johndoe",
    ),
    query(
        "a long slug of a source",
        "tools",
        lambda scale: {"source": "a" * 150 * scale},
        OK,
        "invalid_request",
        username="johndoe",
    ),
    query(
        "a long cursor",
        "tools",
        lambda scale: {"cursor": "YWZ0ZXI6" + "YWFh" * 40 * scale},
        OK,
        "invalid_request",
        "cursor_invalid",
        username="johndoe",
    ),
    query(
        "a limit of many digits",
        "tools",
        lambda scale: {"limit": "9" * 150 * scale},
        "invalid_request",
        username="johndoe",
    ),
    query(
        "a long name of a user", "audit", lambda scale: {"preferred_username": "a" * 150 * scale}, OK, "invalid_request"
    ),
    query("a long subject", "audit", lambda scale: {"subject": "%_" * 50 * scale}, OK, "invalid_request"),
    query("a long tool", "audit", lambda scale: {"tool": "a/" * 50 * scale}, OK, "invalid_request"),
    query("a moment of many digits", "audit", lambda scale: {"since": "9" * 150 * scale}, OK, "invalid_request"),
    query(
        "a moment that is long",
        "audit",
        lambda scale: {"until": "2026-01-01T00:00:00" + ".0" * 75 * scale},
        OK,
        "invalid_request",
    ),
    query(
        "a long cursor",
        "audit",
        lambda scale: {"cursor": "YWZ0ZXI6" + "YWFh" * 40 * scale},
        "cursor_invalid",
        "invalid_request",
    ),
    query("many records at once", "audit", lambda scale: {"limit": str(5 * scale)}, OK, "invalid_request"),
    request(
        "path of REST",
        "a long tool",
        lambda stage, scale: stage.head(f"GET /api/v1/tools/hostile/{'a' * 150 * scale}", None),
        "tool_not_found",
        *LARGE,
    ),
    request(
        "path of REST",
        "a long source",
        lambda stage, scale: stage.head(f"GET /api/v1/sources/{'a' * 150 * scale}", None, username="admin"),
        "source_unknown",
        "invalid_request",
        *LARGE,
    ),
    request(
        "body at REST",
        "a long tool",
        lambda stage, scale: stage.post(
            "/api/v1/tools/execute", json.dumps({"tool_id": "hostile/" + "a" * 20_000 * scale}).encode()
        ),
        "tool_not_found",
        "invalid_request",
    ),
    request(
        "body at REST",
        "many fields that nobody knows",
        lambda stage, scale: stage.post(
            "/api/v1/tools/execute",
            json.dumps({"tool_id": "hostile/query_text", **{f"n{n}": 1 for n in range(900 * scale)}}).encode(),
        ),
        OK,
        "invalid_request",
    ),
]

REGISTRATIONS = [
    registration(
        "many overrides of operations that are there", lambda scale: {"overrides": _overrides(min(100, scale))}
    ),
    registration(
        "many overrides of operations that are not there", lambda scale: {"overrides": _overrides(50 * scale)}
    ),
    registration(
        "an override of many arguments",
        lambda scale: {
            "overrides": [
                {"method": "GET", "path": "/1", "arguments": {f"n{n}": {"hidden": True} for n in range(150 * scale)}}
            ]
        },
    ),
    registration(
        "an override of a long name",
        lambda scale: {"overrides": [{"method": "GET", "path": "/1", "name": "a" * 5_000 * scale}]},
    ),
    registration(
        "a selection of many tags",
        lambda scale: {"selection": {"include": [{"tags": [f"t{n}" for n in range(10 * scale)]}] * 40}},
    ),
    registration(
        "a selection of paths of many stars", lambda scale: {"selection": {"include": [{"paths": ["/*" * 4 * scale]}]}}
    ),
    registration("many labels", lambda scale: {"labels": [f"label-{n}" for n in range(300 * scale)]}),
    registration("many roles", lambda scale: {"allowed_roles": [f"role-{n}" for n in range(300 * scale)]}),
    registration("many scopes", lambda scale: {"required_scopes": [f"scope-{n}" for n in range(300 * scale)]}),
    registration(
        "many other servers",
        lambda scale: {"other_servers": [{"origin": f"http://127.0.0.1:{n + 1}"} for n in range(100 * scale)]},
    ),
    registration("a long name", lambda scale: {"name": "a" * 5_000 * scale}),
    registration("a long slug", lambda scale: {"slug": "a-" * 2_500 * scale}),
    registration("a long description", lambda scale: {"description": "a" * 9_000 * scale}),
    registration("a long address", lambda scale: {"base_url": "http://127.0.0.1:9/" + "a/" * 4_000 * scale}),
    registration(
        "a way to authenticate of many members",
        lambda scale: {"upstream_auth": {"type": "none", **{f"n{n}": 1 for n in range(300 * scale)}}},
    ),
    registration("many fields that nobody knows", lambda scale: {f"n{n}": 1 for n in range(300 * scale)}),
    registration("a document of many operations", lambda scale: {"document": document(50 * scale)}),
    registration(
        "a document that is a text of YAML",
        lambda scale: {"document": "a: &a [1, 2]\nb: [" + "*a, " * 1_500 * scale + "1]"},
    ),
]

UPLOADS = [
    upload(
        "a document of many operations",
        lambda scale: _SOURCE + part("document", json.dumps(document(90 * scale)).encode()),
    ),
    upload("a document that is large and nothing", lambda scale: _SOURCE + part("document", b" " * 150_000 * scale)),
    upload("a source that is large", lambda scale: part("source", b" " * 150_000 * scale + b"{}") + _DOCUMENT),
    upload("many parts", lambda scale: part("document", b"{}") * 400 * scale),
    upload("many empty parts of other names", lambda scale: b"".join(part(f"n{n}", b"") for n in range(400 * scale))),
    upload(
        "a part of many headers",
        lambda scale: _SOURCE + part("document", b"{}", *(f"X-{n}: 1" for n in range(400 * scale))),
    ),
    upload(
        "a part with a long header", lambda scale: _SOURCE + part("document", b"{}", "X-Long: " + "a" * 20_000 * scale)
    ),
    upload(
        "a part with a long name of a file",
        lambda scale: (
            _SOURCE
            + b'--0123456789\r\nContent-Disposition: form-data; name="document"; filename="'
            + b"a" * 20_000 * scale
            + b'"\r\n\r\n{}\r\n'
        ),
    ),
    upload(
        "what is nearly a boundary, many times",
        lambda scale: _SOURCE + part("document", b"\r\n--012345678" * 3_000 * scale),
    ),
    upload("line ends before the first boundary", lambda scale: b"\r\n" * 20_000 * scale + _SOURCE + _DOCUMENT),
    upload("a boundary that is long", lambda _scale: b"", boundary="a" * 60_000),
]

ROWS = [*QUERIES, *REGISTRATIONS, *UPLOADS]
