"""aiohttp as everything here uses it: connections to checked addresses only, requests sent exactly as they are.

No session has a timeout of its own: a timeout for each read does not limit a server that drips. Callers hold
`asyncio.timeout` over the whole exchange.
"""

import ssl
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from functools import cache, partial
from socket import AF_UNSPEC, AddressFamily, socket
from typing import Any

import aiohttp
import httpx
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.client_proto import ResponseHandler
from aiohttp.http import RawResponseMessage
from aiohttp.http_exceptions import BadHttpMessage
from yarl import URL

from app.outbound.addresses import AddressPolicy, AddressRefused, refusal
from app.outbound.causes import TellingSSLObject, cause_of

OWN_HEADERS = (("accept-encoding", "identity"), ("user-agent", "mcp-tools-provider"))

Headers = Sequence[tuple[str, str]]

_KEEP_ALIVE = 15.0  # seconds; common servers keep an idle connection longer, so few requests meet a closing one
_LONGEST_HEADER = 16_384  # bytes; some policies and links to pages are longer than the 8,190 of aiohttp
_MOST_HEADERS = 256
_REPEATABLE = frozenset({"GET", "HEAD", "OPTIONS"})
_END_OF_HEAD = b"\r\n\r\n"
_MOST_INTERIM = 1_000  # answers of 1xx before one that ends the exchange


def open_session(policy: AddressPolicy | None, connecting: float | None = None) -> aiohttp.ClientSession:
    """Return a session that reaches what the policy permits (None: any address); it raises AddressRefused.

    A connection, its handshake included, may take `connecting` seconds.

    It keeps no cookie, reads no proxy variables and leaves bodies as they come. It must be opened in a running event
    loop.
    """
    return aiohttp.ClientSession(
        connector=_Connector() if policy is None else _guarded_connector(policy),
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


class _Connector(aiohttp.TCPConnector):
    def __init__(self, **options: Any) -> None:  # noqa: ANN401 - aiohttp's own options
        super().__init__(limit=0, keepalive_timeout=_KEEP_ALIVE, ssl=_tls(), **options)
        protocol: Callable[..., ResponseHandler] = _Conversation
        self._factory = partial(protocol, loop=self._loop)


def _guarded_connector(policy: AddressPolicy) -> aiohttp.TCPConnector:
    gate = _Gate(policy)
    return _Connector(family=AF_UNSPEC, resolver=gate, socket_factory=gate.open_socket)


class _Conversation(ResponseHandler):
    """One connection: a request, its answer, and only then the next request, which may be another user's.

    aiohttp's own hands an answer that nobody asked for to the next request, queues any number of 1xx answers, waits on
    when chunks are wrong in the middle of a body, and lets a server that reads nothing keep the connection for ever
    (docs/decisions/0015).
    """

    _awaited = False  # a request is under way, and its answer has not begun
    _interim = 0

    def set_response_params(self, **params: Any) -> None:  # noqa: ANN401 - aiohttp's own
        """A request is about to be sent."""
        self._awaited, self._interim = True, 0
        super().set_response_params(**params)

    def data_received(self, data: bytes) -> None:
        """Take heads by themselves, so that a body where none may be (HEAD, 204, 304) does not spoil the answer."""
        start = 0
        while self._awaited and self.exception() is None and (end := data.find(_END_OF_HEAD, start)) >= 0:
            self._take(data[start : end + len(_END_OF_HEAD)])
            start = end + len(_END_OF_HEAD)
        if start < len(data) or not data:
            self._take(data[start:])

    def _take(self, data: bytes) -> None:
        payload = self._payload
        if data and not self._awaited and (payload is None or payload.is_eof()):
            self.force_close()
            self.abort()
            return
        super().data_received(data)
        if self.exception() is not None and payload is not None and not payload.is_eof():
            payload.set_exception(aiohttp.ClientPayloadError("the framing of the body is wrong"))

    def feed_data(self, data: tuple[RawResponseMessage, aiohttp.StreamReader], size: int = 0) -> None:
        """Take the head of an answer."""
        message, _ = data
        if not self._awaited:
            self.force_close()
        elif 100 <= message.code < 200 and message.code != 101:
            self._interim += 1
            if self._interim > _MOST_INTERIM and self.exception() is None:
                self.set_exception(BadHttpMessage("more 1xx answers than any server needs"))
        else:
            self._awaited = False
            if message.code == 204 and _announces_a_body(message):
                self.force_close()
            super().feed_data(data, size)

    def close(self) -> None:
        """Drop what has not been sent yet."""
        self.abort()


def _announces_a_body(head: RawResponseMessage) -> bool:
    return "transfer-encoding" in head.headers or head.headers.get("content-length", "0") != "0"


@cache
def _tls() -> ssl.SSLContext:
    context = httpx.create_ssl_context()
    context.sslobject_class = TellingSSLObject
    return context


class _Gate(AbstractResolver):
    """Looks names up, refuses inner addresses, and opens sockets to nothing that it has not checked.

    The second check is on the address that is connected to, so neither a second answer of the name server (DNS
    rebinding) nor a spelling that reaches aiohttp as an address slips through.
    """

    def __init__(self, policy: AddressPolicy) -> None:
        self._policy = policy
        self._names = aiohttp.ThreadedResolver()
        self._inner: set[tuple[str, int]] = set()  # of names that the operator allows, wherever they lead

    async def resolve(self, host: str, port: int = 0, family: AddressFamily = AF_UNSPEC) -> list[ResolveResult]:
        found = await self._names.resolve(host, port, family)
        addresses = [result["host"] for result in found]
        if not all(self._policy.permits(host, port, address) for address in addresses):
            raise AddressRefused(refusal(host, port))
        self._inner.update((each, port) for each in addresses if not self._policy.permits(each, port, each))
        return found

    def open_socket(self, address: tuple[Any, ...]) -> socket:
        family, kind, protocol, _, (host, port, *_) = address
        if (host, port) not in self._inner and not self._policy.permits(host, port, host):
            raise AddressRefused(refusal("This address", port))
        return socket(family, kind, protocol)

    async def close(self) -> None:
        await self._names.close()


class WireError(Exception):
    """An exchange failed below HTTP, or what came was not HTTP. The text is for anyone; `cause` tells more."""

    def __init__(self, error: BaseException) -> None:
        self.cause = cause_of(error)
        super().__init__(self.cause.plain)
