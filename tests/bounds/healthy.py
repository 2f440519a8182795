"""A healthy caller in a process of its own, with its own upstream: `python -m tests.bounds.healthy`.

It prints the port of its upstream, then does what the lines of its standard input say, with a line of JSON for each:

- `{"call": bytes of a request as latin-1, "port": …, "provider": process id}` begins to send that request, one after
  the other on one kept connection, and answers once the first one has succeeded;
- `"watch"` forgets what was seen so far;
- `"report"` waits for the call in flight and for one more, and tells
  `{"calls": …, "longest": seconds, "failures": […]}`.

A call's wait is the time from its first byte to the whole answer, a new connection included where the old one is gone.
Taken off is how long the provider's event loop and this process wanted to run meanwhile and no processor was free
(`run_delay` of Linux): that is what the other programs of a busy machine cost, which differs from minute to minute.
"""

import asyncio
import json
import sys
import time
from pathlib import Path
from typing import Any

from tests.support.scripted import ok

PAUSE = 0.005  # seconds between two calls
WORKS = b'"status":"fine"'  # in each good answer
_DOCUMENT = {
    "openapi": "3.1.0",
    "info": {"title": "Healthy", "version": "1"},
    "paths": {"/state": {"get": {"operationId": "state", "responses": {"200": {"description": "ok"}}}}},
}
_STATE = ok(b'{"status":"fine"}', "Content-Type: application/json")
_FAILURES_TOLD = 3


async def serve_upstream(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer the document, or a small state."""
    document = ok(json.dumps(_DOCUMENT).encode(), "Content-Type: application/json")
    try:
        while head := await reader.readuntil(b"\r\n\r\n"):
            writer.write(document if head.startswith(b"GET /openapi.json ") else _STATE)
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()


class Caller:
    """Sends one request again and again."""

    def __init__(self, request: bytes, port: int, provider: int) -> None:
        self._request = request
        self._provider = provider
        self._port = port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self._ended = asyncio.Event()
        self.first = asyncio.Event()
        self.watch()

    def watch(self) -> None:
        """Forget what was seen so far."""
        self.longest, self.calls, self.failures = 0.0, 0, list[str]()

    async def ends(self) -> None:
        """Return when the next call has ended."""
        self._ended.clear()
        await self._ended.wait()

    async def run(self) -> None:
        """Call for ever."""
        while True:
            began, crowded = time.perf_counter(), self._crowded_out()
            try:
                answer = await self._answer()
            except (OSError, EOFError) as error:
                self._streams, answer = None, repr(error).encode()
            crowded = self._crowded_out() - crowded
            self.longest = max(self.longest, time.perf_counter() - began - crowded)
            self.calls += 1
            if WORKS in answer:
                self.first.set()
            else:
                self.failures.append(answer[-300:].decode("latin-1"))
            self._ended.set()
            await asyncio.sleep(PAUSE)

    def _crowded_out(self) -> float:
        """Seconds for which the provider's first thread, which has the event loop, and this process waited to run."""
        waited = (
            Path(f"/proc/{each}/schedstat").read_text(encoding="ascii").split()[1] for each in (self._provider, "self")
        )
        return sum(map(int, waited)) / 1e9

    async def _answer(self) -> bytes:
        if self._streams is None:
            self._streams = await asyncio.open_connection("127.0.0.1", self._port)
        reader, writer = self._streams
        writer.write(self._request)
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
        body = await reader.readexactly(length)
        if b"connection: close" in head.lower():
            self._streams = None
        return (b"" if head.startswith(b"HTTP/1.1 200") else head) + body.replace(b'\\"', b'"')


async def main() -> None:
    """Serve the upstream, and follow what standard input says until it ends."""
    upstream = await asyncio.start_server(serve_upstream, "127.0.0.1", 0)
    say({"port": upstream.sockets[0].getsockname()[1]})
    caller: Caller | None = None
    running: asyncio.Task[None] | None = None
    while line := await asyncio.to_thread(sys.stdin.readline):
        asked: Any = json.loads(line)
        if isinstance(asked, dict):
            caller = Caller(asked["call"].encode("latin-1"), asked["port"], asked["provider"])
            running = asyncio.create_task(caller.run())
            await caller.first.wait()
            say({})
        elif caller is not None and asked == "watch":
            caller.watch()
            say({})
        elif caller is not None:
            await caller.ends()
            await caller.ends()
            say({"calls": caller.calls, "longest": caller.longest, "failures": caller.failures[:_FAILURES_TOLD]})
    if running is not None:
        running.cancel()


def say(what: dict[str, Any]) -> None:
    """Answer one line."""
    sys.stdout.write(f"{json.dumps(what)}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(main())
