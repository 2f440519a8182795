"""`tools-provider serve`: the server as a process, from its settings to its end."""

import asyncio
import gc
import signal
import socket
import sys
from types import FrameType
from typing import Any, NoReturn

import typer
import uvicorn
from fastapi import FastAPI
from pydantic import ValidationError

from app.errors import Unavailable
from app.logs import configure_logging
from app.main import create_app, prepare
from app.settings import Settings

GRACE = 8  # seconds that calls in flight get after SIGTERM; container engines kill after 10
_FAILED, _UNUSABLE = 1, 2  # exit status when it cannot start, and for settings and addresses that cannot be used


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
    configure_logging(settings.log_level)
    host, port, *_ = listener.getsockname()
    address = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
    server = _Server(app, f"Tools provider on {address}, known as {settings.public_url}")
    try:
        server.run(sockets=[listener])
    except SystemExit:  # uvicorn ends a start that failed with a status of its own
        raise typer.Exit(_FAILED) from None


class _Server(uvicorn.Server):
    """Says when it serves, and that it is no longer ready before it stops listening; lets calls in flight finish."""

    def __init__(self, app: FastAPI, greeting: str) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                log_config=None,
                access_log=False,  # paths and queries are not ours to keep; each call has its audit record
                server_header=False,
                timeout_graceful_shutdown=GRACE,
            )
        )
        self._app = app
        self._greeting = greeting

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to serve. What was loaded for that stays: looking through it for garbage took a tenth of every call."""
        await super().startup(sockets)
        gc.collect()
        gc.freeze()
        if self.started:
            typer.echo(self._greeting, err=True)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002 - uvicorn's signature
        """Stop, and end with status 0 (uvicorn's own handler would die by the signal); a second Ctrl-C does not wait.

        Whoever is still connected hears it from `/ready`.
        """
        self.force_exit = self.should_exit and sig == signal.SIGINT
        self.should_exit = True
        composition = getattr(self._app.state, "composition", None)
        if composition is not None:
            composition.readiness.stopping = True


def _settings(given: dict[str, Any]) -> Settings:
    try:
        return Settings(**given)
    except ValidationError as error:
        _give_up(
            "\n".join(_complaint(str(item["loc"][0]) if item["loc"] else "", item["msg"]) for item in error.errors())
        )


def _complaint(field: str, message: str) -> str:
    # Never the value: it may be a secret.
    text = message.removeprefix("Value error, ")
    return f"{field.upper()}: {text}. Correct it in the environment or in .env." if field else text


def _listener(host: str, port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        _give_up(f"Cannot listen on {host}:{port}: {error.strerror}. Stop what is there, or set HOST or PORT.")
    return listener


def _give_up(text: str, status: int = _UNUSABLE) -> NoReturn:
    sys.stderr.write(f"{text}\n")
    raise typer.Exit(status)
