"""What an agent gets when an upstream answers something unusual, at both doors (rows U02, U03)."""

import base64
import json
from typing import Any

import httpx
import pytest

from tests.api.probe import Probe
from tests.api.protocol import ERAS, post
from tests.support.installation import Headers, RunningProvider

BODIES: dict[str, tuple[bytes, str, Any]] = {
    "object": (b'{"a": 1.50}', "application/json", {"a": 1.5}),
    "array": (b"[1, null]", "application/json", [1, None]),
    "scalar": (b"true", "application/json", True),
    "big number": (b"123456789012345678", "application/json", 123456789012345678),
    "problem": (b'{"title": "x"}', "application/problem+json", {"title": "x"}),
    "byte order mark": (b'\xef\xbb\xbf{"a": 1}', "application/json", {"a": 1}),
    "NaN": (b'{"a": NaN}', "application/json", '{"a": NaN}'),
    "broken JSON": (b'{"a": ', "application/json", '{"a": '),
    "empty": (b"", "application/json", None),
    "text": ("grüß".encode(), "text/plain; charset=utf-8", "grüß"),
    "latin": ("grüß".encode("latin-1"), "text/plain; charset=iso-8859-1", "grüß"),
    "page": (b"<h1>hi</h1>", "text/html", "<h1>hi</h1>"),
    "half a surrogate": (b'"\\ud800"', "application/json", '"\\ud800"'),
}


def answers(provider: RunningProvider, agent: Headers) -> dict[str, httpx.Response]:
    by_mcp = {
        era: post(provider, agent, "tools/call", era, name="probe__as_told", arguments={"name": "body"}) for era in ERAS
    }
    return {"rest": provider.execute(agent, "probe/as_told", name="body"), **by_mcp}


def strict(text: str) -> Any:
    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is no JSON")

    return json.loads(text, parse_constant=refuse)


@pytest.mark.parametrize(("body", "content_type", "expected"), BODIES.values(), ids=BODIES)
def test_u02_any_body_is_valid_json_on_our_wire(
    provider: RunningProvider, probe: Probe, agent: Headers, body: bytes, content_type: str, expected: Any
) -> None:
    probe.tell("body", 200, body, content_type=content_type)
    got = answers(provider, agent)
    rest = strict(got.pop("rest").text)
    assert (rest["result"], rest["content_type"], rest["is_error"]) == (expected, content_type, False)
    for answer in got.values():
        result = strict(answer.text)["result"]
        assert result.get("isError", False) is False
        (content,) = result["content"]
        assert content["type"] == "text"
        if expected is None:
            assert "without content" in content["text"]
        elif isinstance(expected, str):
            assert content["text"] == expected
        else:
            assert json.loads(content["text"].lstrip("\ufeff")) == expected


@pytest.mark.parametrize(("content_type", "kind"), [("image/png", "image"), ("audio/wav", "audio")])
def test_images_and_sound_come_as_such(
    provider: RunningProvider, probe: Probe, agent: Headers, content_type: str, kind: str
) -> None:
    encoded = base64.b64encode(bytes(range(256))).decode()
    probe.tell("body", 200, bytes(range(256)), content_type=content_type)
    got = answers(provider, agent)
    assert got["rest"].json()["result"] == {"content_type": content_type, "bytes": 256, "base64": encoded}
    for era in ERAS:
        result = got[era].json()["result"]
        assert result["content"] == [{"type": kind, "mimeType": content_type, "data": encoded}]
        assert "structuredContent" not in result


def test_other_files_come_in_the_result_and_lie_nowhere_else(
    provider: RunningProvider, probe: Probe, agent: Headers
) -> None:
    content = bytes(range(256))
    encoded = base64.b64encode(content).decode()
    probe.tell("body", 200, content, content_type="application/pdf")
    got = answers(provider, agent)
    described = got.pop("rest").json()["result"]
    assert described == {"content_type": "application/pdf", "bytes": 256, "base64": encoded}
    for answer in got.values():
        text, resource = answer.json()["result"]["content"]
        assert json.loads(text["text"]) == {"content_type": "application/pdf", "bytes": 256}
        assert resource["resource"] == {
            "uri": "tool-result:probe/as_told",
            "mimeType": "application/pdf",
            "blob": encoded,
        }
    reading = post(provider, agent, "resources/read", uri="tool-result:probe/as_told")
    assert "error" in reading.json()
    assert encoded not in reading.text


