"""One call of a tool, from the arguments to the result, in order."""

import asyncio
from collections.abc import Callable, Mapping
from time import perf_counter
from typing import Any

from app.audit.outcome import Door, Outcome, Outcomes
from app.credentials.token_exchange.exchanger import ExchangeTarget
from app.credentials.upstream_auth import Bearer, UpstreamAuth
from app.errors import (
    BadAnswer,
    InsufficientScope,
    InvalidAgentToken,
    NotFound,
)
from app.identity.agent_token import AgentToken
from app.sources.models import Authority
from app.telemetry import Telemetry
from app.tools.answer.result import ToolResult, read_answer
from app.tools.catalog import Catalog, Tool
from app.tools.request.plan import UpstreamRequest, build_request
from app.tools.upstream import Upstream

NO_SUCH_TOOL = (
    "There is no tool of that id (`slug/operation`) that you may see. GET /api/v1/tools lists those that you may."
)
_NO_AUDIENCE = "This source says token_exchange but names no audience. An admin gives it a `default_audience`."


class ToolExecutor:
    """Executes tools for agents. `refuse` is told of an agent token that the identity provider did not accept.

    `clock` counts seconds.
    """

    def __init__(
        self,
        catalog: Catalog,
        upstream_auth: UpstreamAuth,
        upstream: Upstream,
        audit: Outcomes,
        telemetry: Telemetry,
        *,
        upstream_timeout: float,
        refuse: Callable[[AgentToken], None],
        clock: Callable[[], float] = perf_counter,
    ) -> None:
        self._catalog = catalog
        self._upstream_auth = upstream_auth
        self._upstream = upstream
        self._audit = audit
        self._telemetry = telemetry
        self._upstream_timeout = upstream_timeout
        self._refuse = refuse
        self._clock = clock

    async def execute(
        self, tool: Tool | str, arguments: Mapping[str, Any], agent: AgentToken, door: Door
    ) -> ToolResult:
        """Return the upstream's answer, whatever its status; the call's audit record is durable by then.

        Raises NotFound, InsufficientScope, Invalid, and what the token exchange and the upstream raise.
        """
        found = self._catalog.find(tool) if isinstance(tool, str) else tool
        begun = self._audit.outcome(kind="call", action="execute", agent=agent, door=door, ended=self._measure)
        begun.tool = tool if isinstance(tool, str) else tool.tool_id
        if found is not None:
            begun.source, begun.audience = found.source.slug, found.authority.audience
        with self._telemetry.span("execute_tool", **_attributes(found, door)) as span:
            async with begun as call:
                result = await self._steps(call, self._visible(found, agent), arguments, agent)
                call.code = "upstream_error" if result.is_error else "ok"
                span.set_attribute("http.response.status_code", result.upstream_status)
            return result

    async def _steps(self, call: Outcome, tool: Tool, arguments: Mapping[str, Any], agent: AgentToken) -> ToolResult:
        _require_scopes(tool, agent)
        given = tool.arguments.check(arguments)
        request = build_request(tool.request, given)
        target = _target(tool.authority)
        bearer = await self._bearer_for(tool, agent, target)
        result = await self._send(call, tool, request, bearer)
        if result.upstream_status == 401 and target is not None and bearer is not None and bearer.cached:
            # The upstream may know of a revocation that the cached token outlived: one new exchange tells.
            self._upstream_auth.forget(agent, target)
            if tool.safe:
                bearer = await self._bearer_for(tool, agent, target)
                result = await self._send(call, tool, request, bearer)
        return result

    def _visible(self, tool: Tool | None, agent: AgentToken) -> Tool:
        if tool is None or not self._catalog.may_see(agent, tool):
            raise NotFound("tool_not_found", NO_SUCH_TOOL)
        return tool

    async def _bearer_for(self, tool: Tool, agent: AgentToken, target: ExchangeTarget | None) -> Bearer | None:
        if tool.authority.auth_type == "none":
            return None
        try:
            return await self._upstream_auth.bearer_for(agent, target)
        except InvalidAgentToken:
            self._refuse(agent)
            raise

    async def _send(self, call: Outcome, tool: Tool, request: UpstreamRequest, bearer: Bearer | None) -> ToolResult:
        if bearer is not None:
            call.passthrough = bearer.passthrough
            call.exchanged_token_id = None if bearer.passthrough else bearer.token_id
            if bearer.passthrough:
                self._telemetry.passthrough_called(source=tool.source.slug)
        value = bearer.value if bearer is not None else None
        started = self._clock()
        deadline = asyncio.get_running_loop().time() + self._upstream_timeout
        answer = await self._upstream.send(
            request, source=tool.source, server=tool.authority.number, bearer=value, deadline=deadline
        )
        call.upstream_status = answer.status
        return read_answer(answer, bearer=value, duration_ms=round((self._clock() - started) * 1000, 3))

    def _measure(self, call: Outcome) -> None:
        self._telemetry.tool_called(source=call.source or "unknown", outcome=call.code, seconds=call.seconds)


def _attributes(tool: Tool | None, door: Door) -> dict[str, str]:
    if tool is None:
        return {"tools_provider.door": door}
    return {
        "tools_provider.source": tool.source.slug,
        "tools_provider.tool": tool.tool_id,
        "tools_provider.door": door,
    }


def _require_scopes(tool: Tool, agent: AgentToken) -> None:
    required = tool.source.required_scopes
    if not required <= agent.scopes:
        scopes = sorted(required)
        raise InsufficientScope(
            scopes, f"This tool needs a token with the scopes {' '.join(scopes)}. Ask for all of them."
        )


def _target(authority: Authority) -> ExchangeTarget | None:
    """Return what to exchange for. None means pass-through, which only a source that says so may get."""
    if authority.auth_type != "token_exchange":
        return None
    if authority.audience is None:
        raise BadAnswer("exchange_audience_not_found", _NO_AUDIENCE)
    return ExchangeTarget(authority.audience, authority.scopes)
