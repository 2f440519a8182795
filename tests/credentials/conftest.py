from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from app.audit.outcome import Outcomes
from app.audit.record import AuditRecord
from app.circuit_breaker import CircuitBreaker
from app.credentials.token_exchange.audited import AuditedExchanger
from app.credentials.token_exchange.caching import CachingExchanger
from app.credentials.token_exchange.exchanger import ExchangeTarget
from app.credentials.token_exchange.guarded import GuardedExchanger
from app.credentials.token_exchange.issued_token import IssuedTokenCheck
from app.credentials.token_exchange.keycloak import KeycloakExchanger
from app.identity.agent_token import AgentToken
from app.identity.issuer_watch import IssuerWatch
from app.identity.jwks import JwksCache
from app.identity.verifier import AgentTokenVerifier
from app.memory import InProcessMemory
from app.telemetry import Telemetry
from tests.support.clock import Clock
from tests.support.issuer import EXCHANGE_CLIENT, SECRET, Issuer
from tests.support.issuer_fixtures import anyio_backend, client, clock, issuer, keys, realm_url, stand, watch

__all__ = ["anyio_backend", "client", "clock", "issuer", "keys", "realm_url", "stand", "watch"]

PIZZERIA = ExchangeTarget("pizzeria-backend")
RESOURCE = "http://localhost:8040/mcp"
TIMEOUT = 5.0
LEEWAY = 30.0
THRESHOLD = 3
BUFFER = 60.0
MAX_AGE = 100.0


@dataclass
class Recorded:
    """The audit records as they were made."""

    records: list[AuditRecord] = field(default_factory=list)

    async def record(self, record: AuditRecord) -> None:
        self.records.append(record)

    @property
    def outcomes(self) -> list[str]:
        return [record.outcome for record in self.records]


@dataclass
class Agents:
    """Makes verified agent tokens of the issuer."""

    issuer: Issuer
    verifier: AgentTokenVerifier

    async def agent(self, **claims: Any) -> AgentToken:
        return await self.verifier.verify(self.issuer.token(**claims))


@pytest.fixture
async def memory(anyio_backend: str) -> AsyncGenerator[InProcessMemory]:
    memory = InProcessMemory()
    yield memory
    await memory.aclose()


@pytest.fixture
def agents(issuer: Issuer, keys: JwksCache, watch: IssuerWatch, memory: InProcessMemory, clock: Clock) -> Agents:
    audiences = frozenset({EXCHANGE_CLIENT})
    verifier = AgentTokenVerifier(
        keys, watch, memory, issuer=issuer.issuer, audiences=audiences, leeway=LEEWAY, max_length=16_384, clock=clock
    )
    return Agents(issuer, verifier)


@pytest.fixture
def audit() -> Recorded:
    return Recorded()


@pytest.fixture
def spans() -> InMemorySpanExporter:
    return InMemorySpanExporter()


@pytest.fixture
def telemetry(spans: InMemorySpanExporter) -> Telemetry:
    return Telemetry(span_processors=[SimpleSpanProcessor(spans)])


@pytest.fixture
def check(keys: JwksCache, issuer: Issuer, clock: Clock) -> IssuedTokenCheck:
    return IssuedTokenCheck(
        keys,
        issuer=issuer.issuer,
        client_id=EXCHANGE_CLIENT,
        own_audiences=frozenset({EXCHANGE_CLIENT, RESOURCE}),
        leeway=LEEWAY,
        clock=clock,
    )


@pytest.fixture
def keycloak(
    client: httpx.AsyncClient, check: IssuedTokenCheck, watch: IssuerWatch, realm_url: str, clock: Clock
) -> KeycloakExchanger:
    return KeycloakExchanger(
        client,
        check,
        watch,
        realm_url=realm_url,
        client_id=EXCHANGE_CLIENT,
        client_secret=lambda: SECRET,
        timeout=TIMEOUT,
        clock=clock,
    )


@pytest.fixture
def breaker(telemetry: Telemetry, clock: Clock) -> CircuitBreaker:
    return CircuitBreaker(
        "identity-provider",
        failure_threshold=THRESHOLD,
        recovery_timeout=30,
        on_change=telemetry.breaker_changed,
        clock=clock,
    )


@pytest.fixture
def exchanger(
    keycloak: KeycloakExchanger,
    memory: InProcessMemory,
    breaker: CircuitBreaker,
    telemetry: Telemetry,
    audit: Recorded,
    clock: Clock,
) -> CachingExchanger:
    return CachingExchanger(
        GuardedExchanger(AuditedExchanger(keycloak, telemetry, Outcomes(audit.record)), breaker),
        memory,
        telemetry,
        client_id=EXCHANGE_CLIENT,
        buffer=BUFFER,
        max_age=MAX_AGE,
        clock=clock,
    )
