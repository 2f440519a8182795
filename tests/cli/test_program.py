"""The program itself, whatever the command: where its output goes, and how it is interrupted."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

PROGRAM = [sys.executable, "-m", "app"]
DOCUMENT = {"openapi": "3.1.0", "info": {"title": "\u2603"}, "paths": {"/\u2603": {"get": {"operationId": "snow"}}}}


@pytest.fixture
def document(tmp_path: Path) -> str:
    (tmp_path / "openapi.json").write_text(json.dumps(DOCUMENT), encoding="utf-8")
    return str(tmp_path / "openapi.json")


@pytest.mark.parametrize("options", [[], ["--json"]], ids=str)
def test_output_that_cannot_be_written_is_told_in_one_line(options: list[str], document: str) -> None:
    with Path("/dev/full").open("wb") as full:
        done = run("convert", document, *options, stdout=full, stderr=subprocess.PIPE)
    assert (done.returncode, done.stderr) == (1, "The output could not be written: No space left on device.\n")


def test_a_reader_that_has_read_enough_hears_nothing_more(document: str) -> None:
    end, start = os.pipe()
    os.close(end)
    try:
        done = run("convert", document, stdout=start, stderr=subprocess.PIPE)
    finally:
        os.close(start)
    assert (done.returncode, done.stderr) == (1, "")


@pytest.mark.parametrize("closed", [">&-", "<&- >&- 2>&-"])
def test_streams_that_are_closed_are_done_without(closed: str, document: str) -> None:
    done = subprocess.run(["sh", "-c", f'"$@" {closed}', "sh", *PROGRAM, "convert", document], check=False)  # noqa: S603, S607
    assert done.returncode == 0


def run(*arguments: str, **options: Any) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([*PROGRAM, *arguments], text=True, check=False, **options)  # noqa: S603


def test_it_can_be_interrupted_while_it_loads(tmp_path: Path) -> None:
    # A module of that name is found first, says that loading has begun, and waits.
    # It heeds signals where a shell that started all this in the background ignores them, and looks up now and then
    # because one that comes just before it begins to wait would not end that.
    waiting = """
import select, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
print(1, flush=True)
while not select.select([sys.stdin], [], [], 0.1)[0]:
    pass
"""
    (tmp_path / "typer.py").write_text(waiting, encoding="utf-8")
    with subprocess.Popen(  # noqa: S603
        PROGRAM, env={**os.environ, "PYTHONPATH": str(tmp_path)},
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as program:  # fmt: skip
        assert program.stdout is not None
        assert program.stderr is not None
        program.stdout.readline()
        program.send_signal(signal.SIGINT)
        assert program.stderr.read() == b""
        assert program.wait() == 130
