"""A client that leaves takes its upstream call with it (row B15), and the call still has its record."""

import json

import pytest

from tests.api.probe import WAIT_SECONDS, Probe
from tests.api.protocol import ERAS, message, sent_raw
from tests.support.installation import Headers, RunningProvider


def request_of(door: str) -> tuple[str, bytes, Headers]:
    if door == "rest":
        return "/api/v1/tools/execute", json.dumps({"tool_id": "probe/hang"}).encode(), {}
    body, headers = message("tools/call", door, name="probe__hang", arguments={})
    return "/mcp", json.dumps(body).encode(), headers


@pytest.mark.parametrize("door", ["rest", *ERAS])
def test_the_upstream_call_is_cancelled(
    provider: RunningProvider, probe: Probe, agent: Headers, admin: Headers, door: str
) -> None:
    def cancelled_calls() -> list[str]:
        return [record["door"] for record in provider.audit(admin, tool="probe/hang", outcome="cancelled")]

    before = cancelled_calls()
    path, body, headers = request_of(door)
    with sent_raw(provider, path, {**headers, **agent}, body):
        assert probe.hanging.acquire(timeout=WAIT_SECONDS)
    assert probe.cancelled.acquire(timeout=WAIT_SECONDS)
    for _ in range(1_000):
        if len(cancelled_calls()) > len(before):
            break
    assert cancelled_calls() == ["rest" if door == "rest" else "mcp", *before]
