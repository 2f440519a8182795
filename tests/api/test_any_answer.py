"""Whatever bytes an upstream sends, our answer at both doors is valid JSON, bounded, and keeps its promises."""

import asyncio
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import jsonschema
import pytest
from anyio.from_thread import start_blocking_portal
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.api.probe import Probe
from tests.api.protocol import ERAS, post
from tests.support.installation import Headers, RunningProvider
from tests.support.scripted import scripted

MOST_BYTES = 4_096
LARGEST_ANSWER = 16 * MOST_BYTES + 32_768  # as JSON in JSON, with the largest headers that are passed on
FORBIDDEN = ("session=1", "Basic realm", "127.0.0.1")


@pytest.fixture(scope="module")
def overrides() -> dict[str, Any]:
    return {"upstream_max_bytes": MOST_BYTES, "upstream_timeout": 5, "circuit_breaker_failure_threshold": 1_000_000}


@dataclass
class Saying:
    """An upstream of the slug `any` that says `answer`, byte by byte as it stands there, and closes."""

    answer: bytes = b""

    async def __call__(self, _reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(self.answer)
        await writer.drain()


@pytest.fixture(scope="module")
def saying(provider: RunningProvider, admin: Headers, probe: Probe) -> Iterator[Saying]:
    upstream = Saying()
    document = provider.http.get("/api/v1/sources/probe", headers=admin).json()["url"]
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(scripted(upstream)) as server:
        provider.register(admin, document, slug="any", base_url=server.address)
        yield upstream


@pytest.fixture(scope="module")
def promises(provider: RunningProvider, agent: Headers, saying: Saying) -> dict[str, dict[str, Any]]:
    """The output schema of the tool in each era."""
    found = {}
    for era in ERAS:
        (tool,) = [
            tool
            for tool in post(provider, agent, "tools/list", era).json()["result"]["tools"]
            if tool["name"] == "any__pizza"
        ]
        found[era] = tool["outputSchema"]
    return found


MEDIA_TYPES = st.sampled_from(
    [
        *("application/json", "application/problem+json", "text/plain", "text/html", "text/event-stream"),
        *("application/x-ndjson", "application/json-seq", "image/png", "audio/ogg", "application/pdf"),
        *("application/octet-stream", "multipart/mixed; boundary=x", "image/svg+xml", "text/csv", "", "x", "/;=;"),
    ]
)
PARAMETERS = st.sampled_from(
    ["", "; charset=utf-8", "; charset=utf-16", "; charset=latin-1", "; charset=idna", "; charset=utf-7", ";charset"]
)
NAMES = st.sampled_from(
    ["Link", "Retry-After", "ETag", "Location", "X-RateLimit-Left", "RateLimit", "X-Other", "Content-Language"]
)
HEADER_VALUES = st.text(st.characters(min_codepoint=32, max_codepoint=255, exclude_characters="\x7f"), max_size=3_000)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.sampled_from(["name", "title", "errors"]), inner),
    max_leaves=20,
)
PIECES = st.sampled_from(
    [b"data: ", b"\n\n", b"event: x\n", b"\x1e", b'{"name": "x"}\n', b"\xff\xfe", b"<p>", b"<script>", b"\x00", b"\r"]
)
BODIES = st.one_of(
    st.binary(),
    JSON.map(lambda value: json.dumps(value).encode()),
    JSON.map(lambda value: json.dumps(value, ensure_ascii=False).encode(errors="surrogatepass")),
    st.lists(PIECES | st.binary(max_size=5), max_size=40).map(b"".join),
    st.tuples(st.binary(min_size=1, max_size=8), st.integers(100, 3_000)).map(lambda part: part[0] * part[1]),
    st.integers(1, 2_000).map(lambda depth: b"[" * depth + b"]" * depth),
)


@st.composite
def answers(draw: st.DrawFn) -> bytes:
    body: bytes = draw(BODIES)
    lines = [f"HTTP/1.1 {draw(st.integers(200, 599))} X", "Set-Cookie: session=1", "WWW-Authenticate: Basic realm=x"]
    lines.append(f"Content-Type: {draw(MEDIA_TYPES)}{draw(PARAMETERS)}")
    lines += [f"{draw(NAMES)}: {draw(HEADER_VALUES)}" for _ in range(draw(st.integers(0, 4)))]
    length = draw(st.sampled_from(["right", "right", "right", "none", "too long"]))
    if length != "none":
        lines.append(f"Content-Length: {len(body) + (length == 'too long')}")
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


def strict(text: str) -> Any:
    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is no JSON")

    return json.loads(text, parse_constant=refuse)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(answer=answers() | st.binary(max_size=200))
@example(answer=b"HTTP/1.1 200 X\r\nContent-Type: application/json\r\n\r\n" + b"[" * 900 + b"]" * 900)
@example(answer=b"HTTP/1.1 200 X\r\nContent-Type: text/plain\r\n\r\n" + b"\x00" * 5_000)
@example(answer=b"HTTP/1.1 404 X\r\nContent-Type: application/json\r\n\r\n" + b'{"title": "\xf0\x9f\x8d\x95"}')
@example(answer=b"HTTP/1.1 200 X\r\nContent-Type: application/json\r\n\r\n1e400")
@example(answer=b"HTTP/1.1 200 X\r\nContent-Type: text/plain; charset=utf-16\r\n\r\n" + b"x" * 5_000)
def test_any_answer_becomes_valid_json_within_bounds(
    provider: RunningProvider,
    saying: Saying,
    promises: dict[str, dict[str, Any]],
    agent: Headers,
    answer: bytes,
) -> None:
    saying.answer = answer
    rest = provider.execute(agent, "any/pizza", name="x")
    told = strict(rest.text)
    assert rest.status_code in {200, 502}
    assert (rest.status_code == 200) == ("result" in told)
    assert len(rest.content) <= LARGEST_ANSWER
    for era, promise in promises.items():
        by_mcp = post(provider, agent, "tools/call", era, name="any__pizza", arguments={"name": "x"})
        assert by_mcp.status_code == 200
        assert len(by_mcp.content) <= LARGEST_ANSWER
        result = strict(by_mcp.text)["result"]
        assert result["content"] or "result" not in told
        if "result" in told:
            assert result.get("isError", False) == told["is_error"]
            assert result["_meta"]["upstream_status"] == told["upstream_status"]
            jsonschema.validate(result["structuredContent"], promise)
        else:
            assert result["isError"] is True
            assert result["_meta"]["code"] == told["code"]
        assert not any(text in by_mcp.text + rest.text for text in FORBIDDEN)
