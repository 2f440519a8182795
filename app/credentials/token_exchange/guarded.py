"""Leaves the identity provider alone while it is down."""

from math import ceil

from app.circuit_breaker import CircuitBreaker, CircuitOpen
from app.credentials.token_exchange.exchanger import Down, ExchangedToken, ExchangeTarget, Inconclusive, TokenExchanger
from app.errors import ToolsProviderError, Unavailable
from app.identity.agent_token import AgentToken

_OPEN = "The identity provider failed repeatedly and is left alone for a moment. Try again in {seconds} s."


class GuardedExchanger:
    """Asks `exchanger` unless the breaker is open.

    Only what says that the identity provider is down feeds the breaker: timeouts, lost connections, 5xx and 429. A
    refusal is an answer, so one agent's bad token never locks the others out. Nor does what one user, or one source's
    audience, makes the identity provider fail at.
    """

    def __init__(self, exchanger: TokenExchanger, breaker: CircuitBreaker) -> None:
        self._exchanger = exchanger
        self._breaker = breaker

    async def exchange(self, agent: AgentToken, target: ExchangeTarget) -> ExchangedToken:
        """See TokenExchanger."""
        try:
            with self._breaker.attempt(f"user {agent.subject}", f"audience {target.audience}") as attempt:
                try:
                    token = await self._exchanger.exchange(agent, target)
                except Inconclusive:
                    raise
                except Unavailable as failure:
                    attempt.failed(anyone=isinstance(failure, Down))
                    raise
                except ToolsProviderError:
                    attempt.succeeded()
                    raise
                attempt.succeeded()
                return token
        except CircuitOpen as refusal:
            seconds = ceil(refusal.retry_after)
            raise Unavailable("circuit_open", _OPEN.format(seconds=seconds), refusal.retry_after) from None
