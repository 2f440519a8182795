"""What every request passes first: its failures become problems, its answer gets the security headers.

A request of the REST door also says here who sends it, how large it is, and which trace it joins.
"""

import asyncio

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api.http.bodies import ClientGone, read_body, read_json, replayed, take_document
from app.api.http.dependencies import Composition, agent_of, composition_of
from app.api.http.problems import Problems, internal_error
from app.errors import InvalidAgentToken, NotPermitted, TooLarge, ToolsProviderError
from app.telemetry import current_trace_id

EXECUTE = "/api/v1/tools/execute"
EXECUTE_BYTES = 4 * 1024 * 1024
ADMIN_BYTES = 1024 * 1024
SOURCES = "/api/v1/sources"

_SECURITY_HEADERS = [
    (b"x-content-type-options", b"nosniff"),
    (b"cache-control", b"no-store"),
    (b"referrer-policy", b"no-referrer"),
]
_POLICY = (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'")  # of all but pages
_log = structlog.get_logger(__name__)


class Entry:
    """Stands before every route. Below `/api/` nothing passes without an agent token, routes yet to come included.

    The verified token is `scope["agent"]`, a JSON body is `scope["json"]` (and still readable by the route); a
    source's document that came in it is `scope["document"]`, and the body holds a short text in its place.
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
        except Exception:  # noqa: BLE001 - the outermost place: whatever it is, the caller gets a problem
            _log.exception("internal_error", path=scope["path"], trace_id=current_trace_id())
            if not answer.status:
                await internal_error()(scope, receive, answer)

    async def _authenticated(self, scope: Scope, receive: Receive, send: Send) -> None:
        composition = composition_of(scope)
        try:
            scope["agent"] = await agent_of(scope)
        except (InvalidAgentToken, NotPermitted) as error:
            await composition.outcomes.refused(error, "rest")
            raise
        await self._app(scope, await _with_body(scope, receive, composition), send)


async def _with_body(scope: Scope, receive: Receive, composition: Composition) -> Receive:
    if _may_carry_document(scope, composition):
        body, scope["document"] = await _without_document(scope, receive, composition)
    else:
        body = await read_body(scope, receive, EXECUTE_BYTES if scope["path"] == EXECUTE else ADMIN_BYTES)
    if body:
        scope["json"] = read_json(body)
    return replayed(body, receive)


def _may_carry_document(scope: Scope, composition: Composition) -> bool:
    routed = scope["path"].startswith(SOURCES) and scope["method"] in {"POST", "PATCH"}
    return routed and not scope["agent"].roles.isdisjoint(composition.admin_roles)


async def _without_document(scope: Scope, receive: Receive, composition: Composition) -> tuple[bytes, bytes | None]:
    """Read a body that may be as large as a document. What is large in it is only parsed where documents are read."""
    most = composition.document_bytes
    try:
        body = await read_body(scope, receive, 2 * most + ADMIN_BYTES)  # a text may be twice as long when escaped
    except TooLarge:
        raise TooLarge("document_too_large", f"The document has more than {most} bytes (SOURCE_MAX_BYTES).") from None
    rest, document = await asyncio.to_thread(take_document, body, composition.document_values)
    if len(rest) > ADMIN_BYTES:
        raise TooLarge("body_too_large", f"Without its document the body has more than {ADMIN_BYTES} bytes; send less.")
    return rest, document


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
