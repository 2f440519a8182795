"""Every query on sources. One `Sources` lives in one transaction."""

from collections.abc import AsyncIterator, Collection, Iterator, Sequence
from contextlib import asynccontextmanager
from itertools import chain, islice

import orjson
from pydantic import TypeAdapter
from sqlalchemy import delete, insert
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import load_only
from sqlmodel import SQLModel, col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from app.database import Database
from app.differences.operations import Changes
from app.errors import Conflict, NotFound, PreconditionFailed
from app.operation.operation import Operation, ReportItem, operation_from_json, operation_to_json
from app.operation.text import Key, is_slug
from app.pieces import in_pieces
from app.sources.inventory import Inventory
from app.sources.tables import AudienceOrigin, OperationRow, Source, SourceDocument, SourceReport

_STORE = insert(SQLModel.metadata.tables[OperationRow.__tablename__])  # two thirds of the time that the entity takes
_CHANGES = TypeAdapter(Changes)
_ROWS_AT_ONCE = 1000  # read or written between two turns of the event loop
_MOST_GONE = 10_000  # names of operations that a document had; a document may have others each time it is read
_ID_LENGTH = 36  # of a UUID; no slug is as long


class Sources:
    """The stored sources, as one transaction sees and changes them."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def find(self, key: str) -> Source | None:
        """Return the source with that id or slug."""
        if is_slug(key):
            column = Source.slug
        elif len(key) == _ID_LENGTH and key.isprintable():  # PostgreSQL takes no NUL
            column = Source.id
        else:
            return None
        return (await self._session.exec(select(Source).where(column == key))).first()

    async def existing(self, key: str, if_match: Collection[int] | None = None) -> Source:
        """Return that source, if it is at a version of `if_match`. Raises NotFound and PreconditionFailed."""
        source = await self.find(key)
        if source is None:
            raise NotFound("source_unknown", "There is no source with that id or slug. GET /api/v1/sources lists them.")
        if if_match is not None and source.version not in if_match:
            raise PreconditionFailed(
                "source_changed",
                "The source has changed since you read it. Read it again and send its ETag in If-Match.",
            )
        return source

    async def page(self, limit: int, after: str | None) -> Sequence[Source]:
        """Return at most `limit` sources in the order of their slugs, from the one behind `after` on."""
        query = select(Source).order_by(col(Source.slug)).limit(limit)
        if after is not None:
            query = query.where(col(Source.slug) > after)
        return (await self._session.exec(query)).all()

    async def all(self) -> Sequence[Source]:
        """Return every source."""
        return (await self._session.exec(select(Source).order_by(col(Source.slug)))).all()

    async def add(self, source: Source, operations: Sequence[Operation], report: Sequence[ReportItem]) -> None:
        """Store a new source and what its document says. Raises Conflict when its slug is taken."""
        contents, items = await _contents(operations), orjson.dumps(list(report))
        self._session.add(source)
        try:
            await self._session.flush()
        except IntegrityError as error:
            raise slug_taken(source.slug) from error
        await self._write(source.id, _rows(source.id, operations, contents), items, None)

    async def save(self, source: Source) -> None:
        """Store a change to a source that this transaction found."""
        source.version += 1
        self._session.add(source)
        await self._session.flush()

    async def note(self, source: Source) -> None:
        """Store what a refresh learned about a source, without a new version: it overwrites no change by an admin."""
        self._session.add(source)
        await self._session.flush()

    async def scheduled(self) -> Sequence[Source]:
        """Return the enabled sources that are refreshed on a schedule, each with its id and times and nothing else.

        There is nothing to fetch of an uploaded one.
        """
        known = load_only(
            *map(col, (Source.id, Source.refresh_every, Source.refreshed_at, Source.refresh_error))  # type: ignore[arg-type]
        )
        query = select(Source).where(
            col(Source.refresh_every).is_not(None), col(Source.enabled), col(Source.uploaded).is_(False)
        )
        return (await self._session.exec(query.options(known))).all()

    async def remove(self, source: Source) -> None:
        """Forget the source, its operations and its report; its audience stays with its origin."""
        await self._session.delete(source)
        await self._session.flush()

    async def operations(self, source_id: str) -> tuple[Operation, ...]:
        """Return the source's operations in the order of its document."""
        query = (
            select(OperationRow.content)
            .where(OperationRow.source_id == source_id, col(OperationRow.content).is_not(None))
            .order_by(col(OperationRow.position))
        )
        contents = (await self._session.exec(query)).all()
        return tuple(await in_pieces(map(operation_from_json, filter(None, contents))))

    async def names(self, source_id: str) -> dict[Key, str]:
        """Return every name that was given and is kept, by method and path; of those gone, the last ones first."""
        columns = (OperationRow.method, OperationRow.path, OperationRow.name)
        query = select(*columns).where(OperationRow.source_id == source_id)
        rows = await self._session.exec(query.order_by(col(OperationRow.position).desc()))
        return {(method, path): name for method, path, name in rows}

    async def inventory(self, source: Source) -> Inventory:
        """Return what the last good reading found."""
        return Inventory(source.base_url, await self.operations(source.id), await self.report(source.id))

    async def replace_operations(
        self,
        source_id: str,
        operations: Sequence[Operation],
        report: Sequence[ReportItem],
        changes: Changes | None = None,
    ) -> None:
        """Store what a document says now; operations that it no longer has keep their names, the last of them.

        `changes` without any leave those that are stored.
        """
        contents, items = await _contents(operations), orjson.dumps(list(report))
        there = {(operation.method, operation.path) for operation in operations}
        names = await self.names(source_id)
        gone = islice(((key, name) for key, name in names.items() if key not in there), _MOST_GONE)
        kept = orjson.dumps(changes) if changes else (await self._changes(source_id))
        await self._session.exec(delete(OperationRow).where(col(OperationRow.source_id) == source_id))
        await self._session.exec(delete(SourceReport).where(col(SourceReport.source_id) == source_id))
        rows = chain(
            _rows(source_id, operations, contents),
            (_row_of_gone(source_id, -number, key, name) for number, (key, name) in enumerate(gone, 1)),
        )
        await self._write(source_id, rows, items, kept)

    async def _write(
        self, source_id: str, rows: Iterator[dict[str, object]], items: bytes, changes: bytes | None
    ) -> None:
        while batch := list(islice(rows, _ROWS_AT_ONCE)):
            await self._session.exec(_STORE, params=batch)
        await self._session.exec(
            insert(SourceReport), params=[{"source_id": source_id, "items": items, "changes": changes}]
        )

    async def report(self, source_id: str) -> tuple[ReportItem, ...]:
        """Return what the last good reading said of each operation."""
        query = select(SourceReport.items).where(SourceReport.source_id == source_id)
        items = (await self._session.exec(query)).first()
        return tuple(ReportItem(**item) for item in orjson.loads(items or b"[]"))

    async def changes(self, source_id: str) -> Changes | None:
        """Return what the last reading with changes changed."""
        stored = await self._changes(source_id)
        return None if stored is None else _CHANGES.validate_json(stored)

    async def _changes(self, source_id: str) -> bytes | None:
        query = select(SourceReport.changes).where(SourceReport.source_id == source_id)
        return (await self._session.exec(query)).first()

    async def document(self, source_id: str) -> bytes | None:
        """Return the document that an admin sent, if any."""
        query = select(SourceDocument.content).where(SourceDocument.source_id == source_id)
        return (await self._session.exec(query)).first()

    async def replace_document(self, source_id: str, content: bytes | None) -> None:
        """Keep the document that an admin sent; None for a source whose document is fetched."""
        await self._session.exec(delete(SourceDocument).where(col(SourceDocument.source_id) == source_id))
        if content is not None:
            await self._session.exec(insert(SourceDocument), params=[{"source_id": source_id, "content": content}])

    async def origins(self, audience: str) -> Sequence[str]:
        """Return the origins that may have tokens of the audience."""
        query = select(AudienceOrigin.origin).where(AudienceOrigin.audience == audience)
        return (await self._session.exec(query)).all()

    async def add_origin(self, audience: str, origin: str) -> None:
        """Remember that the origin may have tokens of the audience."""
        await self._session.merge(AudienceOrigin(audience=audience, origin=origin))
        await self._session.flush()


