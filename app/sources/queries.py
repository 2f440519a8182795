"""What admins and the schedule ask of the stored sources."""

from collections.abc import Sequence

from app.curation.curation import ListedTool, listed
from app.errors import NotFound
from app.sources.forms import Offering, SourceRead
from app.sources.inventory import Curator
from app.sources.repository import SourceRepository
from app.sources.tables import Source


class Queries:
    """Each one looks at the sources at one moment. Those of one source raise NotFound."""

    def __init__(self, repository: SourceRepository, curator: Curator) -> None:
        self._repository = repository
        self._curator = curator

    async def find(self, key: str) -> SourceRead:
        """Return the source of that id or slug."""
        async with self._repository.transaction() as sources:
            return SourceRead.of(await sources.existing(key))

    async def page(self, limit: int, after: str | None) -> tuple[Sequence[SourceRead], str | None]:
        """Return at most `limit` sources in the order of their slugs, from the one behind `after` on.

        The second is the slug behind which more follow, if any do.
        """
        async with self._repository.transaction() as sources:
            found = await sources.page(limit + 1, after)
        shown = [SourceRead.of(source) for source in found[:limit]]
        return shown, shown[-1].slug if len(found) > limit else None

    async def scheduled(self) -> Sequence[Source]:
        """Return the enabled sources that are refreshed on a schedule."""
        async with self._repository.transaction() as sources:
            return await sources.scheduled()

    async def offering(self, key: str) -> Offering:
        """Return what became of the source's document, and what the last reading with changes changed."""
        async with self._repository.transaction() as sources:
            source = await sources.existing(key)
            curated = await self._curator.curated(source, await sources.operations(source.id))
            report = await self._curator.reported(curated, await sources.report(source.id))
            return Offering(SourceRead.of(source), curated.operations, report, await sources.changes(source.id))

    async def document(self, key: str) -> tuple[SourceRead, bytes]:
        """Return the document that was uploaded, as it was. Raises NotFound (`document_not_kept`) for a fetched one."""
        async with self._repository.transaction() as sources:
            source = await sources.existing(key)
            content = await sources.document(source.id)
        if content is None:
            raise NotFound("document_not_kept", f"This document is not kept here but fetched from {source.url}.")
        return SourceRead.of(source), content

    async def tools(self, key: str) -> tuple[SourceRead, tuple[ListedTool, ...]]:
        """Return every operation with what admins made of it."""
        async with self._repository.transaction() as sources:
            source = await sources.existing(key)
            curated = await self._curator.curated(source, await sources.operations(source.id))
            report = await self._curator.reported(curated, await sources.report(source.id))
            return SourceRead.of(source), listed(curated, report, await sources.names(source.id))
