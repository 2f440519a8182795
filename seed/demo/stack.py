"""Starts everything that the demo needs, on loopback, and ends it again."""

import asyncio
import json
import os
import socket
import tempfile
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seed.demo.gate import Gate
from seed.demo.provider import running_provider
from seed.keycloak import read_realm
from seed.opening_hours.app import OpeningHoursSettings, create_opening_hours
from seed.pizzeria.app import API as PIZZERIA
from seed.pizzeria.app import PizzeriaSettings, create_pizzeria
from seed.ports import free_port
from seed.serving import listener_on, serving
from seed.turns import turn

SOURCES_FILE = Path(__file__).parents[1] / "sources.json"
CHOOSING = Path(tempfile.gettempdir()) / f"tools-provider-demo-of-{os.getuid()}.ports"
PORTS = {"provider": 8040, "identity": 8041, "pizzeria": 8000, "opening_hours": 8001}
EXCHANGE_CLIENT = "tools-provider-token-exchange"
FAILURES_THAT_OPEN = 3
RECOVERY_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Ports:
    """Where everything listens; `moved` names the usual ports that were taken."""

    provider: int
    identity: int
    pizzeria: int
    opening_hours: int
    moved: tuple[int, ...]

    @classmethod
    def usual(cls, usual: Mapping[str, int] = PORTS) -> "Ports":
        """The usual ports, and any free one in place of each that is taken."""
        chosen = {name: port if _is_free(port) else free_port() for name, port in usual.items()}
        return cls(**chosen, moved=tuple(port for name, port in usual.items() if chosen[name] != port))

    @classmethod
    def free(cls) -> "Ports":
        """Any free ports, which leaves the usual ones alone."""
        return cls(**{name: free_port() for name in PORTS}, moved=())


@dataclass(frozen=True, slots=True)
class Stack:
    """Everything that runs: addresses without a path, the gate before the identity provider, the sources to register.

    `folder` holds the provider's database and log for as long as the demo runs.
    """

    ports: Ports
    realm: str
    gate: Gate
    sources: tuple[Mapping[str, Any], ...]
    folder: Path

    @property
    def provider_url(self) -> str:
        return f"http://localhost:{self.ports.provider}"

    @property
    def mcp_url(self) -> str:
        return f"{self.provider_url}/mcp"

    @property
    def identity_url(self) -> str:
        return f"http://localhost:{self.ports.identity}"

    @property
    def issuer(self) -> str:
        return f"{self.identity_url}/realms/{self.realm}"

    @property
    def token_endpoint(self) -> str:
        return f"{self.issuer}/protocol/openid-connect/token"


@asynccontextmanager
async def stack_on(choose_ports: Callable[[], Ports], folder: Path, identity_port: int) -> AsyncGenerator[Stack]:
    """Run `running_stack` on ports that no other demo on this machine can have chosen at the same moment."""
    async with AsyncExitStack() as running:
        with ExitStack() as choosing:
            await asyncio.to_thread(choosing.enter_context, turn(CHOOSING))
            stack = await running.enter_async_context(running_stack(folder, choose_ports(), identity_port))
        yield stack


@asynccontextmanager
async def running_stack(folder: Path, ports: Ports, identity_port: int) -> AsyncGenerator[Stack]:
    """Run gate, upstreams and provider before an identity provider that listens on `identity_port` already.

    Raises ProviderFailed, ServerFailed or OSError when something does not start.
    """
    realm = read_realm()
    gate = Gate(ports.identity, identity_port)
    stack = Stack(ports, realm["realm"], gate, _sources(ports), folder)
    keys = f"{stack.issuer}/protocol/openid-connect/certs"
    pizzeria = PizzeriaSettings(issuer=stack.issuer, jwks_uri=keys, verify_audience=True, expected_audience=PIZZERIA)
    opening_hours = OpeningHoursSettings(issuer=stack.issuer, jwks_uri=keys, verify_audience=False)
    async with AsyncExitStack() as running:
        await gate.open()
        running.push_async_callback(gate.shut)
        await running.enter_async_context(serving(create_pizzeria(pizzeria), listener_on(ports.pizzeria)))
        await running.enter_async_context(
            serving(create_opening_hours(opening_hours), listener_on(ports.opening_hours))
        )
        await running.enter_async_context(running_provider(_settings(stack, realm), stack.provider_url, folder))
        yield stack


def _settings(stack: Stack, realm: Mapping[str, Any]) -> dict[str, str]:
    secret = next(client["secret"] for client in realm["clients"] if client["clientId"] == EXCHANGE_CLIENT)
    return {
        "PORT": str(stack.ports.provider),
        "PUBLIC_URL": stack.provider_url,
        "KEYCLOAK_URL": stack.identity_url,
        "KEYCLOAK_REALM": stack.realm,
        "TOKEN_EXCHANGE_CLIENT_ID": EXCHANGE_CLIENT,
        "TOKEN_EXCHANGE_CLIENT_SECRET": secret,
        "DATABASE_URL": f"sqlite:///{stack.folder / 'tools-provider.db'}",
        "ALLOWED_UPSTREAMS": f"localhost:{stack.ports.pizzeria},localhost:{stack.ports.opening_hours}",
        "CIRCUIT_BREAKER_FAILURE_THRESHOLD": str(FAILURES_THAT_OPEN),
        "CIRCUIT_BREAKER_RECOVERY_TIMEOUT": str(RECOVERY_SECONDS),
    }


def _sources(ports: Ports) -> tuple[Mapping[str, Any], ...]:
    """The demo's sources, at the ports that are really used."""
    text = SOURCES_FILE.read_text(encoding="utf-8")
    for name in ("pizzeria", "opening_hours"):
        text = text.replace(f"//localhost:{PORTS[name]}/", f"//localhost:{getattr(ports, name)}/")
    sources: list[Mapping[str, Any]] = json.loads(text)
    return tuple(sources)


def _is_free(port: int) -> bool:
    """Whether nobody listens there: `localhost` is both addresses."""
    for family, address in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
        try:
            with socket.socket(family, socket.SOCK_STREAM) as probe:
                probe.settimeout(0.5)
                if probe.connect_ex((address, port)) == 0:
                    return False
        except OSError:
            continue  # no IPv6 on this machine
    try:
        listener_on(port).close()
    except OSError:
        return False
    return True
