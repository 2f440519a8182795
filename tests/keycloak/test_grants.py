"""The other grants: password, client credentials, refresh."""

from typing import Any

import pytest

from tests.keycloak.contract_realm import (
    AGENT,
    CONSENT,
    FRONTEND,
    LIGHTWEIGHT_AGENT,
    PASSWORD,
    REQUESTER,
    SERVICE,
    secret_of,
    user_id,
)
from tests.keycloak.wire import Wire, claims_of, refusal_of

BAD_CLIENT = "Invalid client or Invalid client credentials"
BAD_USER = (400, "invalid_grant", "Invalid user credentials")
JOHN = {"grant_type": "password", "client_id": AGENT, "username": "johndoe", "password": PASSWORD}
PASSWORD_REFUSALS: list[tuple[str, dict[str, str], tuple[int, str, str]]] = [
    ("wrong password", {"password": "wrong"}, BAD_USER),
    ("unknown user", {"username": "nobody"}, BAD_USER),
    ("disabled user", {"username": "disabled"}, (400, "invalid_grant", "Account disabled")),
    ("disabled user, wrong password", {"username": "disabled", "password": "wrong"}, BAD_USER),
    ("unknown client", {"client_id": "nobody"}, (401, "invalid_client", BAD_CLIENT)),
    ("unknown scope", {"scope": "nope openid"}, (400, "invalid_scope", "Invalid scopes: nope openid")),
    ("scope before password", {"scope": "nope", "password": "x"}, (400, "invalid_scope", "Invalid scopes: nope")),
    ("offline_access", {"scope": "offline_access"}, (400, "invalid_scope", "Invalid scopes: offline_access")),
    (
        "client without the password grant",
        {"client_id": REQUESTER, "client_secret": secret_of(REQUESTER)},
        (400, "unauthorized_client", "Client not allowed for direct access grants"),
    ),
]


@pytest.mark.parametrize(
    ("changes", "refusal"), [row[1:] for row in PASSWORD_REFUSALS], ids=[r[0] for r in PASSWORD_REFUSALS]
)
def test_a_login_is_refused(wire: Wire, changes: dict[str, str], refusal: tuple[int, str, str]) -> None:
    assert refusal_of(wire.post("token", (JOHN | changes).items())) == refusal


def test_a_login_without_a_name_or_a_password_is_refused(wire: Wire) -> None:
    without_name = {name: value for name, value in JOHN.items() if name != "username"}
    without_password = {name: value for name, value in JOHN.items() if name != "password"}
    assert refusal_of(wire.post("token", without_name.items())) == (
        401,
        "invalid_request",
        "Missing parameter: username",
    )
    assert refusal_of(wire.post("token", without_password.items())) == BAD_USER


def test_a_parameter_twice_is_refused(wire: Wire) -> None:
    answer = wire.post("token", [*JOHN.items(), ("username", "johndoe")])
    assert refusal_of(answer) == (400, "invalid_request", "duplicated parameter")


def test_a_json_body_is_no_form(wire: Wire) -> None:
    answer = wire.http.post(f"{wire.realm_url}/protocol/openid-connect/token", json=JOHN)
    assert refusal_of(answer) == (400, "invalid_request", "Missing form parameter: grant_type")


def test_a_login_gives_tokens_of_one_session(wire: Wire) -> None:
    answer = wire.log_in()
    claims = claims_of(answer["access_token"])

    assert {
        name: value for name, value in answer.items() if name not in {"access_token", "refresh_token", "scope"}
    } == {
        "expires_in": 300,
        "refresh_expires_in": 1800,
        "token_type": "Bearer",
        "not-before-policy": 0,
        "session_state": claims["sid"],
    }
    assert claims["iss"] == wire.realm_url
    assert claims["sub"] == user_id("johndoe")
    assert (claims["azp"], claims["typ"]) == (AGENT, "Bearer")
    assert claims["jti"].startswith("onrtro:")
    assert "resource_access" not in claims


def test_every_user_of_the_realm_file_has_the_roles_it_says(wire: Wire) -> None:
    roles = {
        user: set(claims_of(wire.agent_token(user, FRONTEND))["realm_access"]["roles"])
        for user in ("admin", "manager", "johndoe", "chef", "auditor")
    }
    assert roles == {
        "admin": {"admin", "user"},
        "manager": {"manager", "user"},
        "johndoe": {"user"},
        "chef": {"user"},
        "auditor": {"user"},
    }


