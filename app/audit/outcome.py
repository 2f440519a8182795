"""How something ended: every audit record begins and ends here.

A record of kind `refusal` is bounded, so that a flood of them does not fill the disk: of one door, action, code and
subject the first 10 within a second get a record each. The others of that second are counted, and one record tells
their number, so that no refusal goes unmentioned.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from time import perf_counter
from types import TracebackType
from typing import Literal, Self

from app.audit.record import AuditRecord, Kind
from app.errors import Invalid, InvalidAgentToken, NotFound, NotPermitted, TooLarge, ToolsProviderError
from app.identity.agent_token import AgentToken
from app.telemetry import current_trace_id

Door = Literal["rest", "mcp", "schedule"]

EACH_BY_ITSELF = 10
WINDOW = 1.0  # seconds

_REFUSALS = (
    InvalidAgentToken,
    NotPermitted,
    NotFound,
    Invalid,
    TooLarge,
)  # a call that ends so is recorded as a refusal
_Alike = tuple[str | None, str, str, str | None, str | None]  # door, action, code, subject and the user's name


class Outcomes:
    """Makes the records. `record` keeps one and returns when it is durable, `clock` counts seconds."""

    def __init__(
        self, record: Callable[[AuditRecord], Awaitable[None]], clock: Callable[[], float] = perf_counter
    ) -> None:
        self._record = record
        self.clock = clock
        self._seen: Counter[_Alike] = Counter()
        self._window: asyncio.Task[None] | None = None

    def outcome(
        self,
        *,
        kind: Kind,
        action: str,
        agent: AgentToken | None = None,
        door: Door | None = None,
        ended: Callable[["Outcome"], None] | None = None,
    ) -> "Outcome":
        """Return what to enter for as long as the work lasts; `ended` is told how it ended, before the record is."""
        return Outcome(self, kind, action, agent, door, ended)

    async def refused(
        self,
        error: ToolsProviderError,
        door: Door,
        *,
        action: str = "authenticate",
        agent: AgentToken | None = None,
        source: str | None = None,
        tool: str | None = None,
    ) -> None:
        """Record what was refused before any work began; returns when it is durable, at once if it is only counted."""
        outcome = Outcome(self, "refusal", action, agent, door)
        outcome.code, outcome.source, outcome.tool = error.code, source, tool
        outcome.detail = _detail_of(error)
        await self.keep(outcome.record())

    async def keep(self, record: AuditRecord) -> None:
        """Keep the record, or count it when it is one of a flood."""
        if record.kind != "refusal" or self._has_room(record):
            await self._record(record)

    async def stop(self) -> None:
        """Record what has only been counted so far."""
        if self._window is not None:
            self._window.cancel()
            await asyncio.wait([self._window])
        await self._summarise()

    def _has_room(self, record: AuditRecord) -> bool:
        if self._window is None:
            self._window = asyncio.create_task(self._count_for_a_while())
        alike = (record.door, record.action, record.outcome, record.subject, record.preferred_username)
        self._seen[alike] += 1
        return self._seen[alike] <= EACH_BY_ITSELF

    async def _count_for_a_while(self) -> None:
        await asyncio.sleep(WINDOW)
        await self._summarise()
        self._window = asyncio.create_task(self._count_for_a_while()) if self._seen else None

    async def _summarise(self) -> None:
        seen, self._seen = self._seen, Counter()
        for (door, action, code, subject, username), number in seen.items():
            if number > EACH_BY_ITSELF:
                detail = f"{number - EACH_BY_ITSELF} more like this within {WINDOW:g} s"
                await self._record(
                    AuditRecord(
                        kind="refusal",
                        action=action,
                        outcome=code,
                        door=door,
                        subject=subject,
                        preferred_username=username,
                        detail=detail,
                    )
                )


class Outcome:
    """`async with` around the work; its record is durable when the block is left, even by a cancelled caller.

    What the work learns is set on it, under the names of `AuditRecord`. `code` is `ok` unless the work fails or says
    otherwise, `silent` leaves no record, `seconds` is known at the end.
    """

    # A class with slots, not a generator: it is on the path of every call.
    __slots__ = (
        "_door",
        "_ended",
        "_kind",
        "_outcomes",
        "_started",
        "action",
        "agent",
        "audience",
        "code",
        "detail",
        "exchanged_token_id",
        "passthrough",
        "seconds",
        "silent",
        "source",
        "tool",
        "upstream_status",
    )

    def __init__(
        self,
        outcomes: Outcomes,
        kind: Kind,
        action: str,
        agent: AgentToken | None,
        door: Door | None,
        ended: Callable[["Outcome"], None] | None = None,
    ) -> None:
        self._outcomes = outcomes
        self._kind = kind
        self._door = door
        self._ended = ended
        self.action = action
        self.agent = agent
        self.code = "ok"
        self.source: str | None = None
        self.tool: str | None = None
        self.audience: str | None = None
        self.passthrough = False
        self.exchanged_token_id: str | None = None
        self.upstream_status: int | None = None
        self.detail: str | None = None
        self.silent = False
        self.seconds = 0.0
        self._started: float | None = None

    async def __aenter__(self) -> Self:
        self._started = self._outcomes.clock()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        self.seconds = self._outcomes.clock() - (self._started or 0.0)
        if error is not None:
            self._failed(error)
        if self._ended is not None:
            self._ended(self)
        if not self.silent:
            await self._outcomes.keep(self.record())

    def _failed(self, error: BaseException) -> None:
        if isinstance(error, ToolsProviderError):
            self.code = error.code
            if self._kind == "call":
                self._kind = "refusal" if isinstance(error, _REFUSALS) else "call"
                self.detail = _detail_of(error)
        else:
            self.code = "cancelled" if isinstance(error, asyncio.CancelledError) else "internal_error"

    def record(self) -> AuditRecord:
        """Return the record as it stands."""
        agent = self.agent
        return AuditRecord(
            kind=self._kind,
            action=self.action,
            outcome=self.code,
            door=self._door,
            subject=None if agent is None else agent.subject,
            preferred_username=None if agent is None else agent.preferred_username,
            client_id=None if agent is None else agent.client_id,
            token_id=None if agent is None else agent.token_id,
            exchanged_token_id=self.exchanged_token_id,
            source=self.source,
            tool=self.tool,
            audience=self.audience,
            passthrough=self.passthrough,
            upstream_status=self.upstream_status,
            duration_ms=None if self._started is None else round(self.seconds * 1000, 3),
            trace_id=current_trace_id(),
            detail=self.detail,
        )


def _detail_of(error: ToolsProviderError) -> str | None:
    """Return what an auditor may read; the detail of wrong arguments names them, so it stays out."""
    return None if isinstance(error, Invalid) else error.inside or error.detail
