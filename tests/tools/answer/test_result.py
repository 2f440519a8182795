"""Whatever comes back fits into JSON, and carries no token and no header that is not for the agent."""

import base64
import codecs
import tracemalloc
from typing import Any

import orjson
import pytest

from app.outbound import HttpAnswer
from app.tools.answer.result import ToolResult, read_answer

_XML = "<?xml version='1.0' encoding='ISO-8859-1'?><a>\u00fc</a>"


def result_of(
    content: bytes,
    content_type: str | None = None,
    *,
    status: int = 200,
    bearer: str | None = None,
    truncated: bool = False,
    **headers: str,
) -> ToolResult:
    said = {name.replace("_", "-"): value for name, value in headers.items()}
    if content_type is not None:
        said["content-type"] = content_type
    answer = HttpAnswer(status, said, content, truncated)
    return read_answer(answer, secret=bearer, duration_ms=1.5)


SECRET = "a-token-that-was-sent"


@pytest.mark.parametrize("integer", [2**64, -(2**63) - 1, 10**30, -(10**300), 2**64 - 1, 9_007_199_254_740_993])
def test_an_integer_is_never_another_number(integer: int) -> None:
    raw = f'{{"id": {integer}, "text": "{10**30}", "price": 1.{"3" * 25}}}'.encode()
    body = result_of(raw, "application/json").body
    assert body == {"id": integer, "text": str(10**30), "price": 4 / 3}
    assert type(body["id"]) is int


def test_a_token_is_taken_out_beside_an_integer_of_any_length() -> None:
    escaped = SECRET.replace("e", "\\u0065")
    result = result_of(f'{{"id": {10**30}, "you sent": "{escaped}"}}'.encode(), "application/json", bearer=SECRET)
    assert result.body["id"] == 10**30
    assert SECRET not in str(result.body)
    assert SECRET.encode() not in orjson.dumps(orjson.loads(result.raw))


def test_json_is_parsed_and_can_be_spliced_as_it_came() -> None:
    raw = b'{"a": 12345678901234567890123, "b": [1.10]}'
    result = result_of(raw, "application/json")
    assert (result.kind, result.raw, result.body["b"]) == ("json", raw, [1.1])
    assert orjson.dumps({"result": orjson.Fragment(result.raw)}) == b'{"result":' + raw + b"}"
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
        ('{"ä": 1}'.encode(), "application/json; charset=utf-16", {"ä": 1}),
        ('{"ä": 1}'.encode(), "application/json; charset=ISO-8859-1", {"ä": 1}),
        ('{"ä": 1}'.encode("latin-1"), "application/json; charset=ISO-8859-1", {"ä": 1}),
        ('{"Ж": 1}'.encode("cp1251"), "application/json; charset=windows-1251", {"Ж": 1}),
        (b"[1]", "*/*", [1]),
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
        ("\ufeff\u00fc".encode("utf-16-le"), "text/plain", "\u00fc"),
        ("\ufeff\u00fc".encode("utf-32-be"), "text/plain; charset=latin-1", "\u00fc"),
        (_XML.encode("latin-1"), "text/xml", _XML),
        (b"<a/>", "application/atom+xml", "<a/>"),
        (b"a: 1", "application/yaml", "a: 1"),
        (b"a: 1", "application/openapi+yaml", "a: 1"),
        (b"e30.e30.", "application/jwt", "e30.e30."),
        (b"a=1", "application/x-www-form-urlencoded", "a=1"),
        (b"just text", None, "just text"),
        (b"just text", "application/octet-stream", "just text"),
        ("a,b\n1,ü\n".encode(), "application/csv; charset=utf-8", "a,b\n1,ü\n"),
        (b"\xfc", "application/csv; charset=latin-1", "ü"),
        ("--- a/ü\n".encode(), "application/vnd.github.v3.diff; charset=utf-8", "--- a/ü\n"),
        (b"-----BEGIN CERTIFICATE-----", "application/x-pem-file", "-----BEGIN CERTIFICATE-----"),
        ("SELECT ?ü".encode(), "application/sparql-query", "SELECT ?ü"),
        ("nobody knows it: ü".encode(), "application/vnd.acme.report", "nobody knows it: ü"),
        (b"nobody knows it: \xfc", "application/vnd.acme.report; charset=iso-8859-1", "nobody knows it: ü"),
        ("wide: ü".encode("utf-16-le"), "application/vnd.acme.report; charset=utf-16", "wide: ü"),
        (b"ASCII after all", "application/vnd.acme.report; charset=utf-16", "ASCII after all"),
        ("not that: ü".encode(), "text/plain; charset=utf-16", "not that: ü"),
        (b"abc", "text/plain; charset=utf-32", "abc"),
        (
            '<?xml version="1.0" encoding="utf-16"?><a>ü</a>'.encode(),
            "text/xml",
            '<?xml version="1.0" encoding="utf-16"?><a>ü</a>',
        ),
        ("Ã¼".encode("cp1252"), "text/plain; charset=windows-1252", "Ã¼"),
        ("任意".encode("utf-16-le"), "text/plain; charset=utf-16", "任意"),
        ("联通".encode("gbk"), "text/plain; charset=gbk", "联通"),
        (b"anything", "*/*", "anything"),
    ],
)
def test_what_is_no_json_is_text(content: bytes, content_type: str | None, text: str) -> None:
    result = result_of(content, content_type)
    assert (result.kind, result.body) == ("text", text)
    assert orjson.dumps(result.body)


