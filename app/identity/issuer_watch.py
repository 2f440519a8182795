"""Compares the issuer that the identity provider names with the one that tokens must carry.

They differ when Keycloak is called by two names and has no KC_HOSTNAME: it then calls itself what it was called by, and
takes every token with the other name for invalid. No new token mends that.
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Self

import httpx

from app.errors import BadAnswer
from app.identity.published import NotPublished, published

_EVERY = 600.0  # seconds
_UNTIL_KNOWN = 30.0  # seconds, while discovery cannot be had
_PAUSE = 10.0  # seconds for which an answer holds, however often it is asked for
_TIMEOUT = 5.0
_LONGEST = 300  # characters of an issuer in the log

_MISMATCH = (
    "The identity provider does not accept tokens of the issuer that this server expects: its own discovery names "
    "another one. A new token does not mend that. An operator sets KC_HOSTNAME at Keycloak to the address in tokens, "
    "or corrects OIDC_ISSUER (or KEYCLOAK_URL and KEYCLOAK_REALM) here; the log of this server has both issuers."
)
_log = logging.getLogger(__name__)


class IssuerWatch:
    """`issuer` is the one that tokens must carry. `clock` counts seconds, `sleep` lets them pass."""

    def __init__(
        self,
        client: httpx.AsyncClient,
        realm_url: str,
        issuer: str,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._client = client
        self._url = f"{realm_url}/.well-known/openid-configuration"
        self._issuer = issuer
        self._clock = clock
        self._sleep = sleep
        self._turn = asyncio.Lock()
        self._answer_holds_until = float("-inf")
        self._found: str | None = None

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Self]:
        """Compare now and every ten minutes while the block lasts; nobody waits for it."""
        task = asyncio.create_task(self._compare_for_ever(), name="issuer-watch")
        try:
            yield self
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def differs(self) -> bool:
        """Whether the identity provider names another issuer, as far as is known; asks unless it just has."""
        return await self._named() not in (None, self._issuer)

    async def names(self, issuer: object) -> bool:
        """Whether that is the issuer that the identity provider names, as far as is known; asks unless it just has."""
        return isinstance(issuer, str) and await self._named() == issuer

    async def _compare_for_ever(self) -> None:
        while True:
            named = await self._named()
            await self._sleep(_UNTIL_KNOWN if named is None else _EVERY)

    async def _named(self) -> str | None:
        async with self._turn:
            if self._clock() >= self._answer_holds_until:
                await self._ask()
                self._answer_holds_until = self._clock() + _PAUSE
            return self._found

    async def _ask(self) -> None:
        try:
            named = (await published(self._client, self._url, _TIMEOUT)).get("issuer")
            if not isinstance(named, str):
                raise NotPublished("it names no issuer", 200)
        except NotPublished as error:
            _log.warning("discovery could not be fetched", extra={**error.told, "url": self._url})
            return
        self._found = named
        if named != self._issuer:
            _log.warning(
                "the identity provider names another issuer than the one that tokens must carry, and will accept no "
                "token: set KC_HOSTNAME at Keycloak, or OIDC_ISSUER here",
                extra={"named": named[:_LONGEST], "must_carry": self._issuer, "url": self._url},
            )


def issuer_mismatch() -> BadAnswer:
    """Return what callers are told; it has no address, because the inner one is none of their business."""
    return BadAnswer("issuer_mismatch_at_provider", _MISMATCH)
