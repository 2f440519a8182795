"""Introspection (RFC 7662) as Keycloak does it: only for a client that the token is meant for."""

from typing import Any

from starlette.responses import Response

from seed.identity_provider.answers import OAuthError, invalid_request, json_answer
from seed.identity_provider.call import Call
from seed.identity_provider.client_authentication import WrongSecret
from seed.identity_provider.issuing import grant_for
from seed.identity_provider.keys import Claims, TokenRefused
from seed.identity_provider.mappers import mapped_claims
from seed.identity_provider.realm import Client, User

PHANTOM = "client.introspection.response.allow.jwt.claim.enabled"


def introspect(call: Call) -> Response:
    """Whether a token is good now, and what Keycloak knows of it; `Accept: application/jwt` may add it as a JWT."""
    client = _introspecting_client(call)
    token = call.form.get("token")
    if token is None:
        raise invalid_request("Token not provided.")
    try:
        claims, user = call.provider.verified_access_token(token, call.issuer.address)
    except TokenRefused:
        return json_answer({"active": False})
    if not _may_know(client, claims):
        return json_answer({"active": False})
    known = _all_claims(call, claims, user)
    answer = {
        **known,
        "client_id": claims["azp"],
        "username": user.username,
        "token_type": claims["typ"],
        "active": True,
    }
    if client.switched_on(PHANTOM) and call.request.headers.get("accept") == "application/jwt":
        answer["jwt"] = call.issuer.sign(known)
    return json_answer(answer)


def _introspecting_client(call: Call) -> Client:
    try:
        client = call.client()
    except WrongSecret as wrong:
        raise OAuthError(401, "invalid_client", "Client authentication failed.") from wrong
    if client.public:
        raise OAuthError(403, "invalid_request", "Client not allowed.")
    return client


def _may_know(client: Client, claims: Claims) -> bool:
    audience = claims.get("aud", [])
    return client.client_id in ([audience] if isinstance(audience, str) else audience)


def _all_claims(call: Call, claims: Claims, user: User) -> dict[str, Any]:
    """The token's claims and what a lightweight token leaves out."""
    client = call.provider.realm.clients[claims["azp"]]
    granted = grant_for(call.provider.realm, client, user, claims["scope"] or None)
    mapped = mapped_claims(granted, "introspection")
    left_out = (
        "sub",
        "preferred_username",
        "realm_access",
        "name",
        "given_name",
        "family_name",
        "email",
        "email_verified",
    )
    return {**{name: mapped[name] for name in left_out if name in mapped}, **claims}
