"""The pizzeria's rules: what a customer and a chef may do, and that every answer says who called."""

from collections.abc import Callable

import httpx
import pytest

pytestmark = pytest.mark.anyio
Headers = Callable[..., dict[str, str]]
PIZZA = {"name": "Bufalina", "price_cents": 1290, "vegetarian": True}
ORDER = {"lines": [{"item_id": "margherita", "quantity": 2}, {"item_id": "espresso"}]}


async def test_every_answer_says_who_called(pizzeria: httpx.AsyncClient, with_roles: Headers) -> None:
    answer = await pizzeria.get("/menu", headers=with_roles("customer"))
    caller = answer.json()["called_by"]
    assert 0 < caller.pop("expires_in") <= 300
    assert caller == {
        "sub": "user-1",
        "username": "johndoe",
        "azp": "tools-provider-token-exchange",
        "aud": ["pizzeria-backend"],
        "roles": ["customer"],
        "token_id": "token-1",
        "lifetime": 300,
    }
    assert (await pizzeria.get("/whoami", headers=with_roles("customer"))).json()["sub"] == "user-1"


async def test_the_menu_can_be_filtered(pizzeria: httpx.AsyncClient, with_roles: Headers) -> None:
    query: dict[str, str | int | bool] = {"category": "pizza", "vegetarian": True, "max_price_cents": 850}
    answer = await pizzeria.get("/menu", params=query, headers=with_roles())
    assert [item["id"] for item in answer.json()["items"]] == ["margherita", "marinara"]


async def test_a_customer_orders_and_is_told_the_price(pizzeria: httpx.AsyncClient, with_roles: Headers) -> None:
    placed = await pizzeria.post("/orders", json=ORDER, headers=with_roles("customer"))
    assert placed.status_code == 201
    order = placed.json()["order"]
    assert (order["total_cents"], order["status"], order["customer"]) == (1940, "received", "user-1")
    seen = await pizzeria.get(f"/orders/{order['id']}", headers=with_roles("customer"))
    assert seen.json()["order"] == order


async def test_a_customer_sees_only_their_own_orders(pizzeria: httpx.AsyncClient, with_roles: Headers) -> None:
    mine, theirs = with_roles("customer"), with_roles("customer", sub="user-2")
    placed = (await pizzeria.post("/orders", json=ORDER, headers=mine)).json()["order"]
    assert (await pizzeria.get("/orders", headers=theirs)).json()["orders"] == []
    assert [order["id"] for order in (await pizzeria.get("/orders", headers=mine)).json()["orders"]] == [placed["id"]]
    for refused in (
        await pizzeria.get(f"/orders/{placed['id']}", headers=theirs),
        await pizzeria.post(f"/orders/{placed['id']}/cancel", headers=theirs),
    ):
        assert refused.status_code == 404
    assert (await pizzeria.get("/orders", headers=mine)).json()["orders"][0]["status"] == "received"


async def test_a_chef_sees_everybodys_orders_newest_first(pizzeria: httpx.AsyncClient, with_roles: Headers) -> None:
    for customer in ("user-1", "user-2"):
        await pizzeria.post("/orders", json=ORDER, headers=with_roles("customer", sub=customer))
    answer = await pizzeria.get("/orders", headers=with_roles("chef", sub="chef-1"))
    assert [order["customer"] for order in answer.json()["orders"]] == ["user-2", "user-1"]


async def test_an_order_can_be_cancelled_until_it_is_baking(pizzeria: httpx.AsyncClient, with_roles: Headers) -> None:
    customer, chef = with_roles("customer"), with_roles("chef", sub="chef-1")
    first, second = [(await pizzeria.post("/orders", json=ORDER, headers=customer)).json()["order"] for _ in range(2)]
    cancelled = await pizzeria.post(f"/orders/{first['id']}/cancel", headers=customer)
    assert cancelled.json()["order"]["status"] == "cancelled"
    baking = await pizzeria.put(f"/orders/{second['id']}/status", json={"status": "baking"}, headers=chef)
    assert baking.json()["order"]["status"] == "baking"
    late = await pizzeria.post(f"/orders/{second['id']}/cancel", headers=customer)
    assert (late.status_code, late.json()["detail"]) == (409, "Too late: the order is already baking.")
    over = await pizzeria.put(f"/orders/{first['id']}/status", json={"status": "baking"}, headers=chef)
    assert over.status_code == 409


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/menu", PIZZA),
        ("PATCH", "/menu/margherita", {"price_cents": 1}),
        ("DELETE", "/menu/margherita", None),
        ("PUT", "/orders/order-1001/status", {"status": "delivered"}),
    ],
)
async def test_a_customer_may_not_do_the_chefs_work(
    pizzeria: httpx.AsyncClient, with_roles: Headers, method: str, path: str, body: object
) -> None:
    customer = with_roles("customer")
    before = (await pizzeria.get("/menu", headers=customer)).json()["items"]
    refused = await pizzeria.request(method, path, json=body, headers=customer)
    assert refused.status_code == 403
    assert refused.headers["content-type"] == "application/problem+json"
    assert refused.json()["detail"] == "This needs the role chef."
    assert refused.json()["called_by"]["roles"] == ["customer"]
    assert (await pizzeria.get("/menu", headers=customer)).json()["items"] == before


async def test_a_user_without_a_role_may_read_but_not_order(pizzeria: httpx.AsyncClient, with_roles: Headers) -> None:
    assert (await pizzeria.get("/menu/diavola", headers=with_roles())).json()["item"]["name"] == "Diavola"
    assert (await pizzeria.post("/orders", json=ORDER, headers=with_roles())).status_code == 403
    assert (await pizzeria.get("/orders", headers=with_roles())).status_code == 403


async def test_a_chef_may_not_order_but_changes_the_menu(pizzeria: httpx.AsyncClient, with_roles: Headers) -> None:
    chef = with_roles("chef")
    assert (await pizzeria.post("/orders", json=ORDER, headers=chef)).status_code == 403
    added = await pizzeria.post("/menu", json=PIZZA, headers=chef)
    assert (added.status_code, added.json()["item"]["id"]) == (201, "bufalina")
    again = await pizzeria.post("/menu", json=PIZZA, headers=chef)
    assert again.json()["item"]["id"] == "bufalina-2"
    changed = await pizzeria.patch("/menu/bufalina", json={"price_cents": 1350}, headers=chef)
    assert changed.json()["item"] == {**added.json()["item"], "price_cents": 1350}
    removed = await pizzeria.delete("/menu/bufalina", headers=chef)
    assert removed.json()["item"]["id"] == "bufalina"
    assert (await pizzeria.get("/menu/bufalina", headers=chef)).status_code == 404


@pytest.mark.parametrize(
    "lines", [[], [{"item_id": "margherita", "quantity": 0}], [{"quantity": 1}]], ids=["none", "zero", "nameless"]
)
async def test_an_order_that_makes_no_sense_is_told_so(
    pizzeria: httpx.AsyncClient, with_roles: Headers, lines: object
) -> None:
    refused = await pizzeria.post("/orders", json={"lines": lines}, headers=with_roles("customer"))
    assert refused.status_code == 422
    assert refused.json()["detail"].startswith("body.lines")


async def test_ordering_what_is_not_on_the_menu_names_it(pizzeria: httpx.AsyncClient, with_roles: Headers) -> None:
    order = {"lines": [{"item_id": "hawaii", "quantity": 1}]}
    refused = await pizzeria.post("/orders", json=order, headers=with_roles("customer"))
    assert refused.status_code == 404
    assert "hawaii" in refused.json()["detail"]
