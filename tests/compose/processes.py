"""What docker-compose.yml runs, as processes of this machine: the same commands and environment, hosts and ports moved
to free ones of the loopback interface."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from seed.ports import HOST, free_port
from tests.compose.description import ROOT, services, stages

BIN = Path(sys.executable).parent
START_SECONDS = 600


def inherited() -> dict[str, str]:
    """The environment that any process needs, without settings of ours that a developer may have set."""
    return {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "JAVA_HOME") if name in os.environ}


@dataclass
class Composition:
    """Where each address of the compose file is found on this machine."""

    folder: Path
    addresses: dict[str, str] = field(default_factory=dict)

    def place(self, address: str) -> int:
        """Give an address of the compose file, `host:port`, a free port here."""
        port = free_port()
        host = "localhost" if address.startswith("localhost:") else HOST
        self.addresses[address] = f"{host}:{port}"
        return port

    def moved(self, text: str) -> str:
        for address, here in self.addresses.items():
            text = text.replace(address, here)
        return text

    def environment(self, service: str, **changed: str) -> dict[str, str]:
        """The service's environment in compose on top of its image's, with addresses moved."""
        described = services()[service]
        image = stages()[described["build"]["target"]].environment if "build" in described else {}
        ours = {"PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}", "PYTHONPATH": str(ROOT)}
        asked = {name: self.moved(value) for name, value in (image | described["environment"]).items()}
        return inherited() | asked | ours | changed


@contextmanager
def process(
    command: Sequence[str],
    environment: Mapping[str, str],
    folder: Path,
    ready: Callable[[], bool],
    user: str | None = None,
) -> Iterator["subprocess.Popen[bytes]"]:
    """Run a command until the block ends; fails with its output when it does not become ready."""
    output = folder / f"{Path(command[0]).name}-{free_port()}.log"
    with output.open("wb") as log:
        started = subprocess.Popen(  # noqa: S603
            command, env=dict(environment), cwd=folder, stdout=log, stderr=subprocess.STDOUT, user=user
        )
    try:
        deadline = time.monotonic() + START_SECONDS
        while not ready():
            if started.poll() is not None or time.monotonic() > deadline:
                pytest.fail(f"{command[0]} did not get ready:\n{output.read_text(errors='replace')[-4000:]}")
            time.sleep(0.2)
        yield started
    finally:
        started.send_signal(signal.SIGTERM)
        try:
            started.wait(timeout=20)
        except subprocess.TimeoutExpired:
            started.kill()
            started.wait()


def answers(url: str) -> Callable[[], bool]:
    def asked() -> bool:
        try:
            return httpx.get(url, timeout=2, trust_env=False).status_code == 200
        except httpx.TransportError:
            return False

    return asked


def postgres_program(name: str) -> str | None:
    found = sorted(
        Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=lambda path: int(path.parts[-3].split(".")[0])
    )
    return str(found[-1]) if found else shutil.which(name)


def need_postgres() -> None:
    if postgres_program("initdb") is None:
        if os.environ.get("CI") == "true":
            pytest.fail("PostgreSQL must be installed in CI")
        pytest.skip("no PostgreSQL on this machine")


@contextmanager
def postgres(composition: Composition) -> Iterator[None]:
    """PostgreSQL with user, password, database and first script of the compose file."""
    described = services()["postgres"]["environment"]
    port = composition.place("postgres:5432")
    user = "postgres" if os.getuid() == 0 else None  # it refuses to run as root
    with tempfile.TemporaryDirectory(prefix="compose-postgres-", dir="/tmp") as name:
        folder = Path(name)
        password = folder / "password"
        password.write_text(described["POSTGRES_PASSWORD"], encoding="utf-8")
        if user:
            for path in (folder, password):
                shutil.chown(path, user)
        data = str(folder / "data")
        make = [str(postgres_program("initdb")), "--pgdata", data, "--username", described["POSTGRES_USER"]]
        make += ["--auth=scram-sha-256", "--pwfile", str(password), "--no-sync"]
        subprocess.run(make, check=True, stdout=subprocess.DEVNULL, user=user, cwd=folder)  # noqa: S603
        serve = [str(postgres_program("postgres")), "-D", data, "-h", HOST, "-p", str(port), "-k", name]
        asked = ["pg_isready", "--quiet", f"--host={HOST}", f"--port={port}"]

        def ready() -> bool:
            return subprocess.run([str(postgres_program("pg_isready")), *asked[1:]], check=False).returncode == 0  # noqa: S603

        with process(serve, inherited(), folder, ready, user):
            login = inherited() | {"PGPASSWORD": described["POSTGRES_PASSWORD"]}
            psql = [str(postgres_program("psql")), "-h", HOST, "-p", str(port), "-U", described["POSTGRES_USER"]]
            psql += ["-q", "-v", "ON_ERROR_STOP=1", "-d", "postgres"]
            first = ["-c", f"CREATE DATABASE {described['POSTGRES_DB']}"]
            script = ["-f", str(ROOT / "seed/compose/postgres/keycloak.sql")]
            for step in (first, script):
                subprocess.run([*psql, *step], check=True, env=login)  # noqa: S603
            yield


@contextmanager
def pizzeria(composition: Composition) -> Iterator[None]:
    port = composition.place("pizzeria:8000")
    environment = composition.environment("pizzeria", HOST=HOST, PORT=str(port))
    command = [str(BIN / stages()["pizzeria"].command[0]), *stages()["pizzeria"].command[1:]]
    with process(command, environment, composition.folder, answers(f"http://{HOST}:{port}/openapi.json")):
        yield


@contextmanager
def provider(composition: Composition) -> Iterator[None]:
    """The provider; placed once, so that a second start has the address of the first."""
    port = int(composition.addresses["localhost:8040"].rpartition(":")[2])
    audit = str(composition.folder / "audit.jsonl")
    environment = composition.environment("provider", HOST=HOST, PORT=str(port), AUDIT_LOG=audit)
    command = [str(BIN / stages()["provider"].command[0]), *stages()["provider"].command[1:]]
    with process(command, environment, composition.folder, answers(f"http://{HOST}:{port}/health")):
        yield


@contextmanager
def embedded_issuer(composition: Composition) -> Iterator[None]:
    """The embedded identity provider in Keycloak's place, with the realm file that Keycloak imports."""
    port = composition.place("localhost:8041")
    composition.addresses["keycloak:8080"] = f"localhost:{port}"  # its issuer follows the address that is called
    realm = str(ROOT / "seed/keycloak/realm.json")
    command = [str(BIN / "tools-provider"), "dev-idp", "--host", HOST, "--port", str(port), "--realm", realm]
    discovery = f"http://localhost:{port}/realms/tools-provider/.well-known/openid-configuration"
    with process(command, inherited() | {"PYTHONPATH": str(ROOT)}, composition.folder, answers(discovery)):
        yield


