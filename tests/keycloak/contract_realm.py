"""The seed realm and the clients that only the contract needs; both identity providers are given the same."""

from copy import deepcopy
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from seed.keycloak import read_realm

NAME = "tools-provider-contract"
Json = dict[str, Any]

PASSWORD = "password"
REQUESTER = "tools-provider-token-exchange"
FRONTEND = "tools-provider-frontend"
PIZZERIA = "pizzeria-backend"
INVENTORY = "inventory-backend"
AGENT = "agent-of-all"  # its tokens may be exchanged by every requester below but OUTSIDER
BRIEF_AGENT = "agent-brief"  # its tokens live one second
LIGHTWEIGHT_AGENT = "agent-lightweight"
DPOP = "requester-dpop"  # logs users in, is bound to a key, and exchanges its own tokens
FULL_SCOPE_AGENT = "agent-full-scope"
OUTSIDER = "requester-outsider"
PUBLIC = "requester-public"
WITHOUT_SWITCH = "requester-without-switch"
CONSENT = "requester-consent"
DISABLED = "requester-disabled"
SIGNED_JWT = "requester-signed-jwt"
BEARER_ONLY = "requester-bearer-only"
OPTIONAL_AUDIENCE = "requester-optional-audience"
GATED = "requester-gated"
ROLE_ONLY = "requester-role-only"
SHORT = "requester-short"
LONG = "requester-long"
REFRESHING = "requester-refreshing"
LIGHTWEIGHT = "requester-lightweight"
NO_BASIC = "requester-no-basic"
HOP = "requester-hop"
SERVICE = "service"
DISABLED_AUDIENCE = "backend-disabled"
JWT_INTROSPECTOR = "introspector-jwt"

REQUESTERS = (
    REQUESTER, PUBLIC, WITHOUT_SWITCH, CONSENT, DISABLED, SIGNED_JWT, BEARER_ONLY, OPTIONAL_AUDIENCE, GATED, ROLE_ONLY,
    SHORT, LONG, REFRESHING, LIGHTWEIGHT, NO_BASIC, JWT_INTROSPECTOR,
)  # fmt: skip
BASICS = ["basic", "roles", "profile", "email"]
SWITCH = {"standard.token.exchange.enabled": "true"}
REFRESH_TOKENS = {"standard.token.exchange.enableRefreshRequestedTokenType": "SAME_SESSION"}
LIGHTWEIGHT_TOKENS = {"client.use.lightweight.access.token.enabled": "true"}


def secret_of(client_id: str) -> str:
    return f"{client_id}-secret"


def contract_realm() -> Json:
    """The seed realm under another name, so that a server that already has the seed realm can take it too."""
    realm = deepcopy(read_realm())
    realm["realm"] = NAME
    for user in realm["users"]:
        user["id"] = user_id(user["username"])
    realm["clientScopes"] += _scopes()
    realm["clients"] += [*_agents(), *_requesters(), *_others()]
    added = [client["clientId"] for client in [*_agents(), *_requesters(), *_others()]]
    realm["scopeMappings"] += [
        *({"client": name, "roles": ["admin", "manager", "user"]} for name in added if name != BEARER_ONLY),
        {"clientScope": "gated-audience", "roles": ["manager"]},
        {"clientScope": "gated:read", "roles": ["manager"]},
    ]
    realm["clientScopeMappings"][PIZZERIA] += [
        {"client": name, "roles": ["customer", "chef"]} for name in (*REQUESTERS[1:], OUTSIDER) if name != BEARER_ONLY
    ]
    return realm


def user_id(username: str) -> str:
    """The subject of a user in the contract realm (Keycloak wants user ids unique over all realms)."""
    return str(uuid5(NAMESPACE_URL, f"{NAME}/{username}"))


def audience_mapper(client_id: str) -> Json:
    config = {"included.client.audience": client_id, "access.token.claim": "true", "introspection.token.claim": "true"}
    return {
        "name": f"audience {client_id}",
        "protocol": "openid-connect",
        "protocolMapper": "oidc-audience-mapper",
        "config": config | {"id.token.claim": "false", "lightweight.claim": "true"},
    }


