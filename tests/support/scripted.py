"""An HTTP server that answers exactly the bytes it is told to, and remembers what it was sent."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import cast

Answer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@dataclass
class Scripted:
    """`heads` are the request heads as they came, `connections` counts what was accepted."""

    port: int = 0
    heads: list[str] = field(default_factory=list)
    connections: int = 0

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@asynccontextmanager
async def scripted(answer: bytes | Answer, tls: ssl.SSLContext | None = None) -> AsyncGenerator[Scripted]:
    state = Scripted()
    open_now: dict[asyncio.Task[None], asyncio.StreamWriter] = {}

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        state.connections += 1
        open_now[cast("asyncio.Task[None]", asyncio.current_task())] = writer
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            while True:
                state.heads.append((await reader.readuntil(b"\r\n\r\n")).decode("latin-1"))
                if callable(answer):
                    await answer(reader, writer)
                    break
                writer.write(answer)
                await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    state.port = server.sockets[0].getsockname()[1]
    try:
        yield state
    finally:
        server.close()
        for writer in open_now.values():
            with contextlib.suppress(AttributeError):  # asyncio's own, where it had closed with bytes still to send
                writer.transport.abort()
        if open_now:
            await asyncio.wait(open_now)


def ok(body: bytes, *headers: str) -> bytes:
    """Return a 200 answer with a Content-Length."""
    lines = ["HTTP/1.1 200 OK", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def redirect(location: str) -> bytes:
    """Return a 302 answer."""
    return f"HTTP/1.1 302 Found\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n".encode()
