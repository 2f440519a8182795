"""Introspection: who may ask, and what is said."""

import jwt
import pytest

from tests.keycloak.contract_realm import (
    AGENT,
    INVENTORY,
    JWT_INTROSPECTOR,
    LIGHTWEIGHT_AGENT,
    PIZZERIA,
    REQUESTER,
    SERVICE,
    secret_of,
    user_id,
)
from tests.keycloak.wire import Wire, claims_of, refusal_of

INACTIVE = {"active": False}
BAD_CLIENT = "Invalid client or Invalid client credentials"


def test_the_requester_sees_the_whole_agent_token(wire: Wire, agent_token: str) -> None:
    answer = wire.introspect(agent_token, REQUESTER)
    known = {"client_id": AGENT, "username": "johndoe", "token_type": "Bearer", "active": True}
    told = answer.json()
    assert answer.headers["content-type"] == "application/json"
    assert {**claims_of(agent_token), **known, "aud": set(told["aud"])} == {**told, "aud": set(told["aud"])}


def test_an_exchanged_token_is_known_to_its_audience_only(wire: Wire, agent_token: str) -> None:
    exchanged = wire.exchange(agent_token, audience=PIZZERIA).json()["access_token"]
    told = wire.introspect(exchanged, PIZZERIA).json()
    assert told["active"] is True
    assert told["resource_access"] == {PIZZERIA: {"roles": ["customer"]}}
    assert told["client_id"] == REQUESTER
    assert wire.introspect(exchanged, REQUESTER).json() == INACTIVE
    assert wire.introspect(exchanged, INVENTORY).json() == INACTIVE


def test_introspection_gives_what_a_lightweight_token_leaves_out(wire: Wire) -> None:
    told = wire.introspect(wire.agent_token(client_id=LIGHTWEIGHT_AGENT), REQUESTER).json()
    assert told["sub"] == user_id("johndoe")
    assert told["realm_access"] == {"roles": ["user"]}
    assert told["preferred_username"] == "johndoe"
    assert told["email"] == "johndoe@example.com"


def test_a_service_accounts_token_is_known(wire: Wire) -> None:
    service = wire.token(grant_type="client_credentials", client_id=SERVICE, client_secret=secret_of(SERVICE)).json()
    told = wire.introspect(service["access_token"], REQUESTER).json()
    assert (told["active"], told["client_id"], told["username"]) == (True, SERVICE, f"service-account-{SERVICE}")


@pytest.mark.parametrize("kind", ["garbage", "refresh token", "ID token"])
def test_what_is_no_access_token_is_inactive(wire: Wire, kind: str) -> None:
    login = wire.log_in(scope="openid")
    token = {"garbage": "x", "refresh token": login["refresh_token"], "ID token": login["id_token"]}[kind]
    assert wire.introspect(token, REQUESTER).json() == INACTIVE


def test_a_jwt_of_the_claims_is_added_for_a_client_that_may_ask_for_it(wire: Wire, agent_token: str) -> None:
    accept = {"Accept": "application/jwt"}
    answer = wire.introspect(agent_token, JWT_INTROSPECTOR, accept)
    assert answer.headers["content-type"] == "application/json"
    assert claims_of(answer.json()["jwt"])["sub"] == user_id("johndoe")
    assert jwt.get_unverified_header(answer.json()["jwt"])["alg"] == "RS256"
    assert "jwt" not in wire.introspect(agent_token, REQUESTER, accept).json()
    assert "jwt" not in wire.introspect(agent_token, JWT_INTROSPECTOR).json()


def test_who_may_not_introspect_is_told_so(wire: Wire, agent_token: str) -> None:
    def refusal(**form: str) -> tuple[int, str, str]:
        return refusal_of(wire.post("token/introspect", form.items()))

    secret = secret_of(REQUESTER)
    assert refusal(token=agent_token, client_id=AGENT) == (403, "invalid_request", "Client not allowed.")
    wrong = refusal(token=agent_token, client_id=REQUESTER, client_secret="wrong")
    assert wrong == (401, "invalid_client", "Client authentication failed.")
    assert refusal(token=agent_token, client_id="nobody") == (401, "invalid_client", BAD_CLIENT)
    assert refusal(client_id=REQUESTER, client_secret=secret) == (400, "invalid_request", "Token not provided.")


def test_userinfo_is_for_tokens_with_openid(wire: Wire, agent_token: str) -> None:
    def userinfo(authorization: str) -> tuple[int, str]:
        address = f"{wire.realm_url}/protocol/openid-connect/userinfo"
        answer = wire.http.get(address, headers={"Authorization": authorization} if authorization else {})
        return answer.status_code, answer.headers.get("www-authenticate", "")

    realm = wire.realm_url.rpartition("/")[2]
    assert userinfo(f"Bearer {wire.agent_token(scope='openid')}") == (200, "")
    missing = f'Bearer realm="{realm}", error="insufficient_scope", error_description="Missing openid scope"'
    assert userinfo(f"Bearer {agent_token}") == (403, missing)
    invalid = f'Bearer realm="{realm}", error="invalid_token", error_description="Token verification failed"'
    assert userinfo("Bearer x") == (401, invalid)
    assert userinfo("") == (401, f'Bearer realm="{realm}"')


def test_userinfo_tells_who_the_user_is(wire: Wire) -> None:
    headers = {"Authorization": f"Bearer {wire.agent_token(scope='openid')}"}
    told = wire.http.get(f"{wire.realm_url}/protocol/openid-connect/userinfo", headers=headers).json()
    assert told == {
        "sub": user_id("johndoe"),
        "email_verified": True,
        "name": "John Doe",
        "preferred_username": "johndoe",
        "given_name": "John",
        "family_name": "Doe",
        "email": "johndoe@example.com",
    }
