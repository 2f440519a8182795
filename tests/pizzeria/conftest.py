from collections.abc import AsyncGenerator, Callable

import httpx
import pytest

from seed.opening_hours.app import OpeningHoursSettings, create_opening_hours
from seed.pizzeria.app import PizzeriaSettings, create_pizzeria
from seed.serving import listener_on, serving
from tests.pizzeria.issuer import ISSUER, Issuer


@pytest.fixture
def issuer() -> Issuer:
    return Issuer()


@pytest.fixture
async def certs(anyio_backend: str, issuer: Issuer) -> AsyncGenerator[str]:
    async with serving(issuer.app, listener_on()) as address:
        yield f"{address}/certs"


@pytest.fixture
async def pizzeria(certs: str) -> AsyncGenerator[httpx.AsyncClient]:
    app = create_pizzeria(PizzeriaSettings(issuer=ISSUER, jwks_uri=certs))
    async with serving(app, listener_on()) as address, httpx.AsyncClient(base_url=address, trust_env=False) as client:
        yield client


@pytest.fixture
async def opening_hours(certs: str) -> AsyncGenerator[httpx.AsyncClient]:
    app = create_opening_hours(OpeningHoursSettings(issuer=ISSUER, jwks_uri=certs))
    async with serving(app, listener_on()) as address, httpx.AsyncClient(base_url=address, trust_env=False) as client:
        yield client


@pytest.fixture
def with_roles(issuer: Issuer) -> Callable[..., dict[str, str]]:
    def headers(*roles: str, sub: str = "user-1") -> dict[str, str]:
        return {"Authorization": f"Bearer {issuer.token(*roles, sub=sub)}"}

    return headers
