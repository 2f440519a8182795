"""Serves ASGI applications over real HTTP from threads of their own."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn
from starlette.types import ASGIApp

START_SECONDS = 30
GRACE = 2  # seconds that open requests get when the block ends


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.settled = threading.Event()  # started, or failed to

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        try:
            await super().startup(sockets)
        finally:
            self.settled.set()


def listener() -> socket.socket:
    """A socket on a free port of the loopback interface."""
    opened = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    opened.bind(("127.0.0.1", 0))
    return opened


def address_of(opened: socket.socket) -> str:
    return f"http://127.0.0.1:{opened.getsockname()[1]}"


@contextmanager
def running(app: ASGIApp, opened: socket.socket | None = None, **config: Any) -> Iterator[str]:
    """Serve the application while the block lasts, on the socket or on a free port; yields its address."""
    opened = opened or listener()
    given = {"log_config": None, "access_log": False, "ws": "none", "timeout_graceful_shutdown": GRACE, **config}
    server = _Server(uvicorn.Config(app, **given))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [opened]}, daemon=True)
    thread.start()
    try:
        assert server.settled.wait(START_SECONDS), "the application is still starting"
        assert server.started, "the application did not start"
        yield address_of(opened)
    finally:
        server.should_exit = True
        thread.join(START_SECONDS)
        opened.close()
        assert not thread.is_alive(), "the application did not stop"
