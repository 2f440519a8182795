"""Sends tool calls: exactly what was built, once, and reads the answer within a deadline and a size."""

import asyncio
import re
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from app.outbound.addresses import AddressPolicy
from app.outbound.body import Allowance, read_up_to
from app.outbound.wire import BROKEN, Headers, WireError, exact_request, open_session

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_CONNECTING = 10.0  # seconds; a packet that is lost is sent again after 1, 3 and 7
_ALL_BODIES = 268_435_456  # bytes of all answers that are being read
_LARGEST_BODIES = 4  # for which there is room in any case


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """Status, headers (names in lower case) and decoded body of any answer, redirects and errors included.

    `truncated`: the body went on, beyond its size or, where it may be endless, beyond the deadline.
    """

    status: int
    headers: Mapping[str, str]
    content: bytes
    truncated: bool


class Sender(Protocol):
    """Sends the request of a call."""

    async def send(
        self, method: str, url: str, headers: Headers, content: bytes | None, *, deadline: float, caller: str
    ) -> HttpAnswer:
        """Return the answer; `deadline` is a time of the event loop's clock, `caller` who shall pay for its memory.

        Raises TimeoutError after it, AddressRefused, WireError, and BadAnswer (`answer_encoding_refused`).
        """
        ...


CallParty = tuple[str, str]  # a caller and an origin


def beginning_of(url: str) -> str:
    """Return the origin of a URL that was checked, as it is spelled there."""
    return "/".join(url.split("/", 3)[:3])


class Shares:
    """What there is of something, for several parties: none of them may hold more than is left.

    So one alone has half of it, a second one half of the rest, and there is something left for many. Whoever holds
    nothing may have all that is left.
    """

    def __init__(self, whole: int) -> None:
        self._left = whole
        self._held: dict[Hashable, int] = {}

    def held(self, party: Hashable) -> int:
        """Return how much the party holds."""
        return self._held.get(party, 0)

    def room(self, party: Hashable) -> int:
        """Return how much more the party may have."""
        return _room(self.held(party), self._left)

    def take(self, party: Hashable, amount: int) -> bool:
        """Take so much for the party, if it may have that."""
        if amount > self.room(party):
            return False
        self._hold(party, amount)
        return True

    def give_back(self, party: Hashable, amount: int) -> None:
        """Give back so much of what the party holds."""
        self._hold(party, -amount)

    def _hold(self, party: Hashable, amount: int) -> None:
        held = self.held(party) + amount
        self._left -= amount
        if held:
            self._held[party] = held
        else:
            self._held.pop(party, None)


class CallShares:
    """What there is of something for calls: each caller has a share of it (see Shares), and so has each origin.

    So a server that keeps what many callers sent waiting takes no more from other servers than one caller could. Of an
    origin's share, each of its callers again has one. A party is a caller and an origin; `one_origin`: there is one.
    """

    def __init__(self, whole: int, *, one_origin: bool = False) -> None:
        self._callers = Shares(whole)
        self._origins = Shares(2 * whole if one_origin else whole)  # which alone has half of that
        self._both = Shares(whole)

    def held(self, party: CallParty) -> int:
        """Return how much the caller holds, wherever."""
        return self._callers.held(party[0])

    def take(self, party: CallParty, amount: int) -> bool:
        """Take so much for a call, if it may have that."""
        caller, origin = party
        at_origin = _room(self._both.held(party), self._origins.room(origin))
        if amount > min(at_origin, self._callers.room(caller)):
            return False
        self.give_back(party, -amount)
        return True

    def give_back(self, party: CallParty, amount: int) -> None:
        """Give back so much of what was taken."""
        for shares, each in ((self._callers, party[0]), (self._origins, party[1]), (self._both, party)):
            shares.give_back(each, amount)


def _room(held: int, left: int) -> int:
    """Return how much more may be held, so that it is no more than what is left then."""
    return max(0, (left - held) // 2) if held else left


class SharedAllowance(Allowance):
    """Bytes of one body, which also come out of the shares that its caller and its origin have of all bodies."""

    def __init__(self, max_bytes: int, shares: CallShares, party: CallParty) -> None:
        super().__init__(max_bytes)
        self._shares = shares
        self._party = party
        self._taken = 0

    def take(self, size: int) -> int:
        """See Allowance."""
        kept = super().take(size)
        if not self._shares.take(self._party, kept):
            return 0
        self._taken += kept
        return kept

    def give_back(self) -> None:
        """Give back all that was taken."""
        self._shares.give_back(self._party, self._taken)


class AiohttpSender:
    """See Sender. Reads at most `most_bytes` of a body; `aclose` closes the connections.

    All bodies that are being read have `all_bytes`, or four times the size if that is more. A body is also cut where
    its caller, or its origin, would hold more of them than are left to others.

    `endless` tells by the content type whether a body may never end: of such a one, what came before the deadline is
    an answer. A connection that takes more than `connecting` seconds fails, deadline or not: nothing was sent.
    """

    def __init__(
        self,
        policy: AddressPolicy,
        *,
        most_bytes: int,
        endless: Callable[[str | None], bool],
        connecting: float = _CONNECTING,
        all_bytes: int = _ALL_BODIES,
    ) -> None:
        self._session = open_session(policy, connecting)
        self._most_bytes = most_bytes
        self._bodies = CallShares(max(all_bytes, _LARGEST_BODIES * most_bytes))
        self._endless = endless

    async def send(
        self, method: str, url: str, headers: Headers, content: bytes | None, *, deadline: float, caller: str
    ) -> HttpAnswer:
        """See Sender."""
        allowance = SharedAllowance(self._most_bytes, self._bodies, (caller, beginning_of(url)))
        try:
            async with (
                asyncio.timeout_at(deadline) as limit,
                exact_request(self._session, method, url, headers, content) as response,
            ):
                named = _named(response.raw_headers)
                until = None
                if self._endless(named.get("content-type")):
                    until = deadline
                    limit.reschedule(None)
                body, truncated = await read_up_to(
                    response.content.iter_any(), named.get("content-encoding", ""), allowance, until=until
                )
                return HttpAnswer(response.status, named, body, truncated)
        except BROKEN as error:
            raise WireError(error) from error
        finally:
            allowance.give_back()

    async def aclose(self) -> None:
        """Close the connections."""
        await self._session.close()


def _named(raw_headers: Sequence[tuple[bytes, bytes]]) -> dict[str, str]:
    """Return the headers by name; those that come several times are joined (RFC 9110 section 5.3)."""
    named: dict[str, list[str]] = {}
    for raw_name, raw_value in raw_headers:
        named.setdefault(raw_name.decode("latin-1").lower(), []).append(_text(raw_value))
    return {name: ", ".join(values) for name, values in named.items()}


def _text(raw: bytes) -> str:
    """Return the value, with a space for each control character (RFC 9110 section 5.5): terminals obey some."""
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        text = raw.decode("latin-1")
    return text if text.isprintable() else _CONTROL.sub(" ", text)
