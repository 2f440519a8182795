"""What applications are shown that use a TypeScript SDK, 1.x or 2.x in each protocol era, or the Inspector."""

import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.main import create_app
from tests.api.probe import Probe
from tests.support.environments import Node, node_with
from tests.support.installation import EmbeddedIdentityProvider, RunningProvider, bearer, settings_for
from tests.support.servers import address_of, listener, running

FOLDER = Path(__file__).parent / "javascript"
SDKS = ("sdk", "client:legacy", "client:auto", "client:modern")
ERAS = ("legacy", "auto", "modern")
INSPECTOR = "node_modules/@modelcontextprotocol/inspector/clients/launcher/build/index.js"
SECONDS = 60
HUGE = 2**64  # as a number of JavaScript writes it, too: 18446744073709552000

pytestmark = pytest.mark.extended


@dataclass(frozen=True, slots=True)
class Application:
    """Programs in JavaScript that use a provider as the user johndoe."""

    node: Node
    mcp_url: str
    token: str

    def shown(self, sdk: str, *calls: tuple[str, dict[str, Any]]) -> tuple[list[str], list[dict[str, Any]]]:
        """Return the names of the tools, and what each call of a tool of the probe gave."""
        asked = json.dumps([[f"probe__{tool}", arguments] for tool, arguments in calls])
        tools, *results = self._run("client.mjs", sdk, self.mcp_url, self.token, asked)
        return tools, results

    def inspect(self, era: str, method: str, *options: str) -> dict[str, Any]:
        """Return what the Inspector prints."""
        server = ("--cli", "--server-url", self.mcp_url, "--transport", "http", "--protocol-era", era)
        header = ("--header", f"Authorization: Bearer {self.token}")
        return dict(self._run(INSPECTOR, *server, *header, "--method", method, *options))

    def _run(self, program: str, *arguments: str) -> Any:
        command = [str(self.node.program), program, *arguments]
        run = subprocess.run(command, cwd=self.node.home, capture_output=True, text=True, check=False, timeout=SECONDS)  # noqa: S603
        assert run.stdout, run.stderr
        return json.loads(run.stdout)


@pytest.fixture(scope="module")
def application(
    identity_provider: EmbeddedIdentityProvider, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Application]:
    probe = Probe()
    probe.tell("forbidden", 403, {"title": "Only chefs may read this."})
    probe.tell("down", 500, b"The oven is off.", content_type="text/plain")
    opened = listener()
    settings = settings_for(identity_provider, address_of(opened), tmp_path_factory.mktemp("provider"))
    agent, admin = (identity_provider.access_token(user) for user in ("johndoe", "manager"))
    with (
        running(probe.app) as api,
        running(create_app(settings), opened) as address,
        httpx.Client(base_url=address, trust_env=False, timeout=30) as http,
    ):
        document, credential = f"{api}/openapi.json", {"type": "none"}
        provider = RunningProvider(address, settings, http)
        provider.register(bearer(admin), document, slug="probe", upstream_auth=credential)
        yield Application(node_with(FOLDER), provider.mcp, agent)


@pytest.mark.parametrize("sdk", SDKS)
def test_an_application_is_shown_the_answer_or_the_cause(sdk: str, application: Application) -> None:
    tools, results = application.shown(
        sdk,
        ("echo", {"text": "margherita"}),
        ("as_told", {"name": "forbidden"}),
        ("pizza", {"name": "down"}),
        ("echo", {"number": "many"}),
        ("echo", {"number": HUGE}),
        ("nothing", {}),
    )
    assert "probe__echo" in tools
    answer, forbidden, down, many, huge, unknown = results
    assert answer["structuredContent"]["query"] == {"text": "margherita"}
    for result, cause in (
        (forbidden, "Only chefs may read this"),
        (many, "/number"),
        (huge, "more than 64 bits"),
        (down, "The oven is off."),
    ):
        assert result["isError"]
        assert cause in result["content"][0]["text"]
    assert "The oven is off." in down["structuredContent"]["other_answer"]  # all that some applications show
    assert "no tool with that name" in unknown["thrown"]


@pytest.mark.parametrize("era", ERAS)
def test_the_inspector_lists_tools_without_an_error_and_is_shown_the_cause(era: str, application: Application) -> None:
    listed = application.inspect(era, "tools/list", "--strict")
    assert "probe__pizza" in {tool["name"] for tool in listed["tools"]}
    for tool, argument, cause in (
        ("as_told", "name=forbidden", "Only chefs may read this"),
        ("echo", f"number={HUGE}", "more than 64 bits"),
        ("pizza", "name=down", "The oven is off."),
    ):
        shown = application.inspect(era, "tools/call", "--tool-name", f"probe__{tool}", "--tool-arg", argument)
        assert shown["isError"]
        assert cause in shown["content"][0]["text"]
    answer = application.inspect(era, "tools/call", "--tool-name", "probe__echo", "--tool-arg", "text=margherita")
    assert answer["structuredContent"]["query"] == {"text": "margherita"}
