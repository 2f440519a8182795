"""Looks names up as the system does, so that a name that hangs keeps nobody waiting for another.

Only `getaddrinfo` knows all that a name may mean on a machine, and it cannot be stopped: each lookup has a thread of
its own, which is left behind (docs/decisions/0023-names.md). Every party that names are looked up for has its own
Names.
"""

import asyncio
import socket
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from threading import Thread
from typing import Any

from aiohttp.abc import AbstractResolver, ResolveResult

from app.outbound.causes import Shortage, is_shortage

_DEADLINE = 2.0  # seconds; a name server that works takes a tenth of it
_AT_ONCE = 32  # lookups of names that answered in time when they were last looked up, and as many of all others
_KEPT_FOR = 10.0  # seconds; getaddrinfo does not tell for how long an answer holds, and few hold for less
_LONGER = 600.0  # seconds for which it is kept besides while there is no thread to ask again (as RFC 8767 does)
_MOST_KEPT = 1_024  # names
_MOST_ADDRESSES = 32  # of one name; each is checked and may be tried. An answer over TCP has room for 4,000
_OF_USE = socket.AI_ADDRCONFIG & getattr(socket, "AI_MASK", -1)  # BSD takes no flag beyond its mask
_NUMERIC = socket.NI_NUMERICHOST | socket.NI_NUMERICSERV
_FOUND = socket.AI_NUMERICHOST | socket.AI_NUMERICSERV


@dataclass(frozen=True, slots=True)
class Found:
    """One address of a name, in canonical text, with its zone where it has one (RFC 4007 section 11)."""

    family: int
    protocol: int
    address: str


@dataclass(slots=True)
class _Lookup:
    began: float
    result: asyncio.Task[Sequence[Found]]
    had_to_wait: bool = False  # for other lookups to end


@dataclass(frozen=True, slots=True)
class _Kept:
    found: Sequence[Found]
    until: float
    in_time: bool


class Names:
    """The lookups of one party. All who ask for a name wait for one lookup, at most `deadline` seconds from its start.

    What hangs runs on, so that whoever asks for the same name fails at once until it ends. Names that answered in time
    have half of the `2 * at_once` threads to themselves; where these hang all the same, the others lead where they last
    led.
    """

    def __init__(
        self, *, deadline: float | None = _DEADLINE, at_once: int = _AT_ONCE, kept_for: float = _KEPT_FOR
    ) -> None:
        self._deadline = deadline
        self._kept_for = kept_for
        self._reliable = asyncio.Semaphore(at_once)
        self._others = asyncio.Semaphore(at_once)
        self._under_way: dict[str, _Lookup] = {}
        self._kept: dict[str, _Kept] = {}

    async def addresses(self, host: str) -> Sequence[Found]:
        """Return where a name leads. Raises OSError, and Shortage if too many other names hang."""
        now = asyncio.get_running_loop().time()
        kept = self._kept.get(host)
        if kept is not None and now < kept.until + (_LONGER if kept.in_time and self._reliable.locked() else 0):
            return kept.found
        lookup = self._under_way.get(host) or self._begin(host, now, self._room(kept))
        try:
            async with asyncio.timeout_at(self._end(lookup)):
                return await asyncio.shield(lookup.result)
        except TimeoutError:
            if lookup.had_to_wait:
                raise Shortage from None
            raise socket.gaierror(socket.EAI_AGAIN, "the name server has not answered in time") from None

    def _end(self, lookup: _Lookup) -> float | None:
        return None if self._deadline is None else lookup.began + self._deadline

    def _room(self, kept: _Kept | None) -> asyncio.Semaphore:
        return self._reliable if kept is not None and kept.in_time else self._others

    def _begin(self, host: str, now: float, room: asyncio.Semaphore) -> _Lookup:
        task = asyncio.create_task(self._look_up(host, room), name="lookup")
        task.add_done_callback(lambda done: done.cancelled() or done.exception())  # nobody may be waiting any more
        lookup = self._under_way[host] = _Lookup(now, task)
        return lookup

    async def _look_up(self, host: str, room: asyncio.Semaphore) -> Sequence[Found]:
        self._under_way[host].had_to_wait = room.locked()
        try:
            async with asyncio.timeout(self._deadline):
                await room.acquire()
        except TimeoutError:
            del self._under_way[host]
            raise Shortage from None
        self._kept.pop(host, None)
        clock = asyncio.get_running_loop().time
        began = clock()
        try:
            found = await _asked(host)
        finally:
            room.release()
            del self._under_way[host]
        in_time = self._deadline is None or clock() - began < self._deadline
        self._keep(host, _Kept(found, clock() + self._kept_for, in_time))
        return found

    def _keep(self, host: str, kept: _Kept) -> None:
        self._kept[host] = kept
        if len(self._kept) > _MOST_KEPT:
            del self._kept[next(iter(self._kept))]


class Resolver(AbstractResolver):
    """Tells aiohttp what our own lookups found."""

    def __init__(self, names: Names) -> None:
        self._names = names

    async def resolve(
        self,
        host: str,
        port: int = 0,
        family: socket.AddressFamily = socket.AF_UNSPEC,  # noqa: ARG002 - none of our connectors prefers one
    ) -> list[ResolveResult]:
        """Return where the name leads. Raises what Names raises."""
        return [
            ResolveResult(
                hostname=host, host=each.address, port=port, family=each.family, proto=each.protocol, flags=_FOUND
            )
            for each in await self._names.addresses(host)
        ]

    def check(self, host: str, port: int) -> None:
        """Raise nothing: any IP address may be connected to."""

    async def close(self) -> None:
        """Close nothing."""


def _asked(host: str) -> asyncio.Future[Sequence[Found]]:
    """Ask in a new thread: one of a pool would keep the process from ending for as long as it hangs."""
    answer: Future[Sequence[Found]] = Future()
    answer.set_running_or_notify_cancel()
    try:
        Thread(target=_ask, args=(host, answer), name="lookup", daemon=True).start()
    except RuntimeError:  # the system gives no more threads
        raise Shortage from None
    return asyncio.wrap_future(answer)


def _ask(host: str, answer: Future[Sequence[Found]]) -> None:
    try:
        try:
            listed = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM, flags=_OF_USE)
        except socket.gaierror:
            if host.rstrip(".") != "localhost":
                raise
            listed = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)  # it leads somewhere without any network
        listed = listed[:_MOST_ADDRESSES]
        answer.set_result([Found(family, protocol, _text(to)) for family, _, protocol, _, to in listed])
    except (OSError, UnicodeError) as error:
        answer.set_exception(error if _more_files() else Shortage())


def _more_files() -> bool:
    """Whether the system gives us files; without any, `getaddrinfo` says that there is no such name."""
    try:
        socket.socket().close()
    except OSError as error:
        return not is_shortage(error)
    return True


def _text(to: tuple[Any, ...]) -> str:
    has_zone = len(to) > 3 and to[3]
    return str(socket.getnameinfo(to, _NUMERIC)[0] if has_zone else to[0])
