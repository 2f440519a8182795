"""What work may cost, told in processor time of a machine at a known pace: a slower one is given more."""

import gc
import time
from collections.abc import Iterator
from contextlib import contextmanager

PACE = 0.004  # seconds a yardstick takes on the machine of which the tests speak


def _yardstick() -> float:
    begun = time.process_time()
    seen: dict[str, list[int]] = {}
    for each in range(20_000):
        seen.setdefault(str(each % 500), []).append(each)
    return time.process_time() - begun


@contextmanager
def at_most(seconds: float) -> Iterator[None]:
    """Fail where what is done inside takes longer; searches for garbage, which other tests' objects make long, wait."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        before, begun = min(_yardstick() for _ in range(3)), time.process_time()
        yield
        taken = time.process_time() - begun
        pace = max(before, min(_yardstick() for _ in range(3)), PACE)
    finally:
        if collecting:
            gc.enable()
    assert taken * PACE / pace < seconds
