"""The agent's access token after verification."""

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class AgentToken:
    """An access token that passed verification; its value never shows in `repr`.

    `digest` stands in for it wherever a key is needed. It is the SHA-256 of what the issuer signed, header and claims
    as they are written: whoever has an ECDSA signature can make a second one of it (`s` and `n - s` are both good).
    `expires_at` is in seconds since the epoch (claim `exp`). `roles` are the realm roles (`realm_access.roles`),
    `client_id` is `azp`, `token_id` is `jti`. `preferred_username` is for people who read of the user, and decides
    nothing: users may change it. `actor` is the claim `act` as it came (RFC 8693 section 4.1).
    """

    value: str = field(repr=False)
    digest: bytes = field(repr=False)
    issuer: str
    subject: str
    preferred_username: str | None
    client_id: str | None
    token_id: str | None
    scopes: frozenset[str]
    roles: frozenset[str]
    expires_at: float
    actor: Any = field(default=None, repr=False)
