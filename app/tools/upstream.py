"""Sends a request to an upstream and reads its answer: within a deadline, a size, a number of calls at a time.

Each origin of a source has a limit of calls in flight, and a share of all, so that an upstream that hangs takes
nothing from the others; each caller has a share of both. What is refused for want of a place counts for no breaker.
Each origin also has a circuit breaker, fed only by what says that it cannot answer: no connection, a broken one, the
deadline, 502, 503 and 504. Any other answer, also one that cannot be read, is one.
"""

import asyncio
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil

import structlog

from app.circuit_breaker import Attempt, CircuitBreaker, CircuitOpen
from app.errors import BadAnswer, DeadlineExceeded, Unavailable
from app.outbound import (
    AddressRefused,
    CallParty,
    CallShares,
    Cause,
    Headers,
    HttpAnswer,
    Sender,
    Shares,
    WireError,
    beginning_of,
    origin_of,
)
from app.sources.source import RegisteredSource
from app.telemetry import Telemetry, trace_headers
from app.tools.request.plan import UpstreamRequest

_MOST_IN_FLIGHT = 128  # calls to one origin of a source; one that hangs holds no more than these
_MOST_IN_ALL = 512  # calls to all origins, each with a connection; many systems give a process 1,024 files
_MOST_WAITING = 256  # calls that wait for others to one origin to end, and as many for others to any
_CANNOT_ANSWER = frozenset({502, 503, 504})  # by a proxy before it, or by itself (RFC 9110 section 15.6)
_UNREADABLE = frozenset({"framing", "header_too_large"})  # an answer, whatever it is worth

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Lane:
    """What the calls to one origin of a source share."""

    origin: str  # as addresses begin
    breaker: CircuitBreaker
    slots: "_Slots"


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
        most_in_all: int = _MOST_IN_ALL,
    ) -> None:
        self._sender = sender
        self._telemetry = telemetry
        self._failure_threshold = failure_threshold
        self._recovery_timeout = recovery_timeout
        self._most_in_flight = most_in_flight
        self._in_all = _Slots(CallShares(most_in_all))
        self._lanes: dict[tuple[str, int], _Lane] = {}

    async def send(
        self,
        request: UpstreamRequest,
        *,
        source: RegisteredSource,
        server: int = 0,
        credential: Headers,
        deadline: float,
        caller: str,
    ) -> HttpAnswer:
        """Return the answer, whatever its status; `deadline` is a time of the event loop's clock.

        `server` is the number of the authority that is called (see Authority). The headers of `credential`, names in
        lower case, win over those of the request. `caller` is the user: what one user alone meets keeps out no other.

        Raises BadAnswer, DeadlineExceeded or Unavailable with an `upstream_…` code. What may have changed something is
        never sent twice.
        """
        lane = self._lane(source.slug, server, request.url)
        try:
            with lane.breaker.attempt(caller) as attempt:
                return await self._attempt(lane, attempt, request, credential, deadline, caller)
        except CircuitOpen as refusal:
            raise Unavailable(
                "upstream_circuit_open",
                "The upstream failed repeatedly and is left alone for a moment. Nothing was sent; try again in "
                f"{ceil(refusal.retry_after)} s.",
                refusal.retry_after,
            ) from None
        except (BadAnswer, DeadlineExceeded) as failure:
            _log.warning(
                "an upstream gave no answer",
                source=source.slug,
                code=failure.code,
                reason=failure.inside or failure.detail,
            )
            raise

    def remove(self, slug: str) -> None:
        """Forget the breakers and the limits of a source that is gone."""
        for key in [key for key in self._lanes if key[0] == slug]:
            self._lanes.pop(key).breaker.silence()
            self._telemetry.breaker_removed(_breaker_name(*key))

    async def _attempt(
        self, lane: _Lane, attempt: Attempt, request: UpstreamRequest, credential: Headers, deadline: float, caller: str
    ) -> HttpAnswer:
        party = caller, lane.origin
        had_to_wait = await lane.slots.take(party, deadline)
        try:
            had_to_wait |= await self._in_all.take(party, deadline)
            try:
                return await self._answer(attempt, request, credential, deadline, caller)
            finally:
                self._in_all.give_back(party)
        except DeadlineExceeded:
            if had_to_wait:
                attempt.outcome = None  # it may have been too late when it was sent
            raise
        finally:
            lane.slots.give_back(party)

    async def _answer(
        self, attempt: Attempt, request: UpstreamRequest, credential: Headers, deadline: float, caller: str
    ) -> HttpAnswer:
        headers = _headers(request, credential)
        try:
            answer = await self._sender.send(
                request.method, request.url, headers, request.content, deadline=deadline, caller=caller
            )
        except TimeoutError:
            attempt.failed()
            raise DeadlineExceeded("upstream_timeout", _SLOW, inside=_at(request, _LATE)) from None
        except WireError as error:
            if error.cause.reason == "shortage":
                raise _busy() from error
            if error.cause.reason not in _UNREADABLE:
                attempt.failed(anyone=not error.cause.connected)
            else:
                attempt.succeeded()
            raise _failure(error.cause, request) from error
        except AddressRefused as refused:
            raise _failure(Cause("address", False, _NOT_ALLOWED, refused.detail), request) from None
        except BadAnswer as refused:
            attempt.succeeded()
            raise BadAnswer("upstream_broken", refused.detail, inside=_at(request, refused.detail)) from refused
        return _judged(answer, attempt, request)

    def _lane(self, slug: str, server: int, url: str) -> _Lane:
        """Return the lane; what was known of another origin, from before an admin moved the source, is forgotten."""
        origin = beginning_of(url)
        lane = self._lanes.get((slug, server))
        if lane is not None and lane.origin != origin:
            lane.breaker.silence()
            lane = None
        if lane is None:
            breaker = CircuitBreaker(
                _breaker_name(slug, server),
                failure_threshold=self._failure_threshold,
                recovery_timeout=self._recovery_timeout,
                on_change=self._telemetry.breaker_changed,
            )
            lane = self._lanes[slug, server] = _Lane(
                origin, breaker, _Slots(CallShares(self._most_in_flight, one_origin=True))
            )
        return lane


