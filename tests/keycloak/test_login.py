"""The authorization code flow with PKCE: what agents that open a browser rely on."""

import base64
import hashlib
import re
from html import unescape
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from tests.keycloak.contract_realm import AGENT, DISABLED, FRONTEND, PASSWORD, PIZZERIA, REQUESTER
from tests.keycloak.wire import Wire, audiences_of, claims_of, refusal_of

REDIRECT = "http://localhost:5555/callback"
VERIFIER = "a-verifier-of-more-than-forty-three-characters"
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()
REQUEST = {
    "client_id": FRONTEND,
    "response_type": "code",
    "redirect_uri": REDIRECT,
    "state": "the state",
    "scope": "openid mcp:tools",
    "code_challenge": CHALLENGE,
    "code_challenge_method": "S256",
    "nonce": "the nonce",
}
FORM = re.compile(r'<form id="kc-form-login"[^>]*action="([^"]*)"')


def ask(wire: Wire, **changes: str | None) -> httpx.Response:
    """Open the login page; None leaves a parameter out."""
    wire.http.cookies.clear()
    parameters = {name: value for name, value in (REQUEST | changes).items() if value is not None}
    return wire.http.get(f"{wire.realm_url}/protocol/openid-connect/auth", params=parameters)


def submit(wire: Wire, username: str = "johndoe", password: str = PASSWORD) -> httpx.Response:
    """Log in; the cookies of the page go along although Keycloak marks them for HTTPS."""
    page = ask(wire)
    action = FORM.search(page.text)
    assert action is not None, page.text
    cookies = "; ".join(f"{name}={value}" for name, value in page.cookies.items())
    form = {"username": username, "password": password}
    return wire.http.post(unescape(action.group(1)), data=form, headers={"Cookie": cookies})


def redirect_of(answer: httpx.Response) -> dict[str, str]:
    assert answer.status_code == 302, answer.text
    location = urlsplit(answer.headers["location"])
    assert location._replace(query="").geturl() == REDIRECT
    return {name: values[0] for name, values in parse_qs(location.query).items()}


def redeem(wire: Wire, **changes: str | None) -> tuple[httpx.Response, dict[str, str]]:
    form = {
        "grant_type": "authorization_code",
        "client_id": FRONTEND,
        "code": redirect_of(submit(wire))["code"],
        "redirect_uri": REDIRECT,
        "code_verifier": VERIFIER,
    }
    sent = {name: value for name, value in (form | changes).items() if value is not None}
    return wire.post("token", sent.items()), sent


def test_a_login_ends_in_tokens_for_the_mcp_endpoint(wire: Wire) -> None:
    answer, _ = redeem(wire)
    claims, identity = claims_of(answer.json()["access_token"]), claims_of(answer.json()["id_token"])

    assert audiences_of(claims) == {REQUESTER, "http://localhost:8040/mcp"}
    assert set(claims["scope"].split()) == {"openid", "email", "profile", "mcp:tools"}
    assert claims["jti"].startswith("onrtac:")
    assert claims["auth_time"] <= claims["iat"]
    assert (identity["nonce"], identity["aud"], identity["auth_time"]) == ("the nonce", FRONTEND, claims["auth_time"])
    assert wire.exchange(answer.json()["access_token"], audience=PIZZERIA).status_code == 200


def test_the_redirect_names_state_and_issuer(wire: Wire) -> None:
    parameters = redirect_of(submit(wire))
    assert set(parameters) == {"code", "state", "iss", "session_state"}
    assert parameters["state"] == "the state"
    assert parameters["iss"] == wire.realm_url


@pytest.mark.parametrize(
    ("username", "password", "text"),
    [
        ("johndoe", "wrong", "Invalid username or password."),
        ("nobody", PASSWORD, "Invalid username or password."),
        ("disabled", PASSWORD, "Account is disabled, contact your administrator."),
    ],
)
def test_a_wrong_login_shows_the_form_again(wire: Wire, username: str, password: str, text: str) -> None:
    answer = submit(wire, username, password)
    assert answer.status_code == 200
    assert text in answer.text
    assert FORM.search(answer.text)


