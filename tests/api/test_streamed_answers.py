"""Streams of an upstream end at the deadline or at the bound, and what came until then is the answer."""

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from itertools import count
from typing import Any

import httpx
import pytest

from tests.api.probe import Probe
from tests.api.protocol import ERAS, MODERN, client_of, post
from tests.support.installation import Headers, RunningProvider
from tests.support.scripted import Answer, scripted

pytestmark = pytest.mark.anyio

DEADLINE = 1.0
slugs = (f"scripted-{number}" for number in count())


@pytest.fixture(scope="module")
def overrides() -> dict[str, Any]:
    return {"upstream_timeout": DEADLINE, "upstream_max_bytes": 65_536}


def stream(
    content_type: str, *parts: bytes, forever: bytes = b"", every: float = 0.0, then_hang: bool = False
) -> Answer:
    """Say the parts in chunks, then `forever` again and again, or nothing more and no end."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(f"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Type: {content_type}\r\n\r\n".encode())
        for part in parts:
            writer.write(b"%x\r\n%b\r\n" % (len(part), part))
        while forever:
            writer.write(b"%x\r\n%b\r\n" % (len(forever), forever))
            await writer.drain()
            await asyncio.sleep(every)
        if then_hang:
            await reader.read()
        writer.write(b"0\r\n\r\n")
        await writer.drain()

    return answer


@asynccontextmanager
async def registered(provider: RunningProvider, admin: Headers, probe: Probe, answer: Answer) -> AsyncGenerator[str]:
    """A source whose operations all answer so."""
    slug = next(slugs)
    document = provider.http.get("/api/v1/sources/probe", headers=admin).json()["url"]
    async with scripted(answer) as server:
        await asyncio.to_thread(provider.register, admin, document, slug=slug, base_url=server.address)
        yield slug


async def told(provider: RunningProvider, agent: Headers, slug: str) -> dict[str, Any]:
    """What REST and MCP say of one call each: events, whether more were to come, structured content by era."""
    rest = await asyncio.to_thread(provider.execute, agent, f"{slug}/hang")
    assert rest.status_code == 200, rest.text
    by_mcp: dict[str, httpx.Response] = {}
    for era in ERAS:
        by_mcp[era] = await asyncio.to_thread(post, provider, agent, "tools/call", era, name=f"{slug}__hang")
    results = {era: answer.json()["result"] for era, answer in by_mcp.items()}
    structured = [
        result["structuredContent"] if era == MODERN else result["structuredContent"]["result"]
        for era, result in results.items()
    ]
    assert structured == [rest.json()["result"]] * 2 or rest.json()["truncated"]
    for result in results.values():
        assert not result.get("isError", False)
        assert any("cut off" in content["text"] for content in result["content"]) == rest.json()["truncated"]
    return dict(rest.json())


async def test_a_stream_that_ends_is_told_whole(
    provider: RunningProvider, admin: Headers, probe: Probe, agent: Headers
) -> None:
    parts = (b'data: {"n": 1}\n\nev', b"ent: done\nda", b"ta: bye\n\n")
    async with registered(provider, admin, probe, stream("text/event-stream; charset=utf-8", *parts)) as slug:
        answer = await told(provider, agent, slug)
        async with client_of(provider, agent, "auto") as client:
            result = await client.call_tool(f"{slug}__hang", {})
    assert answer["result"] == [{"data": {"n": 1}}, {"event": "done", "data": "bye"}] == result.structured_content
    assert (answer["truncated"], answer["content_type"]) == (False, "text/event-stream; charset=utf-8")


@pytest.mark.parametrize(
    ("content_type", "part", "value"),
    [
        ("text/event-stream", b"data: tick\n\n", {"data": "tick"}),
        ("application/x-ndjson", b'{"n": 1}\n', {"n": 1}),
        ("application/json-seq", b'\x1e{"n": 1}\n', {"n": 1}),
    ],
)
async def test_a_stream_without_end_is_told_up_to_the_deadline(
    provider: RunningProvider,
    admin: Headers,
    probe: Probe,
    agent: Headers,
    content_type: str,
    part: bytes,
    value: dict[str, Any],
) -> None:
    async with registered(provider, admin, probe, stream(content_type, forever=part, every=0.05)) as slug:
        before = time.monotonic()
        answer = await told(provider, agent, slug)
        assert DEADLINE * 3 <= time.monotonic() - before < DEADLINE * 3 + 5
    assert answer["truncated"] is True
    assert len(answer["result"]) >= 3
    assert all(each == value for each in answer["result"])


async def test_a_stream_without_end_is_told_up_to_the_bound(
    provider: RunningProvider, admin: Headers, probe: Probe, agent: Headers
) -> None:
    part = b"data: " + b"x" * 1_000 + b"\n\n"
    async with registered(provider, admin, probe, stream("text/event-stream", forever=part)) as slug:
        answer = await told(provider, agent, slug)
    assert answer["truncated"] is True
    assert [len(each["data"]) for each in answer["result"]] == [1_000] * (65_536 // len(part))


async def test_a_stream_that_says_nothing_is_an_empty_list(
    provider: RunningProvider, admin: Headers, probe: Probe, agent: Headers
) -> None:
    async with registered(provider, admin, probe, stream("text/event-stream", then_hang=True)) as slug:
        answer = await told(provider, agent, slug)
    assert (answer["result"], answer["truncated"]) == ([], True)


async def test_what_is_no_stream_still_ends_in_an_error_at_the_deadline(
    provider: RunningProvider, admin: Headers, probe: Probe, agent: Headers
) -> None:
    async with registered(provider, admin, probe, stream("application/json", b"[1,", then_hang=True)) as slug:
        answer = await asyncio.to_thread(provider.execute, agent, f"{slug}/hang")
    assert (answer.status_code, answer.json()["code"]) == (504, "upstream_timeout")


async def test_streams_cut_at_the_deadline_do_not_open_the_breaker(
    provider: RunningProvider, admin: Headers, probe: Probe, agent: Headers
) -> None:
    async with registered(provider, admin, probe, stream("text/event-stream", then_hang=True)) as slug:
        calls = [asyncio.to_thread(provider.execute, agent, f"{slug}/hang") for _ in range(6)]
        assert {answer.status_code for answer in await asyncio.gather(*calls)} == {200}
        again = await asyncio.to_thread(provider.execute, agent, f"{slug}/hang")
    assert again.status_code == 200
