"""Stops the work of a request whose client has left, so that the upstream call behind it stops too."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from starlette.types import Receive

from app.api.http.bodies import ClientGone

T = TypeVar("T")


async def unless_gone(
    receive: Receive, work: Coroutine[Any, Any, T], answered: Callable[[], bool] = lambda: False
) -> T:
    """Return what `work` returns; when the client leaves first, cancel `work`, wait for its end, raise ClientGone.

    The request's body must have been read: from then on `receive` can only report that the client has left. Servers
    also report that after a complete answer; work that sends the answer itself says so by `answered` and may finish.
    """
    leaving = asyncio.timeout(None)
    watcher = asyncio.ensure_future(_end(leaving, receive, answered))
    try:
        async with leaving:
            return await work
    except TimeoutError:
        if leaving.expired():
            raise ClientGone from None
        raise
    finally:
        watcher.cancel()


async def _end(leaving: asyncio.Timeout, receive: Receive, answered: Callable[[], bool]) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    if not answered():
        leaving.reschedule(asyncio.get_running_loop().time())
