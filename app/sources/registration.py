"""The use cases of admins: register, update, refresh, remove. Each is effective on the next call and leaves a record.

Once begun, a use case is carried through even if the caller leaves: one transaction, then the catalog, then the record,
so that the three never differ.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Coroutine, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, TypeVar
from weakref import WeakValueDictionary

import structlog

from app.audit.record import AuditRecord
from app.errors import Conflict, Invalid, NotFound, PreconditionFailed, ToolsProviderError
from app.identity.agent_token import AgentToken
from app.openapi.operation import Operation
from app.sources.changes import Change
from app.sources.difference import Changes, changes_between
from app.sources.document import Documents, Fingerprint, Unchanged
from app.sources.inventory import Inventory, Taken, failed, fingerprint_of, seen, take_inventory
from app.sources.models import Authority, RegisteredSource, Source, SourceCreate, SourceRead, SourceUpdate, is_slug
from app.sources.outcomes import Refreshed, Registered, Report, SourcePage
from app.sources.repository import SourceRepository, Sources, slug_taken
from app.sources.rules import SourceRules

OnChanged = Callable[[RegisteredSource, tuple[Operation, ...]], None]
OnRemoved = Callable[[str], None]
T = TypeVar("T")

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Revision:
    """What a change of addresses makes of a source at that version; without a fingerprint nothing was read."""

    version: int
    inventory: Inventory
    fingerprint: Fingerprint | None
    changes: Changes


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
        self._refreshing: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()  # one at a time for a source
        self._under_way: set[asyncio.Task[Any]] = set()

    async def load_all(self) -> None:
        """Make everything that is stored effective, at the start of the process."""
        async with self._repository.transaction() as sources:
            for source in await sources.all():
                self._show(source, await sources.operations(source.id))

    async def aclose(self, grace: float = 5.0) -> None:
        """Let what is under way end; what takes longer than `grace` seconds is given up and leaves nothing behind."""
        if self._under_way:
            _, late = await asyncio.wait(self._under_way, timeout=grace)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    async def scheduled(self) -> Sequence[Source]:
        """Return the enabled sources that are refreshed on a schedule."""
        async with self._repository.transaction() as sources:
            return await sources.scheduled()

    async def find(self, key: str) -> SourceRead:
        """Return the source of that id or slug. Raises NotFound."""
        async with self._repository.transaction() as sources:
            return SourceRead.of(await _existing(sources, key))

    async def report(self, key: str) -> Report:
        """Return what became of the source's document. Raises NotFound."""
        async with self._repository.transaction() as sources:
            source = await _existing(sources, key)
            return Report(SourceRead.of(source), await sources.report(source.id), await sources.changes(source.id))

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
        """Change what was sent; the document is read anew when its address, the base URL or a new server is among it.

        `if_match` are the versions that the caller knows (None: any); another one raises PreconditionFailed.
        """
        change = Change("update", admin, source=key, detail=", ".join(sorted(changes.model_fields_set)))
        return await self._carried_through(self._update(key, changes, if_match, change), change)

    async def refresh(self, key: str, admin: AgentToken | None, *, force: bool = False) -> Refreshed:
        """Read the document anew if it has changed, or if `force` is set. `admin` is None for the schedule.

        On failure the last good inventory stays and the source is marked stale.
        """
        change = Change("refresh", admin, source=key)
        return await self._carried_through(self._refresh(key, change, force=force), change)

    async def remove(self, key: str, admin: AgentToken, if_match: Collection[int] | None = None) -> None:
        """Forget the source; its tools are unknown from the next call on."""
        change = Change("delete", admin, source=key)
        await self._carried_through(self._remove(key, if_match, change), change)

    async def _register(self, create: SourceCreate, change: Change) -> Registered:
        source = self._drafted(create)
        async with self._repository.transaction() as sources:
            source.slug = await _free_slug(sources, create)
        change.concerns(source)
        await self._rules.check_upstreams(source)
        taken = await take_inventory(self._documents, source, {}, create.model_dump(exclude_unset=True))
        taken.enter(source, source.created_at)
        inventory = taken.inventory
        async with self._writing:
            async with self._repository.transaction() as sources:
                await self._check_authorities(sources, source, change)
                await sources.add(source)
                await sources.replace_operations(source.id, inventory.operations, inventory.report)
            self._show(source, inventory.operations)
        return Registered(SourceRead.of(source), inventory.report, inventory.operations)

    def _drafted(self, create: SourceCreate) -> Source:
        now = self._now()
        values = {**create.columns(), "slug": "", "base_url": "", "created_at": now, "updated_at": now}
        source = Source(**values, refreshed_at=now)
        self._rules.check_addresses(source)
        self._rules.check_auth(source.stated_auth_type, source.default_audience)
        self._rules.check_passthrough(source.upstream_auth_type)
        return source

    async def _update(
        self, key: str, changes: SourceUpdate, if_match: Collection[int] | None, change: Change
    ) -> SourceRead:
        revision = None
        if not changes.model_fields_set.isdisjoint({"url", "base_url", "other_servers"}):
            revision = await self._revised(key, changes, if_match)
        async with self._writing:
            async with self._repository.transaction() as sources:
                source = await _existing(sources, key, if_match)
                if revision is not None and revision.version != source.version:
                    raise _changed_meanwhile()
                await self._store_update(sources, source, changes, revision, change)
                operations = await sources.operations(source.id)
            self._show(source, operations)
        return SourceRead.of(source)

    async def _revised(self, key: str, changes: SourceUpdate, if_match: Collection[int] | None) -> _Revision:
        """Servers that are only taken away are taken away even while the document cannot be had."""
        async with self._repository.transaction() as sources:
            draft = Source(**(await _existing(sources, key, if_match)).model_dump())
            names = await sources.names(draft.id)
        version, stored = draft.version, await self._stored(draft)
        known = {server["origin"] for server in draft.other_servers}
        self._change(draft, changes)
        await self._rules.check_upstreams(draft)
        fingerprint = None
        if changes.model_fields_set.isdisjoint({"url", "base_url"}) and known.issuperset(
            server["origin"] for server in draft.other_servers
        ):
            inventory = stored.under(draft)
        else:
            taken = await take_inventory(self._documents, draft, names, changes.model_dump(exclude_unset=True))
            inventory, fingerprint = taken.inventory, taken.fingerprint
        return _Revision(version, inventory, fingerprint, await self._compared(stored, inventory))

    async def _stored(self, source: Source) -> Inventory:
        async with self._repository.transaction() as sources:
            return Inventory(source.base_url, await sources.operations(source.id), await sources.report(source.id))

    async def _compared(self, before: Inventory, after: Inventory) -> Changes:
        return await asyncio.to_thread(changes_between, before.located(), after.located(), self._now())

    async def _store_update(
        self, sources: Sources, source: Source, changes: SourceUpdate, revision: _Revision | None, change: Change
    ) -> None:
        held = source.registered().authorities
        self._change(source, changes)
        if revision is not None:
            if revision.fingerprint is not None:
                seen(source, revision.fingerprint, self._now())
            revision.inventory.enter(source)
            inventory = revision.inventory
            change.detail = f"{change.detail}; {revision.changes.summary()}"
            await sources.replace_operations(source.id, inventory.operations, inventory.report, revision.changes)
        change.concerns(source)
        await self._check_authorities(sources, source, change, held)
        source.updated_at = self._now()
        await sources.save(source)

    def _change(self, source: Source, changes: SourceUpdate) -> None:
        before = source.upstream_auth_type
        for name, value in changes.columns().items():
            setattr(source, name, value)
        self._rules.check_addresses(source)
        self._rules.check_auth(source.stated_auth_type, source.default_audience)
        if source.upstream_auth_type != before:
            self._rules.check_passthrough(source.upstream_auth_type)

    async def _refresh(self, key: str, change: Change, *, force: bool) -> Refreshed:
        source_id = (await self.find(key)).id
        async with self._refreshing.setdefault(source_id, asyncio.Lock()):
            async with self._repository.transaction() as sources:
                known = await _existing(sources, source_id)
                names = await sources.names(source_id)
            change.concerns(known)
            try:
                fingerprint = None if force else fingerprint_of(known)
                taken = await take_inventory(self._documents, known, names, {}, fingerprint)
            except Unchanged as unchanged:
                return await self._store_unchanged(known, unchanged.fingerprint, change)
            except ToolsProviderError as failure:
                await self._mark_stale(known, failure, change)
                raise
            changes = await self._compared(await self._stored(known), taken.inventory)
            return await self._store_refresh(known, taken, changes, change)

    async def _store_refresh(self, known: Source, taken: Taken, changes: Changes, change: Change) -> Refreshed:
        operations = taken.inventory.operations
        async with self._writing:
            async with self._repository.transaction() as sources:
                source = await _unaltered(sources, known)
                await sources.replace_operations(source.id, operations, taken.inventory.report, changes)
                taken.enter(source, self._now())
                await sources.save(source)
            self._show(source, operations)
        return _refreshed(source, changes, known, change)

    async def _store_unchanged(self, known: Source, fingerprint: Fingerprint, change: Change) -> Refreshed:
        async with self._writing, self._repository.transaction() as sources:
            source = await _unaltered(sources, known)
            seen(source, fingerprint, self._now())
            await (sources.note(source) if source.status == known.status else sources.save(source))
        return _refreshed(source, Changes(self._now()), known, change)

    async def _mark_stale(self, known: Source, failure: ToolsProviderError, change: Change) -> None:
        told = known.refresh_error is not None and known.refresh_error["code"] == failure.code
        change.silent = change.admin is None and told
        async with self._writing, self._repository.transaction() as sources:
            source = await sources.find(known.id)
            if source is not None and source.version == known.version:
                failed(source, failure, self._now())
                await (sources.note(source) if known.status == "stale" else sources.save(source))

    async def _remove(self, key: str, if_match: Collection[int] | None, change: Change) -> None:
        async with self._writing:
            async with self._repository.transaction() as sources:
                source = await _existing(sources, key, if_match)
                change.concerns(source)
                await sources.remove(source)
            self._on_removed(source.slug)

    def _show(self, source: Source, operations: tuple[Operation, ...]) -> None:
        registered = source.registered()
        own, *others = registered.authorities
        kept = tuple(authority for authority in others if self._rules.may_exchange(authority))
        if not self._rules.may_exchange(own):
            _log.warning("a source has no tools, because AUDIENCE_ORIGINS does not list it", source=source.slug)
            registered = replace(registered, enabled=False)
        elif len(kept) < len(others):
            _log.warning("a source lacks servers that AUDIENCE_ORIGINS does not list", source=source.slug)
        self._on_changed(replace(registered, other_servers=kept), operations)

    async def _check_authorities(
        self, sources: Sources, source: Source, change: Change, held: Collection[Authority] = ()
    ) -> None:
        """Check what was not `held` before, and remember which origins may have tokens of which audiences."""
        self._rules.check_other_servers(source)
        before = {(authority.audience, authority.origin) for authority in held}
        for authority in source.registered().authorities:
            if authority.audience is not None and (authority.audience, authority.origin) not in before:
                self._rules.check_audience(authority, await sources.origins(authority.audience), change.roles)
                await sources.add_origin(authority.audience, authority.origin)

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
        except asyncio.CancelledError:
            outcome = "cancelled"
            raise
        finally:
            if not change.silent:
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


async def _unaltered(sources: Sources, known: Source) -> Source:
    source = await _existing(sources, known.id)
    if source.version != known.version:
        raise _changed_meanwhile()
    return source


def _refreshed(source: Source, changes: Changes, known: Source, change: Change) -> Refreshed:
    change.detail = changes.summary()
    change.silent = change.admin is None and not changes and source.status == known.status
    return Refreshed(SourceRead.of(source), changes)


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
