"""The metadata document: what this identity provider really offers, in Keycloak's members."""

from typing import Any

from seed.identity_provider.keys import ALGORITHM
from seed.identity_provider.realm import Realm

AUTHENTICATION_METHODS = ["client_secret_basic", "client_secret_post"]


def metadata(realm: Realm, issuer: str) -> dict[str, Any]:
    endpoints = f"{issuer}/protocol/openid-connect"
    return {
        "issuer": issuer,
        "authorization_endpoint": f"{endpoints}/auth",
        "token_endpoint": f"{endpoints}/token",
        "introspection_endpoint": f"{endpoints}/token/introspect",
        "userinfo_endpoint": f"{endpoints}/userinfo",
        "end_session_endpoint": f"{endpoints}/logout",
        "revocation_endpoint": f"{endpoints}/revoke",
        "registration_endpoint": f"{issuer}/clients-registrations/openid-connect",
        "jwks_uri": f"{endpoints}/certs",
        "grant_types_supported": [
            "authorization_code",
            "client_credentials",
            "password",
            "refresh_token",
            "urn:ietf:params:oauth:grant-type:token-exchange",
        ],
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": [ALGORITHM],
        "token_endpoint_auth_methods_supported": AUTHENTICATION_METHODS,
        "introspection_endpoint_auth_methods_supported": AUTHENTICATION_METHODS,
        "revocation_endpoint_auth_methods_supported": AUTHENTICATION_METHODS,
        "scopes_supported": ["openid", *(scope.name for scope in realm.scopes.values() if scope.advertised)],
        "code_challenge_methods_supported": ["S256"],
        "authorization_response_iss_parameter_supported": True,
    }
