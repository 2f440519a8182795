"""Failures as `application/problem+json` (RFC 9457), at the MCP door as JSON-RPC errors under the same HTTP status.

Challenges go with 401 and 403 (RFC 6750, RFC 9728).

Every answer that is not a success is made here, so that each one has a stable `code`, a `detail` that says what to do
and a `trace_id`, and none repeats a body that was sent or reveals internals.
"""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from math import ceil
from typing import Any

import orjson
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from mcp_types import INTERNAL_ERROR, INVALID_REQUEST, PARSE_ERROR
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import Scope

from app.errors import (
    BadAnswer,
    Conflict,
    DeadlineExceeded,
    HeadersTooLarge,
    InsufficientScope,
    Invalid,
    InvalidAgentToken,
    Misdirected,
    NotFound,
    NotPermitted,
    PreconditionFailed,
    ReadTimeout,
    TargetTooLong,
    TooLarge,
    ToolsProviderError,
    Unavailable,
    Unreadable,
    UnsupportedMediaType,
    Violation,
)
from app.operation.pointers import join
from app.operation.text import written_out
from app.telemetry import current_trace_id

MCP = "/mcp"
_MOST_TOLD = 100  # violations
_LONGEST = 300  # characters of a pointer: callers choose their names

_STATUSES: Mapping[type[ToolsProviderError], int] = {
    Unreadable: 400,
    InvalidAgentToken: 401,
    NotPermitted: 403,
    InsufficientScope: 403,
    NotFound: 404,
    ReadTimeout: 408,
    Conflict: 409,
    PreconditionFailed: 412,
    TooLarge: 413,
    TargetTooLong: 414,
    UnsupportedMediaType: 415,
    Misdirected: 421,
    Invalid: 422,
    HeadersTooLarge: 431,
    BadAnswer: 502,
    Unavailable: 503,
    DeadlineExceeded: 504,
}
_HTTP_CODES: Mapping[int, tuple[str, str]] = {
    404: (
        "route_not_found",
        "Nothing is at this address. MCP is at {here}/mcp; {here}/openapi.json lists the rest.",
    ),
    405: (
        "method_not_allowed",
        "This address takes only the methods that Allow names. MCP is at {here}/mcp.",
    ),
    400: ("invalid_request", "The request could not be read. Send a JSON body in UTF-8."),
}
_WORDS: Mapping[str, str] = {"missing": "is required", "extra_forbidden": "is an unknown field"}


class Problems:
    """Renders failures for both doors.

    `public_url` is our address, `resource_metadata` the one that 401 and 403 challenges point at, `scopes` are
    what every client should ask for.
    """

    def __init__(self, public_url: str, resource_metadata: str, scopes: Sequence[str]) -> None:
        self._public_url = public_url
        self._resource_metadata = resource_metadata
        self._scopes = tuple(scopes)

    def render(self, error: ToolsProviderError, scope: Scope) -> Response:
        """Return the answer to a failure of an ASGI request, with its challenge or its `Retry-After`."""
        headers: dict[str, str] = {}
        if isinstance(error, InvalidAgentToken | InsufficientScope):
            headers["WWW-Authenticate"] = self._challenge(error)
        if isinstance(error, Unavailable):
            headers["Retry-After"] = str(max(1, ceil(error.retry_after)))
        if scope["path"] == MCP:
            # What reaches the MCP door as Invalid is not one message; wrong arguments are a result.
            status = 400 if isinstance(error, Invalid) else status_of(type(error))
            return rpc_error(status, error.code, error.detail, headers)
        violations = error.violations if isinstance(error, Invalid) else ()
        return problem(status_of(type(error)), error.code, error.detail, violations, headers)

    def install(self, app: FastAPI) -> None:
        """Make every failure in `app` answer with a problem, FastAPI's own included."""
        app.add_exception_handler(ToolsProviderError, self._on_failure)
        app.add_exception_handler(RequestValidationError, _on_invalid_request)
        app.add_exception_handler(HTTPException, self._on_http_exception)

    async def _on_failure(self, request: Request, error: Exception) -> Response:
        assert isinstance(error, ToolsProviderError)  # noqa: S101 - what this handler is installed for
        return self.render(error, request.scope)

    async def _on_http_exception(self, _request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)  # noqa: S101 - what this handler is installed for
        code, detail = _HTTP_CODES.get(error.status_code, ("invalid_request", HTTPStatus(error.status_code).phrase))
        headers = dict(error.headers or {})
        if headers.get("Allow") == "GET":
            headers["Allow"] = "GET, HEAD"
        return problem(error.status_code, code, detail.format(here=self._public_url), headers=headers)

    def _challenge(self, error: InvalidAgentToken | InsufficientScope) -> str:
        # What everyone asks for is named again: a client that requested the missing scopes alone would come back with a
        # token that has lost the audience of this server.
        scopes = (*self._scopes, *error.scopes) if isinstance(error, InsufficientScope) else self._scopes
        parts = {"scope": " ".join(dict.fromkeys(scopes)), "resource_metadata": self._resource_metadata}
        if isinstance(error, InsufficientScope):
            parts = {"error": "insufficient_scope", "error_description": error.detail, **parts}
        elif error.code != "token_missing":  # RFC 6750 section 3.1: no error where no token was sent
            parts = {"error": "invalid_token", "error_description": error.detail, **parts}
        return "Bearer " + ", ".join(f'{name}="{_quotable(value)}"' for name, value in parts.items())


