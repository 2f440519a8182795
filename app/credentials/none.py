"""An upstream that needs no credential."""

from app.credentials.credential import Credential, Means, Presented, Terms
from app.identity.agent_token import AgentToken

_NOTHING = Presented()


class NoCredential(Credential):
    """Kind `none`."""

    passes_agent_token = False
    bound_to_audience = False

    def __init__(self, terms: Terms, means: Means) -> None:
        pass

    @classmethod
    def check(cls, terms: Terms) -> None:
        """Take any terms."""

    async def headers(self, agent: AgentToken) -> Presented:  # noqa: ARG002 - whoever calls
        """Return nothing to send."""
        return _NOTHING

    async def forget(self, agent: AgentToken) -> None:
        """Nothing is kept."""
