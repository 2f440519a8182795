"""Serves an application inside the running event loop, for as long as a block lasts."""

import asyncio
import socket
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import uvicorn
from fastapi import FastAPI
from starlette.types import ASGIApp

GRACE = 2  # seconds that open requests get when the block ends
HEADER_BYTES = 32 * 1024  # of a request, its first line included
CONNECTIONS = 1_000


class ServerFailed(Exception):
    """The application did not start."""


class _Server(uvicorn.Server):
    """A server that says when it is ready and leaves signals to whoever started it."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.ready.set()

    @contextmanager
    def capture_signals(self) -> Generator[None]:
        yield


def bounded(app: ASGIApp, **more: Any) -> uvicorn.Config:  # noqa: ANN401 - uvicorn's own options
    """How an application is served that anything on this machine may call: httptools would take endless headers."""
    return uvicorn.Config(
        app,
        http="h11",
        ws="none",
        h11_max_incomplete_event_size=HEADER_BYTES,
        limit_concurrency=CONNECTIONS,
        log_level="warning",
        timeout_graceful_shutdown=GRACE,
        **more,
    )


def listener_on(port: int = 0) -> socket.socket:
    """A socket bound to a port of the loopback interface; 0 is any free one. Raises OSError when it is taken."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(("127.0.0.1", port))
    except OSError:
        listener.close()
        raise
    return listener


@asynccontextmanager
async def serving(app: FastAPI, listener: socket.socket) -> AsyncGenerator[str]:
    """Serve the application on the socket, which is closed at the end; yields the address without a path.

    Raises ServerFailed when the application does not start.
    """
    server = _Server(bounded(app, access_log=False))
    port = listener.getsockname()[1]
    running = asyncio.create_task(server.serve(sockets=[listener]))
    ready = asyncio.create_task(server.ready.wait())
    try:
        await asyncio.wait({running, ready}, return_when=asyncio.FIRST_COMPLETED)
        if not server.started:
            raise ServerFailed(f"{app.title} did not start")
        yield f"http://localhost:{port}"
    finally:
        ready.cancel()
        server.should_exit = True
        await running
        listener.close()
