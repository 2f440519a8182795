"""Bodies of each shape and framing, as a caller with a good token can send them."""

import gzip
from collections.abc import Callable

from tests.bounds.row import CLOSED, OK, Row
from tests.bounds.rows.heads import A_LITTLE_MORE, BAD
from tests.bounds.sending import request
from tests.bounds.stage import Stage

TOO_MUCH = ("invalid_json", "invalid_request", "invalid_arguments", "body_too_large")
_CALL = '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":%s}'
_FREE = _CALL % '{"name":"hostile__json_free","arguments":{"body":{"a":%s}}}'


def in_a_call(name: str, json: Callable[[int], str]) -> Row:
    """A row of JSON somewhere in an argument that takes anything, at the MCP door."""
    return request(
        "body at MCP",
        name,
        lambda stage, scale: stage.post("/mcp", (_FREE % json(scale)).encode("utf-8", "surrogatepass")),
        OK,
        *TOO_MUCH,
    )


def at_rest(name: str, json: Callable[[int], str]) -> Row:
    """A row of JSON in the place of the arguments, at the REST door."""
    return request(
        "body at REST",
        name,
        lambda stage, scale: stage.post(
            "/api/v1/tools/execute",
            f'{{"tool_id":"hostile/json_free","arguments":{{"body":{{"a":{json(scale)}}}}}}}'.encode(
                "utf-8", "surrogatepass"
            ),
        ),
        OK,
        *TOO_MUCH,
    )


def bare(name: str, body: Callable[[int], bytes]) -> Row:
    """A row of a body that is no message."""
    return request("body at MCP", name, lambda stage, scale: stage.post("/mcp", body(scale)), *TOO_MUCH)


def framed(
    name: str,
    more: Callable[[Stage, int], tuple[list[str], bytes]],
    *expected: str,
    path: str = "/mcp",
    patience: float = 30,
) -> Row:
    """A row of header lines and what follows them."""

    def build(stage: Stage, scale: int) -> bytes:
        lines, sent = more(stage, scale)
        return stage.head(f"POST {path}", None, "Content-Type: application/json", *lines) + sent

    return request("framing of the body", name, build, *expected, patience=patience)


PING = b'{"jsonrpc":"2.0","id":1,"method":"ping"}'
CHUNKED = "Transfer-Encoding: chunked"


def chunks(body: bytes, size: int, extension: bytes = b"") -> bytes:
    pieces = (body[start : start + size] for start in range(0, len(body), size))
    return b"".join(b"%x%b\r\n%b\r\n" % (len(piece), extension, piece) for piece in pieces)


_SHAPES: dict[str, Callable[[int], str]] = {
    "lists in lists": lambda scale: "[" * 10_000 * scale + "]" * 10_000 * scale,
    "objects in objects": lambda scale: '{"a":' * 5_000 * scale + "1" + "}" * 5_000 * scale,
    "lists in lists, just within the levels, many times": lambda scale: (
        f"[{','.join(['[' * 100 + ']' * 100] * 100 * scale)}]"
    ),
    "many empty lists": lambda scale: f"[{'[],' * 10_000 * scale}1]",
    "many empty objects": lambda scale: f"[{'{},' * 10_000 * scale}1]",
    "many names in one object": lambda scale: "{" + ",".join(f'"n{n}":1' for n in range(3_000 * scale)) + "}",
    "many objects of one name": lambda scale: "[" + '{"a":1},' * 5_000 * scale + "1]",
    "one name many times": lambda scale: "{" + '"a":1,' * 6_000 * scale + '"b":1}',
    "many small integers": lambda scale: f"[{'1,' * 20_000 * scale}1]",
    "many integers of 40 digits": lambda scale: f"[{('1' * 40 + ',') * 1_000 * scale}1]",
    "one integer of very many digits": lambda scale: "1" * 40_000 * scale,
    "many numbers with exponents": lambda scale: f"[{'1e-300,' * 5_000 * scale}1]",
    "one fraction of very many digits": lambda scale: f"0.{'1' * 40_000 * scale}",
    "many numbers beyond all floats": lambda scale: f"[{'1e999,' * 5_000 * scale}1]",
    "a text of escaped quotes": lambda scale: '"' + '\\"' * 20_000 * scale + '"',
    "a text of escapes of Unicode": lambda scale: '"' + "\\u00e9" * 6_000 * scale + '"',
    "a text of halves of surrogate pairs": lambda scale: '"' + "\\ud800" * 6_000 * scale + '"',
    "a text of brackets": lambda scale: '"' + "[{" * 20_000 * scale + '"',
    "a text of large characters": lambda scale: '"' + "🍕" * 10_000 * scale + '"',
    "texts that are short and many": lambda scale: "[" + '"",' * 10_000 * scale + "1]",
    "a text that does not end": lambda scale: '"' + "\\\\" * 20_000 * scale,
    "lists that do not end": lambda scale: "[" * 40_000 * scale,
    "objects that do not end": lambda scale: '{"":' * 10_000 * scale,
    "white space": lambda scale: " \n" * 20_000 * scale + "1",
    "true, false and null": lambda scale: f"[{'true,false,null,' * 2_500 * scale}1]",
}