def test_the_frontends_token_carries_what_its_scopes_say(wire: Wire) -> None:
    claims = claims_of(wire.agent_token(client_id=FRONTEND))
    assert claims["acr"] == "1"
    assert {"http://localhost", "http://127.0.0.1:6274", "https://vscode.dev"} <= set(claims["allowed-origins"])
    assert claims["name"] == "John Doe"
    assert claims["email"] == "johndoe@example.com"


def test_openid_gives_an_id_token(wire: Wire) -> None:
    answer = wire.log_in(scope="openid")
    claims = claims_of(answer["id_token"])
    assert (claims["typ"], claims["aud"], claims["azp"], claims["sub"]) == ("ID", AGENT, AGENT, user_id("johndoe"))
    assert set(answer["scope"].split()) == {"openid", "email", "profile"}


def test_a_lightweight_client_gets_tokens_without_subject_and_roles(wire: Wire) -> None:
    claims = claims_of(wire.agent_token(client_id=LIGHTWEIGHT_AGENT))
    assert set(claims) == {"exp", "iat", "jti", "iss", "aud", "typ", "azp", "sid", "scope"}
    assert REQUESTER in claims["aud"]
    assert claims["jti"].startswith("onltro:")


def test_client_credentials_give_the_service_account_a_token_without_session(wire: Wire) -> None:
    answer = wire.token(grant_type="client_credentials", client_id=SERVICE, client_secret=secret_of(SERVICE)).json()
    claims = claims_of(answer["access_token"])
    assert "refresh_token" not in answer
    assert "session_state" not in answer
    assert "sid" not in claims
    assert answer["refresh_expires_in"] == 0
    assert (claims["azp"], claims["client_id"]) == (SERVICE, SERVICE)
    assert (claims["clientHost"], claims["clientAddress"]) == ("127.0.0.1", "127.0.0.1")
    assert claims["preferred_username"] == f"service-account-{SERVICE}"
    assert claims["jti"].startswith("trrtcc:")


@pytest.mark.parametrize(
    ("client_id", "problem"),
    [
        (REQUESTER, "Client not enabled to retrieve service account"),
        (AGENT, "Public client not allowed to retrieve service account"),
    ],
)
def test_client_credentials_are_for_service_accounts(wire: Wire, client_id: str, problem: str) -> None:
    answer = wire.token(grant_type="client_credentials", client_id=client_id, client_secret=secret_of(client_id))
    assert refusal_of(answer) == (401, "unauthorized_client", problem)


def refreshed(wire: Wire, token: str, client_id: str = AGENT, **form: str) -> Any:
    return wire.token(grant_type="refresh_token", client_id=client_id, refresh_token=token, **form)


def test_a_refresh_continues_the_session(wire: Wire) -> None:
    login = wire.log_in()
    answer = refreshed(wire, login["refresh_token"])
    claims = claims_of(answer.json()["access_token"])
    assert claims["sid"] == login["session_state"]
    assert claims["jti"].startswith("onrtrt:")
    assert refreshed(wire, answer.json()["refresh_token"]).status_code == 200
    assert refreshed(wire, login["refresh_token"]).status_code == 200


def test_a_refresh_does_not_add_scopes(wire: Wire) -> None:
    answer = refreshed(wire, wire.log_in()["refresh_token"], scope="orders:read")
    assert set(answer.json()["scope"].split()) == {"email", "profile"}


def test_a_refresh_keeps_the_scopes_of_the_login(wire: Wire) -> None:
    answer = refreshed(wire, wire.log_in(scope="orders:read openid")["refresh_token"]).json()
    assert set(answer["scope"].split()) == {"email", "profile", "orders:read", "openid"}
    assert "id_token" in answer


def test_a_refresh_is_refused(wire: Wire) -> None:
    login = wire.log_in()
    invalid = (400, "invalid_grant", "Invalid refresh token")
    other = (400, "invalid_grant", "Invalid refresh token. Token client and authorized client don't match")
    missing = wire.token(grant_type="refresh_token", client_id=AGENT)
    assert refusal_of(missing) == (400, "invalid_request", "No refresh token")
    assert refusal_of(refreshed(wire, "garbage")) == invalid
    assert refusal_of(refreshed(wire, login["access_token"])) == invalid
    assert refusal_of(refreshed(wire, login["refresh_token"], FRONTEND)) == other


def test_a_client_that_needs_consent_has_no_password_grant(wire: Wire, administration: Any) -> None:
    with administration.client_with(CONSENT, directAccessGrantsEnabled=True):
        answer = wire.token(**(JOHN | {"client_id": CONSENT, "client_secret": secret_of(CONSENT)}))
    assert refusal_of(answer) == (400, "invalid_client", "Client requires user consent")
