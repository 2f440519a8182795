"""An upstream without rules of its own: it shows what it was sent and answers as it is told."""

import asyncio
import json
import threading
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

WAIT_SECONDS = 20


def _operation(name: str, *parameters: dict[str, Any], method: str = "get") -> dict[str, Any]:
    return {
        method: {
            "operationId": name,
            "parameters": list(parameters),
            "responses": {"200": {"description": "as told"}},
        }
    }


def _parameter(name: str, kind: str, where: str = "query", *, required: bool = False) -> dict[str, Any]:
    return {"name": name, "in": where, "required": required or where == "path", "schema": {"type": kind}}


DOCUMENT = {
    "openapi": "3.1.0",
    "info": {"title": "Probe", "version": "1"},
    "paths": {
        "/echo": _operation(
            "echo",
            {**_parameter("text", "string"), "schema": {"type": "string", "x-mcp-header": "T"}},
            _parameter("number", "integer"),
        ),
        "/as-told/{name}": _operation("as_told", _parameter("name", "string", "path")),
        "/hang": _operation("hang"),
        "/wait": _operation("wait"),
    },
}


class Probe:
    """`seen` are the requests that came. `answers` are what `/as-told/{name}` says, by name."""

    def __init__(self) -> None:
        self.seen: list[dict[str, Any]] = []
        self.answers: dict[str, tuple[int, bytes, dict[str, str]]] = {}
        self.hanging = threading.Semaphore(0)
        self.cancelled = threading.Semaphore(0)
        self.waiting = threading.Semaphore(0)
        self.go_on = threading.Event()
        self.app = Starlette(
            routes=[
                Route("/openapi.json", self._document),
                Route("/echo", self._echo),
                Route("/as-told/{name}", self._as_told),
                Route("/hang", self._hang),
                Route("/wait", self._wait),
            ]
        )

    async def _document(self, _request: Request) -> Response:
        return JSONResponse(DOCUMENT)

    async def _echo(self, request: Request) -> Response:
        bearers = [value.removeprefix("Bearer ") for value in request.headers.getlist("authorization")]
        self.seen.append({"headers": dict(request.headers), "query": dict(request.query_params), "bearers": bearers})
        return JSONResponse({"query": dict(request.query_params), "traceparent": request.headers.get("traceparent")})

    async def _as_told(self, request: Request) -> Response:
        status, body, headers = self.answers[request.path_params["name"]]
        return Response(body, status, headers)

    async def _hang(self, request: Request) -> Response:
        """Answer never; tell when the caller has gone."""
        self.hanging.release()
        while (await request.receive())["type"] != "http.disconnect":
            pass
        self.cancelled.release()
        return Response()

    async def _wait(self, _request: Request) -> Response:
        """Answer once `go_on` is set."""
        self.waiting.release()
        await asyncio.to_thread(self.go_on.wait, WAIT_SECONDS)
        return JSONResponse({"waited": True})

    def tell(self, name: str, status: int, body: object, **headers: str) -> None:
        """Have `/as-told/{name}` answer so; anything but bytes is sent as JSON."""
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        named = {key.replace("_", "-"): value for key, value in headers.items()}
        self.answers[name] = (status, content, {"content-type": "application/json", **named})
