"""The REST door to tools."""

import pytest

from tests.api.probe import Probe
from tests.installation import Headers, RunningProvider, Token, bearer


@pytest.fixture(scope="module")
def agent(token: Token) -> Headers:
    return bearer(token("johndoe"))


def test_a_call_gives_what_the_upstream_answered(provider: RunningProvider, probe: Probe, agent: Headers) -> None:
    answer = provider.execute(agent, "probe/echo", text="hello", number=3)
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert body["result"]["query"] == {"text": "hello", "number": "3"}
    assert (body["tool_id"], body["is_error"], body["upstream_status"]) == ("probe/echo", False, 200)
    assert body["truncated"] is False
    assert body["duration_ms"] > 0
    assert len(body["trace_id"]) == 32
