"""Connections: many of them, slow ones, and those that are left."""

from app.api.http.limits import PIPELINED
from tests.bounds.row import CLOSED, HELD, OK, Row
from tests.bounds.rows.heads import A_LITTLE_MORE, BAD
from tests.bounds.sending import HELD_SECONDS, request, requests, together
from tests.bounds.stage import Stage

PUBLIC = ("/openapi.json", "/docs", "/", "/ready", "/metrics", "/static/swagger-ui-bundle.js")
BUSY = ("server_busy", CLOSED)  # above the limit of what is held at once
MANY = (1, 10, 60)
_BODY_BYTES = 2_000_000


def health(stage: Stage, scale: int) -> list[bytes]:
    return [stage.head("GET /health", None, username=None)] * 5 * scale


def ping(stage: Stage, scale: int) -> list[bytes]:
    return [stage.post("/mcp", b'{"jsonrpc":"2.0","id":1,"method":"ping"}')] * 2 * scale


def calls(stage: Stage, scale: int) -> list[bytes]:
    return [stage.call("hostile__query_text", b'{"value":"a"}')] * scale


def begun(stage: Stage, scale: int) -> list[bytes]:
    """Bodies of 4 MiB, of which the half is sent."""
    return [stage.head("POST /mcp", 4 * 1024 * 1024) + b" " * _BODY_BYTES] * scale


def public(path: str) -> Row:
    """Many that ask for what needs no token."""
    return together(
        "connections",
        f"many at once, each asking for {path}",
        lambda stage, scale: [stage.head(f"GET {path}", None, username=None)] * 5 * scale,
        OK,
        *BUSY,
        scales=MANY,
    )


ROWS = [
    *map(public, PUBLIC),
    together(
        "connections",
        "many on which nothing is sent",
        lambda _stage, scale: [b""] * 5 * scale,
        HELD,
        "request_timeout",
        *BUSY,
        scales=MANY,
        patience=HELD_SECONDS,
    ),
    together(
        "connections",
        "many with half a head",
        lambda stage, scale: [stage.head("GET /health", None)[:-4]] * 5 * scale,
        HELD,
        "request_timeout",
        *BUSY,
        scales=MANY,
        patience=HELD_SECONDS,
    ),
    together(
        "connections",
        "many with half a body of the largest",
        begun,
        HELD,
        "request_timeout",
        *BUSY,
        scales=MANY,
        patience=HELD_SECONDS,
    ),
    together("connections", "many at once, each asking for the health", health, OK, *BUSY, scales=MANY),
    together(
        "connections",
        "many at once, each with a call",
        calls,
        OK,
        *BUSY,
        scales=MANY,
    ),
    together(
        "connections",
        "many at once, each with a call and gone before the answer",
        calls,
        OK,
        HELD,
        "request_timeout",
        *BUSY,
        scales=MANY,
        patience=0.01,
    ),
    together(
        "connections",
        "many at once without a token",
        lambda stage, scale: [stage.head("GET /api/v1/tools", None, username=None)] * 5 * scale,
        "token_missing",
        *BUSY,
        scales=MANY,
    ),
    together(
        "connections",
        "many at once, each with many requests ahead of their answers",
        lambda stage, scale: [each * PIPELINED for each in health(stage, scale)],
        OK,
        *BUSY,
        scales=MANY,
    ),
    requests("connections", "many requests one after the other", health, OK),
    requests("connections", "many requests ahead of their answers", health, OK, *BUSY, ahead=True),
    requests("connections", "many messages ahead of their answers", ping, OK, *BUSY, ahead=True),
    requests("connections", "many calls ahead of their answers", calls, OK, *BUSY, scales=(1, 10, 50), ahead=True),
    request(
        "connections",
        "a request and much that is none",
        lambda stage, scale: stage.head("GET /health", None) + b"\0" * 10_000 * scale,
        OK,
        *BAD,
    ),
    request(
        "connections",
        "a body that never comes",
        lambda stage, scale: stage.head("POST /mcp", 40_000 * scale),
        CLOSED,
        "request_timeout",
        patience=A_LITTLE_MORE,
    ),
    request(
        "connections",
        "a body of which the last byte never comes",
        lambda stage, scale: stage.head("POST /mcp", 40_000 * scale) + b" " * (40_000 * scale - 1),
        CLOSED,
        "request_timeout",
        patience=A_LITTLE_MORE,
    ),
    request(
        "connections",
        "a body in segments of one byte",
        lambda stage, scale: stage.post("/mcp", b'{"jsonrpc":"2.0","id":1,"method":"ping"}' + b" " * 50 * scale),
        OK,
        pieces=1,
    ),
    request(
        "connections",
        "a tunnel that is asked for, and bytes in it",
        lambda stage, scale: stage.head("CONNECT example.com:443", None) + b"\0" * 10_000 * scale,
        *BAD,
    ),
]
