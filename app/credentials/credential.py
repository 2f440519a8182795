"""What every kind of upstream credential does."""

from dataclasses import dataclass, field
from typing import ClassVar, Literal, Protocol

from app.credentials.token_exchange.caching import CachingExchanger
from app.identity.agent_token import AgentToken


@dataclass(frozen=True, slots=True)
class Terms:
    """What a source says of the credential that its calls carry."""

    audience: str | None = None
    scopes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Means:
    """What credentials are made with. `passthrough` is the setting TOKEN_PASSTHROUGH."""

    exchanger: CachingExchanger
    passthrough: Literal["allow", "deny"]


@dataclass(frozen=True, slots=True)
class Presented:
    """What one call presents to the upstream. `secret` is what must not come back to the agent, if there is anything.

    `exchanged_token_id` is the `jti` of a token that was exchanged for it, `cached` says that an earlier call has had
    the same, and `passthrough` that it is the agent's own token.
    """

    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    secret: str | None = field(default=None, repr=False)
    exchanged_token_id: str | None = None
    passthrough: bool = False
    cached: bool = False


class Credential(Protocol):
    """One source's credential of one kind: made when the source is registered, asked at every call."""

    passes_agent_token: ClassVar[bool]
    bound_to_audience: ClassVar[bool]  # an origin gets it only where it may have tokens of that audience

    def __init__(self, terms: Terms, means: Means) -> None: ...

    @classmethod
    def check(cls, terms: Terms) -> None:
        """Raise Invalid when an admin states terms that this kind cannot work with."""
        ...

    async def headers(self, agent: AgentToken) -> Presented:
        """Return what to send for this agent.

        Raises NotPermitted, and what asking an identity provider raises (see TokenExchanger).
        """
        ...

    async def forget(self, agent: AgentToken) -> None:
        """Do not present what is cached for this agent again: the upstream answered 401 to it."""
        ...
