"""The agent's token, exchanged for one that fits the upstream's audience (RFC 8693)."""

from functools import cached_property

from app.credentials.credential import Credential, Means, Presented, Terms
from app.credentials.token_exchange.exchanger import ExchangeTarget
from app.errors import BadAnswer, Invalid
from app.identity.agent_token import AgentToken

_NO_AUDIENCE = "This source says token_exchange but names no audience. An admin gives it a `default_audience`."


class Exchanged(Credential):
    """Kind `token_exchange`."""

    passes_agent_token = False
    bound_to_audience = True

    def __init__(self, terms: Terms, means: Means) -> None:
        self._exchanger = means.exchanger
        self._terms = terms

    @cached_property
    def _target(self) -> ExchangeTarget | None:
        audience = (self._terms.audience or "").strip()
        return ExchangeTarget(audience, self._terms.scopes) if audience else None

    @classmethod
    def check(cls, terms: Terms) -> None:
        """Raise Invalid without an audience."""
        if not terms.audience:
            raise Invalid(
                "audience_required",
                "`upstream_auth` token_exchange needs `default_audience`: the client id of the upstream.",
            )

    async def headers(self, agent: AgentToken) -> Presented:
        """Return the exchanged token."""
        if self._target is None:
            raise BadAnswer("exchange_audience_not_found", _NO_AUDIENCE)
        token = await self._exchanger.exchange(agent, self._target)
        return Presented(
            (("authorization", f"Bearer {token.value}"),), token.value, token.token_id, cached=token.cached
        )

    async def forget(self, agent: AgentToken) -> None:
        """Have the next call ask the identity provider."""
        if self._target is not None:
            await self._exchanger.forget(agent, self._target)
