"""How locks are installed, by `make` and in the image: as they stand, telling how far it is, resumed when cut off."""

import os
import pty
import re
import shlex
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.compose.description import stages
from tests.locks.closure import metadata_in
from tests.locks.conftest import OF_PYTHON_3_11, make_environment
from tests.locks.wheels import Shelf
from tests.support.environments import ROOT

pytestmark = pytest.mark.extended

SECONDS = 90
TINY = ("alpha==1.0", "beta==1.0", "gamma==1.0")
Install = Callable[..., subprocess.CompletedProcess[str]]


def installing(environment: Path, lock: Path) -> list[str]:
    return [sys.executable, str(ROOT / "install.py"), str(environment), str(lock)]


def in_the_image(environment: Path, lock: Path) -> list[str]:
    """The step of the Dockerfile that installs the lock, in an environment that is there."""
    (step,) = [rest for word, rest in stages()["build"].steps if word == "RUN" and "--require-hashes" in rest]
    moved = step.replace("/opt/venv", str(environment)).replace("requirements.lock", str(lock))
    return shlex.split(moved)


def run(command: Sequence[str], shelf: Shelf, **changed: str) -> subprocess.CompletedProcess[str]:
    environment = shelf.environment(**changed)
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=SECONDS)  # noqa: S603


