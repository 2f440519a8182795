"""What a web page in the developer's own browser can make the upstreams do: nothing, for it has no token."""

from collections.abc import Callable

import httpx
import pytest
from fastapi import FastAPI

from seed.opening_hours.app import OpeningHoursSettings, create_opening_hours
from seed.pizzeria.app import PizzeriaSettings, create_pizzeria
from seed.serving import listener_on, serving

pytestmark = pytest.mark.anyio
STRANGER = {"Origin": "https://evil.example", "Content-Type": "text/plain"}
ORDER = '{"lines": [{"item_id": "margherita", "quantity": 1}]}'


@pytest.mark.parametrize(("method", "path"), [("POST", "/orders"), ("POST", "/menu"), ("POST", "/orders/x/cancel")])
async def test_a_page_without_a_token_orders_nothing_and_reads_nothing(
    pizzeria: httpx.AsyncClient, with_roles: Callable[..., dict[str, str]], method: str, path: str
) -> None:
    answer = await pizzeria.request(method, path, content=ORDER, headers=STRANGER | {"Cookie": "token=x"})
    assert answer.status_code == 401
    preflight = await pizzeria.options(path, headers=STRANGER | {"Access-Control-Request-Method": method})
    for each in (answer, preflight):
        assert "access-control-allow-origin" not in each.headers
    assert (await pizzeria.get("/orders", headers=with_roles("chef"))).json()["orders"] == []


async def test_even_with_a_token_a_text_is_no_order(
    pizzeria: httpx.AsyncClient, with_roles: Callable[..., dict[str, str]]
) -> None:
    answer = await pizzeria.post("/orders", content=ORDER, headers=with_roles("customer") | STRANGER)
    assert answer.status_code == 422


@pytest.mark.parametrize(
    "app",
    [create_pizzeria(PizzeriaSettings()), create_opening_hours(OpeningHoursSettings())],
    ids=["pizzeria", "hours"],
)
async def test_a_body_is_read_within_bounds_whoever_sends_it(app: FastAPI) -> None:
    async with serving(app, listener_on()) as address, httpx.AsyncClient(base_url=address, trust_env=False) as http:
        answer = await http.post("/orders", content=b"x" * 200_000)
        assert (answer.status_code, answer.text) == (413, "The body has more than 131,072 bytes.\n")
