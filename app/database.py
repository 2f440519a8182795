"""The database: SQLite for one machine, PostgreSQL in production."""

import asyncio
import os
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, closing, contextmanager, suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from ssl import SSLError
from typing import Any
from urllib.parse import urlencode

from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import URL, Connection, DateTime, Dialect, TypeDecorator, event, make_url, text
from sqlalchemy.exc import ArgumentError, DBAPIError, InterfaceError, OperationalError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlmodel.ext.asyncio.session import AsyncSession

from app.errors import Unavailable

_MIGRATIONS = Path(__file__).parent / "migrations"
_BUSY_TIMEOUT = 5.0  # seconds to wait for another process's transaction (SQLite) or for a connection (PostgreSQL)
_MIGRATION_LOCK = 8_693  # any number, as long as every process takes the same

_SSL_MODES = frozenset({"disable", "allow", "prefer", "require", "verify-ca", "verify-full"})
_LIBPQ_ONLY = frozenset({  # what libpq knows and asyncpg would send to the server as a setting of its
    "channel_binding", "gssencmode", "keepalives", "keepalives_idle", "keepalives_interval", "keepalives_count",
    "sslcertmode", "sslcompression", "sslsni",
})  # fmt: skip
_FILES = ("sslrootcert", "sslcert", "sslkey", "sslcrl")  # options of libpq that name one
_PORT = (
    "DATABASE_URL: the port is not a number from 1 to 65535. Where the password has one of : / ? # @, write it as %3A, "
    "%2F, %3F, %23, %40."
)
_OUTAGES = ("08", "28", "3D", "53", "57", "58")  # classes of SQLSTATE: PostgreSQL lets nobody in, or cannot go on
_SQLITE_SAYS: Mapping[str, str] = {
    "SQLITE_CANTOPEN": "it cannot be opened or made: is it a folder, or may its folder not be written?",
    "SQLITE_READONLY": "it may not be written",
    "SQLITE_NOTADB": "it is another file, not an SQLite database",
    "SQLITE_CORRUPT": "it is damaged",
    "SQLITE_FULL": "the disk is full",
    "SQLITE_IOERR": "the disk is full or fails",
    "SQLITE_BUSY": f"another process kept it locked for {_BUSY_TIMEOUT:g} s",
}


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
            self._url, pool_pre_ping=not _is_sqlite(self._url), connect_args=_options(url)
        )
        if _is_sqlite(self._url):
            event.listen(self.engine.sync_engine, "connect", _prepare_sqlite)
        elif current_url is not None:
            event.listen(self.engine.sync_engine, "do_connect", partial(_connect_to, current_url))

    @asynccontextmanager
    async def session(self) -> AsyncIterator[AsyncSession]:
        """Open a session; what is not committed is rolled back. Raises Unavailable without a database."""
        with self._unavailable():
            async with AsyncSession(self.engine, expire_on_commit=False) as session:
                yield session

    async def migrate(self) -> None:
        """Bring the schema up to date, in one transaction; processes that start together wait for one another.

        Raises Unavailable when the database cannot be used; `inside` says which one, and why.
        """
        try:
            if _is_sqlite(self._url):
                await self._prepare_file()
            async with self.engine.connect() as connection:
                await connection.execute(text(self._lock_statement()))
                await connection.run_sync(_upgrade)
                await connection.commit()
        except (SQLAlchemyError, sqlite3.Error, CommandError, OSError) as error:
            raise self._failure(error) from error

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
        file = self._url.database
        if not file or file == ":memory:":
            return
        Path(file).parent.mkdir(parents=True, exist_ok=True)
        async with asyncio.timeout(_BUSY_TIMEOUT):
            while not await asyncio.to_thread(_switched_to_wal, file):  # noqa: ASYNC110 - other processes send no events
                await asyncio.sleep(0.05)

    def _lock_statement(self) -> str:
        return "BEGIN IMMEDIATE" if _is_sqlite(self._url) else f"SELECT pg_advisory_xact_lock({_MIGRATION_LOCK})"

    @contextmanager
    def _unavailable(self) -> Iterator[None]:
        try:
            yield
        except (OperationalError, InterfaceError, PoolTimeout, OSError) as error:
            raise self._failure(error) from error
        except DBAPIError as error:
            if not str(getattr(error.orig, "sqlstate", "")).startswith(_OUTAGES):
                raise
            raise self._failure(error) from error

    def _failure(self, error: BaseException) -> Unavailable:
        where = self._url.render_as_string(hide_password=True).replace("+asyncpg", "", 1)
        if _is_sqlite(self._url):
            where = str(Path(self._url.database or "").absolute())
        inside = f"{where}: {_reason(error)}"
        return Unavailable("database_unavailable", "The database cannot be used now. Try again.", inside=inside)


