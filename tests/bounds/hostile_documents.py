"""Documents made to harm, and servers of documents that misbehave, each row at three scales up to the limits."""

import gzip
import json
import zlib
from collections.abc import Callable
from functools import partial
from typing import Any

from tests.bounds.hostile import FOR_EVER, MIB, Answer, Answers, Piece, chunk, endless, head, in_turn, many, ok

JSON = "Content-Type: application/json"
YAML = "Content-Type: application/yaml"
Json = dict[str, Any]


def _document(paths: Json | None = None, **more: Any) -> Json:
    given = {"/a": _item()} if paths is None else paths
    return {"openapi": "3.1.0", "info": {"title": "T", "version": "1"}, "paths": given, **more}


def _item(**operation: Any) -> Json:
    return {"get": {"responses": {"200": {"description": "ok"}}, **operation}}


def _query(schema: Json | bool, name: str = "q", **more: Any) -> Json:
    return {"name": name, "in": "query", "schema": schema, **more}


def _with_schema(schema: Json, **schemas: Any) -> Json:
    """A document whose operation has this schema for its body, for a parameter and for its answer."""
    content = {"content": {"application/json": {"schema": schema}}}
    operation = _item(
        parameters=[_query(schema)], requestBody=content, responses={"200": {"description": "", **content}}
    )
    return _document({"/a": {"post": operation["get"]}}, components={"schemas": schemas})


def _ref(name: object) -> Json:
    return {"$ref": f"#/components/schemas/s{name}"}


def _served(document: Json | bytes, *headers: str) -> list[Piece]:
    body = document if isinstance(document, bytes) else json.dumps(document, separators=(",", ":")).encode()
    return [ok(body, *(headers or (JSON,)))]


def _of(make: Callable[[int], Json | bytes], *headers: str) -> Answer:
    return lambda scale: _served(make(scale), *headers)


def _yaml(make: Callable[[int], bytes]) -> Answer:
    return lambda scale: [ok(b"openapi: 3.1.0\ninfo: {title: T, version: '1'}\n" + make(scale), YAML)]


def _info(value: bytes) -> bytes:
    return b'{"openapi":"3.1.0","paths":{"/a":{"get":{"responses":{}}}},"info":' + value + b"}"


def _aliases(scale: int) -> bytes:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 2 + scale.bit_length() // 2)]
    return "\n".join([*lines, "paths: {/a: {get: {responses: {}}}}"]).encode()


def _tower(keyword: str, scale: int) -> Json:
    levels = min(scale, 60)
    schemas = {f"s{n}": {keyword: [_ref(n + 1), _ref(n + 1)]} for n in range(levels)}
    return _with_schema(_ref(0), **schemas, **{f"s{levels}": {"type": "object"}})


VALUES: Answers = {
    "deep JSON": _of(lambda n: _info(b'{"title":"T","version":"1","x":' + b"[" * 2_000 * n + b"]" * 2_000 * n + b"}")),
    "wide JSON": _of(lambda n: _info(b'{"title":"T","version":"1","x":[' + b"0," * 9_900 * n + b"0]}")),
    "many lists": _of(lambda n: _info(b'{"title":"T","version":"1","x":[' + b"[]," * 9_900 * n + b"[]]}")),
    "many keys": _of(lambda n: _info(b"{" + b",".join(b'"%d":0' % i for i in range(9_000 * n)) + b"}")),
    "the same key": _of(lambda n: _info(b"{" + b'"a":0,' * 9_000 * n + b'"title":"T"}')),
    "long numbers": _of(lambda n: _info(b'{"title":"T","x":[' + b",".join([b"9" * 300] * (300 * n)) + b"]}")),
    "one long text": _of(lambda n: _info(b'{"title":"T","x":"' + b"x" * 190_000 * n + b'"}')),
    "quotes that do not end": _of(lambda n: _info(b'{"title":"' + b'\\"' * 90_000 * n)),
}

