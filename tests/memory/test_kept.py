"""What is kept, what is dropped, and who shares the work of making it."""

import asyncio
import gc

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.memory import Kept, Memory

pytestmark = pytest.mark.anyio


class Work:
    """Work whose end the test decides. `runs` counts its beginnings."""

    def __init__(self, result: str | Exception) -> None:
        self.result = result
        self.runs = 0
        self.begun = asyncio.Event()
        self.may_end = asyncio.Event()
        self.ended = asyncio.Event()

    async def __call__(self) -> str:
        self.runs += 1
        self.begun.set()
        try:
            await self.may_end.wait()
        finally:
            self.ended.set()
        if isinstance(self.result, Exception):
            raise self.result
        return self.result


async def test_a_value_is_there_until_its_time_is_over(memory: Memory) -> None:
    kept: Kept[str] = memory.kept("values", most=3)
    await kept.keep(b"a", "value", until=10, now=0)
    assert await kept.get(b"a", 9.999) == "value"
    assert await kept.get(b"a", 10) is None
    assert await kept.get(b"b", 0) is None


async def test_what_has_already_ended_is_not_kept(memory: Memory) -> None:
    kept: Kept[str] = memory.kept("values", most=1)
    await kept.keep(b"a", "value", until=10, now=5)
    await kept.keep(b"b", "value", until=5, now=5)
    assert await kept.get(b"b", 4) is None
    assert await kept.get(b"a", 5) == "value"


async def test_the_value_that_was_not_used_for_longest_makes_room(memory: Memory) -> None:
    kept: Kept[str] = memory.kept("values", most=2)
    for key in (b"a", b"b"):
        await kept.keep(key, "value", until=10, now=0)
    await kept.get(b"a", 1)
    await kept.keep(b"c", "value", until=10, now=1)
    assert [await kept.get(key, 1) for key in (b"a", b"b", b"c")] == ["value", None, "value"]


async def test_keeping_a_value_again_makes_it_the_last_to_go(memory: Memory) -> None:
    kept: Kept[str] = memory.kept("values", most=2)
    for key, value in ((b"a", "old"), (b"b", "value"), (b"a", "new"), (b"c", "value")):
        await kept.keep(key, value, until=10, now=0)
    assert [await kept.get(key, 1) for key in (b"a", b"b", b"c")] == ["new", None, "value"]


async def test_a_forgotten_value_is_gone_and_forgetting_twice_is_harmless(memory: Memory) -> None:
    kept: Kept[str] = memory.kept("values", most=2)
    await kept.keep(b"a", "value", until=10, now=0)
    await kept.forget(b"a")
    await kept.forget(b"a")
    assert await kept.get(b"a", 0) is None


async def test_one_name_stands_for_one_memory(memory: Memory) -> None:
    await memory.kept("tokens", most=2).keep(b"a", "token", until=10, now=0)
    assert await memory.kept("tokens", most=2).get(b"a", 0) == "token"
    assert await memory.kept("refusals", most=2).get(b"a", 0) is None


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(kept_at=st.lists(st.tuples(st.binary(max_size=1), st.integers(0, 20)), max_size=40), most=st.integers(1, 5))
async def test_there_are_never_more_than_allowed(
    memory: Memory, kept_at: list[tuple[bytes, int]], most: int, anyio_backend: str
) -> None:
    kept: Kept[int] = memory.kept(f"at most {most}", most=most)
    keys = {key for key, _ in kept_at}
    for key in keys:
        await kept.forget(key)
    for now, (key, until) in enumerate(kept_at):
        await kept.keep(key, until, until=until, now=now)
        found = [value for key in keys if (value := await kept.get(key, now)) is not None]
        assert len(found) <= most
        assert all(value > now for value in found)


async def test_callers_of_one_key_share_the_work_under_way(memory: Memory) -> None:
    kept: Kept[str] = memory.kept("values", most=2)
    work = Work("made")
    calls = [asyncio.create_task(kept.once(b"a", work)) for _ in range(100)]
    await work.begun.wait()
    calls += [asyncio.create_task(kept.once(b"a", work)) for _ in range(100)]
    work.may_end.set()
    assert set(await asyncio.gather(*calls)) == {"made"}
    assert work.runs == 1


async def test_what_was_made_once_is_made_anew_for_the_next_unless_it_was_kept(memory: Memory) -> None:
    kept: Kept[str] = memory.kept("values", most=2)
    work = Work("made")
    work.may_end.set()
    for _ in range(2):
        assert await kept.once(b"a", work) == "made"
        await asyncio.sleep(0)  # for what is done when the work has ended
    assert work.runs == 2
    assert await kept.get(b"a", 0) is None


async def test_work_for_another_key_does_not_wait(memory: Memory) -> None:
    kept: Kept[str] = memory.kept("values", most=2)
    slow, quick = Work("slow"), Work("quick")
    quick.may_end.set()
    waiting = asyncio.create_task(kept.once(b"a", slow))
    await slow.begun.wait()
    assert await kept.once(b"b", quick) == "quick"
    slow.may_end.set()
    assert await waiting == "slow"


async def test_a_failure_is_shared_by_those_who_wait_and_then_forgotten(memory: Memory) -> None:
    kept: Kept[str] = memory.kept("values", most=2)
    failing, working = Work(OSError("no")), Work("made")
    calls = [asyncio.create_task(kept.once(b"a", failing)) for _ in range(10)]
    await failing.begun.wait()
    failing.may_end.set()
    working.may_end.set()
    failures = await asyncio.gather(*calls, return_exceptions=True)
    assert {type(failure) for failure in failures} == {OSError}
    assert failing.runs == 1
    assert await kept.once(b"a", working) == "made"


async def test_a_caller_that_gives_up_takes_the_work_from_nobody(memory: Memory) -> None:
    kept: Kept[str] = memory.kept("values", most=2)
    work = Work("made")
    first, second = (asyncio.create_task(kept.once(b"a", work)) for _ in range(2))
    await work.begun.wait()
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    work.may_end.set()
    assert await second == "made"
    assert work.runs == 1


async def test_work_that_all_have_given_up_is_carried_through(memory: Memory) -> None:
    kept: Kept[str] = memory.kept("values", most=2)
    work = Work("made")
    only = asyncio.create_task(kept.once(b"a", work))
    await work.begun.wait()
    only.cancel()
    await asyncio.wait([only])
    assert not work.ended.is_set()
    joined = asyncio.create_task(kept.once(b"a", work))
    work.may_end.set()
    assert await joined == "made"
    assert work.runs == 1


async def test_a_failure_that_nobody_waits_for_is_not_complained_about(
    memory: Memory, caplog: pytest.LogCaptureFixture
) -> None:
    kept: Kept[str] = memory.kept("values", most=2)
    work = Work(OSError("no"))
    others = asyncio.all_tasks()
    only = asyncio.create_task(kept.once(b"a", work))
    await work.begun.wait()
    (flight,) = asyncio.all_tasks() - others - {only}
    only.cancel()
    work.may_end.set()
    await asyncio.wait([only, flight])
    await asyncio.sleep(0)  # for what is done when the work has ended
    del flight
    gc.collect()
    assert "never retrieved" not in caplog.text
