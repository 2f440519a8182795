"""Tells audit, metrics and trace of every exchange that is really sent."""

import asyncio
import time
from collections.abc import Awaitable, Callable

from opentelemetry import trace

from app.audit.record import AuditRecord
from app.credentials.token_exchange.exchanger import ExchangedToken, ExchangeTarget, TokenExchanger
from app.errors import ToolsProviderError
from app.identity.agent_token import AgentToken
from app.telemetry import Telemetry, current_trace_id


class AuditedExchanger:
    """Stands directly before the sender, so that cache hits and an open breaker are not counted as exchanges."""

    def __init__(
        self,
        exchanger: TokenExchanger,
        telemetry: Telemetry,
        record: Callable[[AuditRecord], Awaitable[None]],
        *,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._exchanger = exchanger
        self._telemetry = telemetry
        self._record = record
        self._clock = clock

    async def exchange(self, agent: AgentToken, target: ExchangeTarget) -> ExchangedToken:
        """See TokenExchanger. The record is durable before the token is given out."""
        trace.get_current_span().add_event("Performing token exchange")
        started = self._clock()
        outcome, issued = "internal_error", None
        try:
            token = await self._exchanger.exchange(agent, target)
            outcome, issued = "ok", token.token_id
        except ToolsProviderError as error:
            outcome = error.code
            raise
        except asyncio.CancelledError:
            outcome = "cancelled"
            raise
        finally:
            seconds = self._clock() - started
            self._telemetry.exchange_sent(
                audience=target.audience, seconds=seconds, error=None if outcome == "ok" else outcome
            )
            await self._record(_record_of(agent, target, outcome, issued, seconds))
        return token


def _record_of(
    agent: AgentToken, target: ExchangeTarget, outcome: str, issued: str | None, seconds: float
) -> AuditRecord:
    return AuditRecord(
        kind="exchange",
        action="exchange",
        outcome=outcome,
        subject=agent.subject,
        client_id=agent.client_id,
        token_id=agent.token_id,
        exchanged_token_id=issued,
        audience=target.audience,
        duration_ms=seconds * 1000,
        trace_id=current_trace_id(),
    )
