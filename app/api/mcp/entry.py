"""What an HTTP request passes before the MCP door: agent token, method, size, scopes.

It stands in the place of the SDK's own authentication, whose challenges name no scopes and which cannot answer 403 for
one tool.
"""

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import orjson
from starlette.datastructures import Headers
from starlette.types import Message, Receive, Scope, Send

from app.api.http.bodies import is_json, not_json, read_body, read_json, replayed
from app.api.http.dependencies import Composition, agent_of, composition_of
from app.api.http.disconnect import unless_gone
from app.api.http.problems import rpc_error
from app.api.mcp.unreadable import call_apart
from app.errors import (
    BadAnswer,
    Invalid,
    InvalidAgentToken,
    NotFound,
    NotPermitted,
    TooLarge,
)

MCP_BYTES = 4 * 1024 * 1024
_LARGE = 65_536  # bytes that may take more than some milliseconds to read
_Read = TypeVar("_Read")


class McpEntry:
    """Lets requests with an acceptable agent token through to the SDK, with the token as `scope["agent"]`.

    Of a message that calls a tool, `scope["tool"]` is the tool, or NotFound.
    """

    def __init__(self) -> None:
        # One body after the other: each may take some tenths of a second, which only those who send such wait for.
        self._apart = ThreadPoolExecutor(1, "large")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        _tidy(scope)
        composition = composition_of(scope)
        try:
            scope["agent"] = await agent_of(scope)
        except (BadAnswer, InvalidAgentToken, NotPermitted) as error:
            await composition.outcomes.refused(error, "mcp")
            raise
        if scope["method"] != "POST":
            detail = "There are no sessions and no streams here; POST each message."
            await rpc_error(405, "method_not_allowed", detail, {"Allow": "POST"})(scope, receive, send)
            return
        if not is_json(Headers(scope=scope)["content-type"]):
            raise not_json()
        message, body = await self._read(await read_body(scope, receive, MCP_BYTES), scope)
        if (call := _call_of(message)) is not None:
            await _decide(composition, call, scope)
        answer = _Answer(send)
        transport = composition.mcp_transport
        await unless_gone(receive, transport(scope, replayed(body, receive), answer), lambda: answer.complete)

    async def _read(self, body: bytes, scope: Scope) -> tuple[object, bytes]:
        """Return the message, and the body that says it to the SDK.

        Of a call whose arguments cannot be read, these are `scope["arguments"]`, with Unusable in them. Raises what
        `read_json` raises for what is not one message.
        """
        try:
            message = await self._beside(read_json, body) if len(body) > _LARGE else read_json(body)
            _check_arguments(message)
        except (Invalid, TooLarge):
            apart = await self._beside(call_apart, body)
            if apart is None:
                raise
            message, scope["arguments"] = apart
            body = orjson.dumps(message)
        _check_form(message)
        return message, body

    async def _beside(self, read: Callable[[bytes], _Read], body: bytes) -> _Read:
        return await asyncio.get_running_loop().run_in_executor(self._apart, read, body)


def _tidy(scope: Scope) -> None:
    """Say the headers as the SDK reads them: it knows one line of each, and takes none for no media type at all.

    White space around a value is not part of it (RFC 9110 section 5.5); httptools leaves it there. JSON is answered
    whatever is accepted (section 12.5.1), where the SDK would refuse, and media types have no case (section 8.3.1).
    """
    headers = [(name, value.strip()) for name, value in scope["headers"]]
    accepted = b", ".join([b"application/json", *(value for name, value in headers if name == b"accept" and value)])
    kind = next((value.lower() for name, value in headers if name == b"content-type" and value), b"application/json")
    if is_json(kind.decode("latin-1")):
        kind = b"application/json"
    kept = [(name, value) for name, value in headers if name not in (b"accept", b"content-type")]
    scope["headers"] = [*kept, (b"accept", accepted), (b"content-type", kind)]


async def _decide(composition: Composition, call: Mapping[str, Any], scope: Scope) -> None:
    """Only now can the answer still be a 403 that names the scopes; what is unknown is left to the SDK to say."""
    asked, agent = call.get("name"), scope["agent"]
    if not isinstance(asked, str):
        return
    try:
        scope["tool"] = await composition.access.admit(agent, asked, "mcp")
    except NotFound as unknown:
        scope["tool"] = unknown


def _check_arguments(message: object) -> None:
    call = _call_of(message)
    if call is not None and not isinstance(call.get("arguments", {}), dict | None):
        raise Invalid("invalid_request", "The arguments of a call must be an object.")


def _check_form(message: object) -> None:
    """Raise Invalid unless this is one JSON-RPC message, of which the SDK would take some for notifications."""
    if not isinstance(message, dict):
        raise _no_message("Send one JSON-RPC message, which is an object, in each request; there are no batches.")
    if message.get("jsonrpc") != "2.0":
        raise _no_message('A JSON-RPC message must have "jsonrpc": "2.0".')
    if message.keys().isdisjoint({"method", "result", "error"}) or not isinstance(message.get("method", ""), str):
        raise _no_message("A JSON-RPC request must have a `method`, which is a string.")
    if "method" in message and "id" in message and type(message["id"]) not in {str, int}:
        raise _no_message("The `id` of a request must be a string or an integer; a notification has none.")
    if not isinstance(message.get("params"), dict | None):
        raise _no_message("The `params` of a message must be an object.")


def _no_message(detail: str) -> Invalid:
    return Invalid("invalid_request", detail)


def _call_of(message: object) -> dict[str, Any] | None:
    """Return the `params` of a message that calls a tool."""
    if not isinstance(message, dict) or message.get("method") != "tools/call":
        return None
    params = message.get("params")
    return params if isinstance(params, dict) else None


class _Answer:
    """A `send` that knows whether the answer is complete."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.complete = False

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.body" and not message.get("more_body", False):
            self.complete = True
        await self._send(message)
