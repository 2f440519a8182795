"""What the identity provider says of itself."""

import pytest

from tests.keycloak.contract_realm import NAME
from tests.keycloak.wire import Wire

WELL_KNOWN = (
    f"/realms/{NAME}/.well-known/openid-configuration",
    f"/realms/{NAME}/.well-known/oauth-authorization-server",
    f"/.well-known/oauth-authorization-server/realms/{NAME}",
)
ENDPOINTS = {
    "authorization_endpoint": "auth",
    "token_endpoint": "token",
    "introspection_endpoint": "token/introspect",
    "userinfo_endpoint": "userinfo",
    "end_session_endpoint": "logout",
    "revocation_endpoint": "revoke",
    "jwks_uri": "certs",
}


@pytest.mark.parametrize("path", WELL_KNOWN)
def test_the_issuer_and_the_endpoints_follow_the_address_that_was_called(wire: Wire, path: str) -> None:
    for base in (wire.base_url, wire.base_url.replace("127.0.0.1", "localhost")):
        told = wire.http.get(f"{base}{path}").json()
        assert told["issuer"] == f"{base}/realms/{NAME}"
        expected = {name: f"{base}/realms/{NAME}/protocol/openid-connect/{end}" for name, end in ENDPOINTS.items()}
        assert {name: told[name] for name in ENDPOINTS} == expected


def test_what_the_product_relies_on_is_advertised(wire: Wire) -> None:
    told = wire.get("/.well-known/openid-configuration").json()
    grants = {"authorization_code", "password", "refresh_token", "client_credentials"}
    assert {*grants, "urn:ietf:params:oauth:grant-type:token-exchange"} <= set(told["grant_types_supported"])
    assert {"client_secret_basic", "client_secret_post"} <= set(told["token_endpoint_auth_methods_supported"])
    assert "S256" in told["code_challenge_methods_supported"]
    assert "code" in told["response_types_supported"]
    assert "RS256" in told["id_token_signing_alg_values_supported"]
    assert told["authorization_response_iss_parameter_supported"] is True


def test_clients_learn_of_the_tools_scope_but_not_of_offline_access(wire: Wire) -> None:
    scopes = wire.get("/.well-known/openid-configuration").json()["scopes_supported"]
    assert {"openid", "mcp:tools", "profile", "email"} <= set(scopes)
    assert "offline_access" not in scopes


def test_the_keys_are_one_for_signatures_and_one_for_encryption_at_least(wire: Wire) -> None:
    keys = wire.get("/protocol/openid-connect/certs").json()["keys"]
    assert {(key["use"], key["alg"], key["kty"]) for key in keys} == {
        ("sig", "RS256", "RSA"),
        ("enc", "RSA-OAEP", "RSA"),
    }
    assert len({key["kid"] for key in keys}) == len(keys)


def test_the_realm_describes_itself(wire: Wire) -> None:
    told = wire.get("").json()
    assert told["realm"] == NAME
    assert told["token-service"] == f"{wire.realm_url}/protocol/openid-connect"
    assert told["account-service"] == f"{wire.realm_url}/account"
    assert told["tokens-not-before"] == 0
    assert len(told["public_key"]) > 300