def versions_in(environment: Path) -> Mapping[str, str]:
    (packages,) = environment.glob("lib/python*/site-packages")
    return {name: each.version for name, each in metadata_in(packages).items() if name not in {"pip", "setuptools"}}


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with nothing in it, for what changes nothing."""
    folder = tmp_path_factory.mktemp("environment") / "venv"
    make_environment(folder, None)
    return folder


@pytest.mark.parametrize("way", [installing, in_the_image])
def test_what_another_asks_for_with_extras_may_be_behind_the_newest_release(
    pip: Path | None, way: Callable[[Path, Path], list[str]], shelf: Shelf, tmp_path: Path
) -> None:
    make_environment(tmp_path / "venv", pip)
    done = run(way(tmp_path / "venv", shelf.lock(*TINY)), shelf)
    assert done.returncode == 0, done.stderr
    assert versions_in(tmp_path / "venv") == {"alpha": "1.0", "beta": "1.0", "gamma": "1.0"}


@pytest.mark.extended
def test_that_lock_is_one_which_the_pip_of_python_3_11_refuses_when_it_resolves(
    downloaded: Callable[[str], Path], shelf: Shelf, environment: Path
) -> None:
    pip = downloaded(f"pip=={OF_PYTHON_3_11}")  # runs from its wheel
    command = [str(environment / "bin" / "python"), f"{pip}/pip", "install", "--require-hashes", "-r"]
    done = run([*command, str(shelf.lock(*TINY))], shelf)
    assert done.returncode != 0
    assert "all requirements must have their versions pinned" in done.stderr


def test_a_lock_with_a_hole_says_what_is_missing(shelf: Shelf, tmp_path: Path) -> None:
    done = run(installing(tmp_path / "venv", shelf.lock("alpha==1.0")), shelf)
    assert done.returncode == 1
    assert "alpha 1.0 requires beta, which is not installed" in done.stderr


def test_it_tells_how_far_it_is_and_how_long_it_took(shelf: Shelf, tmp_path: Path) -> None:
    environment = tmp_path / "venv"
    first = run(installing(environment, shelf.lock(*TINY)), shelf)
    again = run(installing(environment, shelf.lock(*TINY)), shelf)
    assert first.returncode == again.returncode == 0
    assert re.match(r"tiny.lock: making the environment \(0 s\)\n", first.stdout)
    assert re.search(r"^tiny.lock: 3 distributions installed \(\d+ s\)$", first.stdout, re.MULTILINE)
    assert re.fullmatch(
        r"tiny.lock: 0 of 3 collected \(0 s\)\ntiny.lock: everything was installed already \(\d+ s\)\n", again.stdout
    )


@pytest.mark.extended
def test_a_terminal_shows_one_line_that_changes(shelf: Shelf, tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    command = installing(tmp_path / "venv", shelf.lock(*TINY))
    with subprocess.Popen(command, env=shelf.environment(), stdout=theirs):  # noqa: S603
        os.close(theirs)
        shown = b""
        try:
            while part := os.read(ours, 1024):
                shown += part
        except OSError:  # what Linux says when nobody has the other end any more
            os.close(ours)
    lines = shown.decode().removesuffix("\r\n").split("\r\x1b[K")
    assert "\n" not in "".join(lines)
    assert lines[1] == "tiny.lock: making the environment (0 s)"
    assert any("of 3 collected" in line for line in lines)


def test_a_lock_that_there_is_not_is_told_in_one_line(shelf: Shelf, environment: Path, tmp_path: Path) -> None:
    done = run(installing(environment, tmp_path / "missing.lock"), shelf)
    assert (done.returncode, done.stdout) == (1, "missing.lock: failed, because (0 s)\n")
    assert len(done.stderr.splitlines()) == 1


def test_a_folder_that_cannot_be_made_is_told_in_one_line(shelf: Shelf, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    done = run(installing(tmp_path / "file" / "venv", tmp_path / "empty.lock"), shelf)
    assert (done.returncode, done.stdout) == (1, "empty.lock: failed, because (0 s)\n")
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("line", "said"),
    [("delta==1.0", "No matching distribution found for delta==1.0"), ("beta==1.1", "DO NOT MATCH THE HASHES")],
)
def test_what_cannot_be_installed_is_told_in_pips_words(line: str, said: str, shelf: Shelf, environment: Path) -> None:
    lock = shelf.lock(line)
    shelf.put("beta", "1.1", "Summary: another one than was locked")
    done = run(installing(environment, lock), shelf)
    assert done.returncode == 1
    assert said in done.stderr
    assert str(shelf.folder) not in done.stdout
    assert "://" not in done.stdout


def test_settings_of_pip_and_python_do_not_lead_it_elsewhere(shelf: Shelf, tmp_path: Path) -> None:
    elsewhere, seen = tmp_path / "elsewhere", tmp_path / "seen"
    (seen / "alpha-1.0.dist-info").mkdir(parents=True)
    (seen / "alpha-1.0.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: alpha\nVersion: 1.0\n")
    of_pip = {"PIP_PREFIX": elsewhere, "PIP_ROOT": elsewhere, "PIP_TARGET": elsewhere, "PIP_CONSTRAINT": seen / "none"}
    of_python = {"PYTHONPATH": seen, "PYTHONWARNINGS": "error"}
    refusing = {"PIP_DRY_RUN": "1", "PIP_QUIET": "2", "PIP_USER": "1"}
    changed = {name: str(value) for name, value in (of_pip | of_python | refusing).items()}
    done = run(installing(tmp_path / "venv", shelf.lock(*TINY)), shelf, **changed)
    assert done.returncode == 0, done.stderr
    assert "3 distributions installed" in done.stdout
    assert versions_in(tmp_path / "venv") == {"alpha": "1.0", "beta": "1.0", "gamma": "1.0"}
    assert not elsewhere.exists()


class SilentIndex:
    """A package index that takes connections and never answers."""

    def __init__(self, listener: socket.socket) -> None:
        self._listener = listener
        self.settings = {"PIP_INDEX_URL": f"http://127.0.0.1:{listener.getsockname()[1]}/simple", "PIP_NO_INDEX": "0"}

    @contextmanager
    def asked(self) -> Iterator[None]:
        """From when it is asked, until the block ends."""
        connection, _ = self._listener.accept()
        with connection:
            yield


@pytest.fixture
def silent_index() -> Iterator[SilentIndex]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(SECONDS)
        yield SilentIndex(listener)


def started(command: Sequence[str], shelf: Shelf, **changed: str) -> "subprocess.Popen[str]":
    """Start a command in a group of its own, as a shell does."""
    environment = shelf.environment(**changed)
    return subprocess.Popen(  # noqa: S603
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )


@pytest.mark.extended
def test_an_install_that_was_interrupted_goes_on(shelf: Shelf, silent_index: SilentIndex, tmp_path: Path) -> None:
    environment = tmp_path / "venv"
    assert run(installing(environment, shelf.lock("gamma==1.0")), shelf).returncode == 0
    (environment / "of-mine").touch()
    command = installing(environment, shelf.lock(*TINY))
    with started(command, shelf, **silent_index.settings) as install, silent_index.asked():
        os.killpg(install.pid, signal.SIGINT)
        said, _ = install.communicate(timeout=SECONDS)
    assert install.returncode == 130
    assert "interrupted" in said
    assert run(installing(environment, shelf.lock(*TINY)), shelf).returncode == 0
    assert versions_in(environment) == {"alpha": "1.0", "beta": "1.0", "gamma": "1.0"}
    assert (environment / "of-mine").exists()  # nothing was half written, so nothing was made anew


@pytest.mark.extended
def test_an_environment_that_was_left_half_written_is_made_anew(shelf: Shelf, tmp_path: Path) -> None:
    environment = tmp_path / "venv"
    files = [f"many/{number}" for number in range(2_000)]
    shelf.put("large", "1.0", files=files)
    lock = shelf.lock("large==1.0")
    with started(installing(environment, lock), shelf) as install:
        while not list(environment.glob("lib/python*/site-packages/large-1.0.dist-info/METADATA")):
            assert install.poll() is None
        os.killpg(install.pid, signal.SIGKILL)
    (packages,) = environment.glob("lib/python*/site-packages")
    assert not (packages / files[-1]).exists()
    assert run(installing(environment, lock), shelf).returncode == 0
    assert [file for file in files if not (packages / file).exists()] == []


@pytest.mark.extended
def test_a_second_install_waits_for_the_first(shelf: Shelf, silent_index: SilentIndex, tmp_path: Path) -> None:
    environment = tmp_path / "venv"
    command = installing(environment, shelf.lock(*TINY))
    with (
        started(command, shelf, **silent_index.settings) as first,
        silent_index.asked(),
        started(command, shelf) as second,
    ):
        assert second.stdout is not None
        waiting = second.stdout.readline()
        os.killpg(first.pid, signal.SIGINT)
        second.communicate(timeout=SECONDS)
    assert waiting == "tiny.lock: waiting for another install (0 s)\n"
    assert second.returncode == 0
    assert versions_in(environment) == {"alpha": "1.0", "beta": "1.0", "gamma": "1.0"}
