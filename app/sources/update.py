"""An admin changes a source. A new document, address or server means that the document is read again."""

import asyncio
from collections.abc import Collection
from dataclasses import dataclass
from functools import partial

from app.audit.outcome import Outcome
from app.curation.curation import check_overrides
from app.differences.operations import Changes
from app.documents.fetching import Documents
from app.identity.agent_token import AgentToken
from app.operation.operation import Operation
from app.sources.forms import SourceRead, SourceUpdate
from app.sources.inventory import Inventory, note_reading, read_inventory
from app.sources.repository import SourceRepository, Sources, changed_meanwhile
from app.sources.rules import SourceRules
from app.sources.tables import Source
from app.sources.writing import Writing, enter_source

_OF_THE_DOCUMENT = frozenset({"url", "base_url", "document"})


@dataclass(frozen=True, slots=True)
class _Revision:
    """What an update makes of the inventory of a source at that version.

    `read`: from the document; else it is what was stored, under other servers. `document` is the one that is kept
    because it was sent.
    """

    version: int
    inventory: Inventory
    read: bool
    document: bytes | None
    changes: Changes


class Update:
    """Changes the fields that were sent and nothing else."""

    def __init__(
        self, writing: Writing, repository: SourceRepository, documents: Documents, rules: SourceRules
    ) -> None:
        self._writing = writing
        self._repository = repository
        self._documents = documents
        self._rules = rules

    async def __call__(
        self,
        key: str,
        update: SourceUpdate,
        admin: AgentToken,
        if_match: Collection[int] | None = None,
    ) -> SourceRead:
        """`if_match` holds the versions that the caller knows (None: any); another one raises PreconditionFailed."""
        work = partial(self._update, key, update, admin, if_match)
        return await self._writing.carried_through("update", admin, key, work)

    async def _update(
        self,
        key: str,
        update: SourceUpdate,
        admin: AgentToken,
        if_match: Collection[int] | None,
        outcome: Outcome,
    ) -> SourceRead:
        outcome.detail = ", ".join(sorted(update.model_fields_set))
        revision = None
        if not update.model_fields_set.isdisjoint({*_OF_THE_DOCUMENT, "other_servers"}):
            revision = await self._revised(key, update, if_match, admin)
        async with self._writing.edit() as edit:
            source = await edit.sources.existing(key, if_match)
            held = source.authorities
            if revision is not None and revision.version != source.version:
                raise changed_meanwhile()
            operations = await self._store(edit.sources, source, update, revision, outcome)
            await self._writing.bind_audiences(edit.sources, source, admin, held)
            await edit.sources.save(source)
            edit.show(source, operations)
        return SourceRead.of(source)

    async def _revised(
        self, key: str, update: SourceUpdate, if_match: Collection[int] | None, admin: AgentToken
    ) -> _Revision:
        """Removing servers needs no reading, so it works even while the document cannot be fetched."""
        async with self._repository.transaction() as sources:
            draft = Source(**(await sources.existing(key, if_match)).model_dump())
            names = await sources.names(draft.id)
            kept = await sources.document(draft.id)
            inventory = await sources.inventory(draft)
        curator = self._writing.curator
        version, before = draft.version, await curator.seen(inventory, draft)
        known = {server["origin"] for server in draft.other_servers}
        self._apply(draft, update)
        await self._rules.check_upstreams(draft)
        document = (kept if update.document is None else update.document) if draft.uploaded else None
        more = {server["origin"] for server in draft.other_servers} - known
        read = bool(more) or not update.model_fields_set.isdisjoint(_OF_THE_DOCUMENT)
        if read:
            inventory = await read_inventory(
                self._documents,
                draft,
                names,
                update.stated(),
                uploaded=document,
                before=inventory.operations,
                party=admin.subject,
            )
        else:
            inventory = await asyncio.to_thread(inventory.under, draft)
        after = await curator.seen(inventory, draft)
        changes = await curator.changes(before, after, self._writing.now())
        return _Revision(version, inventory, read, document, changes)

    async def _store(
        self, sources: Sources, source: Source, update: SourceUpdate, revision: _Revision | None, outcome: Outcome
    ) -> tuple[Operation, ...]:
        inventory = await sources.inventory(source) if revision is None else revision.inventory
        self._apply(source, update)
        if revision is not None and revision.read:
            note_reading(source, inventory.fingerprint, self._writing.now())
        curated = await self._writing.curator.enter(inventory, source)
        enter_source(outcome, source)
        if revision is not None:
            outcome.detail = f"{outcome.detail}; {revision.changes.summary()}"
            await sources.replace_operations(source.id, inventory.operations, inventory.report, revision.changes)
            await sources.replace_document(source.id, revision.document)
        if "overrides" in update.model_fields_set:
            check_overrides(source.slug, source.stated_overrides, curated, await sources.names(source.id))
        source.updated_at = self._writing.now()
        return curated.operations

    def _apply(self, source: Source, update: SourceUpdate) -> None:
        before = source.upstream_auth_type
        for name, value in update.columns().items():
            setattr(source, name, value)
        self._rules.check_addresses(source)
        self._rules.check_auth(source.stated_auth_type, source.default_audience)
        if source.upstream_auth_type != before:
            self._rules.check_passthrough(source.upstream_auth_type)
