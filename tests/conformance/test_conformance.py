"""The official conformance suite against a running provider, through its real authentication."""

import json
import re
import subprocess
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from app.main import create_app
from tests.conformance.fixture_api import create_fixture_api
from tests.conformance.front import SignedIn
from tests.support.environments import node_with
from tests.support.installation import EmbeddedIdentityProvider, RunningProvider, bearer, settings_for
from tests.support.servers import address_of, listener, running

FOLDER = Path(__file__).parent
NOT_OFFERED = tomllib.loads((FOLDER / "not_offered.toml").read_text("utf-8"))
REQUIREMENTS = ("2026-07-28", "2025-11-25")
SLUG = "fixtures"
SUITE_SECONDS = 300
NOT_PASSED = ("FAILURE", "WARNING")
SCENARIO = re.compile(r"(?:server-)?(?P<name>.+?)-\d{4}-\d\d-\d\dT[\d-]+Z")
FEWEST_PASSED = {"2026-07-28": 100, "2025-11-25": 40}  # of its checks, so that a suite that tried nothing is noticed

pytestmark = pytest.mark.extended


@dataclass(frozen=True, slots=True)
class Check:
    scenario: str
    id: str
    status: str

    @property
    def offered(self) -> bool:
        return self.scenario not in NOT_OFFERED["scenarios"] and self.id not in NOT_OFFERED["checks"]


@pytest.fixture(scope="module")
def address(identity_provider: EmbeddedIdentityProvider, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    opened = listener()
    settings = settings_for(identity_provider, address_of(opened), tmp_path_factory.mktemp("provider"))
    agent, admin = (bearer(identity_provider.access_token(user)) for user in ("johndoe", "manager"))
    with (
        running(create_fixture_api()) as api,
        running(SignedIn(create_app(settings), SLUG, agent), opened) as front,
        httpx.Client(base_url=front, trust_env=False, timeout=30) as http,
    ):
        document, credential = f"{api}/openapi.json", {"type": "none"}
        RunningProvider(front, settings, http).register(admin, document, slug=SLUG, upstream_auth=credential)
        yield front


@pytest.fixture(scope="module")
def checks(address: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Check]]:
    """What the suite says of each set of requirements."""
    node = node_with(FOLDER)
    suite = node.home / "node_modules" / "@modelcontextprotocol" / "conformance" / "dist" / "index.js"
    said = {}
    for requirements in REQUIREMENTS:
        folder = tmp_path_factory.mktemp("suite")
        asked = ["--url", f"{address}/mcp", "--requirements", requirements, "-o", str(folder)]
        command = [str(node.program), str(suite), "server", *asked]
        subprocess.run(command, capture_output=True, check=False, timeout=SUITE_SECONDS)  # noqa: S603 - 1: see checks
        said[requirements] = list(_read(folder))
    return said


def _read(folder: Path) -> Iterator[Check]:
    for file in folder.glob("*/checks.json"):
        found = SCENARIO.fullmatch(file.parent.name)
        assert found is not None, file.parent.name
        for check in json.loads(file.read_text("utf-8")):
            yield Check(found["name"], check["id"], check["status"])


@pytest.mark.parametrize("requirements", REQUIREMENTS)
def test_whatever_a_tools_server_offers_conforms(requirements: str, checks: dict[str, list[Check]]) -> None:
    failed = [check for check in checks[requirements] if check.status in NOT_PASSED and check.offered]
    assert failed == []
    passed = [check for check in checks[requirements] if check.status == "SUCCESS"]
    assert len(passed) >= FEWEST_PASSED[requirements]


def test_what_is_listed_as_not_offered_does_fail(checks: dict[str, list[Check]]) -> None:
    failed = [check for each in checks.values() for check in each if check.status in NOT_PASSED]
    assert {check.scenario for check in failed} >= NOT_OFFERED["scenarios"].keys()
    assert {check.id for check in failed} >= NOT_OFFERED["checks"].keys()
