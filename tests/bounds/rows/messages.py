"""Messages of MCP: names, ids, methods, cursors and what else a message may carry."""

import json
from collections.abc import Callable

from tests.bounds.row import OK, Row
from tests.bounds.sending import request, requests
from tests.bounds.stage import Stage

WRONG = (
    "tool_not_found",
    "invalid_request",
    "invalid_json",
    "invalid_arguments",
    "body_too_large",
    "JSON-RPC -32600",
    "JSON-RPC -32602",
)
UNKNOWN = ("JSON-RPC -32601", "JSON-RPC -32603", *WRONG)


def message(name: str, build: Callable[[int], object], *expected: str, lines: tuple[str, ...] = ()) -> Row:
    """A row of one message; `build` gives JSON."""
    return request(
        "message", name, lambda stage, scale: stage.post("/mcp", json.dumps(build(scale)).encode(), *lines), *expected
    )


def of(method: str, params: object, name: object = 1) -> dict[str, object]:
    return {"jsonrpc": "2.0", "id": name, "method": method, "params": params}


def called(name: object, **more: object) -> dict[str, object]:
    return of("tools/call", {"name": name, "arguments": {}, **more})


def notifications(stage: Stage, scale: int, method: str) -> list[bytes]:
    params = {"requestId": 1, "reason": "a" * 100}
    body = json.dumps({"jsonrpc": "2.0", "method": method, "params": params}).encode()
    return [stage.post("/mcp", body)] * 2 * scale


_META = "io.modelcontextprotocol/protocolVersion"
_HELLO = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "a", "version": "1"}}

ROWS = [
    message("a long name of a tool", lambda scale: called("hostile__" + "a" * 10_000 * scale), *WRONG),
    message("a name of a tool of many separators", lambda scale: called("__" * 10_000 * scale), *WRONG),
    message("a name of a tool that is a list", lambda scale: called(["a"] * 5_000 * scale), *WRONG),
    message(
        "a long cursor", lambda scale: of("tools/list", {"cursor": "YWZ0ZXI6" + "YWFh" * 5_000 * scale}), OK, *WRONG
    ),
    message("a cursor of zeros", lambda scale: of("tools/list", {"cursor": "A" * 20_000 * scale}), *WRONG),
    message("a long method", lambda scale: of("a/" * 10_000 * scale, {}), *UNKNOWN),
    message("a long id", lambda scale: of("ping", {}, "a" * 20_000 * scale), OK, *WRONG),
    message("an id of many digits", lambda scale: of("ping", {}, int("9" * min(4_000, 40 * scale))), OK, *WRONG),
    message(
        "an id that is an object", lambda scale: of("ping", {}, {f"n{n}": 1 for n in range(1_000 * scale)}), *WRONG
    ),
    message(
        "many members beside those of a message",
        lambda scale: {**of("ping", {}), **{f"n{n}": 1 for n in range(900 * scale)}},
        OK,
        *WRONG,
    ),
    message(
        "many parameters that nobody knows",
        lambda scale: of("ping", {f"n{n}": 1 for n in range(900 * scale)}),
        OK,
        *WRONG,
    ),
    message(
        "metadata of many members",
        lambda scale: called("hostile__query_text", _meta={f"n{n}": 1 for n in range(900 * scale)}),
        OK,
        *WRONG,
    ),
    message(
        "metadata that is deep",
        lambda scale: called(
            "hostile__query_text", _meta={"a": json.loads("[" * min(scale, 100) + "]" * min(scale, 100))}
        ),
        OK,
        *WRONG,
    ),
    message(
        "a version of the protocol that is long",
        lambda scale: of("tools/list", {"_meta": {_META: "1" * 10_000 * scale}}),
        OK,
        *UNKNOWN,
        "JSON-RPC -32020",
        "JSON-RPC -32022",
    ),
    message(
        "a token of progress that is long",
        lambda scale: called("hostile__query_text", _meta={"progressToken": "a" * 20_000 * scale}),
        OK,
        *WRONG,
    ),
    message("a batch of many messages", lambda scale: [of("ping", {}, n) for n in range(300 * scale)], *WRONG),
    message("a batch of batches", lambda scale: [[]] * 900 * scale, *WRONG),
    message(
        "a greeting of many capabilities",
        lambda scale: of(
            "initialize", {**_HELLO, "capabilities": {"experimental": {f"n{n}": {} for n in range(500 * scale)}}}
        ),
        OK,
        *WRONG,
    ),
    message(
        "a greeting with a long name of the client",
        lambda scale: of("initialize", {**_HELLO, "clientInfo": {"name": "a" * 20_000 * scale, "version": "1"}}),
        OK,
        *WRONG,
    ),
    message(
        "an answer that nobody waits for",
        lambda scale: {"jsonrpc": "2.0", "id": 1, "result": {f"n{n}": 1 for n in range(900 * scale)}},
        OK,
        *WRONG,
    ),
    message(
        "an error that nobody waits for",
        lambda scale: {"jsonrpc": "2.0", "id": 1, "error": {"code": 1, "message": "a" * 20_000 * scale}},
        OK,
        *WRONG,
    ),
    message(
        "a level of the log that is long",
        lambda scale: of("logging/setLevel", {"level": "a" * 20_000 * scale}),
        *UNKNOWN,
    ),
    message(
        "an address of a resource that is long",
        lambda scale: of("resources/read", {"uri": "a:" * 10_000 * scale}),
        *UNKNOWN,
    ),
    message(
        "a completion of many arguments",
        lambda scale: of(
            "completion/complete",
            {"ref": {"type": "ref/prompt", "name": "a"}, "argument": {"name": "a", "value": "b" * 20_000 * scale}},
        ),
        *UNKNOWN,
    ),
    requests(
        "message",
        "many cancellations of what is not under way",
        lambda stage, scale: notifications(stage, scale, "notifications/cancelled"),
        OK,
    ),
    requests(
        "message",
        "many notifications that nobody knows",
        lambda stage, scale: notifications(stage, scale, "notifications/a"),
        OK,
    ),
    requests(
        "message",
        "many streams that are asked for (GET /mcp)",
        lambda stage, scale: [stage.head("GET /mcp", None, "Accept: text/event-stream")] * 3 * scale,
        "method_not_allowed",
    ),
    requests(
        "message",
        "many sessions that are ended (DELETE /mcp)",
        lambda stage, scale: [stage.head("DELETE /mcp", None, "Mcp-Session-Id: a")] * 3 * scale,
        "method_not_allowed",
    ),
    requests(
        "message",
        "many lists of all tools",
        lambda stage, scale: [stage.post("/mcp", json.dumps(of("tools/list", {})).encode())] * scale,
        OK,
        scales=(1, 5, 25),
    ),
    requests(
        "message",
        "many calls of tools that are not there",
        lambda stage, scale: [
            stage.post("/mcp", json.dumps(called(f"hostile__{n}")).encode()) for n in range(2 * scale)
        ],
        *WRONG,
    ),
]
