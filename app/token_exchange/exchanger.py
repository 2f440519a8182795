"""What every exchanger does, and what comes out of it."""

from dataclasses import dataclass, field
from typing import Protocol

from app.identity.agent_token import AgentToken


@dataclass(frozen=True, slots=True)
class ExchangeTarget:
    """What to ask the identity provider for: an audience (RFC 8693 section 2.1), and scopes beyond its defaults."""

    audience: str
    scopes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ExchangedToken:
    """A token that fits one audience. `expires_at` is in seconds since the epoch; 0 when the life is unknown."""

    value: str = field(repr=False)
    expires_at: float
    token_id: str | None = None
    scopes: frozenset[str] = frozenset()


class TokenExchanger(Protocol):
    """Exchanges an agent's token for one of the target's audience (RFC 8693)."""

    async def exchange(self, agent: AgentToken, target: ExchangeTarget) -> ExchangedToken:
        """Return a token for the target whose subject is still the agent's user.

        Raises InvalidAgentToken, NotPermitted, BadAnswer, Unavailable or DeadlineExceeded with an `exchange_…`,
        `token_…`, `idp_…` or `circuit_open` code.
        """
        ...