YAMLS: Answers = {
    "aliases": _yaml(_aliases),
    "many anchors": _yaml(lambda n: b"paths: {}\n" + b"".join(b"a%d: &a%d x\n" % (i, i) for i in range(900 * n))),
    "merge keys": _yaml(
        lambda n: (
            b"paths: {}\nm0: &m0 {k: x}\n"
            + b"".join(b"m%d: &m%d {<<: [*m%d, *m%d], k%d: x}\n" % (i, i, i - 1, i - 1, i) for i in range(1, 10 * n))
        )
    ),
    "deep flow": _yaml(lambda n: b"paths: " + b"[" * 1_000 * n + b"]" * 1_000 * n),
    "wide list": _yaml(lambda n: b"paths: {}\nx: [" + b"a," * 2_000 * n + b"a]"),
    "a folded scalar": _yaml(lambda n: b"paths: {}\nx: >\n" + b" x\n" * 30_000 * n),
    "a long integer": _yaml(lambda n: b"paths: {}\nx: " + b"9" * 4_000 * n),
    "hexadecimals": _yaml(lambda n: b"paths: {}\nx: 0x" + b"f" * 10_000 * n),
    "a plain key of many words": _yaml(lambda n: b"paths: {}\n" + b"a " * 1_000 * n + b": b"),
}

OPERATIONS: Answers = {
    "many operations": _of(lambda n: _document({f"/p{i}": _item(operationId=f"o{i}") for i in range(99 * n)})),
    "operations of long names": _of(
        lambda n: _document({f"/p{i}": _item(operationId="o" * 20_000 + str(i)) for i in range(5 * n)})
    ),
    "operations that are skipped": _of(lambda n: _document({f"/p{i}": {"get": []} for i in range(99 * n)})),
    "paths of many slots": _of(lambda n: _document({"/" + "/".join(f"{{a{i}}}" for i in range(10 * n)): _item()})),
    "a long path": _of(lambda n: _document({"/" + "a" * 50_000 * n: _item()})),
    "paths of open braces": _of(lambda n: _document({"/" + "{" * 20_000 * n: _item()})),
    "many parameters": _of(
        lambda n: _document({"/a": _item(parameters=[_query({"type": "string"}, f"q{i}") for i in range(100 * n)])})
    ),
    "parameters of long names": _of(
        lambda n: _document({"/a": _item(parameters=[_query({}, "q" * 10_000 + str(i)) for i in range(5 * n)])})
    ),
    "a description of megabytes": _of(
        lambda n: _document({"/a": _item(description="d " * 50_000 * n, summary="s" * 40_000 * n)})
    ),
    "a description of tags": _of(lambda n: _document({"/a": _item(description="<p>&#9;**" * 10_000 * n)})),
    "a title of megabytes": _of(lambda n: _document() | {"info": {"title": "t" * 90_000 * n, "version": "1"}}),
    "many servers": _of(lambda n: _document(servers=[{"url": f"https://s{i}.example/"} for i in range(500 * n)])),
    "servers of each operation": _of(
        lambda n: _document(
            {f"/p{i}": _item(servers=[{"url": f"https://s{j}.example/"} for j in range(100)]) for i in range(20 * n)}
        )
    ),
    "servers of a path, for each method": _of(
        lambda n: _document(
            {
                f"/p{i}": {
                    **{method: {"responses": {}} for method in ("get", "post", "put", "patch", "delete")},
                    "servers": [{"url": f"https://s{j}.example/"} for j in range(1_000)],
                }
                for i in range(2 * n)
            }
        )
    ),
    "a server of many variables": _of(
        lambda n: _document(
            servers=[
                {
                    "url": "https://a.example/" + "".join(f"{{v{i}}}" for i in range(100 * n)),
                    "variables": {f"v{i}": {"default": "x" * 100} for i in range(100 * n)},
                }
            ]
        )
    ),
    "a server variable that fills itself": _of(
        lambda n: _document(
            servers=[{"url": "https://a.example/" + "{v}" * 1_000 * n, "variables": {"v": {"default": "x" * 1_000}}}]
        )
    ),
    "one long name that every operation refers to": _of(
        lambda n: _document(
            {f"/p{i}": _item(parameters=[{"$ref": "#/components/parameters/p"}]) for i in range(20 * n)},
            components={"parameters": {"p": _query({}, "q" * 50_000)}},
        )
    ),
    "long servers of a path that every path refers to": _of(
        lambda n: _document(
            {"/a": {"$ref": "#/x"}} | {f"/p{i}": {"$ref": "#/x"} for i in range(20 * n)},
            x={**_item(), "servers": [{"url": f"https://a.example/{'x' * 1_900}{i}"} for i in range(50)]},
        )
    ),
    "many media types": _of(
        lambda n: _document(
            {"/a": {"post": {"requestBody": {"content": {f"a/b{i}": {"schema": {}} for i in range(500 * n)}}}}}
        )
    ),
    "many security schemes": _of(
        lambda n: _document(
            {"/a": _item(security=[{f"s{i}": []} for i in range(300 * n)])},
            components={"securitySchemes": {f"s{i}": {"type": "http", "scheme": "bearer"} for i in range(300 * n)}},
        )
    ),
    "keys that are no methods, in a long path": _of(
        lambda n: _document({"/" + "a" * 7_000: {f"k{i}": {} for i in range(25 * n)}})
    ),
    "links and callbacks": _of(
        lambda n: _document({"/a": _item(callbacks={f"c{i}": {"{$url}": _item()} for i in range(300 * n)})})
    ),
}

