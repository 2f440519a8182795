"""The use cases of admins: register, update, refresh, remove. Each is effective on the next call and leaves a record.

Once begun, a use case is carried through even if the caller leaves: one transaction, then the catalog, then the record,
so that the three never differ.
"""

import asyncio
from collections.abc import Callable, Collection, Coroutine, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar
from weakref import WeakValueDictionary

from app.audit.outcome import Outcome, Outcomes
from app.differences.operations import Changes, changes_between
from app.documents.fetching import Documents, Fingerprint, Unchanged
from app.errors import ToolsProviderError
from app.identity.agent_token import AgentToken
from app.operation.operation import Operation
from app.sources.changes import change_by, concern
from app.sources.curation import ListedTool, check_overrides, curate
from app.sources.finding import changed_meanwhile, existing, free_slug, nothing_to_fetch, stored_inventory, unaltered
from app.sources.inventory import Inventory, Taken, failed, fingerprint_of, found_good, take_inventory
from app.sources.models import Authority, RegisteredSource, Source, SourceCreate, SourceRead, SourceUpdate
from app.sources.outcomes import Refreshed, Registered, Report, SourcePage
from app.sources.overrides import ToolChanges
from app.sources.repository import SourceRepository, Sources
from app.sources.rules import SourceRules
from app.sources.stored_curation import curated_now, listed_now, shape

OnChanged = Callable[[RegisteredSource, tuple[Operation, ...]], None]
OnRemoved = Callable[[str], None]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Revision:
    """What a change of document or addresses makes of a source at that version; `taken` None: nothing was read.

    `document` is the one that is kept because it was sent.
    """

    version: int
    taken: Taken | None
    inventory: Inventory
    document: bytes | None
    changes: Changes


