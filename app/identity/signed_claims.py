"""Reads a JWT that was signed with one of the issuer's keys. What the claims say is for others to judge."""

import base64
from typing import Any

import orjson
from jwt import PyJWS
from jwt.exceptions import PyJWTError

from app.identity.jwks import ALGORITHMS, JwksCache, SignatureRefused

_JWS = PyJWS(algorithms=list(ALGORITHMS))

_NO_ALGORITHM = "The token's header names no algorithm."
_ODD_KEY_ID = "The token's key id (`kid`) is not a string."
_CRITICAL = "The token's header has critical extensions, and this server knows none."
_WRONG = "The token's signature or form is wrong."
_NO_CLAIMS = "The token's content is not a JSON object."
_NO_JWT = "This is not a signed JWT (three parts joined by dots)."
_NO_HEADER = "The token's header cannot be read."
_MISSPELT = "The parts of the token must be base64url without padding."


async def signed_claims(value: str, keys: JwksCache) -> dict[str, Any]:
    """Return the claims of a signed token (RFC 7515 compact form).

    The key comes from `keys` alone, whatever the header offers (`jwk`, `jku`, `x5u`, `x5c`). Raises SignatureRefused,
    and Unavailable while the keys cannot be fetched.
    """
    header = _header(value)
    algorithm, kid = header.get("alg"), header.get("kid")
    if not isinstance(algorithm, str):
        raise SignatureRefused("token_algorithm_refused", _NO_ALGORITHM)
    if kid is not None and not isinstance(kid, str):
        raise SignatureRefused("token_invalid", _ODD_KEY_ID)
    if "crit" in header:
        raise SignatureRefused("token_invalid", _CRITICAL)
    key = await keys.key(kid, algorithm)
    try:
        claims = orjson.loads(_JWS.decode(value, key, algorithms=[algorithm]))
    except (PyJWTError, orjson.JSONDecodeError):
        raise SignatureRefused("token_invalid", _WRONG) from None
    if not isinstance(claims, dict):
        raise SignatureRefused("token_invalid", _NO_CLAIMS)
    return claims


def _header(value: str) -> dict[str, Any]:
    segments = value.split(".", 3)
    if len(segments) != 3:
        raise SignatureRefused("token_invalid", _NO_JWT)
    try:
        content, *_ = [_decoded(segment) for segment in segments]
    except ValueError:
        raise SignatureRefused("token_invalid", _MISSPELT) from None
    try:
        header = orjson.loads(content)
    except orjson.JSONDecodeError:
        raise SignatureRefused("token_invalid", _NO_HEADER) from None
    if not isinstance(header, dict):
        raise SignatureRefused("token_invalid", _NO_HEADER)
    return header


def _decoded(segment: str) -> bytes:
    """Return the bytes of a segment (RFC 7515 section 2). Raises ValueError for every spelling of them but one.

    PyJWT takes padding, the other alphabet, characters of none, and any bits behind the last byte.
    """
    content = base64.urlsafe_b64decode(segment + "=" * (-len(segment) % 4))
    if base64.urlsafe_b64encode(content).rstrip(b"=") != segment.encode():
        raise ValueError("there is another way to write this")
    return content
