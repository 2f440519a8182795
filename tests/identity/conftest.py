import pytest

from app.identity.issuer_watch import IssuerWatch
from app.identity.jwks import JwksCache
from app.identity.verifier import AgentTokenVerifier
from app.memory import InProcessMemory
from tests.support.clock import Clock
from tests.support.issuer import EXCHANGE_CLIENT, Issuer
from tests.support.issuer_fixtures import anyio_backend, client, clock, issuer, keys, realm_url, stand, watch

LEEWAY = 30.0
MAX_LENGTH = 16_384

__all__ = ["anyio_backend", "client", "clock", "issuer", "keys", "realm_url", "stand", "watch"]


@pytest.fixture
def verifier(keys: JwksCache, watch: IssuerWatch, issuer: Issuer, clock: Clock) -> AgentTokenVerifier:
    audiences = frozenset({EXCHANGE_CLIENT, "http://localhost:8040/mcp"})
    return AgentTokenVerifier(
        keys,
        watch,
        InProcessMemory(),
        issuer=issuer.issuer,
        audiences=audiences,
        leeway=LEEWAY,
        max_length=MAX_LENGTH,
        clock=clock,
    )