@pytest.mark.parametrize(
    "content_type", ["image/png", "application/octet-stream", None, "*/*", "text/*", "application/pdf"]
)
def test_binary_content_is_described_and_handed_on_in_base64(content_type: str | None) -> None:
    content = b"\x89PNG\x00\xff"
    result = result_of(content, content_type)
    assert result.kind == "binary"
    assert result.body == {
        "content_type": "application/octet-stream" if "*" in (content_type or "*") else content_type,
        "bytes": 6,
        "base64": base64.b64encode(content).decode(),
    }


@pytest.mark.parametrize(
    "content_type",
    [
        "image/png; charset=utf-8",
        "application/pdf; charset=utf-8",
        "application/vnd.openxmlformats-officedocument.wordprocessingml.document; charset=utf-8",
        "application/x-protobuf",
        "application/vnd.acme+cbor",
    ],
)
def test_what_is_known_to_be_binary_stays_bytes_whatever_they_look_like(content_type: str) -> None:
    result = result_of(b"%PDF-1.7", content_type)
    assert (result.kind, result.body["base64"]) == ("binary", base64.b64encode(b"%PDF-1.7").decode())


@pytest.mark.parametrize("content", [b"\x00text", b"\xff\xfe\x01"])
@pytest.mark.parametrize("charset", ["", "; charset=utf-8"])
def test_bytes_of_an_unknown_type_that_are_no_text_stay_bytes(content: bytes, charset: str) -> None:
    assert result_of(content, f"application/vnd.acme.report{charset}").kind == "binary"


def test_json_of_aws_is_json() -> None:
    assert result_of(b'{"a": 1}', "application/x-amz-json-1.1").body == {"a": 1}


@pytest.mark.parametrize("content_type", ["image/png", "audio/wav", "application/zip"])
def test_half_a_file_is_only_described(content_type: str) -> None:
    result = result_of(bytes(1_000), content_type, truncated=True)
    assert (result.body, result.truncated) == ({"content_type": content_type, "bytes": 1_000}, True)


@pytest.mark.parametrize(
    ("content", "content_type", "text"),
    [
        (b"123", "application/json", "123"),
        (b'{"a": 1}', "application/json", '{"a": 1}'),
        ("grü".encode()[:-1], "text/plain", "gr"),
        ("grü".encode()[:-1], None, "gr"),
        ("grü".encode("utf-16")[:-1], "text/plain; charset=utf-16", "gr"),
        ("grü".encode("utf-16-le")[:-1], "text/plain; charset=utf-16", "gr"),
        ("grü".encode("utf-32-le")[:-1], "text/plain; charset=utf-32", "gr"),
        (codecs.BOM_UTF16_BE + "grü".encode("utf-16-be")[:-1], "text/plain; charset=utf-16", "gr"),
    ],
)
def test_of_a_text_that_was_cut_nothing_is_made_up(content: bytes, content_type: str | None, text: str) -> None:
    result = result_of(content, content_type, truncated=True)
    assert (result.kind, result.body, result.truncated) == ("text", text, True)


@pytest.mark.parametrize("content_type", ["image", "image/", "image/<b>", "/", ";", "image/png image/png"])
def test_a_content_type_that_is_none_says_nothing(content_type: str) -> None:
    assert result_of(b"\xff", content_type).body["content_type"] == "application/octet-stream"
    assert result_of(b"[1]", content_type).body == [1]


def test_no_content_is_none() -> None:
    result = result_of(b"", "application/json", status=204)
    assert (result.kind, result.body, result.raw, result.is_error) == ("empty", None, b"", False)


@pytest.mark.parametrize(
    ("status", "is_error"),
    [(200, False), (299, False), (304, False), (399, False), (302, True), (400, True), (401, True), (500, True)],
)
def test_only_redirects_and_4xx_and_5xx_are_errors(status: int, is_error: bool) -> None:
    assert result_of(b"{}", status=status).is_error == is_error


@pytest.mark.parametrize(
    ("challenge", "shown"),
    [
        (
            'Bearer realm="x", error="invalid_token", error_description="no"',
            'error="invalid_token", error_description="no"',
        ),
        ('Bearer error="insufficient_scope", scope="a b"', 'error="insufficient_scope", scope="a b"'),
        ("Bearer error=invalid_token, scope=a", "error=invalid_token, scope=a"),
        ("Basic", None),
        (f'Bearer error_description="you sent {SECRET}"', None),
    ],
)
def test_of_a_challenge_the_reason_is_shown(challenge: str, shown: str | None) -> None:
    result = result_of(b"", status=401, bearer=SECRET, www_authenticate=challenge)
    assert result.headers.get("www-authenticate") == shown


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


