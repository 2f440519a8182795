"""Answers that their clients do not take: they wait in memory, for a while, and are counted for whoever asked."""

import math
from asyncio import AbstractEventLoop, Transport

from app.api.http.held import Held, Holding
from app.api.http.limits import MOVED_BYTES
from app.errors import Unavailable

GRACE = 1.0  # seconds that an answer may wait uncounted, which hardly any client needs


class Untaken:
    """What waits for one client; `by` is when it must have taken some of that, infinite while nothing waits."""

    def __init__(self, transport: Transport, loop: AbstractEventLoop, held: Held, timeout: float) -> None:
        self.by = math.inf
        self._transport, self._loop, self._held, self._timeout = transport, loop, held, timeout
        self._size = 0
        self._holding: Holding | None = None

    def begin(self) -> None:
        """The client is slower than the answer."""
        self._size = self._transport.get_write_buffer_size()
        self.by = self._loop.time() + GRACE

    def overdue(self, payer: str) -> None:
        """Count what is left, and end the connection of a client that takes too little or lets too much wait."""
        left = self._transport.get_write_buffer_size()
        if self._holding is None:
            self._holding = Holding(self._held, payer)
            try:
                self._holding.grow_to(left)
            except Unavailable:  # nothing can be said any more: the answer has begun
                self._transport.abort()
        elif self._size - left < MOVED_BYTES:
            self._transport.abort()
        self._size = left
        self.by = self._loop.time() + self._timeout

    def end(self) -> None:
        """It has taken nearly all of it, or has left."""
        self.by = math.inf
        if self._holding is not None:
            self._holding.end()
            self._holding = None