def _scope(name: str, mappers: list[Json], in_token: str = "false") -> Json:
    return {
        "name": name,
        "protocol": "openid-connect",
        "attributes": {"include.in.token.scope": in_token, "display.on.consent.screen": "false"},
        "protocolMappers": mappers,
    }


def _scopes() -> list[Json]:
    return [
        _scope("every-requester-audience", [audience_mapper(name) for name in REQUESTERS]),
        _scope("gated-audience", [audience_mapper(INVENTORY)]),
        _scope("gated:read", [], in_token="true"),
        _scope("hop-audience", [audience_mapper(HOP)]),
        _scope("disabled-audience", [audience_mapper(DISABLED_AUDIENCE)]),
    ]


def _client(client_id: str, scopes: list[str], *, optional: tuple[str, ...] = (), **members: Any) -> Json:
    client: Json = {
        "clientId": client_id,
        "enabled": True,
        "protocol": "openid-connect",
        "publicClient": False,
        "clientAuthenticatorType": "client-secret",
        "secret": secret_of(client_id),
        "standardFlowEnabled": False,
        "directAccessGrantsEnabled": False,
        "fullScopeAllowed": False,
        "defaultClientScopes": [*BASICS, *scopes],
        "optionalClientScopes": list(optional),
    }
    return client | members


def _agents() -> list[Json]:
    open_to_passwords: Json = {"publicClient": True, "directAccessGrantsEnabled": True}
    return [
        _client(AGENT, ["every-requester-audience"], optional=("orders:read",), **open_to_passwords),
        _client(
            BRIEF_AGENT, ["every-requester-audience"], attributes={"access.token.lifespan": "1"}, **open_to_passwords
        ),
        _client(LIGHTWEIGHT_AGENT, ["every-requester-audience"], attributes=LIGHTWEIGHT_TOKENS, **open_to_passwords),
        _client(FULL_SCOPE_AGENT, ["every-requester-audience"], **(open_to_passwords | {"fullScopeAllowed": True})),
    ]


def _requester(
    client_id: str, *scopes: str, optional: tuple[str, ...] = (), attributes: dict[str, str] | None = None
) -> Json:
    return _client(client_id, list(scopes), optional=optional, attributes=SWITCH | (attributes or {}))


def _requesters() -> list[Json]:
    pizzeria = "pizzeria-audience"
    return [
        _requester(OUTSIDER, pizzeria),
        _requester(PUBLIC, pizzeria) | {"publicClient": True, "directAccessGrantsEnabled": True},
        _client(WITHOUT_SWITCH, [pizzeria], attributes={"oauth2.token.exchange.grant.enabled": "true"}),
        _requester(CONSENT, pizzeria) | {"consentRequired": True},
        _requester(DISABLED, pizzeria) | {"enabled": False},
        _requester(SIGNED_JWT, pizzeria) | {"clientAuthenticatorType": "client-jwt"},
        _requester(BEARER_ONLY, pizzeria) | {"bearerOnly": True},
        _requester(OPTIONAL_AUDIENCE, optional=(pizzeria,)),
        _requester(GATED, pizzeria, "gated-audience", optional=("gated:read",)),
        _requester(ROLE_ONLY),
        _requester(SHORT, pizzeria, attributes={"access.token.lifespan": "20"}),
        _requester(LONG, pizzeria, "hop-audience", attributes={"access.token.lifespan": "3000"}),
        _requester(REFRESHING, pizzeria, optional=("offline_access",), attributes=REFRESH_TOKENS),
        _requester(LIGHTWEIGHT, pizzeria, attributes=LIGHTWEIGHT_TOKENS),
        _requester(NO_BASIC, pizzeria) | {"defaultClientScopes": ["roles", "profile", "email", pizzeria]},
        _requester(DPOP, pizzeria, "every-requester-audience", attributes={"dpop.bound.access.tokens": "true"})
        | {"directAccessGrantsEnabled": True},
        _requester(HOP, "disabled-audience", "gated-audience"),
    ]


def _others() -> list[Json]:
    phantom = {"client.introspection.response.allow.jwt.claim.enabled": "true"}
    return [
        _client(SERVICE, ["every-requester-audience"], serviceAccountsEnabled=True),
        _client(DISABLED_AUDIENCE, [], enabled=False),
        _client(JWT_INTROSPECTOR, [], attributes=phantom),
    ]
