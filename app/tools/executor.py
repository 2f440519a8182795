"""One call of a tool, from the arguments to the result, in order."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from time import perf_counter
from typing import Any, Literal

from app.audit.log import AuditLog
from app.audit.record import AuditRecord
from app.credentials.token_exchange.exchanger import ExchangeTarget
from app.credentials.upstream_auth import Bearer, UpstreamAuth
from app.errors import (
    BadAnswer,
    InsufficientScope,
    Invalid,
    InvalidAgentToken,
    NotFound,
    NotPermitted,
    ToolsProviderError,
)
from app.identity.agent_token import AgentToken
from app.sources.models import Authority
from app.telemetry import Telemetry, current_trace_id
from app.tools.answer.result import ToolResult, read_answer
from app.tools.catalog import Catalog, Tool
from app.tools.request.plan import UpstreamRequest, build_request
from app.tools.upstream import Upstream

Door = Literal["rest", "mcp"]

NO_SUCH_TOOL = (
    "There is no tool of that id (`slug/operation`) that you may see. GET /api/v1/tools lists those that you may."
)
_NO_AUDIENCE = "This source says token_exchange but names no audience. An admin gives it a `default_audience`."
_REFUSALS = (InvalidAgentToken, NotPermitted, NotFound, Invalid)


@dataclass(slots=True)
class _Call:
    """What is known of a call so far; its audit record tells all of it but the arguments."""

    tool_id: str
    agent: AgentToken
    door: Door
    tool: Tool | None
    started: float
    bearer: Bearer | None = None
    upstream_status: int | None = None
    outcome: str = "internal_error"
    error: ToolsProviderError | None = None

    @property
    def source(self) -> str | None:
        return self.tool.source.slug if self.tool is not None else None

    def record(self, seconds: float) -> AuditRecord:
        """`detail` of wrong arguments names them, so it stays out."""
        bearer = self.bearer
        return AuditRecord(
            kind="refusal" if isinstance(self.error, _REFUSALS) else "call",
            action="execute",
            outcome=self.outcome,
            door=self.door,
            subject=self.agent.subject,
            client_id=self.agent.client_id,
            token_id=self.agent.token_id,
            exchanged_token_id=bearer.token_id if bearer is not None and not bearer.passthrough else None,
            source=self.source,
            tool=self.tool_id,
            audience=self.tool.authority.audience if self.tool is not None else None,
            passthrough=bearer is not None and bearer.passthrough,
            upstream_status=self.upstream_status,
            duration_ms=round(seconds * 1000, 3),
            trace_id=current_trace_id(),
            detail=None if self.error is None or isinstance(self.error, Invalid) else self.error.detail,
        )


class ToolExecutor:
    """Executes tools for agents. `refuse` is told of an agent token that the identity provider did not accept.

    `clock` counts seconds.
    """

    def __init__(
        self,
        catalog: Catalog,
        upstream_auth: UpstreamAuth,
        upstream: Upstream,
        audit: AuditLog,
        telemetry: Telemetry,
        *,
        upstream_timeout: float,
        refuse: Callable[[AgentToken], Awaitable[None]],
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
        tool_id = tool if isinstance(tool, str) else tool.tool_id
        call = _Call(tool_id, agent, door, found, self._clock())
        with self._telemetry.span("execute_tool", **_attributes(call)) as span:
            try:
                result = await self._steps(call, arguments)
                call.outcome = "upstream_error" if result.is_error else "ok"
                span.set_attribute("http.response.status_code", result.upstream_status)
            except ToolsProviderError as error:
                call.outcome, call.error = error.code, error
                raise
            except asyncio.CancelledError:
                call.outcome = "cancelled"
                raise
            finally:
                await self._write_down(call)
            return result

    async def _steps(self, call: _Call, arguments: Mapping[str, Any]) -> ToolResult:
        tool = self._visible(call)
        _require_scopes(tool, call.agent)
        given = tool.arguments.check(arguments)
        request = build_request(tool.request, given)
        target = _target(tool.authority)
        call.bearer = await self._bearer_for(tool, call.agent, target)
        result = await self._send(call, tool, request)
        if result.upstream_status == 401 and target is not None and call.bearer is not None and call.bearer.cached:
            # The upstream may know of a revocation that the cached token outlived: one new exchange tells.
            await self._upstream_auth.forget(call.agent, target)
            if tool.safe:
                call.bearer = await self._bearer_for(tool, call.agent, target)
                result = await self._send(call, tool, request)
        return result

    def _visible(self, call: _Call) -> Tool:
        if call.tool is None or not self._catalog.may_see(call.agent, call.tool):
            raise NotFound("tool_not_found", NO_SUCH_TOOL)
        return call.tool

    async def _bearer_for(self, tool: Tool, agent: AgentToken, target: ExchangeTarget | None) -> Bearer | None:
        if tool.authority.auth_type == "none":
            return None
        try:
            return await self._upstream_auth.bearer_for(agent, target)
        except InvalidAgentToken:
            await self._refuse(agent)
            raise

    async def _send(self, call: _Call, tool: Tool, request: UpstreamRequest) -> ToolResult:
        bearer = call.bearer.value if call.bearer is not None else None
        if call.bearer is not None and call.bearer.passthrough:
            self._telemetry.passthrough_called(source=tool.source.slug)
        started = self._clock()
        deadline = asyncio.get_running_loop().time() + self._upstream_timeout
        answer = await self._upstream.send(
            request, source=tool.source, server=tool.authority.number, bearer=bearer, deadline=deadline
        )
        call.upstream_status = answer.status
        return read_answer(answer, bearer=bearer, duration_ms=round((self._clock() - started) * 1000, 3))

    async def _write_down(self, call: _Call) -> None:
        seconds = self._clock() - call.started
        self._telemetry.tool_called(source=call.source or "unknown", outcome=call.outcome, seconds=seconds)
        await self._audit.record(call.record(seconds))


def _attributes(call: _Call) -> dict[str, str]:
    if call.tool is None:
        return {"tools_provider.door": call.door}
    return {
        "tools_provider.source": call.tool.source.slug,
        "tools_provider.tool": call.tool_id,
        "tools_provider.door": call.door,
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
