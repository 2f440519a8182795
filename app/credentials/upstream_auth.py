"""Which token a call to an upstream carries: the agent's own, or one exchanged for the upstream's audience."""

import logging
from dataclasses import dataclass, field
from typing import Literal

from app.credentials.token_exchange.caching import CachingExchanger
from app.credentials.token_exchange.exchanger import ExchangeTarget
from app.errors import NotPermitted
from app.identity.agent_token import AgentToken

_DENIED = (
    "This source would get the agent's own token, which TOKEN_PASSTHROUGH=deny forbids. An admin gives the source a "
    "`default_audience`."
)

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Bearer:
    """What goes into the upstream's Authorization header. `token_id` is its `jti`, `cached` as in ExchangedToken."""

    value: str = field(repr=False)
    token_id: str | None
    audience: str | None
    passthrough: bool
    cached: bool


class UpstreamAuth:
    """`passthrough` is the setting TOKEN_PASSTHROUGH."""

    def __init__(self, exchanger: CachingExchanger, *, passthrough: Literal["allow", "deny"]) -> None:
        self._exchanger = exchanger
        self._passthrough = passthrough

    async def bearer_for(self, agent: AgentToken, target: ExchangeTarget | None) -> Bearer:
        """Return the token for a source; `target` None is a source without an audience.

        Raises what TokenExchanger raises, and NotPermitted (`passthrough_denied`).
        """
        if target is None:
            return self._own(agent)
        token = await self._exchanger.exchange(agent, target)
        return Bearer(token.value, token.token_id, target.audience, passthrough=False, cached=token.cached)

    async def forget(self, agent: AgentToken, target: ExchangeTarget) -> None:
        """Do not use that cached token again: the upstream answered 401 to it."""
        await self._exchanger.forget(agent, target)

    def _own(self, agent: AgentToken) -> Bearer:
        if self._passthrough == "deny":
            raise NotPermitted("passthrough_denied", _DENIED)
        _log.debug("No audience specified, using agent token directly")
        return Bearer(agent.value, agent.token_id, None, passthrough=True, cached=False)