@pytest.mark.parametrize(
    "address",
    [
        "http://localhost:5555/callback",
        "http://localhost/callback",
        "http://localhost:33418",
        "http://127.0.0.1:33418/",
        "http://127.0.0.1:33418",
        "http://localhost:6274/oauth/callback/debug",
        "https://vscode.dev/redirect",
        "https://insiders.vscode.dev/redirect",
        "cursor://anysphere.cursor-mcp/oauth/callback",
        "https://claude.ai/api/mcp/auth_callback",
    ],
)
def test_common_agents_are_redirected_to(wire: Wire, address: str) -> None:
    assert ask(wire, redirect_uri=address).status_code == 200


@pytest.mark.parametrize(
    "address",
    [
        None,
        "",
        "https://evil.example/",
        "https://localhost:5555/callback",
        "http://[::1]:5555/callback",
        "http://localhost.evil.example/callback",
        "http://127.0.0.1.evil.example/callback",
        "http://localhost:5555@evil.example/",
        "http://evil@localhost:5555/callback",
        "http://localhost/../callback",
        "https://vscode.dev/redirect/more",
    ],
)
def test_nobody_else_is_redirected_to(wire: Wire, address: str | None) -> None:
    answer = ask(wire, redirect_uri=address)
    assert answer.status_code == 400
    assert "Invalid parameter: redirect_uri" in answer.text


@pytest.mark.parametrize(
    ("client_id", "text"),
    [
        ("nobody", "Client not found."),
        (DISABLED, "Client disabled."),
        (AGENT, "Invalid parameter: redirect_uri"),
    ],
)
def test_a_client_that_may_not_log_users_in_gets_a_page(wire: Wire, client_id: str, text: str) -> None:
    answer = ask(wire, client_id=client_id)
    assert answer.status_code == 400
    assert text in answer.text


def invalid_request(problem: str) -> dict[str, str]:
    return {"error": "invalid_request", "error_description": problem}


OTHER_METHOD = "Invalid parameter: code challenge method is not matching the configured one"
REFUSED_REQUESTS: list[tuple[dict[str, str | None], dict[str, str]]] = [
    ({"response_type": None}, invalid_request("Missing parameter: response_type")),
    ({"response_type": "nonsense"}, {"error": "unsupported_response_type"}),
    ({"scope": "nope"}, {"error": "invalid_scope", "error_description": "Invalid scopes: nope"}),
    ({"prompt": "none"}, {"error": "login_required"}),
    ({"code_challenge": None}, invalid_request("Missing parameter: code_challenge")),
    ({"code_challenge": "short"}, invalid_request("Invalid parameter: code_challenge")),
    ({"code_challenge_method": None}, invalid_request("Missing parameter: code_challenge_method")),
    ({"code_challenge_method": "plain"}, invalid_request(OTHER_METHOD)),
]


@pytest.mark.parametrize(("changes", "error"), REFUSED_REQUESTS, ids=lambda value: str(value)[:50])
def test_a_wrong_request_goes_back_to_the_client(wire: Wire, changes: dict[str, Any], error: dict[str, str]) -> None:
    assert redirect_of(ask(wire, **changes)) == {**error, "state": "the state", "iss": wire.realm_url}


REFUSED_CODES: list[tuple[dict[str, str | None], str, str]] = [
    ({"code": None}, "invalid_request", "Missing parameter: code"),
    ({"code": "garbage"}, "invalid_grant", "Code not valid"),
    ({"redirect_uri": f"{REDIRECT}/other"}, "invalid_grant", "Incorrect redirect_uri"),
    ({"redirect_uri": None}, "invalid_grant", "Incorrect redirect_uri"),
    ({"code_verifier": None}, "invalid_grant", "PKCE code verifier not specified"),
    ({"code_verifier": "w" * 50}, "invalid_grant", "PKCE verification failed: Code mismatch"),
    ({"code_verifier": "short"}, "invalid_grant", "PKCE verification failed: Invalid code verifier"),
    ({"client_id": AGENT}, "invalid_grant", "Auth error: Found different client_id in clientSession"),
]


@pytest.mark.parametrize(("changes", "error", "problem"), REFUSED_CODES, ids=lambda value: str(value)[:50])
def test_a_code_is_refused(wire: Wire, changes: dict[str, Any], error: str, problem: str) -> None:
    answer, _ = redeem(wire, **changes)
    assert refusal_of(answer) == (400, error, problem)


def test_a_code_used_twice_ends_the_session(wire: Wire) -> None:
    first, form = redeem(wire)
    assert refusal_of(wire.post("token", form.items())) == (400, "invalid_grant", "Code not valid")
    answer = wire.exchange(first.json()["access_token"])
    assert refusal_of(answer) == (400, "invalid_request", "Invalid token")
