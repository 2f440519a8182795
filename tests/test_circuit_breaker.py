"""When the circuit breaker lets calls through."""

import asyncio
from contextlib import suppress

import pytest

from app.circuit_breaker import CircuitBreaker, CircuitOpen
from app.telemetry import BreakerState
from tests.support.clock import Clock

THRESHOLD = 3
RECOVERY = 30.0


@pytest.fixture
def clock() -> Clock:
    return Clock(1_000.0)


@pytest.fixture
def changes() -> list[tuple[str, BreakerState]]:
    return []


@pytest.fixture
def breaker(clock: Clock, changes: list[tuple[str, BreakerState]]) -> CircuitBreaker:
    return CircuitBreaker(
        "identity-provider",
        failure_threshold=THRESHOLD,
        recovery_timeout=RECOVERY,
        on_change=lambda name, state: changes.append((name, state)),
        clock=clock,
    )


def fail(breaker: CircuitBreaker, times: int = 1, *parties: str, anyone: bool = False) -> None:
    for _ in range(times):
        with breaker.attempt(*parties) as attempt:
            attempt.failed(anyone=anyone)


def succeed(breaker: CircuitBreaker, *parties: str) -> None:
    with breaker.attempt(*parties) as attempt:
        attempt.succeeded()


def state_of(breaker: CircuitBreaker) -> str:
    return breaker.state


def refused(breaker: CircuitBreaker, *parties: str) -> float:
    with pytest.raises(CircuitOpen) as refusal, breaker.attempt(*parties):
        pytest.fail("the attempt was admitted")
    return refusal.value.retry_after


def test_it_opens_after_as_many_failures_in_a_row_as_allowed(breaker: CircuitBreaker) -> None:
    fail(breaker, THRESHOLD - 1)
    assert (state_of(breaker), breaker.retry_after) == ("closed", 0)
    fail(breaker)
    assert (state_of(breaker), breaker.retry_after) == ("open", RECOVERY)


def test_a_success_in_between_begins_the_count_anew(breaker: CircuitBreaker) -> None:
    for _ in range(5):
        fail(breaker, THRESHOLD - 1)
        succeed(breaker)
    assert state_of(breaker) == "closed"


def test_an_open_breaker_says_how_long_to_wait(breaker: CircuitBreaker, clock: Clock) -> None:
    fail(breaker, THRESHOLD)
    assert refused(breaker) == RECOVERY
    clock.advance(RECOVERY - 0.5)
    assert refused(breaker) == 0.5
    assert str(CircuitOpen(0.5)) == "retry after 0.5 s"
    assert state_of(breaker) == "open"


def test_a_probe_that_succeeds_closes_it(breaker: CircuitBreaker, clock: Clock) -> None:
    fail(breaker, THRESHOLD)
    clock.advance(RECOVERY)
    assert (state_of(breaker), breaker.retry_after) == ("open", 0)
    with breaker.attempt() as probe:
        assert state_of(breaker) == "half_open"
        probe.succeeded()
    assert state_of(breaker) == "closed"
    fail(breaker, THRESHOLD - 1)
    assert state_of(breaker) == "closed"


def test_a_probe_that_fails_opens_it_for_the_whole_time_again(breaker: CircuitBreaker, clock: Clock) -> None:
    fail(breaker, THRESHOLD)
    clock.advance(RECOVERY + 5)
    fail(breaker)
    assert state_of(breaker) == "open"
    assert refused(breaker) == RECOVERY


async def one_call(breaker: CircuitBreaker, admitted: list[int], release: asyncio.Event, number: int) -> None:
    with breaker.attempt() as attempt:
        admitted.append(number)
        await release.wait()
        attempt.succeeded()


@pytest.mark.anyio
async def test_exactly_one_of_many_concurrent_calls_is_the_probe(breaker: CircuitBreaker, clock: Clock) -> None:
    fail(breaker, THRESHOLD)
    clock.advance(RECOVERY)
    admitted: list[int] = []
    release = asyncio.Event()
    calls = [asyncio.ensure_future(one_call(breaker, admitted, release, number)) for number in range(100)]
    await asyncio.wait(calls, return_when=asyncio.FIRST_COMPLETED)
    assert refused(breaker) == 1.0
    release.set()
    results = await asyncio.gather(*calls, return_exceptions=True)
    assert len(admitted) == 1
    assert sum(isinstance(result, CircuitOpen) for result in results) == 99
    assert state_of(breaker) == "closed"


