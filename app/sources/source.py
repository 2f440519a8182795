"""What a call needs to know of its source: a snapshot that never changes."""

from dataclasses import dataclass

from app.credentials.kinds import AuthType
from app.outbound import origin_of


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
    """A source as calls are made with it."""

    id: str
    slug: str
    name: str
    base_url: str
    default_audience: str | None
    scopes: tuple[str, ...]
    upstream_auth_type: AuthType
    allowed_roles: frozenset[str]
    required_scopes: frozenset[str]
    enabled: bool
    other_servers: tuple[Authority, ...] = ()

    @property
    def authorities(self) -> tuple[Authority, ...]:
        """Every origin that is called, its own first."""
        origin = origin_of(self.base_url)
        own = Authority(0, origin, self.upstream_auth_type, self.default_audience, self.scopes)
        return (own, *self.other_servers)
