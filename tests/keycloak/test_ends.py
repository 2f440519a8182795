"""How tokens end before their time, and what changes while they are in use."""

import time

import jwt
import pytest

from tests.keycloak.administration import Administration
from tests.keycloak.contract_realm import AGENT, BRIEF_AGENT, FRONTEND, PIZZERIA, REQUESTER, SHORT, secret_of
from tests.keycloak.wire import Wire, claims_of, refusal_of

INVALID_TOKEN = (400, "invalid_request", "Invalid token")
BAD_CLIENT = "Invalid client or Invalid client credentials"
INACTIVE = {"active": False}


def test_a_revoked_token_is_refused_but_what_was_exchanged_before_lives_on(wire: Wire) -> None:
    token = wire.agent_token()
    exchanged = wire.exchange(token, audience=PIZZERIA).json()["access_token"]
    answer = wire.post("revoke", [("token", token), ("client_id", AGENT)])

    assert (answer.status_code, answer.content) == (200, b"")
    assert wire.post("revoke", [("token", token), ("client_id", AGENT)]).status_code == 200
    assert refusal_of(wire.exchange(token, audience=PIZZERIA)) == INVALID_TOKEN
    assert wire.introspect(token, REQUESTER).json() == INACTIVE
    assert wire.introspect(exchanged, PIZZERIA).json()["active"] is True


def test_a_revoked_refresh_token_ends_the_session(wire: Wire) -> None:
    login = wire.log_in()
    wire.post("revoke", [("token", login["refresh_token"]), ("client_id", AGENT)])
    answer = wire.token(grant_type="refresh_token", client_id=AGENT, refresh_token=login["refresh_token"])
    assert refusal_of(answer) == (400, "invalid_grant", "Session not active")
    assert refusal_of(wire.exchange(login["access_token"])) == INVALID_TOKEN


def test_revocation_is_refused(wire: Wire, agent_token: str) -> None:
    def refusal(*form: tuple[str, str]) -> tuple[int, str, str]:
        return refusal_of(wire.post("revoke", form))

    assert refusal(("token", agent_token)) == (401, "invalid_client", BAD_CLIENT)
    assert refusal(("token", agent_token), ("client_id", FRONTEND)) == (400, "invalid_request", "Unmatching clients")
    assert refusal(("client_id", AGENT)) == (400, "invalid_request", "Token not provided")
    assert refusal(("token", "x"), ("client_id", AGENT)) == (200, "invalid_token", "Invalid token")


def test_logging_out_ends_the_session_and_every_token_of_it(wire: Wire) -> None:
    login = wire.log_in()
    exchanged = wire.exchange(login["access_token"], audience=PIZZERIA).json()["access_token"]
    form = [("client_id", AGENT), ("refresh_token", login["refresh_token"])]

    assert wire.post("logout", form).status_code == 204
    assert wire.post("logout", form).status_code == 204
    assert refusal_of(wire.exchange(login["access_token"])) == INVALID_TOKEN
    assert wire.introspect(exchanged, PIZZERIA).json() == INACTIVE
    answer = wire.token(grant_type="refresh_token", client_id=AGENT, refresh_token=login["refresh_token"])
    assert refusal_of(answer) == (400, "invalid_grant", "Session not active")


def test_logging_out_is_refused(wire: Wire) -> None:
    login = wire.log_in()
    garbage = wire.post("logout", [("client_id", AGENT), ("refresh_token", "x")])
    assert refusal_of(garbage) == (400, "invalid_grant", "Invalid refresh token")
    other = wire.post("logout", [("client_id", FRONTEND), ("refresh_token", login["refresh_token"])])
    problem = "Invalid refresh token. Token client and authorized client don't match"
    assert refusal_of(other) == (400, "invalid_grant", problem)
    assert wire.exchange(login["access_token"]).status_code == 200


def test_an_administrator_logs_a_user_out(wire: Wire, administration: Administration) -> None:
    token, others = wire.agent_token("chef"), wire.agent_token("manager")
    administration.log_out("chef")
    assert refusal_of(wire.exchange(token, audience=PIZZERIA)) == INVALID_TOKEN
    assert wire.introspect(token, REQUESTER).json() == INACTIVE
    assert wire.exchange(others, audience=PIZZERIA).status_code == 200


