"""Keeps exchanged tokens for a while, and lets callers of the same exchange share it."""

import hashlib
import logging
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial

from app.credentials.token_exchange.exchanger import ExchangedToken, ExchangeTarget, TokenExchanger
from app.errors import NotPermitted
from app.identity.agent_token import AgentToken
from app.memory import Kept, Memory
from app.telemetry import Telemetry

_MOST_TOKENS = 10_000
_MOST_REFUSALS = 1_000
_REFUSED_FOR = 1.0  # seconds for which `exchange_audience_not_available` is not asked again

# Not structlog: a line that LOG_LEVEL leaves out costs a twentieth here, on the path of every call.
_log = logging.getLogger(__name__)


class CachingExchanger:
    """Asks `exchanger` only for tokens that it does not have. `buffer` and `max_age` are in seconds (see `keep_until`).

    `client_id` is the exchange client, `clock` gives seconds since the epoch. Tokens live in memory only.
    """

    def __init__(
        self,
        exchanger: TokenExchanger,
        memory: Memory,
        telemetry: Telemetry,
        *,
        client_id: str,
        buffer: float,
        max_age: float,
        most: int = _MOST_TOKENS,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._exchanger = exchanger
        self._telemetry = telemetry
        self._client_id = client_id
        self._buffer = buffer
        self._max_age = max_age
        self._clock = clock
        self._tokens: Kept[ExchangedToken] = memory.kept("exchanged_tokens", most=most)
        self._refusals: Kept[str] = memory.kept("unavailable_audiences", most=_MOST_REFUSALS)

    async def exchange(self, agent: AgentToken, target: ExchangeTarget) -> ExchangedToken:
        """See TokenExchanger. A caller that gives up does not end the exchange that others wait for."""
        key = cache_key(agent, target, self._client_id)
        token = await self._tokens.get(key, self._clock())
        attributes: dict[str, str | bool | float] = {
            "token_exchange.audience": target.audience,
            "token_exchange.cache_hit": token is not None,
        }
        with self._telemetry.span("exchange_token", **attributes):
            if token is None:
                return await self._share(key, agent, target)
            self._telemetry.exchange_cache_hit(audience=target.audience)
            _log.debug("Token exchange cache hit for audience '%s'", target.audience)
            return token

    async def forget(self, agent: AgentToken, target: ExchangeTarget) -> None:
        """Drop the cached token: the upstream would not have it."""
        await self._tokens.forget(cache_key(agent, target, self._client_id))

    async def _share(self, key: bytes, agent: AgentToken, target: ExchangeTarget) -> ExchangedToken:
        if refusal := await self._refusals.get(key, self._clock()):
            raise NotPermitted("exchange_audience_not_available", refusal)
        return await self._tokens.once(key, partial(self._fetch, key, agent, target))

    async def _fetch(self, key: bytes, agent: AgentToken, target: ExchangeTarget) -> ExchangedToken:
        try:
            token = await self._exchanger.exchange(agent, target)
        except NotPermitted as refusal:
            if refusal.code == "exchange_audience_not_available":
                now = self._clock()
                await self._refusals.keep(key, refusal.detail, until=now + _REFUSED_FOR, now=now)
            raise
        now = self._clock()
        until = keep_until(token.expires_at, agent.expires_at, now=now, buffer=self._buffer, max_age=self._max_age)
        await self._tokens.keep(key, replace(token, cached=True), until=until, now=now)
        return token


def cache_key(agent: AgentToken, target: ExchangeTarget, client_id: str) -> bytes:
    """Return SHA-256 over all that decides what comes back; each part with its length, so that no two sets collide.

    The agent's whole token counts, never its subject: two tokens of one user may have different rights.
    """
    parts = (client_id, agent.issuer, target.audience, *sorted(set(target.scopes)))
    digest = hashlib.sha256(agent.digest)
    for part in parts:
        encoded = part.encode()
        digest.update(b"%d:%b" % (len(encoded), encoded))
    return digest.digest()


def keep_until(exchanged_ends: float, agent_ends: float, *, now: float, buffer: float, max_age: float) -> float:
    """Return when a cached token must not be used any more; not in the future means: use it once, do not keep it.

    The buffer is for the exchanged token alone: taking it from the agent token's end too would leave the last part of
    that token's life without a cache.
    """
    return min(exchanged_ends - buffer, agent_ends, now + max_age)
