"""No row costs another caller more than the bounds say (judging.py)."""

from collections.abc import Iterator

import pytest

from tests.bounds.judging import judge
from tests.bounds.row import Row
from tests.bounds.rows import ROWS
from tests.bounds.stage import Healthy, Stage, staged

pytestmark = pytest.mark.extended


@pytest.fixture(scope="module")
def stage() -> Iterator[tuple[Stage, Healthy]]:
    with staged() as all_of_it:
        yield all_of_it


@pytest.mark.parametrize("row", ROWS, ids=[row.title for row in ROWS])
def test_what_one_sends_costs_no_other(stage: tuple[Stage, Healthy], row: Row) -> None:
    faults = judge(row, *stage).faults
    assert faults == [] or judge(row, *stage).faults == [], faults  # twice, for what a busy machine adds
