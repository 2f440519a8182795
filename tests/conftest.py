"""What tests share: databases, and the parts of a real installation over real HTTP."""

from collections.abc import AsyncGenerator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, settings
from hypothesis.internal.conjecture import engine
from xdist.scheduler import LoadScopeScheduling

from app.database import Database
from app.main import create_app
from seed.identity_provider import create_identity_provider
from seed.keycloak import read_realm
from seed.pizzeria.app import PizzeriaSettings, create_pizzeria
from tests.support.closing_lines import closing_lines
from tests.support.databases import PostgresqlCluster, postgresql_cluster, postgresql_programs
from tests.support.installation import EmbeddedIdentityProvider, Headers, RunningProvider, Token, bearer, settings_for
from tests.support.servers import address_of, listener, running

SHRINK_SECONDS = 20  # a counterexample is made smaller for at most that long; by itself Hypothesis takes minutes

settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])  # for busy machines
settings.load_profile("patient")
engine.MAX_SHRINKING_SECONDS = SHRINK_SECONDS  # there is no setting for it

TOGETHER = {"keycloak": "keycloak"}  # folders that share an expensive server


class Scheduling(LoadScopeScheduling):  # type: ignore[misc]
    """Shares the tests among processes: modules stay whole, and together what belongs together."""

    def _split_scope(self, nodeid: str) -> str:
        module = nodeid.partition("::")[0]
        return TOGETHER.get(module.split("/")[1], module)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Scheduling:
    return Scheduling(config, log)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for line in closing_lines(terminalreporter):
        terminalreporter.write_line(line)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PostgresqlCluster]:
    programs = postgresql_programs()
    if programs is None:
        pytest.skip("PostgreSQL is not installed here; what uses the database was tried on SQLite only.")
    with postgresql_cluster(programs) as cluster:
        yield cluster


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.extended)])
async def database_url(request: pytest.FixtureRequest, anyio_backend: str, tmp_path: Path) -> str:
    """An empty database of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/data/test.db"
    cluster: PostgresqlCluster = request.getfixturevalue("postgresql")
    return await cluster.new_database()


@pytest.fixture
async def database(database_url: str) -> AsyncGenerator[Database]:
    """A migrated database of each kind."""
    database = Database(database_url)
    await database.migrate()
    yield database
    await database.dispose()


@pytest.fixture(scope="session")
def identity_provider() -> Iterator[EmbeddedIdentityProvider]:
    lasting = {"accessTokenLifespan": 3600}  # seconds; the tokens of a session's users are signed in for once
    app = create_identity_provider({**read_realm(), **lasting})
    with running(app) as address:
        yield EmbeddedIdentityProvider(address, app.state.identity_provider)


@pytest.fixture(scope="session")
def pizzeria(identity_provider: EmbeddedIdentityProvider) -> Iterator[str]:
    keys = f"{identity_provider.issuer}/protocol/openid-connect/certs"
    with running(create_pizzeria(PizzeriaSettings(issuer=identity_provider.issuer, jwks_uri=keys))) as address:
        yield address


@pytest.fixture(scope="module")
def overrides() -> dict[str, Any]:
    """Settings in which the provider of a test module differs."""
    return {}


@pytest.fixture(scope="module")
def provider(
    identity_provider: EmbeddedIdentityProvider, tmp_path_factory: pytest.TempPathFactory, overrides: dict[str, Any]
) -> Iterator[RunningProvider]:
    opened = listener()
    settings = settings_for(identity_provider, address_of(opened), tmp_path_factory.mktemp("provider"), **overrides)
    with (
        running(create_app(settings), opened) as address,
        httpx.Client(base_url=address, trust_env=False, timeout=30) as http,
    ):
        yield RunningProvider(address, settings, http)


@pytest.fixture(scope="session")
def token(identity_provider: EmbeddedIdentityProvider) -> Token:
    """Access tokens of users, by their names."""
    kept: dict[str, str] = {}

    def token_of(username: str) -> str:
        if username not in kept:
            kept[username] = identity_provider.access_token(username)
        return kept[username]

    return token_of


@pytest.fixture(scope="session")
def admin(token: Token) -> Headers:
    return bearer(token("admin"))
