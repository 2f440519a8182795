"""What every answer has in common."""

import socket
from contextlib import ExitStack
from urllib.parse import urlsplit

import pytest

from tests.api.probe import Probe
from tests.support.installation import Headers, RunningProvider


def test_a_wrong_method_says_which_ones_are_right(provider: RunningProvider, admin: Headers) -> None:
    answer = provider.http.put("/api/v1/sources", headers=admin)
    assert (answer.status_code, answer.json()["code"]) == (405, "method_not_allowed")
    assert "POST" in answer.headers["allow"]


@pytest.mark.parametrize(
    ("params", "pointer"),
    [
        ({"limit": "0"}, "limit"),
        ({"limit": "many"}, "limit"),
        ({"q": "e " * 101}, "q"),
        ({"cursor": "nonsense"}, None),
    ],
)
def test_a_wrong_query_says_what_is_wrong(
    provider: RunningProvider, agent: Headers, params: dict[str, str], pointer: str | None
) -> None:
    answer = provider.http.get("/api/v1/tools", params=params, headers=agent)
    assert answer.status_code == 422
    if pointer is None:
        assert answer.json()["code"] == "cursor_invalid"
    else:
        assert pointer in answer.json()["violations"][0]["detail"]


def test_of_very_many_mistakes_the_first_are_told_and_how_many_there_are(
    provider: RunningProvider, admin: Headers
) -> None:
    stated = {f"n{number}": 1 for number in range(3_000)}
    answer = provider.http.post("/api/v1/sources", json=stated, headers=admin)
    told = answer.json()
    assert (answer.status_code, told["code"], len(told["violations"])) == (422, "invalid_request", 100)
    assert told["detail"].endswith("where and why of the first 100 of 3,001 mistakes.")


@pytest.mark.parametrize("path", ["/health", "/ready", "/openapi.json", "/nothing", "/api/v1/tools", "/mcp"])
def test_every_answer_has_the_security_headers(provider: RunningProvider, path: str) -> None:
    headers = provider.http.get(path).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cache-control"] == "no-store"
    assert "default-src 'none'" in headers["content-security-policy"]


@pytest.mark.parametrize("path", ["/api/v1/tools", "/api/v1/tools/execute", "/api/v1/sources", "/mcp", "/metrics"])
def test_pages_of_strangers_are_let_in_nowhere(provider: RunningProvider, agent: Headers, path: str) -> None:
    asking = {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}
    for headers in (asking, {**asking, **agent}):
        for method in ("OPTIONS", "GET"):
            answer = provider.http.request(method, path, headers=headers)
            assert not any(name.startswith("access-control-") for name in answer.headers)


def test_three_hundred_clients_that_never_finish_keep_nobody_waiting(
    provider: RunningProvider, probe: Probe, agent: Headers
) -> None:
    head = f"POST /api/v1/tools/execute HTTP/1.1\r\nHost: x\r\nAuthorization: {agent['Authorization']}\r\n"
    head += "Content-Type: application/json\r\n"
    beginnings = [b"GET /api/v1/tools HTTP/1.1\r\nHost: x\r\nX: ", f"{head}Content-Length: 9999\r\n\r\n{{".encode()]
    address = urlsplit(provider.address)
    with ExitStack() as open_now:
        for number in range(300):
            connection = socket.create_connection((str(address.hostname), address.port or 0), timeout=30)
            open_now.enter_context(connection)
            connection.sendall(beginnings[number % 2])
        for _ in range(5):
            answer = provider.execute(agent, "probe/echo")
            assert answer.status_code == 200
            assert answer.elapsed.total_seconds() < 1
