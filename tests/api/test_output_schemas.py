"""An output schema is a promise to clients that check it: kept by every answer, whatever the document claims."""

from typing import Any

import jsonschema
import pytest
from mcp_types import TextContent

from tests.api.probe import Probe
from tests.api.protocol import ERAS, LEGACY, MODERN, client_of, post
from tests.support.installation import Headers, RunningProvider

MODES = ["auto", "2026-07-28", "legacy"]
MARGHERITA = {"name": "Margherita", "price": 8.5}

# What is said, with which status; what `pizza` makes of it, and `pizzas`. Nothing: the branch for other answers.
ANSWERS: dict[str, tuple[int, object, Any, Any]] = {
    "as documented": (200, MARGHERITA, MARGHERITA, None),
    "a member more": (200, {**MARGHERITA, "vegan": False}, {**MARGHERITA, "vegan": False}, None),
    "a price below the minimum": (200, {"name": "x", "price": -1}, {"name": "x", "price": -1}, None),
    "a list": (200, [MARGHERITA], None, [MARGHERITA]),
    "a member less": (200, {"price": 8.5}, None, None),
    "a wrong type": (200, {"name": 7}, None, None),
    "a wrong type in a list": (200, [MARGHERITA, {"name": None}], None, None),
    "a scalar": (200, 5, None, None),
    "null": (200, None, None, None),
    "nested without end": (200, b'{"name": "x", "more": ' + b"[" * 500 + b"]" * 500 + b"}", None, None),
    "an error in the right shape": (404, MARGHERITA, None, None),
    "an error": (409, {"title": "sold out"}, None, None),
    "a large error": (400, {"message": "x" * 20_000}, None, None),
    "nothing": (200, b"", None, None),
    "broken JSON": (200, b'{"name": ', None, None),
}


def listed(provider: RunningProvider, agent: Headers, era: str) -> dict[str, dict[str, Any]]:
    tools: dict[str, dict[str, Any]] = {}
    cursor: dict[str, str] = {}
    while True:
        result = post(provider, agent, "tools/list", era, **cursor).json()["result"]
        tools |= {tool["name"]: tool for tool in result["tools"]}
        if "nextCursor" not in result:
            return tools
        cursor = {"cursor": result["nextCursor"]}


@pytest.mark.usefixtures("probe")
def test_a_list_promises_what_its_era_allows(provider: RunningProvider, agent: Headers) -> None:
    modern, legacy = (listed(provider, agent, era) for era in (MODERN, LEGACY))
    shape = {
        "type": "object",
        "properties": {"name": {"type": "string"}, "price": {"type": "number"}},
        "required": ["name"],
    }
    assert modern["probe__pizza"]["outputSchema"]["anyOf"][0] == shape
    assert modern["probe__pizzas"]["outputSchema"]["anyOf"][0] == {"type": "array", "items": shape}
    assert legacy["probe__pizza"]["outputSchema"] == modern["probe__pizza"]["outputSchema"]
    assert legacy["probe__pizza"]["outputSchema"]["type"] == "object"
    assert "outputSchema" not in legacy["probe__pizzas"]
    for tools in (modern, legacy):
        assert "outputSchema" not in tools["probe__as_told"]
    detail = provider.http.get("/api/v1/tools/probe/pizza", headers=agent).json()
    assert detail["output_schema"] == shape


@pytest.mark.anyio
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", ANSWERS)
async def test_the_sdk_client_accepts_whatever_the_upstream_says(
    provider: RunningProvider, probe: Probe, agent: Headers, mode: str, name: str
) -> None:
    status, said, *expected = ANSWERS[name]
    probe.tell("body", status, said)
    async with client_of(provider, agent, mode) as client:
        await client.list_tools()
        for tool, structured in zip(("pizza", "pizzas"), expected, strict=True):
            result = await client.call_tool(f"probe__{tool}", {"name": "body"})
            assert result.is_error == (status >= 400)
            assert result.content
            assert all(isinstance(content, TextContent) for content in result.content)
            if structured is not None and not (mode == "legacy" and tool == "pizzas"):
                assert result.structured_content == structured


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize("name", ANSWERS)
def test_another_answer_is_told_as_such_and_errors_keep_the_promise_too(
    provider: RunningProvider, probe: Probe, agent: Headers, era: str, name: str
) -> None:
    status, said, *expected = ANSWERS[name]
    probe.tell("body", status, said)
    tools = listed(provider, agent, era)
    for tool, structured in zip(("probe__pizza", "probe__pizzas"), expected, strict=True):
        result = post(provider, agent, "tools/call", era, name=tool, arguments={"name": "body"}).json()["result"]
        if "outputSchema" not in tools[tool]:
            continue
        jsonschema.validate(result["structuredContent"], tools[tool]["outputSchema"])
        if structured is not None:
            assert result["structuredContent"] == structured
        elif name in {"nested without end", "a large error"} or isinstance(said, bytes):
            (words,) = result["structuredContent"].values()
            assert words.split("\n")[0] == result["content"][0]["text"].split("\n")[0]
        else:
            assert result["structuredContent"] == {"other_answer": said}


IN_WORDS: dict[str, tuple[int, bytes, str, str]] = {
    "a text": (200, b"done", "text/plain", "done"),
    "a page": (200, b"<p>done</p>", "text/html", "<p>done</p>"),
    "nothing": (204, b"", "application/json", "The upstream answered 204 without content."),
    "blanks": (200, b" \n", "text/plain", "The upstream answered 200 without content."),
    "an image": (200, b"\x89PNG", "image/png", "The upstream answered 200 with 4 bytes of image/png."),
    "an error in words": (500, b"a\nb", "text/plain", "The upstream answered 500: a\nb"),
    "an error without words": (503, b"", "text/plain", "The upstream answered 503 without content."),
    "an error of null": (500, b"null", "application/json", "The upstream answered 500: null"),
    "an error of nothing": (404, b"{}", "application/json", "The upstream answered 404: {}"),
    "half of the JSON": (200, b'{"name": "' + b"x" * 1_048_576, "application/json", "The answer is longer than this"),
    "a redirect": (302, b'{"name": "x"}', "application/json", "Nothing was done: the upstream answered 302"),
}


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize("name", IN_WORDS)
def test_structured_content_hides_nothing_that_is_not_json(
    provider: RunningProvider, probe: Probe, agent: Headers, era: str, name: str
) -> None:
    status, said, kind, words = IN_WORDS[name]
    probe.tell("body", status, said, content_type=kind)
    answer = post(provider, agent, "tools/call", era, name="probe__pizza", arguments={"name": "body"})
    assert answer.json()["result"]["structuredContent"]["other_answer"].startswith(words)


@pytest.mark.parametrize("era", ERAS)
def test_headers_are_told_beside_an_error_in_words(
    provider: RunningProvider, probe: Probe, agent: Headers, era: str
) -> None:
    probe.tell("body", 503, b"busy", content_type="text/plain", retry_after="30")
    answer = post(provider, agent, "tools/call", era, name="probe__pizza", arguments={"name": "body"})
    told = "The upstream answered 503: busy\nRetry-After: 30"
    assert answer.json()["result"]["structuredContent"] == {"other_answer": told}


def test_rest_wraps_nothing(provider: RunningProvider, probe: Probe, agent: Headers) -> None:
    probe.tell("body", 200, {"name": 7})
    assert provider.execute(agent, "probe/pizza", name="body").json()["result"] == {"name": 7}
