"""What asks the identity provider for keys and discovery, alone in a process: `python -m tests.bounds.keys`.

The provider asks for them seldom, whatever others send, so that a row would have to wait for minutes. Each line of
standard input is the address of a realm, after `keys ` or `discovery `. It is asked with what has been asked for
nothing yet, and a line of JSON tells `{"answered": the failure's code or "ok", "cpu": seconds, "turn": seconds,
"resident": bytes, "peak": bytes}`, where `turn` is the processor time for which the event loop kept others waiting
at the longest.
"""

import asyncio
import json
import os
import sys
import time
from contextlib import aclosing
from typing import Self

from app.errors import Unavailable
from app.identity.issuer_watch import IssuerWatch
from app.identity.jwks import JwksCache
from app.outbound import plain_client
from tests.bounds.identity_answers import GOOD_KEY
from tests.bounds.meter import Peak, resident

_TIMEOUT = 1.0  # seconds


class _Turns:
    """The longest turn of the event loop while the block lasts."""

    def __init__(self) -> None:
        self.longest = 0.0

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._watch())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()
        await asyncio.wait([self._task])

    async def _watch(self) -> None:
        before = time.thread_time()
        while True:
            await asyncio.sleep(0)
            self.longest = max(self.longest, (now := time.thread_time()) - before)
            before = now
            await asyncio.sleep(0.001)
            self.longest = max(self.longest, (now := time.thread_time()) - before)
            before = now


async def _asked(what: str, realm_url: str) -> str:
    async with plain_client() as client:
        if what == "discovery":
            async with asyncio.timeout(10):
                return "differs" if await IssuerWatch(client, realm_url, "https://expected.example").differs() else "ok"
        async with aclosing(JwksCache(client, realm_url, timeout=_TIMEOUT)) as keys:
            try:
                await keys.key(GOOD_KEY, "RS256")
            except Unavailable as error:
                return error.code
    return "ok"


async def _main() -> None:
    while line := await asyncio.to_thread(sys.stdin.readline):
        what, realm_url = line.split()
        used = time.process_time()
        with Peak(os.getpid()) as peak:
            async with _Turns() as turns:
                answered = await _asked(what, realm_url)
        told = {
            "answered": answered,
            "cpu": time.process_time() - used,
            "turn": turns.longest,
            "resident": resident(os.getpid()),
            "peak": peak.own,
        }
        print(json.dumps(told), flush=True)


if __name__ == "__main__":
    asyncio.run(_main())
