"""The agent's access token after verification."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class AgentToken:
    """An access token that passed verification; its value never shows in `repr`.

    `digest` is SHA-256 of the value and stands for it wherever a key is needed. `expires_at` is in seconds since the
    epoch (claim `exp`). `roles` are the realm roles (`realm_access.roles`), `client_id` is `azp`, `token_id` is `jti`.
    """

    value: str = field(repr=False)
    digest: bytes = field(repr=False)
    issuer: str
    subject: str
    client_id: str | None
    token_id: str | None
    scopes: frozenset[str]
    roles: frozenset[str]
    expires_at: float
    claims: Mapping[str, Any] = field(repr=False)
