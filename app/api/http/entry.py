"""What every request passes first: is it whole, for this server, and may the page that sends it; however it is written.

Failures become problems, and every answer gets the security headers. It also establishes which trace a request joins,
unless a probe or a scraper sent it, and for the REST door who sent it and how large it is.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import NoReturn

import structlog
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api.http.bodies import (
    ClientGone,
    is_json,
    is_multipart,
    let_go,
    not_json,
    read_body,
    read_json,
    refusal_of,
    replayed,
)
from app.api.http.dependencies import agent_of, composition_of
from app.api.http.limits import not_one_host
from app.api.http.problems import MCP, Problems, internal_error
from app.api.http.reach import Reach, host_refused, origin_refused
from app.api.http.readiness import Readiness
from app.errors import (
    BadAnswer,
    InvalidAgentToken,
    NotPermitted,
    TooLarge,
    ToolsProviderError,
    Unavailable,
)
from app.telemetry import current_trace_id

EXECUTE = "/api/v1/tools/execute"
EXECUTE_BYTES = 4 * 1024 * 1024
ADMIN_BYTES = 1024 * 1024
SOURCES = "/api/v1/sources"

_DOCUMENT = re.compile(rf"{SOURCES}/[^/]+/document")
_UPLOAD = (
    " An OpenAPI document is sent as a file: PUT /api/v1/sources/{source}/document, or POST /api/v1/sources as "
    "multipart/form-data with the parts `source` (JSON) and `document`."
)

_SECURITY_HEADERS = [
    (b"x-content-type-options", b"nosniff"),
    (b"cache-control", b"no-store"),
    (b"referrer-policy", b"no-referrer"),
]
_POLICY = (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'")  # of all but pages
# Probes and scrapers ask so often that a trace of each would be in the way. They know only the address of a pod, or
# send no Host (HTTP/1.0): the first path is answered under any name, the others under none that strangers could have.
_HEALTH = "/health"
_PROBED = frozenset({_HEALTH, "/ready", "/metrics"})
_PREFLIGHT = [
    (b"access-control-allow-methods", b"GET, HEAD, POST, PUT, PATCH, DELETE"),
    (b"access-control-max-age", b"600"),
]
_READABLE = (b"access-control-expose-headers", b"WWW-Authenticate, Retry-After, Location, ETag")
_HEADER_NAMES = re.compile(rb"[A-Za-z0-9, _-]{1,1000}")
_STOPPING = (
    "This server is stopping and could wait no longer. What you asked for may have been done or not: look before you "
    "repeat it."
)
_SECONDS_TO_START = 5.0
_Inner = Callable[[Scope, Receive, "_Answer"], Awaitable[None]]
_log = structlog.get_logger(__name__)


class Entry:
    """Stands before every route. Below `/api/` nothing passes without an agent token, whatever routes are added.

    Routes see the path below that of PUBLIC_URL, whether or not the proxy in front has taken it away, `/mcp/` as `/mcp`
    and HEAD as GET, whose body the server leaves out (RFC 9110 section 9.3.2). The verified token is `scope["agent"]`,
    a JSON body is `scope["json"]` (and still readable by the route). A body that is a file is left to its route.
    """

    def __init__(self, app: ASGIApp, problems: Problems, reach: Reach) -> None:
        self._app = app
        self._problems = problems
        self._reach = reach

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        prefix, path = self._reach.path, scope["path"]
        if prefix and (below := self._reach.below.fullmatch(path)) is not None:
            path = below[1] or "/"
        scope["path"] = path = MCP if path == f"{MCP}/" else path
        if scope["method"] == "HEAD":
            scope = {**scope, "method": "GET"}
        composition = composition_of(scope)
        answer = _Answer(send, prefix.encode(), composition.readiness)
        if path in _PROBED:
            await self._answered(self._let_in, scope, receive, answer)
            return
        door = MCP if path == MCP else "/api/" if path.startswith("/api/") else "/"
        telemetry = composition.telemetry
        with telemetry.remote_parent(scope["headers"]), telemetry.span(f"{scope['method']} {door}") as span:
            await self._answered(self._let_in, scope, receive, answer)
            if (route := scope.get("route")) is not None:
                span.update_name(f"{scope['method']} {route.path}")
            span.set_attribute("http.response.status_code", answer.status)

    async def _let_in(self, scope: Scope, receive: Receive, answer: "_Answer") -> None:
        headers, path = scope["headers"], scope["path"]
        hosts = [value.strip() for name, value in headers if name == b"host"]
        refusal = refusal_of(scope)
        if refusal is None or (path in _PROBED and isinstance(refusal, Unavailable)):
            refusal = self._judged(hosts, path, scope["http_version"])
        if refusal is not None:
            await self._refuse(refusal, scope)
        origins = [value.strip() for name, value in headers if name == b"origin"]
        if origins:
            if any(origin.lower() not in self._reach.origins for origin in origins):
                await self._refuse(origin_refused(origins), scope)
            answer.share(origins[0])
            if scope["method"] == "OPTIONS" and await _preflight(headers, answer):
                return
        app = self._authenticated if path.startswith("/api/") else self._app
        await app(scope, receive, answer)

    def _judged(self, hosts: Sequence[bytes], path: str, version: str) -> ToolsProviderError | None:
        """Return the refusal of a request with these Host headers (RFC 9112 section 3.2)."""
        if version not in ("1.1", "1.0") or len(hosts) > 1 or (not hosts and version == "1.1"):
            return not_one_host()
        if path == _HEALTH:
            return None
        known = self._reach.local_hosts if path in _PROBED else self._reach.hosts
        fits = known.fullmatch(hosts[0]) if hosts else path in _PROBED
        return None if fits else host_refused(hosts)

    async def _refuse(self, refusal: ToolsProviderError, scope: Scope) -> NoReturn:
        composition = composition_of(scope)
        await composition.outcomes.refused(refusal, "mcp" if scope["path"] == MCP else "rest")
        raise refusal

    async def _answered(self, app: _Inner, scope: Scope, receive: Receive, answer: "_Answer") -> None:
        try:
            await app(scope, receive, answer)
        except ClientGone:
            _log.info("client_gone", path=scope["path"])
        except ToolsProviderError as error:
            await self._problems.render(error, scope)(scope, receive, answer)
        except asyncio.CancelledError:  # by the server, once SHUTDOWN_GRACE is over
            if answer.status or not composition_of(scope).readiness.stopping:
                raise
            stopping = Unavailable("server_stopping", _STOPPING, _SECONDS_TO_START)
            await self._problems.render(stopping, scope)(scope, receive, answer)
        except Exception:  # noqa: BLE001 - the outermost place: whatever went wrong, the caller gets a problem
            _log.exception("internal_error", path=scope["path"], trace_id=current_trace_id())
            if not answer.status:
                await internal_error(scope)(scope, receive, answer)
        finally:
            let_go(scope)

    async def _authenticated(self, scope: Scope, receive: Receive, send: Send) -> None:
        composition = composition_of(scope)
        try:
            scope["agent"] = await agent_of(scope)
        except (BadAnswer, InvalidAgentToken, NotPermitted) as error:
            await composition.outcomes.refused(error, "rest")
            raise
        await self._app(scope, await _with_body(scope, receive), send)


async def _with_body(scope: Scope, receive: Receive) -> Receive:
    if _is_file(scope):
        return receive
    of_sources = scope["path"].startswith(SOURCES)
    _check_media_type(scope, _UPLOAD if of_sources else "")
    try:
        body = await read_body(scope, receive, EXECUTE_BYTES if scope["path"] == EXECUTE else ADMIN_BYTES)
        if body:
            scope["json"] = read_json(body)
    except TooLarge as error:
        raise TooLarge(error.code, error.detail + _UPLOAD if of_sources else error.detail) from None
    return replayed(body, receive)


def _is_file(scope: Scope) -> bool:
    """Whether the body is or has a file, which its route reads once it knows that the caller is an admin."""
    if scope["method"] == "PUT":
        return _DOCUMENT.fullmatch(scope["path"]) is not None
    return scope["method"] == "POST" and scope["path"] == SOURCES and is_multipart(scope)


def _check_media_type(scope: Scope, hint: str) -> None:
    headers = Headers(scope=scope)
    sent = headers.get("content-length", "0") != "0" or "transfer-encoding" in headers
    if sent and not is_json(headers.get("content-type", "application/json")):
        raise not_json(hint)


async def _preflight(headers: Iterable[tuple[bytes, bytes]], send: Send) -> bool:
    """Answer the request if it is a browser's question whether it may send another one; tell whether it is."""
    asked = dict(headers)
    if b"access-control-request-method" not in asked:
        return False
    names = asked.get(b"access-control-request-headers", b"")
    allowed = [(b"access-control-allow-headers", names)] if _HEADER_NAMES.fullmatch(names) else []
    await send({"type": "http.response.start", "status": 204, "headers": [*_PREFLIGHT, *allowed]})
    await send({"type": "http.response.body", "body": b""})
    return True


class _Answer:
    """A `send` that adds headers and remembers the status; 0 until the answer has begun.

    They are those of security, and those that let the page of another origin read the answer (CORS). A `Location` is
    put below `prefix`. When the process ends, so does the connection: a request may be lost that comes as it is closed.
    """

    def __init__(self, send: Send, prefix: bytes, readiness: Readiness) -> None:
        self._send = send
        self._prefix = prefix
        self._readiness = readiness
        self._more = _SECURITY_HEADERS
        self.status = 0

    def share(self, origin: bytes) -> None:
        """Let pages of this origin read the answer."""
        self._more = [*_SECURITY_HEADERS, (b"access-control-allow-origin", origin), _READABLE, (b"vary", b"Origin")]

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = [*message.get("headers", ()), *self._more]
            if self._readiness.stopping:
                headers.append((b"connection", b"close"))
            if self._prefix:
                headers = [(name, self._prefix + value if name == b"location" else value) for name, value in headers]
            if all(name != _POLICY[0] for name, _ in headers):
                headers.append(_POLICY)
            message["headers"] = headers
        await self._send(message)
