"""The MCP door: which tools an agent sees, and its calls. The SDK speaks the protocol, in both of its eras."""

from collections.abc import Mapping
from typing import Any, cast

import structlog
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel.server import Server
from mcp.shared.exceptions import MCPError
from mcp_types import (
    INVALID_PARAMS,
    CallToolRequestParams,
    CallToolResult,
    ListToolsResult,
    PaginatedRequestParams,
    Tool,
    ToolAnnotations,
)
from starlette.requests import Request

from app.api.http.paging import page_of
from app.api.mcp.results import promise_of, refusal_result, tool_result, unforeseen_result
from app.errors import Invalid, NotFound, ToolsProviderError
from app.identity.agent_token import AgentToken
from app.telemetry import current_trace_id
from app.tools.arguments import Arguments
from app.tools.catalog import Catalog
from app.tools.catalog import Tool as CatalogTool
from app.tools.executor import ToolExecutor

PAGE_BYTES = 8_000_000
LIST_LIFE_MS = 30_000

_INSTRUCTIONS = (
    "Each tool is one operation of an HTTP API and runs with the rights of the signed-in user. A result with isError "
    "says in its text what to do. In structured content, other_answer holds what the API answered when that is an "
    "error or not as documented, as a text where it is not JSON."
)
_log = structlog.get_logger(__name__)


class McpDoor:
    """Answers `tools/list` and `tools/call`.

    The HTTP request brings the verified agent token as `scope["agent"]`, the tool that the agent may call, or NotFound,
    as `scope["tool"]`, and arguments that the SDK cannot read as `scope["arguments"]` (entry.py).
    """

    def __init__(self, catalog: Catalog, executor: ToolExecutor, *, page_size: int) -> None:
        self._catalog = catalog
        self._executor = executor
        self._page_size = page_size

    def server(self, version: str) -> Server[Any]:
        """Return the SDK's server with this door's handlers."""
        return Server(
            "mcp-tools-provider",
            title="MCP Tools Provider",
            version=version,
            instructions=_INSTRUCTIONS,
            on_list_tools=self._list_tools,
            on_call_tool=self._call_tool,
            get_tool_input_schema=_no_mirrored_arguments,
        )

    async def _list_tools(
        self, context: ServerRequestContext[Any], params: PaginatedRequestParams | None
    ) -> ListToolsResult:
        visible = self._catalog.visible_to(_agent_of(context))
        try:
            cursor = params.cursor if params is not None else None
            page, next_cursor = page_of(visible, cursor, self._page_size, PAGE_BYTES)
        except Invalid as error:
            raise MCPError(INVALID_PARAMS, error.detail) from None
        return ListToolsResult(
            tools=[_described(tool, context.protocol_version) for tool in page],
            next_cursor=next_cursor,
            ttl_ms=LIST_LIFE_MS,
            cache_scope="private",
        )

    async def _call_tool(self, context: ServerRequestContext[Any], params: CallToolRequestParams) -> CallToolResult:
        agent = _agent_of(context)
        try:
            tool = _decided(context)
            result = await self._executor.execute(tool, _arguments_of(context, params), agent, "mcp")
        except NotFound as error:
            raise MCPError(INVALID_PARAMS, error.detail, {"code": error.code, "trace_id": current_trace_id()}) from None
        except ToolsProviderError as error:
            return refusal_result(error)
        except Exception:  # noqa: BLE001 - the outermost place: whatever it is, the agent gets a result
            _log.exception("internal_error", tool=params.name)
            return unforeseen_result()
        return tool_result(result, tool, context.protocol_version)


def _agent_of(context: ServerRequestContext[Any]) -> AgentToken:
    # api/mcp/entry.py lets nothing pass without one; an error is safer than a second opinion.
    return cast("AgentToken", cast("Request", context.request).scope["agent"])


def _decided(context: ServerRequestContext[Any]) -> CatalogTool:
    decision: CatalogTool | NotFound = cast("Request", context.request).scope["tool"]
    if isinstance(decision, NotFound):
        raise decision
    return decision


def _arguments_of(context: ServerRequestContext[Any], params: CallToolRequestParams) -> Arguments:
    unreadable: Arguments | None = cast("Request", context.request).scope.get("arguments")
    return params.arguments or {} if unreadable is None else unreadable


def _no_mirrored_arguments(_name: str) -> Mapping[str, Any] | None:
    """Tell the SDK that no argument is mirrored in a header: conversion keeps no `x-mcp-header` of a document.

    Without this hook the SDK lists all tools again for every call.
    """
    return None


def _described(tool: CatalogTool, protocol_version: str) -> Tool:
    operation, hints = tool.operation, tool.hints
    promise = promise_of(tool, protocol_version)
    return Tool(
        name=tool.mcp_name,
        title=operation.title,
        description=operation.description,
        input_schema=operation.listed_schema,
        output_schema=promise.published if promise is not None else None,
        annotations=ToolAnnotations(
            title=operation.title,
            read_only_hint=hints.read_only,
            destructive_hint=hints.destructive,
            idempotent_hint=hints.idempotent,
            open_world_hint=True,
        ),
    )
