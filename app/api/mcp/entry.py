"""What an HTTP request passes before the MCP door: host, origin, agent token, method, size, scopes.

It stands in the place of the SDK's own authentication, whose challenges name no scopes and which cannot answer 403 for
one tool.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

import orjson
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from app.api.http.bodies import read_body, read_json, replayed
from app.api.http.dependencies import Composition, agent_of, composition_of
from app.api.http.disconnect import unless_gone
from app.api.http.problems import Problems
from app.api.mcp.results import refusal_message
from app.api.mcp.unreadable import call_apart
from app.errors import Invalid, NotFound, TooLarge, ToolsProviderError, Unavailable
from app.identity.agent_token import AgentToken

MCP_BYTES = 4 * 1024 * 1024

_HOST = re.compile(r"([a-z0-9.-]+|\[[0-9a-f:.]+\])(?::[0-9]{1,5})?", re.IGNORECASE)
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "[::1]"})


class McpEntry:
    """Lets requests with an acceptable agent token through to the SDK, with the token as `scope["agent"]`.

    Of a message that calls a tool, `scope["tool"]` is the tool, or NotFound. A refusal is a JSON-RPC error response.
    """

    def __init__(self, public_url: str, problems: Problems) -> None:
        parts = urlsplit(public_url)
        self._hosts = _LOOPBACK | {_host_name(parts.netloc)}
        self._origin = f"{parts.scheme}://{parts.netloc}".lower()
        self._problems = problems

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        # RFC 9110 section 5.5: white space around a value is not part of it; httptools leaves it there.
        scope["headers"] = headers = [(name, value.strip()) for name, value in scope["headers"]]
        refused = self._misdirected(headers)
        if refused is not None:
            await refused(scope, receive, send)
            return
        composition = composition_of(scope)
        telemetry = composition.telemetry
        with telemetry.remote_parent(headers), telemetry.span("POST /mcp"):
            try:
                scope["agent"] = agent = await agent_of(scope)
            except ToolsProviderError as error:
                if not isinstance(error, Unavailable):
                    await composition.outcomes.refused(error, "mcp")
                await self._problems.render(error, refusal_message)(scope, receive, send)
                return
            await self._authenticated(composition, agent, scope, receive, send)

    async def _authenticated(
        self, composition: Composition, agent: AgentToken, scope: Scope, receive: Receive, send: Send
    ) -> None:
        if scope["method"] != "POST":
            detail = "There are no sessions and no streams here; POST each message."
            headers = {"Allow": "POST"}
            await refusal_message(405, "method_not_allowed", detail, headers=headers)(scope, receive, send)
            return
        try:
            message, body = _read(await read_body(scope, receive, MCP_BYTES), scope)
        except Invalid as error:
            await refusal_message(400, error.code, error.detail)(scope, receive, send)
            return
        except TooLarge as error:
            await self._problems.render(error, refusal_message)(scope, receive, send)
            return
        refused = await self._decide(composition, agent, _call_of(message), scope)
        if refused is not None:
            await refused(scope, receive, send)
            return
        answer = _Answer(send)
        transport = composition.mcp_transport
        await unless_gone(receive, transport(scope, replayed(body, receive), answer), lambda: answer.complete)

    async def _decide(
        self, composition: Composition, agent: AgentToken, call: Mapping[str, Any] | None, scope: Scope
    ) -> Response | None:
        """Only now can the answer still be a 403 that names the scopes; what is unknown is left to the SDK to say."""
        asked = None if call is None else call.get("name")
        if call is None or not isinstance(asked, str):
            return None
        try:
            scope["tool"] = composition.access.decide(agent, asked, "mcp")
        except ToolsProviderError as refusal:
            with composition.telemetry.remote_parent(_trace_of(call)):
                await composition.access.refused(refusal, agent, asked, "mcp")
                if not isinstance(refusal, NotFound):
                    return self._problems.render(refusal, refusal_message)
            scope["tool"] = refusal
        return None

    def _misdirected(self, headers: Sequence[tuple[bytes, bytes]]) -> Response | None:
        # DNS rebinding: a page of a stranger reaches us under its own name, and says so in Host and Origin.
        hosts = [value.decode("latin-1") for name, value in headers if name == b"host"]
        if len(hosts) != 1 or _host_name(hosts[0]) not in self._hosts:
            return refusal_message(
                421, "host_refused", "This server does not answer for that host. Use the address in PUBLIC_URL."
            )
        origins = [value.decode("latin-1") for name, value in headers if name == b"origin"]
        if any(origin.lower() != self._origin for origin in origins):
            return refusal_message(403, "origin_refused", "Pages of other origins may not use this server.")
        return None


def _read(body: bytes, scope: Scope) -> tuple[object, bytes]:
    """Return the message, and the body that says it to the SDK.

    Of a call whose arguments cannot be read, these are `scope["arguments"]`, with Unusable in them. Raises what
    `read_json` raises for what is not one message.
    """
    try:
        message = read_json(body)
        _check_arguments(message)
    except (Invalid, TooLarge):
        apart = call_apart(body)
        if apart is None:
            raise
        message, scope["arguments"] = apart
        body = orjson.dumps(message)
    return message, body


def _check_arguments(message: object) -> None:
    call = _call_of(message)
    if call is not None and not isinstance(call.get("arguments", {}), dict | None):
        raise Invalid("invalid_request", "The arguments of a call must be an object.")


def _call_of(message: object) -> dict[str, Any] | None:
    """Return the `params` of a message that calls a tool."""
    if not isinstance(message, dict) or message.get("method") != "tools/call":
        return None
    params = message.get("params")
    return params if isinstance(params, dict) else None


def _trace_of(call: Mapping[str, Any]) -> list[tuple[bytes, bytes]]:
    """Return the trace that the call's `_meta` names, as a header; the SDK lets it go before the request's own."""
    meta = call.get("_meta")
    parent = meta.get("traceparent") if isinstance(meta, dict) else None
    return [(b"traceparent", parent.encode("latin-1", "replace"))] if isinstance(parent, str) else []


def _host_name(netloc: str) -> str:
    match = _HOST.fullmatch(netloc)
    return match[1].lower() if match is not None else ""


class _Answer:
    """A `send` that knows whether the answer is complete."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.complete = False

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.body" and not message.get("more_body", False):
            self.complete = True
        await self._send(message)
