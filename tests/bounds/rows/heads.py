"""Request line and headers, as anybody can send them. Whatever is over a limit is refused as soon as it is over."""

from collections.abc import Callable

from tests.bounds.row import CLOSED, OK, Row
from tests.bounds.sending import request
from tests.bounds.stage import READ_TIMEOUT, Stage

LARGE = ("headers_too_large", "target_too_long")
BAD = ("invalid_http", CLOSED)
A_LITTLE_MORE = READ_TIMEOUT + 2.0  # seconds


def line(name: str, target: Callable[[int], str], *expected: str, method: str = "GET") -> Row:
    """A row of a request line."""
    return request(
        "request line", name, lambda stage, scale: stage.head(f"{method} {target(scale)}", None), *expected, *LARGE
    )


def headers(
    name: str, lines: Callable[[Stage, int], list[str]], *expected: str, target: str = "GET /api/v1/tools"
) -> Row:
    """A row of header lines beside those that a good request has."""
    return request(
        "headers", name, lambda stage, scale: stage.head(target, None, *lines(stage, scale)), *expected, *LARGE
    )


def of_mcp(name: str, lines: Callable[[int], list[str]], *expected: str) -> Row:
    """A row of header lines of a `ping`."""
    body = b'{"jsonrpc":"2.0","id":1,"method":"ping"}'
    return request(
        "headers of MCP", name, lambda stage, scale: stage.post("/mcp", body, *lines(scale)), *expected, *LARGE
    )


REQUEST_LINES = [
    line("a long path", lambda scale: "/" + "a" * 1_000 * scale, "route_not_found"),
    line("a path of many segments", lambda scale: "/a" * 500 * scale, "route_not_found"),
    line("a path of percent escapes", lambda scale: "/" + "%61" * 300 * scale, "route_not_found"),
    line("a path of slashes and dots", lambda scale: "/../." * 300 * scale, "route_not_found"),
    line("a long query", lambda scale: f"/api/v1/tools?source={'a' * 1_000 * scale}", OK, "invalid_request"),
    line(
        "a query of many names",
        lambda scale: f"/api/v1/tools?{'&'.join(f'a{n}=1' for n in range(200 * scale))}",
        OK,
        "invalid_request",
    ),
    line(
        "a query of one name many times", lambda scale: f"/api/v1/tools?{'q=a&' * 200 * scale}", OK, "invalid_request"
    ),
    line("a query of ampersands", lambda scale: f"/api/v1/tools?{'&' * 1_000 * scale}", OK, "invalid_request"),
    line(
        "an absolute target with a long host", lambda scale: f"http://{'a' * 500 * scale}/health", "host_refused", *BAD
    ),
    line("a target full of bytes that are no ASCII", lambda scale: "/" + "é" * 500 * scale, "route_not_found", *BAD),
    request(
        "request line",
        "a long method",
        lambda stage, scale: stage.head(f"{'A' * 1_000 * scale} /health", None),
        *BAD,
    ),
    request(
        "request line",
        "one that never ends",
        lambda _stage, scale: b"GET /" + b"a" * 10_000 * scale,
        *BAD,
        *LARGE,
        "request_timeout",
        patience=A_LITTLE_MORE,
    ),
    request(
        "request line",
        "many empty lines before it",
        lambda stage, scale: b"\r\n" * 1_000 * scale + stage.head("GET /health", None),
        OK,
        *BAD,
    ),
    request("request line", "bytes that are not HTTP", lambda _stage, scale: bytes(range(256)) * 10 * scale, *BAD),
    request(
        "request line",
        "a greeting of TLS",
        lambda _stage, scale: b"\x16\x03\x01\x02\x00\x01\x00" + b"\0" * 500 * scale,
        *BAD,
    ),
    request(
        "request line",
        "a preface of HTTP/2 and frames",
        lambda _stage, scale: b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\4\0\0\0\0\0" * 100 * scale,
        *BAD,
    ),
]

