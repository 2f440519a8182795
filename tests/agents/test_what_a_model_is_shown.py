"""The cause of every failure reaches the model, through what each framework makes of our answers."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.agents import programs
from tests.api.probe import Probe
from tests.support.environments import python_with
from tests.support.installation import Headers, RunningProvider, Token, bearer
from tests.support.servers import running

LOCKS = Path(__file__).parent / "locks"
SECONDS = 300

FRAMEWORKS: dict[str, tuple[str | None, str]] = {  # the lock of its environment, none for our own; its program
    "mcp 2": (None, programs.MCP_2),
    "mcp 2, structured content alone": (None, programs.MCP_2_STRUCTURED),
    "mcp 1": ("langchain-mcp-adapters", programs.MCP_1),
    "langchain": ("langchain-mcp-adapters", programs.LANGCHAIN),
    "openai-agents": ("openai-agents", programs.OPENAI_AGENTS),
    "pydantic-ai": ("pydantic-ai-slim", programs.PYDANTIC_AI),
    "fastmcp": ("pydantic-ai-slim", programs.FASTMCP),
}
ON_MCP_1 = {"mcp 1", "langchain"}  # an HTTP status from 400 on ends their session, whatever the body says
TEXT_ALONE = {"wrong argument", "huge integer", "number too large"}  # refusals have no structured content
KNOW_LISTED_TOOLS_ONLY = {"langchain", "pydantic-ai"}

GOOD = ("probe__echo", {"text": "all is well"})
CALLS: dict[str, tuple[str | None, dict[str, Any]]] = {
    "list": (None, {}),
    "call": GOOD,
    "403 of the API": ("probe__as_told", {"name": "forbidden"}),
    "wrong argument": ("probe__echo", {"txt": "x"}),
    "huge integer": ("probe__echo", {"number": 10**24}),
    "unknown tool": ("probe__nope", {}),
    "error in words": ("probe__pizza", {"name": "cold"}),
    "nothing": ("probe__pizza", {"name": "gone"}),
    "redirect": ("probe__pizza", {"name": "moved"}),
    "long integer": ("probe__as_told", {"name": "long"}),
    "missing scope": ("scoped__echo", {}),
}
CAUSES = {
    "list": "probe__pizza",
    "call": "all is well",
    "403 of the API": "This needs the role chef",
    "wrong argument": "did you mean 'text'?",
    "huge integer": "more than 64 bits",
    "unknown tool": "List the tools",
    "error in words": "The oven is cold.",
    "nothing": "204",
    "redirect": "https://elsewhere.example/menu",
    "long integer": "123456789012345678901234567890",
    "missing scope": "orders:write",
}

pytestmark = pytest.mark.extended


@pytest.fixture(scope="module")
def probe(provider: RunningProvider, admin: Headers) -> Iterator[Probe]:
    probe = Probe()
    probe.tell("forbidden", 403, {"detail": "This needs the role chef."})
    probe.tell("cold", 400, b"The oven is cold.", content_type="text/plain")
    probe.tell("gone", 204, b"")
    probe.tell("moved", 302, b"<h1>Sign in</h1>", content_type="text/html", location="https://elsewhere.example/menu")
    probe.tell("long", 200, {"id": 123456789012345678901234567890})
    with running(probe.app) as address:
        provider.register(admin, f"{address}/openapi.json", slug="probe")
        provider.register(admin, f"{address}/openapi.json", slug="scoped", required_scopes=["orders:write"])
        yield probe


def told(framework: str, provider: RunningProvider, headers: Headers) -> dict[str, str]:
    lock, program = FRAMEWORKS[framework]
    python = Path(sys.executable) if lock is None else python_with(LOCKS / f"{lock}.txt")
    given = {"url": provider.mcp, "headers": headers, "calls": CALLS, "good": GOOD}
    run = subprocess.run(  # noqa: S603
        [python, "-c", programs.FRAME.format(program=program)],
        input=json.dumps(given),
        capture_output=True,
        text=True,
        check=False,
        timeout=SECONDS,
    )
    assert run.returncode == 0, run.stderr
    return dict(json.loads(run.stdout.splitlines()[-1]))


@pytest.mark.usefixtures("probe")
@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_what_a_model_is_shown_contains_the_cause(provider: RunningProvider, token: Token, framework: str) -> None:
    shown = told(framework, provider, bearer(token("johndoe")))
    expected = dict(CAUSES)
    if framework in ON_MCP_1:
        del expected["missing scope"]
    if framework in KNOW_LISTED_TOOLS_ONLY:
        del expected["unknown tool"]
    if framework == "mcp 2, structured content alone":
        expected = {label: cause for label, cause in expected.items() if label not in TEXT_ALONE}
    assert {label: shown[label] for label, cause in expected.items() if cause not in shown[label]} == {}
    after = {label: shown.get(f"again after {label}") for label in expected}
    assert {label: text for label, text in after.items() if text is None or "all is well" not in text} == {}
