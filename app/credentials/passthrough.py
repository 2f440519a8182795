"""The agent's own token goes through to the upstream (docs/decisions/0004)."""

import logging

from app.credentials.credential import Credential, Means, Presented, Terms
from app.errors import NotPermitted
from app.identity.agent_token import AgentToken

_DENIED = (
    "This source would get the agent's own token, which TOKEN_PASSTHROUGH=deny forbids. An admin gives the source a "
    "`default_audience`."
)

_log = logging.getLogger(__name__)


class Passthrough(Credential):
    """Kind `passthrough`. Raises NotPermitted (`passthrough_denied`) where the operator forbids it."""

    passes_agent_token = True
    bound_to_audience = False

    def __init__(self, terms: Terms, means: Means) -> None:  # noqa: ARG002 - there is nothing to say of it
        self._denied = means.passthrough == "deny"

    @classmethod
    def check(cls, terms: Terms) -> None:
        """Take any terms."""

    async def headers(self, agent: AgentToken) -> Presented:
        """Return the agent's token."""
        if self._denied:
            raise NotPermitted("passthrough_denied", _DENIED)
        _log.debug("No audience specified, using agent token directly")
        return Presented((("authorization", f"Bearer {agent.value}"),), agent.value, passthrough=True)

    async def forget(self, agent: AgentToken) -> None:
        """Nothing is kept."""
