"""The MCP door as the SDK's client sees it, in both eras of the protocol."""

import json

import pytest
from mcp import Client
from mcp.shared.exceptions import MCPError
from mcp_types import TextContent

from tests.api.probe import Probe
from tests.api.protocol import client_of
from tests.support.installation import Headers, RunningProvider, Token, bearer

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("probe")]
MODES = ["auto", "2026-07-28", "legacy"]


@pytest.fixture(params=MODES)
def mode(request: pytest.FixtureRequest) -> str:
    return str(request.param)


async def names_of(client: Client) -> list[str]:
    return [tool.name for tool in (await client.list_tools()).tools]


async def test_the_list_shows_what_the_caller_may_see(
    provider: RunningProvider, agent: Headers, token: Token, mode: str
) -> None:
    async with client_of(provider, agent, mode) as client:
        seen = await names_of(client)
    async with client_of(provider, bearer(token("manager")), mode) as client:
        seen_by_manager = await names_of(client)
    assert seen == sorted(seen)
    assert {"probe__echo", "scoped__echo"} <= set(seen)
    assert {name for name in seen_by_manager if name not in seen} == {
        name.replace("probe__", "managers__") for name in seen if name.startswith("probe__")
    }


async def test_a_tool_says_what_it_takes(provider: RunningProvider, agent: Headers, mode: str) -> None:
    async with client_of(provider, agent, mode) as client:
        tools = {tool.name: tool for tool in (await client.list_tools()).tools}
    echo = tools["probe__echo"]
    assert echo.input_schema["type"] == "object"
    assert set(echo.input_schema["properties"]) == {"text", "number"}
    assert "x-mcp-header" not in str(echo.input_schema)
    assert echo.annotations is not None
    assert echo.annotations.read_only_hint is True


async def test_a_call_gives_text_and_structured_content(provider: RunningProvider, agent: Headers, mode: str) -> None:
    async with client_of(provider, agent, mode) as client:
        result = await client.call_tool("probe__echo", {"text": "hello"})
    assert result.is_error is False
    assert result.structured_content["query"] == {"text": "hello"}
    (content,) = result.content
    assert isinstance(content, TextContent)
    assert json.loads(content.text) == result.structured_content
    assert result.meta is not None
    assert result.meta["upstream_status"] == 200


async def test_an_array_is_structured_content_that_the_era_allows(
    provider: RunningProvider, probe: Probe, agent: Headers, mode: str
) -> None:
    probe.tell("array", 200, [1, 2])
    async with client_of(provider, agent, mode) as client:
        result = await client.call_tool("probe__as_told", {"name": "array"})
    assert result.structured_content == ({"result": [1, 2]} if mode == "legacy" else [1, 2])


async def test_an_unknown_tool_and_an_invisible_one_look_the_same(
    provider: RunningProvider, agent: Headers, mode: str
) -> None:
    refusals = []
    async with client_of(provider, agent, mode) as client:
        for name in ("probe__nope", "nope", "managers__echo", "probe/echo"):
            with pytest.raises(MCPError) as refusal:
                await client.call_tool(name, {})
            refusals.append(refusal.value.error)
    assert refusals[0].code == -32602
    assert "List the tools" in refusals[0].message
    traces = {refusal.data.pop("trace_id") for refusal in refusals}
    assert refusals == [refusals[0]] * 4
    assert len(traces) == 4


async def test_wrong_arguments_are_a_result_that_a_model_can_act_on(
    provider: RunningProvider, agent: Headers, mode: str
) -> None:
    async with client_of(provider, agent, mode) as client:
        result = await client.call_tool("probe__echo", {"txt": "hello", "number": "three"})
    assert result.is_error is True
    assert result.meta is not None
    assert result.meta["code"] == "invalid_arguments"
    assert {violation["pointer"] for violation in result.meta["violations"]} == {"/txt", "/number"}
    (content,) = result.content
    assert isinstance(content, TextContent)
    assert "text" in content.text
    assert content.text.count("/number") == 1


async def test_of_many_wrong_arguments_each_is_told_once(provider: RunningProvider, agent: Headers, mode: str) -> None:
    wrong = [f"unknown{number}" for number in range(7)]
    async with client_of(provider, agent, mode) as client:
        result = await client.call_tool("probe__echo", dict.fromkeys(wrong, 1) | {"text": "hello"})
    (content,) = result.content
    assert isinstance(content, TextContent)
    assert [content.text.count(f"/{name}") for name in wrong] == [1] * 7


async def test_an_error_of_the_upstream_is_a_result_with_its_status(
    provider: RunningProvider, probe: Probe, agent: Headers, mode: str
) -> None:
    probe.tell("teapot", 418, {"reason": "short and stout"})
    async with client_of(provider, agent, mode) as client:
        result = await client.call_tool("probe__as_told", {"name": "teapot"})
    assert result.is_error is True
    assert result.meta is not None
    assert result.meta["upstream_status"] == 418
    texts = [content.text for content in result.content if isinstance(content, TextContent)]
    assert "418" in texts[0]
    assert json.loads(texts[1]) == {"reason": "short and stout"}
