"""What an exchange that succeeds gives: the members of the answer and the claims of the token."""

from typing import Any

import httpx
import jwt
import pytest

from tests.keycloak.contract_realm import (
    DISABLED_AUDIENCE,
    FRONTEND,
    FULL_SCOPE_AGENT,
    GATED,
    HOP,
    INVENTORY,
    LIGHTWEIGHT,
    LIGHTWEIGHT_AGENT,
    LONG,
    NO_BASIC,
    OPTIONAL_AUDIENCE,
    PIZZERIA,
    REFRESHING,
    REQUESTER,
    ROLE_ONLY,
    SERVICE,
    SHORT,
    secret_of,
    user_id,
)
from tests.keycloak.wire import ACCESS_TOKEN, TYPE, Wire, audiences_of, claims_of, exchange_form

Json = dict[str, Any]
PROFILE = {"email", "email_verified", "name", "given_name", "family_name", "preferred_username"}
CUSTOMER = {PIZZERIA: {"roles": ["customer"]}}


def granted(answer: httpx.Response) -> tuple[Json, Json]:
    """The answer, which must be a success, and the claims of its token."""
    assert answer.status_code == 200, answer.text
    return answer.json(), claims_of(answer.json()["access_token"])


def lasting(seconds: int) -> int:
    """Keycloak counts what is left at the end of the request, which may be a second or two later; to tens."""
    return round(seconds + 1, -1)


def prefix_of(claims: Json) -> str:
    """How Keycloak marks where a token came from."""
    return str(claims["jti"]).partition(":")[0]


def scopes_of(holder: Json) -> set[str]:
    return set(holder["scope"].split())


def test_the_answer_has_keycloaks_members(wire: Wire, agent_token: str) -> None:
    answer, _ = granted(wire.exchange(agent_token, audience=PIZZERIA))
    token, session, scope = answer.pop("access_token"), answer.pop("session_state"), answer.pop("scope")

    assert lasting(answer.pop("expires_in")) == 300
    assert answer == {
        "refresh_expires_in": 0,
        "token_type": "Bearer",
        "not-before-policy": 0,
        "issued_token_type": ACCESS_TOKEN,
    }
    assert session == claims_of(agent_token)["sid"]
    assert set(scope.split()) == {"email", "profile"}
    assert jwt.get_unverified_header(token)["typ"] == "JWT"


def test_the_token_is_the_users_but_the_requesters_to_use_and_the_audiences_to_accept(
    wire: Wire, agent_token: str
) -> None:
    _, claims = granted(wire.exchange(agent_token, audience=PIZZERIA))

    expected = {"exp", "iat", "jti", "iss", "aud", "sub", "typ", "azp", "sid", "acr", "scope", "realm_access"}
    assert set(claims) == expected | {"resource_access"} | PROFILE
    assert claims["iss"] == wire.realm_url
    assert claims["sub"] == user_id("johndoe") == claims_of(agent_token)["sub"]
    assert claims["sid"] == claims_of(agent_token)["sid"]
    assert claims["azp"] == REQUESTER
    assert claims["aud"] == PIZZERIA
    assert claims["typ"] == "Bearer"
    assert claims["realm_access"] == {"roles": ["user"]}
    assert claims["resource_access"] == CUSTOMER
    assert claims["exp"] - claims["iat"] == 300
    assert prefix_of(claims) == "ntrtte"


def test_the_token_is_signed_with_a_published_key(wire: Wire, agent_token: str) -> None:
    token = wire.exchange(agent_token, audience=PIZZERIA).json()["access_token"]
    keys = jwt.PyJWKSet.from_dict(wire.get("/protocol/openid-connect/certs").json())
    key = keys[jwt.get_unverified_header(token)["kid"]]

    assert jwt.decode(token, key, algorithms=["RS256"], audience=PIZZERIA, issuer=wire.realm_url)["azp"] == REQUESTER


def test_the_frontends_tokens_can_be_exchanged(wire: Wire) -> None:
    token = wire.agent_token(client_id=FRONTEND)
    assert claims_of(token)["aud"] == REQUESTER
    _, claims = granted(wire.exchange(token, audience=PIZZERIA))
    assert claims["aud"] == PIZZERIA


def test_a_token_for_the_mcp_endpoint_names_it_and_the_requester(wire: Wire) -> None:
    token = wire.agent_token(client_id=FRONTEND, scope="mcp:tools")
    assert audiences_of(claims_of(token)) == {REQUESTER, "http://localhost:8040/mcp"}
    _, claims = granted(wire.exchange(token, audience=PIZZERIA))
    assert claims["aud"] == PIZZERIA


def test_without_an_audience_the_requesters_default_ones_are_given(wire: Wire, agent_token: str) -> None:
    _, claims = granted(wire.exchange(agent_token))
    assert claims["aud"] == PIZZERIA


