"""Operations, sources and agents for tests of what happens after registration."""

import hashlib
import time
from typing import Any

from app.credentials.credential import Means
from app.credentials.token_exchange.caching import CachingExchanger
from app.credentials.token_exchange.exchanger import ExchangedToken, ExchangeTarget
from app.identity.agent_token import AgentToken
from app.memory import InProcessMemory
from app.operation.operation import Body, Location, Operation, Parameter, Style
from app.sources.source import RegisteredSource
from app.telemetry import Telemetry


def an_agent(value: str = "agent-token", **changes: Any) -> AgentToken:
    fields: dict[str, Any] = {
        "value": value,
        "digest": hashlib.sha256(value.encode()).digest(),
        "issuer": "http://idp/realms/tools-provider",
        "subject": "f7b1",
        "preferred_username": "johndoe",
        "client_id": "tools-provider-frontend",
        "token_id": "jti-agent",
        "scopes": frozenset({"openid"}),
        "roles": frozenset({"customer"}),
        "expires_at": time.time() + 300,
    }
    return AgentToken(**fields | changes)


def a_source(slug: str = "pizzeria", base_url: str = "http://127.0.0.1:9", **changes: Any) -> RegisteredSource:
    fields: dict[str, Any] = {
        "id": f"id-of-{slug}",
        "slug": slug,
        "name": slug,
        "base_url": base_url,
        "default_audience": "pizzeria-backend",
        "scopes": (),
        "upstream_auth_type": "token_exchange",
        "allowed_roles": frozenset(),
        "required_scopes": frozenset(),
        "enabled": True,
    }
    return RegisteredSource(**fields | changes)


def a_parameter(name: str, location: Location = "query", style: Style = "form", **changes: Any) -> Parameter:
    """Required where the specification says so. The argument is called unlike the parameter, as after a clash."""
    fields: dict[str, Any] = {"required": location == "path", "explode": False}
    return Parameter(f"{location}_{name}", name, location, style=style, **fields | changes)


def an_operation(
    name: str = "get_menu",
    method: str = "get",
    path: str = "/menu",
    properties: dict[str, Any] | None = None,
    required: tuple[str, ...] = (),
    body: Body | None = None,
) -> Operation:
    """Every property that is not in the body is a query parameter."""
    properties = properties or {}
    in_body = {field.argument for field in body.fields} if body is not None else set()
    return Operation(
        name=name,
        method=method,
        path=path,
        operation_id=name,
        title=None,
        description="",
        tags=(),
        deprecated=False,
        input_schema={
            "type": "object",
            "properties": properties,
            "required": list(required),
            "additionalProperties": False,
        },
        output_schema=None,
        parameters=tuple(
            Parameter(argument, argument, "query", argument in required, "form", explode=True)
            for argument in properties
            if argument not in in_body
        ),
        body=body,
        accept=("application/json",),
        server=None,
    )


class NoIssuer:
    """Stands for an identity provider that nobody should ask."""

    async def exchange(self, agent: AgentToken, target: ExchangeTarget) -> ExchangedToken:
        raise AssertionError(f"{agent.subject} asks for {target.audience}")


def some_means() -> Means:
    """Means for tests in which no credential is asked for."""
    exchanger = CachingExchanger(NoIssuer(), InProcessMemory(), Telemetry(), client_id="x", buffer=0, max_age=60)
    return Means(exchanger, passthrough="allow")
