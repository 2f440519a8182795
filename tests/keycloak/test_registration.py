"""An agent that knows only the MCP endpoint registers itself, and may then send users to log in."""

from typing import Any

import httpx
import pytest

from tests.keycloak.wire import Wire, refusal_of

CLIENT: dict[str, Any] = {
    "client_name": "An agent",
    "redirect_uris": ["http://localhost:5555/callback"],
    "token_endpoint_auth_method": "none",
    "grant_types": ["authorization_code", "refresh_token"],
    "response_types": ["code"],
    "scope": "mcp:tools",
}


def register(wire: Wire, **changes: Any) -> httpx.Response:
    address = wire.get("/.well-known/openid-configuration").json()["registration_endpoint"]
    assert address == f"{wire.realm_url}/clients-registrations/openid-connect"
    members = {name: value for name, value in (CLIENT | changes).items() if value is not None}
    return wire.http.post(address, json=members)


@pytest.mark.parametrize(
    "address",
    [
        "http://localhost:5555/callback",
        "http://127.0.0.1:33418/",
        "https://vscode.dev/redirect",
        "cursor://anysphere.cursor-mcp/oauth/callback",
        "https://claude.ai/api/mcp/auth_callback",
    ],
)
def test_an_agent_registers_and_may_send_users_to_log_in(wire: Wire, address: str) -> None:
    answer = register(wire, redirect_uris=[address])
    client = answer.json()
    assert answer.status_code == 201
    assert client["scope"] == "mcp:tools"
    assert "client_secret" not in client
    request = {"client_id": client["client_id"], "response_type": "code", "redirect_uri": address, "scope": "mcp:tools"}
    wire.http.cookies.clear()
    page = wire.http.get(f"{wire.realm_url}/protocol/openid-connect/auth", params=request)
    assert page.status_code == 200
    assert "kc-form-login" in page.text


# What each sends, as its makers say or its source has it.
VS_CODE = [
    "https://insiders.vscode.dev/redirect",
    "https://vscode.dev/redirect",
    "http://127.0.0.1/",
    "http://127.0.0.1:33418/",
]
CURSOR = [
    "cursor://anysphere.cursor-mcp/oauth/callback",
    "https://www.cursor.com/agents/mcp/oauth/callback",
    "http://localhost:8787/callback",
]
INSPECTOR = ["http://localhost:6274/oauth/callback"]
CHATGPT = ["https://chatgpt.com/connector/oauth/f00", "https://chatgpt.com/connector_platform_oauth_redirect"]


@pytest.mark.parametrize(
    ("client_uri", "redirect_uris"),
    [
        pytest.param("https://code.visualstudio.com", VS_CODE, id="VS Code"),
        pytest.param("https://www.cursor.com", CURSOR, id="Cursor"),
        pytest.param(None, CURSOR, id="Cursor without an address"),
        pytest.param("https://github.com/modelcontextprotocol/inspector", INSPECTOR, id="Inspector"),
        pytest.param("https://chatgpt.com", CHATGPT, id="ChatGPT"),
        pytest.param("https://claude.ai", ["https://claude.ai/api/mcp/auth_callback"], id="Claude"),
    ],
)
def test_agents_that_people_use_register_with_all_that_they_send(
    wire: Wire, client_uri: str | None, redirect_uris: list[str]
) -> None:
    answer = register(wire, client_uri=client_uri, redirect_uris=redirect_uris)
    assert answer.status_code == 201, answer.text
    assert set(answer.json()["redirect_uris"]) == set(redirect_uris)


def test_an_agent_may_name_openid(wire: Wire) -> None:
    assert register(wire, scope="openid mcp:tools").status_code == 201


def test_an_agent_that_names_no_scope_gets_the_optional_ones_of_the_realm(wire: Wire) -> None:
    assert set(register(wire, scope=None).json()["scope"].split()) == {"offline_access", "mcp:tools"}


def test_a_confidential_agent_gets_a_secret(wire: Wire) -> None:
    client = register(wire, token_endpoint_auth_method="client_secret_basic").json()
    assert len(client["client_secret"]) >= 32


@pytest.mark.parametrize(
    ("changes", "policy", "details"),
    [
        *(
            ({"redirect_uris": [uri]}, "Trusted Hosts", "URI doesn't match any trusted host or trusted domain")
            for uri in ("https://evil.example/cb", "http://localhost.evil.example/cb", "http://[::1]:7/cb")
        ),
        (
            {"client_uri": "https://evil.example/"},
            "Trusted Hosts",
            "URL doesn't match any trusted host or trusted domain",
        ),
        ({"scope": "menu:read"}, "Allowed Client Scopes", "Not permitted to use specified clientScope"),
        ({"scope": "mcp:tools nope"}, "Allowed Client Scopes", "Not permitted to use specified clientScope"),
    ],
)
def test_a_registration_is_refused(wire: Wire, changes: dict[str, Any], policy: str, details: str) -> None:
    problem = f"Policy '{policy}' rejected request to client-registration service. Details: {details}"
    assert refusal_of(register(wire, **changes)) == (403, "insufficient_scope", problem)
