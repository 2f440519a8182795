"""A private PostgreSQL cluster for tests, where its programs are installed."""

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import asyncpg  # type: ignore[import-untyped]

from seed.ports import free_port


def postgresql_programs() -> Path | None:
    """Return the folder with `initdb` and `pg_ctl`; distributions keep them off the PATH."""
    installed = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    on_path = [Path(found).resolve().parent for found in [shutil.which("initdb")] if found]
    return next((folder for folder in [*on_path, *installed] if (folder / "pg_ctl").exists()), None)


class PostgresqlCluster:
    """A running cluster; every `new_database()` is the URL of an empty database in it."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._numbers = count()

    async def new_database(self) -> str:
        name = f"test_{next(self._numbers)}"
        connection = await asyncpg.connect(self._url("postgres"))
        try:
            await connection.execute(f"CREATE DATABASE {name}")
        finally:
            await connection.close()
        return self._url(name)

    def _url(self, database: str) -> str:
        return f"postgresql://tester@127.0.0.1:{self._port}/{database}"


@contextmanager
def postgresql_cluster(programs: Path) -> Iterator[PostgresqlCluster]:
    """Run a cluster of its own in a folder of its own; PostgreSQL refuses to run as root, so root lends it a user."""
    user = _unprivileged_user() if os.getuid() == 0 else None
    port = free_port()
    home = Path(tempfile.mkdtemp(prefix="postgresql-"))
    if user is not None:
        shutil.chown(home, user)
    data = home / "data"
    options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={home} -c fsync=off"

    def run(program: str, *arguments: str) -> None:
        command = [str(programs / program), *arguments]
        subprocess.run(command, check=True, user=user, cwd=home, stdout=subprocess.DEVNULL)  # noqa: S603

    try:
        run("initdb", "-D", str(data), "-U", "tester", "-A", "trust", "-E", "UTF8", "--no-sync")
        run("pg_ctl", "-D", str(data), "-w", "-l", str(home / "log"), "-o", options, "start")
        yield PostgresqlCluster(port)
    finally:
        if (data / "postmaster.pid").exists():
            run("pg_ctl", "-D", str(data), "-w", "-m", "immediate", "stop")
        shutil.rmtree(home)


def _unprivileged_user() -> str:
    names = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"
