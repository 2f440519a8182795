"""Runs the contract on both identity providers, and says at the end what ran on a real Keycloak."""

import os
from collections.abc import Generator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from seed.identity_provider import create_identity_provider
from seed.keycloak.distribution import KeycloakUnavailable
from seed.keycloak.server import running_keycloak
from tests.keycloak.administration import Administration, EmbeddedAdministration, KeycloakAdministration
from tests.keycloak.contract_realm import contract_realm
from tests.keycloak.wire import Wire
from tests.support.closing_lines import RAN_ON_KEYCLOAK, in_ci, why_no_keycloak
from tests.support.servers import running

HERE = Path(__file__).parent
REASON = pytest.StashKey[str]()
SIDES = ["embedded", pytest.param("keycloak", marks=pytest.mark.keycloak)]


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two identity providers."""

    name: str
    url: str
    administration: Administration
    version: str | None = None


@pytest.fixture(scope="session", params=SIDES)
def side(request: pytest.FixtureRequest, pytestconfig: pytest.Config) -> Generator[Side]:
    if request.param == "embedded":
        with _embedded() as embedded:
            yield embedded
        return
    with ExitStack() as running_server:
        try:
            keycloak = running_server.enter_context(_keycloak())
        except KeycloakUnavailable as unavailable:
            pytestconfig.stash[REASON] = str(unavailable)
        if REASON in pytestconfig.stash:
            refuse = pytest.fail if in_ci() else pytest.skip
            refuse(f"The contract must run on a real Keycloak: {pytestconfig.stash[REASON]}")
        yield keycloak


@contextmanager
def _embedded() -> Generator[Side]:
    export = contract_realm()
    app = create_identity_provider(export)
    with running(app) as url:
        yield Side("embedded", url, EmbeddedAdministration(app.state.identity_provider, export))


@contextmanager
def _keycloak() -> Generator[Side]:
    """The server of `KEYCLOAK_URL` with the contract's realm for a while, else one of our own."""
    if url := os.environ.get("KEYCLOAK_URL", "").rstrip("/"):
        user = os.environ.get("KC_BOOTSTRAP_ADMIN_USERNAME", "admin")
        password = os.environ.get("KC_BOOTSTRAP_ADMIN_PASSWORD", "admin")
        with closing(KeycloakAdministration(url, user, password)) as there, there.imported(contract_realm()):
            yield Side("keycloak", url, there, there.version())
        return
    with (
        running_keycloak(contract_realm()) as server,
        closing(KeycloakAdministration(server.url, server.admin, server.admin_password)) as administration,
    ):
        yield Side("keycloak", server.url, administration, administration.version())


@pytest.fixture(autouse=True)
def _told_of(request: pytest.FixtureRequest) -> None:
    if "side" in request.fixturenames and (version := request.getfixturevalue("side").version):
        request.node.user_properties.append((RAN_ON_KEYCLOAK, version))


@pytest.fixture(scope="module")
def wire(side: Side) -> Generator[Wire]:
    speaker = Wire(side.url)
    yield speaker
    speaker.close()


@pytest.fixture(scope="module")
def agent_token(wire: Wire) -> str:
    """A token of johndoe that every requester but the outsider may exchange."""
    return wire.agent_token()


@pytest.fixture(scope="module")
def administration(side: Side) -> Administration:
    return side.administration


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Where there is no Keycloak and need not be one, a line at the end stands for all that cannot run."""
    if why_no_keycloak() is not None:
        there = [item for item in items if item.path.is_relative_to(HERE) and item.get_closest_marker("keycloak")]
        config.hook.pytest_deselected(items=there)
        items[:] = [item for item in items if item not in set(there)]
