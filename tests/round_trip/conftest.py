"""The judge, and what it judged in all."""

import os
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.round_trip.judging import Judge, missing_program, running_judge


@dataclass(slots=True)
class Tally:
    """How many examples were sent and judged, and how many could not be sent at all."""

    judged: int = 0
    discarded: int = 0


TALLY = pytest.StashKey[Tally]()


@pytest.fixture(scope="session")
def judge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Judge]:
    if (program := missing_program()) is not None:
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(f"The judge of requests needs {program}.")
    with running_judge(tmp_path_factory.mktemp("judge")) as running:
        yield running


@pytest.fixture
def tally(pytestconfig: pytest.Config) -> Iterator[Tally]:
    """What the test at hand adds to the sum that is told at the end."""
    mine = Tally()
    yield mine
    whole = pytestconfig.stash.setdefault(TALLY, Tally())
    whole.judged += mine.judged
    whole.discarded += mine.discarded


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if TALLY in config.stash:
        tally = config.stash[TALLY]
        share = tally.discarded / max(tally.judged + tally.discarded, 1)
        terminalreporter.write_line(f"{tally.judged:,} round trips were judged; {share:.1%} of the examples discarded")
