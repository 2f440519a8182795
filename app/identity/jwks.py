"""The issuer's signing keys (RFC 7517), fetched without blocking, and never more often than the issuer can bear."""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from typing import Any

import httpx
import orjson
from jwt import PyJWK
from jwt.exceptions import PyJWTError

from app.errors import BadAnswer, TooLarge, Unavailable
from app.outbound import read_bounded

# What a token may be signed with, and the key type and curve that each needs (RFC 7518 section 3.1, RFC 8037).
ALGORITHMS: Mapping[str, tuple[str, str | None]] = {
    "RS256": ("RSA", None),
    "RS384": ("RSA", None),
    "RS512": ("RSA", None),
    "PS256": ("RSA", None),
    "PS384": ("RSA", None),
    "PS512": ("RSA", None),
    "ES256": ("EC", "P-256"),
    "ES384": ("EC", "P-384"),
    "ES512": ("EC", "P-521"),
    "EdDSA": ("OKP", "Ed25519"),
}

_FRESH = 300.0  # seconds for which fetched keys are used unchecked: as long as a withdrawn key is still trusted
_KEPT_ON_ERROR = 24 * 3600.0  # seconds for which the last good keys are used while no new ones can be fetched
_PAUSE = 10.0  # seconds between two fetches, whatever came of the first
_PAUSE_WITHOUT_KEYS = 1.0  # until there are keys, every request is refused
_PATIENCE = 1.0  # seconds to wait for a newer set before a known key is used once more
_MAX_BYTES = 262_144  # of a key set; a key with its certificates takes some kilobytes

_NOT_ASYMMETRIC = "The token must be signed with an asymmetric algorithm."
_OTHER_ALGORITHM = "The token's algorithm is not that of its key."
_NO_KEY_ID = "The token's header names no key (`kid`)."
_UNKNOWN_KEY = "The token is signed with a key that its issuer does not publish."
_UNREACHABLE = (
    "The identity provider's keys cannot be fetched, so no token can be verified. Try again in a moment; an operator "
    "should check that KEYCLOAK_URL and KEYCLOAK_REALM can be reached from this server."
)

_log = logging.getLogger(__name__)


class SignatureRefused(Exception):
    """A token's signature cannot be accepted; `code` is one of the agent token's."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(f"{code}: {detail}")
        self.code = code
        self.detail = detail


class JwksCache:
    """The keys with `use` `sig` below `realm_url`. `timeout` of one fetch is in seconds, `clock` counts seconds.

    A key that the issuer withdraws is dropped with the next fetch: if anyone asks, after 300 s at the latest.
    """

    def __init__(
        self,
        client: httpx.AsyncClient,
        realm_url: str,
        *,
        timeout: float = 5.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = client
        self._url = f"{realm_url}/protocol/openid-connect/certs"
        self._timeout = timeout
        self._clock = clock
        self._keys: dict[str, dict[str, PyJWK]] = {}
        self._fetched_at = float("-inf")
        self._next_fetch = float("-inf")
        self._failed = False
        self._flight: asyncio.Task[None] | None = None

    async def key(self, kid: str | None, algorithm: str) -> PyJWK:
        """Return the key of that id, bound to that algorithm.

        Raises SignatureRefused if the issuer has none, Unavailable (`idp_unreachable`) while that cannot be found out.
        """
        if algorithm not in ALGORITHMS:
            raise SignatureRefused("token_algorithm_refused", _NOT_ASYMMETRIC)
        if kid is None:
            raise SignatureRefused("token_invalid", _NO_KEY_ID)
        if kid not in self._keys or self._age >= _FRESH:
            await self._refresh(_PATIENCE if kid in self._keys else None)
            self._check_age()
        if kid not in self._keys:
            if self._failed:
                raise _unreachable()
            raise SignatureRefused("token_invalid", _UNKNOWN_KEY)
        found = self._keys[kid].get(algorithm)
        if found is None:
            raise SignatureRefused("token_algorithm_refused", _OTHER_ALGORITHM)
        return found

    async def check(self) -> None:
        """Raise Unavailable (`idp_unreachable`) unless there are keys to verify with; fetches them if necessary."""
        if self._age >= _FRESH:
            await self._refresh(_PATIENCE if self._keys else None)
            self._check_age()

    async def aclose(self) -> None:
        """Give up a fetch that is under way."""
        if self._flight is not None:
            self._flight.cancel()
            await asyncio.wait({self._flight})

    @property
    def _age(self) -> float:
        return self._clock() - self._fetched_at

    def _check_age(self) -> None:
        if self._age >= _KEPT_ON_ERROR:
            raise _unreachable()

    async def _refresh(self, patience: float | None) -> None:
        if self._flight is None and self._clock() >= self._next_fetch:
            self._flight = asyncio.create_task(self._fetch())
        if self._flight is not None:
            await asyncio.wait({self._flight}, timeout=patience)

    async def _fetch(self) -> None:
        self._failed = True
        try:
            async with asyncio.timeout(self._timeout):
                self._keys = _signing_keys(await self._download())
            self._fetched_at = self._clock()
            self._failed = False
        except (TimeoutError, httpx.HTTPError, BadAnswer, TooLarge, ValueError) as error:
            status = error.response.status_code if isinstance(error, httpx.HTTPStatusError) else None
            reason = {"error": type(error).__name__, "status": status, "url": self._url}
            _log.warning("signing keys could not be fetched", extra=reason)
        finally:
            self._next_fetch = self._clock() + (_PAUSE if self._keys else _PAUSE_WITHOUT_KEYS)
            self._flight = None

    async def _download(self) -> bytes:
        async with self._client.stream("GET", self._url, follow_redirects=False) as response:
            response.raise_for_status()
            return await read_bounded(response, _MAX_BYTES)


def _signing_keys(body: bytes) -> dict[str, dict[str, PyJWK]]:
    """Return the keys by id and algorithm; raises ValueError if there are none, so that the last good ones stay."""
    document = orjson.loads(body)
    listed = document.get("keys") if isinstance(document, dict) else None
    keys: dict[str, dict[str, PyJWK]] = {}
    for jwk in listed if isinstance(listed, list) else []:
        if isinstance(jwk, dict) and isinstance(kid := jwk.get("kid"), str) and (bound := _bound_to_algorithms(jwk)):
            keys[kid] = bound
    if not keys:
        raise ValueError("no usable signing key")
    return keys


def _bound_to_algorithms(jwk: dict[str, Any]) -> dict[str, PyJWK]:
    """Return the key once for each algorithm that it is meant for: its own `alg`, otherwise all that fit its type."""
    if jwk.get("use") != "sig" or "d" in jwk:
        return {}
    bound: dict[str, PyJWK] = {}
    for algorithm, (kind, curve) in ALGORITHMS.items():
        if jwk.get("kty") == kind and jwk.get("crv") == curve and jwk.get("alg", algorithm) == algorithm:
            try:
                key = PyJWK(jwk, algorithm)
            except PyJWTError:
                continue
            if key.Algorithm.check_key_length(key.key) is None:
                bound[algorithm] = key
    return bound


def _unreachable() -> Unavailable:
    return Unavailable("idp_unreachable", _UNREACHABLE)
