"""Agent tokens: those that are none, those that nobody signed, and good ones with very many claims."""

import base64
import json
from collections.abc import Callable
from typing import Any

from tests.bounds.row import OK, Row
from tests.bounds.sending import request, requests
from tests.bounds.stage import Stage

WRONG = ("token_invalid", "token_missing", "token_algorithm_refused", "headers_too_large")
_PATH = "GET /api/v1/tools?limit=1"


def part(content: object) -> str:
    raw = content if isinstance(content, bytes) else json.dumps(content).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def carried(stage: Stage, token: str) -> bytes:
    return stage.head(_PATH, None, f"Authorization: Bearer {token}", username=None)


def unsigned(name: str, token: Callable[[int], str]) -> Row:
    """A row of a token that is not good."""
    return request("agent token", name, lambda stage, scale: carried(stage, token(scale)), *WRONG)


def good(name: str, claims: Callable[[int], dict[str, Any]], *expected: str) -> Row:
    """A row of a token of the identity provider's with these claims."""
    return request(
        "agent token", name, lambda stage, scale: carried(stage, stage.signed(**claims(scale))), OK, *expected, *WRONG
    )


_HEAD = {"alg": "RS256", "typ": "JWT", "kid": "a"}


def forged(head: object = _HEAD, claims: object = "", signature: str = "YQ") -> str:
    return f"{part(head)}.{part(claims)}.{signature}"


def _actors(depth: int) -> dict[str, Any]:
    actor: dict[str, Any] = {"sub": "a"}
    for _ in range(depth):
        actor = {"sub": "a", "act": actor}
    return actor


def _strangers(stage: Stage, scale: int) -> list[bytes]:
    """Tokens of keys that nobody knows, each of another one."""
    return [carried(stage, forged({**_HEAD, "kid": f"unknown-{n}"})) for n in range(2 * scale)]


def _own_of_the_issuer(stage: Stage, scale: int) -> list[bytes]:
    """Good tokens, each of them new and as long as a token may be."""
    return [carried(stage, stage.signed(jti=f"{n}", filler="a" * 40_000)) for n in range(2 * scale)]


def _badly_signed(stage: Stage, scale: int) -> list[bytes]:
    head, claims, _ = stage.token().split(".")
    return [carried(stage, f"{head}.{claims}.{part(n.to_bytes(256, 'big'))}") for n in range(2 * scale)]


ROWS = [
    unsigned("a long word", lambda scale: "a" * 20_000 * scale),
    unsigned("many dots", lambda scale: "." * 20_000 * scale),
    unsigned("three long parts", lambda scale: ".".join(["a" * 200 * scale] * 3)),
    unsigned("a header of many members", lambda scale: forged({**_HEAD, **{f"n{n}": 1 for n in range(30 * scale)}})),
    unsigned("a header that is deep", lambda scale: forged(b"[" * 400 * scale)),
    unsigned("a header of objects that do not end", lambda scale: forged(b'{"a":' * 90 * scale)),
    unsigned(
        "a header with a number of many digits", lambda scale: forged(b'{"alg":"RS256","n":%b}' % (b"1" * 400 * scale))
    ),
    unsigned("a name of a key that is long", lambda scale: forged({**_HEAD, "kid": "a" * 400 * scale})),
    unsigned("an algorithm that is long", lambda scale: forged({**_HEAD, "alg": "a" * 400 * scale})),
    unsigned("critical extensions, many", lambda scale: forged({**_HEAD, "crit": ["a"] * 80 * scale})),
    unsigned(
        "a key of its own in the header",
        lambda scale: forged({**_HEAD, "jwk": {"kty": "RSA", "e": "AQAB", "n": "a" * 400 * scale}}),
    ),
    unsigned("certificates in the header", lambda scale: forged({**_HEAD, "x5c": ["MIIB"] * 60 * scale})),
    unsigned("claims that are deep", lambda scale: forged(claims=b"[" * 400 * scale)),
    unsigned("a signature that is long", lambda scale: forged(signature="a" * 400 * scale)),
    unsigned("padding", lambda scale: forged(signature="YQ" + "=" * 400 * scale)),
    unsigned("white space inside", lambda scale: forged(signature="Y" + " " * 400 * scale + "Q")),
    unsigned("bytes that are no ASCII", lambda scale: forged(signature="é" * 400 * scale)),
    good(
        "a good one of very many audiences",
        lambda scale: {"aud": ["tools-provider-token-exchange", *(f"a{n}" for n in range(50 * scale))]},
    ),
    good(
        "a good one of many audiences, none of them ours",
        lambda scale: {"aud": [f"a{n}" for n in range(50 * scale)]},
        "token_audience_mismatch",
    ),
    good(
        "a good one of very many roles",
        lambda scale: {"realm_access": {"roles": ["user", *(f"role-{n}" for n in range(40 * scale))]}},
    ),
    good("a good one of very many scopes", lambda scale: {"scope": " ".join(f"scope-{n}" for n in range(40 * scale))}),
    good("a good one with a scope of white space", lambda scale: {"scope": " \t" * 200 * scale}),
    good("a good one with a long subject", lambda scale: {"sub": "a" * 300 * scale}),
    good("a good one with a long name of the user", lambda scale: {"preferred_username": "a" * 300 * scale}),
    good("a good one that many act with", lambda scale: {"act": _actors(min(100, scale))}, "delegation_too_deep"),
    good("a good one of many claims that nobody knows", lambda scale: {f"claim-{n}": n for n in range(25 * scale)}),
    good(
        "a good one with an issuer that is long",
        lambda scale: {"iss": "https://" + "a" * 300 * scale},
        "token_issuer_mismatch",
    ),
    good("a good one with a moment of very many digits", lambda scale: {"exp": int("9" * min(4_000, 40 * scale))}),
    requests("agent token", "many of keys that nobody knows", _strangers, "token_invalid", "idp_unreachable"),
    requests("agent token", "many that are badly signed", _badly_signed, "token_invalid"),
    requests("agent token", "many good and long ones, each of them new", _own_of_the_issuer, OK),
]
