"""What every request passes first: failures become problems, and every answer gets the security headers.

For the REST door it also establishes who sent the request, how large it is and which trace it joins.
"""

import re

import structlog
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api.http.bodies import ClientGone, is_json, is_multipart, read_body, read_json, replayed
from app.api.http.dependencies import agent_of, composition_of
from app.api.http.problems import Problems, internal_error
from app.errors import (
    BadAnswer,
    InvalidAgentToken,
    NotPermitted,
    TooLarge,
    ToolsProviderError,
    UnsupportedMediaType,
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
_log = structlog.get_logger(__name__)


class Entry:
    """Stands before every route. Below `/api/` nothing passes without an agent token, whatever routes are added.

    The verified token is `scope["agent"]`, a JSON body is `scope["json"]` (and still readable by the route). A body
    that is a file is left to its route.
    """

    def __init__(self, app: ASGIApp, problems: Problems) -> None:
        self._app = app
        self._problems = problems

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        answer = _Answer(send)
        if not scope["path"].startswith("/api/"):
            await self._answered(self._app, scope, receive, answer)
            return
        telemetry = composition_of(scope).telemetry
        with telemetry.remote_parent(scope["headers"]), telemetry.span(f"{scope['method']} /api/") as span:
            await self._answered(self._authenticated, scope, receive, answer)
            if (route := scope.get("route")) is not None:
                span.update_name(f"{scope['method']} {route.path}")
            span.set_attribute("http.response.status_code", answer.status)

    async def _answered(self, app: ASGIApp, scope: Scope, receive: Receive, answer: "_Answer") -> None:
        try:
            await app(scope, receive, answer)
        except ClientGone:
            _log.info("client_gone", path=scope["path"])
        except ToolsProviderError as error:
            await self._problems.render(error)(scope, receive, answer)
        except Exception:  # noqa: BLE001 - the outermost place: whatever went wrong, the caller gets a problem
            _log.exception("internal_error", path=scope["path"], trace_id=current_trace_id())
            if not answer.status:
                await internal_error()(scope, receive, answer)

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
        raise UnsupportedMediaType(
            "unsupported_media_type", f"This takes JSON: send it with Content-Type: application/json.{hint}"
        )


class _Answer:
    """A `send` that adds the security headers and remembers the status; 0 until the answer has begun."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.status = 0

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = [*message.get("headers", ()), *_SECURITY_HEADERS]
            if all(name != _POLICY[0] for name, _ in headers):
                headers.append(_POLICY)
            message["headers"] = headers
        await self._send(message)
