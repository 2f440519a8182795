"""Sends a request to an upstream and reads its answer: within a deadline, a size, a number of calls at a time.

Each origin of a source has a circuit breaker, fed only by transport errors, deadlines and 5xx answers, and a limit of
calls in flight, so that an upstream that hangs takes nothing from the others.
"""

import asyncio
from dataclasses import dataclass
from math import ceil

from app.circuit_breaker import Attempt, CircuitBreaker, CircuitOpen
from app.errors import BadAnswer, DeadlineExceeded, Invalid, Unavailable
from app.outbound import Headers, HttpAnswer, Sender, WireError
from app.sources.source import RegisteredSource
from app.telemetry import Telemetry, trace_headers
from app.tools.request.plan import UpstreamRequest

_MOST_IN_FLIGHT = 64  # calls to one origin of a source; one that hangs holds no more than these
_LONGEST_URL = 65_536  # characters; common servers accept an eighth of it


@dataclass(frozen=True, slots=True)
class _Lane:
    """What the calls to one origin of a source share."""

    breaker: CircuitBreaker
    slots: asyncio.Semaphore


class Upstream:
    """All tool calls go through here. Thresholds are those of the settings, `recovery_timeout` in seconds."""

    def __init__(
        self,
        sender: Sender,
        telemetry: Telemetry,
        *,
        failure_threshold: int,
        recovery_timeout: float,
        most_in_flight: int = _MOST_IN_FLIGHT,
    ) -> None:
        self._sender = sender
        self._telemetry = telemetry
        self._failure_threshold = failure_threshold
        self._recovery_timeout = recovery_timeout
        self._most_in_flight = most_in_flight
        self._lanes: dict[tuple[str, int], _Lane] = {}

    async def send(
        self,
        request: UpstreamRequest,
        *,
        source: RegisteredSource,
        server: int = 0,
        credential: Headers,
        deadline: float,
    ) -> HttpAnswer:
        """Return the answer, whatever its status; `deadline` is a time of the event loop's clock.

        `server` is the number of the authority that is called (see Authority). The headers of `credential`, names in
        lower case, win over those of the request.

        Raises BadAnswer, DeadlineExceeded or Unavailable with an `upstream_…` code, and Invalid (`invalid_arguments`)
        for an address that has grown too long. What may have changed something is never sent twice.
        """
        if len(request.url) > _LONGEST_URL:
            raise Invalid("invalid_arguments", _TOO_LONG)
        lane = self._lane(source.slug, server)
        try:
            with lane.breaker.attempt() as attempt:
                return await self._attempt(lane, attempt, request, credential, deadline)
        except CircuitOpen as refusal:
            raise Unavailable(
                "upstream_circuit_open",
                "The upstream failed repeatedly and is left alone for a moment. Nothing was sent; try again in "
                f"{ceil(refusal.retry_after)} s.",
                refusal.retry_after,
            ) from None

    def remove(self, slug: str) -> None:
        """Forget the breakers and the limits of a source that is gone."""
        for key in [key for key in self._lanes if key[0] == slug]:
            del self._lanes[key]
            self._telemetry.breaker_removed(_breaker_name(*key))

    async def _attempt(
        self, lane: _Lane, attempt: Attempt, request: UpstreamRequest, credential: Headers, deadline: float
    ) -> HttpAnswer:
        await _slot(lane, deadline)
        try:
            answer = await self._sender.send(
                request.method, request.url, _headers(request, credential), request.content, deadline=deadline
            )
        except TimeoutError:
            attempt.failed()
            raise DeadlineExceeded("upstream_timeout", _SLOW) from None
        except WireError as error:
            attempt.failed()
            raise _failure(error) from error
        except BadAnswer as refused:
            attempt.failed()
            raise BadAnswer("upstream_broken", refused.detail) from refused
        finally:
            lane.slots.release()
        if not 200 <= answer.status <= 599:
            attempt.failed()
            raise BadAnswer("upstream_broken", _BROKEN)
        if answer.status >= 500:
            attempt.failed()
        else:
            attempt.succeeded()
        return answer

    def _lane(self, slug: str, server: int) -> _Lane:
        lane = self._lanes.get((slug, server))
        if lane is None:
            breaker = CircuitBreaker(
                _breaker_name(slug, server),
                failure_threshold=self._failure_threshold,
                recovery_timeout=self._recovery_timeout,
                on_change=self._telemetry.breaker_changed,
            )
            lane = self._lanes[slug, server] = _Lane(breaker, asyncio.Semaphore(self._most_in_flight))
        return lane


_BUSY = "Too many calls to this source are under way, and none ended in time. Nothing was sent; try again later."
_SLOW = "The upstream did not answer within the deadline. It may have done what was asked: check before you repeat it."
_UNREACHABLE = "The upstream cannot be reached. Try again later; an admin should check the source's base_url."
_BROKEN = "The upstream broke off or did not speak HTTP. It may have done what was asked: check before you repeat it."

_TOO_LONG = "Nothing was sent: the arguments make an address that no server accepts. Send shorter values."


def _breaker_name(slug: str, server: int) -> str:
    return f"upstream:{slug}/{server}" if server else f"upstream:{slug}"


async def _slot(lane: _Lane, deadline: float) -> None:
    try:
        async with asyncio.timeout_at(deadline):
            await lane.slots.acquire()
    except TimeoutError:
        raise DeadlineExceeded("upstream_timeout", _BUSY) from None


def _failure(error: WireError) -> BadAnswer:
    if error.cause.connected:
        return BadAnswer("upstream_broken", _BROKEN)
    return BadAnswer("upstream_unreachable", _UNREACHABLE)


def _headers(request: UpstreamRequest, credential: Headers) -> list[tuple[str, str]]:
    ours = {"authorization", *(name for name, _ in credential)}
    headers = [header for header in request.headers if header[0].lower() not in ours]
    headers.extend(credential)
    headers.extend(trace_headers().items())
    return headers
