"""A source's document is read again, because an admin asks for it or because it is due."""

from dataclasses import dataclass
from functools import partial

from app.audit.outcome import Outcome
from app.differences.operations import Changes
from app.documents.fetching import Documents, Fingerprint, Unchanged
from app.errors import Conflict, ToolsProviderError, Unavailable
from app.identity.agent_token import AgentToken
from app.memory import Leases
from app.sources.forms import SourceRead
from app.sources.inventory import Inventory, fingerprint_of, note_failure, note_reading, read_inventory
from app.sources.repository import SourceRepository, Sources, changed_meanwhile
from app.sources.tables import Source
from app.sources.writing import Writing, enter_source

_SCHEDULE = ""  # the party of refreshes that nobody asked for; no subject is empty


@dataclass(frozen=True, slots=True)
class Refreshed:
    """A source after a refresh, and what the refresh changed."""

    source: SourceRead
    changes: Changes


class Refresh:
    """Reads a document anew. On failure the last good inventory stays and the source is marked stale."""

    def __init__(self, writing: Writing, repository: SourceRepository, documents: Documents, leases: Leases) -> None:
        self._writing = writing
        self._repository = repository
        self._documents = documents
        self._leases = leases

    async def __call__(self, key: str, admin: AgentToken | None, *, force: bool = False) -> Refreshed:
        """Read the document if it has changed, or if `force` is set. `admin` is None for the schedule.

        Raises what reading the document raises, and Conflict (`document_uploaded`) where there is nothing to fetch.
        """
        return await self._writing.carried_through("refresh", admin, key, partial(self._refresh, key, force))

    async def _refresh(self, key: str, force: bool, outcome: Outcome) -> Refreshed:
        async with self._repository.transaction() as sources:
            source_id = (await sources.existing(key)).id
        async with self._leases.held(f"refresh {source_id}"):  # one at a time for a source
            async with self._repository.transaction() as sources:
                known = await sources.existing(source_id)
                names = await sources.names(source_id)
                stored = await sources.inventory(known)
            enter_source(outcome, known)
            if known.uploaded:
                raise _nothing_to_fetch()
            try:
                fingerprint = None if force else fingerprint_of(known)
                party = _SCHEDULE if outcome.agent is None else outcome.agent.subject
                inventory = await read_inventory(
                    self._documents, known, names, {}, known=fingerprint, before=stored.operations, party=party
                )
            except Unchanged as unchanged:
                return await self._store_unchanged(known, unchanged.fingerprint, outcome)
            except Unavailable:  # we are busy, which says nothing of the document
                raise
            except ToolsProviderError as failure:
                await self._mark_stale(known, failure, outcome)
                raise
            return await self._store(known, stored, inventory, outcome)

    async def _store(self, known: Source, stored: Inventory, inventory: Inventory, outcome: Outcome) -> Refreshed:
        curator = self._writing.curator
        before, after = await curator.seen(stored, known), await curator.seen(inventory, known)
        changes = await curator.changes(before, after, self._writing.now())
        async with self._writing.edit() as edit:
            source = await _unaltered(edit.sources, known)
            note_reading(source, inventory.fingerprint, self._writing.now())
            edit.show(source, (await curator.enter(inventory, source)).operations)
            await edit.sources.replace_operations(source.id, inventory.operations, inventory.report, changes)
            await edit.sources.save(source)
        return _refreshed(source, changes, known, outcome)

    async def _store_unchanged(self, known: Source, fingerprint: Fingerprint, outcome: Outcome) -> Refreshed:
        async with self._writing.edit() as edit:
            source = await _unaltered(edit.sources, known)
            stored = await edit.sources.inventory(source) if known.status == "stale" else None
            note_reading(source, fingerprint, self._writing.now())
            if stored is not None:
                await self._writing.curator.enter(stored, source)
                await edit.sources.save(source)
            else:
                await edit.sources.note(source)
        return _refreshed(source, Changes(self._writing.now()), known, outcome)

    async def _mark_stale(self, known: Source, failure: ToolsProviderError, outcome: Outcome) -> None:
        repeated = known.refresh_error is not None and known.refresh_error["code"] == failure.code
        outcome.silent = outcome.agent is None and repeated
        async with self._writing.edit() as edit:
            source = await edit.sources.find(known.id)
            if source is not None and source.version == known.version:
                note_failure(source, failure, self._writing.now())
                await (edit.sources.note(source) if known.status == "stale" else edit.sources.save(source))


async def _unaltered(sources: Sources, known: Source) -> Source:
    """Return the source unless it has changed since. Raises NotFound and Conflict."""
    source = await sources.existing(known.id)
    if source.version != known.version:
        raise changed_meanwhile()
    return source


def _refreshed(source: Source, changes: Changes, known: Source, outcome: Outcome) -> Refreshed:
    outcome.detail = changes.summary()
    outcome.silent = outcome.agent is None and not changes and source.status == known.status
    return Refreshed(SourceRead.of(source), changes)


def _nothing_to_fetch() -> Conflict:
    return Conflict(
        "document_uploaded",
        "The document of this source was uploaded: there is nothing to fetch. PUT a new document to "
        "/api/v1/sources/{source}/document, or PATCH a `url` to have it fetched from now on.",
    )
