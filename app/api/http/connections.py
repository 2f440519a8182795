"""How many clients may be connected, who makes room for a new one, whose request is next, and until when each must have
done its part."""

from asyncio import AbstractEventLoop, TimerHandle
from collections import Counter, deque
from collections.abc import Callable
from ipaddress import ip_address, ip_network
from typing import Protocol

from app.api.http.held import Held
from app.api.http.untaken import Untaken

SURPLUS = 32  # connections above the limit: they get a refusal that can be read, and probes an answer
SURPLUS_SECONDS = 5.0  # in which these must have sent their request
_TICK = 0.25  # seconds between two looks at what is overdue


class Connection(Protocol):
    """A client's connection.

    `payer` is its address, `due` when the client must have sent what it is waited for; infinite while nothing is.
    """

    payer: str
    due: float
    untaken: Untaken
    loop: AbstractEventLoop

    def idle_until(self) -> float | None:
        """Return when an idle connection is closed; None while a request is sent or answered."""

    def waits_for_client(self) -> bool:
        """Whether a request has begun to come and has not come in full, or an answer is there and is not taken."""

    def overdue(self) -> None:
        """Act on a client that has not sent its part in time."""

    def not_taken(self) -> None:
        """Act on a client that has not taken its part in time."""

    def give_way(self) -> None:
        """Make room for another one, without waiting."""


class Connections:
    """All connections. One look around four times a second is cheaper than timers that every request sets and ends.

    When there are `most`, whoever has the most of them makes room: an idle one, or, for another address, the one whose
    client has the least time left to send the rest of a request or to take an answer. Where nobody can, the new one is
    surplus.
    """

    def __init__(self, most: int, read_timeout: float, held: Held) -> None:
        self.read_timeout = read_timeout
        self.held = held
        self.most = most
        self._all: dict[Connection, None] = {}  # in the order in which they came
        self._surplus: dict[Connection, None] = {}
        self.turns = Turns()
        self._by: Counter[str] = Counter()
        self._timer: TimerHandle | None = None

    def add(self, connection: Connection) -> None:
        """Let it in, as one of those that are served or as surplus."""
        self._timer = self._timer or connection.loop.call_later(_TICK, self._look_around, connection.loop)
        connection.due = connection.loop.time() + self.read_timeout
        if len(self._all) < self.most or self._makes_room(connection.payer):
            self._all[connection] = None
            self._by[connection.payer] += 1
            return
        connection.due = connection.loop.time() + SURPLUS_SECONDS
        self._surplus[connection] = None
        if len(self._surplus) > SURPLUS:
            next(iter(self._surplus)).give_way()

    def remove(self, connection: Connection) -> None:
        """Forget a connection that is closed, or about to be."""
        self._surplus.pop(connection, None)
        if connection in self._all:
            del self._all[connection]
            self._by[connection.payer] -= 1
            if not self._by[connection.payer]:
                del self._by[connection.payer]

    def is_surplus(self, connection: Connection) -> bool:
        """Whether it is above the limit."""
        return connection in self._surplus

    def _makes_room(self, newcomer: str) -> bool:
        most = max(self._by.values())
        payer = newcomer if self._by[newcomer] == most else next(each for each, has in self._by.items() if has == most)
        theirs = [connection for connection in self._all if connection.payer == payer]
        idle = [(until, connection) for connection in theirs if (until := connection.idle_until()) is not None]
        if idle:
            leaving = min(idle, key=lambda each: each[0])[1]
        elif payer != newcomer and (waiting := [each for each in theirs if each.waits_for_client()]):
            leaving = min(waiting, key=lambda each: min(each.due, each.untaken.by))
        else:
            return False
        self.remove(leaving)
        leaving.give_way()
        return True

    def _look_around(self, loop: AbstractEventLoop) -> None:
        now, connected = loop.time(), (*self._all, *self._surplus)
        self._timer = loop.call_later(_TICK, self._look_around, loop) if connected else None
        for connection in connected:
            if connection.due <= now:
                connection.overdue()
            if connection.untaken.by <= now:
                connection.not_taken()


class Turns:
    """When many requests come at once, those who sent them take turns.

    One is begun in each round of the event loop. In a round uvloop accepts one connection, so a newcomer behind a
    thousand others waits for a thousand rounds, which must be short; and each step of a request waits for one round.
    """

    def __init__(self) -> None:
        self._waiting: dict[str, deque[Callable[[], object]]] = {}  # whose turn is next comes first
        self._in_round = False

    def begin(self, loop: AbstractEventLoop, payer: str, begin: Callable[[], object]) -> None:
        """Begin now, or when it is the payer's turn."""
        if self._in_round:
            self._waiting.setdefault(payer, deque()).append(begin)
            return
        self._in_round = True
        loop.call_soon(self._next_round, loop)
        begin()

    def _next_round(self, loop: AbstractEventLoop) -> None:
        if not self._waiting:
            self._in_round = False
            return
        loop.call_soon(self._next_round, loop)
        payer = next(iter(self._waiting))
        theirs = self._waiting.pop(payer)
        begin = theirs.popleft()
        if theirs:
            self._waiting[payer] = theirs
        begin()


def payer_of(client: tuple[str, int] | None) -> str:
    """Return who a connection is counted for: the address, of IPv6 its network (/64), which one subscriber has."""
    host = client[0] if client else ""
    try:
        address = ip_address(host.partition("%")[0])
    except ValueError:  # a socket without addresses
        return host
    if address.version == 6:
        return str(address.ipv4_mapped or ip_network((address, 64), strict=False))
    return host
