"""Who sends a request: the bearer token of its Authorization header (RFC 6750 section 2.1), for both doors."""

import re
from urllib.parse import parse_qsl

from starlette.types import Scope

from app.errors import InvalidAgentToken
from app.identity.agent_token import AgentToken
from app.identity.verifier import AgentTokenVerifier

_BEARER = re.compile(rb"bearer +([A-Za-z0-9\-._~+/]+=*)", re.IGNORECASE)


class Authentication:
    """Finds the agent of a request."""

    def __init__(self, verifier: AgentTokenVerifier) -> None:
        self._verifier = verifier

    async def agent_of(self, scope: Scope) -> AgentToken:
        """Return the verified token of an ASGI request.

        Raises InvalidAgentToken, or Unavailable while the identity provider's keys cannot be had.
        """
        return await self._verifier.verify(bearer_of(scope))


def bearer_of(scope: Scope) -> str:
    """Return the bearer token of an ASGI request, unverified.

    Raises InvalidAgentToken unless there is exactly one, in the Authorization header.
    """
    if b"access_token" in scope["query_string"] and _names_a_token(scope["query_string"]):
        raise InvalidAgentToken(
            "token_invalid", "Send the token in the Authorization header only: an address ends up in logs."
        )
    values = [value for name, value in scope["headers"] if name == b"authorization"]
    if not values or values == [b""]:
        raise InvalidAgentToken("token_missing", "Send the agent's access token: `Authorization: Bearer …`.")
    if len(values) > 1:
        raise InvalidAgentToken("token_invalid", "Send exactly one Authorization header.")
    match = _BEARER.fullmatch(values[0].strip())
    if match is None:
        raise InvalidAgentToken("token_invalid", "The Authorization header must be `Bearer` and one access token.")
    return match[1].decode("ascii")


def _names_a_token(query: bytes) -> bool:
    return any(name == "access_token" for name, _ in parse_qsl(query.decode("latin-1"), keep_blank_values=True))
