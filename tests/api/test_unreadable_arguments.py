"""A call whose arguments cannot be sent gets an answer of its own, so that its session goes on, and reaches nobody."""

import json
from typing import Any

import httpx
import pytest

from tests.api.probe import Probe
from tests.api.protocol import ERAS, MODERN, message, post, told
from tests.effort import at_most
from tests.support.installation import Headers, RunningProvider, Token, bearer

DEEP = 200
ARGUMENTS: dict[str, tuple[str, str, str]] = {
    "25 digits": ('{"number": 1234567890123456789012345}', "/number", "more than 64 bits"),
    "5,000 digits": ('{"number": ' + "9" * 5_000 + "}", "/number", "more than 64 bits"),
    "below 64 bits": ('{"number": -9223372036854775809}', "/number", "more than 64 bits"),
    "inside of others": ('{"text": {"a": [1, {"b": 1e400}]}}', "/text/a/1/b", "too large"),
    "1e400": ('{"number": 1e400}', "/number", "too large"),
    "-1e400": ('{"number": -1E+400}', "/number", "too large"),
    "a name twice": ('{"text": "small", "text": "large"}', "/text", "twice"),
    "the same twice": ('{"text": "small", "text": "small"}', "/text", "twice"),
    "a name twice inside": ('{"text": [{"a": 1, "a": 1}]}', "/text/0/a", "twice"),
    "half a surrogate pair": ('{"text": "\\ud800"}', "/text", "surrogate"),
    "half a surrogate pair in a name": ('{"\\udc00": 1}', "", "surrogate"),
    "150 levels": ('{"text": ' + "[" * 150 + "]" * 150 + "}", "/text/0/0", "deeper than 128"),
    "200 levels of objects": ('{"text": ' + '{"a":' * DEEP + "1" + "}" * DEEP + "}", "/text/a/a", "deeper than 128"),
    "2,000 levels": ('{"text": ' + "[" * 2_000 + '"]"' + "]" * 2_000 + "}", "/text/0/0", "deeper than 128"),
    "50,000 levels": ('{"text": ' + "[" * 50_000 + "]" * 50_000 + "}", "/text/0/0", "deeper than 128"),
    "100,001 values": ('{"text": [' + "0," * 100_000 + "0]}", "", "100,000 values"),
    "100,001 lists": ('{"text": [' + "[]," * 100_000 + "[]]}", "", "100,000 values"),
    "1e400 among 100,001 values": ('{"text": [' + "0," * 100_000 + "1e400]}", "", "100,000 values"),
    "1e400 among 100,001 lists": ('{"text": [' + "[]," * 100_000 + "1e400, []]}", "", "100,000 values"),
    "100,001 lists in lists": ('{"text": [' + "[[]]," * 50_000 + "[]]}", "", "100,000 values"),
    "1e400 beside a text of brackets": (
        '{"number": 1e400, "text": "' + '[\\"{' * 60_000 + '"}',
        "/number",
        "too large",
    ),
    "25 digits beside a text of brackets": (
        '{"number": 1234567890123456789012345, "text": "' + "[" * 100_001 + '"}',
        "/number",
        "more than 64 bits",
    ),
    "no object": ("[1, 2]", "", "must be an object"),
    "a text": ('"text=1"', "", "must be an object"),
    "too large a number": ("1e400", "", "too large"),
}


def sent(provider: RunningProvider, agent: Headers, era: str, arguments: str, **message_of: Any) -> httpx.Response:
    body, headers = message("tools/call", era, name="probe__echo", arguments="HERE")
    content = json.dumps({**body, "id": "call-7", **message_of}).replace('"HERE"', arguments)
    return provider.http.post("/mcp", content=content, headers={**headers, **agent})


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize("name", ARGUMENTS)
def test_what_is_wrong_with_arguments_is_a_result(
    provider: RunningProvider, probe: Probe, agent: Headers, era: str, name: str
) -> None:
    arguments, pointer, why = ARGUMENTS[name]
    before = len(probe.seen)
    answer = sent(provider, agent, era, arguments)
    assert (answer.status_code, answer.json()["id"]) == (200, "call-7")
    result = answer.json()["result"]
    assert (result["isError"], result["_meta"]["code"]) == (True, "invalid_arguments")
    (violation,) = result["_meta"]["violations"]
    assert violation["pointer"].startswith(pointer)
    assert why in violation["detail"]
    assert why in result["content"][0]["text"]
    assert len(probe.seen) == before


