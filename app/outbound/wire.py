"""aiohttp as everything here uses it: connections to checked addresses only, requests sent exactly as they are.

No session has a timeout of its own: a timeout for each read does not limit a server that drips. Callers hold
`asyncio.timeout` over the whole exchange.
"""

import asyncio
import re
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from functools import partial
from socket import socket
from typing import Any

import aiohttp
from aiohttp.client_proto import ResponseHandler
from aiohttp.client_reqrep import ConnectionKey
from aiohttp.http import HttpProcessingError, RawResponseMessage
from aiohttp.http_exceptions import BadHttpMessage, LineTooLong
from yarl import URL

from app.outbound.addresses import AddressPolicy, Gate
from app.outbound.authorities import trusted_authorities
from app.outbound.causes import Shortage, cause_of, is_shortage
from app.outbound.names import Names, Resolver

OWN_HEADERS = (("accept-encoding", "identity"), ("user-agent", "mcp-tools-provider"))

Headers = Sequence[tuple[str, str]]
BROKEN = (aiohttp.ClientError, HttpProcessingError, Shortage)  # what is raised when an exchange fails

_KEEP_ALIVE = 15.0  # seconds; common servers keep an idle connection longer, so few requests meet a closing one
_MOST_IDLE = 256  # connections that no request uses
_MOST_IDLE_AT_ONE = 32  # of them to one origin, and no more than are left for others
_LONGEST_HEADER = 16_384  # bytes; some policies and links to pages are longer than the 8,190 of aiohttp
_MOST_HEADERS = 256
_END_OF_HEAD = re.compile(rb"\n\r?\n")  # a parser may take a bare LF for CRLF (RFC 9112 section 2.2)
_LONGEST_HEAD = 262_144  # bytes of an answer before its body, all that comes before it included
_MOST_INTERIM = 16  # answers of 1xx before the answer; servers send one or two
_LONGEST_INTERIM = 65_536  # bytes of them
_FRAMING = 1_048_576  # bytes around a body besides twice its length; chunks of eight bytes take twice
_REPEATABLE = frozenset({"GET", "HEAD", "OPTIONS"})


def open_session(policy: AddressPolicy | None, connecting: float | None = None) -> aiohttp.ClientSession:
    """Return a session that reaches what the policy permits (None: any address); it raises AddressRefused.

    A connection, its handshake included, may take `connecting` seconds. The names of a session are looked up apart from
    those of all others; what is sent without a policy waits for a name as long as its caller does.

    It keeps no cookie, reads no proxy variables and leaves bodies as they come. It must be opened in a running event
    loop.
    """
    return aiohttp.ClientSession(
        connector=_connector(Resolver(Names(deadline=None)) if policy is None else Gate(policy)),
        headers=OWN_HEADERS,
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        max_line_size=_LONGEST_HEADER,
        max_field_size=_LONGEST_HEADER,
        max_headers=_MOST_HEADERS,
        trust_env=False,
        timeout=aiohttp.ClientTimeout(sock_connect=connecting),
    )


def exact_request(
    session: aiohttp.ClientSession,
    method: str,
    url: str,
    headers: Headers,
    content: bytes | None,
    **options: Any,  # noqa: ANN401 - aiohttp's own
) -> AbstractAsyncContextManager[aiohttp.ClientResponse]:
    """Send the URL as it is spelled, and no header that is not there but what HTTP needs. Redirects are answers.

    aiohttp would decode `%2C` and `%2e`, and an argument would leave its slot.
    """
    if method not in _REPEATABLE:
        options["middlewares"] = (_never_twice,)
        if not any(name.lower() == "content-type" for name, _ in headers):
            options["skip_auto_headers"] = ("content-type",)  # not for every request: it costs as much as sending it
    return session.request(
        method, URL(url, encoded=True), headers=headers, data=content or None, allow_redirects=False, **options
    )


