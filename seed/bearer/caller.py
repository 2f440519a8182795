"""Who is calling, as an upstream verified it."""

from collections.abc import Mapping
from typing import Any, Self

from pydantic import BaseModel, Field


class Caller(BaseModel):
    """What the verified access token says. It shows which token arrived, and is never the token itself."""

    sub: str = Field(description="The user, as the identity provider knows them.")
    username: str | None = Field(default=None, description="The user's name, if the token says it.")
    azp: str | None = Field(default=None, description="The OAuth client that the token was issued to.")
    aud: list[str] = Field(default_factory=list, description="The audiences that the token is for.")
    roles: list[str] = Field(default_factory=list, description="The user's roles at this API.")
    token_id: str | None = Field(default=None, description="The token's identifier (`jti`).")
    lifetime: int = Field(description="Seconds from the token's issue to its end.")
    expires_in: int = Field(description="Seconds that were left when it was verified.")

    @classmethod
    def from_claims(cls, claims: Mapping[str, Any], *, audience: str, now: float) -> Self:
        """`claims` are verified ones; `audience` names the API whose client roles count; `now` is Unix time."""
        aud = claims.get("aud", [])
        access = claims.get("resource_access", {}).get(audience, {})
        return cls(
            sub=claims["sub"],
            username=claims.get("preferred_username"),
            azp=claims.get("azp"),
            aud=[aud] if isinstance(aud, str) else aud,
            roles=sorted(access.get("roles", [])),
            token_id=claims.get("jti"),
            lifetime=claims["exp"] - claims["iat"],
            expires_in=int(claims["exp"] - now),
        )
