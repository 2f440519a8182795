"""The clients: httpx on aiohttp connections, which stay fast with a thousand calls at once.

None has a timeout of its own: a timeout for each read is no limit on a server that drips. Callers hold
`asyncio.timeout` over the whole exchange.
"""

import ssl
from collections.abc import AsyncIterator, Callable
from functools import cache
from http.cookiejar import CookieJar, DefaultCookiePolicy
from socket import AF_UNSPEC, AddressFamily, socket
from types import TracebackType
from typing import Any, cast

import aiohttp
import httpx
from aiohttp.abc import AbstractResolver, ResolveResult
from httpx_aiohttp import AiohttpTransport
from yarl import URL

from app.outbound.addresses import AddressPolicy, AddressRefused, refusal

OWN_HEADERS = (("accept-encoding", "identity"), ("user-agent", "mcp-tools-provider"))

_KEEP_ALIVE = 15.0  # seconds; shorter than the idle timeout of common servers, so that few requests meet a closing one
_REPEATABLE = frozenset({"GET", "HEAD", "OPTIONS"})


def guarded_transport(policy: AddressPolicy) -> httpx.AsyncBaseTransport:
    """Return what sends requests to addresses that admins or documents name, complete with `OWN_HEADERS`.

    It raises AddressRefused on connecting, and httpx.TransportError. A client around it would merge, for each request
    anew, headers, cookies, credentials and redirects that are not wanted: a tenth of what a call costs.
    """
    return _ExactTransport(lambda: _guarded_connector(policy))


def guarded_client(policy: AddressPolicy) -> httpx.AsyncClient:
    """Return a client for addresses that admins or documents name. It raises AddressRefused on connecting."""
    return _client(guarded_transport(policy))


def plain_client() -> httpx.AsyncClient:
    """Return a client for the operator's own identity provider, which may be at any address."""
    return _client(_ExactTransport(_connector))


def _client(transport: httpx.AsyncBaseTransport) -> httpx.AsyncClient:
    return httpx.AsyncClient(
        transport=transport,
        trust_env=False,
        follow_redirects=False,
        timeout=None,  # noqa: S113 - see the module's docstring
        cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
        headers=OWN_HEADERS,
    )


def _session(connector: aiohttp.TCPConnector) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        trust_env=False,
        middlewares=(_never_twice,),
    )


def _connector(**options: Any) -> aiohttp.TCPConnector:  # noqa: ANN401 - aiohttp's own options
    return aiohttp.TCPConnector(limit=0, keepalive_timeout=_KEEP_ALIVE, ssl=_tls(), **options)


def _guarded_connector(policy: AddressPolicy) -> aiohttp.TCPConnector:
    gate = _Gate(policy)
    return _connector(family=AF_UNSPEC, resolver=gate, socket_factory=gate.open_socket)


@cache
def _tls() -> ssl.SSLContext:
    return httpx.create_ssl_context()


class _Gate(AbstractResolver):
    """Looks names up, refuses inner addresses, and opens sockets to nothing that it has not checked.

    The second check is on the address that is connected to, so neither a second answer of the name server (DNS
    rebinding) nor a spelling that reaches aiohttp as an address slips through.
    """

    def __init__(self, policy: AddressPolicy) -> None:
        self._policy = policy
        self._names = aiohttp.ThreadedResolver()
        self._checked: set[tuple[str, int]] = set()

    async def resolve(self, host: str, port: int = 0, family: AddressFamily = AF_UNSPEC) -> list[ResolveResult]:
        found = await self._names.resolve(host, port, family)
        if not all(self._policy.permits(host, port, result["host"]) for result in found):
            raise AddressRefused(refusal(host, port))
        self._checked.update((result["host"], port) for result in found)
        return found

    def open_socket(self, address: tuple[Any, ...]) -> socket:
        family, kind, protocol, _, (host, port, *_) = address
        if (host, port) not in self._checked and not self._policy.permits(host, port, host):
            raise AddressRefused(refusal("This address", port))
        return socket(family, kind, protocol)

    async def close(self) -> None:
        await self._names.close()


