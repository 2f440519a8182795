"""HTTP/1.1 as it comes in: what a client may send, and how long it may take, is counted while it arrives."""

import math
from asyncio import AbstractEventLoop, Protocol, Transport
from functools import partial
from typing import Any, cast

from uvicorn._types import ASGI3Application
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle
from uvicorn.server import ServerState

from app.api.http.connections import Connections, payer_of
from app.api.http.held import Holding
from app.api.http.limits import (
    BYTES_A_CHUNK,
    CHUNKS,
    DROPPED_BYTES,
    FRAMING_BYTES,
    HEAD_BYTES,
    HEADERS,
    MOVED_BYTES,
    PIPELINED,
    TARGET_BYTES,
    contradicts,
    late_head,
    much_framing,
    other_authority,
    slow_body,
    small_chunks,
    too_large_head,
    too_long_target,
    too_many_connections,
    too_many_headers,
)
from app.api.http.refusing import BLANK, BODY, HEAD, IDLE, RefusingProtocol, Stopped
from app.api.http.untaken import Untaken
from app.errors import Unavailable


def bounded(connections: Connections) -> type[Protocol]:
    """Return what uvicorn makes of each connection."""
    return cast("type[Protocol]", partial(BoundedProtocol, connections))


class BoundedProtocol(RefusingProtocol):
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
        self._connections = connections
        self._turned = False  # whether the last read held the end of a head or of a request
        self._size = 0  # of the head so far, in reads before this one
        self._now = 0  # bytes of this read
        self._body = self._seen = self._chunks = self._framing = 0  # bytes, bytes when last looked at, number, bytes
        self._counted = 0  # of body and chunks, as bytes, in reads before this one
        self._holding: Holding | None = None  # of a head that is large

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
        self._turned = False
        self._now = len(data)
        super().data_received(data)
        if self.part != IDLE and not self.deaf:
            self._is_incomplete()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        self.answered = cycle
        self._connections.turns.begin(self.loop, self.payer, partial(super()._start_asgi_task, cycle, app))

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

    def idle_until(self) -> float | None:
        """See Connection."""
        return self.timeout_keep_alive_task.when() if self.timeout_keep_alive_task is not None else None

    def waits_for_client(self) -> bool:
        """See Connection."""
        return self.due < math.inf or self.untaken.by < math.inf

    def give_way(self) -> None:
        """See Connection."""
        self.transport.abort()

    def overdue(self) -> None:
        """Close the connection, or answer what has come of a request."""
        answering = self.cycle is not None and not self.cycle.response_complete
        if self.untaken.by < math.inf:  # which bounds what is left of an answer
            self.due = self.loop.time() + self._connections.read_timeout
        elif self.deaf or self.transport.is_closing():
            self.transport.abort()
        elif self.part in (IDLE, BLANK) and answering:  # an empty line behind a request
            self.due = math.inf
        elif self.part in (IDLE, BLANK):
            self.transport.close()
        elif self.part == BODY and (self.flow.read_paused or (answering and self._body - self._seen >= MOVED_BYTES)):
            self._seen, self.due = self._body, self.loop.time() + self._connections.read_timeout
        else:
            self.refuse((late_head if self.part == HEAD else slow_body)(self._connections.read_timeout))
        self._ends_soon()

    def not_taken(self) -> None:
        """See Connection."""
        agent = None if self.answered is None else cast("dict[str, Any]", self.answered.scope).get("agent")
        self.untaken.overdue(self.payer if agent is None else agent.subject)

    def on_message_begin(self) -> None:
        """See httptools."""
        if len(self.pipeline) >= PIPELINED:
            self.cycle.keep_alive = False  # a client repeats what is not answered (RFC 9112 section 9.3.2)
            self.deaf = True
            self.due = math.inf
            raise Stopped
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        """See httptools."""
        self.url += url
        if len(self.url) > TARGET_BYTES:
            self.stop(too_long_target())

    def on_head(self) -> None:
        """See OneProtocol."""
        if len(self.headers) > HEADERS:
            self.stop(too_many_headers())
        if self._size + self._now > HEAD_BYTES:  # which may be a body's
            size = len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)
            if size > HEAD_BYTES:
                self.stop(too_large_head())
        if not self.url.startswith(b"/") and contradicts(self.url, self.headers):
            self.stop(other_authority())
        super().on_head()
        self.headers = []  # for trailers, which are no headers of the request (RFC 9110 section 6.5.1), nor needed
        self._begin(BODY)
        self._body = self._chunks = self._framing = self._counted = self._seen = 0
        if self._connections.is_surplus(self):
            self.tell(too_many_connections(self._connections.most))

    def on_chunk_header(self) -> None:
        """See httptools."""
        self._chunks += 1
        if self._chunks > CHUNKS + self._body // BYTES_A_CHUNK:
            self.stop(small_chunks())

    def on_body(self, body: bytes) -> None:
        """See httptools."""
        self._body += len(body)
        if self._body > DROPPED_BYTES and self.cycle.response_complete:
            self.transport.abort()
        super().on_body(body)

    def on_end(self) -> None:
        """See OneProtocol."""
        super().on_end()
        self._begin(IDLE)

    def _begin(self, part: int) -> None:
        self.part = part
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
        if self.part == BODY:
            self._count_body()
        elif self.part == HEAD and len(self.headers) > HEADERS:
            self.refuse(too_many_headers())
        elif not self._turned:
            self._count_head()

    def _count_head(self) -> None:
        self._size += self._now
        if self._size > HEAD_BYTES:
            self.refuse(too_large_head())
            return
        try:
            self._holding = self._holding or Holding(self._connections.held, self.payer)
            self._holding.grow_to(self._size)
        except Unavailable as busy:
            self.refuse(busy)

    def _count_body(self) -> None:
        counted, self._counted = self._counted, self._body + 16 * self._chunks
        if not self._turned:
            self._framing = max(0, self._framing + self._now - (self._counted - counted))
        if self._framing > FRAMING_BYTES:
            self.refuse(much_framing())

    def _ends_soon(self) -> None:
        """See that a connection which is being closed ends, even if its client does not take what is left."""
        if self.transport.is_closing():
            self.due = self.loop.time() + self._connections.read_timeout
