"""What a call needs to know of its source: a snapshot that never changes."""

from dataclasses import dataclass

from app.credentials.kinds import AuthType


@dataclass(frozen=True, slots=True)
class Authority:
    """Which token calls to one origin carry. Number 0 is the source's own, the others those of its other servers."""

    number: int
    origin: str
    auth_type: AuthType
    audience: str | None
    scopes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RegisteredSource:
    """A source as calls are made with it. `authorities` are every origin that is called, its own first."""

    id: str
    slug: str
    name: str
    base_url: str
    authorities: tuple[Authority, ...]
    allowed_roles: frozenset[str]
    required_scopes: frozenset[str]
    enabled: bool
