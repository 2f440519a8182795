"""One call of a tool, from the arguments to the result, in order."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from time import perf_counter

from app.audit.outcome import Door, Outcome, Outcomes
from app.credentials.credential import Presented
from app.errors import InvalidAgentToken
from app.identity.agent_token import AgentToken
from app.telemetry import Telemetry
from app.tools.answer.result import ToolResult, read_answer
from app.tools.arguments import AT_ONCE, Arguments, TakesLonger
from app.tools.catalog import Tool
from app.tools.request.plan import UpstreamRequest, build_request
from app.tools.upstream import Upstream

_MANY = 2_000  # values; to check so many and to write them takes some hundredths of a second at the worst


class ToolExecutor:
    """Executes tools for agents. `refuse` is told of an agent token that the identity provider did not accept.

    `request_bytes` is the most that the body of a call may have; `clock` counts seconds.
    """

    def __init__(
        self,
        upstream: Upstream,
        audit: Outcomes,
        telemetry: Telemetry,
        *,
        upstream_timeout: float,
        request_bytes: int,
        refuse: Callable[[AgentToken], Awaitable[None]],
        clock: Callable[[], float] = perf_counter,
    ) -> None:
        self._upstream = upstream
        self._audit = audit
        self._telemetry = telemetry
        self._upstream_timeout = upstream_timeout
        self._request_bytes = request_bytes
        self._refuse = refuse
        self._clock = clock
        self._apart = ThreadPoolExecutor(1, "arguments")

    async def execute(self, tool: Tool, arguments: Arguments, agent: AgentToken, door: Door) -> ToolResult:
        """Return the upstream's answer, whatever its status; the call's audit record is durable by then.

        That the agent may call the tool has been decided (access.py). Raises Invalid, TooLarge, and what the credential
        and the upstream raise.
        """
        with self._telemetry.span("execute_tool", **_attributes(tool, door)) as span:
            async with self._audit.outcome(
                kind="call", action="execute", agent=agent, door=door, ended=partial(self._measure, tool)
            ) as call:
                call.tool, call.source, call.audience = tool.tool_id, tool.source.slug, tool.authority.audience
                result = await self._steps(call, tool, arguments, agent)
                call.code = result.outcome
                span.set_attribute("http.response.status_code", result.upstream_status)
            return result

    async def _steps(self, call: Outcome, tool: Tool, arguments: Arguments, agent: AgentToken) -> ToolResult:
        request = await self._built(tool, arguments)
        presented = await self._presented(tool, agent)
        result = await self._send(call, tool, request, presented, agent)
        if result.upstream_status == 401 and presented.cached:
            # The upstream may know of a revocation that the cached token outlived: a new one tells.
            await tool.credential.forget(agent)
            if tool.safe:
                presented = await self._presented(tool, agent)
                result = await self._send(call, tool, request, presented, agent)
        return result

    async def _built(self, tool: Tool, arguments: Arguments) -> UpstreamRequest:
        """Return the request; one that takes long to check or to write is made in a thread, where its like wait."""
        if not _are_many(arguments):
            with suppress(TakesLonger):
                return self._build(tool, arguments, AT_ONCE)
        return await asyncio.get_running_loop().run_in_executor(self._apart, self._build, tool, arguments)

    def _build(self, tool: Tool, arguments: Arguments, *most: int) -> UpstreamRequest:
        return build_request(tool.request, tool.arguments.check(arguments, *most), self._request_bytes)

    async def _presented(self, tool: Tool, agent: AgentToken) -> Presented:
        try:
            return await tool.credential.headers(agent)
        except InvalidAgentToken:
            await self._refuse(agent)
            raise

    async def _send(
        self, call: Outcome, tool: Tool, request: UpstreamRequest, presented: Presented, agent: AgentToken
    ) -> ToolResult:
        call.passthrough, call.exchanged_token_id = presented.passthrough, presented.exchanged_token_id
        if presented.passthrough:
            self._telemetry.passthrough_called(source=tool.source.slug)
        started = self._clock()
        deadline = asyncio.get_running_loop().time() + self._upstream_timeout
        answer = await self._upstream.send(
            request,
            source=tool.source,
            server=tool.authority.number,
            credential=presented.headers,
            deadline=deadline,
            caller=agent.subject,
        )
        call.upstream_status = answer.status
        return read_answer(answer, secret=presented.secret, duration_ms=round((self._clock() - started) * 1000, 3))

    def _measure(self, tool: Tool, call: Outcome) -> None:
        self._telemetry.tool_called(source=tool.source.slug, outcome=call.code, seconds=call.seconds)


def _are_many(arguments: Arguments) -> bool:
    pending, left = [arguments], _MANY
    while pending and left > 0:
        inner = pending.pop()
        if isinstance(inner, Mapping | list):
            left -= len(inner)
            pending += inner.values() if isinstance(inner, Mapping) else inner
    return left <= 0


def _attributes(tool: Tool, door: Door) -> dict[str, str]:
    return {
        "tools_provider.source": tool.source.slug,
        "tools_provider.tool": tool.tool_id,
        "tools_provider.door": door,
    }
