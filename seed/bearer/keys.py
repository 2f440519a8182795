"""The issuer's signing keys, fetched when needed and kept."""

import asyncio
import time
from collections.abc import Callable

import httpx
import jwt


class KeysUnavailable(Exception):
    """The keys are not available now, so no token can be judged."""


class SigningKeys:
    """The keys of a JWKS address by `kid`.

    Fetched again when they are older than `max_age` seconds or a token names a key that is not among them, but never
    more often than every `cooldown` seconds, or a stream of invented names would become a stream of requests. When a
    fetch fails the keys already there stay in use.
    """

    def __init__(
        self,
        jwks_uri: str,
        client: httpx.AsyncClient,
        *,
        max_age: float = 300,
        cooldown: float = 5,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._jwks_uri = jwks_uri
        self._client = client
        self._max_age = max_age
        self._cooldown = cooldown
        self._clock = clock
        self._keys: dict[str, jwt.PyJWK] = {}
        self._fetched_at: float | None = None
        self._tried_at: float | None = None
        self._fetching = asyncio.Lock()

    async def key(self, kid: str) -> jwt.PyJWK | None:
        """Return the key of that name, or None when the issuer has no such key.

        Raises KeysUnavailable when there are no keys to look through.
        """
        if not self._knows(kid):
            async with self._fetching:
                if not self._knows(kid) and self._may_ask():
                    await self._fetch()
        if self._fetched_at is None:
            raise KeysUnavailable
        return self._keys.get(kid)

    def _knows(self, kid: str) -> bool:
        fresh = self._fetched_at is not None and self._clock() - self._fetched_at < self._max_age
        return fresh and kid in self._keys

    def _may_ask(self) -> bool:
        return self._tried_at is None or self._clock() - self._tried_at >= self._cooldown

    async def _fetch(self) -> None:
        self._tried_at = self._clock()
        try:
            response = await self._client.get(self._jwks_uri)
            response.raise_for_status()
            keys = jwt.PyJWKSet.from_dict(response.json())
        except (httpx.HTTPError, ValueError, AttributeError, jwt.PyJWTError):
            return
        self._keys = {key.key_id: key for key in keys if key.key_id and key.public_key_use in (None, "sig")}
        self._fetched_at = self._clock()
