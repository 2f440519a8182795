"""Reads single claims; their types cannot be relied on."""

from collections.abc import Mapping
from typing import Any


def integer(claim: object) -> int | None:
    """Return a NumericDate (RFC 7519 section 2) if it is a whole number, otherwise None."""
    return claim if isinstance(claim, int) and not isinstance(claim, bool) else None


def text_or_none(claim: object) -> str | None:
    """Return the claim if it is a string, otherwise None."""
    return claim if isinstance(claim, str) else None


def name_or_none(claim: object) -> str | None:
    """Return the name that a person or system is shown under, fit for records; None if there is none.

    Keycloak's own names have at most 255 characters. What cannot be printed is left out.
    """
    name = "".join(filter(str.isprintable, claim[:255])).strip() if isinstance(claim, str) else ""
    return name or None


def strings_of(claim: object) -> frozenset[str]:
    """Return the members of a list of strings; none for anything else."""
    if not isinstance(claim, list) or not all(isinstance(member, str) for member in claim):
        return frozenset()
    return frozenset(claim)


def audiences_of(claims: Mapping[str, Any]) -> frozenset[str]:
    """Return the audiences of a token: `aud` is a string or a list of strings (RFC 7519 section 4.1.3)."""
    audience = claims.get("aud")
    return frozenset((audience,)) if isinstance(audience, str) else strings_of(audience)
