"""The database: made and brought up to date at the start, on SQLite and PostgreSQL alike."""

import asyncio
import sqlite3
import threading
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy import Connection, inspect, text
from sqlmodel import SQLModel, select

from app import migrations
from app.audit.record import AUDIT_RECORDS
from app.database import Database
from app.errors import Unavailable
from app.sources.tables import AudienceOrigin, OperationRow, Source, SourceDocument, SourceReport
from tests.support.databases import PostgresqlCluster

pytestmark = pytest.mark.anyio
MIGRATIONS = Path(str(migrations.__file__)).parent


EARLIER = {
    **dict.fromkeys(("id", "slug", "name", "url", "base_url", "source_type", "status"), "s"),
    **dict.fromkeys(("scopes", "allowed_roles", "required_scopes", "labels"), "[]"),
    **dict.fromkeys(("created_at", "updated_at", "refreshed_at"), "2026-01-01 00:00:00"),
    **dict.fromkeys(("ready", "degraded", "skipped", "version"), 1),
    "enabled": True,
}


def _quoted(values: dict[str, Any]) -> str:
    return ", ".join(f"'{value}'" if isinstance(value, str) else str(value).lower() for value in values.values())


def _migrate_to(connection: Connection, revision: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["connection"] = connection
    command.upgrade(config, revision)


def _tables(connection: Connection) -> set[str]:
    return set(inspect(connection).get_table_names())


def _differences(connection: Connection) -> list[object]:
    return list(compare_metadata(MigrationContext.configure(connection), SQLModel.metadata))


async def _write(database: Database) -> None:
    async with database.session() as session:
        session.add(AudienceOrigin(audience="a", origin="http://a"))
        await session.commit()


async def _until_the_drivers_threads_have_ended() -> None:
    """After a failed connect, aiosqlite's thread still talks to the event loop, which must not be closed by then."""
    for thread in threading.enumerate():
        if "_connection_worker_thread" in thread.name:
            await asyncio.to_thread(thread.join, 10)


async def test_migration_makes_every_table_that_the_product_declares(database: Database) -> None:
    expected = {model.__tablename__ for model in (Source, OperationRow, SourceReport, SourceDocument, AudienceOrigin)}
    async with database.engine.connect() as connection:
        assert await connection.run_sync(_tables) == {*expected, AUDIT_RECORDS.name, "alembic_version"}


async def test_the_migrations_and_the_declared_tables_are_the_same(database: Database) -> None:
    async with database.engine.connect() as connection:
        assert await connection.run_sync(_differences) == []


async def test_migrating_again_changes_nothing(database: Database) -> None:
    await database.migrate()
    async with database.engine.connect() as connection:
        assert (await connection.execute(text("SELECT version_num FROM alembic_version"))).scalars().all() == ["0005"]


async def test_a_source_of_an_earlier_release_shows_everything_as_before(database_url: str) -> None:
    database = Database(database_url)
    if database_url.startswith("sqlite"):
        Path(database_url.removeprefix("sqlite:///")).parent.mkdir()
    async with database.engine.connect() as connection:
        await connection.run_sync(_migrate_to, "0001")
        statement = f"INSERT INTO sources ({', '.join(EARLIER)}) VALUES ({_quoted(EARLIER)})"  # noqa: S608 - all ours
        await connection.execute(text(statement))
        await connection.commit()
    await database.migrate()
    async with database.session() as session:
        source = (await session.exec(select(Source))).one()
    await database.dispose()
    assert (source.slug, source.selection, source.overrides, source.unmatched_overrides) == ("s", {}, [], [])


async def test_processes_that_start_together_migrate_once(database_url: str) -> None:
    databases = [Database(database_url) for _ in range(4)]
    await asyncio.gather(*(database.migrate() for database in databases))
    assert [await database.check() for database in databases] == [True] * 4
    for database in databases:
        await database.dispose()


async def test_sqlite_keeps_what_was_acknowledged_and_refuses_orphans(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path}/new/folder/test.db")
    await database.migrate()
    async with database.session() as session:
        values = [
            (await session.exec(text(f"PRAGMA {name}"))).scalar()  # type: ignore[call-overload]
            for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        ]
    await database.dispose()
    assert values == ["wal", 2, 1, 5000]


async def test_a_database_that_another_process_holds_is_unavailable_not_broken(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path}/test.db")
    await database.migrate()
    other = sqlite3.connect(tmp_path / "test.db", isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    with pytest.raises(Unavailable) as refused:
        await _write(database)
    other.close()
    assert refused.value.code == "database_unavailable"
    assert str(tmp_path) not in str(refused.value)
    assert await database.check() is True
    await database.dispose()


async def test_a_database_that_is_not_there_is_told_by_the_check(tmp_path: Path) -> None:
    for url in (f"sqlite:///{tmp_path}/missing/test.db", "postgresql://nobody@127.0.0.1:1/none"):
        database = Database(url)
        assert await database.check() is False
        await database.dispose()
    await _until_the_drivers_threads_have_ended()


async def test_a_start_without_the_database_fails_with_words() -> None:
    database = Database("postgresql://nobody@127.0.0.1:1/none")
    with pytest.raises(Unavailable) as refused:
        await database.migrate()
    assert refused.value.code == "database_unavailable"


async def test_what_is_not_committed_is_not_there(database: Database) -> None:
    async with database.session() as session:
        session.add(AudienceOrigin(audience="a", origin="http://a"))
        await session.flush()
    async with database.session() as session:
        assert await session.get(AudienceOrigin, ("a", "http://a")) is None


@pytest.mark.parametrize("url", ["mysql://root@127.0.0.1/x", "oracle://x"])
def test_another_kind_of_database_is_refused_at_the_start(url: str) -> None:
    with pytest.raises(ValueError, match="DATABASE_URL"):
        Database(url)


@pytest.mark.parametrize(
    ("written", "used"),
    [
        ("postgres://u@h/d", "postgresql+asyncpg://u@h/d"),
        ("postgresql://u@h/d?sslmode=require", "postgresql+asyncpg://u@h/d?ssl=require"),
        ("postgresql+psycopg://u@h/d", "postgresql+asyncpg://u@h/d"),
        ("sqlite:///x.db", "sqlite+aiosqlite:///x.db"),
    ],
)
def test_the_driver_is_chosen_for_the_operator(written: str, used: str) -> None:
    assert str(Database(written).engine.url) == used


@pytest.mark.extended
async def test_each_connection_to_postgresql_is_made_with_the_url_as_it_is_now(postgresql: PostgresqlCluster) -> None:
    first, second = await postgresql.new_database(), await postgresql.new_database()
    now = [first]
    database = Database(first, current_url=lambda: now[0])
    used: list[str] = []
    for url in (first, second, "half written", "mysql://elsewhere/x"):
        now[0] = url
        await database.dispose()  # of the connections that it has
        async with database.session() as session:
            used.append((await session.exec(text("SELECT current_database()"))).scalar_one())  # type: ignore[call-overload]
    await database.dispose()
    first_name, second_name = (url.rpartition("/")[2] for url in (first, second))
    assert used == [first_name, second_name, first_name, first_name]


async def test_a_file_of_sqlite_stays_the_same(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path}/one.db", current_url=lambda: f"sqlite:///{tmp_path}/another.db")
    await database.migrate()
    await database.dispose()
    assert names_in(tmp_path) == ["one.db"]


def names_in(folder: Path) -> list[str]:
    return [file.name for file in folder.glob("*.db")]
