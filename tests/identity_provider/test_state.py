"""Keys, sessions, counts, and what a realm file may say."""

from copy import deepcopy

import httpx
import jwt
import pytest

from seed.identity_provider import create_identity_provider
from seed.identity_provider.realm import RealmError
from seed.keycloak import read_realm
from tests.identity_provider.conftest import ENDPOINTS, REALM, Embedded
from tests.support.servers import running


def kid_of(token: str) -> str:
    return str(jwt.get_unverified_header(token)["kid"])


def published(embedded: Embedded) -> set[str]:
    return {key["kid"] for key in embedded.http.get(f"{ENDPOINTS}/certs").json()["keys"]}


def test_a_rotated_key_stays_published_until_it_is_dropped(embedded: Embedded, agent_token: str) -> None:
    embedded.http.post("/__dev/keys/rotate", json={})
    renewed = embedded.log_in().json()["access_token"]
    assert kid_of(renewed) != kid_of(agent_token)
    assert {kid_of(agent_token), kid_of(renewed)} <= published(embedded)
    assert embedded.exchange(agent_token).status_code == 200

    embedded.http.post("/__dev/keys/rotate", json={"drop_old": True})
    assert not {kid_of(agent_token), kid_of(renewed)} & published(embedded)
    assert embedded.exchange(agent_token).json()["error_description"] == "Invalid token"


def test_sessions_of_a_user_can_be_ended(embedded: Embedded, agent_token: str) -> None:
    others = embedded.log_in("chef").json()["access_token"]
    assert embedded.http.post("/__dev/logout", json={"username": "johndoe"}).json()["ended"] >= 1
    assert embedded.exchange(agent_token).json()["error_description"] == "Invalid token"
    assert embedded.exchange(others).status_code == 200
    assert embedded.http.post("/__dev/logout", json={"username": "nobody"}).status_code == 404


def test_requests_and_successful_exchanges_are_counted(embedded: Embedded, agent_token: str) -> None:
    embedded.http.delete("/__dev/stats")
    embedded.exchange(agent_token)
    embedded.exchange("not a token")
    embedded.http.get(f"{ENDPOINTS}/certs")
    assert embedded.http.get("/__dev/stats").json() == {"token": 2, "exchange": 2, "exchanges": 1, "certs": 1}


def test_a_token_lives_as_long_as_the_realm_says(embedded: Embedded, agent_token: str) -> None:
    embedded.clock.ahead = 290
    assert embedded.exchange(agent_token).status_code == 200
    embedded.clock.ahead = 301
    assert embedded.exchange(agent_token).json()["error_description"] == "Invalid token"


def test_a_session_ends_when_it_is_idle_for_too_long(embedded: Embedded) -> None:
    refresh = {"grant_type": "refresh_token", "client_id": "tools-provider-frontend"}
    refresh["refresh_token"] = embedded.log_in().json()["refresh_token"]
    embedded.clock.ahead = 1700
    renewed = embedded.http.post(f"{ENDPOINTS}/token", data=refresh)
    assert renewed.status_code == 200
    embedded.clock.ahead = 1900
    assert embedded.http.post(f"{ENDPOINTS}/token", data=refresh).json()["error"] == "invalid_grant"
    refresh["refresh_token"] = renewed.json()["refresh_token"]
    assert embedded.http.post(f"{ENDPOINTS}/token", data=refresh).status_code == 200


def test_a_code_is_good_for_a_minute(embedded: Embedded) -> None:
    request = {
        "client_id": "tools-provider-frontend",
        "response_type": "code",
        "redirect_uri": "http://localhost/callback",
        "code_challenge": "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM",  # RFC 7636 appendix B
        "code_challenge_method": "S256",
    }
    login = embedded.http.post(
        f"{REALM}/login-actions/authenticate", params=request, data={"username": "johndoe", "password": "password"}
    )
    form = {
        "grant_type": "authorization_code",
        "client_id": "tools-provider-frontend",
        "redirect_uri": "http://localhost/callback",
        "code": httpx.URL(login.headers["location"]).params["code"],
        "code_verifier": "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk",
    }
    embedded.clock.ahead = 61
    assert embedded.http.post(f"{ENDPOINTS}/token", data=form).json()["error_description"] == "Code not valid"


def test_the_issuer_can_be_fixed() -> None:
    app = create_identity_provider(read_realm(), issuer_base="https://login.example")
    with running(app) as address, httpx.Client(base_url=address, trust_env=False) as http:
        told = http.get(f"{REALM}/.well-known/openid-configuration").json()
        token = Embedded(http).log_in().json()["access_token"]
    assert told["issuer"] == "https://login.example/realms/tools-provider"
    assert jwt.decode(token, options={"verify_signature": False})["iss"] == told["issuer"]


def test_a_realm_that_names_what_it_lacks_is_refused() -> None:
    realm = deepcopy(read_realm())
    realm["clients"][0]["defaultClientScopes"].append("nowhere")
    with pytest.raises(RealmError, match="tools-provider-frontend names client scopes that the realm lacks: nowhere"):
        create_identity_provider(realm)


def test_a_realm_with_a_mapper_that_only_keycloak_has_is_refused() -> None:
    realm = deepcopy(read_realm())
    realm["clientScopes"][0]["protocolMappers"][0]["protocolMapper"] = "oidc-script-mapper"
    with pytest.raises(RealmError, match="no protocol mapper oidc-script-mapper"):
        create_identity_provider(realm)


def test_secrets_and_passwords_do_not_show() -> None:
    provider = create_identity_provider(read_realm()).state.identity_provider
    shown = repr(provider.realm)
    assert "johndoe" in shown
    assert "tools-provider-token-exchange-secret" not in shown
    assert "'password'" not in shown