@pytest.mark.parametrize("name", [name for name, (_, pointer, _) in ARGUMENTS.items() if pointer])
def test_rest_refuses_the_same(provider: RunningProvider, probe: Probe, agent: Headers, name: str) -> None:
    content = f'{{"tool_id": "probe/echo", "arguments": {ARGUMENTS[name][0]}}}'
    answer = provider.http.post(
        "/api/v1/tools/execute", content=content, headers={**agent, "Content-Type": "application/json"}
    )
    assert answer.status_code == 422


@pytest.mark.parametrize("era", ERAS)
def test_such_a_call_is_on_record_like_any_wrong_argument(
    provider: RunningProvider, probe: Probe, token: Token, admin: Headers, era: str
) -> None:
    meta = sent(provider, bearer(token("chef")), era, '{"number": 1e400}').json()["result"]["_meta"]
    (record,) = [each for each in provider.audit(admin, limit=10) if each["trace_id"] == meta["trace_id"]]
    assert (record["kind"], record["outcome"], record["tool"]) == ("refusal", "invalid_arguments", "probe/echo")


@pytest.mark.parametrize("era", ERAS)
def test_of_such_arguments_nothing_is_said_about_tools_that_are_out_of_reach(
    provider: RunningProvider, probe: Probe, agent: Headers, era: str
) -> None:
    unreadable = json.dumps({"number": 10**24})
    for name, status in (("scoped__echo", 403), ("managers__echo", 400 if era == MODERN else 200)):
        body, headers = message("tools/call", era, name=name, arguments={"number": 10**24})
        assert unreadable in json.dumps(body)
        answer = provider.http.post("/mcp", content=json.dumps(body), headers={**headers, **agent})
        assert answer.status_code == status
        assert "64 bits" not in answer.text


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize(
    "body",
    [
        '{"jsonrpc":"2.0","id":1,"id":2,"method":"tools/call","params":{"name":"probe__echo","arguments":{"n":1e400}}}',
        '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a","name":"probe__echo","arguments":{}}}',
        '{"jsonrpc":"2.0","id":1234567890123456789012345,"method":"tools/call","params":{"name":"probe__echo"}}',
        '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"probe__echo","arguments":{"n":NaN}}}',
        '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"probe__echo","arguments":{"n":1e400}}',
        '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"probe__echo","arguments":{"t":"' + "[" * 200,
        '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":1e400}',
    ],
)
def test_what_is_not_one_message_is_400(provider: RunningProvider, agent: Headers, body: str, era: str) -> None:
    _, headers = message("tools/call", era, name="probe__echo")
    answer = provider.http.post("/mcp", content=body, headers={**headers, **agent})
    assert (answer.status_code, answer.json()["id"], answer.json()["error"]["code"]) == (400, None, -32700)