BARE = [
    bare("bytes that are no UTF-8", lambda scale: b'"' + b"\xff" * 40_000 * scale + b'"'),
    bare("zeros", lambda scale: b"\0" * 40_000 * scale),
    bare("a mark of byte order, and lists", lambda scale: b"\xef\xbb\xbf" + b"[" * 40_000 * scale),
    bare("UTF-16", lambda scale: ("[" * 20_000 * scale).encode("utf-16")),
    bare("backslashes", lambda scale: b"\\" * 40_000 * scale),
    bare("quotes", lambda scale: b'"' * 40_000 * scale),
    bare("commas", lambda scale: b"[" + b"," * 40_000 * scale + b"]"),
    bare("closing brackets", lambda scale: b"]" * 40_000 * scale),
    bare("brackets that open and close differently", lambda scale: b"[}" * 20_000 * scale),
]

FRAMES = [
    framed(
        "chunks of one byte",
        lambda _stage, scale: ([CHUNKED], chunks(PING + b" " * 1_000 * scale, 1) + b"0\r\n\r\n"),
        OK,
        *BAD,
    ),
    framed(
        "chunks with long extensions",
        lambda _stage, scale: ([CHUNKED], chunks(PING, 1, b";a=" + b"b" * 200 * scale) + b"0\r\n\r\n"),
        OK,
        *BAD,
        "headers_too_large",
        "body_too_large",
    ),
    framed(
        "a chunk with one long extension",
        lambda _stage, scale: ([CHUNKED], chunks(PING, 100, b";a=" + b"b" * 40_000 * scale) + b"0\r\n\r\n"),
        OK,
        *BAD,
        "headers_too_large",
        "body_too_large",
    ),
    framed(
        "many trailers",
        lambda _stage, scale: ([CHUNKED], chunks(PING, 100) + b"0\r\n" + b"X-More: 1\r\n" * 500 * scale + b"\r\n"),
        OK,
        *BAD,
        "headers_too_large",
        "body_too_large",
    ),
    framed(
        "a chunk size of many zeros",
        lambda _stage, scale: ([CHUNKED], b"0" * 1_000 * scale + chunks(PING, 100) + b"0\r\n\r\n"),
        OK,
        *BAD,
        "headers_too_large",
        "body_too_large",
    ),
    framed(
        "chunks that never end",
        lambda _stage, scale: ([CHUNKED], chunks(b" " * 40_000 * scale, 1_000)),
        CLOSED,
        "body_too_large",
        "request_timeout",
        patience=A_LITTLE_MORE,
    ),
    framed(
        "more chunks than any body may have",
        lambda _stage, scale: ([CHUNKED], chunks(b" " * 100_000 * scale, 10_000) + b"0\r\n\r\n"),
        "invalid_json",
        "body_too_large",
    ),
    framed(
        "a length below what follows",
        lambda _stage, scale: ([f"Content-Length: {len(PING)}"], PING + b"x" * 10_000 * scale),
        OK,
        *BAD,
    ),
    framed(
        "a length and chunks",
        lambda _stage, scale: (
            [CHUNKED, "Content-Length: 5"],
            chunks(PING + b" " * 10_000 * scale, 1_000) + b"0\r\n\r\n",
        ),
        OK,
        *BAD,
    ),
    framed(
        "a length of very many digits",
        lambda _stage, scale: ([f"Content-Length: {'1' * 100 * scale}"], PING),
        "body_too_large",
        *BAD,
        "headers_too_large",
    ),
    framed(
        "a length that is announced as over the limit",
        lambda _stage, scale: ([f"Content-Length: {5_000_000 * scale}"], b" " * 10_000 * scale),
        "body_too_large",
    ),
    framed("a bomb of gzip", lambda _stage, scale: _gzipped(b" " * 1_000_000 * scale), "unsupported_media_type"),
    framed(
        "codings one on another",
        lambda _stage, scale: (
            ["Content-Encoding: " + ", ".join(["gzip"] * 100 * scale), f"Content-Length: {len(PING)}"],
            PING,
        ),
        "unsupported_media_type",
        "headers_too_large",
    ),
]


def _gzipped(body: bytes) -> tuple[list[str], bytes]:
    sent = gzip.compress(body)
    return ["Content-Encoding: gzip", f"Content-Length: {len(sent)}"], sent


ROWS = [
    *(in_a_call(name, shape) for name, shape in _SHAPES.items()),
    *(at_rest(name, shape) for name, shape in list(_SHAPES.items())[::3]),
    *BARE,
    *FRAMES,
]
