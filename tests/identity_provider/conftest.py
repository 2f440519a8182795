"""An embedded identity provider on loopback, with a clock that tests can turn."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from seed.identity_provider import create_identity_provider
from seed.keycloak import read_realm
from tests.support.servers import running

REALM = "/realms/tools-provider"
ENDPOINTS = f"{REALM}/protocol/openid-connect"
EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
CLIENT = {"client_id": "tools-provider-token-exchange", "client_secret": "tools-provider-token-exchange-secret"}
Json = dict[str, Any]


@dataclass(slots=True)
class Clock:
    """Seconds since the epoch, `ahead` of the true time."""

    ahead: float = 0

    def __call__(self) -> float:
        return time.time() + self.ahead


@dataclass(frozen=True, slots=True)
class Embedded:
    """A running embedded identity provider and a client of it."""

    http: httpx.Client
    clock: Clock = field(default_factory=Clock)

    def fault(self, kind: str, **members: Any) -> None:
        answer = self.http.post("/__dev/faults", json={"kind": kind, **members})
        assert answer.status_code == 201, answer.text

    def clear(self) -> None:
        self.http.delete("/__dev/faults")

    def log_in(self, username: str = "johndoe") -> httpx.Response:
        form = {"client_id": "tools-provider-frontend", "username": username, "password": "password"}
        return self.http.post(f"{ENDPOINTS}/token", data={"grant_type": "password", **form})

    def exchange(self, token: str) -> httpx.Response:
        form = {"grant_type": EXCHANGE, "subject_token": token, "audience": "pizzeria-backend", **CLIENT}
        form["subject_token_type"] = "urn:ietf:params:oauth:token-type:access_token"
        return self.http.post(f"{ENDPOINTS}/token", data=form)

    def introspect(self, token: str) -> Json:
        return dict(self.http.post(f"{ENDPOINTS}/token/introspect", data={"token": token, **CLIENT}).json())


@pytest.fixture(scope="module")
def served() -> Iterator[Embedded]:
    clock = Clock()
    with (
        running(create_identity_provider(read_realm(), clock=clock)) as address,
        httpx.Client(base_url=address, trust_env=False, timeout=20) as http,
    ):
        yield Embedded(http, clock)


@pytest.fixture
def embedded(served: Embedded) -> Iterator[Embedded]:
    """Without faults and counts, at the true time."""
    yield served
    served.clear()
    served.http.delete("/__dev/stats")
    served.clock.ahead = 0


@pytest.fixture
def agent_token(embedded: Embedded) -> str:
    return str(embedded.log_in().json()["access_token"])
