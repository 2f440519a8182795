"""The pips that people have, each in an environment of its own."""

import ensurepip
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.locks.wheels import Shelf
from tests.support.closing_lines import in_ci

OF_PYTHON_3_11 = "23.2.1"
BROUGHT = ensurepip.version()  # what this Python makes environments with
PIPS = [
    pytest.param(None, id=f"pip {BROUGHT} as Python brings it"),
    *([pytest.param(f"pip=={OF_PYTHON_3_11}", marks=pytest.mark.extended)] if BROUGHT != OF_PYTHON_3_11 else []),
    pytest.param("pip", marks=pytest.mark.extended, id="newest pip"),
]
DOWNLOAD_SECONDS = 300


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    """A shelf on which what `alpha` asks for with an extra has a newer release than the locked one."""
    folder = tmp_path / "shelf"
    folder.mkdir()
    shelf = Shelf(folder)
    shelf.put("alpha", "1.0", "Requires-Dist: beta[fast]>=1")
    for version in ("1.0", "1.1"):
        shelf.put("beta", version, "Provides-Extra: fast", "Requires-Dist: gamma; extra == 'fast'")
    shelf.put("gamma", "1.0")
    return shelf


@pytest.fixture(scope="session")
def downloaded(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Get the wheel of a pip from the package index, once."""
    kept: dict[str, Path] = {}

    def download(pip: str) -> Path:
        if pip not in kept:
            folder = tmp_path_factory.mktemp("pip")
            command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(folder), pip]
            run = subprocess.run(command, capture_output=True, text=True, check=False, timeout=DOWNLOAD_SECONDS)  # noqa: S603
            if run.returncode != 0:
                refuse = pytest.fail if in_ci() else pytest.skip
                refuse(f"This needs a package index, which did not give {pip}: {run.stderr.strip()}")
            (kept[pip],) = folder.iterdir()
        return kept[pip]

    return download


@pytest.fixture(params=PIPS)
def pip(request: pytest.FixtureRequest, downloaded: Callable[[str], Path]) -> Path | None:
    """The wheel of one of the pips; None is the one that is there without any doing."""
    return None if request.param is None else downloaded(request.param)


def make_environment(folder: Path, pip: Path | None) -> None:
    """Make an environment with one of the pips."""
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)  # noqa: S603
    if pip is not None:
        options = ["--quiet", "--disable-pip-version-check", "--no-index"]
        subprocess.run([folder / "bin" / "python", "-m", "pip", "install", *options, pip], check=True)  # noqa: S603
