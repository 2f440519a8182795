"""Audit records of what the doors refuse, without letting a flood of refusals fill the disk."""

import asyncio
from collections import Counter
from typing import Literal

from app.audit.log import AuditLog
from app.audit.record import AuditRecord
from app.errors import ToolsProviderError
from app.identity.agent_token import AgentToken
from app.telemetry import current_trace_id

Door = Literal["rest", "mcp"]
_Kind = tuple[Door, str, str, str | None]  # door, action, code, subject

EACH_BY_ITSELF = 10
WINDOW = 1.0


class Refusals:
    """Records refusals. Of one kind (door, action, code, subject) the first 10 within a second get a record each.

    The others of that second are counted, and one record tells their number: what is written stays bounded and no
    refusal goes unmentioned.
    """

    def __init__(self, audit: AuditLog) -> None:
        self._audit = audit
        self._seen: Counter[_Kind] = Counter()
        self._window: asyncio.Task[None] | None = None

    async def record(
        self,
        error: ToolsProviderError,
        door: Door,
        *,
        action: str = "authenticate",
        agent: AgentToken | None = None,
        source: str | None = None,
        tool: str | None = None,
    ) -> None:
        """Record one refusal; returns when it is durable, at once where it is only counted."""
        if self._window is None:
            self._window = asyncio.create_task(self._count_for_a_while())
        kind = (door, action, error.code, agent.subject if agent else None)
        self._seen[kind] += 1
        if self._seen[kind] > EACH_BY_ITSELF:
            return
        await self._audit.record(
            AuditRecord(
                kind="refusal",
                action=action,
                outcome=error.code,
                door=door,
                subject=agent.subject if agent else None,
                client_id=agent.client_id if agent else None,
                token_id=agent.token_id if agent else None,
                source=source,
                tool=tool,
                trace_id=current_trace_id(),
            )
        )

    async def stop(self) -> None:
        """Record what has only been counted so far."""
        if self._window is not None:
            self._window.cancel()
            await asyncio.wait([self._window])
        await self._summarise()

    async def _count_for_a_while(self) -> None:
        await asyncio.sleep(WINDOW)
        await self._summarise()
        self._window = asyncio.create_task(self._count_for_a_while()) if self._seen else None

    async def _summarise(self) -> None:
        seen, self._seen = self._seen, Counter()
        for (door, action, code, subject), number in seen.items():
            if number > EACH_BY_ITSELF:
                detail = f"{number - EACH_BY_ITSELF} more like this within {WINDOW:g} s"
                await self._audit.record(
                    AuditRecord(kind="refusal", action=action, outcome=code, door=door, subject=subject, detail=detail)
                )