def test_several_audiences_are_a_list(wire: Wire, agent_token: str) -> None:
    _, claims = granted(wire.exchange(agent_token, LONG))
    assert isinstance(claims["aud"], list)
    assert audiences_of(claims) == {PIZZERIA, HOP}
    assert claims["resource_access"] == CUSTOMER


def test_an_audience_filters_roles_of_other_clients_away(wire: Wire, agent_token: str) -> None:
    _, claims = granted(wire.exchange(agent_token, LONG, audience=HOP))
    assert claims["aud"] == HOP
    assert claims["resource_access"] == {}


def test_the_same_audience_twice_is_one_audience(wire: Wire, agent_token: str) -> None:
    _, claims = granted(wire.exchange(agent_token, audience=[PIZZERIA, PIZZERIA]))
    assert claims["aud"] == PIZZERIA


def test_the_requester_may_prove_itself_by_basic_authentication(wire: Wire, agent_token: str) -> None:
    form = [(k, v) for k, v in exchange_form(agent_token, audience=PIZZERIA) if not k.startswith("client_")]
    credentials = httpx.BasicAuth(REQUESTER, secret_of(REQUESTER))
    answer = wire.http.post(f"{wire.realm_url}/protocol/openid-connect/token", data=dict(form), auth=credentials)
    assert granted(answer)[1]["azp"] == REQUESTER


def test_optional_scopes_are_granted_without_looking_at_roles(wire: Wire, agent_token: str) -> None:
    answer, claims = granted(wire.exchange(agent_token, audience=PIZZERIA, scope="menu:write orders:read"))
    assert scopes_of(answer) == scopes_of(claims) == {"email", "profile", "menu:write", "orders:read"}


def test_a_default_scope_may_be_named(wire: Wire, agent_token: str) -> None:
    answer, _ = granted(wire.exchange(agent_token, audience=PIZZERIA, scope="email"))
    assert scopes_of(answer) == {"email", "profile"}


def test_a_scope_behind_a_role_is_silently_missing_without_it(wire: Wire, agent_token: str) -> None:
    answer, claims = granted(wire.exchange(agent_token, GATED, scope="gated:read"))
    assert scopes_of(answer) == {"email", "profile"}
    assert claims["aud"] == PIZZERIA


def test_a_role_opens_its_scope_and_audience(wire: Wire) -> None:
    answer, claims = granted(wire.exchange(wire.agent_token("manager"), GATED, scope="gated:read", audience=INVENTORY))
    assert scopes_of(answer) == {"email", "profile", "gated:read"}
    assert claims["aud"] == INVENTORY
    assert set(claims["realm_access"]["roles"]) == {"manager", "user"}


def test_openid_adds_an_id_token_for_the_requester(wire: Wire, agent_token: str) -> None:
    answer, claims = granted(wire.exchange(agent_token, audience=PIZZERIA, scope="openid"))
    identity = claims_of(answer["id_token"])
    assert scopes_of(answer) == {"openid", "email", "profile"}
    assert claims["aud"] == PIZZERIA
    assert (identity["typ"], identity["aud"], identity["sub"]) == ("ID", REQUESTER, claims["sub"])
    assert "at_hash" in identity


def test_a_requested_id_token_comes_as_access_token(wire: Wire, agent_token: str) -> None:
    answer, claims = granted(wire.exchange(agent_token, audience=PIZZERIA, requested_token_type=f"{TYPE}id_token"))
    assert answer["token_type"] == "N_A"
    assert answer["issued_token_type"] == f"{TYPE}id_token"
    assert (claims["typ"], claims["aud"], claims["azp"]) == ("ID", REQUESTER, REQUESTER)
    assert "realm_access" not in claims
    assert "scope" not in claims


def test_an_access_token_may_be_requested_by_name(wire: Wire, agent_token: str) -> None:
    answer, _ = granted(wire.exchange(agent_token, audience=PIZZERIA, requested_token_type=ACCESS_TOKEN))
    assert answer["issued_token_type"] == ACCESS_TOKEN


def test_a_refresh_token_is_given_where_it_is_allowed_and_keeps_the_audience(wire: Wire) -> None:
    answer, claims = granted(
        wire.exchange(wire.agent_token(), REFRESHING, audience=PIZZERIA, requested_token_type=f"{TYPE}refresh_token")
    )
    assert answer["issued_token_type"] == f"{TYPE}refresh_token"
    assert lasting(answer["refresh_expires_in"]) == 1800
    assert prefix_of(claims) == "onrtte"

    renewed, renewed_claims = granted(
        wire.token(
            grant_type="refresh_token",
            client_id=REFRESHING,
            client_secret=secret_of(REFRESHING),
            refresh_token=answer["refresh_token"],
        )
    )
    assert renewed_claims["aud"] == PIZZERIA
    assert renewed_claims["sid"] == claims["sid"]
    assert "refresh_token" in renewed