def _is_sqlite(url: URL) -> bool:
    return url.get_backend_name() == "sqlite"


def _read(written: str) -> URL:
    """Return the URL. Raises ValueError, whose text quotes nothing: what is misplaced may be a part of the password."""
    try:
        url = make_url(written.replace("postgres://", "postgresql://", 1))
    except ValueError:
        raise ValueError(_PORT) from None
    if url.port is not None and not 0 < url.port < 65_536:
        raise ValueError(_PORT)
    if "@" in (url.host or ""):
        raise ValueError("DATABASE_URL: write @ in the user or password as %40.")
    return url


def _with_driver(written: str) -> URL:
    url = _read(written)
    if _is_sqlite(url):
        return url.set(drivername="sqlite+aiosqlite")
    if url.get_backend_name() != "postgresql":
        raise ValueError("DATABASE_URL: only sqlite:///… and postgresql://… are supported.")
    return url.set(drivername="postgresql+asyncpg", query={})


def _options(written: str) -> dict[str, Any]:
    """Return what the driver is told besides the URL. Options of a URL are libpq's, which asyncpg reads from a DSN.

    Raises ValueError for one that cannot be used.
    """
    url = _read(written)
    options = dict(url.query)
    if _is_sqlite(url):
        if options:
            raise ValueError(f"DATABASE_URL: SQLite takes no options here. Leave out ?{'&'.join(options)}.")
        return {"timeout": _BUSY_TIMEOUT}
    if "ssl" in options:
        options["sslmode"] = options.pop("ssl")
    if options.get("sslmode", "prefer") not in _SSL_MODES:
        raise ValueError(f"DATABASE_URL: sslmode is one of {', '.join(sorted(_SSL_MODES))}.")
    timeout = str(options.pop("connect_timeout", _BUSY_TIMEOUT))
    if not timeout.replace(".", "", 1).isdecimal() or not float(timeout):
        raise ValueError("DATABASE_URL: connect_timeout is a number of seconds.")
    for name in _FILES:
        if name in options and not Path(str(options[name])).is_file():
            raise ValueError(f"DATABASE_URL: {name}: there is no file {options[name]}.")
    sent = {name: value for name, value in options.items() if name not in _LIBPQ_ONLY}
    return {"timeout": float(timeout), "dsn": f"postgresql:///?{urlencode(sent, doseq=True)}"}


def _switched_to_wal(file: str) -> bool:
    """Switch the file to WAL, for good; SQLite does not wait for others here, whatever the busy timeout.

    Not with aiosqlite: after a file that cannot be opened, its thread outlives the event loop.
    """
    try:
        with closing(sqlite3.connect(file)) as connection:
            connection.execute("PRAGMA journal_mode = WAL")
    except sqlite3.OperationalError as error:
        if not is_locked(error):
            raise
        return False
    return True


def _reason(error: BaseException) -> str:
    """Say why the database cannot be used, in its own words where it has some."""
    if isinstance(error, CommandError):
        return f"a newer version of this program made it ({error}). Run that version, or restore a backup"
    if isinstance(error, TimeoutError | PoolTimeout):
        return f"it did not answer within {_BUSY_TIMEOUT:g} s"
    if isinstance(error, OSError) and not isinstance(error, SSLError):
        return os.strerror(error.errno) if error.errno and error.errno > 0 else str(error.strerror or error)
    said = error.orig if isinstance(error, DBAPIError) else error
    name = str(getattr(said, "sqlite_errorname", ""))
    return next((words for start, words in _SQLITE_SAYS.items() if name.startswith(start)), str(said))


def is_locked(error: BaseException) -> bool:
    """Whether somebody else is writing to SQLite, who will be done soon."""
    said = error.orig if isinstance(error, DBAPIError) else error
    return str(getattr(said, "sqlite_errorname", "")).startswith("SQLITE_BUSY")


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
