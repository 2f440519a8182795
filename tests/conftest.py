"""The parts of a real installation, each over real HTTP: identity provider, pizzeria, provider."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.main import create_app
from app.settings import Settings
from seed.identity_provider import IdentityProvider, create_identity_provider
from seed.keycloak import read_realm
from seed.pizzeria.app import PizzeriaSettings, create_pizzeria
from tests.servers import address_of, listener, running

EXCHANGE_CLIENT = "tools-provider-token-exchange"
EXCHANGE_SECRET = "tools-provider-token-exchange-secret"
AGENT_CLIENT = "tools-provider-frontend"
PASSWORD = "password"

Headers = dict[str, str]
Token = Callable[[str], str]


@dataclass(frozen=True, slots=True)
class EmbeddedIdentityProvider:
    """The embedded identity provider; `state` is what it works with, `keys.sign` included."""

    address: str
    state: IdentityProvider

    @property
    def issuer(self) -> str:
        return f"{self.address}/realms/{self.state.realm.name}"

    def access_token(self, username: str, **form: str) -> str:
        """Sign in with a user's password."""
        asked = {"grant_type": "password", "client_id": AGENT_CLIENT, "username": username, "password": PASSWORD}
        answer = httpx.post(f"{self.issuer}/protocol/openid-connect/token", data=asked | form, trust_env=False)
        return str(answer.raise_for_status().json()["access_token"])

    def switch_on(self, **fault: Any) -> None:
        """Break something on purpose."""
        httpx.post(f"{self.address}/__dev/faults", json=fault, trust_env=False).raise_for_status()

    def clear_faults(self) -> None:
        httpx.delete(f"{self.address}/__dev/faults", trust_env=False).raise_for_status()


@dataclass(frozen=True, slots=True)
class RunningProvider:
    """A tools provider that listens; `http` speaks to it."""

    address: str
    settings: Settings
    http: httpx.Client

    @property
    def mcp(self) -> str:
        return f"{self.address}/mcp"

    def register(self, admin: Headers, url: str, **source: Any) -> dict[str, Any]:
        """Register a source under a slug, which must not be taken."""
        answer = self.http.post(
            "/api/v1/sources", json={"name": source.get("slug"), "url": url, **source}, headers=admin
        )
        assert answer.status_code == 201, answer.text
        return dict(answer.json())

    def execute(self, headers: Headers, tool_id: str, **arguments: Any) -> httpx.Response:
        body = {"tool_id": tool_id, "arguments": arguments}
        return self.http.post("/api/v1/tools/execute", json=body, headers=headers)

    def audit(self, admin: Headers, **filters: Any) -> list[dict[str, Any]]:
        """The newest audit records that fit."""
        answer = self.http.get("/api/v1/audit", params=filters, headers=admin)
        return list(answer.raise_for_status().json()["items"])


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def identity_provider() -> Iterator[EmbeddedIdentityProvider]:
    app = create_identity_provider(read_realm())
    with running(app) as address:
        yield EmbeddedIdentityProvider(address, app.state.identity_provider)


@pytest.fixture(scope="session")
def pizzeria(identity_provider: EmbeddedIdentityProvider) -> Iterator[str]:
    keys = f"{identity_provider.issuer}/protocol/openid-connect/certs"
    with running(create_pizzeria(PizzeriaSettings(issuer=identity_provider.issuer, jwks_uri=keys))) as address:
        yield address


@pytest.fixture(scope="module")
def overrides() -> dict[str, Any]:
    """Settings in which the provider of a test module differs."""
    return {}


@pytest.fixture(scope="module")
def provider(
    identity_provider: EmbeddedIdentityProvider, tmp_path_factory: pytest.TempPathFactory, overrides: dict[str, Any]
) -> Iterator[RunningProvider]:
    opened = listener()
    settings = settings_for(identity_provider, address_of(opened), tmp_path_factory.mktemp("provider"), **overrides)
    with running(create_app(settings), opened) as address:
        with httpx.Client(base_url=address, trust_env=False, timeout=30) as http:
            yield RunningProvider(address, settings, http)


@pytest.fixture(scope="session")
def token(identity_provider: EmbeddedIdentityProvider) -> Token:
    """Access tokens of users, by their names."""
    kept: dict[str, str] = {}

    def token_of(username: str) -> str:
        if username not in kept:
            kept[username] = identity_provider.access_token(username)
        return kept[username]

    return token_of


@pytest.fixture(scope="session")
def admin(token: Token) -> Headers:
    return bearer(token("admin"))


def bearer(value: str) -> Headers:
    return {"Authorization": f"Bearer {value}"}


def settings_for(
    identity_provider: EmbeddedIdentityProvider, public_url: str, folder: Path, **overrides: Any
) -> Settings:
    """Settings of a provider before the embedded identity provider, with everything it keeps in a folder."""
    values: dict[str, Any] = {
        "keycloak_url": identity_provider.address,
        "token_exchange_client_id": EXCHANGE_CLIENT,
        "token_exchange_client_secret": EXCHANGE_SECRET,
        "public_url": public_url,
        "database_url": f"sqlite:///{folder / 'tools-provider.db'}",
        "audit_log": folder / "audit.jsonl",
        "allowed_upstreams": ("127.0.0.0/8",),
    }
    return Settings(_env_file=None, **(values | overrides))