def test_a_token_is_taken_out_of_an_error_page_that_breaks_it_where_lines_may_break() -> None:
    bearer = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJqbyJ9.c2ln"
    page = f"<html><p>Bearer {bearer.replace('.', '.<wbr>')} is unknown</p></html>"
    result = result_of(page.encode(), "text/html", status=403, bearer=bearer)
    assert result.body == "Bearer [the token that was sent] is unknown"


@pytest.mark.parametrize(
    ("before", "container", "after", "content_type"),
    [
        (b"[", b"[],", b"0]", "application/json"),
        (b'{"a":[', b'{"a":0},', b"0]}", "application/json"),
        (b"data:[", b"[],", b"0]\n\n", "text/event-stream"),
        (b"[", b"{},", b"0]\n", "application/jsonl"),
    ],
)
def test_json_of_very_many_containers_stays_a_text(
    before: bytes, container: bytes, after: bytes, content_type: str
) -> None:
    assert result_of(before + container * 49_998 + after, content_type).kind == "json"
    content = before + container * 50_000 + after
    result = result_of(content, content_type)
    assert (result.kind, result.body, result.truncated) == ("text", content.decode(), False)


@pytest.mark.extended
def test_what_an_upstream_calls_its_content_is_not_kept() -> None:
    tracemalloc.start()
    try:
        for number in range(2_000):
            result_of(b"x", f"text/plain; charset=cp{number:0900}")
            result_of(b"x", f"text/plain; a={'b' * 10_000}{number}")
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert kept < 1_000_000


@pytest.mark.parametrize("charset", ["utf-16", "utf-32-le", "utf-8"])
def test_a_token_is_taken_out_in_any_charset(charset: str) -> None:
    bearer = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJqbyJ9.c2ln"
    for content_type in ("application/json", "text/plain", "text/event-stream"):
        content = f'data: {{"you": "{bearer}"}}'.removeprefix("" if "event" in content_type else "data: ")
        result = result_of(content.encode(charset), f"{content_type}; charset={charset}; {bearer}", bearer=bearer)
        assert bearer not in f"{result.body}{result.raw!r}{result.content_type}"
        assert "the token that was sent" in str(result.body)


def test_a_token_that_is_echoed_in_escapes_is_taken_out_of_streams_too_and_depth_breaks_nothing() -> None:
    escaped = b'"\\u0065yJhbGciOiJSUzI1NiJ9"'
    for content, content_type in ((b"data: " + escaped + b"\n\n", "text/event-stream"), (escaped, "application/jsonl")):
        result = result_of(content, content_type, bearer="eyJhbGciOiJSUzI1NiJ9")
        assert "the token that was sent" in str(result.body)
        assert b"u0065" not in result.raw
    deep = b"[" * 600 + escaped + b"]" * 600
    assert result_of(deep, "application/json", bearer="eyJhbGciOiJSUzI1NiJ9").kind == "json"
    assert result_of(b"[" * 1_024 + b"]" * 1_024, "application/jsonl", bearer="eyJ").kind == "text"


def test_headers_are_bounded_in_length_and_number() -> None:
    many: dict[str, Any] = {f"x_ratelimit_{number}": "y" for number in range(100)}
    result = result_of(b"{}", f"application/json; x={'y' * 5_000}", link="z" * 5_000, **many)
    assert len(result.headers["link"]) == len(result.content_type or "") == 2_000
    assert len(result.headers) == 20
    long_name: dict[str, Any] = {f"ratelimit_{'n' * 15_000}": "1"}
    assert result_of(b"{}", "application/json", **long_name).headers == {}


def test_an_error_page_is_reduced_to_its_words() -> None:
    page = b"<!DOCTYPE html><html><head><title>502</title><style>p{}</style></head><body><p>Bad &amp; <b>broken</b>"
    for content_type in ("text/html; charset=utf-8", "application/xhtml+xml", "text/plain", None):
        assert result_of(page, content_type, status=502).body == "502\nBad & broken"
    assert result_of(page, "text/html").body == page.decode()


def test_an_error_that_is_no_json_is_shortened_and_says_so() -> None:
    long = result_of(b"x" * 100_000, "text/plain", status=500)
    assert (long.body, long.truncated) == ("x" * 8_000, True)
    short = result_of(b"x" * 8_000, "text/plain", status=500)
    assert (short.body, short.truncated) == ("x" * 8_000, False)
    assert len(result_of(b"x" * 100_000, "text/plain").body) == 100_000


def test_the_body_does_not_show_in_repr() -> None:
    assert "secret-body" not in repr(result_of(b"secret-body", "text/plain"))
