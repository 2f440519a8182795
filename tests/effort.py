"""What work may cost, told in processor time of a machine at a known pace: a slower one is given more."""

import asyncio
import gc
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

PACE = 0.004  # seconds a yardstick takes on the machine of which the tests speak


def _yardstick() -> float:
    begun = time.process_time()
    seen: dict[str, list[int]] = {}
    for each in range(20_000):
        seen.setdefault(str(each % 500), []).append(each)
    return time.process_time() - begun


@contextmanager
def _at_a_known_pace() -> Iterator[list[float]]:
    """Give a list of seconds, of which each is that of the machine of which the tests speak when the block has ended.

    Searches for garbage, which other tests' objects make long, wait.
    """
    collecting, taken = gc.isenabled(), list[float]()
    gc.disable()
    try:
        before = min(_yardstick() for _ in range(3))
        yield taken
        pace = max(before, min(_yardstick() for _ in range(3)), PACE)
    finally:
        if collecting:
            gc.enable()
    taken[:] = [each * PACE / pace for each in taken]


@contextmanager
def at_most(seconds: float) -> Iterator[None]:
    """Fail where what is done inside takes longer."""
    with _at_a_known_pace() as taken:
        begun = time.process_time()
        yield
        taken.append(time.process_time() - begun)
    assert taken[0] < seconds


async def turns(work: asyncio.Future[Any]) -> list[float]:
    """Return for how many seconds each time this loop ran nothing else until that was done."""
    with _at_a_known_pace() as taken:
        while not work.done():
            before = time.thread_time()
            await asyncio.sleep(0)
            taken.append(time.thread_time() - before)
    return taken