def test_a_disabled_users_tokens_are_refused(wire: Wire, administration: Administration) -> None:
    login = wire.log_in("manager")
    with administration.user_with("manager", enabled=False):
        assert refusal_of(wire.exchange(login["access_token"])) == INVALID_TOKEN
        answer = wire.token(grant_type="refresh_token", client_id=AGENT, refresh_token=login["refresh_token"])
        assert refusal_of(answer) == (400, "invalid_grant", "User disabled")


def test_tokens_from_before_the_realms_not_before_are_refused(wire: Wire, administration: Administration) -> None:
    token = wire.agent_token()
    with administration.realm_with(notBefore=int(time.time()) + 5):
        assert refusal_of(wire.exchange(token)) == INVALID_TOKEN
        assert wire.get("").json()["tokens-not-before"] > claims_of(token)["iat"]
    assert wire.exchange(token).status_code == 200


def test_an_expired_token_is_refused(wire: Wire) -> None:
    token = wire.agent_token(client_id=BRIEF_AGENT)
    deadline = claims_of(token)["exp"] + 5
    answer = wire.exchange(token)
    while answer.status_code == 200 and time.time() < deadline:
        answer = wire.exchange(token)
    assert refusal_of(answer) == INVALID_TOKEN


def test_a_rotated_secret_ends_the_old_one_at_once(
    wire: Wire, administration: Administration, agent_token: str
) -> None:
    with administration.client_with(REQUESTER, secret="a newer one"):
        assert refusal_of(wire.exchange(agent_token)) == (401, "unauthorized_client", BAD_CLIENT)
        assert wire.exchange(agent_token, client_secret="a newer one").status_code == 200
    assert wire.exchange(agent_token).status_code == 200


def test_a_requester_is_disabled(wire: Wire, administration: Administration, agent_token: str) -> None:
    with administration.client_with(REQUESTER, enabled=False):
        assert refusal_of(wire.exchange(agent_token)) == (401, "invalid_client", BAD_CLIENT)


def test_the_agents_client_is_disabled(wire: Wire, administration: Administration) -> None:
    token = wire.agent_token(client_id=FRONTEND)
    with administration.client_with(FRONTEND, enabled=False):
        assert refusal_of(wire.exchange(token)) == INVALID_TOKEN


def test_an_audience_is_disabled(wire: Wire, administration: Administration, agent_token: str) -> None:
    with administration.client_with(PIZZERIA, enabled=False):
        answer = wire.exchange(agent_token, audience=PIZZERIA)
    assert refusal_of(answer) == (400, "invalid_client", "Client disabled")


def test_the_realm_is_disabled(wire: Wire, administration: Administration, agent_token: str) -> None:
    with administration.realm_with(enabled=False):
        assert refusal_of(wire.exchange(agent_token)) == (403, "access_denied", "Realm not enabled")
        assert wire.get("/.well-known/openid-configuration").status_code == 200


def test_the_realm_demands_https(wire: Wire, administration: Administration, agent_token: str) -> None:
    with administration.realm_with(sslRequired="all"):
        assert refusal_of(wire.exchange(agent_token)) == (403, "invalid_request", "HTTPS required")
        assert wire.get("/.well-known/openid-configuration").status_code == 403


def test_old_tokens_live_on_when_the_signing_key_changes(wire: Wire, administration: Administration) -> None:
    old = wire.agent_token()
    administration.rotate_keys()
    new = wire.agent_token()
    kids = [jwt.get_unverified_header(token)["kid"] for token in (old, new)]
    published = {key["kid"]: key for key in wire.get("/protocol/openid-connect/certs").json()["keys"]}

    assert kids[0] != kids[1]
    assert {published[kid]["use"] for kid in kids} == {"sig"}
    assert wire.exchange(old).status_code == 200
    assert wire.exchange(new).status_code == 200


@pytest.mark.parametrize("requester", [REQUESTER, SHORT])
def test_a_secret_is_checked_before_anything_else(wire: Wire, requester: str) -> None:
    assert secret_of(requester) != "wrong"
    answer = wire.exchange("not a token", requester, client_secret="wrong")
    assert refusal_of(answer) == (401, "unauthorized_client", BAD_CLIENT)
