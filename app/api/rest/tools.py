"""The REST door to tools: list them, look at one, execute one."""

from collections.abc import Mapping
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Query, Request
from fastapi.routing import APIRoute
from pydantic import BaseModel
from starlette.responses import Response

from app.api.http.dependencies import Agent, Tools, composition_of
from app.api.http.disconnect import unless_gone
from app.api.http.paging import page_of
from app.errors import Invalid, ToolsProviderError, Violation
from app.telemetry import current_trace_id
from app.tools.answer.result import ToolResult
from app.tools.catalog import Tool

router = APIRouter(prefix="/api/v1/tools", tags=["tools"])


class ToolSummary(BaseModel):
    """A tool as lists show it."""

    tool_id: str
    mcp_name: str
    source: str
    title: str | None
    description: str
    method: str
    path: str
    tags: tuple[str, ...]
    deprecated: bool


class ToolDetail(ToolSummary):
    """A tool with what it takes and gives (JSON Schema 2020-12), and what of its description could not be kept."""

    input_schema: dict[str, Any]
    output_schema: dict[str, Any] | None
    required_scopes: tuple[str, ...]
    notes: tuple[str, ...]


class ToolPage(BaseModel):
    """Some tools; `next_cursor` leads to more."""

    items: list[ToolSummary]
    next_cursor: str | None


class ExecuteRequest(BaseModel):
    """Which tool, and its arguments by name."""

    tool_id: str
    arguments: dict[str, Any] = {}


class ExecuteAnswer(BaseModel):
    """What the upstream answered. `result` is its JSON as it came, or its text, or a description of binary content.

    `headers` are those of the upstream's that a caller may need, under names in lower case.
    """

    tool_id: str
    is_error: bool
    upstream_status: int
    content_type: str | None
    headers: dict[str, str]
    result: Any
    truncated: bool
    duration_ms: float
    trace_id: str | None


class _DirectRoute(APIRoute):
    """A route that FastAPI documents but does not handle: the path of a call reads and renders JSON once."""

    def get_route_handler(self) -> Any:  # noqa: ANN401 - Starlette's type is private
        return self.endpoint


@router.get("", summary="The tools that the caller may see")
async def list_tools(
    agent: Agent,
    catalog: Tools,
    *,
    source: Annotated[str | None, Query(description="Only tools of the source with this slug.")] = None,
    q: Annotated[
        str | None, Query(max_length=200, description="Only tools with these words in name, title or description.")
    ] = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
    cursor: str | None = None,
) -> ToolPage:
    """List in a stable order; `q` ignores case, and all of its words must be found."""
    words = (q or "").casefold().split()
    tools = [
        tool
        for tool in catalog.visible_to(agent)
        if (source is None or tool.source.slug == source) and _matches(tool, words)
    ]
    page, next_cursor = page_of(tools, cursor, limit)
    return ToolPage(items=[ToolSummary(**_summary(tool)) for tool in page], next_cursor=next_cursor)


@router.get("/{tool_id:path}", summary="One tool with its schemas")
async def get_tool(tool_id: str, agent: Agent, request: Request) -> ToolDetail:
    """Answer 404 for what the caller may not see, as for what does not exist."""
    tool = composition_of(request.scope).access.see(agent, tool_id, "rest")
    return ToolDetail(
        **_summary(tool),
        input_schema=tool.operation.input_schema,
        output_schema=tool.operation.output_schema,
        required_scopes=tuple(sorted(tool.source.required_scopes)),
        notes=tool.operation.notes,
    )


async def execute(request: Request) -> Response:
    """Execute a tool as the caller. An upstream's own 4xx or 5xx is 200 with `is_error: true`."""
    tool_id, arguments = _asked(request.scope.get("json"))
    composition, agent = composition_of(request.scope), request.scope["agent"]
    try:
        tool = composition.access.decide(agent, tool_id, "rest")
    except ToolsProviderError as refusal:
        await composition.access.refused(refusal, agent, tool_id, "rest")
        raise
    result = await unless_gone(request.receive, composition.executor.execute(tool, arguments, agent, "rest"))
    return Response(_rendered(tool_id, result), media_type="application/json")


router.add_api_route(
    "/execute",
    execute,
    methods=["POST"],
    summary="Execute a tool",
    response_model=ExecuteAnswer,
    route_class_override=_DirectRoute,
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": ExecuteRequest.model_json_schema()}},
        },
        "security": [{"agent token": []}],
    },
)


def _asked(body: object) -> tuple[str, Mapping[str, Any]]:
    """Return `tool_id` and `arguments` of the body; null arguments count as none. Raises Invalid."""
    if not isinstance(body, dict):
        raise _misfit(Violation("", "must be a JSON object: {tool_id, arguments}"))
    tool_id, arguments = body.get("tool_id"), body.get("arguments")
    if not isinstance(tool_id, str):
        raise _misfit(Violation("/tool_id", "is required, a string"))
    if arguments is not None and not isinstance(arguments, dict):
        raise _misfit(Violation("/arguments", "must be an object of arguments by name"))
    if unknown := sorted(body.keys() - {"tool_id", "arguments"}):
        raise _misfit(Violation(f"/{unknown[0]}", "is unknown; the arguments of the tool go into `arguments`"))
    return tool_id, arguments or {}


def _misfit(violation: Violation) -> Invalid:
    return Invalid("invalid_request", "The request does not fit; `violations` says where and why.", [violation])


def _rendered(tool_id: str, result: ToolResult) -> bytes:
    # JSON of the upstream is spliced in as it came: parsing and writing it again would cost more than all the rest.
    body: object = orjson.Fragment(result.raw) if result.kind == "json" else result.body
    return orjson.dumps(
        {
            "tool_id": tool_id,
            "is_error": result.is_error,
            "upstream_status": result.upstream_status,
            "content_type": result.content_type,
            "headers": result.headers,
            "result": body,
            "truncated": result.truncated,
            "duration_ms": round(result.duration_ms, 3),
            "trace_id": current_trace_id(),
        }
    )


def _matches(tool: Tool, words: list[str]) -> bool:
    if not words:
        return True
    operation = tool.operation
    text = f"{tool.tool_id} {operation.title or ''} {operation.description} {' '.join(operation.tags)}".casefold()
    return all(word in text for word in words)


def _summary(tool: Tool) -> dict[str, Any]:
    operation = tool.operation
    return {
        "tool_id": tool.tool_id,
        "mcp_name": tool.mcp_name,
        "source": tool.source.slug,
        "title": operation.title,
        "description": operation.description,
        "method": operation.method.upper(),
        "path": operation.path,
        "tags": operation.tags,
        "deprecated": operation.deprecated,
    }
