"""What the tests promise of themselves: each runs in one of the targets, and what fails is shown soon."""

import re
import subprocess
import sys
from itertools import product
from pathlib import Path

import pytest
from _pytest.mark.expression import Expression

ROOT = Path(__file__).parents[1]
MARKS = ("extended", "deep")
SHOWN_SECONDS = 150  # by itself Hypothesis takes more than 300 for what follows
SLOW = """
import time
from hypothesis import given, settings
from hypothesis import strategies as st

@settings(database=None)
@given(st.lists(st.integers(0, 1_000_000), min_size=30))
def test_that_fails_slowly(numbers):
    if len(set(numbers)) > 15:
        time.sleep(2)
        raise AssertionError("too many")
"""


@pytest.mark.parametrize("marked", list(product([False, True], repeat=len(MARKS))))
def test_each_test_runs_in_one_target(marked: tuple[bool, ...]) -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    selections = re.findall(r"-m (deep|\".*?\")", makefile)
    assert len(selections) == 3
    has = dict(zip(MARKS, marked, strict=True))

    def matches(name: str, /, **_: object) -> bool:
        return has[name]

    running = [each for each in selections if Expression.compile(each.strip('"')).evaluate(matches)]
    assert len(running) == 1, running


@pytest.mark.extended
@pytest.mark.timeout(2 * SHOWN_SECONDS)
def test_what_fails_slowly_is_shown_soon(tmp_path: Path) -> None:
    (tmp_path / "test_slow.py").write_text(SLOW, encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-c", "pyproject.toml", "-p", "tests.conftest", "-p", "no:cacheprovider"]
    run = subprocess.run(  # noqa: S603
        [*command, tmp_path], cwd=ROOT, capture_output=True, text=True, check=False, timeout=SHOWN_SECONDS
    )
    assert "Failing test case: test_that_fails_slowly" in run.stdout, run.stdout
    assert "too many" in run.stdout
