"""What an HTTP request passes before the MCP door: agent token, method, size, scopes.

It stands in the place of the SDK's own authentication, whose challenges name no scopes and which cannot answer 403 for
one tool.
"""

from collections.abc import Mapping
from typing import Any

import orjson
from starlette.datastructures import Headers
from starlette.types import Message, Receive, Scope, Send

from app.api.http.bodies import is_json, read_body, read_json, replayed
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
    UnsupportedMediaType,
)

MCP_BYTES = 4 * 1024 * 1024
_ANSWERS = ("result", "error")  # to requests of ours; we send none, and the SDK drops them


class McpEntry:
    """Lets requests with an acceptable agent token through to the SDK, with the token as `scope["agent"]`.

    Of a message that calls a tool, `scope["tool"]` is the tool, or NotFound.
    """

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
            raise UnsupportedMediaType(
                "unsupported_media_type", "This takes JSON: send it with Content-Type: application/json."
            )
        message, body = _read(await read_body(scope, receive, MCP_BYTES), scope)
        if (call := _call_of(message)) is not None:
            await _decide(composition, call, scope)
        answer = _Answer(send)
        transport = composition.mcp_transport
        await unless_gone(receive, transport(scope, replayed(body, receive), answer), lambda: answer.complete)


def _tidy(scope: Scope) -> None:
    """Say the headers as the SDK reads them: it knows one line of each, and takes none for no media type at all.

    White space around a value is not part of it (RFC 9110 section 5.5); httptools leaves it there. Who states no
    `Accept` accepts anything (section 12.5.1), and media types have no case (section 8.3.1).
    """
    headers = [(name, value.strip()) for name, value in scope["headers"]]
    accepted = b", ".join(value for name, value in headers if name == b"accept") or b"*/*"
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
    _check_message(message)
    return message, body


def _check_message(message: object) -> None:
    """Raise Invalid for what is no message, and for a request that nobody could answer (JSON-RPC 2.0 section 4).

    The SDK takes one with such an `id` for a notification, and its sender would wait for ever.
    """
    if isinstance(message, list):
        raise Invalid("invalid_request", "Send one message at a time: this protocol has no batches.")
    if not isinstance(message, dict) or message.get("jsonrpc") != "2.0" or not _is_said(message):
        raise Invalid(
            "invalid_request",
            'This is not a message of JSON-RPC 2.0: send an object with "jsonrpc": "2.0" and a method.',
        )
    if "method" in message and "id" in message and type(message["id"]) not in (str, int):
        raise Invalid("invalid_request", "The id of a request is a string or an integer; a notification has none.")
    if not isinstance(message.get("params"), dict | None):
        raise Invalid("invalid_request", "`params` is an object, or is left out.")


def _is_said(message: Mapping[str, Any]) -> bool:
    return isinstance(message["method"], str) if "method" in message else not message.keys().isdisjoint(_ANSWERS)


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


class _Answer:
    """A `send` that knows whether the answer is complete."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.complete = False

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.body" and not message.get("more_body", False):
            self.complete = True
        await self._send(message)
