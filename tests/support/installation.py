"""The parts of a real installation as tests see them: the embedded identity provider and a running provider."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from app.settings import Settings
from seed.identity_provider import IdentityProvider

EXCHANGE_CLIENT = "tools-provider-token-exchange"
EXCHANGE_SECRET = "tools-provider-token-exchange-secret"
AGENT_CLIENT = "tools-provider-frontend"
PASSWORD = "password"

Headers = dict[str, str]
Token = Callable[[str], str]


@dataclass(frozen=True, slots=True)
class EmbeddedIdentityProvider:
    """The embedded identity provider; `state` is what it works with, `state.keys.sign` included."""

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
        """Break something on purpose (seed/identity_provider/faults.py)."""
        httpx.post(f"{self.address}/__dev/faults", json=fault, trust_env=False).raise_for_status()

    def clear_faults(self) -> None:
        httpx.delete(f"{self.address}/__dev/faults", trust_env=False).raise_for_status()

    def counts(self) -> dict[str, int]:
        """How often each endpoint was called so far."""
        return dict(self.state.counts)


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
        body = {"name": source.get("slug"), "url": url, **source}
        answer = self.http.post("/api/v1/sources", json=body, headers=admin)
        assert answer.status_code == 201, answer.text
        return dict(answer.json())

    def execute(self, headers: Headers, tool_id: str, **arguments: Any) -> httpx.Response:
        body = {"tool_id": tool_id, "arguments": arguments}
        return self.http.post("/api/v1/tools/execute", json=body, headers=headers)

    def audit(self, admin: Headers, **filters: Any) -> list[dict[str, Any]]:
        """The newest audit records that fit."""
        answer = self.http.get("/api/v1/audit", params=filters, headers=admin)
        return list(answer.raise_for_status().json()["items"])


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
