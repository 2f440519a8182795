"""What each endpoint for machines does, under Keycloak's paths."""

from collections.abc import Callable, Mapping
from typing import Any

from starlette.responses import HTMLResponse, JSONResponse, Response

from seed.identity_provider.answers import OAuthError, invalid_request, json_answer
from seed.identity_provider.call import Call
from seed.identity_provider.faults import Members, changed
from seed.identity_provider.grants.authorization_code import answer_authorization_code
from seed.identity_provider.grants.client_credentials import answer_client_credentials
from seed.identity_provider.grants.password import answer_password
from seed.identity_provider.grants.refresh import answer_refresh
from seed.identity_provider.grants.request import TokenRequest
from seed.identity_provider.grants.token_exchange import GRANT_TYPE, REPEATABLE, answer_token_exchange
from seed.identity_provider.issuing import grant_for
from seed.identity_provider.keys import TokenRefused
from seed.identity_provider.mappers import mapped_claims
from seed.identity_provider.metadata import metadata
from seed.identity_provider.refresh_tokens import read_refresh_token, refresh_claims

GRANTS: Mapping[str, Callable[[TokenRequest], dict[str, Any]]] = {
    "authorization_code": answer_authorization_code,
    "client_credentials": answer_client_credentials,
    "password": answer_password,
    "refresh_token": answer_refresh,
    GRANT_TYPE: answer_token_exchange,
}


def token(call: Call) -> Response:
    """RFC 6749 section 3.2."""
    grant_type = call.form.get("grant_type")
    if grant_type is None:
        raise invalid_request("Missing form parameter: grant_type")
    if grant_type not in GRANTS:
        raise OAuthError(400, "unsupported_grant_type", "Unsupported grant_type")
    client = call.client()
    issuer = call.bound_issuer(client)
    if call.form.repeats_other_than(REPEATABLE if grant_type == GRANT_TYPE else ()):
        raise invalid_request("duplicated parameter")
    answer = GRANTS[grant_type](TokenRequest(call.provider, issuer, client, call.form, call.peer, call.faults))
    if grant_type == GRANT_TYPE:
        call.provider.counts["exchanges"] += 1
    for fault in call.faults:
        if isinstance(fault, Members):
            answer = changed(answer, fault.members)
    return json_answer(answer)


def revoke(call: Call) -> Response:
    """RFC 7009. An access token is refused from now on, a refresh token takes its client out of the session."""
    client, value, provider = call.client(), call.form.get("token"), call.provider
    if value is None:
        raise invalid_request("Token not provided")
    claims = refresh_claims(provider, value)
    refresh = claims is not None
    if claims is None:
        try:
            claims = provider.keys.verified(value, call.issuer.address, provider.clock())
        except TokenRefused:
            return JSONResponse({"error": "invalid_token", "error_description": "Invalid token"})
    if claims["azp"] != client.client_id:
        raise invalid_request("Unmatching clients")
    if refresh:
        provider.sessions.end_client(claims["sid"], client.client_id)
    else:
        provider.sessions.revoke(claims["jti"])
    return Response()


def logout(call: Call) -> Response:
    """End the session of a refresh token."""
    value = call.form.get("refresh_token")
    if value is None:
        return HTMLResponse("<!DOCTYPE html><title>Log out</title><p>Post a refresh_token to log out.</p>")
    claims = read_refresh_token(call.provider, value, call.client())
    call.provider.sessions.end(claims["sid"])
    return Response(status_code=204)


def userinfo(call: Call) -> Response:
    """OpenID Connect Core section 5.3."""
    challenge = f'Bearer realm="{call.provider.realm.name}"'
    scheme, _, value = call.request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer":
        return Response(status_code=401, headers={"WWW-Authenticate": challenge})
    try:
        claims, user = call.provider.verified_access_token(value, call.issuer.address)
    except TokenRefused:
        challenge += ', error="invalid_token", error_description="Token verification failed"'
        return Response(status_code=401, headers={"WWW-Authenticate": challenge})
    if "openid" not in claims["scope"].split():
        challenge += ', error="insufficient_scope", error_description="Missing openid scope"'
        return Response(status_code=403, headers={"WWW-Authenticate": challenge})
    grant = grant_for(call.provider.realm, call.provider.realm.clients[claims["azp"]], user, claims["scope"])
    return json_answer({"sub": user.id, **mapped_claims(grant, "userinfo")})


def certs(call: Call) -> Response:
    """The realm's public keys (RFC 7517)."""
    return JSONResponse(call.provider.keys.jwks(), headers={"Cache-Control": "no-cache"})


def discovery(call: Call) -> Response:
    """OpenID Connect Discovery and RFC 8414: the same document at every address."""
    return JSONResponse(metadata(call.provider.realm, call.issuer.address), headers={"Cache-Control": "no-store"})


def realm(call: Call) -> Response:
    """Keycloak's public description of the realm."""
    address = call.issuer.address
    return JSONResponse(
        {
            "realm": call.provider.realm.name,
            "public_key": call.provider.keys.public_key_base64(),
            "token-service": f"{address}/protocol/openid-connect",
            "account-service": f"{address}/account",
            "tokens-not-before": call.provider.realm.not_before,
        }
    )
