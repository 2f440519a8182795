"""Runs a real Keycloak with a realm, in memory, on loopback: `python -m seed.keycloak.server`, or a block in tests."""

import argparse
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from seed.keycloak import REALM_FILE, read_realm
from seed.keycloak.distribution import VERSION, KeycloakUnavailable, built_distribution
from seed.ports import HOST, free_port

ADMIN, ADMIN_PASSWORD = "admin", "admin"
START_SECONDS = 600  # 11 on an idle machine, more than 240 where six programs shared each of two cores


@dataclass(frozen=True, slots=True)
class RunningKeycloak:
    """A started server: its address without a path, its version, and the bootstrap administrator of realm `master`.

    `wait` returns only by raising KeycloakUnavailable, when the server has ended of its own accord.
    """

    url: str
    version: str
    wait: Callable[[], None]
    admin: str = ADMIN
    admin_password: str = ADMIN_PASSWORD


@contextmanager
def running_keycloak(realm: Mapping[str, Any], port: int = 0) -> Generator[RunningKeycloak]:
    """Serve the realm for as long as the block lasts; 0 is any free port. Raises KeycloakUnavailable."""
    if port:
        _refuse_taken(port)
    home = built_distribution()
    port, management_port = port or free_port(), free_port()
    with tempfile.TemporaryDirectory(prefix="keycloak-") as folder:
        run = _run_folder(Path(folder), home, realm)
        with (run / "server.log").open("w") as log:
            server = subprocess.Popen(  # noqa: S603
                _command(run, port, management_port), env=_environment(), stdout=log, stderr=subprocess.STDOUT
            )
        try:
            _wait_until_ready(server, management_port, run / "server.log")
            yield RunningKeycloak(
                f"http://{HOST}:{port}", VERSION, wait=partial(_until_end, server, run / "server.log")
            )
        finally:
            server.terminate()  # the start script hands it on to Java
            try:
                server.wait(timeout=20)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()


def _run_folder(folder: Path, home: Path, realm: Mapping[str, Any]) -> Path:
    """A home of its own for one server, so that several can run from one distribution at a time."""
    for part in ("bin", "conf", "lib", "providers", "themes", "version.txt"):
        (folder / part).symlink_to(home / part)
    imports = folder / "data" / "import"
    imports.mkdir(parents=True)
    (imports / "realm.json").write_text(json.dumps(realm), encoding="utf-8")
    return folder


def _command(run: Path, port: int, management_port: int) -> list[str]:
    options = [
        f"-Dkc.home.dir={run}",
        "--http-enabled=true",
        "--hostname-strict=false",
        f"--http-host={HOST}",
        f"--http-port={port}",
        f"--http-management-port={management_port}",
        "--cache=local",
        "--spi-events-listener--jboss-logging--success-level=info",
        "--import-realm",
    ]
    return [str(run / "bin" / "kc.sh"), "start", "--optimized", *options]


def _environment() -> dict[str, str]:
    admin = {"KC_BOOTSTRAP_ADMIN_USERNAME": ADMIN, "KC_BOOTSTRAP_ADMIN_PASSWORD": ADMIN_PASSWORD}
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("KC_", "KEYCLOAK_"))}
    return inherited | admin


def _refuse_taken(port: int) -> None:
    """Keycloak itself says that it is ready before it listens, and ends only then."""
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((HOST, port))
        except OSError as error:
            raise KeycloakUnavailable(
                f"port {port} is not available ({error.strerror}). Stop what is there, such as the demo."
            ) from error


def _until_end(server: subprocess.Popen[bytes], log: Path) -> None:
    server.wait()
    raise KeycloakUnavailable(f"Keycloak ended unexpectedly:\n{_tail(log)}")


def _wait_until_ready(server: subprocess.Popen[bytes], management_port: int, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if server.poll() is not None:
            raise KeycloakUnavailable(f"Keycloak ended while starting:\n{_tail(log)}")
        if _answers(f"http://{HOST}:{management_port}/health/ready"):
            return
        time.sleep(0.2)
    raise KeycloakUnavailable(f"Keycloak was not ready after {START_SECONDS} seconds:\n{_tail(log)}")


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:  # noqa: S310
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def _tail(log: Path) -> str:
    return log.read_text(encoding="utf-8", errors="replace")[-3000:]


def main() -> int:
    """Serve the seed realm until interrupted."""
    parser = argparse.ArgumentParser(
        prog="make keycloak", description="A real Keycloak with a realm file, on loopback."
    )
    parser.add_argument("--port", type=int, default=8041)
    parser.add_argument("--realm", type=Path, default=REALM_FILE, metavar="FILE")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # otherwise Java would outlive us
    try:
        realm = read_realm(arguments.realm)
        print(f"starting Keycloak {VERSION} …", flush=True)
        with running_keycloak(realm, arguments.port) as keycloak:
            url = keycloak.url.replace(HOST, "localhost")  # tokens carry the address that was called: one for all
            print(f"Keycloak {keycloak.version} serves {url}/realms/{realm['realm']}")
            print(f"admin console: {url}/admin ({ADMIN} / {ADMIN_PASSWORD}); development only; Ctrl-C ends it")
            sys.stdout.flush()
            keycloak.wait()
    except (KeycloakUnavailable, OSError, ValueError) as error:
        print(f"make keycloak: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Keycloak has ended")
    return 0


if __name__ == "__main__":
    sys.exit(main())
