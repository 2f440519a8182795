"""Both upstreams run as programs of their own, and describe themselves."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from seed.opening_hours.app import OpeningHoursSettings, create_opening_hours
from seed.pizzeria.app import PizzeriaSettings, create_pizzeria
from seed.ports import free_port

ROOT = Path(__file__).parents[2]


@contextmanager
def running(module: str, port: int) -> Iterator[str]:
    environment = {"PORT": str(port), "ISSUER": "http://127.0.0.1:9/realms/none"}
    with subprocess.Popen([sys.executable, "-m", module], cwd=ROOT, env=environment) as process:  # noqa: S603
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait(10)


@pytest.mark.parametrize(
    ("module", "operation"),
    [("seed.pizzeria", "get_menu_items"), ("seed.opening_hours", "get_opening_hours")],
)
def test_an_upstream_runs_alone(module: str, operation: str) -> None:
    with running(module, free_port()) as address:
        transport = httpx.HTTPTransport(retries=12)  # backs off until the process listens
        with httpx.Client(transport=transport, base_url=address, trust_env=False) as client:
            document = client.get("/openapi.json").json()
            assert client.get("/health").json() == {"status": "ok"}
    operations = [item["operationId"] for path in document["paths"].values() for item in path.values()]
    assert operation in operations


def test_operations_are_named_after_what_they_do() -> None:
    document = create_pizzeria(PizzeriaSettings()).openapi()
    assert {item["operationId"] for path in document["paths"].values() for item in path.values()} == {
        "get_menu_items",
        "get_menu_item",
        "add_menu_item",
        "update_menu_item",
        "remove_menu_item",
        "place_order",
        "list_orders",
        "get_order",
        "cancel_order",
        "set_order_status",
        "whoami",
    }


def test_every_operation_asks_for_a_token_and_documents_its_refusals() -> None:
    for app in (create_pizzeria(PizzeriaSettings()), create_opening_hours(OpeningHoursSettings())):
        for path in app.openapi()["paths"].values():
            for operation in path.values():
                assert operation["security"] == [{"HTTPBearer": []}]
                schema = operation["responses"]["401"]["content"]["application/json"]["schema"]
                assert schema == {"$ref": "#/components/schemas/Problem"}
