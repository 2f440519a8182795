"""Verifies the access token of a request. No claim is looked at before the signature has been checked."""

import time
from collections.abc import Callable

import jwt

from seed.bearer.caller import Caller
from seed.bearer.keys import SigningKeys

ALGORITHMS = ["RS256"]
REQUIRED_CLAIMS = ["exp", "iat", "iss", "sub"]
CLOCK_SKEW = 30  # seconds by which the identity provider's clock may be ahead of ours or behind it
LONGEST_TOKEN = 65_536  # characters; what is longer is not worth a signature check


class TokenRefused(Exception):
    """The token is not acceptable; the message says why and never quotes it."""


class TokenVerifier:
    """Accepts the access tokens of one issuer. An `audience` of None accepts tokens for anybody.

    `api` is the client id whose roles in the token are the caller's roles here.
    """

    def __init__(
        self,
        keys: SigningKeys,
        *,
        issuer: str,
        audience: str | None,
        api: str,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._keys = keys
        self._issuer = issuer
        self._audience = audience
        self._api = api
        self._clock = clock

    async def verify(self, token: str) -> Caller:
        """Return who is calling. Raises TokenRefused, or KeysUnavailable when that cannot be decided now."""
        key = await self._key_of(token)
        try:
            claims = jwt.decode(
                token,
                key,
                algorithms=ALGORITHMS,
                issuer=self._issuer,
                audience=self._audience,
                leeway=CLOCK_SKEW,
                options={
                    "require": REQUIRED_CLAIMS,
                    "verify_aud": self._audience is not None,
                },
            )
        except jwt.InvalidAudienceError as error:
            raise TokenRefused(f"The token is not for this API. Expected audience: {self._audience}.") from error
        except jwt.ExpiredSignatureError as error:
            raise TokenRefused("The token has expired.") from error
        except jwt.PyJWTError as error:
            raise TokenRefused(f"The token is not valid: {error}.") from error
        if claims.get("typ") != "Bearer":
            raise TokenRefused("The token is not an access token.")
        return Caller.from_claims(claims, audience=self._api, now=self._clock())

    async def _key_of(self, token: str) -> jwt.PyJWK:
        if len(token) > LONGEST_TOKEN:
            raise TokenRefused("The token is too long.")
        try:
            kid = jwt.get_unverified_header(token).get("kid")  # only chooses among the issuer's own keys
        except jwt.PyJWTError as error:
            raise TokenRefused("The token is not a JSON Web Token.") from error
        key = await self._keys.key(kid) if kid else None
        if key is None:
            raise TokenRefused("The token is not signed by a key of the issuer.")
        return key
