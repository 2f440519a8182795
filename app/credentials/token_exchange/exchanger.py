"""What every exchanger does, and what comes out of it."""

from dataclasses import dataclass, field
from typing import Protocol

from app.errors import Unavailable
from app.identity.agent_token import AgentToken


@dataclass(frozen=True, slots=True)
class ExchangeTarget:
    """What to ask the identity provider for: an audience (RFC 8693 section 2.1), and scopes beyond its defaults.

    Raises ValueError without an audience: Keycloak would answer with a token for everything it knows.
    """

    audience: str
    scopes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.audience.strip():
            raise ValueError("a token is never exchanged without an audience")


@dataclass(frozen=True, slots=True)
class ExchangedToken:
    """A token that fits one audience. `expires_at` is in seconds since the epoch; 0 when the life is unknown.

    `cached` says that it was issued for an earlier call.
    """

    value: str = field(repr=False)
    expires_at: float
    token_id: str | None = None
    cached: bool = False


class Inconclusive(Unavailable):
    """Its answer cannot be understood or checked now, or we had no connection to spare.

    That says nothing of the identity provider: the circuit breaker does not count it.
    """


class Down(Unavailable):
    """Whoever had asked, and for whatever, would have met this: no connection, or too many requests."""


class TokenExchanger(Protocol):
    """Exchanges an agent's token for one of the target's audience (RFC 8693)."""

    async def exchange(self, agent: AgentToken, target: ExchangeTarget) -> ExchangedToken:
        """Return a token for the target whose subject is still the agent's user.

        Raises InvalidAgentToken, NotPermitted, BadAnswer or Unavailable with the codes of docs/reference/codes.md.
        """
        ...
