"""Who sent a request, and the use cases that main.py has put together; both also as what routes ask FastAPI for."""

import re
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Annotated, Any, cast
from urllib.parse import parse_qsl

from fastapi import Depends, Request, Security
from fastapi.security import HTTPBearer
from starlette.types import Receive, Scope, Send

from app.api.http.held import Held
from app.api.http.readiness import Readiness
from app.audit.log import AuditLog
from app.audit.outcome import Outcomes
from app.errors import InvalidAgentToken, NotPermitted
from app.identity.agent_token import AgentToken
from app.identity.verifier import AgentTokenVerifier
from app.sources.use_cases import UseCases
from app.telemetry import Telemetry
from app.tools.access import Access
from app.tools.catalog import Catalog
from app.tools.executor import ToolExecutor

_BEARER = re.compile(rb"bearer +([A-Za-z0-9\-._~+/]+=*)", re.IGNORECASE)
_documented = HTTPBearer(
    scheme_name="agent_token",
    bearerFormat="JWT",
    description="An access token for this server; the resource metadata says who issues them.",
    auto_error=False,
)


PUBLIC = {"security": list[object]()}  # of routes that take no token, in our own document


@dataclass(frozen=True, slots=True)
class Composition:
    """What the doors work with."""

    verifier: AgentTokenVerifier
    outcomes: Outcomes
    admin_roles: frozenset[str]
    document_bytes: int  # of an uploaded document, at most
    held: Held
    catalog: Catalog
    access: Access
    executor: ToolExecutor
    sources: UseCases
    audit: AuditLog
    telemetry: Telemetry
    readiness: Readiness
    mcp_transport: Callable[[Scope, Receive, Send], Coroutine[Any, Any, None]]


def composition_of(scope: Scope) -> Composition:
    """Return what main.py built for the application that serves this ASGI request."""
    return cast("Composition", scope["app"].state.composition)


async def agent_of(scope: Scope) -> AgentToken:
    """Return the verified token of an ASGI request.

    Raises what its verifier does.
    """
    return await composition_of(scope).verifier.verify(_bearer_of(scope))


def _bearer_of(scope: Scope) -> str:
    """Return the bearer token of an ASGI request (RFC 6750 section 2.1), unverified.

    Raises InvalidAgentToken unless there is exactly one, in the Authorization header.
    """
    if b"access_token" in scope["query_string"] and _names_a_token(scope["query_string"]):
        raise InvalidAgentToken(
            "token_invalid", "Send the token in the Authorization header only: addresses end up in logs."
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


async def _agent(request: Request, _: Annotated[object, Security(_documented)]) -> AgentToken:
    # Set by api/http/entry.py, without which nothing below /api/ gets here; a KeyError is safer than a second opinion.
    return cast("AgentToken", request.scope["agent"])


Agent = Annotated[AgentToken, Depends(_agent)]


async def _admin(request: Request, agent: Agent) -> AgentToken:
    composition = composition_of(request.scope)
    if agent.roles.isdisjoint(composition.admin_roles):
        refusal = NotPermitted(
            "role_required", f"This needs one of the realm roles: {', '.join(sorted(composition.admin_roles))}."
        )
        await composition.outcomes.refused(refusal, "rest", action="administer", agent=agent)
        raise refusal
    return agent


async def _sources(request: Request) -> UseCases:
    return composition_of(request.scope).sources


async def _audit(request: Request) -> AuditLog:
    return composition_of(request.scope).audit


async def _catalog(request: Request) -> Catalog:
    return composition_of(request.scope).catalog


Admin = Annotated[AgentToken, Depends(_admin)]
Sources = Annotated[UseCases, Depends(_sources)]
Audit = Annotated[AuditLog, Depends(_audit)]
Tools = Annotated[Catalog, Depends(_catalog)]