class SourceRepository:
    """Opens transactions on the stored sources."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Sources]:
        """Give access to the sources; everything is stored at the end, or nothing if the block raises."""
        async with self._database.session() as session:
            yield Sources(session)
            await session.commit()


def slug_taken(slug: str) -> Conflict:
    """Return the failure to register a second source with that slug."""
    return Conflict("slug_taken", f"There is already a source with the slug {slug}. State another `slug`.")


def changed_meanwhile() -> Conflict:
    """Return the failure of a use case that read a document while its source was changed."""
    return Conflict("source_changed", "The source was changed while its document was being read. Send this again.")


async def _contents(operations: Sequence[Operation]) -> list[bytes]:
    """Return what is stored of each. It is made before the first write, which keeps everybody else from writing."""
    return await in_pieces(map(operation_to_json, operations))


def _rows(source_id: str, operations: Sequence[Operation], contents: Sequence[bytes]) -> Iterator[dict[str, object]]:
    for position, (operation, content) in enumerate(zip(operations, contents, strict=True)):
        yield {
            "source_id": source_id,
            "name": operation.name,
            "method": operation.method,
            "path": operation.path,
            "position": position,
            "content": content,
        }


def _row_of_gone(source_id: str, position: int, key: Key, name: str) -> dict[str, object]:
    method, path = key
    row = {"source_id": source_id, "name": name, "method": method, "path": path}
    return {**row, "position": position, "content": None}
