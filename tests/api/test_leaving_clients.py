"""A client that leaves takes its upstream call with it (row B15), and the call still has its record."""

import json
import socket
from urllib.parse import urlsplit

import pytest

from tests.api.probe import WAIT_SECONDS, Probe
from tests.api.protocol import ERAS, message
from tests.installation import Headers, RunningProvider


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
    address = urlsplit(provider.address)
    lines = {**headers, **agent, "Host": address.netloc, "Content-Length": str(len(body))}
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    with socket.create_connection((str(address.hostname), address.port or 0)) as connection:
        connection.sendall(f"POST {path} HTTP/1.1\r\n{head}\r\n".encode() + body)
        assert probe.hanging.acquire(timeout=WAIT_SECONDS)
    assert probe.cancelled.acquire(timeout=WAIT_SECONDS)
    for _ in range(1_000):
        if len(cancelled_calls()) > len(before):
            break
    assert cancelled_calls() == ["rest" if door == "rest" else "mcp", *before]
