"""Makes a Python environment that has what a lock says, and tells how far it is.

    python3 install.py ENVIRONMENT LOCK [PROJECT]

pip installs the lock as it stands: resolving again would refuse one in which a distribution that another asks for with
extras has a newer release. `pip check` then finds what the lock lacks. PROJECT is a folder that is installed on top, to
be edited in place. Ends with 1 and pip's own words when something fails, with 130 when it is interrupted.

Needs the standard library only, and prints no address and no folder; on failure pip does.
"""

import argparse
import fcntl
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

FAILED, INTERRUPTED = 1, 130
TICK = 0.2  # seconds between two looks
LINE_EVERY = 10  # seconds between two lines where no terminal rewrites one
LAST_LINES = 20  # of what pip has said before it failed
AS_LOCKED = ("--no-deps", "--require-hashes", "--progress-bar", "off", "--requirement")
IN_PLACE = ("--no-deps", "--no-build-isolation", "--editable")
# pip's settings and Python's say where it gets what it installs. They do not say what is installed, or where to: else
# it lands somewhere else, or nowhere, and all looks well.
OVERRIDDEN = {f"PIP_{name}": "0" for name in ("DRY_RUN", "IGNORE_INSTALLED", "QUIET", "REQUIRE_HASHES", "USER")}
LEFT_OUT = {
    *(f"PIP_{name}" for name in ("CONSTRAINT", "EDITABLE", "PREFIX", "PYTHON", "REQUIREMENT", "ROOT", "TARGET")),
    *(f"PYTHON{name}" for name in ("HOME", "PATH", "WARNINGS")),
}
READS = ("Collecting ", "Requirement already satisfied: ", "Ignoring ")  # how pip begins what it says of a requirement
WRITES = "Installing collected packages: "

Doing = Callable[[str], str]  # makes what is told of a running command of what the command has said


class Failed(Exception):
    """A command failed; the text is what it said."""


class Telling:
    """Says how far it is in one line, which a terminal rewrites; elsewhere it is a new line from time to time."""

    def __init__(self, about: str) -> None:
        self._about = about
        self._begun = self._next = time.monotonic()
        self._start, self._end = ("\r\033[K", "") if sys.stdout.isatty() else ("", "\n")

    def now(self, text: str) -> None:
        if self._end == "" or time.monotonic() >= self._next:
            self._next = time.monotonic() + LINE_EVERY
            self._write(text, self._end)

    def last(self, text: str) -> None:
        self._write(text, "\n")

    def _write(self, text: str, end: str) -> None:
        sys.stdout.write(f"{self._start}{self._about}: {text} ({time.monotonic() - self._begun:.0f} s){end}")
        sys.stdout.flush()


class Environment:
    """A virtual environment, changed by one process at a time.

    `mark` is a file beside it: locked by whoever changes the environment, and not empty while it is not whole. pip
    would take half a distribution for all of it, so what was left unfinished is made anew.
    """

    def __init__(self, folder: Path, mark: IO[str], telling: Telling) -> None:
        self._folder = folder
        self._python = folder / "bin" / "python"
        self._mark = mark
        self._telling = telling

    def make(self) -> None:
        """Make it if there is none, or no whole one. Raises Failed."""
        self._mark.seek(0)
        if self._mark.read() or not self._python.exists():
            self._mark_as("unfinished")
            self._run(lambda _: "making the environment", [sys.executable, "-m", "venv", "--clear", str(self._folder)])
            self._mark_as("")

    def install(self, lock: Path) -> int:
        """Install what the lock says; returns how many distributions were not there yet. Raises Failed."""
        asked = sum(line[:1].isalnum() for line in lock.read_text(encoding="utf-8").splitlines())
        return self._install(*AS_LOCKED, str(lock), asked=asked)

    def add(self, project: Path) -> None:
        """Install a project so that what is edited there counts. Raises Failed."""
        self._install(*IN_PLACE, str(project))

    def check(self) -> None:
        """See that each distribution has what it asks for. Raises Failed."""
        self._pip(lambda _: "checking", "check")

    def _install(self, *arguments: str, asked: int = 0) -> int:
        before, writes = self._recorded(), 0

        def progress(said: str) -> str:
            nonlocal writes
            writes = next((line.count(",") + 1 for line in said.splitlines() if line.startswith(WRITES)), 0)
            if not asked:
                return "adding the project"
            if writes:
                return f"{len(self._recorded() - before)} of {writes} installed"
            return f"{sum(line.startswith(READS) for line in said.splitlines())} of {asked} collected"

        self._mark_as("unfinished")
        try:
            self._pip(progress, "install", *arguments)
            self._mark_as("")
        finally:
            if not writes:
                self._mark_as("")
        return writes

    def _recorded(self) -> set[Path]:
        """The last file that pip writes of each distribution."""
        return set(self._folder.glob("lib/python*/site-packages/*.dist-info/RECORD"))

    def _pip(self, doing: Doing, *arguments: str) -> None:
        self._run(doing, [str(self._python), "-m", "pip", *arguments, "--disable-pip-version-check", "--no-input"])

    def _run(self, doing: Doing, command: list[str]) -> None:
        """Tell what is being done while a command runs; what it has said is looked at once more when it has ended."""
        with tempfile.TemporaryDirectory() as folder:
            output, errors = Path(folder) / "output", Path(folder) / "errors"
            with output.open("wb") as said, errors.open("wb") as wrong:
                # It holds the lock as well: whoever comes next waits for it, even if this process was killed.
                running = subprocess.Popen(  # noqa: S603
                    command, env=settings(), stdout=said, stderr=wrong, pass_fds=[self._mark.fileno()]
                )
            try:
                while running.poll() is None:
                    self._telling.now(doing(text_of(output)))
                    time.sleep(TICK)
            finally:
                running.terminate()
                running.wait()
                doing(text_of(output))
            if running.returncode != 0:
                raise Failed("\n".join([*text_of(output).splitlines()[-LAST_LINES:], text_of(errors)]))

    def _mark_as(self, word: str) -> None:
        self._mark.truncate(0)
        self._mark.write(word)
        self._mark.flush()


def settings() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name not in LEFT_OUT} | OVERRIDDEN


def text_of(file: Path) -> str:
    return file.read_text(encoding="utf-8", errors="replace")


@contextmanager
def held(folder: Path, telling: Telling) -> Generator[Environment]:
    """The environment in a folder, once nobody else changes it."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_name(f"{folder.name}.install").open("a+") as mark:
        while not taken(mark):
            telling.now("waiting for another install")
            time.sleep(TICK)
        yield Environment(folder, mark, telling)


def taken(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("environment", type=Path)
    parser.add_argument("lock", type=Path)
    parser.add_argument("project", type=Path, nargs="?")
    asked = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    telling = Telling(asked.lock.name)
    try:
        with held(asked.environment, telling) as environment:
            environment.make()
            new = environment.install(asked.lock)
            if asked.project is not None:
                environment.add(asked.project)
            environment.check()
    except (Failed, OSError, UnicodeDecodeError) as failed:
        telling.last("failed, because")
        sys.stderr.write(f"{failed}\n")
        return FAILED
    except KeyboardInterrupt:
        telling.last("interrupted; the next run goes on")
        return INTERRUPTED
    telling.last(f"{new} distributions installed" if new else "everything was installed already")
    return 0


if __name__ == "__main__":
    sys.exit(main())
