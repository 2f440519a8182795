"""What an upstream may answer, each row at three scales; the largest reaches the limits."""

import gzip
import zlib
from typing import Any

from tests.bounds.hostile import FOR_EVER, MIB, Answers, Piece, chunk, endless, head, in_turn, many, ok

JSON = "Content-Type: application/json"
TEXT = "Content-Type: text/plain"
HTML = "Content-Type: text/html"
EVENTS = "Content-Type: text/event-stream"
CHUNKED = "Transfer-Encoding: chunked"
ERROR = "500 No"
LAST = b"0\r\n\r\n"


def _json(body: bytes, *headers: str, status: str = "200 OK") -> list[Piece]:
    return [ok(body, JSON, *headers, status=status)]


def _problem(body: bytes) -> list[Piece]:
    return [ok(body, "Content-Type: application/problem+json", status=ERROR)]


def _page(body: bytes) -> list[Piece]:
    return [ok(body, HTML, status=ERROR)]


def _headers(lines: list[str], status: str = "200 OK") -> list[Piece]:
    return _json(b"{}", *lines, status=status)


def _gzipped(content: bytes, *headers: str) -> list[Piece]:
    return [ok(gzip.compress(content), "Content-Encoding: gzip", *headers)]


def _zeros(mebibytes: int) -> bytes:
    packer = zlib.compressobj(wbits=zlib.MAX_WBITS | 16)
    return b"".join(packer.compress(bytes(MIB)) for _ in range(mebibytes)) + packer.flush()


