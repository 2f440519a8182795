"""Which requests come in: those under a name of this machine, and of web pages only what Keycloak would let them do.

A page of a stranger reaches a loopback address as well as its own developer does. It says who it is in `Host` (DNS
rebinding) and `Origin`, and without asking first it can only post forms and texts, so what takes JSON takes nothing
else. Pages of the realm's web origins may use the endpoints of the protocol and read their answers, as in Keycloak;
the login form and the switches are for pages of this server alone, and for programs.
"""

import re
from collections.abc import Iterable
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from seed.bodies import refuse
from seed.identity_provider.provider import IdentityProvider

CONTROL = "/__dev"
OWN_PAGES_ONLY = re.compile(rf"{CONTROL}(?:/.*)?|/realms/[^/]+/login-actions/.*", re.DOTALL)
TAKES_JSON = re.compile(rf"{CONTROL}(?:/.*)?|/realms/[^/]+/clients-registrations/.*", re.DOTALL)
JSON, FORM = "application/json", "application/x-www-form-urlencoded"
LOOPBACK = frozenset({"localhost", "127.0.0.1", "[::1]"})
READS = frozenset({"GET", "HEAD", "OPTIONS"})
SECURITY_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    # No form-action: browsers would apply it to the redirect to the client that follows a login.
    "Content-Security-Policy": "default-src 'none'; base-uri 'none'; frame-ancestors 'none'",
    # With Keycloak's no-referrer, browsers would say `Origin: null` for the login form of this very server.
    "Referrer-Policy": "same-origin",
}
PREFLIGHT = {
    "Access-Control-Allow-Methods": "GET, HEAD, POST, OPTIONS",
    "Access-Control-Allow-Headers": "Accept, Authorization, Content-Type, DPoP",
    "Access-Control-Max-Age": "3600",
}


class Doorstep:
    """Stands before the endpoints of one identity provider; `hosts` are names that it answers to beside loopback."""

    def __init__(self, app: ASGIApp, provider: IdentityProvider, hosts: Iterable[str] = ()) -> None:
        self._app = app
        self._provider = provider
        issuer = urlsplit(provider.issuer_base or "")
        self._issuer = f"{issuer.scheme}://{issuer.netloc}"
        told = [*hosts, *([issuer.netloc] if issuer.netloc else [])]
        self._hosts = LOOPBACK | {_name(host) for host in told}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        answer = _Answer(send)
        if refusal := self._refusal(scope, headers):
            await refuse(answer, *refusal)
            return
        origin = headers.get("origin", "")
        if origin in self._web_origins() and not OWN_PAGES_ONLY.fullmatch(scope["path"]):
            answer.share(origin)
            if scope["method"] == "OPTIONS" and "access-control-request-method" in headers:
                await answer.preflight()
                return
        await self._app(scope, receive, answer)

    def _refusal(self, scope: Scope, headers: Headers) -> tuple[int, str] | None:
        """Status and text; None for what may come in."""
        hosts = headers.getlist("host")
        if len(hosts) != 1 or _name(hosts[0]) not in self._hosts:
            problem = "This identity provider is for development and answers to loopback names only. If another is"
            return 421, f"{problem} meant to lead here: dev-idp --allow-host NAME."
        if scope["method"] in READS:
            return None
        for origin in headers.getlist("origin"):
            own = origin in {f"{scope['scheme']}://{hosts[0]}", self._issuer}
            if not own and (OWN_PAGES_ONLY.fullmatch(scope["path"]) or origin not in self._web_origins()):
                return 403, "Pages of this origin may not do this: it is in the web origins of no client of the realm."
        if scope["method"] == "POST" and TAKES_JSON.fullmatch(scope["path"]) and media_types(headers) != [JSON]:
            return 415, f"Send this with Content-Type: {JSON}, even without a body."
        return None

    def _web_origins(self) -> frozenset[str]:
        return frozenset[str]().union(*(client.origins for client in self._provider.realm.clients.values()))


def media_types(headers: Headers) -> list[str]:
    """Every media type that a request states, without parameters; one that states two can be read in two ways."""
    return [kind.partition(";")[0].strip().lower() for kind in headers.getlist("content-type")]


class _Answer:
    """A `send` that adds headers."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._more = dict(SECURITY_HEADERS)

    def share(self, origin: str) -> None:
        """Let pages of this origin read the answer."""
        self._more |= {"Access-Control-Allow-Origin": origin, "Vary": "Origin"}

    async def preflight(self) -> None:
        self._more |= PREFLIGHT
        await self({"type": "http.response.start", "status": 204, "headers": []})
        await self({"type": "http.response.body", "body": b""})

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            MutableHeaders(scope=message).update(self._more)
        await self._send(message)


def _name(host: str) -> str:
    """A host without its port, IPv6 in brackets."""
    return re.sub(r":\d{1,5}$", "", host.strip()).lower()
