"""Stands before the embedded identity provider and passes everything on but what a row wants answered otherwise."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

from anyio.from_thread import start_blocking_portal

from tests.support.scripted import Answer, Scripted, scripted

# Given the head and the body of a request: the bytes to answer, or who answers; None lets it through.
Lie = Callable[[str, bytes], bytes | Answer | None]


class Front:
    """`lie` may be set by a row. Honest without it."""

    def __init__(self, behind: str) -> None:
        self._port = int(urlsplit(behind).port or 0)
        self.server = Scripted()
        self.lie: Lie | None = None

    @property
    def address(self) -> str:
        return self.server.address

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one request, and close."""
        head = self.server.heads.pop()
        lines = head.lower().split("\r\n")
        length = next((int(line[15:]) for line in lines if line.startswith("content-length:")), 0)
        body = await reader.readexactly(length)
        answer = self.lie(head, body) if self.lie is not None else None
        if callable(answer):
            await answer(reader, writer)
        else:
            writer.write(await self._honest(head, body) if answer is None else answer)
            await writer.drain()

    async def _honest(self, head: str, body: bytes) -> bytes:
        kept = [line for line in head.split("\r\n") if line and not line.lower().startswith("connection:")]
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        writer.write("\r\n".join([*kept, "Connection: close", "", ""]).encode("latin-1") + body)
        answer = await reader.read(-1)
        writer.close()
        return answer


@contextmanager
def front_of(behind: str) -> Iterator[Front]:
    """Serve a front of that identity provider while the block lasts."""
    front = Front(behind)
    with (
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(scripted(front.serve)) as front.server,
    ):
        yield front