MANY = "[" + "[]," * 100_000 + "[]]"
NAMED = '"params":{"name":"probe__echo","arguments":{"text":HERE}}'


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize(
    "body",
    [
        '{"jsonrpc":"2.0","id":1,"id":2,"method":"tools/call",' + NAMED + "}",
        '{"jsonrpc":"2.0","id":1,"method":"tools/list","method":"tools/call",' + NAMED + "}",
        '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"scoped__echo"},' + NAMED + "}",
        '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"scoped__echo",' + NAMED[10:] + "}",
    ],
)
def test_of_a_message_that_reads_two_ways_neither_is_answered(
    provider: RunningProvider, probe: Probe, agent: Headers, body: str, era: str
) -> None:
    _, headers = message("tools/call", era, name="probe__echo")
    for text, status in (('"small"', 400), (MANY, 413)):
        answer = provider.http.post("/mcp", content=body.replace("HERE", text), headers={**headers, **agent})
        assert (answer.status_code, answer.json()["id"]) == (status, None)


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize("arguments", ["{}", '{"number": 1e400}'])
@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"id": 1.5}, "`id`"),
        ({"id": True}, "`id`"),
        ({"id": None}, "`id`"),
        ({"id": {}}, "`id`"),
        ({"jsonrpc": "1.0"}, "jsonrpc"),
        ({"params": [1]}, "`params`"),
    ],
)
def test_what_json_rpc_does_not_allow_is_refused_and_told(
    provider: RunningProvider, probe: Probe, agent: Headers, era: str, arguments: str, wrong: dict[str, Any], why: str
) -> None:
    before = len(probe.seen)
    answer = sent(provider, agent, era, arguments, **wrong)
    assert (answer.status_code, told(answer)["code"]) == (400, "invalid_request")
    assert answer.json()["error"]["code"] == -32600
    assert why in told(answer)["detail"]
    assert len(probe.seen) == before


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize(
    ("body", "why"),
    [
        *((each, "no batches") for each in ("[]", "null", "5", '"x"', '[{"jsonrpc":"2.0","id":1,"method":"ping"}]')),
        ('{"jsonrpc":"2.0","id":1,"method":5}', "`method`"),
        ('{"jsonrpc":"2.0","id":1}', "`method`"),
    ],
)
def test_what_is_no_message_is_told_why(
    provider: RunningProvider, agent: Headers, era: str, body: str, why: str
) -> None:
    _, headers = message("tools/list", era)
    answer = provider.http.post("/mcp", content=body, headers={**headers, **agent})
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, -32600)
    assert why in told(answer)["detail"]


def test_names_of_any_length_come_back_short(provider: RunningProvider, probe: Probe, agent: Headers) -> None:
    answer = post(provider, agent, "tools/call", name="probe__echo", arguments={"x" * 1_000_000: 1})
    assert answer.json()["result"]["isError"] is True
    assert len(answer.content) < 3_000


@pytest.mark.parametrize("era", ERAS)
def test_the_next_call_works(provider: RunningProvider, probe: Probe, agent: Headers, era: str) -> None:
    sent(provider, agent, era, '{"number": 1e400}')
    good = post(provider, agent, "tools/call", era, name="probe__echo", arguments={"text": "hello"})
    assert good.json()["result"]["structuredContent"]["query"] == {"text": "hello"}


@pytest.mark.parametrize("arguments", ["[" * 100_001, "[" * 2_000, '{"a":' * 2_000, '["' + "\\" * 101])
def test_what_never_closes_is_not_a_message(
    provider: RunningProvider, probe: Probe, agent: Headers, arguments: str
) -> None:
    answer = sent(provider, agent, MODERN, arguments)
    refused = (413, "body_too_large") if len(arguments) > 100_000 else (400, "invalid_json")
    assert (answer.status_code, told(answer)["code"]) == refused


LARGEST = 4_100_000
CPU_SECONDS = 0.6  # for client and server, which share a process here; one of these took three
OF_LARGEST = {
    "unclosed lists": b"[",
    "unclosed objects": b'{"a":',
    "unclosed both": b"[{",
    "lists that close first": b"][",
    "empty lists": b"[],",
    "numbers": b"1,",
    "texts": b'"",',
    "brackets in texts": b'"[",',
    "texts that begin with brackets": b'["',
    "names": b'"a":1,',
    "escapes": b'"\\"[",',
    "halves of surrogate pairs": b'"\\ud800",',
}


@pytest.mark.parametrize("begin", [b"", b"1e400,"], ids=["plain", "behind what is too large"])
@pytest.mark.parametrize("piece", OF_LARGEST.values(), ids=OF_LARGEST)
def test_no_body_of_the_permitted_size_takes_long_to_read(
    provider: RunningProvider, probe: Probe, agent: Headers, piece: bytes, begin: bytes
) -> None:
    called, headers = message("tools/call", name="probe__echo", arguments="HERE")
    content = b"[" + begin + piece * (LARGEST // len(piece))
    body = json.dumps(called).encode().replace(b'"HERE"', content)
    with at_most(CPU_SECONDS):
        answer = provider.http.post("/mcp", content=body, headers={**headers, **agent})
    assert answer.status_code in {400, 413}