def test_actor_token_and_resource_are_ignored(wire: Wire, agent_token: str) -> None:
    _, claims = granted(
        wire.exchange(agent_token, audience=PIZZERIA, actor_token="x", resource=["http://a", "http://b"])
    )
    assert claims["aud"] == PIZZERIA
    assert "act" not in claims


def test_the_same_requester_may_exchange_again(wire: Wire, agent_token: str) -> None:
    first, _ = granted(wire.exchange(agent_token, audience=PIZZERIA))
    _, claims = granted(wire.exchange(first["access_token"], audience=PIZZERIA))
    assert (claims["aud"], claims["sub"]) == (PIZZERIA, user_id("johndoe"))


def test_exchanges_form_a_chain_of_requesters(wire: Wire, agent_token: str) -> None:
    first, _ = granted(wire.exchange(agent_token, LONG, audience=HOP))
    _, claims = granted(wire.exchange(first["access_token"], HOP))
    assert (claims["azp"], claims["aud"], claims["sub"]) == (HOP, DISABLED_AUDIENCE, user_id("johndoe"))


@pytest.mark.parametrize(("requester", "seconds"), [(SHORT, 20), (LONG, 3000)])
def test_the_requester_decides_how_long_the_token_lives(
    wire: Wire, agent_token: str, requester: str, seconds: int
) -> None:
    answer, claims = granted(wire.exchange(agent_token, requester, audience=PIZZERIA))
    assert lasting(answer["expires_in"]) == seconds
    assert claims["exp"] - claims["iat"] == seconds


def test_a_user_without_roles_at_the_audience_gets_a_token_without_roles(wire: Wire) -> None:
    _, claims = granted(wire.exchange(wire.agent_token("auditor"), audience=PIZZERIA))
    assert claims["aud"] == PIZZERIA
    assert "resource_access" not in claims


def test_a_role_at_the_audience_makes_it_available_without_a_scope(wire: Wire, agent_token: str) -> None:
    _, claims = granted(wire.exchange(agent_token, ROLE_ONLY, audience=PIZZERIA))
    assert claims["aud"] == PIZZERIA


def test_an_optional_audience_scope_works_when_it_is_asked_for(wire: Wire) -> None:
    _, claims = granted(
        wire.exchange(wire.agent_token("auditor"), OPTIONAL_AUDIENCE, audience=PIZZERIA, scope="pizzeria-audience")
    )
    assert claims["aud"] == PIZZERIA


def test_a_lightweight_token_is_exchanged_for_a_full_one(wire: Wire) -> None:
    light = wire.agent_token(client_id=LIGHTWEIGHT_AGENT)
    _, claims = granted(wire.exchange(light, audience=PIZZERIA))
    assert "sub" not in claims_of(light)
    assert claims["sub"] == user_id("johndoe")
    assert claims["resource_access"] == CUSTOMER


def test_a_lightweight_requester_gets_a_light_token_that_still_names_its_subject(wire: Wire, agent_token: str) -> None:
    _, claims = granted(wire.exchange(agent_token, LIGHTWEIGHT, audience=PIZZERIA))
    assert set(claims) == {"exp", "iat", "jti", "iss", "aud", "sub", "typ", "azp", "sid", "scope"}
    assert (claims["aud"], claims["sub"]) == (PIZZERIA, user_id("johndoe"))
    assert prefix_of(claims) == "ntltte"


def test_the_subject_is_there_without_the_basic_scope(wire: Wire, agent_token: str) -> None:
    _, claims = granted(wire.exchange(agent_token, NO_BASIC, audience=PIZZERIA))
    assert claims["sub"] == user_id("johndoe")


def test_full_scope_puts_every_client_of_the_users_roles_into_the_agents_token(wire: Wire) -> None:
    token = wire.agent_token(client_id=FULL_SCOPE_AGENT)
    assert PIZZERIA in audiences_of(claims_of(token))
    assert claims_of(token)["resource_access"] == CUSTOMER
    _, claims = granted(wire.exchange(token, audience=PIZZERIA))
    assert claims["aud"] == PIZZERIA


def test_a_service_account_can_be_a_subject_and_has_no_session(wire: Wire) -> None:
    service = wire.token(grant_type="client_credentials", client_id=SERVICE, client_secret=secret_of(SERVICE))
    answer, claims = granted(wire.exchange(service.json()["access_token"], audience=PIZZERIA))
    assert claims["sub"] == claims_of(service.json()["access_token"])["sub"]
    assert claims["preferred_username"] == f"service-account-{SERVICE}"
    assert "sid" not in claims
    assert "session_state" not in answer
    assert prefix_of(claims) == "trrtte"
