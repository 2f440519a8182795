"""Who is next where only so many may do something at a time, so that no party keeps another waiting for long."""

import asyncio
from collections import Counter, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from app.errors import Unavailable


class Places:
    """`most` places, of which a party has half at a time. Of those who wait, the party with the fewest is next.

    `waiting` may wait for each party.
    """

    def __init__(self, most: int, waiting: int) -> None:
        self._free = most
        self._share = max(1, most // 2)
        self._most_waiting = waiting
        self._held: Counter[str] = Counter()
        self._waiting: dict[str, deque[asyncio.Future[None]]] = {}

    @asynccontextmanager
    async def one_for(self, party: str) -> AsyncIterator[None]:
        """Hold a place while the block lasts, once there is one. Raises Unavailable (`server_busy`)."""
        await self._turn(party)
        try:
            yield
        finally:
            self._give_back(party)

    async def _turn(self, party: str) -> None:
        turns = self._waiting.setdefault(party, deque())
        if len(turns) >= self._most_waiting:
            raise Unavailable(
                "server_busy",
                f"{self._most_waiting} documents of yours wait to be read, which is as many as may. Send this again "
                "when some of them have been.",
            )
        turn = asyncio.get_running_loop().create_future()
        turns.append(turn)
        self._hand_out()
        try:
            await asyncio.shield(turn)
        except asyncio.CancelledError:
            if turn.done():
                self._give_back(party)
            else:
                self._leave(party, turn)
            raise

    def _give_back(self, party: str) -> None:
        self._free += 1
        self._held[party] -= 1
        if not self._held[party]:
            del self._held[party]
        self._hand_out()

    def _hand_out(self) -> None:
        while self._free:
            entitled = [party for party in self._waiting if self._held[party] < self._share]
            if not entitled:
                return
            party = min(entitled, key=self._held.__getitem__)
            turn = self._waiting[party][0]
            self._leave(party, turn)
            if (others := self._waiting.pop(party, None)) is not None:
                self._waiting[party] = others  # behind the parties that have waited as long
            self._free -= 1
            self._held[party] += 1
            turn.set_result(None)

    def _leave(self, party: str, turn: asyncio.Future[None]) -> None:
        self._waiting[party].remove(turn)
        if not self._waiting[party]:
            del self._waiting[party]
