"""The authorization code grant with PKCE (RFC 7636)."""

import base64
import hashlib
import hmac
from typing import Any

from seed.identity_provider.answers import invalid_grant, invalid_request
from seed.identity_provider.authorization_codes import PKCE_VALUE, AuthorizationCode
from seed.identity_provider.grants.request import TokenRequest
from seed.identity_provider.issuing import grant_for


def answer_authorization_code(request: TokenRequest) -> dict[str, Any]:
    """Exchange a code of the login page for tokens. Raises OAuthError."""
    value = request.form.get("code")
    if value is None:
        raise invalid_request("Missing parameter: code")
    provider = request.provider
    code = provider.codes.take(value, provider.clock())
    if code is None:
        if used := provider.codes.used(value):
            provider.sessions.end(used.session_id)  # RFC 6749 section 4.1.2: a code used twice may have been stolen
        raise invalid_grant("Code not valid")
    if code.client_id != request.client.client_id:
        raise invalid_grant("Auth error: Found different client_id in clientSession")
    if code.redirect_uri != request.form.get("redirect_uri"):
        raise invalid_grant("Incorrect redirect_uri")
    _check_verifier(code, request.form.get("code_verifier"))
    session, user = provider.session(code.session_id), provider.realm.users.get(code.user_id)
    if session is None or user is None or not user.enabled:
        raise invalid_grant("Session not active")
    notes = {"AUTH_TIME": int(session.started)}
    grant = grant_for(provider.realm, request.client, user, code.scope, notes)
    return request.issuer.login_answer(grant, session, "ac", asked=code.scope, nonce=code.nonce)


def _check_verifier(code: AuthorizationCode, verifier: str | None) -> None:
    if not code.code_challenge:
        return
    if verifier is None:
        raise invalid_grant("PKCE code verifier not specified")
    if not PKCE_VALUE.fullmatch(verifier):
        raise invalid_grant("PKCE verification failed: Invalid code verifier")
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    if not hmac.compare_digest(challenge, code.code_challenge):
        raise invalid_grant("PKCE verification failed: Code mismatch")
