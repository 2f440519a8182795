"""Tells audit, metrics and trace of every exchange that is really sent."""

from functools import partial

from opentelemetry import trace

from app.audit.outcome import Outcome, Outcomes
from app.credentials.token_exchange.exchanger import ExchangedToken, ExchangeTarget, TokenExchanger
from app.identity.agent_token import AgentToken
from app.telemetry import Telemetry


class AuditedExchanger:
    """Stands directly before the sender, so that cache hits and an open breaker are not counted as exchanges."""

    def __init__(self, exchanger: TokenExchanger, telemetry: Telemetry, audit: Outcomes) -> None:
        self._exchanger = exchanger
        self._telemetry = telemetry
        self._audit = audit

    async def exchange(self, agent: AgentToken, target: ExchangeTarget) -> ExchangedToken:
        """See TokenExchanger. The record is durable before the token is given out."""
        trace.get_current_span().add_event("Performing token exchange")
        measure = partial(self._measure, target.audience)
        async with self._audit.outcome(kind="exchange", action="exchange", agent=agent, ended=measure) as sent:
            sent.audience = target.audience
            token = await self._exchanger.exchange(agent, target)
            sent.exchanged_token_id = token.token_id
        return token

    def _measure(self, audience: str, sent: Outcome) -> None:
        error = None if sent.code == "ok" else sent.code
        self._telemetry.exchange_sent(audience=audience, seconds=sent.seconds, error=error)
