"""The password grant: for the demo and the tests, as Keycloak words it."""

import hmac
from typing import Any

from seed.identity_provider.answers import OAuthError, invalid_grant
from seed.identity_provider.grants.request import TokenRequest
from seed.identity_provider.issuing import check_scope, grant_for
from seed.identity_provider.realm import Realm, User


def answer_password(request: TokenRequest) -> dict[str, Any]:
    """Log a user in by name and password. Raises OAuthError."""
    if not request.client.direct_grants:
        raise OAuthError(400, "unauthorized_client", "Client not allowed for direct access grants")
    if request.client.consent_required:
        raise OAuthError(400, "invalid_client", "Client requires user consent")
    realm, scope = request.provider.realm, request.form.get("scope")
    check_scope(request.client, scope)
    username = request.form.get("username")
    if username is None:
        raise OAuthError(401, "invalid_request", "Missing parameter: username")
    user = authenticated_user(realm, username, request.form.get("password") or "")
    grant = grant_for(realm, request.client, user, scope)
    session = request.provider.sessions.start(user.id, request.client.client_id, request.provider.clock())
    return request.issuer.login_answer(grant, session, "ro", asked=scope)


def authenticated_user(realm: Realm, username: str, password: str) -> User:
    """The user whose password this is. Raises OAuthError `invalid_grant`."""
    user = realm.user_named(username)
    if user is None or not user.password or not hmac.compare_digest(user.password.encode(), password.encode()):
        raise invalid_grant("Invalid user credentials")
    if not user.enabled:
        raise invalid_grant("Account disabled")
    return user
