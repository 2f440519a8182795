"""Whether calls can be served now."""

from dataclasses import dataclass
from typing import Any

from app.database import Database
from app.errors import Unavailable
from app.identity.jwks import JwksCache
from app.telemetry import Telemetry


@dataclass(slots=True)
class Readiness:
    """Whether calls can be served now. `stopping` is set when the process has been asked to end."""

    database: Database
    keys: JwksCache
    telemetry: Telemetry
    stopping: bool = False

    async def check(self) -> tuple[bool, dict[str, Any]]:
        """Return whether we are ready, and the state of each part.

        An open breaker does not make us unready: cached tokens and the other sources go on.
        """
        database = await self.database.check()
        keys = await self._have_keys()
        ready = database and keys and not self.stopping
        state = "stopping" if self.stopping else "ready" if ready else "not_ready"
        return ready, {
            "status": state,
            "database": "up" if database else "down",
            "identity_provider": "keys_known" if keys else "no_keys",
            "breakers": self.telemetry.breaker_states(),
        }

    async def _have_keys(self) -> bool:
        try:
            await self.keys.check()
        except Unavailable:
            return False
        return True
