"""The configurations of docs/guide/connect-an-agent.md that are Python programs, run as they stand against the demo."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.demo.staying import ROOT, Demo, staying_demo
from tests.support.environments import python_with

LOCKS = Path(__file__).parent / "locks"
OURS = {"mcp"}  # what needs nothing beyond our own environment
GUIDE = ROOT / "docs" / "guide" / "connect-an-agent.md"
PROGRAM = re.compile(
    r"^```python\n# (?P<requirement>[\w.-]+)(?:\[[\w,]+\])?\n(?P<code>.*?)^```$", re.MULTILINE | re.DOTALL
)
PROGRAMS = {found["requirement"]: found["code"] for found in PROGRAM.finditer(GUIDE.read_text(encoding="utf-8"))}


pytestmark = pytest.mark.extended


@pytest.fixture(scope="module")
def demo() -> Iterator[Demo]:
    with staying_demo() as demo:
        yield demo


@pytest.fixture(scope="module")
def token(demo: Demo) -> str:
    script = f"{demo.token_command}\necho $TOKEN"
    return subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True).stdout.strip()  # noqa: S603, S607


def test_the_guide_has_a_program_for_every_python_framework() -> None:
    assert set(PROGRAMS) == {"langchain-mcp-adapters", "openai-agents", "pydantic-ai-slim", "mcp"}


@pytest.fixture
def python(framework: str) -> Path:
    """What has the framework."""
    return Path(sys.executable) if framework in OURS else python_with(LOCKS / f"{framework}.txt")


@pytest.mark.parametrize("framework", sorted(PROGRAMS))
def test_a_program_of_the_guide_lists_the_tools_and_reads_the_menu(
    framework: str, python: Path, demo: Demo, token: str, tmp_path: Path
) -> None:
    program = tmp_path / "program.py"
    program.write_text(PROGRAMS[framework], encoding="utf-8")
    environment = {**os.environ, "TOOLS_PROVIDER_TOKEN": token, "TOOLS_PROVIDER_URL": demo.mcp_url}
    run = subprocess.run(  # noqa: S603
        [python, program], env=environment, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    tools, menu = run.stdout.split("\n", 1)
    assert "'pizzeria-backend__place_order'" in tools
    assert "opening-hours__get_opening_hours" in tools
    assert "Margherita" in menu
    assert "pizzeria-backend" in menu  # the audience of the token that the pizzeria verified
    assert "rocket-salad" not in menu
