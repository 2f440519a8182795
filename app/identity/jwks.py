"""The issuer's signing keys (RFC 7517), fetched without blocking, and never more often than the issuer can bear."""

import asyncio
import hashlib
import logging
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any

import httpx
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from jwt import PyJWK
from jwt.exceptions import PyJWTError

from app.errors import Unavailable
from app.identity.published import NotPublished, published

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

_MOST_KEYS = 500  # of one set, which has a handful; a thousand of the smallest take 50 ms to read
_LONGEST_KEY = 8_192  # bits of an RSA key; 16,384 with a long exponent take 12 ms for each token
_LONGEST_EXPONENT = 32  # bits of it; nearly all are 65,537
_FRESH = 300.0  # seconds for which fetched keys are used unchecked: as long as a withdrawn key is still trusted
_KEPT_ON_ERROR = 24 * 3600.0  # seconds for which the last good keys are used while no new ones can be fetched
_PAUSE = 5.0  # seconds between two fetches in the long run, and after one that failed
_PAUSE_WITHOUT_KEYS = 1.0  # until there are keys, every request is refused
_AT_ONCE = 6  # fetches that may follow one another without that pause
_GATHERING = 0.1  # seconds between two such fetches, so that one is for all who ask meanwhile
_ABSENT_FOR = 10.0  # seconds for which a key that was not there is not asked for again
_MOST_ASKED_FOR = 1_000  # key ids, whose numbers are remembered
_PATIENCE = 1.0  # seconds to wait for a newer set before a known key is used once more

_NOT_ASYMMETRIC = "The token must be signed with an asymmetric algorithm."
_OTHER_ALGORITHM = "The token's algorithm is not that of its key."
_NO_KEY_ID = "The token's header names no key (`kid`)."
_UNKNOWN_KEY = "The token is signed with a key that its issuer does not publish."
_UNREACHABLE = (
    "The identity provider's keys cannot be fetched, so no token can be verified. Try again in a moment; an operator "
    "should check that KEYCLOAK_URL and KEYCLOAK_REALM can be reached from this server."
)
_NOT_KNOWN_YET = (
    "The token is signed with a key that is not known here yet, and the identity provider's keys cannot be asked for "
    "at this moment. Send the same token again in some seconds."
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

    A key that the issuer withdraws is dropped with the next fetch: if anyone asks, after 300 s at the latest. That the
    issuer does not have a key is believed only of a fetch that began later than the key was first asked for.
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
        self._begun = 0  # fetches
        self._answered = 0  # the number of the last one that brought keys
        self._fetched_at = float("-inf")
        self._paid_until = float("-inf")  # each fetch pays for _PAUSE
        self._next_fetch = float("-inf")
        self._failure: NotPublished | None = None
        self._asked_for: OrderedDict[bytes, int] = OrderedDict()
        self._flight: asyncio.Task[None] | None = None

    async def key(self, kid: str | None, algorithm: str) -> PyJWK:
        """Return the key of that id, bound to that algorithm.

        Raises SignatureRefused if the issuer has none, Unavailable (`idp_unreachable`, `idp_foreign_answer`) while that
        cannot be found out.
        """
        if algorithm not in ALGORITHMS:
            raise SignatureRefused("token_algorithm_refused", _NOT_ASYMMETRIC)
        if kid is None:
            raise SignatureRefused("token_invalid", _NO_KEY_ID)
        if kid in self._keys and self._age >= _FRESH:
            await self._refresh(_PATIENCE)
            self._check_age()
        elif kid not in self._keys:
            await self._ask_for(kid)
        if kid not in self._keys:
            raise SignatureRefused("token_invalid", _UNKNOWN_KEY)
        found = self._keys[kid].get(algorithm)
        if found is None:
            raise SignatureRefused("token_algorithm_refused", _OTHER_ALGORITHM)
        return found

    async def check(self) -> None:
        """Raise Unavailable, as `key` does, unless there are keys to verify with; fetches them if necessary."""
        if self._age >= _FRESH:
            await self._refresh(_PATIENCE if self._keys else None)
            self._check_age()

    async def aclose(self) -> None:
        """Give up a fetch that is under way."""
        if self._flight is not None:
            self._failure = NotPublished("given up")
            self._flight.cancel()
            await asyncio.wait({self._flight})

    @property
    def _age(self) -> float:
        return self._clock() - self._fetched_at

    def _check_age(self) -> None:
        if self._age >= _KEPT_ON_ERROR:
            raise self._unavailable()

    async def _ask_for(self, kid: str) -> None:
        """Return when the key is there, or the issuer is known not to have it."""
        digest = hashlib.sha256(kid.encode()).digest()
        first_asked = self._asked_for.setdefault(digest, self._begun)
        if len(self._asked_for) > _MOST_ASKED_FOR:
            self._asked_for.popitem(last=False)
        while kid not in self._keys and (self._answered <= first_asked or self._age >= _ABSENT_FOR):
            if not await self._refresh(None) or self._failure is not None:
                raise self._unavailable()

    async def _refresh(self, patience: float | None) -> bool:
        """Wait for the fetch that is under way, or a new one; False when none may begin now."""
        if self._flight is None:
            if self._clock() < self._next_fetch:
                return False
            self._flight = asyncio.create_task(self._fetch())
        await asyncio.wait({self._flight}, timeout=patience)
        return True

    async def _fetch(self) -> None:
        try:
            if self._age < _GATHERING:
                await asyncio.sleep(_GATHERING)
            self._begun += 1
            self._keys = _signing_keys(await published(self._client, self._url, self._timeout))
            self._answered, self._fetched_at, self._failure = self._begun, self._clock(), None
        except NotPublished as error:
            self._failure = error
            _log.warning("signing keys could not be fetched", extra={**error.told, "url": self._url})
        finally:
            self._next_fetch = self._pause_until()
            self._flight = None

    def _pause_until(self) -> float:
        now = self._clock()
        if self._failure is not None:
            return now + (_PAUSE if self._keys else _PAUSE_WITHOUT_KEYS)
        self._paid_until = max(self._paid_until, now) + _PAUSE
        return self._paid_until - (_AT_ONCE - 1) * _PAUSE

    def _unavailable(self) -> Unavailable:
        wait = self._next_fetch - self._clock()
        if self._failure is not None:
            return self._failure.unavailable(_UNREACHABLE, wait)
        return Unavailable("idp_unreachable", _NOT_KNOWN_YET, max(1.0, wait))


def _signing_keys(document: Mapping[str, Any]) -> dict[str, dict[str, PyJWK]]:
    """Return the keys by id and algorithm; raises NotPublished if there are none, so that the last good ones stay."""
    listed = document.get("keys")
    keys: dict[str, dict[str, PyJWK]] = {}
    for jwk in listed[:_MOST_KEYS] if isinstance(listed, list) else []:
        if isinstance(jwk, dict) and isinstance(kid := jwk.get("kid"), str) and (bound := _bound_to_algorithms(jwk)):
            keys[kid] = bound
    if not keys:
        raise NotPublished("there is no usable signing key in it", 200)
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
            if key.Algorithm.check_key_length(key.key) is None and _is_quick(key.key):
                bound[algorithm] = key
    return bound


def _is_quick(key: object) -> bool:
    """Whether checking a signature takes a millisecond at most; whoever sends a token makes us do it."""
    return not isinstance(key, RSAPublicKey) or (
        key.key_size <= _LONGEST_KEY and key.public_numbers().e.bit_length() <= _LONGEST_EXPONENT
    )
