"""Reads single claims; their types cannot be relied on."""

from collections.abc import Mapping
from typing import Any

LEEWAY = 10  # seconds by which the clocks of issuer and server may differ


def integer(claim: object) -> int | None:
    """Return a NumericDate (RFC 7519 section 2) if it is a whole number, otherwise None."""
    return claim if isinstance(claim, int) and not isinstance(claim, bool) else None


def text_or_none(claim: object) -> str | None:
    """Return the claim if it is a string, otherwise None."""
    return claim if isinstance(claim, str) else None


def strings_of(claim: object) -> frozenset[str]:
    """Return the members of a list of strings; none for anything else."""
    if not isinstance(claim, list) or not all(isinstance(member, str) for member in claim):
        return frozenset()
    return frozenset(claim)


def audiences_of(claims: Mapping[str, Any]) -> frozenset[str]:
    """Return the audiences of a token: `aud` is a string or a list of strings (RFC 7519 section 4.1.3)."""
    audience = claims.get("aud")
    return frozenset((audience,)) if isinstance(audience, str) else strings_of(audience)
