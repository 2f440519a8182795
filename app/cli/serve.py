"""`tools-provider serve`: the server as a process, from its settings to its end."""

import asyncio
import ctypes
import gc
import math
import signal
import socket
import sys
import time
from contextlib import suppress
from types import FrameType
from typing import Any, NoReturn

import structlog
import typer
import uvicorn
from fastapi import FastAPI
from pydantic import ValidationError

from app.api.http.protocol import bounded
from app.errors import Unavailable
from app.logs import configure_logging
from app.main import create_app, prepare
from app.settings import Settings, misspelt

if sys.platform != "win32":
    import resource

_OTHER_FILES = 200  # database, identity provider, log, processes that read documents
_M_MMAP_THRESHOLD = -3  # of malloc.h
_LARGE_BLOCK = 1_048_576  # bytes
_TURN = 0.000_5  # seconds that a thread may keep the interpreter from others; Python's own are 0.005
_FAILED, _UNUSABLE = 1, 2  # exit status when it cannot start, and for settings and addresses that cannot be used
_log = structlog.get_logger(__name__)


def serve(host: str | None = None, port: int | None = None) -> None:
    """Serve until a signal ends it; host and port go before their settings.

    Exits with 1 when it cannot start, with 2 for settings and addresses that cannot be used.
    """
    given = {"host": host, "port": port}
    settings = _settings({name: value for name, value in given.items() if value is not None})
    try:
        app = create_app(settings)
    except ValueError as error:  # a setting that only its reader can judge
        _give_up(str(error))
    listener = _listener(settings.host, settings.port)
    try:
        asyncio.run(prepare(settings))
    except Unavailable as error:
        listener.close()
        _give_up(f"DATABASE_URL: the database cannot be used. {error.inside}", _FAILED)
    except ValueError as error:
        listener.close()
        _give_up(str(error))
    try:
        listener.listen()  # two that start together can both bind
    except OSError as error:
        listener.close()
        _cannot_listen(settings.host, settings.port, error)
    configure_logging(settings.log_level)
    _open_files_for(settings.max_connections)
    _give_back_large_blocks()
    sys.setswitchinterval(_TURN)  # each statement of the database is a thread's, and a call waits for several
    for name, nearest in misspelt().items():
        _log.warning("a variable that looks like a setting is none and has no effect", variable=name, setting=nearest)
    address = _written(*listener.getsockname()[:2])
    server = _Server(app, settings, f"Tools provider on http://{address}, known as {settings.public_url}")
    try:
        server.run(sockets=[listener])
    except SystemExit:  # uvicorn ends a start that failed with a status of its own
        raise typer.Exit(_FAILED) from None


class _Server(uvicorn.Server):
    """Says when it serves. Asked to end, it listens for a while without being ready; calls in flight may finish."""

    def __init__(self, app: FastAPI, settings: Settings, greeting: str) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                http=bounded(app.state.connections),
                ws="none",
                log_config=None,
                access_log=False,  # paths and queries are not ours to keep; each call has its audit record
                server_header=False,
                proxy_headers=False,  # whoever reaches us could state them
                timeout_keep_alive=math.ceil(settings.keep_alive),
                timeout_graceful_shutdown=math.ceil(settings.shutdown_grace),
            )
        )
        self._app = app
        self._drain = settings.shutdown_drain
        self._ends_at = math.inf
        self._greeting = greeting

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to serve. What was loaded for that stays: looking through it for garbage took a tenth of every call."""
        await super().startup(sockets)
        gc.collect()
        gc.freeze()
        if self.started:
            typer.echo(self._greeting, err=True)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002 - uvicorn's signature
        """End, with status 0 (uvicorn's own handler would die by the signal); a second Ctrl-C does not wait for calls.

        On SIGTERM load balancers are told first, by `/ready`. At a terminal (SIGINT) nobody waits for them, and a
        second signal means now.
        """
        self.force_exit = self.should_exit and sig == signal.SIGINT
        composition = getattr(self._app.state, "composition", None)
        if composition is None or sig == signal.SIGINT or self._ends_at < math.inf:
            self.should_exit = True
        self._ends_at = time.monotonic() + self._drain
        if composition is not None:
            composition.readiness.stopping = True

    async def on_tick(self, counter: int) -> bool:
        """Tell whether the time to listen is over."""
        return await super().on_tick(counter) or time.monotonic() >= self._ends_at


def _give_back_large_blocks() -> None:
    """Have glibc give memory back as soon as it is free (mallopt(3)); else it keeps larger and larger blocks of it."""
    with suppress(AttributeError, OSError, TypeError):  # where there is no glibc
        ctypes.CDLL(None).mallopt(_M_MMAP_THRESHOLD, _LARGE_BLOCK)


def _settings(given: dict[str, Any]) -> Settings:
    try:
        return Settings(**given)
    except UnicodeDecodeError:
        _give_up(".env: this is not UTF-8 text. Correct it.")
    except ValidationError as error:
        _give_up(
            "\n".join(_complaint(str(item["loc"][0]) if item["loc"] else "", item["msg"]) for item in error.errors())
        )


def _complaint(field: str, message: str) -> str:
    # Never the value: it may be a secret.
    text = message.removeprefix("Value error, ")
    return f"{field.upper()}: {text}. Correct it in the environment or in .env." if field else text


def _open_files_for(connections: int) -> None:
    """See that each connection can be accepted, and call an upstream; a limit of 1,024 files is usual."""
    if sys.platform == "win32":
        return
    needed = 2 * connections + _OTHER_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    if most < needed:
        _log.warning("fewer files may be open than MAX_CONNECTIONS needs", limit=most, needed=needed)


def _listener(host: str, port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        _cannot_listen(host, port, error)
    return listener


def _cannot_listen(host: str, port: int, error: OSError) -> NoReturn:
    _give_up(f"Cannot listen on {_written(host, port)}: {error.strerror}. Stop what is there, or set HOST or PORT.")


def _written(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _give_up(text: str, status: int = _UNUSABLE) -> NoReturn:
    sys.stderr.write(f"{text}\n")
    raise typer.Exit(status)
