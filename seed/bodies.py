"""Request bodies of what runs on a developer's machine: whole, small and soon there, before anything looks at them."""

import asyncio

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

MOST_BYTES = 128 * 1024
SECONDS = 10.0


class BoundedBodies:
    """Hands on requests whose body has at most 128 KiB and came within ten seconds; others are 413 and 408."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        try:
            async with asyncio.timeout(SECONDS):
                pending = await _read(scope, receive)
        except TimeoutError:
            await refuse(send, 408, f"The body did not come within {SECONDS:g} seconds.")
            return
        if pending is None:
            await refuse(send, 413, f"The body has more than {MOST_BYTES:,} bytes.")
            return

        async def replayed() -> Message:
            return pending.pop() if pending else await receive()

        await self._app(scope, replayed, send)


async def _read(scope: Scope, receive: Receive) -> list[Message] | None:
    """The whole body as one message, or that the client has left; None when it is too large."""
    announced = Headers(scope=scope).get("content-length", "")
    if announced.isdecimal() and int(announced[:20]) > MOST_BYTES:
        return None
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return [message]
        body += message.get("body", b"")
        if len(body) > MOST_BYTES:
            return None
        if not message.get("more_body", False):
            return [{"type": "http.request", "body": bytes(body), "more_body": False}]


async def refuse(send: Send, status: int, detail: str) -> None:
    """Answer with a line of text, and close the connection, because of what is still coming on it."""
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": f"{detail}\n".encode()})