SCHEMAS: Answers = {
    "a chain of references": _of(
        lambda n: _with_schema(_ref(0), **{f"s{i}": _ref(i + 1) for i in range(100 * n)}, **{f"s{100 * n}": {}})
    ),
    "references that fan out": _of(
        lambda n: _with_schema(_ref(0), **{f"s{i}": {"allOf": [_ref(i + 1)] * 10} for i in range(2 * n)})
    ),
    "every schema refers to every other": _of(
        lambda n: _with_schema(
            _ref(0),
            **{
                f"s{i}": {"type": "object", "properties": {f"p{j}": _ref(j) for j in range(3 * n)}}
                for i in range(3 * n)
            },
        )
    ),
    "references by operations to one large schema": _of(
        lambda n: _document(
            {f"/p{i}": _item(parameters=[_query(_ref(0))]) for i in range(10 * n)},
            components={"schemas": {"s0": {"enum": [f"value {i}" for i in range(2_000)]}}},
        )
    ),
    "a tower of allOf": _of(partial(_tower, "allOf")),
    "a tower of oneOf": _of(partial(_tower, "oneOf")),
    "deep properties": _of(
        lambda n: _with_schema(
            json.loads('{"type":"object","properties":{"a":' * 2 * min(n, 45) + "{}" + "}}" * 2 * min(n, 45))
        )
    ),
    "many properties": _of(
        lambda n: _with_schema({"type": "object", "properties": {f"p{i}": {"type": "string"} for i in range(300 * n)}})
    ),
    "many alternatives": _of(
        lambda n: _with_schema({"oneOf": [{"type": "object", "properties": {f"p{i}": {}}} for i in range(300 * n)]})
    ),
    "a long enumeration": _of(lambda n: _with_schema({"enum": [f"value {i}" for i in range(2_000 * n)]})),
    "patterns": _of(
        lambda n: _with_schema(
            {"type": "object", "properties": {f"p{i}": {"pattern": "(a+)+$" * 10} for i in range(50 * n)}}
        )
    ),
    "a pattern of repetitions": _of(
        lambda n: _with_schema({"type": "string", "pattern": f"(((a{{1,{n}}}){{1,{n}}}){{1,{n}}})$"})
    ),
    "a long discriminator": _of(
        lambda n: _with_schema(
            {
                "oneOf": [_ref(0), _ref(1)],
                "discriminator": {
                    "propertyName": "k",
                    "mapping": {f"m{i}": _ref(i % 2)["$ref"] for i in range(500 * n)},
                },
            },
            s0={"type": "object"},
            s1={"type": "object"},
        )
    ),
    "required names": _of(lambda n: _with_schema({"type": "object", "required": [f"r{i}" for i in range(2_000 * n)]})),
    "examples and defaults": _of(
        lambda n: _with_schema({"type": "string", "default": "d" * 50_000 * n, "examples": ["e" * 50_000 * n]})
    ),
    "bases that extend each other": _of(
        lambda n: _with_schema(
            _ref(0),
            **{
                f"s{i}": {
                    "allOf": [_ref(i - 1)] * min(i, 1),
                    "properties": {"k": {"type": "string"}},
                    "discriminator": {"propertyName": "k"},
                }
                for i in range(5 * n)
            },
        )
    ),
    "a form of alternatives that all refer to each other": _of(
        lambda n: _document(
            {"/a": {"post": {"requestBody": {"content": {"multipart/form-data": {"schema": _ref(0)}}}}}},
            components={"schemas": {f"s{i}": {"anyOf": [_ref(j) for j in range(2 * n)]} for i in range(2 * n)}},
        )
    ),
    "examples of one schema": _of(
        lambda n: _with_schema(
            {"type": "object", "properties": {"a": {"type": "integer", "examples": ["x"] * 300 * n}}}
        )
    ),
    "enumerations without a common value": _of(
        lambda n: _with_schema({"allOf": [{"enum": [f"{x}{i}" for i in range(100 * n)]} for x in "ab"]})
    ),
    "members that no other branch knows": _of(
        lambda n: _with_schema(
            {
                "type": "object",
                "properties": {
                    f"a{i}": {"$ref": _ref(0)["$ref"], "unevaluatedProperties": False} for i in range(5 * n)
                },
            },
            s0={"anyOf": [{"properties": {f"p{i}": {"type": "string"}}} for i in range(5 * n)]},
        )
    ),
    "patterns of large classes": _of(
        lambda n: _document(
            {
                f"/p{i}": _item(parameters=[_query({"type": "string", "pattern": "[a-\uffff]" * 390 + str(i)})])
                for i in range(n)
            }
        )
    ),
    "pointers of many steps": _of(lambda n: _with_schema({"$ref": "#" + "/a" * 20_000 * n})),
}