async def _never_twice(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
    """Keep aiohttp from sending PUT and DELETE again when a kept connection breaks: they may have been carried out."""
    try:
        return await handler(request)
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
        raise WireError(error) from error


def _connector(resolver: Resolver) -> aiohttp.TCPConnector:
    def open_socket(address: tuple[Any, ...]) -> socket:
        family, kind, protocol, _, (host, port, *_) = address
        resolver.check(host, port)
        try:
            return socket(family, kind, protocol)
        except OSError as error:
            if is_shortage(error):
                raise Shortage from error
            raise

    return _Connector(
        resolver=resolver,
        socket_factory=open_socket,
        use_dns_cache=False,  # names.py remembers
        limit=0,
        keepalive_timeout=_KEEP_ALIVE,
        ssl=trusted_authorities(),
    )


class _Connector(aiohttp.TCPConnector):
    """Opens connections that keep to one answer for each request, and keeps few of them when they are idle."""

    def __init__(self, **options: Any) -> None:  # noqa: ANN401 - aiohttp's own
        super().__init__(**options)
        self._factory = partial(_OneAnswer, self._loop)  # type: ignore[assignment]

    def _release(self, key: ConnectionKey, protocol: ResponseHandler, *, should_close: bool = False) -> None:
        idle = len(self._conns.get(key, ()))
        left = _MOST_IDLE - sum(map(len, self._conns.values()))
        full = not left or idle >= min(_MOST_IDLE_AT_ONE, left - 1 if idle else left)
        super()._release(key, protocol, should_close=should_close or full)


class _OneAnswer(ResponseHandler):
    """Takes one answer for each request. What comes beyond it ends the connection, and spoils no other call.

    aiohttp fails with the answer when the rest is not HTTP, such as the body of a 204 (RFC 9112 section 6.3: there is
    none), and gives the rest to the next request when it comes late. It also keeps 1xx answers without end, takes any
    number of bytes around those of a body, and on closing waits for a server that reads nothing to take what has not
    been sent.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop)
        self._begin()

    def _begin(self) -> None:
        self._body: aiohttp.StreamReader | None = None
        self._heads = 0
        self._taken = 0  # bytes: of heads, then of the body and what is around it
        self._before = b""

    def set_response_params(self, **options: Any) -> None:  # noqa: ANN401 - aiohttp's own
        """Begin with a request."""
        self._begin()
        super().set_response_params(**options)

    def feed_data(self, data: tuple[RawResponseMessage, aiohttp.StreamReader], size: int = 0) -> None:
        """Take the head of an answer; those of 1xx come before it, and are dropped."""
        message, body = data
        if self._body is not None:
            self._end()
        elif message.code >= 200 or message.code == 101:
            self._body = body
            self._taken = 0
            if message.code == 204 and (message.chunked or message.headers.get("content-length", "0") != "0"):
                self.force_close()  # its body may come when the next request is already out
            super().feed_data(data, size)

    def data_received(self, data: bytes) -> None:
        """Read as far as one answer goes."""
        start = 0
        while self._body is None and self.exception() is None and (end := self._end_of_head(data, start)):
            self._take(data[start:end])
            start = end
            if self._body is None:
                self._heads += 1
                if self._heads > _MOST_INTERIM or self._taken > _LONGEST_INTERIM:
                    self._refuse(BadHttpMessage("more 1xx answers than any server needs"))
        rest = data[start:]
        if self.exception() is not None:
            return
        if self._body is None or not self._body.is_eof():
            self._take(rest)
        elif rest:
            self._end()

    def _take(self, data: bytes) -> None:
        self._taken += len(data)
        if self._body is None and self._taken > _LONGEST_HEAD:
            self._refuse(LineTooLong(b"", _LONGEST_HEAD))
            return
        super().data_received(data)
        if self._body is not None and not self._body.is_eof():
            if self._taken > 2 * self._body.total_bytes + _FRAMING:
                self._refuse(BadHttpMessage("more around its content than content"))
            broken = self.exception()
            if isinstance(broken, HttpProcessingError):
                self._body.set_exception(broken)  # aiohttp tells only whoever waits for a head

    def _refuse(self, error: HttpProcessingError) -> None:
        self.set_exception(error)
        self._end()

    def close(self) -> None:
        """Drop what has not been sent."""
        self.abort()

    def connection_lost(self, exc: BaseException | None) -> None:
        """See asyncio. What was wrong with the answer stays the reason, not that it is not complete now."""
        broken = self.exception()
        super().connection_lost(exc)
        if self._body is not None and isinstance(broken, HttpProcessingError):
            self._body.set_exception(broken)

    def _end(self) -> None:
        self.force_close()
        if self.transport is not None:
            self.transport.abort()

    def _end_of_head(self, data: bytes, start: int) -> int:
        """Return where in the data a head ends that began before or at `start`, 0 if none does."""
        before, self._before = self._before, b""
        if seam := _END_OF_HEAD.search(before + data[start : start + 2]):
            return start + seam.end() - len(before)
        if found := _END_OF_HEAD.search(data, start):
            return found.end()
        self._before = (before + data[max(start, len(data) - 2) :])[-2:]
        return 0


class WireError(Exception):
    """An exchange failed below HTTP, or what came was not HTTP. The text is for anyone; `cause` tells more."""

    def __init__(self, error: BaseException) -> None:
        self.cause = cause_of(error)
        super().__init__(self.cause.plain)
