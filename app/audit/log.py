"""The audit log: what was written, newest first."""

import re
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Select, select

from app import cursors
from app.audit.record import AUDIT_RECORDS, FIELDS, AuditRecord, Kind, as_kept
from app.audit.writer import AuditWriter
from app.database import Database
from app.telemetry import Telemetry

MOST_PER_PAGE = 500

_CURSOR = "before"
_is_sequence = re.compile(r"[1-9][0-9]{0,17}").fullmatch


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditFilter:
    """Which records are wanted: all fields that are set must be equal; `since` <= at < `until`, in epoch seconds."""

    subject: str | None = None
    preferred_username: str | None = None
    client_id: str | None = None
    tool: str | None = None
    source: str | None = None
    outcome: str | None = None
    kind: Kind | None = None
    since: float | None = None
    until: float | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """Records, newest first; `next_cursor` leads to older ones, None when there are none."""

    items: tuple[AuditRecord, ...]
    next_cursor: str | None


class AuditLog(AuditWriter):
    """Every record goes to the database, and as a line to `file` when one is given (`AUDIT_LOG`)."""

    def __init__(
        self, database: Database, file: Path | None, *, telemetry: Telemetry | None = None, deadline: float = 2.0
    ) -> None:
        super().__init__(database.engine, file, telemetry, deadline)
        self._database = database

    async def query(self, filters: AuditFilter | None = None, *, limit: int = 100, cursor: str | None = None) -> Page:
        """Return at most `limit` records (never more than 500).

        Raises Invalid for a cursor that is not ours, and Unavailable when the database cannot be reached.
        """
        limit = max(1, min(limit, MOST_PER_PAGE))
        statement = _select(filters or AuditFilter()).order_by(AUDIT_RECORDS.c.sequence.desc()).limit(limit + 1)
        if cursor is not None:
            statement = statement.where(AUDIT_RECORDS.c.sequence < int(cursors.read(cursor, _CURSOR, _is_sequence)))
        async with self._database.session() as session:
            connection = await session.connection()
            rows = (await connection.execute(statement)).mappings().all()
        shown = rows[:limit]
        return Page(
            items=tuple(AuditRecord(**{name: row[name] for name in FIELDS}) for row in shown),
            next_cursor=cursors.written(_CURSOR, shown[-1]["sequence"]) if len(rows) > limit else None,
        )


def _select(filters: AuditFilter) -> Select[tuple[object, ...]]:
    statement = select(AUDIT_RECORDS)
    for name in ("subject", "preferred_username", "client_id", "tool", "source", "outcome", "kind"):
        wanted = getattr(filters, name)
        if wanted is not None:
            statement = statement.where(AUDIT_RECORDS.c[name] == as_kept(wanted))
    if filters.since is not None:
        statement = statement.where(AUDIT_RECORDS.c.at >= filters.since)
    if filters.until is not None:
        statement = statement.where(AUDIT_RECORDS.c.at < filters.until)
    return statement
