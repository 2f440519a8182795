"""Dynamic client registration (RFC 7591) without a token, for agents that know only the address of an MCP endpoint."""

import secrets
import uuid
from typing import Annotated

from pydantic import BaseModel, Field, ValidationError
from starlette.responses import JSONResponse, Response

from seed.identity_provider.answers import OAuthError
from seed.identity_provider.call import Call
from seed.identity_provider.provider import IdentityProvider
from seed.identity_provider.realm import Client


class ClientMetadata(BaseModel):
    """The members that count here (RFC 7591 section 2)."""

    client_name: str = ""
    client_uri: str = ""
    redirect_uris: list[str] = Field(default_factory=list)
    token_endpoint_auth_method: str = "client_secret_basic"
    grant_types: Annotated[list[str], Field(default_factory=lambda: ["authorization_code", "refresh_token"])]
    scope: str | None = None


def register(call: Call) -> Response:
    """Make a client, which lives until the realm is loaded again; unlike in Keycloak, it needs no consent here."""
    try:
        asked = ClientMetadata.model_validate_json(call.body)
    except ValidationError as error:
        raise OAuthError(400, "invalid_client_metadata", "Cannot read the client metadata") from error
    _check(call.provider, asked)
    client = _client(call.provider, asked)
    call.provider.add_client(client)
    answer = asked.model_dump() | {
        "client_id": client.client_id,
        "client_id_issued_at": int(call.provider.clock()),
        "response_types": ["code"],
        "scope": " ".join(client.optional),
    }
    if not client.public:
        answer |= {"client_secret": client.secret, "client_secret_expires_at": 0}
    return JSONResponse(answer, 201)


def _check(provider: IdentityProvider, asked: ClientMetadata) -> None:
    rules = provider.registration_rules
    if len(provider.realm.clients) >= rules.most_clients:
        raise _rejected("Max Clients Limit", f"It's allowed to have max {rules.most_clients} clients per realm")
    # Keycloak keeps `client_uri` as the base URL, and leaves a relative one alone.
    if asked.client_uri and not asked.client_uri.startswith("/") and not rules.trusts(asked.client_uri):
        raise _rejected("Trusted Hosts", "URL doesn't match any trusted host or trusted domain")
    if not all(map(rules.trusts, asked.redirect_uris)):
        raise _rejected("Trusted Hosts", "URI doesn't match any trusted host or trusted domain")
    known = {*provider.realm.default_scopes, *provider.realm.optional_scopes, *rules.extra_scopes}
    if not known.issuperset(_named(asked)):
        raise _rejected("Allowed Client Scopes", "Not permitted to use specified clientScope")


def _rejected(policy: str, details: str) -> OAuthError:
    problem = f"Policy '{policy}' rejected request to client-registration service. Details: {details}"
    return OAuthError(403, "insufficient_scope", problem)


def _named(asked: ClientMetadata) -> list[str]:
    return (asked.scope or "").split()


def _client(provider: IdentityProvider, asked: ClientMetadata) -> Client:
    """A client that names scopes gets `basic` and these as optional ones; one that names none gets the realm's."""
    realm = provider.realm
    public = asked.token_endpoint_auth_method == "none"
    return Client(
        client_id=str(uuid.uuid4()),
        enabled=True,
        public=public,
        bearer_only=False,
        authenticator="client-secret",
        secret="" if public else secrets.token_urlsafe(24),
        standard_flow=True,
        direct_grants=False,
        service_account=False,
        consent_required=True,
        full_scope=False,
        redirect_uris=tuple(asked.redirect_uris),
        web_origins=(),
        attributes={},
        default=realm.default_scopes if asked.scope is None else ("basic",),
        optional=realm.optional_scopes if asked.scope is None else tuple(n for n in _named(asked) if n in realm.scopes),
        mappers=(),
        roles=frozenset(),
    )
