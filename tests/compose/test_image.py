"""The build stage of the Dockerfile, step by step on this machine: what it makes serves without `seed`."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from seed.ports import HOST, free_port
from tests.compose.description import ROOT, stages
from tests.compose.processes import answers, inherited, process
from tests.support.environments import INSTALL_SECONDS

pytestmark = [pytest.mark.deep, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that the image has as /opt/venv."""
    root = tmp_path_factory.mktemp("image")
    source, environment = root / "source", root / "venv"
    source.mkdir()
    for word, rest in stages()["build"].steps:
        if word == "COPY":
            *copied, _ = rest.split()
            for name in copied:
                copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
                copy(ROOT / name, source / name)
        else:
            command = rest.replace("/opt/venv", str(environment)).replace("python -m", f"{sys.executable} -m")
            subprocess.run(["bash", "-ec", command], cwd=source, env=inherited(), check=True, timeout=INSTALL_SECONDS)  # noqa: S603, S607
    return environment


def test_the_installed_product_serves_from_an_empty_folder(installed: Path, tmp_path: Path) -> None:
    port = free_port()
    environment = inherited() | stages()["provider"].environment | {"HOST": HOST, "PORT": str(port)}
    command = [str(installed / "bin" / stages()["provider"].command[0]), *stages()["provider"].command[1:]]
    with process(command, environment, tmp_path, answers(f"http://{HOST}:{port}/health")):
        assert (tmp_path / "data").is_dir()


@pytest.mark.parametrize("name", ["dev-idp", "demo"])
def test_the_installed_product_has_no_command_for_development(installed: Path, tmp_path: Path, name: str) -> None:
    command = [str(installed / "bin" / "tools-provider"), name, "--help"]
    run = subprocess.run(command, cwd=tmp_path, env=inherited(), capture_output=True, text=True, check=False)  # noqa: S603
    assert run.returncode == 2
    assert "No such command" in run.stderr