def test_a_file_that_is_too_long_is_only_described(provider: RunningProvider, probe: Probe, agent: Headers) -> None:
    probe.tell("body", 200, b"\xff" * 1_048_577, content_type="image/png")
    got = answers(provider, agent)
    described = {"content_type": "image/png", "bytes": 1_048_576}
    rest = got.pop("rest").json()
    assert (rest["result"], rest["truncated"]) == (described, True)
    for answer in got.values():
        note, text = answer.json()["result"]["content"]
        assert "cut off" in note["text"]
        assert json.loads(text["text"]) == described


def test_json_that_is_nested_too_deep_for_clients_comes_as_text(
    provider: RunningProvider, probe: Probe, agent: Headers
) -> None:
    for depth, structured in ((150, True), (230, True), (260, False), (1_000, False)):
        body = b"[" * depth + b"]" * depth
        probe.tell("body", 200, body)
        got = answers(provider, agent)
        assert body in got.pop("rest").content
        for answer in got.values():
            result = answer.json()["result"]
            assert [content["text"] for content in result["content"]] == [body.decode()]
            assert ("structuredContent" in result) == structured


@pytest.mark.parametrize("status", [201, 202, 204, 301, 302, 400, 401, 403, 404, 409, 429, 451])
def test_u03_a_status_is_told_and_never_becomes_ours(
    provider: RunningProvider, probe: Probe, agent: Headers, status: int
) -> None:
    body = b"" if status == 204 else b'{"said": true}'
    probe.tell(
        "body",
        status,
        body,
        set_cookie="session=1",
        www_authenticate="Basic",
        location="http://127.0.0.1:1/elsewhere",
        retry_after="7",
    )
    for door, answer in answers(provider, agent).items():
        assert answer.status_code == 200
        assert {"set-cookie", "www-authenticate", "location", "retry-after"}.isdisjoint(answer.headers)
        result = answer.json() if door == "rest" else answer.json()["result"]
        if door == "rest":
            assert (result["upstream_status"], result["is_error"]) == (status, status >= 300)
            assert result["headers"]["retry-after"] == "7"
            assert set(result["headers"]) <= {"retry-after", "location"}
        else:
            assert result["_meta"]["upstream_status"] == status
            assert result.get("isError", False) is (status >= 300)
            assert result["_meta"]["headers"]["retry-after"] == "7"
            assert set(result["_meta"]["headers"]) <= {"retry-after", "location"}


def test_a_token_that_the_upstream_echoes_is_taken_out(provider: RunningProvider, probe: Probe, agent: Headers) -> None:
    value = agent["Authorization"].removeprefix("Bearer ")
    probe.tell("body", 500, {"you sent": value})
    for answer in answers(provider, agent).values():
        assert value not in answer.text


def test_a_long_answer_is_cut_and_says_so(provider: RunningProvider, probe: Probe, agent: Headers) -> None:
    probe.tell("body", 200, b"x" * 2_000_000, content_type="text/plain")
    got = answers(provider, agent)
    assert got["rest"].json()["truncated"] is True
    for era in ERAS:
        assert "cut off" in got[era].json()["result"]["content"][0]["text"]


def test_headers_that_a_caller_needs_are_there_at_both_doors(
    provider: RunningProvider, probe: Probe, agent: Headers
) -> None:
    needed = {
        "link": '</menu?page=2>; rel="next"',
        "retry-after": "3",
        "ratelimit": '"default";r=50;t=30',
        "x-ratelimit-remaining": "4",
        "location": "/orders/1",
        "etag": '"v1"',
    }
    probe.tell("body", 200, {}, **{name.replace("-", "_"): value for name, value in needed.items()}, x_powered_by="x")
    got = answers(provider, agent)
    assert got.pop("rest").json()["headers"] == needed
    for answer in got.values():
        assert answer.json()["result"]["_meta"]["headers"] == needed