HEADERS = [
    headers("one long value", lambda _stage, scale: [f"X-Long: {'a' * 50_000 * scale}"], OK),
    headers("one long name", lambda _stage, scale: [f"{'a' * 20_000 * scale}: 1"], OK, *BAD),
    headers("many short ones", lambda _stage, scale: [f"X-{n}: 1" for n in range(50 * scale)], OK),
    headers("one name many times", lambda _stage, scale: ["X-Same: 1"] * 50 * scale, OK),
    headers("a value in many folded lines", lambda _stage, scale: ["X-Folded: 1", *["  1"] * 500 * scale], OK, *BAD),
    headers(
        "Host many times", lambda stage, scale: [f"Host: 127.0.0.1:{stage.port}"] * 20 * scale, "host_refused", *BAD
    ),
    headers("Host that is long", lambda _stage, scale: [f"Host: {'a' * 1_000 * scale}"], "host_refused", *BAD),
    headers("Origin many times", lambda stage, scale: [f"Origin: {stage.address}"] * 20 * scale, OK),
    headers(
        "Origin that is long", lambda _stage, scale: [f"Origin: https://{'a' * 500 * scale}.example"], "origin_refused"
    ),
    headers(
        "Authorization many times",
        lambda stage, scale: [f"Authorization: Bearer {stage.token()}"] * 5 * scale,
        OK,
        "token_invalid",
    ),
    headers(
        "Authorization of another scheme that is long",
        lambda _stage, scale: [f"Authorization: Basic {'a' * 1_000 * scale}"],
        OK,
        "token_missing",
        "token_invalid",
    ),
    headers(
        "Cookie of many pairs",
        lambda _stage, scale: [f"Cookie: {'; '.join(f'a{n}=1' for n in range(100 * scale))}"],
        OK,
    ),
    headers(
        "Accept of many ranges",
        lambda _stage, scale: [f"Accept: {', '.join(f'a/b{n};q=0.1' for n in range(80 * scale))}"],
        OK,
    ),
    headers(
        "traceparent many times", lambda _stage, scale: [f"traceparent: 00-{'1' * 32}-{'2' * 16}-01"] * 20 * scale, OK
    ),
    headers("traceparent that is long", lambda _stage, scale: [f"traceparent: 00-{'1' * 1_000 * scale}"], OK),
    headers(
        "tracestate of many members",
        lambda _stage, scale: [
            f"traceparent: 00-{'1' * 32}-{'2' * 16}-01",
            f"tracestate: {','.join(f'a{n}=1' for n in range(100 * scale))}",
        ],
        OK,
    ),
    headers(
        "baggage of many members",
        lambda _stage, scale: [f"baggage: {','.join(f'a{n}=1' for n in range(100 * scale))}"],
        OK,
    ),
    headers(
        "forwarded by many proxies",
        lambda _stage, scale: [f"X-Forwarded-For: {', '.join(['10.0.0.1'] * 100 * scale)}"],
        OK,
    ),
    headers(
        "Connection of many options",
        lambda _stage, scale: [f"Connection: {', '.join(['keep-alive'] * 80 * scale)}"],
        OK,
    ),
    headers(
        "offers of another protocol, many times",
        lambda _stage, scale: ["Connection: Upgrade", *["Upgrade: h2c"] * 20 * scale],
        OK,
        *BAD,
    ),
    headers(
        "an offer of another protocol beside a long value",
        lambda _stage, scale: ["Connection: Upgrade", "Upgrade: h2c", f"X-Long: {'a' * 10_000 * scale}"],
        OK,
    ),
    headers("If-None-Match of many tags", lambda _stage, scale: ["If-None-Match: " + '"1", ' * 200 * scale], OK),
    headers(
        "a preflight that asks for many headers",
        lambda stage, scale: [
            f"Origin: {stage.address}",
            "Access-Control-Request-Method: GET",
            f"Access-Control-Request-Headers: {','.join(f'a{n}' for n in range(100 * scale))}",
        ],
        OK,
        target="OPTIONS /api/v1/tools",
    ),
    request(
        "headers",
        "a head in segments of one byte",
        lambda stage, scale: stage.head("GET /health", None, f"X-Slow: {'a' * 50 * scale}"),
        OK,
        pieces=1,
    ),
    request(
        "headers",
        "a head that never ends",
        lambda stage, scale: stage.head("GET /health", None)[:-2] + b"X-More: 1\r\n" * 10 * scale,
        CLOSED,
        *LARGE,
        "request_timeout",
        patience=A_LITTLE_MORE,
    ),
]

OF_MCP = [
    of_mcp("Mcp-Name that is long", lambda scale: [f"Mcp-Name: {'a' * 1_000 * scale}"], OK),
    of_mcp(
        "MCP-Protocol-Version that is long",
        lambda scale: [f"MCP-Protocol-Version: {'1' * 1_000 * scale}"],
        OK,
        "JSON-RPC -32600",
        "JSON-RPC -32602",
    ),
    of_mcp("Mcp-Session-Id that is long", lambda scale: [f"Mcp-Session-Id: {'a' * 1_000 * scale}"], OK),
    of_mcp(
        "Accept of many ranges", lambda scale: [f"Accept: {', '.join(f'a/b{n};q=0.1' for n in range(80 * scale))}"], OK
    ),
    of_mcp(
        "Content-Type of many parameters",
        lambda scale: [f"Content-Type: application/json{''.join(f'; a{n}=1' for n in range(100 * scale))}"],
        OK,
        "unsupported_media_type",
    ),
    of_mcp("Last-Event-ID that is long", lambda scale: [f"Last-Event-ID: {'a' * 1_000 * scale}"], OK),
]

ROWS = [*REQUEST_LINES, *HEADERS, *OF_MCP]
