"""What the official suite cannot do itself: it signs in, and speaks of our tools by the names that its scenarios have.

The suite sends no `Authorization`, and calls tools like `test_simple_text`, where ours are called `slug__operation`.
"""

import json
from collections.abc import Mapping
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.operation.text import mcp_name


class SignedIn:
    """Passes each request on with the token, and each tool name with the slug that the tools are registered under."""

    def __init__(self, app: ASGIApp, slug: str, authorization: Mapping[str, str]) -> None:
        self._app = app
        self._prefix = mcp_name(slug, "")
        self._authorization = [(name.lower().encode(), value.encode()) for name, value in authorization.items()]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = [(name, self._named(name, value)) for name, value in scope["headers"] if name != b"content-length"]
        body = await self._renamed_call(receive)
        if all(name != b"authorization" for name, _ in headers):
            headers += self._authorization
        headers.append((b"content-length", str(len(body)).encode()))
        pending = [{"type": "http.request", "body": body, "more_body": False}]

        async def replay() -> Message:
            return pending.pop() if pending else await receive()

        await self._app({**scope, "headers": headers}, replay, _Unprefixed(send, self._prefix))

    def _named(self, header: bytes, value: bytes) -> bytes:
        if header != b"mcp-name":
            return value
        name = value.strip()
        return self._prefix.encode() + name if name.replace(b"_", b"").isalnum() else value

    async def _renamed_call(self, receive: Receive) -> bytes:
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message.get("body", b""), message.get("more_body", False)
        try:
            message = json.loads(body)
        except ValueError:
            return body
        params: Any = message.get("params") if isinstance(message, dict) else None
        if not isinstance(params, dict) or message.get("method") != "tools/call":
            return body
        params["name"] = f"{self._prefix}{params.get('name')}"
        return json.dumps(message).encode()


class _Unprefixed:
    def __init__(self, send: Send, prefix: str) -> None:
        self._send = send
        self._prefix = prefix.encode()
        self._start: Message = {}
        self._body = b""

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._start = message
            return
        self._body += message.get("body", b"")
        if message.get("more_body", False):
            return
        body = self._body.replace(self._prefix, b"")
        headers = [(name, value) for name, value in self._start["headers"] if name != b"content-length"]
        headers.append((b"content-length", str(len(body)).encode()))
        await self._send({**self._start, "headers": headers})
        await self._send({"type": "http.response.body", "body": body})
