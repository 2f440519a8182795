"""HTTP/1.1 as it comes in, and nothing else: what a client may send is counted while it arrives.

A request that is over a limit, late or unreadable still becomes a request, with a refusal in its state: `entry.py`
answers and records it like any other. The connection ends with that answer.
"""

import math
import re
from asyncio import AbstractEventLoop, Protocol, Transport
from functools import partial
from typing import Any, NoReturn, cast

import httptools
from uvicorn.config import Config
from uvicorn.server import ServerState

from app.api.http.bodies import REFUSAL
from app.api.http.connections import Connections, payer_of
from app.api.http.held import Holding
from app.api.http.limits import (
    BYTES_A_CHUNK,
    CHUNKS,
    DROPPED_BYTES,
    FRAMING_BYTES,
    HEAD_BYTES,
    HEADERS,
    LINGER,
    PIPELINED,
    TARGET_BYTES,
    late,
    much_framing,
    not_http,
    other_authority,
    small_chunks,
    too_large_head,
    too_long_target,
    too_many_connections,
    too_many_headers,
)
from app.api.http.one_protocol import OneProtocol
from app.api.http.untaken import Untaken
from app.errors import ToolsProviderError, Unavailable

_IDLE, _BLANK, _HEAD, _BODY = range(4)  # what was read last is: complete, blank lines before a request, part of one
_PLAIN_PATH = re.compile(rb"/[A-Za-z0-9/._~-]{0,200}")


def bounded(connections: Connections) -> type[Protocol]:
    """Return what uvicorn makes of each connection."""
    return cast("type[Protocol]", partial(BoundedProtocol, connections))


class _Stopped(Exception):
    """Ends the parser's work in the middle of what it reads."""


