"""Keycloak's admin API by its OpenAPI document, on a real Keycloak: an admin's agent manages users and roles."""

import os
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.responses import FileResponse
from starlette.routing import Route

from app.main import create_app
from app.settings import Settings
from seed.keycloak import read_realm
from seed.keycloak.distribution import missing_programs
from seed.keycloak.server import RunningKeycloak, running_keycloak
from tests.api.protocol import client_of
from tests.openapi.corpus import named
from tests.real_apis.conftest import Server, as_answered
from tests.support.installation import AGENT_CLIENT, EXCHANGE_SECRET, PASSWORD, Headers, RunningProvider, bearer
from tests.support.servers import address_of, listener, running

pytestmark = [pytest.mark.anyio, pytest.mark.deep, pytest.mark.keycloak, pytest.mark.timeout(600)]
REALM = "tools-provider"


@pytest.fixture(scope="module")
def keycloak() -> Iterator[RunningKeycloak]:
    """A Keycloak whose user `admin` may administer the realm, with tokens that say so."""
    if missing := missing_programs():
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(f"Keycloak needs {' and '.join(missing)}")
    realm = read_realm()
    for user in realm["users"]:
        if user["username"] == "admin":
            user["clientRoles"] = {**user.get("clientRoles", {}), "realm-management": ["realm-admin"]}
    for client in realm["clients"]:
        if client["clientId"] == AGENT_CLIENT:
            client["fullScopeAllowed"] = True
    with running_keycloak(realm) as server:
        yield server


@pytest.fixture(scope="module")
def admin_of_the_realm(keycloak: RunningKeycloak) -> Headers:
    form = {"grant_type": "password", "client_id": AGENT_CLIENT, "username": "admin", "password": PASSWORD}
    url = f"{keycloak.url}/realms/{REALM}/protocol/openid-connect/token"
    answer = httpx.post(url, data=form, trust_env=False, timeout=60)  # the first one of a server takes its time
    return bearer(answer.raise_for_status().json()["access_token"])


@pytest.fixture(scope="module")
def before_keycloak(keycloak: RunningKeycloak, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningProvider]:
    opened = listener()
    settings = Settings(
        _env_file=None,
        keycloak_url=keycloak.url,
        token_exchange_client_secret=EXCHANGE_SECRET,
        public_url=address_of(opened),
        database_url=f"sqlite:///{tmp_path_factory.mktemp('provider') / 'tools-provider.db'}",
        allowed_upstreams=("127.0.0.0/8",),
    )
    with (
        running(create_app(settings), opened) as address,
        httpx.Client(base_url=address, trust_env=False, timeout=60) as http,
    ):
        yield RunningProvider(address, settings, http)


@pytest.fixture(scope="module")
def names(
    keycloak: RunningKeycloak, before_keycloak: RunningProvider, admin_of_the_realm: Headers
) -> Iterator[dict[tuple[str, str], str]]:
    """The tools of the admin API, which takes the agent's own token, by method and path."""
    document = named("keycloak-admin").path
    app = Starlette(routes=[Route("/document.json", lambda _: FileResponse(document))])
    with running(app) as address:
        registered = before_keycloak.register(
            admin_of_the_realm, f"{address}/document.json", slug="keycloak", base_url=f"{keycloak.url}/admin/realms"
        )
        assert registered["operations"]["skipped"] == 0
        yield {(tool["method"], tool["path"]): tool["name"] for tool in registered["tools"]}


@pytest.fixture(scope="module")
def directly(keycloak: RunningKeycloak, admin_of_the_realm: Headers) -> Iterator[Server]:
    """The way around us, to see what a call did."""
    url = f"{keycloak.url}/admin/realms/{REALM}"
    with httpx.Client(base_url=url, headers=admin_of_the_realm, trust_env=False, timeout=60) as http:
        yield Server(url, http)


async def test_an_agent_manages_users_and_roles(
    names: dict[tuple[str, str], str],
    before_keycloak: RunningProvider,
    admin_of_the_realm: Headers,
    directly: Server,
) -> None:
    async def call(method: str, path: str, **arguments: Any) -> Any:
        tool = names[method, f"/{{realm}}{path}"]
        async with client_of(before_keycloak, admin_of_the_realm, "auto") as client:
            result = await client.call_tool(tool, {"realm": REALM, **arguments})
        assert not result.is_error, result.content
        return as_answered(result.structured_content)

    users = await call("GET", "/users", username="johndoe", exact="true")
    assert [user["username"] for user in users] == ["johndoe"]
    before = await call("GET", "/users/count")
    await call(
        "POST", "/users", username="luigi", enabled=True, email="luigi@example.com", attributes={"shop": ["north"]}
    )
    assert await call("GET", "/users/count") == before + 1
    (luigi,) = await call("GET", "/users", username="luigi", exact="true")
    await call("PUT", "/users/{id}", id=luigi["id"], firstName="Luigi", lastName="Rossi")
    await call("POST", "/roles", name="pizzaiolo", description="Bakes")
    role = await call("GET", "/roles/{role-name}", **{"role-name": "pizzaiolo"})
    assert role["description"] == "Bakes"
    await call("POST", "/groups", name="kitchen")
    (group,) = await call("GET", "/groups", search="kitchen")
    path = {"id": luigi["id"], "groupId": group["id"]}
    await call("PUT", "/users/{id}/groups/{groupId}", **path)

    assert [each["name"] for each in directly.http.get(f"/users/{luigi['id']}/groups").json()] == ["kitchen"]
    await call("DELETE", "/users/{id}", id=luigi["id"])
    assert directly.http.get(f"/users/{luigi['id']}").status_code == 404
