"""For hosts that read one page of tools and add arguments of their own."""

from collections.abc import Iterator
from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from tests.api.conftest import Start
from tests.api.probe import Probe
from tests.api.protocol import ERAS, post
from tests.support.installation import Headers, RunningProvider
from tests.support.servers import running

OF_N8N = {"toolCallId": "call_1", "sessionId": "s", "action": "sendMessage", "chatInput": [{"a": 1}]}
MANY = 1_001


def many(number: int, parameters: int) -> dict[str, Any]:
    taken = [
        {"name": f"p{each}", "in": "query", "description": "x" * 900, "schema": {"type": "string"}}
        for each in range(parameters)
    ]
    paths = {
        f"/{each}": {"get": {"operationId": f"tool_{each:04}", "parameters": taken, "responses": {}}}
        for each in range(number)
    }
    return {"openapi": "3.1.0", "info": {"title": "Many", "version": "1"}, "paths": paths}


@pytest.fixture(scope="module")
def documents() -> Iterator[str]:
    """Where a document of so many tools, each of so many kilobytes, is at `/{number}/{kilobytes}`."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            number, kilobytes = Request(scope).url.path.strip("/").split("/")
            answer: Response = JSONResponse(many(int(number), int(kilobytes)))
            await answer(scope, receive, send)

    with running(app) as address:
        yield address


def pages(provider: RunningProvider, agent: Headers, era: str) -> list[list[str]]:
    found: list[list[str]] = []
    cursor: dict[str, str] = {}
    while True:
        answer = post(provider, agent, "tools/list", era, **cursor)
        assert len(answer.content) <= 8_100_000
        result = answer.json()["result"]
        found.append([tool["name"] for tool in result["tools"]])
        if "nextCursor" not in result:
            return found
        cursor = {"cursor": result["nextCursor"]}


def test_a_page_has_a_thousand_tools_unless_the_setting_says_otherwise(
    start: Start, documents: str, admin: Headers, agent: Headers
) -> None:
    every = [f"many__tool_{each:04}" for each in range(MANY)]
    provider = start()
    provider.register(admin, f"{documents}/{MANY}/0", slug="many", base_url=documents)
    for era in ERAS:
        found = pages(provider, agent, era)
        assert [len(page) for page in found] == [1_000, 1]
        assert [name for page in found for name in page] == every
    assert [len(page) for page in pages(start(mcp_page_size=500), agent, ERAS[0])] == [500, 500, 1]


@pytest.mark.extended
def test_a_page_also_ends_at_8_mb(start: Start, documents: str, admin: Headers, agent: Headers) -> None:
    provider = start()
    for slug in ("one", "two"):
        provider.register(admin, f"{documents}/220/25", slug=slug, base_url=documents)
    found = pages(provider, agent, ERAS[0])
    assert len(found) == 2
    assert len({name for page in found for name in page}) == 440


@pytest.mark.parametrize("era", ERAS)
def test_unknown_arguments_are_refused_by_default(
    provider: RunningProvider, probe: Probe, agent: Headers, era: str
) -> None:
    arguments = {"text": "hello", **OF_N8N}
    result = post(provider, agent, "tools/call", era, name="probe__echo", arguments=arguments).json()["result"]
    assert result["isError"] is True
    assert {each["pointer"] for each in result["_meta"]["violations"]} == {f"/{name}" for name in OF_N8N}


def test_unknown_arguments_are_dropped_where_the_setting_says_so(
    start: Start, probe_address: tuple[Probe, str], admin: Headers, agent: Headers
) -> None:
    probe, address = probe_address
    provider = start(unknown_arguments="drop")
    provider.register(admin, f"{address}/openapi.json", slug="probe")
    arguments = {"text": "hello", **OF_N8N}
    for era in ERAS:
        result = post(provider, agent, "tools/call", era, name="probe__echo", arguments=arguments).json()["result"]
        assert result["structuredContent"]["query"] == {"text": "hello"}
    assert provider.execute(agent, "probe/echo", **arguments).json()["result"]["query"] == {"text": "hello"}
    assert probe.seen[-1]["query"] == {"text": "hello"}
    for given, meant in ({"textt": "a"}, "text"), ({"nubmer": 1, **OF_N8N}, "number"), ({"Text": "a"}, "text"):
        result = post(provider, agent, "tools/call", name="probe__echo", arguments=given).json()["result"]
        assert result["isError"] is True, "what is likely misspelt is not left out"
        (violation,) = result["_meta"]["violations"]
        assert f"did you mean {meant!r}?" in violation["detail"]
    beside = post(provider, agent, "tools/call", name="probe__echo", arguments={"textt": "a", "text": "b"})
    assert beside.json()["result"]["structuredContent"]["query"] == {"text": "b"}
    wrong = post(provider, agent, "tools/call", name="probe__echo", arguments={"number": "x", "action": 10**30})
    assert [each["pointer"] for each in wrong.json()["result"]["_meta"]["violations"]] == ["/number"]
