"""Writes audit records durably and cheaply: records that arrive during one transaction share the next (group commit).

When the database cannot be written within the deadline, a batch goes to `audit-unsaved.jsonl` beside the SQLite file
(without such a file: to the log, at ERROR), is counted, and is taken into the database at the next start.
"""

import asyncio
import os
from collections import deque
from collections.abc import Iterable, Sequence
from pathlib import Path

import orjson
import structlog
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from app.audit.record import AUDIT_RECORDS, FIELDS, AuditRecord, Row, to_row
from app.database import is_locked
from app.telemetry import Telemetry

_BATCH = 500  # records of one transaction
_MOST_PENDING = 10_000  # beyond, a record is kept aside at once instead of filling the memory
_LOCK_WAIT = 30  # milliseconds; SQLite looks again ever more rarely the longer it waits
_FIRST_PAUSE = 0.05  # seconds between two attempts that failed, doubled each time

_Pending = tuple[Row, asyncio.Future[None]]

_log = structlog.get_logger(__name__)


class AuditWriter:
    """One task with a connection of its own; `deadline` is in seconds and for one batch, all attempts included."""

    def __init__(self, engine: AsyncEngine, file: Path | None, telemetry: Telemetry | None, deadline: float) -> None:
        self._engine = engine
        self._file = file
        self._telemetry = telemetry
        self._deadline = deadline
        on_postgresql = engine.dialect.name == "postgresql"
        self._insert = (postgresql if on_postgresql else sqlite).insert(AUDIT_RECORDS).on_conflict_do_nothing()
        self._aside = None if on_postgresql else _file_beside(engine.url.database)
        self._pending: deque[_Pending] = deque()
        self._arrived = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._running = False
        self._stopping = False
        self._connection: AsyncConnection | None = None

    async def start(self) -> None:
        """Begin to write; what an earlier process kept aside goes into the database first."""
        if self._aside is not None and self._aside.exists():
            rows = _read(self._aside)
            if not rows or await self._save(rows):
                self._aside.unlink()
                _log.info("audit records that had been kept aside are in the database now", records=len(rows))
        self._stopping = False
        self._running = True
        self._task = asyncio.create_task(self._write_all(), name="audit-writer")
        self._task.add_done_callback(self._ended)

    async def stop(self) -> None:
        """Write what is pending, then end."""
        self._stopping = True
        self._arrived.set()
        if self._task is not None:
            await asyncio.wait([self._task])
        await self._disconnect()

    async def record(self, record: AuditRecord) -> None:
        """Return when the record is durable; once called, it is written even if the caller is cancelled."""
        await self.submit(record)

    def submit(self, record: AuditRecord) -> asyncio.Future[None]:
        """Like `record`, for a caller that does not wait; the future is done when the record is durable."""
        written: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        row = to_row(record)
        if not self._running or len(self._pending) >= _MOST_PENDING:
            self._keep_aside([row], "too many records are waiting" if self._running else "the audit log is not running")
            written.set_result(None)
        else:
            self._pending.append((row, written))
            self._arrived.set()
        return written

    async def _write_all(self) -> None:
        while self._pending or not self._stopping:
            if self._pending:
                await self._write([self._pending.popleft() for _ in range(min(_BATCH, len(self._pending)))])
            else:
                self._arrived.clear()
                await self._arrived.wait()

    def _ended(self, _task: asyncio.Task[None]) -> None:
        self._running = False
        if self._pending:
            self._keep_aside([row for row, _ in self._pending], "the audit log ended early")
            _release(self._pending)
            self._pending.clear()

    async def _write(self, batch: Sequence[_Pending]) -> None:
        rows = [row for row, _ in batch]
        saved = False
        try:
            if self._file is not None and not _append(self._file, rows):
                _log.error("AUDIT_LOG cannot be written; the records are in the database only", records=len(rows))
            saved = await self._save(rows)
        finally:
            if not saved:
                self._keep_aside(rows, "the database cannot be written")
            _release(batch)

    async def _save(self, rows: Sequence[Row]) -> bool:
        """Insert the rows, again and again until the deadline; an `id` that is already there is left as it is."""
        pause = _FIRST_PAUSE
        try:
            async with asyncio.timeout(self._deadline):
                while (error := await self._insert_once(rows)) is not None:
                    if not is_locked(error):
                        said, number = type(error).__name__, len(rows)
                        _log.warning("audit records could not be written yet", error=said, records=number)
                        await self._disconnect()
                        await asyncio.sleep(pause)
                        pause *= 2
        except TimeoutError:
            await self._disconnect()
            return False
        return True

    async def _insert_once(self, rows: Sequence[Row]) -> Exception | None:
        try:
            if self._connection is None:
                self._connection = await self._connect()
            async with self._connection.begin():
                await self._connection.execute(self._insert, rows)
        except (SQLAlchemyError, OSError) as error:
            return error
        return None

    async def _connect(self) -> AsyncConnection:
        connection = await self._engine.connect()
        if self._engine.dialect.name == "sqlite":
            # A lock is waited for by us, who know the deadline; SQLite's own waiting cannot be interrupted.
            await connection.exec_driver_sql(f"PRAGMA busy_timeout = {_LOCK_WAIT}")
            await connection.commit()
        return connection

    async def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            try:
                await connection.invalidate()  # back in the pool, its settings would surprise others
                await connection.close()
            except (SQLAlchemyError, OSError) as error:
                _log.warning("the audit connection did not close cleanly", error=type(error).__name__)

    def _keep_aside(self, rows: Sequence[Row], reason: str) -> None:
        if self._telemetry is not None:
            self._telemetry.audit_unsaved(len(rows))
        if self._aside is not None and _append(self._aside, rows):
            _log.error("audit records are kept aside", reason=reason, records=len(rows), file=self._aside.name)
            return
        for row in rows:
            _log.error("audit record that is stored nowhere else", reason=reason, record=orjson.dumps(row).decode())


def check_writable(file: Path) -> None:
    """Raise ValueError, which names AUDIT_LOG and the file, if nothing can be appended to it."""
    try:
        # A pipe that nobody reads would keep the start waiting.
        os.close(os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NONBLOCK, 0o666))
    except OSError as error:
        raise ValueError(f"AUDIT_LOG: {file.absolute()} cannot be written ({error.strerror}).") from None


def _release(batch: Iterable[_Pending]) -> None:
    for _, written in batch:
        if not written.done():
            written.set_result(None)


def _file_beside(database: str | None) -> Path | None:
    return Path(database).with_name("audit-unsaved.jsonl") if database and database != ":memory:" else None


def _append(file: Path, rows: Sequence[Row]) -> bool:
    try:
        with file.open("ab") as opened:
            opened.write(b"".join(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE) for row in rows))
    except OSError:
        return False
    return True


def _read(file: Path) -> list[Row]:
    rows: list[Row] = []
    for line in file.read_bytes().splitlines():
        try:
            kept = orjson.loads(line)
            rows.append({name: kept.get(name) for name in FIELDS})  # one that an earlier version kept has fewer fields
        except (orjson.JSONDecodeError, AttributeError):
            _log.error("a line that was kept aside is not a record", line=line.decode("utf-8", "replace"))
    return rows