def _files(scale: int) -> Json:
    return _document({f"/p{i}": {"$ref": f"../../a%20file/{i}"} for i in range(10 * scale)})


SERVERS: Answers = {
    "many files": _of(_files),
    "files that hang": _of(lambda n: _document({f"/p{i}": {"$ref": f"../../hangs/{i}"} for i in range(10 * n)})),
    "files that do not end": _of(lambda n: _document({f"/p{i}": {"$ref": f"../../no%20end/{i}"} for i in range(n)})),
    "files of files": _of(lambda n: _document({f"/p{i}": {"$ref": f"../../a%20chain/{i}"} for i in range(2 * n)})),
    "references to elsewhere": _of(
        lambda n: _document({f"/p{i}": {"$ref": f"https://h{i}.example/x.json"} for i in range(99 * n)})
    ),
    "hangs": lambda _: [FOR_EVER],
    "drips": lambda n: in_turn(head("Content-Length: 100000", JSON), [b" ", 0.01] * n, FOR_EVER),
    "no end": lambda n: in_turn(head(JSON), endless(b" " * n)),
    "redirects": lambda n: [head(f"Location: /{'x' * 150 * n}", "Content-Length: 0", status="302 Found")],
    "a bomb": lambda n: [ok(_zeros(n), JSON, "Content-Encoding: gzip")],
    "members": lambda n: [ok(gzip.compress(b"{}") * 50 * n, JSON, "Content-Encoding: gzip")],
    "103s": lambda n: in_turn(many(b"HTTP/1.1 103 Early\r\n\r\n", 10_000 * n), ok(b"{}", JSON)),
    "chunks of one byte": lambda n: in_turn(
        head("Transfer-Encoding: chunked", JSON), many(chunk(b" "), 10_000 * n), chunk(b"{}"), b"0\r\n\r\n"
    ),
}

# What documents refer to.
FILES: Answers = {
    "a file": lambda _: _served(_item()),
    "no such": lambda _: [ok(b"", status="404 No")],
    "a chain": lambda n: _served({"$ref": f"./{n + 1}"} if n < 200 else _item()),
}


def _zeros(mebibytes: int) -> bytes:
    packer = zlib.compressobj(wbits=zlib.MAX_WBITS | 16)
    return b"".join(packer.compress(bytes(MIB)) for _ in range(mebibytes)) + packer.flush()


BY_SURFACE: dict[str, Answers] = {
    "values": VALUES,
    "YAML": YAMLS,
    "operations": OPERATIONS,
    "schemas": SCHEMAS,
    "files and servers": SERVERS,
}
ANSWERS: Answers = {name: answer for table in BY_SURFACE.values() for name, answer in table.items()}