SAID_IN_HEADERS = {
    "retry-after": ("120", "Retry-After: 120"),
    "location": ("/orders/4711", "Location: /orders/4711"),
    "operation-location": ("/jobs/1", "Operation-Location: /jobs/1"),
    "azure-asyncoperation": ("https://x.example/2", "Azure-AsyncOperation: https://x.example/2"),
    "x-total-count": ("4711", "X-Total-Count: 4711"),
    "etag": ('W/"7"', 'ETag: W/"7"'),
    "link": ('</m?page=1>; rel="prev", </m?a=1,2&page=3>; title="x"; rel=next', 'Link: </m?a=1,2&page=3>; rel="next"'),
    "www-authenticate": (
        'Bearer error="invalid_token", error_description="Not ours."',
        'error_description="Not ours."',
    ),
}


def texts_of(answer: httpx.Response) -> list[str]:
    return [content["text"] for content in answer.json()["result"]["content"] if content["type"] == "text"]


@pytest.mark.parametrize("status", [200, 201, 401, 429, 503])
@pytest.mark.parametrize("name", SAID_IN_HEADERS)
def test_what_a_model_needs_of_the_headers_is_in_the_text(
    provider: RunningProvider, probe: Probe, agent: Headers, status: int, name: str
) -> None:
    value, told = SAID_IN_HEADERS[name]
    probe.tell("body", status, {"said": True}, **{name.replace("-", "_"): value})
    got = answers(provider, agent)
    assert name in got.pop("rest").json()["headers"]
    for answer in got.values():
        first, second = texts_of(answer)
        words, said = (second, first) if status < 400 else (first, second)
        assert told in words
        assert json.loads(said) == {"said": True}


def test_a_link_that_leads_to_no_next_page_is_left_out_of_the_text(
    provider: RunningProvider, probe: Probe, agent: Headers
) -> None:
    probe.tell("body", 200, [], link='</m?page=1>; rel="prev", </next>; rel="nextcloud"')
    got = answers(provider, agent)
    del got["rest"]
    for answer in got.values():
        assert texts_of(answer) == ["[]"]


@pytest.mark.parametrize("relation", ["next-archive", "nextcloud", "x-next"])
def test_relations_that_only_look_like_next_are_none(
    provider: RunningProvider, probe: Probe, agent: Headers, relation: str
) -> None:
    probe.tell("body", 200, [], link=f'</m>; rel="{relation}"')
    got = answers(provider, agent)
    del got["rest"]
    for answer in got.values():
        assert texts_of(answer) == ["[]"]


def test_a_header_that_was_cut_says_so(provider: RunningProvider, probe: Probe, agent: Headers) -> None:
    probe.tell("body", 201, {}, location="/orders/" + "1" * 3_000)
    for answer in answers(provider, agent).values():
        assert r"1\u2026" in json.dumps(answer.json())


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("place", ["https://login.example.com/?next=%2Fmenu", "/v2/menu", None])
@pytest.mark.parametrize("body", [b"", b"<h1>Sign in</h1>", b'{"moved": true}'], ids=["nothing", "page", "JSON"])
def test_a_redirect_is_an_error_that_says_where_it_leads(
    provider: RunningProvider,
    probe: Probe,
    agent: Headers,
    admin: Headers,
    status: int,
    place: str | None,
    body: bytes,
) -> None:
    kind = "text/html" if body.startswith(b"<") else "application/json"
    probe.tell("body", status, body, content_type=kind, **({"location": place} if place else {}))
    got = answers(provider, agent)
    rest = got.pop("rest").json()
    told = [(rest["result"], rest["is_error"], rest["trace_id"])]
    for answer in got.values():
        result = answer.json()["result"]
        assert result["_meta"]["code"] == "upstream_redirect"
        assert "structuredContent" not in result
        told.append((texts_of(answer)[0], result["isError"], result["_meta"]["trace_id"]))
    for text, is_error, trace in told:
        assert is_error is True
        assert (f"points to {place}." if place else "points elsewhere.") in text
        assert text.startswith("It may have been done" if status == 303 else "Nothing was done")
        assert "base_url" in text
        (record,) = [each for each in provider.audit(admin, limit=10) if each["trace_id"] == trace]
        assert record["outcome"] == "upstream_redirect"


