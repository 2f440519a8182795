"""The use cases of admins: register, update, refresh, remove. Each is effective on the next call and leaves a record.

Once begun, a use case is carried through even if the caller leaves: one transaction, then the catalog, then the record,
so that the three never differ.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Coroutine
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, TypeVar

import structlog

from app.audit.record import AuditRecord
from app.errors import Conflict, Invalid, NotFound, PreconditionFailed, ToolsProviderError
from app.identity.agent_token import AgentToken
from app.openapi.conversion import ReportItem
from app.openapi.operation import Operation
from app.outbound import origin_of
from app.sources.changes import Change
from app.sources.document import Documents
from app.sources.inventory import Difference, Inventory, difference, take_inventory
from app.sources.models import RegisteredSource, Source, SourceCreate, SourceRead, SourceUpdate, is_slug
from app.sources.repository import SourceRepository, Sources, slug_taken
from app.sources.rules import SourceRules

OnChanged = Callable[[RegisteredSource, tuple[Operation, ...]], None]
OnRemoved = Callable[[str], None]
T = TypeVar("T")

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Registered:
    """A source with what its document offers."""

    source: SourceRead
    report: tuple[ReportItem, ...]
    operations: tuple[Operation, ...]


@dataclass(frozen=True, slots=True)
class Refreshed:
    """A source after its document was read anew, and what that changed."""

    source: SourceRead
    difference: Difference


@dataclass(frozen=True, slots=True)
class SourcePage:
    """Sources in the order of their slugs; `next_after` is the slug behind which more follow."""

    items: tuple[SourceRead, ...]
    next_after: str | None


class Registration:
    """The use cases. `on_changed` and `on_removed` make a change effective, `record` keeps it for the audit."""

    def __init__(
        self,
        repository: SourceRepository,
        documents: Documents,
        rules: SourceRules,
        *,
        record: Callable[[AuditRecord], Awaitable[None]],
        on_changed: OnChanged,
        on_removed: OnRemoved,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._repository = repository
        self._documents = documents
        self._rules = rules
        self._record = record
        self._on_changed = on_changed
        self._on_removed = on_removed
        self._now = now
        self._writing = asyncio.Lock()  # the catalog follows the database in the same order
        self._under_way: set[asyncio.Task[Any]] = set()

    async def load_all(self) -> None:
        """Make everything that is stored effective, at the start of the process."""
        async with self._repository.transaction() as sources:
            for source in await sources.all():
                self._show(source, await sources.operations(source.id))

    async def find(self, key: str) -> SourceRead:
        """Return the source of that id or slug. Raises NotFound."""
        async with self._repository.transaction() as sources:
            return SourceRead.of(await _existing(sources, key))

    async def report(self, key: str) -> tuple[ReportItem, ...]:
        """Return what the last good reading said of each operation. Raises NotFound."""
        async with self._repository.transaction() as sources:
            return await sources.report((await _existing(sources, key)).id)

    async def page(self, limit: int, after: str | None) -> SourcePage:
        """Return at most `limit` sources, from the slug behind `after` on."""
        async with self._repository.transaction() as sources:
            found = await sources.page(limit + 1, after)
        shown = tuple(SourceRead.of(source) for source in found[:limit])
        return SourcePage(shown, shown[-1].slug if len(found) > limit else None)

    async def register(self, create: SourceCreate, admin: AgentToken) -> Registered:
        """Read the document and store the source; on any failure nothing is stored."""
        change = Change("register", admin, source=create.slug, audience=create.default_audience)
        return await self._carried_through(self._register(create, change), change)

    async def update(
        self, key: str, changes: SourceUpdate, admin: AgentToken, if_match: Collection[int] | None = None
    ) -> SourceRead:
        """Change what was sent; the document is read anew when `url` or `base_url` is among it.

        `if_match` are the versions that the caller knows (None: any); another one raises PreconditionFailed.
        """
        change = Change("update", admin, source=key, detail=", ".join(sorted(changes.model_fields_set)))
        return await self._carried_through(self._update(key, changes, if_match, change), change)

    async def refresh(self, key: str, admin: AgentToken) -> Refreshed:
        """Read the document anew. On failure the last good inventory stays and the source is marked stale."""
        change = Change("refresh", admin, source=key)
        return await self._carried_through(self._refresh(key, change), change)

    async def remove(self, key: str, admin: AgentToken, if_match: Collection[int] | None = None) -> None:
        """Forget the source; its tools are unknown from the next call on."""
        change = Change("delete", admin, source=key)
        await self._carried_through(self._remove(key, if_match, change), change)

    async def _register(self, create: SourceCreate, change: Change) -> Registered:
        source = self._drafted(create)
        async with self._repository.transaction() as sources:
            source.slug = await _free_slug(sources, create)
        change.concerns(source)
        await self._rules.check_upstream(source.stated_base_url)
        request = create.model_dump(exclude_unset=True)
        inventory = await take_inventory(self._documents, source, {}, request)
        inventory.enter(source, source.created_at)
        async with self._writing:
            async with self._repository.transaction() as sources:
                await self._check_audience(sources, source, change.admin)
                await sources.add(source)
                await sources.replace_operations(source.id, inventory.operations, inventory.report)
            self._show(source, inventory.operations)
        return Registered(SourceRead.of(source), inventory.report, inventory.operations)

    def _drafted(self, create: SourceCreate) -> Source:
        now = self._now()
        values = {**create.columns(), "slug": "", "base_url": "", "created_at": now, "updated_at": now}
        source = Source(**values, refreshed_at=now)
        self._rules.check_addresses(source.url, source.stated_base_url)
        self._rules.check_auth(source.stated_auth_type, source.default_audience)
        self._rules.check_passthrough(source.upstream_auth_type)
        return source

    async def _update(
        self, key: str, changes: SourceUpdate, if_match: Collection[int] | None, change: Change
    ) -> SourceRead:
        inventory, read_at = None, None
        if not changes.model_fields_set.isdisjoint({"url", "base_url"}):
            async with self._repository.transaction() as sources:
                draft = Source(**(await _existing(sources, key, if_match)).model_dump())
                names = await sources.names(draft.id)
            read_at = draft.version
            self._change(draft, changes)
            await self._rules.check_upstream(draft.stated_base_url)
            request = changes.model_dump(exclude_unset=True)
            inventory = await take_inventory(self._documents, draft, names, request)
        async with self._writing:
            async with self._repository.transaction() as sources:
                source = await _existing(sources, key, if_match)
                if read_at not in {None, source.version}:
                    raise _changed_meanwhile()
                operations = await self._store_update(sources, source, changes, inventory, change)
            self._show(source, operations)
        return SourceRead.of(source)

    async def _store_update(
        self, sources: Sources, source: Source, changes: SourceUpdate, inventory: Inventory | None, change: Change
    ) -> tuple[Operation, ...]:
        held = (source.default_audience, origin_of(source.base_url))
        self._change(source, changes)
        if inventory is not None:
            inventory.enter(source, self._now())
            await sources.replace_operations(source.id, inventory.operations, inventory.report)
        change.concerns(source)
        if (source.default_audience, origin_of(source.base_url)) != held:
            await self._check_audience(sources, source, change.admin)
        source.updated_at = self._now()
        await sources.save(source)
        return inventory.operations if inventory is not None else await sources.operations(source.id)

    def _change(self, source: Source, changes: SourceUpdate) -> None:
        before = source.upstream_auth_type
        for name, value in changes.columns().items():
            setattr(source, name, value)
        self._rules.check_addresses(source.url, source.stated_base_url)
        self._rules.check_auth(source.stated_auth_type, source.default_audience)
        if source.upstream_auth_type != before:
            self._rules.check_passthrough(source.upstream_auth_type)

    async def _refresh(self, key: str, change: Change) -> Refreshed:
        async with self._repository.transaction() as sources:
            known = await _existing(sources, key)
            names = await sources.names(known.id)
        change.concerns(known)
        try:
            inventory = await take_inventory(self._documents, known, names, {})
        except ToolsProviderError:
            await self._mark_stale(known.id)
            raise
        async with self._writing:
            async with self._repository.transaction() as sources:
                source = await _existing(sources, known.id)
                if source.version != known.version:
                    raise _changed_meanwhile()
                before = await sources.operations(source.id)
                await sources.replace_operations(source.id, inventory.operations, inventory.report)
                inventory.enter(source, self._now())
                await sources.save(source)
            self._show(source, inventory.operations)
        found = difference(before, inventory.operations)
        change.detail = f"{len(found.added)} added, {len(found.removed)} removed, {len(found.changed)} changed"
        return Refreshed(SourceRead.of(source), found)

    async def _mark_stale(self, source_id: str) -> None:
        async with self._writing, self._repository.transaction() as sources:
            source = await sources.find(source_id)
            if source is not None and source.status != "stale":
                source.status = "stale"
                await sources.save(source)

    async def _remove(self, key: str, if_match: Collection[int] | None, change: Change) -> None:
        async with self._writing:
            async with self._repository.transaction() as sources:
                source = await _existing(sources, key, if_match)
                change.concerns(source)
                await sources.remove(source)
            self._on_removed(source.slug)

    def _show(self, source: Source, operations: tuple[Operation, ...]) -> None:
        registered = source.registered()
        if not self._rules.may_exchange(source):
            _log.warning("a source has no tools, because AUDIENCE_ORIGINS does not list it", source=source.slug)
            registered = replace(registered, enabled=False)
        self._on_changed(registered, operations)

    async def _check_audience(self, sources: Sources, source: Source, admin: AgentToken) -> None:
        if source.default_audience is not None:
            self._rules.check_audience(source, await sources.origins(source.default_audience), admin)
            await sources.add_origin(source.default_audience, origin_of(source.base_url))

    async def _carried_through(self, work: Coroutine[Any, Any, T], change: Change) -> T:
        task = asyncio.create_task(self._recorded(work, change))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)
        return await asyncio.shield(task)

    async def _recorded(self, work: Coroutine[Any, Any, T], change: Change) -> T:
        outcome = "internal_error"
        try:
            result = await work
            outcome = "ok"
        except ToolsProviderError as error:
            outcome = error.code
            raise
        finally:
            await self._record(change.record(outcome))
        return result


async def _existing(sources: Sources, key: str, if_match: Collection[int] | None = None) -> Source:
    source = await sources.find(key)
    if source is None:
        raise NotFound("source_unknown", "There is no source of that id or slug. GET /api/v1/sources lists them.")
    if if_match is not None and source.version not in if_match:
        raise PreconditionFailed(
            "source_changed", "The source has changed since you read it. Read it again and send its ETag in If-Match."
        )
    return source


async def _free_slug(sources: Sources, create: SourceCreate) -> str:
    named = create.slugged_name()
    if create.slug is not None:
        candidates = [create.slug]
    else:
        candidates = [slug for slug in (create.default_audience or "", named) if is_slug(slug)]
    if not candidates:
        raise Invalid("slug_required", "No slug can be made from this name. State a `slug` of a-z, 0-9 and -.")
    for slug in candidates:
        if await sources.find(slug) is None:
            return slug
    raise slug_taken(candidates[-1])


def _changed_meanwhile() -> Conflict:
    return Conflict("source_changed", "The source was changed while its document was being read. Send this again.")
