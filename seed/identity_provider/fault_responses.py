"""What a request meets before, or instead of, its true answer."""

import asyncio
from collections.abc import Sequence

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from seed.identity_provider.faults import AnyFault, Body, Drop, Faults, Hang, Latency, Status


class DroppedResponse(Response):
    """Promises a body, sends a part of it and ends: the server then closes the connection."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002
        headers = [(b"content-type", b"application/json"), (b"content-length", b"1000")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b'{"access_token":"', "more_body": True})


async def answer_of_faults(met: Sequence[AnyFault], faults: Faults, request: Request) -> Response | None:
    """Wait as the faults say; the answer that one of them gives, or None when the true one may follow."""
    for fault in met:
        if isinstance(fault, Latency):
            await asyncio.sleep(fault.seconds)
        elif isinstance(fault, Hang):
            await _cleared_or_gone(faults, request)
    return next((answer for fault in met if (answer := _answer_of(fault)) is not None), None)


def _answer_of(fault: AnyFault) -> Response | None:
    match fault:
        case Drop():
            return DroppedResponse()
        case Status(status=status, retry_after=retry_after):
            headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
            return JSONResponse({"error": "unknown_error"}, status, headers=headers)
        case Body(content=content, content_type=content_type):
            return Response(content, media_type=content_type)
        case _:
            return None


async def _cleared_or_gone(faults: Faults, request: Request) -> None:
    waits = [asyncio.create_task(faults.until_cleared()), asyncio.create_task(_disconnected(request))]
    try:
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()


async def _disconnected(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
