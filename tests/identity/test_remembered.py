"""What a bounded memory keeps, and what it drops."""

from hypothesis import given
from hypothesis import strategies as st

from app.identity.remembered import Remembered


def test_a_value_is_there_until_its_time_is_over() -> None:
    memory: Remembered[str] = Remembered(3)
    memory.keep(b"a", "value", until=10, now=0)
    assert memory.get(b"a", 9.999) == "value"
    assert memory.get(b"a", 10) is None
    assert memory.get(b"b", 0) is None


def test_what_has_already_ended_is_not_kept() -> None:
    memory: Remembered[str] = Remembered(3)
    memory.keep(b"a", "value", until=5, now=5)
    assert len(memory) == 0


def test_the_value_that_was_not_used_for_longest_makes_room() -> None:
    memory: Remembered[str] = Remembered(2)
    for key in (b"a", b"b"):
        memory.keep(key, "value", until=10, now=0)
    memory.get(b"a", 1)
    memory.keep(b"c", "value", until=10, now=1)
    assert [memory.get(key, 1) for key in (b"a", b"b", b"c")] == ["value", None, "value"]


def test_keeping_a_value_again_makes_it_the_last_to_go() -> None:
    memory: Remembered[str] = Remembered(2)
    for key, value in ((b"a", "old"), (b"b", "value"), (b"a", "new"), (b"c", "value")):
        memory.keep(key, value, until=10, now=0)
    assert [memory.get(key, 1) for key in (b"a", b"b", b"c")] == ["new", None, "value"]


def test_unused_values_that_have_ended_do_not_stay_in_memory() -> None:
    memory: Remembered[str] = Remembered(100)
    for number in range(50):
        memory.keep(b"%d" % number, "value", until=10, now=0)
    memory.keep(b"new", "value", until=20, now=10)
    assert len(memory) == 1


def test_a_forgotten_value_is_gone_and_forgetting_twice_is_harmless() -> None:
    memory: Remembered[str] = Remembered(2)
    memory.keep(b"a", "value", until=10, now=0)
    memory.forget(b"a")
    memory.forget(b"a")
    assert memory.get(b"a", 0) is None


@given(st.lists(st.tuples(st.binary(max_size=1), st.integers(0, 20)), max_size=60), st.integers(1, 5))
def test_there_are_never_more_than_allowed(kept: list[tuple[bytes, int]], most: int) -> None:
    memory: Remembered[int] = Remembered(most)
    for now, (key, until) in enumerate(kept):
        memory.keep(key, until, until=until, now=now)
        assert len(memory) <= most
        found = memory.get(key, now)
        assert found is None or found > now
