"""The database: made and brought up to date at the start, on SQLite and PostgreSQL alike."""

import asyncio
import os
import resource
import shutil
import sqlite3
import threading
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import asyncpg  # type: ignore[import-untyped]
import certifi
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
from tests.support.certificates import Authority
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
        assert (await connection.execute(text("SELECT version_num FROM alembic_version"))).scalars().all() == ["0006"]


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


async def why(url: str) -> str:
    database = Database(url)
    try:
        with pytest.raises(Unavailable) as refused:
            await database.migrate()
    finally:
        await database.dispose()
        await _until_the_drivers_threads_have_ended()
    assert refused.value.code == "database_unavailable"
    assert "hunter2" not in str(refused.value.inside)
    return str(refused.value.inside)


async def test_a_database_of_a_newer_release_is_told(database: Database, database_url: str) -> None:
    async with database.engine.begin() as connection:
        await connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    await database.dispose()
    assert "a newer version of this program made it" in await why(database_url)
    assert "9999" in await why(database_url)


async def test_a_damaged_database_is_told(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path}/test.db")
    await database.migrate()
    await database.dispose()
    file = tmp_path / "test.db"
    file.write_bytes(file.read_bytes()[:4096] + b"x" * 8192)
    assert "test.db: it is damaged" in await why(f"sqlite:///{tmp_path}/test.db")


async def test_a_full_disk_is_told(tmp_path: Path) -> None:
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (8192, limits[1]))
    try:
        assert "test.db: the disk is full" in await why(f"sqlite:///{tmp_path}/test.db")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


@pytest.mark.extended
async def test_postgresql_says_itself_why_it_lets_nobody_in(postgresql: PostgresqlCluster) -> None:
    url = await postgresql.new_database()
    assert 'role "nobody" does not exist' in await why(url.replace("tester", "nobody:hunter2"))
    assert 'database "none" does not exist' in await why(url.rpartition("/")[0] + "/none")
    assert 'unrecognized configuration parameter "odd"' in await why(f"{url}?odd=1")
    assert "rejected SSL upgrade" in await why(f"{url}?sslmode=require&channel_binding=require")


@pytest.mark.extended
async def test_options_of_hosted_databases_are_understood(postgresql: PostgresqlCluster) -> None:
    url = await postgresql.new_database()
    options = "sslmode=prefer&channel_binding=require&connect_timeout=9&application_name=tools&keepalives=1"
    database = Database(f"{url}?{options}&gssencmode=disable&options=-c%20statement_timeout%3D4321")
    await database.migrate()
    async with database.engine.connect() as connection:
        for name, value in {"application_name": "tools", "statement_timeout": "4321ms"}.items():
            assert (await connection.execute(text(f"SHOW {name}"))).scalar_one() == value
    await database.dispose()


@pytest.mark.extended
async def test_postgresql_that_lets_nobody_in_is_an_outage_and_no_fault(postgresql: PostgresqlCluster) -> None:
    database = Database((await postgresql.new_database()).replace("tester", "nobody"))
    with pytest.raises(Unavailable):
        await _write(database)
    assert not await database.check()
    await database.dispose()


def _give(pem: Path, data: Path) -> None:
    """Give a key to the PostgreSQL of a data directory, which takes no other's."""
    given = data / pem.name
    shutil.copy(pem, given)
    os.chown(given, data.stat().st_uid, data.stat().st_gid)
    given.chmod(0o600)


@pytest.fixture
async def over_tls(postgresql: PostgresqlCluster, tmp_path: Path) -> AsyncGenerator[tuple[str, Path]]:
    """A database of a server that speaks TLS, and the file of its certificate's authority."""
    url = await postgresql.new_database()
    authority = Authority(tmp_path)
    authority.server("127.0.0.1")
    pem = tmp_path / "127.0.0.1.pem"
    connection = await asyncpg.connect(url)
    _give(pem, Path(await connection.fetchval("SHOW data_directory")))
    for change in (f"ssl_cert_file = '{pem.name}'", f"ssl_key_file = '{pem.name}'", "ssl = on"):
        await connection.execute(f"ALTER SYSTEM SET {change}")
    await connection.execute("SELECT pg_reload_conf()")
    yield url, authority.file
    await connection.execute("ALTER SYSTEM RESET ssl")
    await connection.execute("SELECT pg_reload_conf()")
    await connection.close()


@pytest.mark.extended
async def test_the_url_of_a_hosted_database_leads_to_it_over_tls(over_tls: tuple[str, Path]) -> None:
    url, authority = over_tls
    for options in ("sslmode=require&channel_binding=require", f"sslmode=verify-full&sslrootcert={authority}"):
        database = Database(f"{url}?{options}")
        await database.migrate()
        async with database.engine.connect() as connection:
            secure = await connection.execute(text("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()"))
            assert secure.scalar_one() is True
        await database.dispose()
    assert "certificate verify failed" in await why(f"{url}?sslmode=verify-full&sslrootcert={certifi.where()}")