@pytest.mark.anyio
async def test_a_cancelled_probe_gives_its_place_to_the_next(breaker: CircuitBreaker, clock: Clock) -> None:
    fail(breaker, THRESHOLD)
    clock.advance(RECOVERY)
    admitted: list[int] = []
    probe = asyncio.ensure_future(one_call(breaker, admitted, asyncio.Event(), 1))
    await asyncio.sleep(0)
    probe.cancel()
    with pytest.raises(asyncio.CancelledError):
        await probe
    assert admitted == [1]
    assert (state_of(breaker), breaker.retry_after) == ("half_open", 0)
    succeed(breaker)
    assert state_of(breaker) == "closed"


@pytest.mark.anyio
async def test_cancelled_calls_count_as_nothing(breaker: CircuitBreaker) -> None:
    fail(breaker, THRESHOLD - 1)
    for _ in range(10):
        call = asyncio.ensure_future(one_call(breaker, [], asyncio.Event(), 1))
        await asyncio.sleep(0)
        call.cancel()
        await asyncio.wait([call])
    assert state_of(breaker) == "closed"
    fail(breaker)
    assert state_of(breaker) == "open"


def test_an_exception_without_an_outcome_passes_and_counts_as_nothing(breaker: CircuitBreaker) -> None:
    for _ in range(THRESHOLD):
        with pytest.raises(KeyError), breaker.attempt():
            raise KeyError
    assert state_of(breaker) == "closed"


def test_an_outcome_counts_even_when_an_exception_follows(breaker: CircuitBreaker) -> None:
    for _ in range(THRESHOLD):
        with suppress(KeyError), breaker.attempt() as attempt:
            attempt.failed()
            raise KeyError
    assert state_of(breaker) == "open"


def test_failures_from_before_it_opened_do_not_prolong_the_wait(breaker: CircuitBreaker, clock: Clock) -> None:
    with breaker.attempt() as slow:
        fail(breaker, THRESHOLD)
        clock.advance(20)
        slow.failed()
    assert refused(breaker) == RECOVERY - 20


@pytest.mark.parametrize("outcome", ["succeeded", "failed", None])
def test_old_calls_neither_decide_for_the_probe_nor_take_its_place(
    breaker: CircuitBreaker, clock: Clock, outcome: str | None
) -> None:
    with breaker.attempt() as slow:
        fail(breaker, THRESHOLD)
        clock.advance(RECOVERY)
        entered = breaker.attempt()
        probe = entered.__enter__()
        slow.outcome = outcome  # type: ignore[assignment]
    assert state_of(breaker) == "half_open"
    assert refused(breaker) == 1.0
    probe.succeeded()
    entered.__exit__(None, None, None)
    assert state_of(breaker) == "closed"


def test_whoever_listens_hears_the_first_state_and_every_change(
    breaker: CircuitBreaker, clock: Clock, changes: list[tuple[str, BreakerState]]
) -> None:
    fail(breaker, THRESHOLD)
    clock.advance(RECOVERY)
    fail(breaker)
    clock.advance(RECOVERY)
    succeed(breaker)
    assert [name for name, _ in changes] == ["identity-provider"] * 6
    assert [state for _, state in changes] == ["closed", "open", "half_open", "open", "half_open", "closed"]


def test_nobody_needs_to_listen() -> None:
    breaker = CircuitBreaker("upstream:pizzeria", failure_threshold=1, recovery_timeout=60)
    fail(breaker)
    assert breaker.name == "upstream:pizzeria"
    assert state_of(breaker) == "open"
    assert 59 < refused(breaker) <= 60


def test_failures_of_one_caller_keep_out_that_caller_alone(breaker: CircuitBreaker) -> None:
    fail(breaker, THRESHOLD, "slow")
    assert state_of(breaker) == "open"
    assert refused(breaker, "slow") == RECOVERY
    with breaker.attempt("other"):
        assert refused(breaker, "slow") == RECOVERY
    assert state_of(breaker) == "open"
    succeed(breaker, "other")
    assert state_of(breaker) == "closed"
    fail(breaker, THRESHOLD - 1, "slow")
    assert state_of(breaker) == "closed"


def test_a_failure_that_a_second_caller_meets_keeps_out_everybody(breaker: CircuitBreaker) -> None:
    fail(breaker, THRESHOLD, "slow")
    fail(breaker, 1, "other")
    for caller in ("slow", "other", "third"):
        assert refused(breaker, caller) == RECOVERY


