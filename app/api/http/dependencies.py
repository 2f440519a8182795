"""What routes ask FastAPI for: the caller, and the use cases that main.py has put together."""

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Annotated, Any, cast

from fastapi import Depends, Request, Security
from fastapi.security import HTTPBearer
from starlette.types import Receive, Scope, Send

from app.api.http.authentication import Authentication
from app.api.rest.readiness import Readiness
from app.audit.log import AuditLog
from app.audit.outcome import Outcomes
from app.errors import NotPermitted
from app.identity.agent_token import AgentToken
from app.sources.registration import Registration
from app.telemetry import Telemetry
from app.tools.access import Access
from app.tools.catalog import Catalog
from app.tools.executor import ToolExecutor

_documented = HTTPBearer(scheme_name="agent token", description="An access token for this server.", auto_error=False)


@dataclass(frozen=True, slots=True)
class Composition:
    """The collaborators of the doors."""

    authentication: Authentication
    outcomes: Outcomes
    admin_roles: frozenset[str]
    document_bytes: int  # of an uploaded document, at most
    document_values: int
    catalog: Catalog
    access: Access
    executor: ToolExecutor
    registration: Registration
    audit: AuditLog
    telemetry: Telemetry
    readiness: Readiness
    mcp_transport: Callable[[Scope, Receive, Send], Coroutine[Any, Any, None]]


def composition_of(scope: Scope) -> Composition:
    """Return what main.py built for the application that serves this ASGI request."""
    return cast("Composition", scope["app"].state.composition)


async def _agent(request: Request, _: Annotated[object, Security(_documented)]) -> AgentToken:
    # From api/rest/entry.py, which lets nothing below /api/ pass without; a KeyError is safer than a second opinion.
    return cast("AgentToken", request.scope["agent"])


Agent = Annotated[AgentToken, Depends(_agent)]


async def _admin(request: Request, agent: Agent) -> AgentToken:
    composition = composition_of(request.scope)
    if agent.roles.isdisjoint(composition.admin_roles):
        refusal = NotPermitted(
            "role_required", f"This takes one of the realm roles: {', '.join(sorted(composition.admin_roles))}."
        )
        await composition.outcomes.refused(refusal, "rest", action="administer", agent=agent)
        raise refusal
    return agent


async def _registration(request: Request) -> Registration:
    return composition_of(request.scope).registration


async def _uploaded(request: Request) -> bytes | None:
    return cast("bytes | None", request.scope.get("document"))  # put there by api/rest/entry.py


async def _audit(request: Request) -> AuditLog:
    return composition_of(request.scope).audit


async def _catalog(request: Request) -> Catalog:
    return composition_of(request.scope).catalog


Admin = Annotated[AgentToken, Depends(_admin)]
Sources = Annotated[Registration, Depends(_registration)]
Uploaded = Annotated[bytes | None, Depends(_uploaded)]
Audit = Annotated[AuditLog, Depends(_audit)]
Tools = Annotated[Catalog, Depends(_catalog)]
