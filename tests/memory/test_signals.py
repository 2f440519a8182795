"""Who hears that something has changed."""

import asyncio

import pytest

from app.memory import Memory

pytestmark = pytest.mark.anyio


class Listener:
    """Takes a turn of the loop to hear, so that what does not wait for it is noticed."""

    def __init__(self) -> None:
        self.heard: list[str] = []
        self.under_way = 0

    async def __call__(self, key: str) -> None:
        self.under_way += 1
        assert self.under_way == 1
        await asyncio.sleep(0)
        self.heard.append(key)
        self.under_way -= 1


async def test_all_who_listen_have_heard_a_signal_when_it_is_sent(memory: Memory) -> None:
    one, another = Listener(), Listener()
    memory.signals.listen("source", one)
    memory.signals.listen("source", another)
    await memory.signals.send("source", "pizzeria")
    assert one.heard == another.heard == ["pizzeria"]


async def test_nobody_hears_a_topic_that_they_do_not_listen_to(memory: Memory) -> None:
    listener = Listener()
    memory.signals.listen("source", listener)
    await memory.signals.send("agent", "pizzeria")
    assert listener.heard == []


async def test_signals_are_heard_one_at_a_time_in_the_order_they_were_sent(memory: Memory) -> None:
    listener = Listener()
    memory.signals.listen("source", listener)
    sent = [str(number) for number in range(10)]
    await asyncio.gather(*(memory.signals.send("source", key) for key in sent))
    assert listener.heard == sent
