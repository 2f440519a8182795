"""Connections that answer what they cannot read: it still becomes a request, with a refusal in its state.

`entry.py` answers and records it like any other, in its turn. The connection ends with that answer.
"""

import math
import re
from asyncio import AbstractEventLoop, Transport
from collections.abc import Callable
from typing import Any, NoReturn, cast

import httptools
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle
from uvicorn.server import ServerState

from app.api.http.bodies import REFUSAL
from app.api.http.limits import DROPPED_BYTES, HALF_OPEN, LINGER, not_http
from app.api.http.one_protocol import OneProtocol
from app.errors import ToolsProviderError

IDLE, BLANK, HEAD, BODY = range(4)  # what was read last is: complete, blank lines before a request, part of one
_CONTINUE = b"HTTP/1.1 100 "
_PLAIN_PATH = re.compile(rb"/[A-Za-z0-9/._~-]{0,200}")


class Stopped(Exception):
    """Ends the parser's work in the middle of what it reads."""


class RefusingProtocol(OneProtocol):
    """`part` is what is read, `due` when the client must have sent it; it is infinite while nothing is waited for.

    Of a connection that is `deaf`, what comes is not read any more. `answered` is the request whose turn it is.
    """

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self.part = IDLE
        self.due = math.inf
        self.deaf = False
        self.answered: RequestResponseCycle | None = None
        self._refusal: ToolsProviderError | None = None
        self._dropped = 0

    def connection_lost(self, exc: Exception | None) -> None:
        """See asyncio; uvicorn tells only the request that was read last that its client has left."""
        if self.answered is not None and not self.answered.response_complete:
            self.answered.disconnected = True
            self.answered.message_event.set()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """See asyncio."""
        if self.deaf:
            self._drop(len(data))
            return
        self._unset_keepalive_if_required()
        if self.part == IDLE:
            self.part = BLANK
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserError as error:
            if not self.deaf:
                self.refuse(self._refusal or not_http(error))

    def eof_received(self) -> bool:  # type: ignore[override]
        """Keep the connection while a request is answered of a client that sends no more, as `nc -N` does.

        One that has left looks the same, so it is kept for HALF_OPEN seconds.
        """
        answering = self.cycle is not None and not self.cycle.response_complete
        if not answering or (self.part in (HEAD, BODY) and not self.deaf):
            return False
        self.cycle.keep_alive = False
        self.cycle.transport = self.transport
        self.deaf = True
        self.due = self.loop.time() + HALF_OPEN
        return True

    def on_message_begin(self) -> None:
        """See httptools."""
        super().on_message_begin()
        self.part = HEAD

    def on_head(self) -> None:
        """See OneProtocol."""
        super().on_head()
        if self.expect_100_continue:
            self.cycle.transport = cast("Transport", _Expected(self))

    def stop(self, refusal: ToolsProviderError) -> NoReturn:
        """Leave the parser, and refuse what it was reading."""
        self._refusal = refusal
        raise Stopped

    def refuse(self, refusal: ToolsProviderError) -> None:
        """Answer what is being read with this, and read no more."""
        self.deaf = True
        self.due = math.inf
        if self.part == BLANK or (self.part == BODY and self.cycle.response_complete):
            self.transport.close()
            self.due = self.loop.time() + LINGER
            return
        if self.part == HEAD:
            self.parser = cast("httptools.HttpRequestParser", _Refused())
            self.url = _path_of(self.url)
            OneProtocol.on_head(self)
        self.cycle.transport = cast("Transport", _Lingering(self))
        self.tell(refusal)
        self.cycle.more_body = False
        self.cycle.message_event.set()

    def tell(self, refusal: ToolsProviderError) -> None:
        """Have the request refused whose head was read last; the connection ends with its answer."""
        self.cycle.keep_alive = False
        self.cycle.scope["state"][REFUSAL] = refusal

    def linger(self) -> None:
        """End the connection from our side, and drop what still comes: to close at once could undo the answer."""
        if not self.transport.is_closing():
            self.transport.write_eof()
            self.flow.resume_reading()
            self.due = self.loop.time() + LINGER

    def _drop(self, size: int) -> None:
        self._dropped += size
        if self._dropped > DROPPED_BYTES:
            self.transport.abort()


class _Lingering:
    """The transport of the last answer; as much of one as uvicorn uses."""

    def __init__(self, connection: RefusingProtocol) -> None:
        self._transport = connection.transport
        self.close = connection.linger
        self.is_closing = self._transport.is_closing
        self.write: Callable[[bytes], None] = self._transport.write


class _Expected(_Lingering):
    """The transport of an answer that is 100 (Continue) or the last one.

    After another answer a client may send its body or leave it out (RFC 9110 section 10.1.1), so that nobody could tell
    its next request from that body.
    """

    def __init__(self, connection: RefusingProtocol) -> None:
        super().__init__(connection)
        self._cycle = connection.cycle
        self._keep_alive, self._cycle.keep_alive = self._cycle.keep_alive, False
        self.write = self._write_first

    def _write_first(self, data: bytes) -> None:
        if data.startswith(_CONTINUE):
            self._cycle.keep_alive = self._keep_alive
            self._cycle.transport = self._transport
        self._transport.write(data)


class _Refused:
    """What uvicorn asks the parser about a request, of one that could not be read."""

    def get_http_version(self) -> str:
        return "1.1"

    def get_method(self) -> bytes:
        return b"GET"

    def should_upgrade(self) -> bool:
        return False

    def should_keep_alive(self) -> bool:
        return False


def _path_of(target: bytes) -> bytes:
    """Return the path of a target that may be cut off or wrong, as far as it tells which door was meant."""
    path = target.partition(b"?")[0]
    return path if _PLAIN_PATH.fullmatch(path) else b"/"
