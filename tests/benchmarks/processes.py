"""The processes that a benchmark measures, each on a port of its own on loopback."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import httpx

from seed.ports import free_port

ROOT = Path(__file__).parent.parent.parent
COMMAND = str(Path(sys.executable).parent / "tools-provider")
SERVERS = {0}
LOAD = {max(os.sched_getaffinity(0))}


@contextmanager
def process(
    command: list[str], *, ready: str, cpus: set[int], environment: Mapping[str, str] = {}
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a server until the block ends; `ready` is an address that answers once it serves."""
    log = ROOT / ".cache" / "benchmarks.log"
    log.parent.mkdir(exist_ok=True)
    with log.open("ab") as output:
        running = subprocess.Popen(  # noqa: S603
            command, cwd=ROOT, env={**os.environ, **environment}, stdout=output, stderr=output
        )
    os.sched_setaffinity(running.pid, cpus)
    try:
        wait_until_answering(ready, running)
        yield running
    finally:
        running.terminate()
        running.wait(timeout=20)


def wait_until_answering(address: str, running: subprocess.Popen[bytes], seconds: float = 60) -> None:
    """Return when the address answers anything; raises RuntimeError when the process ends or time is up."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if running.poll() is not None:
            raise RuntimeError(f"{running.args!r} ended with {running.returncode}: see .cache/benchmarks.log")
        try:
            httpx.get(address, timeout=1, trust_env=False)
        except httpx.TransportError:
            time.sleep(0.02)
        else:
            return
    raise RuntimeError(f"{address} did not answer within {seconds:.0f} s")


@contextmanager
def provider(issuer: str, folder: Path, **environment: str) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """The product on a database of its own; yields its address and process."""
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    settings = {
        "KEYCLOAK_URL": issuer,
        "TOKEN_EXCHANGE_CLIENT_SECRET": exchange_secret(),
        "PORT": str(port),
        "PUBLIC_URL": address,
        "DATABASE_URL": f"sqlite:///{folder}/provider-{port}.db",
        "ALLOWED_UPSTREAMS": "127.0.0.0/8",
        "LOG_LEVEL": "WARNING",
        **environment,
    }
    with process([COMMAND, "serve"], ready=f"{address}/health", cpus=SERVERS, environment=settings) as running:
        yield address, running


def exchange_secret() -> str:
    """The development secret of the exchange client, as the seed realm has it."""
    realm = (ROOT / "seed" / "keycloak" / "realm.json").read_text(encoding="utf-8")
    clients = {client["clientId"]: client for client in json.loads(realm)["clients"]}
    return str(clients["tools-provider-token-exchange"]["secret"])
