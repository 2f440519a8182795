"""What an agent gets when an upstream answers something unusual, at both doors (rows U02, U03)."""

import base64
import json
from typing import Any

import httpx
import pytest

from tests.api.probe import Probe
from tests.api.protocol import ERAS, post
from tests.installation import Headers, RunningProvider

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


def test_binary_content_is_described_and_images_are_images(
    provider: RunningProvider, probe: Probe, agent: Headers
) -> None:
    content = bytes(range(256))
    encoded = base64.b64encode(content).decode()
    probe.tell("body", 200, content, content_type="application/pdf")
    got = answers(provider, agent)
    described = got.pop("rest").json()["result"]
    assert described == {"content_type": "application/pdf", "bytes": 256, "base64": encoded}
    for answer in got.values():
        assert json.loads(answer.json()["result"]["content"][0]["text"]) == described
    probe.tell("body", 200, content, content_type="image/png")
    got = answers(provider, agent)
    for era in ERAS:
        (image,) = got[era].json()["result"]["content"]
        assert (image["type"], image["mimeType"], image["data"]) == ("image", "image/png", encoded)


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
            assert (result["upstream_status"], result["is_error"]) == (status, status >= 400)
        else:
            assert result["_meta"]["upstream_status"] == status
            assert result.get("isError", False) is (status >= 400)
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