async def _never_twice(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
    """Keep aiohttp from sending PUT and DELETE again when a kept connection breaks: they may have been carried out."""
    try:
        return await handler(request)
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
        if request.method in _REPEATABLE or isinstance(error, aiohttp.ClientConnectorError):
            raise
        raise _translated(error) from error


class _ExactSession:
    """Passes URLs as they are: aiohttp would decode `%2C` and `%2e`, and an argument would leave its slot."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session

    def request(self, *, method: str, url: str, headers: httpx.Headers, **options: Any) -> Any:  # noqa: ANN401 - aiohttp's own
        if method not in _REPEATABLE and "content-type" not in headers:
            options["skip_auto_headers"] = ("content-type",)  # not for every request: it costs as much as sending it
        # Pairs, because of a mapping httpx would find out the encoding first, for each request anew.
        pairs = [(name.decode("ascii"), value.decode("ascii")) for name, value in headers.raw]
        return self._session.request(method, URL(url, encoded=True), headers=pairs, **options)


class _ExactTransport(AiohttpTransport):
    """httpx-aiohttp's transport with exact URLs, and with errors told apart that it makes one (`ConnectTimeout`)."""

    def __init__(self, connector: Callable[[], aiohttp.TCPConnector]) -> None:
        super().__init__(verify=_tls(), trust_env=False)
        self._connector = connector
        self._session: aiohttp.ClientSession | None = None

    def get_client(self) -> aiohttp.ClientSession:
        if self._session is None:  # aiohttp wants a running event loop
            self._session = _session(self._connector())
        return cast("aiohttp.ClientSession", _ExactSession(self._session))

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        with _ERRORS_TOLD_APART:
            response = await super().handle_async_request(request)
        response.stream = _Stream(cast("httpx.AsyncByteStream", response.stream))
        return response

    async def aclose(self) -> None:
        if self._session is not None:
            await self._session.close()


class _Stream(httpx.AsyncByteStream):
    def __init__(self, stream: httpx.AsyncByteStream) -> None:
        self._stream = stream

    async def __aiter__(self) -> AsyncIterator[bytes]:
        with _ERRORS_TOLD_APART:
            async for chunk in self._stream:
                yield chunk

    async def aclose(self) -> None:
        with _ERRORS_TOLD_APART:
            await self._stream.aclose()


class _ErrorsToldApart:
    # A class, because a generator for each `with` costs more than all it does, on the path of every call.
    def __enter__(self) -> None:
        pass

    def __exit__(self, _kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        cause = error.__cause__ if isinstance(error, httpx.TransportError) else error
        if isinstance(cause, aiohttp.ClientError):
            raise _translated(cause) from cause


_ERRORS_TOLD_APART = _ErrorsToldApart()

_TRANSLATIONS: tuple[tuple[type[Exception], type[httpx.TransportError], str], ...] = (
    (aiohttp.ConnectionTimeoutError, httpx.ConnectTimeout, "it did not accept a connection in time"),
    (aiohttp.ServerTimeoutError, httpx.ReadTimeout, "it did not answer in time"),
    (aiohttp.ClientConnectorDNSError, httpx.ConnectError, "its name cannot be resolved"),
    (aiohttp.ClientConnectorCertificateError, httpx.ConnectError, "its TLS certificate is not trusted"),
    (aiohttp.ClientSSLError, httpx.ConnectError, "it does not speak TLS as we do"),
    (aiohttp.ClientConnectorError, httpx.ConnectError, "it accepts no connection"),
    (aiohttp.ClientConnectionError, httpx.RemoteProtocolError, "it closed the connection without an answer"),
    (aiohttp.ClientPayloadError, httpx.ReadError, "it broke off in the middle of its answer"),
    (aiohttp.ClientResponseError, httpx.RemoteProtocolError, "its answer is not HTTP"),
)


def _translated(error: Exception) -> httpx.TransportError:
    """Return httpx's error for aiohttp's; the text can follow "the server cannot be used:" and names no address."""
    for kind, translation, text in _TRANSLATIONS:
        if isinstance(error, kind):
            return translation(text)
    return httpx.TransportError("the request could not be sent")