def test_failures_that_several_callers_meet_in_a_row_keep_out_everybody(breaker: CircuitBreaker) -> None:
    for caller in ("a", "b", "c"):
        fail(breaker, 1, caller)
    assert refused(breaker, "d") == RECOVERY


def test_what_anyone_would_meet_keeps_out_everybody(breaker: CircuitBreaker) -> None:
    fail(breaker, THRESHOLD, "one", anyone=True)
    assert refused(breaker, "other") == RECOVERY


def test_a_probe_of_the_caller_that_is_kept_out_delays_no_other(breaker: CircuitBreaker, clock: Clock) -> None:
    fail(breaker, THRESHOLD, "slow")
    clock.advance(RECOVERY)
    with breaker.attempt("slow") as probe:
        with breaker.attempt("other"):
            pass
        assert refused(breaker, "slow") == 1.0
        succeed(breaker, "other")
        probe.failed()
    assert (state_of(breaker), breaker.retry_after) == ("closed", 0)
    for caller in ("slow", "other", "third"):
        succeed(breaker, caller)


def test_a_second_caller_that_fails_during_a_probe_opens_it_for_everybody(
    breaker: CircuitBreaker, clock: Clock
) -> None:
    fail(breaker, THRESHOLD, "slow")
    clock.advance(RECOVERY)
    with breaker.attempt("slow") as probe:
        fail(breaker, 1, "other")
        assert refused(breaker, "third") == RECOVERY
        probe.succeeded()
    assert refused(breaker, "third") == RECOVERY


def test_who_failed_before_an_answer_does_not_count_any_more(breaker: CircuitBreaker) -> None:
    fail(breaker, THRESHOLD - 1, "early")
    succeed(breaker, "other")
    fail(breaker, THRESHOLD, "slow")
    succeed(breaker, "early")
    assert state_of(breaker) == "closed"


def test_two_callers_who_fail_keep_out_none_who_was_just_answered(breaker: CircuitBreaker) -> None:
    succeed(breaker, "third")
    succeed(breaker, "second")
    fail(breaker, THRESHOLD - 1, "first")
    fail(breaker, 1, "second")
    for caller in ("first", "second", "fourth"):
        refused(breaker, caller)
    succeed(breaker, "third")
    assert state_of(breaker) == "closed"
    succeed(breaker, "fourth")


def test_whoever_was_just_answered_is_kept_out_after_one_failure(breaker: CircuitBreaker) -> None:
    succeed(breaker, "third")
    fail(breaker, THRESHOLD - 1, "first")
    fail(breaker, 1, "second")
    fail(breaker, 1, "third")
    assert refused(breaker, "third") == RECOVERY


def test_an_answer_of_long_ago_lets_nobody_through(breaker: CircuitBreaker, clock: Clock) -> None:
    succeed(breaker, "third")
    clock.advance(RECOVERY)
    fail(breaker, THRESHOLD - 1, "first")
    fail(breaker, 1, "second")
    refused(breaker, "third")


def test_whoever_was_answered_meets_what_anyone_would_meet(breaker: CircuitBreaker) -> None:
    succeed(breaker, "third")
    fail(breaker, THRESHOLD, "first", anyone=True)
    refused(breaker, "third")


def test_only_so_many_of_those_who_were_answered_are_known(breaker: CircuitBreaker) -> None:
    for number in range(65):
        succeed(breaker, f"answered-{number}")
    fail(breaker, THRESHOLD - 1, "first")
    fail(breaker, 1, "second")
    refused(breaker, "answered-0")
    succeed(breaker, "answered-1")


def test_failures_keep_out_what_they_have_in_common_and_nothing_else(breaker: CircuitBreaker) -> None:
    fail(breaker, THRESHOLD, "johndoe", "odd audience")
    assert refused(breaker, "johndoe", "odd audience") == RECOVERY
    with breaker.attempt("johndoe", "menu"), breaker.attempt("chef", "odd audience"):
        pass
    fail(breaker, 1, "chef", "odd audience")
    assert refused(breaker, "admin", "odd audience") == RECOVERY
    succeed(breaker, "chef", "menu")
    assert state_of(breaker) == "closed"


def test_failures_without_anything_in_common_keep_out_everybody(breaker: CircuitBreaker) -> None:
    fail(breaker, 1, "johndoe", "odd audience")
    fail(breaker, THRESHOLD - 1, "chef", "menu")
    assert refused(breaker, "admin", "orders") == RECOVERY
    assert refused(breaker, "johndoe", "menu") == RECOVERY
