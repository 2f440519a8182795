"""What an identity provider, or who answers in its place, may answer, each row at three scales up to the limits."""

import base64
import gzip
import json
import zlib
from typing import Any

from tests.bounds.hostile import FOR_EVER, MIB, Answer, Answers, chunk, endless, head, in_turn, many, ok

JSON = "Content-Type: application/json"
GOOD_KEY = "good"
_N = base64.urlsafe_b64encode(b"\xc5" + bytes(range(1, 256)) + b"\x03").rstrip(b"=").decode()[:342]
_X, _Y = "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU", "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"  # RFC 7515
_TOKEN = {
    "token_type": "Bearer",
    "expires_in": 300,
    "issued_token_type": "urn:ietf:params:oauth:token-type:access_token",
}


def _rsa(kid: object, **more: Any) -> dict[str, Any]:
    return {"kty": "RSA", "use": "sig", "kid": str(kid), "n": _N, "e": "AQAB", **more}


def _segment(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def _written(content: object) -> bytes:
    return json.dumps(content, separators=(",", ":")).encode()


def _keys(*keys: dict[str, Any]) -> list[bytes]:
    """The keys, after one that is good."""
    return [ok(_written({"keys": [_rsa(GOOD_KEY, alg="RS256"), *keys]}), JSON)]


def _token(header: bytes = b'{"alg":"RS256","kid":"k"}', claims: bytes = b"{}", signature: str = "c2ln") -> list[bytes]:
    value = f"{_segment(header)}.{_segment(claims)}.{signature}"
    return [ok(_written({**_TOKEN, "access_token": value}), JSON)]


def _zeros(mebibytes: int) -> bytes:
    packer = zlib.compressobj(wbits=zlib.MAX_WBITS | 16)
    return b"".join(packer.compress(bytes(MIB)) for _ in range(mebibytes)) + packer.flush()


def _refused(body: bytes, status: str = "400 No") -> list[bytes]:
    return [ok(body, JSON, status=status)]


# Whatever is asked for.
ANY: dict[str, Answer] = {
    "nothing": lambda _: [FOR_EVER],
    "a drip": lambda n: in_turn(head("Content-Length: 2000", JSON), [b"{", 0.005] * n, FOR_EVER),
    "no end": lambda n: in_turn(head(JSON), endless(b" " * n)),
    "chunks without end": lambda n: in_turn(head("Transfer-Encoding: chunked", JSON), endless(chunk(b" " * n))),
    "headers without end": lambda n: in_turn(b"HTTP/1.1 200 OK\r\n", many(b"a: b\r\n", 100_000 * n), FOR_EVER),
    "103s": lambda n: in_turn(many(b"HTTP/1.1 103 Early\r\n\r\n", 5_000 * n), ok(b"{}", JSON)),
    "a gzip bomb": lambda n: [ok(_zeros(n), JSON, "Content-Encoding: gzip")],
    "gzip members": lambda n: [ok(gzip.compress(b"") * 50 * n, JSON, "Content-Encoding: gzip")],
    "deep JSON": lambda n: [ok(b'{"keys":' + b"[" * 1_300 * n + b"]" * 1_300 * n + b"}", JSON)],
    "wide JSON": lambda n: [ok(b'{"keys":[' + b"[]," * 850 * n + b"0]}", JSON)],
    "the same member": lambda n: [ok(b"{" + b'"keys":0,"issuer":0,' * 120 * n + b'"a":0}', JSON)],
    "a page": lambda n: [ok(b"<p>" * 850 * n, "Content-Type: text/html", status="403 No")],
    "a redirect": lambda n: [head(f"Location: /{'<' * 150 * n}", "Content-Length: 0", status="302 Found")],
    "a reset": lambda n: [head("Content-Length: 100000000", JSON), b" " * 1_000 * n, "reset"],
    "an error": lambda n: _refused(
        b'{"error":"' + b"e" * 1_200 * n + b'","error_description":"' + b"d" * 1_200 * n + b'"}'
    ),
    "a server's error": lambda n: _refused(b"x" * 2_500 * n, "500 No"),
}

KEYS: Answers = {
    **ANY,
    "many keys": lambda n: _keys(*(_rsa(i) for i in range(6 * n))),
    "the same key": lambda n: _keys(*(_rsa("k") for _ in range(6 * n))),
    "many small keys": lambda n: _keys(*(_rsa(i, n="AQ", e="Aw") for i in range(40 * n))),
    "many curves": lambda n: _keys(
        *({"kty": "EC", "crv": "P-256", "use": "sig", "kid": str(i), "x": _X, "y": _Y} for i in range(14 * n))
    ),
    "curves without points": lambda n: _keys(
        *({"kty": "EC", "crv": "P-521", "use": "sig", "kid": str(i), "x": _X, "y": _X} for i in range(14 * n))
    ),
    "many Edwards curves": lambda n: _keys(
        *({"kty": "OKP", "crv": "Ed25519", "use": "sig", "kid": str(i), "x": _X} for i in range(18 * n))
    ),
    "a long modulus": lambda n: _keys(_rsa("k", n="x" * 2_500 * n)),
    "long moduli": lambda n: _keys(*(_rsa(i, n="x" * 20_000) for i in range(n // 10 + 1))),
    "a long exponent": lambda n: _keys(_rsa("k", e="x" * 2_500 * n)),
    "a long chain of certificates": lambda n: _keys(_rsa("k", x5c=["x" * 50] * 45 * n)),
    "a long kid": lambda n: _keys(_rsa("k" * 2_500 * n)),
    "keys of many members": lambda n: _keys({**_rsa("k"), **{f"m{i}": 0 for i in range(220 * n)}}),
    "keys that are none": lambda n: _keys(*({"kty": ["RSA"], "use": "sig", "kid": str(i)} for i in range(50 * n))),
}

DISCOVERY: Answers = {
    **ANY,
    "a long issuer": lambda n: [ok(_written({"issuer": "x" * 2_500 * n}), JSON)],
    "an issuer of escapes": lambda n: [ok(b'{"issuer":"' + b"\\u0000" * 420 * n + b'"}', JSON)],
    "many members": lambda n: [ok(_written({"issuer": "x", **{f"m{i}": 0 for i in range(220 * n)}}), JSON)],
}

TOKENS: Answers = {
    **ANY,
    "a long token": lambda n: [ok(_written({**_TOKEN, "access_token": "x" * 2_500 * n}), JSON)],
    "a token of dots": lambda n: [ok(_written({**_TOKEN, "access_token": "." * 2_500 * n}), JSON)],
    "a deep header": lambda n: _token(b'{"alg":"RS256","kid":"k","a":' + b"[" * 450 * n + b"]" * 450 * n + b"}"),
    "a wide header": lambda n: _token(b'{"alg":"RS256","kid":"k","a":[' + b"[]," * 600 * n + b"0]}"),
    "a long kid": lambda n: _token(_written({"alg": "RS256", "kid": "k" * 1_800 * n})),
    "a kid that nobody knows": lambda n: _token(_written({"alg": "RS256", "kid": f"k{n}"})),
    "a long algorithm": lambda n: _token(_written({"alg": "R" * 1_800 * n, "kid": "k"})),
    "long claims": lambda n: _token(claims=b"{" + b" " * 1_800 * n + b"}"),
    "a long signature": lambda n: _token(signature="c2ln" * 600 * n),
    "many scopes": lambda n: [ok(_written({**_TOKEN, "access_token": "a.b.c", "scope": "s " * 1_200 * n}), JSON)],
    "a life of many digits": lambda n: [ok(b'{"access_token":"a.b.c","expires_in":' + b"9" * 3 * n + b"}", JSON)],
    "a challenge": lambda n: [
        ok(b'{"error":"invalid_token"}', JSON, f"WWW-Authenticate: {'x' * 150 * n}", status="401 No")
    ],
    "wait for ever": lambda n: [ok(b"{}", JSON, f"Retry-After: {'9' * 150 * n}", status="429 No")],
    "a description of the audience": lambda n: _refused(
        b'{"error":"invalid_request","error_description":"Requested audience not available: '
        + b"a " * 1_200 * n
        + b'"}'
    ),
}
