"""httpx clients for documents and the identity provider. Their requests go out as the sender's do, by aiohttp.

httpx's own connections cost more the more of them are in use (docs/decisions/0002-libraries.md).
"""

from collections.abc import AsyncIterator, Mapping
from http.cookiejar import CookieJar, DefaultCookiePolicy

import aiohttp
import httpx

from app.outbound.addresses import AddressPolicy
from app.outbound.wire import BROKEN, OWN_HEADERS, WireError, exact_request, open_session


def guarded_client(policy: AddressPolicy) -> httpx.AsyncClient:
    """Return a client for addresses that admins or documents name. It raises AddressRefused on connecting."""
    return _client(_Transport(policy))


def plain_client() -> httpx.AsyncClient:
    """Return a client for the operator's own identity provider, which may be at any address."""
    return _client(_Transport(None))


def _client(transport: httpx.AsyncBaseTransport) -> httpx.AsyncClient:
    return httpx.AsyncClient(
        transport=transport,
        trust_env=False,
        follow_redirects=False,
        timeout=None,  # noqa: S113 - see wire.py
        cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
        headers=OWN_HEADERS,
    )


class _Transport(httpx.AsyncBaseTransport):
    """Must be made in a running event loop."""

    def __init__(self, policy: AddressPolicy | None) -> None:
        self._session = open_session(policy)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        headers = [(name.decode("ascii"), value.decode("ascii")) for name, value in request.headers.raw]
        stated = request.extensions.get("timeout", {})
        timeout = aiohttp.ClientTimeout(
            connect=stated.get("pool"), sock_connect=stated.get("connect"), sock_read=stated.get("read")
        )
        url, content = str(request.url), await request.aread()
        try:
            response = await exact_request(
                self._session, request.method, url, headers, content, timeout=timeout
            ).__aenter__()
        except (*BROKEN, WireError) as error:
            raise _httpx_error(error) from error
        return httpx.Response(response.status, headers=response.raw_headers, stream=_Stream(response))

    async def aclose(self) -> None:
        await self._session.close()


class _Stream(httpx.AsyncByteStream):
    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self._response = response

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            async for chunk in self._response.content.iter_any():
                yield chunk
        except BROKEN as error:
            raise _httpx_error(error) from error

    async def aclose(self) -> None:
        self._response.release()


_KINDS: Mapping[str, type[httpx.TransportError]] = {
    "shortage": httpx.PoolTimeout,
    "no_connection": httpx.ConnectTimeout,
    "slow": httpx.ReadTimeout,
    "early_end": httpx.ReadError,
}


def _httpx_error(error: Exception) -> httpx.TransportError:
    failure = error if isinstance(error, WireError) else WireError(error)
    otherwise = httpx.RemoteProtocolError if failure.cause.connected else httpx.ConnectError
    return _KINDS.get(failure.cause.reason, otherwise)(str(failure))