_SLOW = "The upstream did not answer within the deadline. It may have done what was asked: check before you repeat it."
_LATE = "no complete answer before the deadline (UPSTREAM_TIMEOUT)"

_NOT_ALLOWED = "this server may not send to its address"


def _breaker_name(slug: str, server: int) -> str:
    return f"upstream:{slug}/{server}" if server else f"upstream:{slug}"


def _judged(answer: HttpAnswer, attempt: Attempt, request: UpstreamRequest) -> HttpAnswer:
    if answer.status in _CANNOT_ANSWER:
        attempt.failed()
    else:
        attempt.succeeded()
    if not 200 <= answer.status <= 599:
        said = f"its status, {answer.status}, is none of HTTP's"
        raise BadAnswer("upstream_broken", _broken("its answer is not HTTP"), inside=_at(request, said))
    return answer


class _Slots:
    """So many calls at a time, to one origin or to all, and each party's share of them (see CallShares).

    Whoever may have no more waits; of those who wait, the caller with the fewest calls under way is next.
    """

    def __init__(self, shares: CallShares) -> None:
        self._under_way = shares
        self._places = Shares(_MOST_WAITING)
        self._waiting: dict[CallParty, deque[asyncio.Future[None]]] = {}

    async def take(self, party: CallParty, deadline: float) -> bool:
        """Take a slot; returns whether others had to end first. Raises Unavailable (`upstream_busy`)."""
        if self._under_way.take(party, 1):  # nobody waits who may have it: see give_back
            return False
        if not self._places.take(party[0], 1):
            raise _busy()
        try:
            await self._turn(party, deadline)
        finally:
            self._places.give_back(party[0], 1)
        return True

    def give_back(self, party: CallParty) -> None:
        """Give a slot back: to whoever waits."""
        self._under_way.give_back(party, 1)
        while (following := self._following()) is not None:
            turn = self._waiting[following][0]
            self._leave(following, turn)
            turn.set_result(None)

    def _following(self) -> CallParty | None:
        """Take a slot for one of those who wait and may have it, and return who that is."""
        waiting = sorted(self._waiting, key=self._under_way.held)
        return next((party for party in waiting if self._under_way.take(party, 1)), None)

    async def _turn(self, party: CallParty, deadline: float) -> None:
        turn = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(party, deque()).append(turn)
        is_taken = False
        try:
            async with asyncio.timeout_at(deadline):
                await asyncio.shield(turn)
            is_taken = True
        except TimeoutError:
            raise _busy() from None
        finally:
            if turn.done() and not is_taken:
                self.give_back(party)
            elif not is_taken:
                self._leave(party, turn)

    def _leave(self, party: CallParty, turn: asyncio.Future[None]) -> None:
        self._waiting[party].remove(turn)
        if not self._waiting[party]:
            del self._waiting[party]


def _busy() -> Unavailable:
    return Unavailable(
        "upstream_busy",
        "Nothing was sent: as many calls are under way, to this source or in all, as you may have beside those of "
        "others. Make fewer at a time, and try again when some of them have ended.",
    )


# What is not here: `upstream_broken` if there was a connection, else `upstream_unreachable`.
_CODES: Mapping[str, tuple[str, str]] = {
    "name": ("upstream_name", "An admin should check the source's base_url."),
    "refused": ("upstream_refused", "Try again later; an admin should check that the upstream runs."),
    "certificate": ("upstream_tls", "An admin should read the reason in the audit log."),
    "tls": ("upstream_tls", "An admin should read the reason in the audit log."),
}
_UNREACHABLE = ("upstream_unreachable", "Try again later; an admin should read the reason in the audit log.")


def _failure(cause: Cause, request: UpstreamRequest) -> BadAnswer:
    inside = _at(request, cause.detail)
    if cause.connected:
        return BadAnswer("upstream_broken", _broken(cause.plain), inside=inside)
    code, advice = _CODES.get(cause.reason, _UNREACHABLE)
    return BadAnswer(code, f"The upstream cannot be used: {cause.plain}. Nothing was sent. {advice}", inside=inside)


def _broken(what: str) -> str:
    return f"The upstream cannot be used: {what}. It may have done what was asked: check before you repeat it."


def _at(request: UpstreamRequest, what: str) -> str:
    return f"{origin_of(request.url)}: {what}"


def _headers(request: UpstreamRequest, credential: Headers) -> list[tuple[str, str]]:
    ours = {"authorization", *(name for name, _ in credential)}
    headers = [header for header in request.headers if header[0].lower() not in ours]
    headers.extend(credential)
    headers.extend(trace_headers().items())
    return headers
