"""A circuit breaker for asyncio. pybreaker keeps state, counter and listener; who is admitted is decided here.

pybreaker's own ways to guard a call are unsafe in asyncio: docs/decisions/0007-circuit-breaker-guard.md.
"""

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Literal

import pybreaker

from app.telemetry import BreakerState

_PROBE_PAUSE = 1.0  # seconds that callers are told to wait while a probe is out
_MOST_ANSWERED = 64  # parties of which it is known; each may meet one more failure when nobody is answered any more

_STATES: dict[str, BreakerState] = {
    pybreaker.STATE_CLOSED: "closed",
    pybreaker.STATE_OPEN: "open",
    pybreaker.STATE_HALF_OPEN: "half_open",
}


class CircuitOpen(Exception):
    """Nothing may be sent now; `retry_after` is in seconds."""

    def __init__(self, retry_after: float) -> None:
        super().__init__(f"retry after {retry_after:.1f} s")
        self.retry_after = retry_after


class Attempt:
    """One admitted attempt. Whoever makes it says how it went; if nothing is said, it does not count.

    `parties` are who may alone have met a failure; none when anyone would have met it.
    """

    def __init__(self, parties: frozenset[str]) -> None:
        self.parties = parties
        self.anyone = not parties
        self.outcome: Literal["succeeded", "failed"] | None = None

    def succeeded(self) -> None:
        """The other side answered, whatever it said."""
        self.outcome = "succeeded"

    def failed(self, *, anyone: bool = False) -> None:
        """The other side could not answer; `anyone`: whoever had asked, and whatever for."""
        self.outcome = "failed"
        self.anyone = self.anyone or anyone


class CircuitBreaker:
    """Opens after `failure_threshold` failures in a row; after `recovery_timeout` seconds one probe decides.

    An attempt has parties: a caller, and it may be whatever it asks for. Open for failures that have a party in common,
    it keeps out attempts of that party alone: others are admitted, and an answer to one of them closes it. Failures
    that have none in common keep out everybody but those who were answered within `recovery_timeout` and have met no
    failure since: two callers who fail on purpose close it for none of them.

    `on_change` is told the first state too, so that a breaker that never opened can be seen. `clock` counts seconds.
    """

    def __init__(
        self,
        name: str,
        *,
        failure_threshold: int,
        recovery_timeout: float,
        on_change: Callable[[str, BreakerState], None] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name = name
        self._recovery_timeout = recovery_timeout
        self._on_change = on_change
        self._clock = clock
        self._opened_at = 0.0
        self._period = 0
        self._probe_is_out = False
        self._failed: frozenset[str] | None = None  # what all failures in a row have in common
        self._anyone = False
        self._answered: dict[frozenset[str], float] = {}  # when, the latest last
        self._breaker = pybreaker.CircuitBreaker(
            fail_max=failure_threshold, throw_new_error_on_trip=False, name=name, listeners=[_Listener(self._changed)]
        )
        self._changed("closed")

    @property
    def state(self) -> BreakerState:
        """It becomes `half_open` when a probe is admitted, not when one is due."""
        return _STATES[self._breaker.current_state]

    @property
    def retry_after(self) -> float:
        """Seconds until an attempt may be admitted; 0 if one would be admitted now."""
        if self.state == "open":
            return max(0.0, self._opened_at + self._recovery_timeout - self._clock())
        return _PROBE_PAUSE if self._probe_is_out else 0.0

    @contextmanager
    def attempt(self, *parties: str) -> Iterator[Attempt]:
        """Admit one attempt, whose outcome counts when the block ends; raises CircuitOpen.

        `parties` are those of whom each may have caused a failure by what it asked for. Ending without an outcome
        (cancelled, refused before it was sent) changes nothing and lets another probe out. An outcome that arrives
        after the state has changed is too old to count.
        """
        attempt = Attempt(frozenset(parties))
        is_probe = not self._concerns_others(attempt.parties) and self._admits_probe()
        period = self._period
        try:
            yield attempt
        finally:
            if period == self._period:
                self._probe_is_out = self._probe_is_out and not is_probe
                self._count(attempt)

    def silence(self) -> None:
        """Tell nobody of changes any more: what it guarded is gone, and attempts still under way concern nobody."""
        self._on_change = None

    def _concerns_others(self, parties: frozenset[str]) -> bool:
        """Whether it is others, and not these, that are kept out."""
        if self.state == "closed" or self._anyone:
            return False
        if self._failed:
            return not self._failed <= parties
        return self._clock() - self._answered.get(parties, -math.inf) < self._recovery_timeout

    def _admits_probe(self) -> bool:
        """Whether the attempt that begins now is a probe; raises CircuitOpen if there must be none."""
        if wait := self.retry_after:
            raise CircuitOpen(wait)
        if self.state == "open":
            self._breaker.half_open()
        self._probe_is_out = self.state == "half_open"
        return self._probe_is_out

    def _count(self, attempt: Attempt) -> None:
        if attempt.outcome == "succeeded":
            self._failed, self._anyone = None, False
            self._note_answer(attempt.parties)
            if self.state == "open":
                self._breaker.close()
            else:
                self._breaker.call(_succeed)
        elif attempt.outcome == "failed":
            self._failed = attempt.parties if self._failed is None else self._failed & attempt.parties
            self._anyone = self._anyone or attempt.anyone
            self._answered.pop(attempt.parties, None)
            if self.state != "open":
                with suppress(_Failure):
                    self._breaker.call(_fail)

    def _note_answer(self, parties: frozenset[str]) -> None:
        self._answered.pop(parties, None)
        self._answered[parties] = self._clock()
        if len(self._answered) > _MOST_ANSWERED:
            del self._answered[next(iter(self._answered))]

    def _changed(self, state: BreakerState) -> None:
        self._period += 1
        self._probe_is_out = False
        if state == "open":
            self._opened_at = self._clock()
        if self._on_change is not None:
            self._on_change(self.name, state)


class _Listener(pybreaker.CircuitBreakerListener):
    def __init__(self, changed: Callable[[BreakerState], None]) -> None:
        self._changed = changed

    def state_change(
        self,
        cb: pybreaker.CircuitBreaker,  # noqa: ARG002 - pybreaker's signature
        old_state: pybreaker.CircuitBreakerState | None,  # noqa: ARG002
        new_state: pybreaker.CircuitBreakerState,
    ) -> None:
        self._changed(_STATES[new_state.name])


class _Failure(Exception):
    """Tells pybreaker of a failure; never leaves this module."""


def _succeed() -> None:
    pass


def _fail() -> None:
    raise _Failure
