"""May this agent call this tool? Decided here and nowhere else; a door asks once for each call."""

from app.audit.outcome import Door, Outcomes
from app.errors import InsufficientScope, NotFound, ToolsProviderError
from app.identity.agent_token import AgentToken
from app.telemetry import Telemetry
from app.tools.catalog import Catalog, Tool

_UNKNOWN = (
    "There is no tool with that name that you may see. List the tools to find the exact name: tools/list over MCP, "
    "GET /api/v1/tools over REST."
)


class Access:
    """`asked` is how the door names tools: `slug/operation` over REST, `slug__operation` over MCP."""

    def __init__(self, catalog: Catalog, audit: Outcomes, telemetry: Telemetry) -> None:
        self._catalog = catalog
        self._audit = audit
        self._telemetry = telemetry

    def see(self, agent: AgentToken, asked: str, door: Door) -> Tool:
        """Return the tool; raises NotFound alike for one that does not exist and one that the agent may not see."""
        tool = self._named(asked, door)
        if not self._catalog.may_see(agent, tool) or tool is None:
            raise NotFound("tool_not_found", _UNKNOWN)
        return tool

    async def admit(self, agent: AgentToken, asked: str, door: Door) -> Tool:
        """Return the tool that the agent may call now. Raises NotFound and InsufficientScope, once on record.

        What is hidden leaves the record of what is not there: metrics, time and audit tell no more than the answer.
        """
        try:
            tool = self.see(agent, asked, door)
        except NotFound as unknown:
            await self._record(unknown, agent, door, None, asked)
            raise
        try:
            self._check_scopes(agent, tool)
        except InsufficientScope as refusal:
            await self._record(refusal, agent, door, tool.source.slug, tool.tool_id)
            raise
        return tool

    async def _record(
        self, refusal: ToolsProviderError, agent: AgentToken, door: Door, source: str | None, tool: str
    ) -> None:
        self._telemetry.tool_called(source=source or "unknown", outcome=refusal.code, seconds=0)
        await self._audit.refused(refusal, door, action="execute", agent=agent, source=source, tool=tool)

    def _check_scopes(self, agent: AgentToken, tool: Tool) -> None:
        required = tool.source.required_scopes
        if not required <= agent.scopes:
            # With those that other tools need of it, or the agent's user would sign in anew at every change of tool.
            held = self._catalog.required_scopes & agent.scopes
            raise InsufficientScope(
                sorted(required | held),
                f"This tool needs a token with the scopes {' '.join(sorted(required))}. Ask for all of them.",
            )

    def _named(self, asked: str, door: Door) -> Tool | None:
        return self._catalog.find_by_mcp_name(asked) if door == "mcp" else self._catalog.find(asked)