class Registration:
    """The use cases. `on_changed` and `on_removed` make a change effective, `audit` records it."""

    def __init__(
        self,
        repository: SourceRepository,
        documents: Documents,
        rules: SourceRules,
        *,
        audit: Outcomes,
        on_changed: OnChanged,
        on_removed: OnRemoved,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._repository = repository
        self._documents = documents
        self._rules = rules
        self._audit = audit
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
                operations = await sources.operations(source.id)
                self._on_changed(self._rules.effective(source), curate(source, operations).operations)

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
            return SourceRead.of(await existing(sources, key))

    async def report(self, key: str) -> Report:
        """Return what became of the source's document. Raises NotFound."""
        async with self._repository.transaction() as sources:
            source = await existing(sources, key)
            report = (await curated_now(sources, source)).report(await sources.report(source.id))
            return Report(SourceRead.of(source), report, await sources.changes(source.id))

    async def tools(self, key: str) -> tuple[ListedTool, ...]:
        """Return every operation with what admins made of it. Raises NotFound."""
        async with self._repository.transaction() as sources:
            source = await existing(sources, key)
            return await listed_now(sources, source, await curated_now(sources, source))

    async def page(self, limit: int, after: str | None) -> SourcePage:
        """Return at most `limit` sources, from the slug behind `after` on."""
        async with self._repository.transaction() as sources:
            found = await sources.page(limit + 1, after)
        shown = tuple(SourceRead.of(source) for source in found[:limit])
        return SourcePage(shown, shown[-1].slug if len(found) > limit else None)

    async def register(self, create: SourceCreate, admin: AgentToken, document: bytes | None = None) -> Registered:
        """Read the document, which may have been sent, and store the source; on any failure nothing is stored."""
        change = change_by(self._audit, "register", admin, create.slug)
        change.audience = create.default_audience
        return await self._carried_through(self._register(create, document, change), change)

    async def update(
        self,
        key: str,
        changes: SourceUpdate,
        admin: AgentToken,
        if_match: Collection[int] | None = None,
        document: bytes | None = None,
    ) -> SourceRead:
        """Change what was sent; the document is read anew when it, an address of it or a new server is among that.

        `if_match` are the versions that the caller knows (None: any); another one raises PreconditionFailed.
        """
        change = change_by(self._audit, "update", admin, key)
        change.detail = ", ".join(sorted(changes.model_fields_set))
        return await self._carried_through(self._update(key, changes, if_match, document, change), change)

    async def shape(
        self,
        key: str,
        operation: str,
        changes: ToolChanges | None,
        admin: AgentToken,
        if_match: Collection[int] | None = None,
    ) -> tuple[SourceRead, ListedTool]:
        """Change what was sent of one tool's override; None takes the tool back to the document.

        Raises NotFound, Invalid ("invalid_overrides"), and PreconditionFailed like `update`.
        """
        change = change_by(self._audit, "update", admin, key)
        return await self._carried_through(self._shape(key, operation, changes, if_match, change), change)

    async def refresh(self, key: str, admin: AgentToken | None, *, force: bool = False) -> Refreshed:
        """Read the document anew if it has changed, or if `force` is set. `admin` is None for the schedule.

        On failure the last good inventory stays and the source is marked stale. Raises Conflict (`document_uploaded`)
        where there is nothing to fetch.
        """
        change = change_by(self._audit, "refresh", admin, key)
        return await self._carried_through(self._refresh(key, change, force=force), change)

    async def remove(self, key: str, admin: AgentToken, if_match: Collection[int] | None = None) -> None:
        """Forget the source; its tools are unknown from the next call on."""
        change = change_by(self._audit, "delete", admin, key)
        await self._carried_through(self._remove(key, if_match, change), change)

    async def _register(self, create: SourceCreate, document: bytes | None, change: Outcome) -> Registered:
        source = self._drafted(create)
        async with self._repository.transaction() as sources:
            source.slug = await free_slug(sources, create)
        concern(change, source)
        await self._rules.check_upstreams(source)
        request = create.model_dump(exclude_unset=True)
        taken = await take_inventory(self._documents, source, {}, request, uploaded=document)
        curated, inventory = taken.enter(source, source.created_at), taken.inventory
        check_overrides(source, curated, inventory.names)
        async with self._writing:
            async with self._repository.transaction() as sources:
                await self._check_authorities(sources, source, change)
                await sources.add(source)
                await sources.replace_operations(source.id, inventory.operations, inventory.report)
                await sources.replace_document(source.id, document)
            self._on_changed(self._rules.effective(source), curated.operations)
        return Registered(SourceRead.of(source), curated.report(inventory.report), curated.operations)

    def _drafted(self, create: SourceCreate) -> Source:
        now = self._now()
        values = {**create.columns(), "slug": "", "base_url": "", "created_at": now, "updated_at": now}
        source = Source(**values, refreshed_at=now)
        self._rules.check_addresses(source)
        self._rules.check_auth(source.stated_auth_type, source.default_audience)
        self._rules.check_passthrough(source.upstream_auth_type)
        return source

    async def _update(
        self,
        key: str,
        changes: SourceUpdate,
        if_match: Collection[int] | None,
        document: bytes | None,
        change: Outcome,
    ) -> SourceRead:
        revision = None
        if not changes.model_fields_set.isdisjoint({"url", "base_url", "document", "other_servers"}):
            revision = await self._revised(key, changes, if_match, document)
        async with self._writing:
            async with self._repository.transaction() as sources:
                source = await existing(sources, key, if_match)
                if revision is not None and revision.version != source.version:
                    raise changed_meanwhile()
                operations = await self._store_update(sources, source, changes, revision, change)
            self._on_changed(self._rules.effective(source), operations)
        return SourceRead.of(source)

    async def _revised(
        self, key: str, changes: SourceUpdate, if_match: Collection[int] | None, document: bytes | None
    ) -> _Revision:
        """Servers that are only taken away are taken away even while the document cannot be had."""
        async with self._repository.transaction() as sources:
            draft = Source(**(await existing(sources, key, if_match)).model_dump())
            names = await sources.names(draft.id)
            kept = await sources.document(draft.id)
        version, stored = draft.version, await self._stored(draft)
        before = stored.seen(draft)
        known = {server["origin"] for server in draft.other_servers}
        self._change(draft, changes)
        await self._rules.check_upstreams(draft)
        document = (kept if document is None else document) if draft.uploaded else None
        more = {server["origin"] for server in draft.other_servers} - known
        if more or not changes.model_fields_set.isdisjoint({"url", "base_url", "document"}):
            request = changes.model_dump(exclude_unset=True)
            taken = await take_inventory(self._documents, draft, names, request, uploaded=document)
            return _Revision(
                version, taken, taken.inventory, document, await self._compared(before, taken.inventory.seen(draft))
            )
        inventory = stored.under(draft)
        return _Revision(version, None, inventory, document, await self._compared(before, inventory.seen(draft)))

    async def _stored(self, source: Source) -> Inventory:
        async with self._repository.transaction() as sources:
            return await stored_inventory(sources, source)

    async def _compared(self, before: Sequence[Operation], after: Sequence[Operation]) -> Changes:
        return await asyncio.to_thread(changes_between, before, after, self._now())

    async def _store_update(
        self, sources: Sources, source: Source, changes: SourceUpdate, revision: _Revision | None, change: Outcome
    ) -> tuple[Operation, ...]:
        held = source.registered().authorities
        self._change(source, changes)
        if revision is not None:
            if revision.taken is not None:
                revision.taken.enter(source, self._now())
            inventory = revision.inventory
            change.detail = f"{change.detail}; {revision.changes.summary()}"
            await sources.replace_operations(source.id, inventory.operations, inventory.report, revision.changes)
            await sources.replace_document(source.id, revision.document)
        else:
            inventory = await stored_inventory(sources, source)
        curated = inventory.enter(source)
        concern(change, source)
        await self._check_authorities(sources, source, change, held)
        if "overrides" in changes.model_fields_set:
            check_overrides(source, curated, await sources.names(source.id))
        source.updated_at = self._now()
        await sources.save(source)
        return curated.operations

    def _change(self, source: Source, changes: SourceUpdate) -> None:
        before = source.upstream_auth_type
        for name, value in changes.columns().items():
            setattr(source, name, value)
        self._rules.check_addresses(source)
        self._rules.check_auth(source.stated_auth_type, source.default_audience)
        if source.upstream_auth_type != before:
            self._rules.check_passthrough(source.upstream_auth_type)

    async def _shape(
        self, key: str, operation: str, changes: ToolChanges | None, if_match: Collection[int] | None, change: Outcome
    ) -> tuple[SourceRead, ListedTool]:
        async with self._writing:
            async with self._repository.transaction() as sources:
                source = await existing(sources, key, if_match)
                concern(change, source)
                curated, tool = await shape(sources, source, operation, changes, change)
                source.updated_at = self._now()
                await sources.save(source)
            self._on_changed(self._rules.effective(source), curated.operations)
        return SourceRead.of(source), tool

    async def _refresh(self, key: str, change: Outcome, *, force: bool) -> Refreshed:
        source_id = (await self.find(key)).id
        async with self._refreshing.setdefault(source_id, asyncio.Lock()):
            async with self._repository.transaction() as sources:
                known = await existing(sources, source_id)
                names = await sources.names(source_id)
            concern(change, known)
            if known.uploaded:
                raise nothing_to_fetch()
            try:
                fingerprint = None if force else fingerprint_of(known)
                taken = await take_inventory(self._documents, known, names, {}, known=fingerprint)
            except Unchanged as unchanged:
                return await self._store_unchanged(known, unchanged.fingerprint, change)
            except ToolsProviderError as failure:
                await self._mark_stale(known, failure, change)
                raise
            stored = await self._stored(known)
            changes = await self._compared(stored.seen(known), taken.inventory.seen(known))
            return await self._store_refresh(known, taken, changes, change)

    async def _store_refresh(self, known: Source, taken: Taken, changes: Changes, change: Outcome) -> Refreshed:
        inventory = taken.inventory
        async with self._writing:
            async with self._repository.transaction() as sources:
                source = await unaltered(sources, known)
                await sources.replace_operations(source.id, inventory.operations, inventory.report, changes)
                curated = taken.enter(source, self._now())
                await sources.save(source)
            self._on_changed(self._rules.effective(source), curated.operations)
        return _refreshed(source, changes, known, change)

    async def _store_unchanged(self, known: Source, fingerprint: Fingerprint, change: Outcome) -> Refreshed:
        async with self._writing, self._repository.transaction() as sources:
            source = await unaltered(sources, known)
            found_good(source, fingerprint, self._now())
            if known.status == "stale":
                (await stored_inventory(sources, source)).enter(source)
                await sources.save(source)
            else:
                await sources.note(source)
        return _refreshed(source, Changes(self._now()), known, change)

    async def _mark_stale(self, known: Source, failure: ToolsProviderError, change: Outcome) -> None:
        told = known.refresh_error is not None and known.refresh_error["code"] == failure.code
        change.silent = change.agent is None and told
        async with self._writing, self._repository.transaction() as sources:
            source = await sources.find(known.id)
            if source is not None and source.version == known.version:
                failed(source, failure, self._now())
                await (sources.note(source) if known.status == "stale" else sources.save(source))

    async def _remove(self, key: str, if_match: Collection[int] | None, change: Outcome) -> None:
        async with self._writing:
            async with self._repository.transaction() as sources:
                source = await existing(sources, key, if_match)
                concern(change, source)
                await sources.remove(source)
            self._on_removed(source.slug)

    async def _check_authorities(
        self, sources: Sources, source: Source, change: Outcome, held: Collection[Authority] = ()
    ) -> None:
        """Check what was not `held` before, and remember which origins may have tokens of which audiences."""
        self._rules.check_other_servers(source)
        before = {(authority.audience, authority.origin) for authority in held}
        for authority in source.registered().authorities:
            if authority.audience is not None and (authority.audience, authority.origin) not in before:
                self._rules.check_audience(authority, await sources.origins(authority.audience), _roles_of(change))
                await sources.add_origin(authority.audience, authority.origin)

    async def _carried_through(self, work: Coroutine[Any, Any, T], change: Outcome) -> T:
        task = asyncio.create_task(self._recorded(work, change))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)
        return await asyncio.shield(task)

    @staticmethod
    async def _recorded(work: Coroutine[Any, Any, T], change: Outcome) -> T:
        async with change:
            return await work


def _roles_of(change: Outcome) -> frozenset[str]:
    return frozenset() if change.agent is None else change.agent.roles  # the schedule has none


def _refreshed(source: Source, changes: Changes, known: Source, change: Outcome) -> Refreshed:
    change.detail = changes.summary()
    change.silent = change.agent is None and not changes and source.status == known.status
    return Refreshed(SourceRead.of(source), changes)
