"""Runs the contract on both identity providers, and says at the end what ran on a real Keycloak."""

import os
from collections.abc import Generator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from seed.identity_provider import create_identity_provider
from seed.keycloak.distribution import KeycloakUnavailable, missing_programs
from seed.keycloak.server import running_keycloak
from tests.keycloak.administration import Administration, EmbeddedAdministration, KeycloakAdministration
from tests.keycloak.contract_realm import contract_realm
from tests.keycloak.wire import Wire
from tests.servers import running

HERE = Path(__file__).parent
VERSION = pytest.StashKey[str]()
REASON = pytest.StashKey[str]()
SIDES = ["embedded", pytest.param("keycloak", marks=[pytest.mark.keycloak, pytest.mark.timeout(300)])]


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two identity providers."""

    name: str
    url: str
    administration: Administration


@pytest.fixture(scope="session", params=SIDES)
def side(request: pytest.FixtureRequest, pytestconfig: pytest.Config) -> Generator[Side]:
    if request.param == "embedded":
        with _embedded() as embedded:
            yield embedded
        return
    with ExitStack() as running_server:
        try:
            keycloak = running_server.enter_context(_keycloak(pytestconfig))
        except KeycloakUnavailable as unavailable:
            pytestconfig.stash[REASON] = str(unavailable)
        if REASON in pytestconfig.stash:
            refuse = pytest.fail if in_ci() else pytest.skip
            refuse(f"The contract must run on a real Keycloak: {pytestconfig.stash[REASON]}")
        yield keycloak


def in_ci() -> bool:
    return os.environ.get("CI") == "true"


@contextmanager
def _embedded() -> Generator[Side]:
    export = contract_realm()
    app = create_identity_provider(export)
    with running(app) as url:
        yield Side("embedded", url, EmbeddedAdministration(app.state.identity_provider, export))


@contextmanager
def _keycloak(config: pytest.Config) -> Generator[Side]:
    """The server of `KEYCLOAK_URL` with the contract's realm for a while, else one of our own."""
    if url := os.environ.get("KEYCLOAK_URL", "").rstrip("/"):
        user = os.environ.get("KC_BOOTSTRAP_ADMIN_USERNAME", "admin")
        password = os.environ.get("KC_BOOTSTRAP_ADMIN_PASSWORD", "admin")
        with closing(KeycloakAdministration(url, user, password)) as there, there.imported(contract_realm()):
            config.stash[VERSION] = there.version()
            yield Side("keycloak", url, there)
        return
    with (
        running_keycloak(contract_realm()) as server,
        closing(KeycloakAdministration(server.url, server.admin, server.admin_password)) as administration,
    ):
        config.stash[VERSION] = administration.version()
        yield Side("keycloak", server.url, administration)


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
    missing = () if os.environ.get("KEYCLOAK_URL") or in_ci() else missing_programs()
    if missing:
        config.stash[REASON] = f"it needs {' and '.join(missing)} on the PATH, or KEYCLOAK_URL"
        there = [item for item in items if item.path.is_relative_to(HERE) and item.get_closest_marker("keycloak")]
        config.hook.pytest_deselected(items=there)
        items[:] = [item for item in items if item not in set(there)]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    ran = [
        report
        for outcome in ("passed", "failed", "error")
        for report in terminalreporter.getreports(outcome)
        if isinstance(report, pytest.TestReport) and report.when == "call" and "keycloak" in report.keywords
    ]
    on_it = sum("[keycloak" in report.nodeid for report in ran)
    if VERSION in config.stash:
        terminalreporter.write_line(f"Keycloak {config.stash[VERSION]}: {on_it} tests of the contract ran on it")
    elif REASON in config.stash:
        terminalreporter.write_line(f"The contract did not run on a real Keycloak: {config.stash[REASON]}")
