"""What `make` installs where nothing is: no environment, an empty home, nothing cached; with each pip in use."""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from tests.locks.conftest import make_environment
from tests.support.environments import ROOT

pytestmark = [pytest.mark.extended, pytest.mark.timeout(1_500)]

NEEDED = (
    "Makefile",
    "install.py",
    "pyproject.toml",
    "requirements.lock",
    "requirements-dev.lock",
    "README.md",
    "LICENSE",
)
PYTHON = f"{sys.base_prefix}/bin/python{sys.version_info[0]}.{sys.version_info[1]}"


@pytest.fixture
def clone(pip: Path | None, tmp_path: Path) -> Path:
    """A clone with nothing prepared, but for a pip that Python does not bring."""
    folder = tmp_path / "clone"
    folder.mkdir()
    for name in NEEDED:
        shutil.copy(ROOT / name, folder)
    for name in ("app", "seed"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    if pip is not None:
        make_environment(folder / ".venv", pip)
    return folder


def make(target: str, clone: Path, **settings: str) -> subprocess.CompletedProcess[str]:
    """Run `make` with a home in which nothing is."""
    home = Path(tempfile.mkdtemp(prefix="home-", dir=clone.parent))
    ours = {name: value for name, value in os.environ.items() if not name.startswith(("XDG_", "MAKE", "MFLAGS"))}
    environment = {**ours, "HOME": str(home), "PIP_NO_CACHE_DIR": "1", **settings}
    command = ["make", target, f"PYTHON={PYTHON}"]
    return subprocess.run(command, cwd=clone, env=environment, capture_output=True, text=True, check=False)  # noqa: S603


def said_by(program: str, clone: Path) -> str:
    command = [str(clone / ".venv" / "bin" / program), "--help"]
    return subprocess.run(command, cwd=clone, capture_output=True, text=True, check=True).stdout  # noqa: S603


def test_both_steps_install_what_they_promise_also_after_a_failure(clone: Path) -> None:
    failed = make("install", clone, PIP_NO_INDEX="1", PIP_FIND_LINKS="")
    assert failed.returncode != 0
    assert "No matching distribution found" in failed.stderr

    installed = make("install", clone)
    assert installed.returncode == 0, installed.stderr
    assert " distributions installed (" in installed.stdout
    assert "Usage: tools-provider" in said_by("tools-provider", clone)
    assert not (clone / ".venv" / "bin" / "pytest").exists()

    installed = make("install-dev", clone)
    assert installed.returncode == 0, installed.stderr
    assert "requirements-dev.lock: " in installed.stdout
    assert "usage: pytest" in said_by("pytest", clone)
