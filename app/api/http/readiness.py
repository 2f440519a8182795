"""Whether calls can be served now."""

from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel, Field

from app.database import Database
from app.errors import Unavailable
from app.identity.jwks import JwksCache
from app.telemetry import BreakerState, Telemetry


class ReadinessState(BaseModel):
    """Whether calls can be served now, and the state of each part."""

    status: Literal["ready", "not_ready", "stopping"] = Field(
        description="`ready` when calls can be served, `stopping` when the process has been asked to end."
    )
    database: Literal["up", "down"] = Field(description="Whether the database answers.")
    identity_provider: Literal["keys_known", "no_keys"] = Field(
        description="Whether the keys are known that agents' tokens are verified with."
    )
    breakers: dict[str, BreakerState] = Field(
        description="The circuit breakers that have changed since the start, by name; the others are closed. An open "
        "one does not make the server unready: cached tokens and the other sources go on."
    )


@dataclass(slots=True)
class Readiness:
    """Whether calls can be served now. `stopping` is set when the process has been asked to end."""

    database: Database
    keys: JwksCache
    telemetry: Telemetry
    stopping: bool = False

    async def check(self) -> ReadinessState:
        """Ask each part."""
        database = await self.database.check()
        keys = await self._have_keys()
        ready = database and keys
        return ReadinessState(
            status="stopping" if self.stopping else "ready" if ready else "not_ready",
            database="up" if database else "down",
            identity_provider="keys_known" if keys else "no_keys",
            breakers=self.telemetry.breaker_states(),
        )

    async def _have_keys(self) -> bool:
        try:
            await self.keys.check()
        except Unavailable:
            return False
        return True
