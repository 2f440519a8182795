"""Who may do what only one may do at a time."""

import asyncio

import pytest

from app.memory import Leases, Memory

pytestmark = pytest.mark.anyio


class Holder:
    """Holds a lease until it is let go."""

    def __init__(self, leases: Leases, key: str) -> None:
        self.has = asyncio.Event()
        self.let_go = asyncio.Event()
        self.task = asyncio.create_task(self._hold(leases, key))

    async def _hold(self, leases: Leases, key: str) -> None:
        async with leases.held(key):
            self.has.set()
            await self.let_go.wait()


async def turns() -> None:
    """Let everything run that can."""
    for _ in range(10):
        await asyncio.sleep(0)


async def test_one_holds_a_key_and_the_next_waits_for_it(memory: Memory) -> None:
    first = Holder(memory.leases, "source")
    await first.has.wait()
    second = Holder(memory.leases, "source")
    await turns()
    assert not second.has.is_set()
    first.let_go.set()
    second.let_go.set()
    await asyncio.gather(first.task, second.task)
    assert second.has.is_set()


async def test_another_key_is_free(memory: Memory) -> None:
    first, other = Holder(memory.leases, "source"), Holder(memory.leases, "other")
    async with asyncio.timeout(5):
        await asyncio.gather(first.has.wait(), other.has.wait())
    first.let_go.set()
    other.let_go.set()
    await asyncio.gather(first.task, other.task)


async def test_whoever_fails_or_is_cancelled_lets_go(memory: Memory) -> None:
    with pytest.raises(OSError, match="broken"):
        async with memory.leases.held("source"):
            raise OSError("broken")
    holder = Holder(memory.leases, "source")
    await holder.has.wait()
    holder.task.cancel()
    await asyncio.wait([holder.task])
    async with asyncio.timeout(5), memory.leases.held("source"):
        pass


async def test_whoever_gives_up_waiting_does_not_stand_in_the_way(memory: Memory) -> None:
    first = Holder(memory.leases, "source")
    await first.has.wait()
    second, third = Holder(memory.leases, "source"), Holder(memory.leases, "source")
    await turns()
    second.task.cancel()
    first.let_go.set()
    async with asyncio.timeout(5):
        await third.has.wait()
    third.let_go.set()
    await asyncio.wait([first.task, second.task, third.task])
    assert not second.has.is_set()
