"""The judge, and what it judged in all."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.round_trip.judging import Judge, missing_program, running_judge
from tests.support.closing_lines import ROUND_TRIPS, in_ci


@dataclass(slots=True)
class Tally:
    """How many examples were sent and judged, and how many could not be sent at all."""

    judged: int = 0
    discarded: int = 0


@pytest.fixture(scope="session")
def judge() -> Iterator[Judge]:
    if (program := missing_program()) is not None:
        (pytest.fail if in_ci() else pytest.skip)(f"The judge of requests needs {program}.")
    with running_judge() as running:
        yield running


@pytest.fixture
def tally(request: pytest.FixtureRequest) -> Iterator[Tally]:
    """What the test at hand adds to the sum that is told at the end."""
    mine = Tally()
    yield mine
    request.node.user_properties.append((ROUND_TRIPS, [mine.judged, mine.discarded]))
