"""Which client is calling, in Keycloak's order and words."""

import base64
import binascii
import hmac
from urllib.parse import unquote_plus

from seed.identity_provider.answers import BAD_CLIENT, OAuthError
from seed.identity_provider.form import Form
from seed.identity_provider.realm import Client, Realm


class WrongSecret(OAuthError):
    """The client exists, but has not proved that it is the caller: endpoints word this differently."""

    def __init__(self) -> None:
        super().__init__(401, "unauthorized_client", BAD_CLIENT)


def authenticate_client(realm: Realm, form: Form, authorization: str | None) -> Client:
    """The client by HTTP Basic or by `client_id` and `client_secret` in the form. Raises OAuthError."""
    client_id, secret = _basic(authorization) if authorization else (form.get("client_id"), form.get("client_secret"))
    client = realm.clients.get(client_id or "")
    if client is None or not client.enabled:
        raise OAuthError(401, "invalid_client", BAD_CLIENT)
    if client.bearer_only:
        raise OAuthError(400, "invalid_client", "Bearer-only not allowed")
    if client.public:
        return client
    if client.authenticator != "client-secret":
        raise OAuthError(400, "invalid_client", "Parameter client_assertion_type is missing")
    if not hmac.compare_digest(client.secret.encode(), (secret or "").encode()):
        raise WrongSecret
    return client


def _basic(authorization: str) -> tuple[str | None, str | None]:
    """RFC 6749 section 2.3.1: both parts are form-urlencoded before they are joined."""
    scheme, _, encoded = authorization.partition(" ")
    if scheme.lower() != "basic":
        return None, None
    try:
        name, _, secret = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return None, None
    return unquote_plus(name), unquote_plus(secret)
