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


TOLD = "round trips"  # the property of a report that has the tally of its test


@pytest.fixture(scope="session")
def judge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Judge]:
    if (program := missing_program()) is not None:
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(f"The judge of requests needs {program}.")
    with running_judge(tmp_path_factory.mktemp("judge")) as running:
        yield running


@pytest.fixture
def tally(request: pytest.FixtureRequest) -> Iterator[Tally]:
    """What the test at hand adds to the sum that is told at the end."""
    mine = Tally()
    yield mine
    request.node.user_properties.append((TOLD, [mine.judged, mine.discarded]))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    tallies = [
        value
        for report in terminalreporter.getreports("")  # those of teardowns
        if isinstance(report, pytest.TestReport)
        for name, value in report.user_properties
        if name == TOLD
    ]
    if tallies:
        judged, discarded = (sum(column) for column in zip(*tallies, strict=True))
        share = discarded / max(judged + discarded, 1)
        terminalreporter.write_line(f"{judged:,} round trips were judged; {share:.1%} of the examples discarded")
