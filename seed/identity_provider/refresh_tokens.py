"""Reads the refresh tokens that this process has issued."""

import jwt

from seed.identity_provider.answers import invalid_grant
from seed.identity_provider.issuing import REFRESH_ALGORITHM
from seed.identity_provider.keys import Claims
from seed.identity_provider.provider import IdentityProvider
from seed.identity_provider.realm import Client


def read_refresh_token(provider: IdentityProvider, token: str, client: Client) -> Claims:
    """The claims of a refresh token of this client. Raises OAuthError `invalid_grant`."""
    claims = refresh_claims(provider, token)
    if claims is None:
        raise invalid_grant("Invalid refresh token")
    if claims["azp"] != client.client_id:
        raise invalid_grant("Invalid refresh token. Token client and authorized client don't match")
    return claims


def refresh_claims(provider: IdentityProvider, token: str) -> Claims | None:
    """The claims of a refresh token of any client; None when it is not a refresh token, or is too old."""
    options: jwt.types.Options = {"verify_aud": False, "verify_exp": False, "verify_iat": False}
    try:
        claims = jwt.decode(token, provider.refresh_secret, algorithms=[REFRESH_ALGORITHM], options=options)
    except jwt.PyJWTError:
        return None
    return dict(claims) if claims["exp"] > provider.clock() else None
