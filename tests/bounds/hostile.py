"""A server that answers as badly as it is told to, in a process of its own, so that its work is not the provider's.

`/TABLE/ROW/SCALE/…` is answered by the row of that name in the table of that name (tables.py). It is started as
`python -m tests.bounds.hostile`; the first line of its output is its port.
"""

import asyncio
import contextlib
import socket
import struct
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from importlib import import_module
from itertools import repeat
from pathlib import Path
from typing import Literal
from urllib.parse import unquote

# Bytes to send, seconds to wait unless the other side leaves, or what to do with the connection (deaf: read nothing).
Piece = bytes | float | Literal["deaf", "reset", "close"]
Answer = Callable[[int], Iterable[Piece]]
Answers = dict[str, Answer]

MIB = 1_048_576
FOR_EVER = 600.0  # seconds; whoever calls gives up before
_BLOCK = 65_536
_DEAF = 4.0  # seconds, longer than whoever calls waits
_LARGEST = 32 * MIB


def in_turn(*pieces: Piece | Iterable[Piece]) -> Iterator[Piece]:
    """Pieces and runs of pieces, then the connection is closed."""
    for piece in pieces:
        if isinstance(piece, bytes | float | str):
            yield piece
        else:
            yield from piece
    yield "close"


def many(piece: bytes, times: int) -> Iterator[bytes]:
    """The bytes so many times, in blocks of some size."""
    at_once = max(1, _BLOCK // len(piece))
    yield from repeat(piece * at_once, times // at_once)
    yield piece * (times % at_once)


def endless(piece: bytes) -> Iterator[bytes]:
    """The bytes without end."""
    yield from repeat(piece * max(1, _BLOCK // len(piece)))


def ok(body: bytes, *headers: str, status: str = "200 OK") -> bytes:
    """A whole answer."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


def head(*headers: str, status: str = "200 OK") -> bytes:
    """The head of an answer."""
    return "\r\n".join([f"HTTP/1.1 {status}", *headers]).encode("latin-1") + b"\r\n\r\n"


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def size_of(answer: Answer, scale: int) -> int:
    """How many bytes an answer has, as far as anybody may take them in."""
    size = 0
    for piece in answer(scale):
        size += len(piece) if isinstance(piece, bytes) else 0
        if size > _LARGEST:
            break
    return size


@contextmanager
def hostile() -> Iterator[str]:
    """Start the process; yields its address."""
    command = [sys.executable, "-m", "tests.bounds.hostile"]
    process = subprocess.Popen(command, cwd=Path(__file__).parents[2], stdout=subprocess.PIPE)  # noqa: S603
    assert process.stdout is not None
    try:
        port = int(process.stdout.readline())
        yield f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        process.communicate()


class _Server:
    def __init__(self, tables: dict[str, Answers]) -> None:
        self._tables = tables

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            while await self._answer(await reader.readuntil(b"\r\n\r\n"), reader, writer):
                pass
        writer.close()

    async def _answer(self, asked: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Answer one request; whether another may follow."""
        _, table, name, scale, *_ = unquote(asked.split(b" ")[1].decode()).split("/")
        return await play(self._tables[table][name](int(scale)), reader, writer)


async def play(pieces: Iterable[Piece], reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
    """Answer one request; whether another may follow."""
    for piece in pieces:
        if isinstance(piece, bytes):
            writer.write(piece)
            await writer.drain()
        elif isinstance(piece, float):
            await _left_or(piece, reader)
        elif piece == "deaf":
            await asyncio.sleep(_DEAF)
        else:
            if piece == "reset":
                linger = struct.pack("ii", 1, 0)
                writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            return False
    return True


async def _left_or(seconds: float, reader: asyncio.StreamReader) -> None:
    """Wait; raises ConnectionError if the other side leaves meanwhile."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            if not await reader.read(1):
                raise ConnectionError


async def _main() -> None:
    tables = import_module("tests.bounds.tables").TABLES  # which needs what is above
    server = await asyncio.start_server(_Server(tables).serve, "127.0.0.1", 0, limit=MIB)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_main())
