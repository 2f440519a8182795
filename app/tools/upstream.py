"""Sends a request to an upstream and reads its answer: within a deadline, a size, a number of calls at a time.

Each origin of a source has a circuit breaker, fed by transport errors, deadlines and 5xx answers only, and a limit of
calls in flight, so that a hanging upstream takes nothing from the others.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

import httpx

from app.circuit_breaker import Attempt, CircuitBreaker, CircuitOpen
from app.errors import BadAnswer, DeadlineExceeded, Invalid, Unavailable
from app.outbound import OWN_HEADERS, read_up_to
from app.sources.source import RegisteredSource
from app.telemetry import Telemetry, trace_headers
from app.tools.answer.body import is_stream
from app.tools.request.plan import UpstreamRequest

Headers = Sequence[tuple[str, str]]  # names in lower case

_MOST_IN_FLIGHT = 64  # calls to one origin of a source


@dataclass(frozen=True, slots=True)
class UpstreamAnswer:
    """Status, headers and body of any answer, redirects and errors included.

    `truncated`: the body went on, beyond the size or, in a stream, beyond the deadline.
    """

    status: int
    headers: httpx.Headers
    content: bytes
    truncated: bool


@dataclass(frozen=True, slots=True)
class _Lane:
    """What the calls to one origin of a source share."""

    breaker: CircuitBreaker
    slots: asyncio.Semaphore


class Upstream:
    """The only sender of tool calls. Thresholds are those of the settings, `recovery_timeout` in seconds.

    `most_bytes` is how much of a body is read.
    """

    def __init__(
        self,
        transport: httpx.AsyncBaseTransport,
        telemetry: Telemetry,
        *,
        failure_threshold: int,
        recovery_timeout: float,
        most_bytes: int,
        most_in_flight: int = _MOST_IN_FLIGHT,
    ) -> None:
        self._transport = transport
        self._telemetry = telemetry
        self._failure_threshold = failure_threshold
        self._recovery_timeout = recovery_timeout
        self._most_in_flight = most_in_flight
        self._most_bytes = most_bytes
        self._lanes: dict[tuple[str, int], _Lane] = {}

    async def send(
        self,
        request: UpstreamRequest,
        *,
        source: RegisteredSource,
        server: int = 0,
        credential: Headers,
        deadline: float,
    ) -> UpstreamAnswer:
        """Return the answer, whatever its status; `deadline` is a time of the event loop's clock.

        `server` is the number of the authority that is called (see Authority). The headers of `credential` win over
        those of the request.

        Raises BadAnswer, DeadlineExceeded or Unavailable with an `upstream_…` code. Never sends twice.
        """
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
    ) -> UpstreamAnswer:
        sent = False
        try:
            async with asyncio.timeout_at(deadline) as limit, lane.slots:
                sent = True
                answer = await self._exchange(request, credential, limit)
        except TimeoutError:
            if not sent:
                raise DeadlineExceeded("upstream_timeout", _BUSY) from None
            attempt.failed()
            raise DeadlineExceeded("upstream_timeout", _SLOW) from None
        except BadAnswer:
            attempt.failed()
            raise
        if answer.status >= 500:
            attempt.failed()
        else:
            attempt.succeeded()
        return answer

    async def _exchange(self, request: UpstreamRequest, credential: Headers, limit: asyncio.Timeout) -> UpstreamAnswer:
        try:
            response = await self._transport.handle_async_request(_outgoing(request, credential))
            until = None
            if is_stream(response.headers.get("content-type")):  # what came in time is an answer
                until = limit.when()
                limit.reschedule(None)
            try:
                content, truncated = await read_up_to(response, self._most_bytes, until=until)
            finally:
                await response.aclose()
        except httpx.ConnectError as error:
            raise BadAnswer("upstream_unreachable", _UNREACHABLE) from error
        except httpx.TransportError as error:
            raise BadAnswer("upstream_broken", _BROKEN) from error
        except BadAnswer as refused:
            raise BadAnswer("upstream_broken", refused.detail) from refused
        if not 200 <= response.status_code <= 599:
            raise BadAnswer("upstream_broken", _BROKEN)
        return UpstreamAnswer(response.status_code, response.headers, content, truncated)

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


_BUSY = "No call to this source ended in time to make room for this one. Nothing was sent; try again later."
_SLOW = "The upstream did not answer within the deadline. It may have done what was asked: look before you repeat it."
_UNREACHABLE = "The upstream cannot be reached. Try again later; an admin should check the source's base_url."
_BROKEN = "The upstream broke off or did not speak HTTP. It may have done what was asked: look before you repeat it."


_TOO_LONG = "Nothing was sent: the arguments make an address that no server accepts. Send shorter values."


def _breaker_name(slug: str, server: int) -> str:
    return f"upstream:{slug}/{server}" if server else f"upstream:{slug}"


def _outgoing(request: UpstreamRequest, credential: Headers) -> httpx.Request:
    try:
        return httpx.Request(
            request.method, request.url, headers=_headers(request, credential), content=request.content
        )
    except httpx.InvalidURL as error:
        raise Invalid("invalid_arguments", _TOO_LONG) from error


def _headers(request: UpstreamRequest, credential: Headers) -> list[tuple[str, str]]:
    ours = {"authorization", *(name for name, _ in credential)}
    stated = {*ours, *(name.lower() for name, _ in request.headers)}
    headers = [header for header in OWN_HEADERS if header[0] not in stated]
    headers += [header for header in request.headers if header[0].lower() not in ours]
    headers.extend(credential)
    headers.extend(trace_headers().items())
    return headers
