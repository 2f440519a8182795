"""What only the memory of one process promises."""

import asyncio
import weakref

import pytest

from app.memory import InProcessMemory

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Thing:
    """A value whose end can be seen."""


async def test_unused_values_that_have_ended_do_not_stay_in_memory() -> None:
    kept = InProcessMemory().kept("things", most=100)
    things = [Thing() for _ in range(50)]
    seen = [weakref.ref(thing) for thing in things]
    for number, thing in enumerate(things):
        await kept.keep(b"%d" % number, thing, until=10, now=0)
    del things, thing
    assert all(ref() is not None for ref in seen)
    await kept.keep(b"new", Thing(), until=20, now=10)
    assert [ref() for ref in seen] == [None] * 50


async def test_its_end_ends_the_work_under_way() -> None:
    memory = InProcessMemory()
    begun, cancelled = asyncio.Event(), asyncio.Event()

    async def work() -> str:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()
        return "never"

    caller = asyncio.create_task(memory.kept("things", most=1).once(b"a", work))
    await begun.wait()
    await memory.aclose()
    assert cancelled.is_set()
    with pytest.raises(asyncio.CancelledError):
        await caller
