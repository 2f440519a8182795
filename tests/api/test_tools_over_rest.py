"""The REST door to tools."""

import json
from typing import Any

import httpx
import pytest

from tests.api.probe import Probe
from tests.api.protocol import MODERN, message, post
from tests.effort import at_most
from tests.support.installation import Headers, RunningProvider, Token, bearer

EXECUTE = "/api/v1/tools/execute"
AS_JSON = {"Content-Type": "application/json"}


def test_a_call_gives_what_the_upstream_answered(provider: RunningProvider, probe: Probe, agent: Headers) -> None:
    answer = provider.execute(agent, "probe/echo", text="hello", number=3)
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert body["result"]["query"] == {"text": "hello", "number": "3"}
    assert (body["tool_id"], body["is_error"], body["upstream_status"]) == ("probe/echo", False, 200)
    assert body["truncated"] is False
    assert body["duration_ms"] > 0
    assert len(body["trace_id"]) == 32


def test_the_json_of_the_upstream_is_not_rewritten(provider: RunningProvider, probe: Probe, agent: Headers) -> None:
    exact = b'{ "price": 1.50, "big": 123456789012345678901234567890, "e": 1E2 }'
    probe.tell("exact", 200, exact)
    assert exact in provider.execute(agent, "probe/as_told", name="exact").content


def test_a_call_leaves_one_record_without_its_arguments(
    provider: RunningProvider, probe: Probe, agent: Headers, admin: Headers
) -> None:
    answer = provider.execute(agent, "probe/echo", text="very-private")
    records = provider.audit(admin, tool="probe/echo", limit=20)
    (record,) = [record for record in records if record["trace_id"] == answer.json()["trace_id"]]
    assert (record["kind"], record["outcome"], record["door"], record["upstream_status"]) == ("call", "ok", "rest", 200)
    assert record["client_id"] == "tools-provider-frontend"
    assert record["preferred_username"] == "johndoe"
    assert record["passthrough"] is True
    assert "very-private" not in str(record)


@pytest.mark.parametrize("tool_id", ["probe/nope", "nope/echo", "nope", "", "/", "managers/echo", "a" * 9_000])
def test_an_unknown_tool_and_an_invisible_one_answer_alike(
    provider: RunningProvider, probe: Probe, agent: Headers, tool_id: str
) -> None:
    called = provider.execute(agent, tool_id)
    assert (called.status_code, called.json()["code"]) == (404, "tool_not_found")


@pytest.mark.parametrize("tool_id", ["probe/nope", "nope/echo", "managers/echo", "probe/../managers/echo"])
def test_what_the_caller_may_not_see_cannot_be_looked_at(
    provider: RunningProvider, probe: Probe, agent: Headers, tool_id: str
) -> None:
    assert provider.http.get(f"/api/v1/tools/{tool_id}", headers=agent).status_code == 404


def test_missing_scopes_are_a_challenge(provider: RunningProvider, probe: Probe, agent: Headers) -> None:
    answer = provider.execute(agent, "scoped/echo")
    assert (answer.status_code, answer.json()["code"]) == (403, "insufficient_scope")
    assert 'scope="mcp:tools orders:write"' in answer.headers["www-authenticate"]


def test_every_wrong_argument_is_named(provider: RunningProvider, probe: Probe, agent: Headers) -> None:
    seen = len(probe.seen)
    answer = provider.execute(agent, "probe/echo", txt="hello", number="three")
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_arguments")
    assert {violation["pointer"] for violation in answer.json()["violations"]} == {"/txt", "/number"}
    assert len(probe.seen) == seen


def test_null_for_an_optional_argument_counts_as_left_out(
    provider: RunningProvider, probe: Probe, agent: Headers
) -> None:
    answer = provider.execute(agent, "probe/echo", text=None, number=1)
    assert answer.json()["result"]["query"] == {"number": "1"}


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        (b"[]", ""),
        (b"null", ""),
        (b"", ""),
        (b"{}", "/tool_id"),
        (b'{"tool_id": 7}', "/tool_id"),
        (b'{"tool_id": "probe/echo", "arguments": []}', "/arguments"),
        (b'{"tool_id": "probe/echo", "arguments": "text"}', "/arguments"),
        (b'{"tool_id": "probe/echo", "text": "hello"}', "/text"),
    ],
)
def test_a_request_that_does_not_fit_says_where(
    provider: RunningProvider, agent: Headers, body: bytes, pointer: str
) -> None:
    answer = provider.http.post(EXECUTE, content=body, headers={**agent, **AS_JSON})
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
    assert [violation["pointer"] for violation in answer.json()["violations"]] == [pointer]


@pytest.mark.parametrize(
    "arguments",
    [
        b'{"text": NaN}',
        b'{"number": ' + b"9" * 5_000 + b"}",
        b'{"number": 18446744073709551616}',
        b'{"number": -9223372036854775809}',
        b'{"text": "a", "text": "b"}',
        b'{"text": "\\ud800"}',
        b"[" * 50_000,
        b'{"text": ' + b"[" * 200 + b"]" * 200 + b"}",
        b'{"text": "\xff"}',
    ],
)
def test_json_that_readers_could_differ_on_is_refused(
    provider: RunningProvider, agent: Headers, arguments: bytes
) -> None:
    body = b'{"tool_id": "probe/echo", "arguments": ' + arguments + b"}"
    answer = provider.http.post(EXECUTE, content=body, headers={**agent, **AS_JSON})
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_json")


@pytest.mark.parametrize("number", [2**63 - 1, 2**64 - 1, -(2**63), 10**17])
def test_every_integer_of_64_bits_arrives_as_it_is(
    provider: RunningProvider, probe: Probe, agent: Headers, number: int
) -> None:
    assert provider.execute(agent, "probe/echo", number=number).json()["result"]["query"] == {"number": str(number)}


