"""What docker-compose.yml runs, run: one delegated call through the same commands with the same environment."""

import base64
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from seed.keycloak.distribution import KeycloakUnavailable, built_distribution
from tests.compose.description import ROOT, services
from tests.compose.processes import Composition, need_postgres, provider, running
from tests.docs.pages import blocks

ISSUERS = [
    pytest.param(False, id="embedded issuer", marks=pytest.mark.extended),
    pytest.param(True, id="Keycloak", marks=pytest.mark.deep),
]


def keycloak_home() -> Path:
    try:
        return built_distribution()
    except KeycloakUnavailable as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module", params=ISSUERS)
def composition(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Composition]:
    need_postgres()
    home = keycloak_home() if request.param else None
    with running(tmp_path_factory.mktemp("compose"), home) as started, provider(started):
        yield started


class Client:
    """A user at the published ports."""

    def __init__(self, composition: Composition, user: str) -> None:
        self.api = f"http://{composition.addresses['localhost:8040']}"
        form = {
            "grant_type": "password",
            "client_id": "tools-provider-frontend",
            "username": user,
            "password": "password",
        }
        answer = httpx.post(
            f"http://{composition.addresses['localhost:8041']}/realms/tools-provider/protocol/openid-connect/token",
            data=form,
            trust_env=False,
        )
        self.token: str = answer.raise_for_status().json()["access_token"]
        payload = self.token.split(".")[1]
        self.claims: dict[str, Any] = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))

    def request(self, method: str, path: str, body: Any = None) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self.token}"}
        return httpx.request(method, f"{self.api}{path}", json=body, headers=headers, timeout=30, trust_env=False)

    def execute(self, tool_id: str) -> dict[str, Any]:
        answer = self.request("POST", "/api/v1/tools/execute", {"tool_id": tool_id, "arguments": {}})
        called: dict[str, Any] = answer.raise_for_status().json()
        return called


@pytest.fixture
def source(composition: Composition) -> dict[str, Any]:
    admin = Client(composition, "admin")
    found = admin.request("GET", "/api/v1/sources/pizzeria-backend")
    if found.status_code == 200:
        known: dict[str, Any] = found.json()
        return known
    address = composition.addresses["pizzeria:8000"]
    described = {
        "name": "Pizzeria Backend API",
        "url": f"http://{address}/openapi.json",
        "source_type": "openapi",
        "default_audience": "pizzeria-backend",
    }
    answer = admin.request("POST", "/api/v1/sources", described)
    assert answer.status_code == 201, answer.text
    registered: dict[str, Any] = answer.json()
    return registered


def test_a_call_reaches_the_upstream_as_the_user_with_an_exchanged_token(
    composition: Composition, source: dict[str, Any]
) -> None:
    user = Client(composition, "johndoe")
    called = user.execute(f"{source['slug']}/get_menu_items")
    seen = called["result"]["called_by"]
    assert not called["is_error"]
    assert (seen["sub"], seen["azp"], seen["aud"]) == (
        user.claims["sub"],
        "tools-provider-token-exchange",
        ["pizzeria-backend"],
    )


@pytest.mark.skipif(not (shutil.which("jq") and shutil.which("curl")), reason="the guide's commands need jq and curl")
def test_the_commands_of_the_keycloak_guide_do_what_it_says(composition: Composition) -> None:
    Client(composition, "admin").request("DELETE", "/api/v1/sources/pizzeria-backend")
    script = composition.moved("\n".join(blocks(ROOT / "docs/guide/keycloak.md", "bash")))
    run = subprocess.run(["bash", "-euc", script], capture_output=True, text=True, check=False)  # noqa: S603, S607
    assert run.returncode == 0, run.stderr
    agent_token, exchange, registered, called, passed_through, exchanged_again = printed(run.stdout)
    assert "tools-provider-token-exchange" in agent_token["aud"]
    assert exchange["issued_token_type"] == "urn:ietf:params:oauth:token-type:access_token"
    assert (registered["slug"], registered["operations"]["skipped"]) == ("pizzeria-backend", 0)
    assert called["result"]["called_by"]["sub"] == agent_token["sub"]
    assert (passed_through, exchanged_again) == ({"type": "passthrough"}, {"type": "token_exchange"})


def printed(text: str) -> list[Any]:
    """The JSON values that commands printed one after another."""
    values, decoder, text = [], json.JSONDecoder(), text.strip()
    while text:
        value, end = decoder.raw_decode(text)
        values.append(value)
        text = text[end:].lstrip()
    return values


def test_tokens_carry_the_published_address_as_issuer(composition: Composition) -> None:
    issuer = f"http://{composition.addresses['localhost:8041']}/realms/tools-provider"
    assert Client(composition, "johndoe").claims["iss"] == issuer


def test_what_was_registered_and_called_outlives_the_process(composition: Composition, source: dict[str, Any]) -> None:
    Client(composition, "johndoe").execute(f"{source['slug']}/get_menu_items")
    elsewhere = Composition(composition.folder, dict(composition.addresses))
    for address in ("localhost:8040", "127.0.0.1:8040"):
        del elsewhere.addresses[address]
    elsewhere.place("localhost:8040")
    with provider(elsewhere):
        again = Client(elsewhere, "johndoe").execute(f"{source['slug']}/get_menu_items")
        records = Client(elsewhere, "admin").request("GET", "/api/v1/audit?limit=100").raise_for_status().json()
    assert not again["is_error"]
    kinds = [record["kind"] for record in records["items"]]
    assert kinds.count("call") >= 2
    written = (composition.folder / "audit.jsonl").read_text(encoding="utf-8").splitlines()
    assert {json.loads(line)["kind"] for line in written} >= {"admin", "call", "exchange"}


@pytest.mark.parametrize("name", ["pizzeria", "provider"])
def test_the_health_check_tells_a_service_that_answers_from_one_that_does_not(
    composition: Composition, name: str
) -> None:
    _, program, *arguments = services()[name]["healthcheck"]["test"]
    assert program == "python"
    healthy = [sys.executable, *(composition.moved(argument) for argument in arguments)]
    nobody = Composition(composition.folder)
    for address in ("127.0.0.1:8000", "127.0.0.1:8040"):
        nobody.place(address)
    sick = [sys.executable, *(nobody.moved(argument) for argument in arguments)]
    assert subprocess.run(healthy, check=False).returncode == 0  # noqa: S603
    assert subprocess.run(sick, check=False, stderr=subprocess.DEVNULL).returncode != 0  # noqa: S603


def keycloak_health_check(port: str) -> int:
    check = [
        part.replace("127.0.0.1/9000", f"127.0.0.1/{port}") for part in services()["keycloak"]["healthcheck"]["test"]
    ]
    return subprocess.run(check[1:], check=False, stderr=subprocess.DEVNULL).returncode  # noqa: S603


def test_keycloaks_health_check_reads_the_status_of_the_management_port(composition: Composition) -> None:
    # With the embedded issuer, the provider stands in for the management port: 404 is no health.
    management = composition.addresses.get("127.0.0.1:9000")
    if management:
        assert keycloak_health_check(management.rpartition(":")[2]) == 0
    else:
        assert keycloak_health_check(composition.addresses["127.0.0.1:8040"].rpartition(":")[2]) != 0