@pytest.mark.parametrize(
    ("said", "kind", "first"),
    [
        (b"upstream request timeout", "text/plain", "The upstream answered 400: upstream request timeout"),
        (b"\n no\nhealthy  upstream\n", "text/plain", "The upstream answered 400: no healthy upstream"),
        (b"<html><body><h1>Bad</h1><p>gateway", "text/html", "The upstream answered 400: Bad gateway"),
        (b'{"x": [1]}', "application/json", 'The upstream answered 400: {"x": [1]}'),
        (b'{"detail": "always"}', "application/json", "The upstream answered 400: always"),
        (b'{"detail": ', "application/json", 'The upstream answered 400: {"detail":'),
        (b"", "application/json", "The upstream answered 400 without content."),
        (b"  ", "text/plain", "The upstream answered 400 without content."),
        (b"\x89PNG", "image/png", "The upstream answered 400 with 4 bytes of image/png."),
    ],
)
def test_the_first_line_has_the_words_of_an_error(
    provider: RunningProvider, probe: Probe, agent: Headers, said: bytes, kind: str, first: str
) -> None:
    probe.tell("body", 400, said, content_type=kind)
    got = answers(provider, agent)
    del got["rest"]
    for answer in got.values():
        assert texts_of(answer)[0].split("\n")[0] == first


@pytest.mark.parametrize("arguments", [{"name": "body"}, {"nome": "body"}, {"name": "gone"}])
@pytest.mark.parametrize("meta", [{}, {"_meta": {"traceparent": "garbage"}}])
@pytest.mark.parametrize("era", ERAS)
def test_a_result_has_the_trace_id_of_its_audit_record(
    provider: RunningProvider,
    probe: Probe,
    agent: Headers,
    admin: Headers,
    era: str,
    arguments: dict[str, str],
    meta: dict[str, Any],
) -> None:
    probe.tell("body", 200, {})
    answer = post(provider, agent, "tools/call", era, name="probe__as_told", arguments=arguments, **meta)
    trace = answer.json()["result"]["_meta"]["trace_id"]
    (record,) = [each for each in provider.audit(admin, limit=10) if each["trace_id"] == trace]
    assert (len(trace), record["tool"]) == (32, "probe/as_told")


@pytest.mark.parametrize("size", [300, 30])
def test_integers_beyond_64_bits_are_exact_in_text_and_structured_content(
    provider: RunningProvider, probe: Probe, agent: Headers, size: int
) -> None:
    said = {"id": 123456789012345678901234567890, "next": 9007199254740993, "more": [{}] * size}
    probe.tell("body", 200, said)
    got = answers(provider, agent)
    assert got.pop("rest").json()["result"] == said
    for answer in got.values():
        result = answer.json()["result"]
        assert json.loads(texts_of(answer)[0]) == result["structuredContent"] == said


def test_an_error_says_in_words_what_is_wrong_and_stays_json(
    provider: RunningProvider, probe: Probe, agent: Headers
) -> None:
    said = {"title": "Out of stock", "detail": "No basil.", "errors": [{"pointer": "/items/0", "detail": "sold out"}]}
    probe.tell("body", 409, said, content_type="application/problem+json")
    got = answers(provider, agent)
    assert got.pop("rest").json()["result"] == said
    for answer in got.values():
        result = answer.json()["result"]
        words, whole = result["content"]
        assert words["text"] == "The upstream answered 409: Out of stock. No basil\n- /items/0: sold out"
        assert json.loads(whole["text"]) == result["structuredContent"] == said
        assert result["_meta"]["upstream_status"] == 409


def test_a_large_error_does_not_flood_a_model(provider: RunningProvider, probe: Probe, agent: Headers) -> None:
    said = {"message": "No.", "trace": "x" * 500_000}
    probe.tell("body", 400, said)
    got = answers(provider, agent)
    assert got.pop("rest").json()["result"] == said
    for answer in got.values():
        assert len(answer.content) < 10_000
        words, some = answer.json()["result"]["content"]
        assert words["text"].startswith("The upstream answered 400: No\n")
        assert "cut off" in words["text"]
        assert some["text"] == json.dumps(said)[:8_000]
    page = b"<html><script>" + b"x" * 500_000 + b"</script><h1>Bad gateway</h1>" + b"<p>again</p>" * 10_000
    probe.tell("body", 403, page, content_type="text/html")
    for door, answer in answers(provider, agent).items():
        assert len(answer.content) < 12_000
        told = answer.json() if door == "rest" else answer.json()["result"]
        text = told["result"] if door == "rest" else told["content"][1]["text"]
        assert text.startswith("Bad gateway\nagain\nagain")
        assert told.get("truncated", True) is True
