"""Refreshes the sources that ask for it, when they are due."""

import asyncio
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import structlog

from app.errors import ToolsProviderError
from app.sources.queries import Queries
from app.sources.refresh import Refresh
from app.sources.tables import Source

_LOOK_EVERY = 15.0  # seconds
_AT_ONCE = 4
_MOST_FAILING = 8  # sources that failed the last time, in one look
_FIRST_RETRY = 60  # seconds; doubled with each failure in a row, up to the source's own interval
_SPREAD = 0.1  # of an interval, so that sources registered together are not refreshed together

_log = structlog.get_logger(__name__)


class RefreshSchedule:
    """`wait` sleeps for a number of seconds. No failure ends the schedule, and none of one source affects another."""

    def __init__(
        self,
        queries: Queries,
        refresh: Refresh,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        wait: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self._queries = queries
        self._refresh_one = refresh
        self._now = now
        self._wait = wait
        self._slots = asyncio.Semaphore(_AT_ONCE)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Refresh what is due while the block lasts; `Writing.aclose` waits for what is under way at its end."""
        task = asyncio.create_task(self._run(), name="refresh schedule")
        try:
            yield
        finally:
            task.cancel()
            await asyncio.wait([task])

    async def refresh_due(self) -> None:
        """Refresh every source that is due now, some at a time."""
        due = due_now(await self._queries.scheduled(), self._now())
        await _surviving(*(self._refresh(source.id) for source in due))

    async def _run(self) -> None:
        while True:
            await self._wait(_LOOK_EVERY)
            await _surviving(self.refresh_due())

    async def _refresh(self, source_id: str) -> None:
        async with self._slots:
            await self._refresh_one(source_id, None)


def due_now(sources: Iterable[Source], now: datetime) -> list[Source]:
    """Return what is refreshed now: all that is due and worked the last time, then some that failed, longest due first.

    What fails may take its whole time to do so; the rest of it waits, and keeps nothing that works waiting.
    """
    due = sorted((source for source in sources if due_at(source) <= now), key=due_at)
    failing = [source for source in due if source.refresh_error is not None]
    return [*(source for source in due if source.refresh_error is None), *failing[:_MOST_FAILING]]


def due_at(source: Source) -> datetime:
    """Return when the source is due: one interval after its last refresh, or sooner after a failure."""
    every, last = source.refresh_every or 0, source.refreshed_at
    if source.refresh_error is not None:
        last = datetime.fromisoformat(source.refresh_error["last_at"])
        every = min(every, _FIRST_RETRY * 2 ** min(source.refresh_error["attempts"] - 1, 30))
    share = zlib.crc32(f"{source.id}{last.isoformat()}".encode()) / 2**32
    return last + timedelta(seconds=every * (1 + _SPREAD * share))


async def _surviving(*work: Awaitable[None]) -> None:
    for failure in await asyncio.gather(*work, return_exceptions=True):
        if isinstance(failure, ToolsProviderError):
            _log.info("refresh_failed", code=failure.code)
        elif failure is not None:
            _log.error("refresh_broke", exc_info=failure)
