"""Fixtures of the tests that talk to a programmable identity provider; conftest modules import them."""

from collections.abc import AsyncGenerator, Iterator

import httpx
import pytest
from starlette.types import Receive, Scope, Send

from app.identity.issuer_watch import IssuerWatch
from app.identity.jwks import JwksCache
from app.outbound import plain_client
from tests.support.clock import Clock
from tests.support.issuer import REALM, Issuer
from tests.support.servers import running


class Stand:
    """One server for all tests of a session; each test puts its own issuer on it."""

    def __init__(self) -> None:
        self.issuer = Issuer()
        self.address = ""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.issuer(scope, receive, send)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def stand() -> Iterator[Stand]:
    stand = Stand()
    with running(stand) as stand.address:
        yield stand


@pytest.fixture
def clock() -> Clock:
    return Clock(1_800_000_000.0)


@pytest.fixture
def issuer(clock: Clock) -> Issuer:
    return Issuer(now=clock)


@pytest.fixture
def realm_url(stand: Stand, issuer: Issuer) -> str:
    stand.issuer = issuer
    return f"{stand.address}{REALM}"


@pytest.fixture
async def client(anyio_backend: str) -> AsyncGenerator[httpx.AsyncClient]:
    async with plain_client() as opened:
        yield opened


@pytest.fixture
async def keys(client: httpx.AsyncClient, realm_url: str, clock: Clock) -> AsyncGenerator[JwksCache]:
    cache = JwksCache(client, realm_url, clock=clock)
    yield cache
    await cache.aclose()


@pytest.fixture
def watch(client: httpx.AsyncClient, realm_url: str, issuer: Issuer, clock: Clock) -> IssuerWatch:
    return IssuerWatch(client, realm_url, issuer.issuer, clock=clock)
