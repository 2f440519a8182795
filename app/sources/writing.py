"""How every change of a source is made: one writer at a time, one transaction, then the catalog, then the record.

Once begun, a change is carried through even if the caller leaves, so that the three never differ.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TypeVar

from app.audit.outcome import Door, Outcome, Outcomes
from app.credentials.kinds import KINDS
from app.identity.agent_token import AgentToken
from app.operation.operation import Operation
from app.sources.inventory import Curator
from app.sources.repository import SourceRepository, Sources
from app.sources.rules import SourceRules
from app.sources.source import Authority, RegisteredSource
from app.sources.tables import Source

OnChanged = Callable[[RegisteredSource, tuple[Operation, ...]], Awaitable[None]]
OnRemoved = Callable[[str], None]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Edit:
    """One transaction that changes sources. What it shows or hides is so once the transaction is stored."""

    sources: Sources
    shown: list[tuple[Source, tuple[Operation, ...]]] = field(default_factory=list)
    hidden: list[str] = field(default_factory=list)

    def show(self, source: Source, operations: tuple[Operation, ...]) -> None:
        """Have agents see the source with exactly these operations."""
        self.shown.append((source, operations))

    def hide(self, slug: str) -> None:
        """Have agents see nothing of the source."""
        self.hidden.append(slug)


class Writing:
    """The only way to change what is stored. `on_changed` and `on_removed` make it effective, `audit` records it.

    `tool_bytes` are those that a tool may have.
    """

    def __init__(
        self,
        repository: SourceRepository,
        rules: SourceRules,
        *,
        audit: Outcomes,
        on_changed: OnChanged,
        on_removed: OnRemoved,
        tool_bytes: int,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.now = now
        self.curator = Curator(tool_bytes)
        self._repository = repository
        self._rules = rules
        self._audit = audit
        self._on_changed = on_changed
        self._on_removed = on_removed
        self._lock = asyncio.Lock()  # the catalog follows the database in the same order
        self._under_way: set[asyncio.Task[Any]] = set()

    async def load_all(self) -> None:
        """Make everything that is stored effective, at the start of the process."""
        async with self._repository.transaction() as sources:
            for source in await sources.all():
                curated = await self.curator.curated(source, await sources.operations(source.id))
                await self._on_changed(self._rules.effective(source), curated.operations)

    async def aclose(self, grace: float = 5.0) -> None:
        """Wait for what is under way; after `grace` seconds it is cancelled, and leaves nothing behind."""
        if self._under_way:
            _, late = await asyncio.wait(self._under_way, timeout=grace)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    @asynccontextmanager
    async def edit(self) -> AsyncIterator[Edit]:
        """Change sources: all that the block does is stored and becomes effective, or nothing if it raises."""
        async with self._lock:
            async with self._repository.transaction() as sources:
                edit = Edit(sources)
                yield edit
            for source, operations in edit.shown:
                await self._on_changed(self._rules.effective(source), operations)
            for slug in edit.hidden:
                self._on_removed(slug)

    async def bind_audiences(
        self, sources: Sources, source: Source, admin: AgentToken, held: Collection[Authority] = ()
    ) -> None:
        """Check what was not `held` before, and remember which origins may have tokens of which audiences."""
        self._rules.check_other_servers(source)
        before = {(authority.audience, authority.origin) for authority in held}
        for authority in source.authorities:
            self._rules.check_token(authority, held, admin.roles)
            if authority.audience is not None and (authority.audience, authority.origin) not in before:
                self._rules.check_audience(authority, await sources.origins(authority.audience), admin.roles)
                await sources.add_origin(authority.audience, authority.origin)

    async def carried_through(
        self, action: str, admin: AgentToken | None, key: str | None, work: Callable[[Outcome], Awaitable[T]]
    ) -> T:
        """Return what `work` returns, and leave a record of it; it goes on when the caller leaves.

        `admin` is None for the schedule, `key` the source that was asked for. `work` adds to the record what it learns.
        """
        task = asyncio.create_task(self._recorded(action, admin, key, work))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)
        return await asyncio.shield(task)

    async def _recorded(
        self, action: str, admin: AgentToken | None, key: str | None, work: Callable[[Outcome], Awaitable[T]]
    ) -> T:
        door: Door = "schedule" if admin is None else "rest"
        async with self._audit.outcome(kind="admin", action=action, agent=admin, door=door) as outcome:
            outcome.source = key
            return await work(outcome)


def enter_source(outcome: Outcome, source: Source) -> None:
    """Note the source in the record, as it will be."""
    outcome.source = source.slug
    outcome.audience = source.default_audience
    outcome.passthrough = KINDS[source.upstream_auth_type].passes_agent_token
