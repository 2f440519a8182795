"""docs/guide/your-first-api.md and README.md: every command is run as it stands, and answers what the page shows."""

import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.compose.processes import BIN, Composition, answers, inherited, process
from tests.docs.pages import ROOT, blocks, text_of

GUIDE = ROOT / "docs/guide/your-first-api.md"
README = ROOT / "README.md"
SERVER = "http://localhost:8040"  # the default of the commands, which is elsewhere here
END = "--- the end of a block ---"
NAMES = {"dev-idp": "localhost:8041", "seed.pizzeria": "localhost:8000", "serve": "localhost:8040"}
DISCOVERY = "http://localhost:8041/realms/tools-provider/.well-known/openid-configuration"
READY = {"dev-idp": DISCOVERY, "seed.pizzeria": "http://localhost:8000/health", "serve": "http://localhost:8040/ready"}

pytestmark = pytest.mark.skipif(
    not (shutil.which("jq") and shutil.which("curl")), reason="the guide's commands need jq and curl"
)


def started(line: str, here: Composition) -> tuple[str, list[str], dict[str, str]]:
    """The name of a command of the guide, the command and its environment, on ports that are free here."""
    words = shlex.split(here.moved(line))
    stated = dict(word.split("=", 1) for word in words if re.match(r"[A-Z_]+=", word))
    command = [str(BIN / Path(word).name) if word.startswith(".venv/bin/") else word for word in words[len(stated) :]]
    name = next(name for name in NAMES if name in command)
    port = here.addresses[NAMES[name]].rpartition(":")[2]
    moved = {
        "PORT": port,
        "PUBLIC_URL": here.moved("http://localhost:8040"),
        "KEYCLOAK_URL": here.moved("http://localhost:8041"),
        "ISSUER": here.moved("http://localhost:8041/realms/tools-provider"),
        "PYTHONPATH": str(ROOT),
    }
    return name, [*command, *(["--port", port] if name == "dev-idp" else [])], inherited() | moved | stated


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Composition]:
    """The three parts of the guide, started by its own commands."""
    composition = Composition(tmp_path)
    for address in NAMES.values():
        composition.place(address)
    [script] = blocks(GUIDE, "sh")
    lines = [line for line in script.replace("\\\n", " ").splitlines() if line and not line.startswith("#")]
    assert len(lines) == len(NAMES)
    with ExitStack() as running:
        for line in lines:
            name, command, environment = started(line, composition)
            running.enter_context(process(command, environment, tmp_path, answers(composition.moved(READY[name]))))
        yield composition


def steps(page: Path) -> list[tuple[str, str | None]]:
    """The scripts of a page, each with the output that the page shows after it, if any."""
    fences = re.findall(r"^```(\w*)\n(.*?)^```", text_of(page), re.MULTILINE | re.DOTALL)
    following = [*fences[1:], ("", "")]
    return [
        (script, shown if kind in {"text", "json"} else None)
        for (language, script), (kind, shown) in zip(fences, following, strict=True)
        if language == "bash"
    ]


def outputs(scripts: list[str], here: Composition) -> list[str]:
    """What each script prints, all run in one shell."""
    joined = "\n".join(f"{script}\necho '{END}'" for script in scripts)
    moved = here.moved(re.sub(r"(tools-provider (?:register|call)) ", rf"\1 --server {SERVER} ", joined))
    run = subprocess.run(  # noqa: S603
        ["bash", "-euo", "pipefail", "-c", moved.replace(".venv/bin/", f"{BIN}{os.sep}")],  # noqa: S607
        cwd=here.folder, env=inherited(), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stdout + run.stderr
    return run.stdout.split(f"{END}\n")[:-1]


def as_pattern(shown: str) -> str:
    """What a page shows as a pattern: `…` stands for anything, and how things are spaced is of no account."""
    return r"\s*".join(
        ".*?".join(map(re.escape, word.split("…"))) for word in re.sub(r"([\[\]{},])", r" \1 ", shown).split()
    )


@pytest.mark.parametrize(
    "page", [pytest.param(GUIDE, id="guide", marks=pytest.mark.extended), pytest.param(README, id="README")]
)
def test_every_command_answers_what_the_page_shows(page: Path, here: Composition) -> None:
    told = steps(page)
    assert len(told) >= 1
    printed = outputs([script for script, _ in told], here)
    for (script, shown), output in zip(told, printed, strict=True):
        if shown is not None:
            assert re.fullmatch(rf"\s*{as_pattern(here.moved(shown))}\s*", output, re.DOTALL), f"{script}\n{output}"