def test_a_call_may_have_4_mib(provider: RunningProvider, agent: Headers) -> None:
    too_much = provider.execute(agent, "probe/echo", text="x" * 4 * 1024 * 1024)
    assert (too_much.status_code, too_much.json()["code"]) == (413, "body_too_large")
    fits = provider.execute(agent, "nope/echo", text="x" * 4_000_000)
    assert fits.status_code == 404


HEAVY_SECONDS = 2  # of client and server, which share a process here; most take 0.1
HEAVY: dict[str, bytes] = {
    "numbers": b"[" + b"0," * 1_900_000 + b"0]",
    "objects": b"[" + b"{}," * 1_300_000 + b"0]",
    "texts": b"[" + b'"",' * 1_300_000 + b"0]",
    "as many objects as permitted": b"[" + b"{}," * 99_000 + b"0]",
    "a long text": b'"' + b"\\u00e9" * 650_000 + b'"',
    "many names": b"{" + b",".join(b'"%d":0' % number for number in range(99_000)) + b"}",
}


@pytest.mark.parametrize("body", HEAVY.values(), ids=HEAVY)
@pytest.mark.parametrize("door", ["rest", MODERN])
def test_a_heavy_body_keeps_no_other_caller_waiting(
    provider: RunningProvider, probe: Probe, agent: Headers, body: bytes, door: str
) -> None:
    path, headers = EXECUTE, {**agent, **AS_JSON}
    content = b'{"tool_id": "probe/echo", "arguments": {"number": ' + body + b"}}"
    if door != "rest":
        called, own = message("tools/call", door, name="probe__echo", arguments={"number": "HERE"})
        path, headers = "/mcp", {**own, **agent}
        content = json.dumps(called).encode().replace(b'"HERE"', body)
    with at_most(HEAVY_SECONDS):
        answer = httpx.post(provider.address + path, content=content, headers=headers, timeout=60)
    assert answer.status_code in {413, 422} or answer.json()["result"]["isError"] is True


@pytest.mark.parametrize("number", [99_900, 100_001])
def test_a_body_has_at_most_100_000_values(
    provider: RunningProvider, probe: Probe, agent: Headers, number: int
) -> None:
    answer = provider.execute(agent, "probe/echo", number=[0] * number)
    expected = (422, "invalid_arguments") if number < 100_000 else (413, "body_too_large")
    assert (answer.status_code, answer.json()["code"]) == expected
    called = post(provider, agent, "tools/call", name="probe__echo", arguments={"number": [0] * number})
    assert called.json()["result"]["_meta"]["code"] == "invalid_arguments"


def listed(provider: RunningProvider, headers: Headers, **params: Any) -> list[str]:
    """Every tool_id, page by page."""
    found: list[str] = []
    cursor = None
    while True:
        page = provider.http.get(
            "/api/v1/tools", params=params | ({"cursor": cursor} if cursor else {}), headers=headers
        )
        found += [tool["tool_id"] for tool in page.raise_for_status().json()["items"]]
        cursor = page.json()["next_cursor"]
        if cursor is None:
            return found


def test_the_list_is_complete_page_by_page(
    provider: RunningProvider, probe: Probe, agent: Headers, token: Token
) -> None:
    whole = listed(provider, agent)
    assert whole == sorted(whole)
    assert len(set(whole)) == len(whole)
    assert listed(provider, agent, limit=1) == whole
    assert listed(provider, agent, limit=3) == whole
    assert not any(tool_id.startswith("managers/") for tool_id in whole)
    assert any(tool_id.startswith("managers/") for tool_id in listed(provider, bearer(token("manager"))))


def test_the_last_page_is_no_dead_end(provider: RunningProvider, probe: Probe, agent: Headers) -> None:
    whole = listed(provider, agent)
    page = provider.http.get("/api/v1/tools", params={"limit": len(whole)}, headers=agent).json()
    assert (len(page["items"]), page["next_cursor"]) == (len(whole), None)
    page = provider.http.get("/api/v1/tools", params={"limit": len(whole) - 1}, headers=agent).json()
    assert (len(page["items"]), page["next_cursor"] is not None) == (len(whole) - 1, True)


def test_the_list_can_be_searched(provider: RunningProvider, probe: Probe, agent: Headers) -> None:
    assert listed(provider, agent, q="ECHO probe") == ["probe/echo"]
    assert {tool_id.split("/")[0] for tool_id in listed(provider, agent, source="scoped")} == {"scoped"}
    assert listed(provider, agent, q="nothing of that kind") == []
    assert listed(provider, agent, source="managers") == []


def test_a_tool_shows_its_schemas(provider: RunningProvider, probe: Probe, agent: Headers) -> None:
    tool = provider.http.get("/api/v1/tools/scoped/echo", headers=agent).raise_for_status().json()
    assert (tool["tool_id"], tool["mcp_name"], tool["source"]) == ("scoped/echo", "scoped__echo", "scoped")
    assert (tool["method"], tool["path"]) == ("GET", "/echo")
    assert set(tool["input_schema"]["properties"]) == {"text", "number"}
    assert tool["required_scopes"] == ["orders:write"]


def test_a_name_of_any_length_comes_back_short(provider: RunningProvider, agent: Headers) -> None:
    name = "x" * 100_000
    for body in ({"tool_id": "a/b", name: 1}, {"tool_id": "a/b", "arguments": {}, name: 1}):
        answer = provider.http.post("/api/v1/tools/execute", json=body, headers=agent)
        assert (answer.status_code, len(answer.content) < 1_000) == (422, True)