class BoundedProtocol(OneProtocol):
    """One connection."""

    def __init__(
        self,
        connections: Connections,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self.payer = ""
        self.due = math.inf
        self._connections = connections
        self._part = _IDLE
        self._turned = False  # whether the last read held the end of a head or of a request
        self._size = 0  # of the head so far, in reads before this one
        self._now = 0  # bytes of this read
        self._body = self._chunks = self._framing = 0  # bytes, number, bytes
        self._counted = 0  # of body and chunks, as bytes, in reads before this one
        self._refusal: ToolsProviderError | None = None
        self._deaf = False
        self._dropped = 0
        self._holding: Holding | None = None  # of a head that is large

    # What happens to the connection

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]
        """See asyncio."""
        super().connection_made(transport)
        self.payer = payer_of(self.client)
        self.untaken = Untaken(transport, self.loop, self._connections.held, self._connections.read_timeout)
        self._connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """See asyncio."""
        self._connections.remove(self)
        self._forget_head()
        self.untaken.end()
        self.due = math.inf
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """See asyncio."""
        if self._deaf:
            self._drop(len(data))
            return
        self._unset_keepalive_if_required()
        self._turned = False
        self._now = len(data)
        if self._part == _IDLE:
            self._part = _BLANK
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserError as error:
            if not self._deaf:
                self._refuse(self._refusal or not_http(error))
            return
        if self._part != _IDLE:
            self._is_incomplete()

    def pause_writing(self) -> None:
        """See asyncio."""
        super().pause_writing()
        self.untaken.begin()

    def resume_writing(self) -> None:
        """See asyncio."""
        super().resume_writing()
        self.untaken.end()

    def shutdown(self) -> None:
        """See uvicorn."""
        super().shutdown()
        self._ends_soon()

    def timeout_keep_alive_handler(self) -> None:
        """See uvicorn."""
        super().timeout_keep_alive_handler()
        self._ends_soon()

    def on_response_complete(self) -> None:
        """See uvicorn."""
        super().on_response_complete()
        self._ends_soon()

    # What the connections ask for

    def idle_until(self) -> float | None:
        """See Connection."""
        return self.timeout_keep_alive_task.when() if self.timeout_keep_alive_task is not None else None

    def waits_for_client(self) -> bool:
        """See Connection."""
        return self.due < math.inf

    def give_way(self) -> None:
        """See Connection."""
        self.transport.abort()

    def overdue(self) -> None:
        """Close the connection, or answer what has come of a request."""
        if self._deaf or self.transport.is_closing():
            self.transport.abort()
        elif self._part == _BODY and self.flow.read_paused:  # it is us who are not ready
            self.due = self.loop.time() + self._connections.read_timeout
        elif self._part in (_IDLE, _BLANK) and self.cycle is not None and not self.cycle.response_complete:
            self.due = math.inf  # an empty line after a request that is being answered
        elif self._part in (_IDLE, _BLANK):
            self.transport.close()
            self._ends_soon()
        else:
            what = "headers" if self._part == _HEAD else "body"
            self._refuse(late(what, self._connections.read_timeout))

    def not_taken(self) -> None:
        """See Connection."""
        agent = cast("dict[str, Any]", self.scope).get("agent")
        self.untaken.overdue(self.payer if agent is None else agent.subject)

    # What the parser finds

    def on_message_begin(self) -> None:
        """See httptools."""
        if len(self.pipeline) >= PIPELINED:
            self.cycle.keep_alive = False  # a client repeats what is not answered (RFC 9112 section 9.3.2)
            self._deaf = True
            self.due = math.inf
            raise _Stopped
        super().on_message_begin()
        self._part = _HEAD

    def on_url(self, url: bytes) -> None:
        """See httptools."""
        self.url += url
        if len(self.url) > TARGET_BYTES:
            self._stop(too_long_target())

    def on_header(self, name: bytes, value: bytes) -> None:
        """See httptools. Trailers are no headers of the request, and nothing here needs them (RFC 9110 6.5.1)."""
        if self._part == _BODY:
            return
        super().on_header(name, value)
        if len(self.headers) > HEADERS:
            self._stop(too_many_headers())

    def on_head(self) -> None:
        """See OneProtocol."""
        if self._size + self._now > HEAD_BYTES:  # which may be a body's
            size = len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)
            if size > HEAD_BYTES:
                self._stop(too_large_head())
        if not self.url.startswith(b"/"):
            self._check_authority()
        super().on_head()
        self._begin(_BODY)
        self._body = self._chunks = self._framing = self._counted = 0
        if self._connections.is_surplus(self):
            self.cycle.keep_alive = False
            self._tell(too_many_connections(self._connections.most))

    def on_chunk_header(self) -> None:
        """See httptools."""
        self._chunks += 1
        if self._chunks > CHUNKS + self._body // BYTES_A_CHUNK:
            self._stop(small_chunks())

    def on_body(self, body: bytes) -> None:
        """See httptools."""
        self._body += len(body)
        if self._body > DROPPED_BYTES and self.cycle.response_complete:
            self.transport.abort()
        super().on_body(body)

    def on_end(self) -> None:
        """See OneProtocol."""
        super().on_end()
        self._begin(_IDLE)

    # How it counts

    def _begin(self, part: int) -> None:
        self._part = part
        self._turned = True
        self.due = math.inf
        self._size = 0
        if self._holding is not None:
            self._forget_head()

    def _forget_head(self) -> None:
        if self._holding is not None:
            self._holding.end()
            self._holding = None

    def _is_incomplete(self) -> None:
        """Count a read after which more of a request must come."""
        if self.due == math.inf:
            self.due = self.loop.time() + self._connections.read_timeout
        if self._part == _BODY:
            counted, self._counted = self._counted, self._body + 16 * self._chunks
            if not self._turned:
                self._framing = max(0, self._framing + self._now - (self._counted - counted))
            if self._framing > FRAMING_BYTES:
                self._refuse(much_framing())
        elif not self._turned:
            self._size += self._now
            if self._size > HEAD_BYTES:
                self._refuse(too_large_head())
                return
            try:
                self._holding = self._holding or Holding(self._connections.held, self.payer)
                self._holding.grow_to(self._size)
            except Unavailable as busy:
                self._refuse(busy)

    def _check_authority(self) -> None:
        """Refuse a target of absolute form that is for another host than `Host` (RFC 9112 section 3.2.2)."""
        scheme, _, rest = self.url.lower().partition(b"://")
        port = b":443" if scheme == b"https" else b":80"
        authority = rest.partition(b"/")[0].partition(b"?")[0].removesuffix(port)
        hosts = [value.strip().lower().removesuffix(port) for name, value in self.headers if name == b"host"]
        if rest and hosts != [authority]:
            self._stop(other_authority())

    # How it refuses

    def _stop(self, refusal: ToolsProviderError) -> NoReturn:
        """Leave the parser; `data_received` refuses then."""
        self._refusal = refusal
        raise _Stopped

    def _refuse(self, refusal: ToolsProviderError) -> None:
        """Answer what is being read with this, and read no more."""
        self._deaf = True
        self.due = math.inf
        if self._part == _BLANK or (self._part == _BODY and self.cycle.response_complete):
            self.transport.close()
            self._ends_soon()
            return
        if self._part == _HEAD:
            self.parser = cast("httptools.HttpRequestParser", _Refused())
            self.url = _path_of(self.url)
            super().on_head()
        self.cycle.keep_alive = False
        self.cycle.transport = cast("Transport", _Lingering(self))
        self._tell(refusal)
        self.cycle.more_body = False
        self.cycle.message_event.set()

    def _tell(self, refusal: ToolsProviderError) -> None:
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

    def _ends_soon(self) -> None:
        """See that a connection which is being closed ends, even if its client does not take what is left."""
        if self.transport.is_closing():
            self.due = self.loop.time() + self._connections.read_timeout


class _Lingering:
    """The transport of the last answer; as much of one as uvicorn uses."""

    def __init__(self, connection: BoundedProtocol) -> None:
        self._transport = connection.transport
        self.close = connection.linger
        self.is_closing = self._transport.is_closing
        self.write = self._transport.write


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
