"""Standard token exchange V2 (RFC 8693): Keycloak's checks in Keycloak's order, with its statuses and texts."""

from typing import Any

from seed.identity_provider.answers import OAuthError, invalid_request, invalid_scope
from seed.identity_provider.dpop import missing_proof
from seed.identity_provider.faults import Echo, ExchangedClaims, changed
from seed.identity_provider.grants.request import TokenRequest
from seed.identity_provider.issuing import Origin, at_hash, grant_for, narrowed
from seed.identity_provider.keys import Claims, TokenRefused
from seed.identity_provider.mappers import Grant
from seed.identity_provider.realm import Client, User

GRANT_TYPE = "urn:ietf:params:oauth:grant-type:token-exchange"
REPEATABLE = ("audience", "resource")
TYPE = "urn:ietf:params:oauth:token-type:"
ACCESS_TOKEN, REFRESH_TOKEN, ID_TOKEN = f"{TYPE}access_token", f"{TYPE}refresh_token", f"{TYPE}id_token"
SWITCH = "standard.token.exchange.enabled"
REFRESH_SWITCH = "standard.token.exchange.enableRefreshRequestedTokenType"


def answer_token_exchange(request: TokenRequest) -> dict[str, Any]:
    """A token for the requested audiences, of the subject token's user. Raises OAuthError."""
    token = _subject_token(request)
    try:
        claims, user = request.provider.verified_access_token(token, request.issuer.address)
    except TokenRefused as refused:
        raise invalid_request("Invalid token") from refused
    _check_key(request, claims)
    wanted = _requested_token_type(request)
    audiences = request.form.all("audience")
    _check_requester(request, audiences, claims)
    grant = _grant(request, user, claims, audiences, wanted)
    answer = _issue(request, grant, claims.get("sid"), frozenset(audiences), wanted)
    if any(isinstance(fault, Echo) for fault in request.faults):
        answer["access_token"] = token
    return answer


def _subject_token(request: TokenRequest) -> str:
    for name in ("requested_subject", "requested_issuer", "subject_issuer"):
        if request.form.get(name) is not None:
            raise invalid_request(f"Parameter '{name}' is not supported for standard token exchange")
    if not request.client.switched_on(SWITCH):
        raise invalid_request("Standard token exchange is not enabled for the requested client")
    token, token_type = request.form.get("subject_token"), request.form.get("subject_token_type")
    if token is None:
        raise invalid_request("Parameter 'subject_token' required for standard token exchange")
    if token_type is None:
        raise invalid_request("Parameter 'subject_token_type' required for standard token exchange")
    if token_type != ACCESS_TOKEN:
        raise invalid_request("Parameter 'subject_token' supports access tokens only")
    return token


def _check_key(request: TokenRequest, claims: Claims) -> None:
    """A token that is bound to a key can only be exchanged by its own client, with a proof of that key."""
    if "cnf" not in claims:
        return
    if claims["azp"] != request.client.client_id:
        problem = "Sender-constrained token exchange rejected as the token was not issued for the requesting client"
        raise invalid_request(problem)
    if request.issuer.key is None:
        raise missing_proof()
    if request.issuer.key != claims["cnf"]["jkt"]:
        raise invalid_request("DPoP confirmation doesn't match DPoP proof")


def _requested_token_type(request: TokenRequest) -> str:
    wanted = request.form.get("requested_token_type") or ACCESS_TOKEN
    refreshable = request.client.attributes.get(REFRESH_SWITCH) == "SAME_SESSION"
    if wanted not in {ACCESS_TOKEN, ID_TOKEN} and not (wanted == REFRESH_TOKEN and refreshable):
        raise invalid_request("requested_token_type unsupported")
    return wanted


def _check_requester(request: TokenRequest, audiences: list[str], claims: Claims) -> None:
    clients = request.provider.realm.clients
    targets = [clients.get(audience) for audience in audiences]
    if None in targets:
        raise OAuthError(400, "invalid_client", "Audience not found")
    if request.client.public:
        raise OAuthError(400, "invalid_client", "Public client is not allowed to exchange token")
    if any(target is not None and not target.enabled for target in targets):
        raise OAuthError(400, "invalid_client", "Client disabled")
    if not _is_for(claims, request.client):
        raise OAuthError(403, "access_denied", "Client is not within the token audience")


def _is_for(claims: Claims, requester: Client) -> bool:
    audience = claims.get("aud", [])
    return claims["azp"] == requester.client_id or requester.client_id in (
        [audience] if isinstance(audience, str) else audience
    )


def _grant(request: TokenRequest, user: User, claims: Claims, audiences: list[str], wanted: str) -> Grant:
    """What the requester's own scopes give, cut to the audiences; the subject token's scopes do not count."""
    grant = grant_for(request.provider.realm, request.client, user, request.form.get("scope"))
    if wanted == REFRESH_TOKEN:
        if "sid" not in claims:
            raise invalid_request(
                "Refresh token not valid as requested_token_type because creating a new session is needed"
            )
        if "offline_access" in (request.form.get("scope") or "").split():
            raise invalid_request("Scope offline_access not allowed for token exchange")
    if request.client.consent_required:
        raise invalid_scope(f"Missing consents for Token Exchange in client {request.client.client_id}")
    return narrowed(grant, frozenset(audiences)) if audiences else grant


def _issue(
    request: TokenRequest, grant: Grant, session_id: str | None, audiences: frozenset[str], wanted: str
) -> dict[str, Any]:
    kind = "tr" if session_id is None else "on" if wanted == REFRESH_TOKEN else "nt"
    claims = request.issuer.access_claims(grant, Origin(kind, "te"), session_id, audiences)
    claims["sub"] = grant.user.id  # even where the requester's own tokens would lack it
    found = claims.get("aud", [])
    if missing := sorted(audiences - ({found} if isinstance(found, str) else set(found))):
        raise invalid_request(f"Requested audience not available: {', '.join(missing)}")
    for fault in request.faults:
        if isinstance(fault, ExchangedClaims):
            claims = changed(claims, fault.claims)
    token = request.issuer.sign(claims)
    answer = request.issuer.answer(grant, token, session_id)
    if wanted == ID_TOKEN:
        answer |= {
            "access_token": request.issuer.sign(request.issuer.id_claims(grant, session_id)),
            "token_type": "N_A",
        }
    elif grant.openid:
        answer["id_token"] = request.issuer.sign(request.issuer.id_claims(grant, session_id, at_hash=at_hash(token)))
    if wanted == REFRESH_TOKEN and session_id is not None:
        answer |= _refresh_members(request, grant, session_id, audiences)
    return {**answer, "issued_token_type": wanted}


def _refresh_members(request: TokenRequest, grant: Grant, session_id: str, audiences: frozenset[str]) -> dict[str, Any]:
    session = request.provider.session(session_id)
    if session is None:
        raise invalid_request("Invalid token")
    session.clients.add(request.client.client_id)
    token = request.issuer.refresh_token(grant, session, request.form.get("scope"), audiences)
    return {"refresh_token": token, "refresh_expires_in": request.provider.realm.session_idle}
