"""Remembers within one process, and forgets everything at its end."""

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, Generic, TypeVar
from weakref import WeakValueDictionary

Value = TypeVar("Value")


class InProcessMemory:
    """See Memory. `aclose` ends the shared work that is under way."""

    def __init__(self) -> None:
        self.leases = _Leases()
        self._kept: dict[str, _Kept[Any]] = {}

    def kept(self, name: str, *, most: int) -> "_Kept[Any]":
        """See Memory."""
        return self._kept.setdefault(name, _Kept(most))

    async def aclose(self) -> None:
        """End the shared work that is under way; its callers are cancelled."""
        for kept in self._kept.values():
            await kept.aclose()


class _Kept(Generic[Value]):
    def __init__(self, most: int) -> None:
        self._most = most
        self._entries: OrderedDict[bytes, tuple[float, Value]] = OrderedDict()
        self._flights: dict[bytes, asyncio.Task[Value]] = {}

    async def get(self, key: bytes, now: float) -> Value | None:
        entry = self._entries.get(key)
        if entry is None or entry[0] <= now:
            return None
        self._entries.move_to_end(key)
        return entry[1]

    async def keep(self, key: bytes, value: Value, *, until: float, now: float) -> None:
        if until <= now:
            return
        self._entries[key] = (until, value)
        self._entries.move_to_end(key)
        while len(self._entries) > self._most or next(iter(self._entries.values()))[0] <= now:
            self._entries.popitem(last=False)

    async def forget(self, key: bytes) -> None:
        self._entries.pop(key, None)

    async def once(self, key: bytes, work: Callable[[], Coroutine[Any, Any, Value]]) -> Value:
        flight = self._flights.get(key)
        if flight is None:
            flight = self._flights[key] = asyncio.create_task(work())
            flight.add_done_callback(partial(self._land, key))
        return await asyncio.shield(flight)

    async def aclose(self) -> None:
        flights = list(self._flights.values())
        for flight in flights:
            flight.cancel()
        if flights:
            await asyncio.wait(flights)

    def _land(self, key: bytes, flight: asyncio.Task[Value]) -> None:
        del self._flights[key]
        if not flight.cancelled():
            flight.exception()  # when every caller has given up, asyncio would complain that nobody looked at it


class _Leases:
    def __init__(self) -> None:
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    @asynccontextmanager
    async def held(self, key: str) -> AsyncIterator[None]:
        async with self._locks.setdefault(key, asyncio.Lock()):
            yield
