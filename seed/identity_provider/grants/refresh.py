"""The refresh grant: new tokens of a session that is still alive."""

from typing import Any

from seed.identity_provider.answers import invalid_grant, invalid_request
from seed.identity_provider.grants.request import TokenRequest
from seed.identity_provider.issuing import grant_for
from seed.identity_provider.refresh_tokens import read_refresh_token


def answer_refresh(request: TokenRequest) -> dict[str, Any]:
    """Continue a session; the scopes are those of the login. Raises OAuthError."""
    token = request.form.get("refresh_token")
    if token is None:
        raise invalid_request("No refresh token")
    provider = request.provider
    claims = read_refresh_token(provider, token, request.client)
    session = provider.session(claims["sid"])
    if session is None or request.client.client_id not in session.clients:
        raise invalid_grant("Session not active")
    user = provider.realm.users.get(session.user_id)
    if user is None or not user.enabled:
        raise invalid_grant("User disabled")
    session.last_used = provider.clock()
    scope = claims.get("scope")
    grant = grant_for(provider.realm, request.client, user, scope)
    audiences = frozenset(claims.get("req-aud", ()))
    return request.issuer.login_answer(grant, session, "rt", asked=scope, audiences=audiences)
