"""What every answer has in common."""

import pytest

from tests.installation import Headers, RunningProvider


def test_a_wrong_method_says_which_ones_are_right(provider: RunningProvider, admin: Headers) -> None:
    answer = provider.http.put("/api/v1/sources", headers=admin)
    assert (answer.status_code, answer.json()["code"]) == (405, "method_not_allowed")
    assert "POST" in answer.headers["allow"]


@pytest.mark.parametrize(
    ("params", "pointer"),
    [({"limit": "0"}, "limit"), ({"limit": "many"}, "limit"), ({"cursor": "nonsense"}, None)],
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


@pytest.mark.parametrize("path", ["/health", "/ready", "/openapi.json", "/nothing", "/api/v1/tools", "/mcp"])
def test_every_answer_has_the_security_headers(provider: RunningProvider, path: str) -> None:
    headers = provider.http.get(path).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cache-control"] == "no-store"
    assert "default-src 'none'" in headers["content-security-policy"]


def test_our_own_document_is_complete(provider: RunningProvider) -> None:
    document = provider.http.get("/openapi.json").json()
    assert {
        "/api/v1/tools",
        "/api/v1/tools/{tool_id}",
        "/api/v1/tools/execute",
        "/api/v1/sources",
        "/api/v1/audit",
        "/health",
        "/ready",
        "/metrics",
        "/.well-known/oauth-protected-resource/mcp",
    } <= set(document["paths"])
    execute = document["paths"]["/api/v1/tools/execute"]["post"]
    assert execute["requestBody"]["content"]["application/json"]["schema"]["required"] == ["tool_id"]
    assert "upstream_status" in str(document["components"]["schemas"]["ExecuteAnswer"])
    for path, item in document["paths"].items():
        for method, operation in item.items():
            assert ("security" in operation) is path.startswith("/api/"), f"{method} {path}"