STATUS_LINES: Answers = {
    "a long reason": lambda n: _json(b"{}", status=f"200 {'x' * 1_000 * n}"),
    "no reason": lambda n: _json(b"[" + b"0," * n + b"0]", status="200"),
    "a version of the future": lambda n: [ok(b"x" * n, JSON).replace(b"HTTP/1.1", b"HTTP/" + b"9" * n + b".9")],
    "the preface of HTTP 2": lambda n: in_turn(many(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", n)),
    "HTTP 0.9": lambda n: in_turn(many(b"<p>a line without a head</p>\n", 1_000 * n)),
    "a status of many digits": lambda n: _json(b"{}", status="2" * 1_000 * n),
    "empty lines before it": lambda n: in_turn(many(b"\r\n", 10_000 * n), ok(b"{}", JSON)),
    "no end of it": lambda n: in_turn(b"HTTP/1.1 200 ", many(b"x" * 1_000, 1_000 * n), FOR_EVER),
    "spaces in it": lambda n: _json(b"{}", status=f"{' ' * 1_000 * n}200 OK"),
}

INTERIM: Answers = {
    "103s": lambda n: in_turn(many(b"HTTP/1.1 103 Early\r\n\r\n", 1_000 * n), ok(b"{}", JSON)),
    "100s": lambda n: in_turn(many(b"HTTP/1.1 100 Go on\r\n\r\n", 1_000 * n), ok(b"{}", JSON)),
    "103s with large headers": lambda n: in_turn(
        many(head(*[f"Link: <{'x' * 10_000}>"] * 4, status="103 Early"), n), ok(b"{}", JSON)
    ),
    "103s without end": lambda n: in_turn(endless(b"HTTP/1.1 103 Early\r\n\r\n" * n)),
    "102s that drip": lambda n: in_turn([b"HTTP/1.1 102 Wait\r\n\r\n", 0.01] * n, ok(b"{}", JSON)),
    "101": lambda n: in_turn(
        head("Upgrade: h2c", "Connection: Upgrade", status="101 On"), many(b"\0" * 100, 1_000 * n)
    ),
    "a 103 of a million lines": lambda n: in_turn(
        b"HTTP/1.1 103 Early\r\n", many(b"a: b\r\n", 10_000 * n), b"\r\n", ok(b"{}", JSON)
    ),
}

HEADERS: Answers = {
    "many": lambda n: _headers([f"X-{i}: y" for i in range(10 * n)]),
    "long": lambda n: _headers([f"X-Long: {'y' * 1_000 * n}"]),
    "long name": lambda n: _headers([f"{'X' * 1_000 * n}: y"]),
    "folded": lambda n: _headers([f"X-Folded: y{chr(13) + chr(10) + ' y' * 10}" * n]),
    "Set-Cookie": lambda n: _headers([f"Set-Cookie: c{i}={'v' * 4_000}" for i in range(2 * n)]),
    "Link": lambda n: _headers([f"Link: <https://a.example/{'x' * 15_000}>; rel=next"] * (2 * n)),
    "Link that a pattern walks": lambda n: _headers([f"Link: {'<' * 150 * n}", f"ETag: {'<>;;' * 40 * n}"]),
    "Location": lambda n: _headers([f"Location: {'/é%zz' * 30 * n}"] * 8, status="302 Found"),
    "WWW-Authenticate": lambda n: _headers(
        [f"WWW-Authenticate: Bearer {'error=' * 25 * n}", f'WWW-Authenticate: scope="{chr(92) * 150 * n}'] * 20,
        status="403 No",
    ),
    "Content-Type with parameters": lambda n: [ok(b"{}", f"Content-Type: application/json{';a=b' * 40 * n}")],
    "repeated Content-Type": lambda n: [ok(b"{}", *[f"Content-Type: text/plain;a={'b' * 15_000}"] * n)],
    "a name of a charset": lambda n: [ok(b"{}", f"Content-Type: text/plain;charset={'cp_' * 50 * n}")],
    "control characters": lambda n: _headers([f"ETag: {chr(0x9B) * 100 * n}{chr(27) * 50 * n}"]),
    "rate limits": lambda n: _headers([f"RateLimit-{i}: {'9' * 15_000}" for i in range(2 * n)]),
    "lower and upper case": lambda n: _headers([f"eTaG: {'x' * 10_000}", f"ETag: {'y' * 10_000}"] * n),
    "no colon": lambda n: _headers(["nonsense"] * n),
    "dripping": lambda n: in_turn(b"HTTP/1.1 200 OK\r\n", [b"a", 0.01] * n, FOR_EVER),
    "without end": lambda n: in_turn(b"HTTP/1.1 200 OK\r\n", many(b"a: b\r\n", 100_000 * n), FOR_EVER),
    "one in each packet": lambda n: in_turn(b"HTTP/1.1 200 OK\r\n", [b"a: b\r\n", 0.0] * (2 * n), ok(b"{}")[17:]),
}

TRAILERS: Answers = {
    "many trailers": lambda n: in_turn(
        head(CHUNKED, JSON), chunk(b"{}"), b"0\r\n", many(b"a: b\r\n", 10_000 * n), b"\r\n"
    ),
    "long trailer": lambda n: in_turn(head(CHUNKED, JSON), chunk(b"{}"), b"0\r\na: ", many(b"b" * 1_000, 100 * n)),
    "trailers without end": lambda n: in_turn(head(CHUNKED, JSON), chunk(b"{}"), b"0\r\n", endless(b"a: b\r\n" * n)),
    "trailers that say length": lambda n: in_turn(
        head(CHUNKED, JSON), chunk(b"{}"), b"0\r\n", many(b"Content-Length: 5\r\n", n), b"\r\n"
    ),
}

FRAMING: Answers = {
    "one byte a chunk": lambda n: in_turn(head(CHUNKED, TEXT), many(chunk(b"x"), 10_000 * n), LAST),
    "chunk extensions": lambda n: in_turn(head(CHUNKED, TEXT), many(b"1;" + b"e" * 8_000 + b"\r\nx\r\n", 50 * n), LAST),
    "a chunk extension without end": lambda n: in_turn(head(CHUNKED, TEXT), b"1;", many(b"e" * 8_000, 500 * n)),
    "a chunk of any size": lambda n: in_turn(head(CHUNKED, TEXT), b"f" * n + b"\r\n", many(b"x" * 1_000, 20 * n)),
    "a negative chunk": lambda n: in_turn(head(CHUNKED, TEXT), b"-" + b"1" * n + b"\r\n", many(b"x" * 1_000, 20 * n)),
    "a chunk of many zeros": lambda n: in_turn(head(CHUNKED, TEXT), b"0" * 1_000 * n + b"1\r\nx\r\n", LAST),
    "a length that is too large": lambda n: in_turn(head(f"Content-Length: {10_000 * n + 9}", TEXT), b"x" * 10_000 * n),
    "a length that is too small": lambda n: in_turn(head("Content-Length: 2", JSON), b"{}", many(b"x" * 1_000, 20 * n)),
    "a length of many digits": lambda n: in_turn(head(f"Content-Length: {'9' * 100 * n}", TEXT), b"x"),
    "a negative length": lambda n: in_turn(head(f"Content-Length: -{n}", TEXT), b"x" * n),
    "many lengths": lambda n: in_turn(head(*["Content-Length: 2", "Content-Length: 3"] * n, JSON), b"{}"),
    "length and chunks": lambda n: in_turn(head("Content-Length: 2", CHUNKED, JSON), many(chunk(b"x" * 99), n), LAST),
    "many codings": lambda n: in_turn(head(f"Transfer-Encoding: {'gzip, ' * 20 * n}chunked", JSON), chunk(b"{}"), LAST),
    "a body without end": lambda _: in_turn(head(TEXT), endless(b"x" * 1_000)),
    "a 204 with a body": lambda n: in_turn(head(f"Content-Length: {1_000 * n}", status="204 No"), b"x" * 1_000 * n),
    "a 304 with a body": lambda n: in_turn(head(f"Content-Length: {1_000 * n}", status="304 No"), b"x" * 1_000 * n),
    "a 205 with a body": lambda n: in_turn(head(CHUNKED, status="205 No"), many(chunk(b"x" * 1_000), n), LAST),
    "two answers": lambda n: in_turn(many(ok(b"{}", JSON), 1_000 * n)),
    "a reset in the middle": lambda n: [head(f"Content-Length: {10**9}", TEXT), b"x" * 5_000 * n, "reset"],
    "an end in the middle": lambda n: [head(f"Content-Length: {10**9}", TEXT), b"x" * 5_000 * n, "close"],
    "nothing": lambda _: [FOR_EVER],
    "bytes that drip": lambda n: in_turn(head("Content-Length: 2000", TEXT), [b"x", 0.005] * n, FOR_EVER),
}

STREAMS: Answers = {
    "events without line ends": lambda n: in_turn(head(EVENTS), b"data: ", many(b"x" * 1_000, 20 * n)),
    "events of one byte": lambda n: in_turn(head(EVENTS), many(b"data:1\n\n", 2_000 * n)),
    "an event of empty data lines": lambda n: in_turn(head(EVENTS), many(b"data\n", 4_000 * n), b"\n"),
    "events with ids": lambda n: in_turn(head(EVENTS), many(b"id: " + b"7" * 500 + b"\ndata:1\n\n", 50 * n)),
    "ids alone": lambda n: in_turn(head(EVENTS), many(b"id:7\n", 4_000 * n)),
    "carriage returns": lambda n: in_turn(head(EVENTS), many(b"\r", 20_000 * n)),
    "events without end": lambda n: in_turn(head(EVENTS), many(b"data: {}\n\n", 100 * n), FOR_EVER),
    "deep events": lambda n: in_turn(head(EVENTS), many(b"data: " + b"[" * 200 + b"]" * 200 + b"\n\n", 40 * n)),
    "JSON lines": lambda n: in_turn(head("Content-Type: application/x-ndjson"), many(b"1\n", 5_000 * n)),
    "JSON lines that are empty": lambda n: in_turn(head("Content-Type: application/jsonl"), many(b"\n", 10_000 * n)),
    "a JSON line without end": lambda n: in_turn(head("Content-Type: application/jsonl"), many(b"[1,2,3],", 2_000 * n)),
    "JSON sequences": lambda n: in_turn(head("Content-Type: application/json-seq"), many(b"\x1e1\n", 3_000 * n)),
    "record separators": lambda n: in_turn(head("Content-Type: application/json-seq"), many(b"\x1e", 10_000 * n)),
}

JSON_BODIES: Answers = {
    "deep lists": lambda n: _json(b"[" * 1_000 * n + b"]" * 1_000 * n),
    "deep objects": lambda n: _json(b'{"a":' * 10 * n + b"1" + b"}" * 10 * n),
    "lists as deep as can be read": lambda n: _json(b"[" + b",".join([b"[" * 900 + b"]" * 900] * (5 * n)) + b"]"),
    "wide": lambda n: _json(b"[" + b"0," * 5_000 * n + b"0]"),
    "lists in a list": lambda n: _json(b"[" + b"[]," * 3_000 * n + b"[]]"),
    "many keys": lambda n: _json(b"{" + b",".join(b'"%d":0' % i for i in range(1_000 * n)) + b"}"),
    "the same key": lambda n: _json(b"{" + b'"a":0,' * 1_500 * n + b'"a":0}'),
    "keys that collide in length": lambda n: _json(b"{" + b",".join(b'"%0100d":0' % i for i in range(90 * n)) + b"}"),
    "escapes": lambda n: _json(b'"' + b"\\u0061" * 1_700 * n + b'"'),
    "escaped half pairs": lambda n: _json(b'"' + b"\\ud800" * 1_700 * n + b'"'),
    "integers beyond 64 bits": lambda n: _json(b"[" + b",".join([b"9" * 300] * (34 * n)) + b"]"),
    "an integer of many digits": lambda n: _json(b"9" * 10_000 * n),
    "a fraction of many digits": lambda n: _json(b"0." + b"9" * 10_000 * n),
    "exponents": lambda n: _json(b"[" + b"1e-999999999," * 800 * n + b"1]"),
    "no UTF-8": lambda n: _json(b'"' + b"\xff" * 10_000 * n + b'"'),
    "no JSON": lambda n: _json(b"[NaN," * 2_000 * n),
    "UTF-16 that says it is UTF-8": lambda n: _json(("\ufeff[" + "0," * 2_000 * n + "0]").encode("utf-16-le")),
    "100,000 links": lambda n: _json(
        b'{"next":"/p2","links":[' + b'{"href":"/"},' * 700 * n + b"{}]}", "Link: </2>; rel=next"
    ),
}

OTHER_BODIES: Answers = {
    "text of one line": lambda n: [ok(b"x" * 10_000 * n, TEXT)],
    "text of empty lines": lambda n: [ok(b"\n" * 10_000 * n, TEXT)],
    "control characters in text": lambda n: [ok(b"\x1b[31m\x00" * 1_500 * n, TEXT)],
    "UTF-16 without half": lambda n: [ok(b"\x00\xd8" * 5_000 * n, "Content-Type: text/plain; charset=utf-16")],
    "GB 18030": lambda n: [ok(b"\x81\x30\x81\x30" * 2_500 * n, "Content-Type: text/plain; charset=gb18030")],
    "ISO-2022": lambda n: [ok(b"\x1b$B" * 3_000 * n, "Content-Type: text/plain; charset=iso2022_jp_3")],
    "UTF-7": lambda n: [ok(b"+AAA-" * 2_000 * n, "Content-Type: text/plain; charset=utf-7")],
    "XML of entities": lambda n: [
        ok(
            b"<?xml version='1.0'?><!DOCTYPE a [" + b'<!ENTITY a "&b;&b;">' * 50 * n + b"]><a>" + b"&a;" * 300 * n,
            "Content-Type: application/xml",
        )
    ],
    "deep XML": lambda n: [ok(b"<a>" * 3_300 * n, "Content-Type: text/xml")],
    "XML that declares a charset": lambda n: [
        ok(b"<?xml version='1.0' encoding='utf-16'?>" + b"a" * 10_000 * n, "Content-Type: application/xml")
    ],
    "an image": lambda n: [ok(b"\x89PNG\r\n\x1a\n" + b"\x00" * 10_000 * n, "Content-Type: image/png")],
    "bytes": lambda n: [ok(b"\x00" * 10_000 * n, "Content-Type: application/octet-stream")],
    "multipart": lambda n: [
        ok(b"--b\r\nContent-Type: text/plain\r\n\r\nx\r\n" * 250 * n, "Content-Type: multipart/mixed; boundary=b")
    ],
    "a form": lambda n: [ok(b"a=b&" * 2_500 * n, "Content-Type: application/x-www-form-urlencoded")],
    "a gzip bomb": lambda n: [ok(_zeros(5 * n), TEXT, "Content-Encoding: gzip")],
    "a gzip bomb of JSON": lambda n: _gzipped(b"[" + b"0," * 500_000 * n + b"0]", JSON),
    "empty gzip members": lambda n: [ok(gzip.compress(b"") * 50 * n, TEXT, "Content-Encoding: gzip")],
    "gzip that is empty for ever": lambda n: in_turn(
        head("Content-Encoding: gzip", TEXT), gzip.compress(b"")[:10], many(b"\x00\x00\x00\xff\xff" * 1_000, 10 * n)
    ),
    "gzip's own name": lambda n: in_turn(
        head("Content-Encoding: gzip", TEXT), b"\x1f\x8b\x08\x08\0\0\0\0\0\0", many(b"n" * 1_000, 40 * n)
    ),
    "deflate": lambda n: [ok(zlib.compress(bytes(100_000 * n)), TEXT, "Content-Encoding: deflate")],
    "codings in codings": lambda n: [ok(b"x", TEXT, f"Content-Encoding: {'gzip,' * 30 * n}gzip")],
    "brotli": lambda n: [ok(b"\x00" * 10_000 * n, TEXT, "Content-Encoding: br")],
}

ERRORS: Answers = {
    "a problem with large fields": lambda n: _problem(
        b'{"title":"' + b"t" * 5_000 * n + b'","detail":"' + b"d" * 5_000 * n + b'"}'
    ),
    "a problem of many fields": lambda n: _problem(b"{" + b",".join(b'"%d":"x"' % i for i in range(800 * n)) + b"}"),
    "many errors": lambda n: _problem(b'{"errors":[' + b'{"detail":"x","loc":[1]},' * 400 * n + b"{}]}"),
    "errors by place": lambda n: _problem(
        b'{"errors":{' + b",".join(b'"f%d":["is bad"]' % i for i in range(500 * n)) + b"}}"
    ),
    "errors in errors": lambda n: _problem(b'{"errors":[' * 10 * n + b'{"detail":"x"}' + b"]}" * 10 * n),
    "a place of many parts": lambda n: _problem(b'{"errors":[{"msg":"x","loc":[' + b'"a",' * 2_500 * n + b'"a"]}]}'),
    "a page of tags": lambda n: _page(b"<p>" * 3_300 * n),
    "a page of unclosed tags": lambda n: _page(b"<a " * 3_300 * n),
    "a page of entities": lambda n: _page(b"<p>&amp;&lt;&#x41;&nosuch;" * 400 * n),
    "a page of one entity": lambda n: _page(b"<p>&#" + b"1" * 1_000 * n + b";"),
    "a page of one hexadecimal entity": lambda n: _page(b"<p>&#x" + b"1" * 10_000 * n + b";"),
    "a page of ampersands": lambda n: _page(b"&" * 10_000 * n),
    "a page of nested tables": lambda n: _page(b"<table><tr><td>" * 700 * n),
    "a page of comments": lambda n: _page(b"<!--" * 2_500 * n),
    "a page of scripts": lambda n: _page(b"<script>" * 1_250 * n),
    "a page of closed scripts": lambda n: _page(b"<script></script" * 600 * n),
    "a page of white space": lambda n: _page(b"<p>" + b" \n\t" * 3_300 * n),
    "an error of one line": lambda n: [ok(b"x" * 10_000 * n, TEXT, status=ERROR)],
    "an error in bytes": lambda n: [ok(b"\x00" * 10_000 * n, "Content-Type: image/png", status=ERROR)],
    "a challenge": lambda n: [ok(b"{}", JSON, f'WWW-Authenticate: Bearer error="{"x" * 150 * n}"', status="401 No")],
}

# To HEAD; what comes after the head belongs to no answer.
TO_HEAD: Answers = {
    "a body": lambda n: [ok(b"x" * 10_000 * n, TEXT)],
    "a body of chunks": lambda n: in_turn(head(CHUNKED, TEXT), many(chunk(b"x" * 1_000), 10 * n), LAST),
    "another answer": lambda n: in_turn(many(ok(b"{}", JSON), 100 * n)),
    "a length of many digits": lambda n: [head(f"Content-Length: {'9' * n}", TEXT), "close"],
}

# Where an output schema says what there should be: a tree of alternatives.
TYPED: Answers = {
    "small values": lambda n: _json(b"[" + b"0," * 5_000 * n + b"0]"),
    "texts": lambda n: _json(b"[" + b'"abcabcabcab",' * 700 * n + b'""]'),
    "objects": lambda n: _json(b"[" + b'{"a":0,"b":1},' * 700 * n + b"{}]"),
    "many members": lambda n: _json(b"{" + b",".join(b'"p%d":[]' % i for i in range(700 * n)) + b"}"),
    "lists in lists": lambda n: _json(b"[" + b"[[[[0]]]]," * 1_000 * n + b"0]"),
    "deep": lambda n: _json(b"[" * 2 * n + b"]" * 2 * n),
    "a long text": lambda n: _json(b'"' + b"ab" * 5_000 * n + b'"'),
}

_VALUE: dict[str, Any] = {"$ref": "#/components/schemas/value"}
_SHAPE: dict[str, Any] = {
    "anyOf": [
        *({"type": "array", "items": _VALUE, "minItems": number} for number in range(10_000_000, 10_000_060)),
        *({"type": "array", "items": {"enum": [f"v{each}" for each in range(number)]}} for number in range(20)),
        {"type": "array", "uniqueItems": True, "contains": {"const": 1}},
        {"type": "object", "patternProperties": {f"^p{number}.*x$": _VALUE for number in range(30)}},
        {"type": "string", "pattern": "^(a|b|c)*d(a|b|c)*e$"},
    ]
}


def _operation(name: str, schema: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    content = {} if schema is None else {"content": {"application/json": {"schema": schema}}}
    slots = [{"name": each, "in": "path", "required": True, "schema": {"type": "string"}} for each in ("row", "scale")]
    return {"operationId": name, "parameters": slots, "responses": {"200": {"description": "ok", **content}}, **more}


_BODY: dict[str, Any] = {"content": {"application/json": {"schema": {"type": "string"}}}}


DOCUMENT: dict[str, Any] = {
    "openapi": "3.1.0",
    "info": {"title": "Answering", "version": "1"},
    "paths": {
        "/upstream/{row}/{scale}": {"get": _operation("get")},
        "/unread/{row}/{scale}": {"post": _operation("post", requestBody=_BODY)},
        "/head/{row}/{scale}": {"head": _operation("head")},
        "/typed/{row}/{scale}": {"get": _operation("typed", _VALUE)},
    },
    "components": {"schemas": {"value": _SHAPE}},
}

BY_SURFACE: dict[str, Answers] = {
    "status line": STATUS_LINES,
    "interim answers": INTERIM,
    "headers": HEADERS,
    "trailers": TRAILERS,
    "framing": FRAMING,
    "streams": STREAMS,
    "JSON": JSON_BODIES,
    "bodies": OTHER_BODIES,
    "errors": ERRORS,
}
ANSWERS: Answers = {name: answer for table in BY_SURFACE.values() for name, answer in table.items()}