@contextmanager
def real_keycloak(composition: Composition, home: Path) -> Iterator[None]:
    """Keycloak itself, with command, environment and realm file of the compose file, on its PostgreSQL."""
    port, management = composition.place("localhost:8041"), composition.place("127.0.0.1:9000")
    composition.addresses["keycloak:8080"] = f"{HOST}:{port}"
    run = composition.folder / "keycloak"
    shutil.copytree(home, run, ignore=shutil.ignore_patterns("data"))
    imports = run / "data" / "import"
    imports.mkdir(parents=True)
    shutil.copy(ROOT / "seed/keycloak/realm.json", imports)
    # Only what a container's network gives is added: where to listen.
    listen = {"KC_HTTP_HOST": HOST, "KC_HTTP_PORT": str(port), "KC_HTTP_MANAGEMENT_PORT": str(management)}
    command = [str(run / "bin" / "kc.sh"), *services()["keycloak"]["command"]]
    ready = answers(f"http://{HOST}:{management}/health/ready")
    with process(command, composition.environment("keycloak", **listen), composition.folder, ready):
        yield


@contextmanager
def running(folder: Path, keycloak_home: Path | None) -> Iterator[Composition]:
    """All services without a profile, in compose's order."""
    composition = Composition(folder)
    composition.place("localhost:8040")
    composition.addresses["127.0.0.1:8040"] = composition.addresses["localhost:8040"].replace("localhost", HOST)
    with ExitStack() as stack:
        stack.enter_context(postgres(composition))
        issuer = real_keycloak(composition, keycloak_home) if keycloak_home else embedded_issuer(composition)
        stack.enter_context(issuer)
        stack.enter_context(pizzeria(composition))
        composition.addresses["127.0.0.1:8000"] = composition.addresses["pizzeria:8000"]
        yield composition
