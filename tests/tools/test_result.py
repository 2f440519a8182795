"""Whatever comes back fits into JSON, and carries no token and no header that is not for the agent."""

import base64
from typing import Any

import httpx
import orjson
import pytest

from app.tools.result import ToolResult, read_answer
from app.tools.upstream import UpstreamAnswer


def result_of(
    content: bytes, content_type: str | None = None, *, status: int = 200, bearer: str | None = None, **headers: str
) -> ToolResult:
    said = {name.replace("_", "-"): value for name, value in headers.items()}
    if content_type is not None:
        said["content-type"] = content_type
    answer = UpstreamAnswer(status, httpx.Headers(said), content, truncated=False)
    return read_answer(answer, bearer=bearer, duration_ms=1.5)


def test_json_is_parsed_and_can_be_spliced_as_it_came() -> None:
    raw = b'{"a": 12345678901234567890123, "b": [1.10]}'
    result = result_of(raw, "application/json")
    assert (result.kind, result.raw, result.body["b"]) == ("json", raw, [1.1])
    assert orjson.loads(orjson.dumps({"result": orjson.Fragment(result.raw)}))["result"] == result.body
    assert (result.upstream_status, result.is_error, result.duration_ms) == (200, False, 1.5)


@pytest.mark.parametrize(
    ("content", "content_type", "body"),
    [
        (b"null", "application/json", None),
        (b"[]", "application/problem+json; charset=utf-8", []),
        (b"\xef\xbb\xbf{}", "application/json", {}),
        ('{"ä": 1}'.encode("utf-16"), "application/json; charset=utf-16", {"ä": 1}),
        ('"ä"'.encode("latin-1"), 'Application/JSON; Charset="ISO-8859-1"', "ä"),
        (b'{"x": 1}', None, {"x": 1}),
        (b"[1]", "text/json;charset=no-such-charset", [1]),
    ],
)
def test_json_in_many_dresses(content: bytes, content_type: str | None, body: object) -> None:
    result = result_of(content, content_type)
    assert (result.kind, result.body) == ("json", body)
    assert orjson.loads(result.raw) == body


@pytest.mark.parametrize(
    ("content", "content_type", "text"),
    [
        (b'{"x": NaN}', "application/json", '{"x": NaN}'),
        (b'{"x": 1', "application/json", '{"x": 1'),
        (b"<html>", "application/json", "<html>"),
        (b"[" * 5_000, "application/json", "[" * 5_000),
        (b"plain", "text/plain", "plain"),
        (b"\xe4", "text/plain; format=flowed; charset=latin-1", "ä"),
        (b"\xe4", "text/plain", "\ufffd"),
        (b"x", "text/plain; charset=zlib", "x"),
        (b"x", "text/plain; charset=idna", "x"),
        (b"<a/>", "application/atom+xml", "<a/>"),
        (b"a: 1", "application/yaml", "a: 1"),
        (b"a=1", "application/x-www-form-urlencoded", "a=1"),
        (b"just text", None, "just text"),
        (b"just text", "application/octet-stream", "just text"),
    ],
)
def test_what_is_no_json_is_text(content: bytes, content_type: str | None, text: str) -> None:
    result = result_of(content, content_type)
    assert (result.kind, result.body) == ("text", text)
    assert orjson.dumps(result.body)


@pytest.mark.parametrize("content_type", ["image/png", "application/octet-stream", None, "application/pdf"])
def test_binary_content_is_described_and_handed_on_in_base64(content_type: str | None) -> None:
    content = b"\x89PNG\x00\xff"
    result = result_of(content, content_type)
    assert result.kind == "binary"
    assert result.body == {
        "content_type": content_type or "application/octet-stream",
        "bytes": 6,
        "base64": base64.b64encode(content).decode(),
    }


def test_large_binary_content_is_only_described() -> None:
    body: dict[str, Any] = result_of(bytes(262_145), "image/png").body
    assert body == {"content_type": "image/png", "bytes": 262_145}
    assert "base64" in result_of(bytes(262_144), "image/png").body


def test_no_content_is_none() -> None:
    result = result_of(b"", "application/json", status=204)
    assert (result.kind, result.body, result.raw, result.is_error) == ("empty", None, b"", False)


@pytest.mark.parametrize(
    ("status", "is_error"),
    [(200, False), (299, False), (304, False), (399, False), (400, True), (401, True), (500, True)],
)
def test_only_4xx_and_5xx_are_errors(status: int, is_error: bool) -> None:
    assert result_of(b"{}", status=status).is_error == is_error


def test_only_headers_that_help_the_agent_are_shown() -> None:
    result = result_of(
        b"{}",
        "application/json",
        link='</menu?page=2>; rel="next"',
        location="/orders/1",
        etag='"v1"',
        retry_after="3",
        ratelimit="limit=5",
        x_ratelimit_remaining="4",
        set_cookie="session=1",
        www_authenticate="Bearer",
        server="nginx",
        x_internal_host="10.0.0.1",
    )
    assert result.headers == {
        "link": '</menu?page=2>; rel="next"',
        "location": "/orders/1",
        "etag": '"v1"',
        "retry-after": "3",
        "ratelimit": "limit=5",
        "x-ratelimit-remaining": "4",
    }


def test_a_token_that_is_echoed_is_taken_out() -> None:
    bearer = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJqbyJ9.c2ln"
    raw = b'{"headers": {"authorization": "Bearer ' + bearer.encode() + b'"}, "again": "' + bearer.encode() + b'"}'
    result = result_of(raw, "application/json", bearer=bearer, location=f"/next?token={bearer}", etag="x")
    assert bearer not in str(result.headers) + str(result.body) + result.raw.decode()
    assert result.body["headers"]["authorization"] == "Bearer [the token that was sent]"
    assert result.headers == {"etag": "x"}


def test_the_body_does_not_show_in_repr() -> None:
    assert "secret-body" not in repr(result_of(b"secret-body", "text/plain"))
