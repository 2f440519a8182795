"""aiohttp as everything here uses it: connections to checked addresses only, requests sent exactly as they are.

No session has a timeout of its own: a timeout for each read does not limit a server that drips. Callers hold
`asyncio.timeout` over the whole exchange.
"""

import ssl
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from functools import cache
from socket import AF_UNSPEC, AddressFamily, socket
from typing import Any

import aiohttp
import httpx
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from app.outbound.addresses import AddressPolicy, AddressRefused, refusal
from app.outbound.causes import TellingSSLObject, cause_of

OWN_HEADERS = (("accept-encoding", "identity"), ("user-agent", "mcp-tools-provider"))

Headers = Sequence[tuple[str, str]]

_KEEP_ALIVE = 15.0  # seconds; common servers keep an idle connection longer, so few requests meet a closing one
_REPEATABLE = frozenset({"GET", "HEAD", "OPTIONS"})


def open_session(policy: AddressPolicy | None, connecting: float | None = None) -> aiohttp.ClientSession:
    """Return a session that reaches what the policy permits (None: any address); it raises AddressRefused.

    A connection, its handshake included, may take `connecting` seconds.

    It keeps no cookie, reads no proxy variables and leaves bodies as they come. It must be opened in a running event
    loop.
    """
    return aiohttp.ClientSession(
        connector=_connector() if policy is None else _guarded_connector(policy),
        headers=OWN_HEADERS,
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
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


def _connector(**options: Any) -> aiohttp.TCPConnector:  # noqa: ANN401 - aiohttp's own options
    return aiohttp.TCPConnector(limit=0, keepalive_timeout=_KEEP_ALIVE, ssl=_tls(), **options)


def _guarded_connector(policy: AddressPolicy) -> aiohttp.TCPConnector:
    gate = _Gate(policy)
    return _connector(family=AF_UNSPEC, resolver=gate, socket_factory=gate.open_socket)


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


class WireError(Exception):
    """An exchange failed below HTTP, or what came was not HTTP. The text is for anyone; `cause` tells more."""

    def __init__(self, error: BaseException) -> None:
        self.cause = cause_of(error)
        super().__init__(self.cause.plain)
