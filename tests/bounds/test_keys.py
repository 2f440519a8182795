"""No answer of an identity provider to who asks for keys or discovery costs more than the bounds say (keys.py)."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from tests.bounds.hostile import hostile, size_of
from tests.bounds.identity_answers import DISCOVERY, KEYS
from tests.bounds.judging import FLOOR, KEPT_MEMORY, LONGEST_WAIT, MOST_MEMORY, SLACK
from tests.bounds.row import SCALES

pytestmark = pytest.mark.extended

Ask = Callable[[str, str, int], dict[str, Any]]
EXPECTED = {"ok", "differs", "idp_unreachable", "idp_foreign_answer"}


@pytest.fixture(scope="module")
def ask() -> Iterator[Ask]:
    command = [sys.executable, "-m", "tests.bounds.keys"]
    with (
        hostile() as address,
        subprocess.Popen(  # noqa: S603
            command, cwd=Path(__file__).parents[2], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as process,
    ):
        assert process.stdin is not None
        assert process.stdout is not None
        stdin, stdout = process.stdin, process.stdout

        def asked(table: str, name: str, scale: int) -> dict[str, Any]:
            stdin.write(f"{table} {address}/{table}/{quote(name)}/{scale}\n")
            stdin.flush()
            told: dict[str, Any] = json.loads(stdout.readline())
            return told

        try:
            yield asked
        finally:
            process.kill()


@pytest.mark.parametrize(
    ("table", "name"), [*(("keys", name) for name in KEYS), *(("discovery", name) for name in DISCOVERY)]
)
def test_what_an_identity_provider_publishes_costs_nobody_else(ask: Ask, table: str, name: str) -> None:
    answers = {"keys": KEYS, "discovery": DISCOVERY}[table]
    before = ask("keys", "many keys", 1)["resident"]
    told = [ask(table, name, scale) for scale in SCALES]
    assert {each["answered"] for each in told} <= EXPECTED
    assert max(each["turn"] for each in told) < LONGEST_WAIT
    assert max(each["peak"] for each in told) - before < MOST_MEMORY
    sizes = [size_of(answers[name], scale) for scale in SCALES]
    for (less, small), (more, large) in pairwise(zip(told, sizes, strict=True)):
        assert more["cpu"] < max(FLOOR, SLACK * max(large, 1) / max(small, 1) * less["cpu"])
    after = ask("keys", "many keys", 1)
    assert after["answered"] == "ok"
    assert after["resident"] - before < KEPT_MEMORY
