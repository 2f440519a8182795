"""The database: SQLite for one machine, PostgreSQL in production."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from sqlalchemy import URL, Connection, DateTime, Dialect, TypeDecorator, event, make_url, text
from sqlalchemy.exc import ArgumentError, InterfaceError, OperationalError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlmodel.ext.asyncio.session import AsyncSession

from app.errors import Unavailable

_MIGRATIONS = Path(__file__).parent / "migrations"
_BUSY_TIMEOUT = 5.0  # seconds to wait for another process's transaction (SQLite) or for a connection (PostgreSQL)
_MIGRATION_LOCK = 8_693  # any number, as long as every process takes the same


class UtcDateTime(TypeDecorator[datetime]):
    """A point in time in UTC. SQLite forgets the time zone, so it is put back on reading."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, _dialect: Dialect) -> datetime | None:
        """Store it in UTC."""
        return None if value is None else value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, _dialect: Dialect) -> datetime | None:
        """Return it with its time zone."""
        return None if value is None else value.replace(tzinfo=UTC) if value.tzinfo is None else value


class Database:
    """Sessions on one database. `url` may be plain `sqlite:///…` or `postgresql://…`: the driver is chosen here.

    `current_url` is asked before each connection to PostgreSQL, because its password may have been replaced.
    """

    def __init__(self, url: str, *, current_url: Callable[[], str] | None = None) -> None:
        self._url = _with_driver(url)
        self.engine: AsyncEngine = create_async_engine(
            self._url, pool_pre_ping=not _is_sqlite(self._url), connect_args={"timeout": _BUSY_TIMEOUT}
        )
        if _is_sqlite(self._url):
            event.listen(self.engine.sync_engine, "connect", _prepare_sqlite)
        elif current_url is not None:
            event.listen(self.engine.sync_engine, "do_connect", partial(_connect_to, current_url))

    @asynccontextmanager
    async def session(self) -> AsyncIterator[AsyncSession]:
        """Open a session; what is not committed is rolled back. Raises Unavailable without a database."""
        with _unavailable():
            async with AsyncSession(self.engine, expire_on_commit=False) as session:
                yield session

    async def migrate(self) -> None:
        """Bring the schema up to date, in one transaction; processes that start together wait for one another.

        Raises Unavailable when the database cannot be reached.
        """
        with _unavailable():
            if _is_sqlite(self._url):
                await self._prepare_file()
            async with self.engine.connect() as connection:
                await connection.execute(text(self._lock_statement()))
                await connection.run_sync(_upgrade)
                await connection.commit()

    async def check(self) -> bool:
        """Tell whether the database answers."""
        try:
            async with self.engine.connect() as connection:
                await connection.execute(text("SELECT 1"))
        except (SQLAlchemyError, OSError):
            return False
        return True

    async def dispose(self) -> None:
        """Close every connection."""
        await self.engine.dispose()

    async def _prepare_file(self) -> None:
        if self._url.database and self._url.database != ":memory:":
            Path(self._url.database).parent.mkdir(parents=True, exist_ok=True)
        async with asyncio.timeout(_BUSY_TIMEOUT):
            while not await self._switched_to_wal():  # noqa: ASYNC110 - other processes send no events
                await asyncio.sleep(0.05)

    async def _switched_to_wal(self) -> bool:
        """Switch the file to WAL, for good; SQLite does not wait for others here, whatever the busy timeout."""
        try:
            async with self.engine.connect() as connection:
                await connection.execute(text("PRAGMA journal_mode = WAL"))
        except OperationalError:
            return False
        return True

    def _lock_statement(self) -> str:
        return "BEGIN IMMEDIATE" if _is_sqlite(self._url) else f"SELECT pg_advisory_xact_lock({_MIGRATION_LOCK})"


@contextmanager
def _unavailable() -> Iterator[None]:
    try:
        yield
    except (OperationalError, InterfaceError, PoolTimeout, OSError) as error:
        raise Unavailable("database_unavailable", "The database cannot be used now. Try again.") from error


def _is_sqlite(url: URL) -> bool:
    return url.get_backend_name() == "sqlite"


def _with_driver(written: str) -> URL:
    url = make_url(written.replace("postgres://", "postgresql://", 1))
    if _is_sqlite(url):
        return url.set(drivername="sqlite+aiosqlite")
    if url.get_backend_name() != "postgresql":
        raise ValueError("DATABASE_URL: only sqlite:///… and postgresql://… are supported.")
    mode = url.query.get("sslmode")  # libpq's name; asyncpg takes the same values as `ssl`
    url = url.difference_update_query(["sslmode"])
    return url.set(drivername="postgresql+asyncpg", query={**url.query, "ssl": mode} if mode else url.query)


def _prepare_sqlite(connection: Any, _record: object) -> None:  # noqa: ANN401 - a DBAPI connection has no type
    cursor = connection.cursor()
    for pragma in (
        f"busy_timeout = {int(_BUSY_TIMEOUT * 1000)}",
        "synchronous = FULL",  # an acknowledged change survives the loss of power
        "foreign_keys = ON",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _connect_to(
    current_url: Callable[[], str], dialect: Dialect, _record: object, _arguments: object, parameters: dict[str, Any]
) -> None:
    with suppress(ArgumentError, ValueError):  # half written: the connection is tried as before
        parameters.update(dialect.create_connect_args(_with_driver(current_url()))[1])


def _upgrade(connection: Connection) -> None:
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