def status_of(failure: type[ToolsProviderError]) -> int:
    """Return the HTTP status of failures of a class."""
    return next(_STATUSES[kind] for kind in failure.__mro__ if kind in _STATUSES)


def problem(
    status: int,
    code: str,
    detail: str,
    violations: Sequence[Violation] = (),
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Return a problem answer (RFC 9457 section 3) with the trace id of the current span."""
    body: dict[str, Any] = {
        "title": HTTPStatus(status).phrase,
        "status": status,
        "code": code,
        "detail": written_out(detail, lines=True),
        "trace_id": current_trace_id(),
    }
    if violations:
        body["violations"] = [
            {"pointer": _short(written_out(each.pointer)), "detail": written_out(each.detail)} for each in violations
        ]
    return Response(orjson.dumps(body), status, headers, media_type="application/problem+json")


def rpc_error(status: int, code: str, detail: str, headers: Mapping[str, str] | None = None) -> Response:
    """Return a JSON-RPC error response to no request in particular, with the trace id of the current span.

    Its `id` is null, not left out as the specification (transports, 2026-07-28) has it: the SDK's clients read an error
    without the member as none, and show no reason.
    """
    number = PARSE_ERROR if code == "invalid_json" else INTERNAL_ERROR if status >= 500 else INVALID_REQUEST
    error = {
        "code": number,
        "message": written_out(detail, lines=True),
        "data": {"code": code, "trace_id": current_trace_id()},
    }
    body = {"jsonrpc": "2.0", "id": None, "error": error}
    return Response(orjson.dumps(body), status, headers, media_type="application/json")


def internal_error(scope: Scope) -> Response:
    """Return the answer to an unforeseen failure of an ASGI request."""
    detail = "Something went wrong here. Give the trace_id to whoever runs this server."
    form = rpc_error if scope["path"] == MCP else problem
    return form(500, "internal_error", detail)


async def _on_invalid_request(_request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - what this handler is installed for
    found = error.errors()
    violations = [_violation(item) for item in found[:_MOST_TOLD]]
    of_more = f" of the first {_MOST_TOLD} of {len(found):,} mistakes" if len(found) > _MOST_TOLD else ""
    detail = f"The request is not valid; `violations` says where and why{of_more}."
    return problem(422, "invalid_request", detail, violations)


def _violation(item: Mapping[str, Any]) -> Violation:
    # Only the message: pydantic's `input` would hand back what was sent.
    place, *path = item["loc"]
    detail = _WORDS.get(item["type"], item["msg"].removeprefix("Value error, "))
    if place == "body":
        return Violation(join("", *path), detail)
    return Violation("", f"{place} parameter `{_short('.'.join(map(str, path)))}`: {detail}")


def _short(pointer: str) -> str:
    return pointer if len(pointer) <= _LONGEST else f"{pointer[:_LONGEST]}…"


def _quotable(text: str) -> str:
    return "".join(c if " " <= c <= "~" and c not in '"\\' else "'" for c in text)
