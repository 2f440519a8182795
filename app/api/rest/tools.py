"""The REST door to tools: list them, look at one, execute one."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Path, Query, Request
from fastapi.routing import APIRoute
from pydantic import AfterValidator, BaseModel, Field
from starlette.responses import Response

from app.api.http.dependencies import KNOWN_PARAMETERS, Agent, Tools, composition_of
from app.api.http.disconnect import unless_gone
from app.api.http.paging import Cursor, Limit, page_of
from app.api.rest.failures import BODY, CALL, CALLER, PAGES, PARAMETERS, failures
from app.errors import Invalid, Violation
from app.operation.text import LONGEST_SLUG
from app.telemetry import current_trace_id
from app.tools.answer.result import ToolResult
from app.tools.catalog import Tool

router = APIRouter(prefix="/api/v1/tools", tags=["tools"], dependencies=[KNOWN_PARAMETERS])

_MOST_WORDS = 10  # of a search
_AT_ONCE = 200  # tools that are searched in one go: some 3 ms, where all of them have the longest descriptions
_EXAMPLE = {"tool_id": "pizzeria/get_menu", "arguments": {"category": "pizza"}}


class ToolSummary(BaseModel):
    """A tool as lists show it."""

    tool_id: str = Field(description="What REST calls it: `slug/operation`.", examples=["pizzeria/get_menu"])
    mcp_name: str = Field(description="What MCP calls it: `slug__operation`.", examples=["pizzeria__get_menu"])
    source: str = Field(description="The slug of its source.")
    title: str | None = Field(description="A short name for people, if there is one.")
    description: str = Field(description="What it does, for a model to choose by.")
    method: str = Field(description="The HTTP method that it calls.", examples=["GET"])
    path: str = Field(description="The path template that it calls, as the source's document writes it.")
    tags: tuple[str, ...] = Field(description="The tags of the operation.")
    deprecated: bool = Field(description="Whether the document advises against its use.")


class ToolDetail(ToolSummary):
    """A tool with what it takes and gives."""

    input_schema: dict[str, Any] = Field(description="What `arguments` must be (JSON Schema), by `schema_profile`.")
    output_schema: dict[str, Any] | None = Field(
        description="What `result` is (JSON Schema 2020-12), where the document is clear and the API keeps to it."
    )
    required_scopes: tuple[str, ...] = Field(description="Scopes that the caller's token must all carry.")
    notes: tuple[str, ...] = Field(description="What of its description in the document could not be kept.")


class ToolPage(BaseModel):
    """Some tools."""

    items: list[ToolSummary] = Field(description="The tools, ordered by source and operation.")
    next_cursor: str | None = Field(description="What to give as `cursor` for more; null after the last.")


class ExecuteRequest(BaseModel):
    """Which tool to execute, and how."""

    tool_id: str = Field(description="The tool, as lists name it: `slug/operation`.")
    arguments: dict[str, Any] = Field(default={}, description="Its arguments by name, as its `input_schema` has them.")


class ExecuteAnswer(BaseModel):
    """What the upstream answered."""

    tool_id: str = Field(description="The tool, as asked for.")
    is_error: bool = Field(description="Whether the upstream answered 4xx or 5xx, or redirects.")
    upstream_status: int = Field(description="The HTTP status of the upstream.", examples=[200])
    content_type: str | None = Field(description="The media type that the upstream stated.")
    headers: dict[str, str] = Field(
        description="Those of the upstream's headers that a caller may need, under names in lower case: `link`, "
        "`retry-after`, `location`, `operation-location`, `azure-asyncoperation`, `x-total-count`, `etag`, rate limits "
        "and of `www-authenticate` the reason."
    )
    result: Any = Field(
        description="The body: JSON as it came, streams as a list, other text as a string, anything else as "
        "`{content_type, bytes, base64}`. Of an error page, only the words; of a redirect, where it points."
    )
    truncated: bool = Field(description="Whether the upstream had more to say than is shown.")
    duration_ms: float = Field(description="How long the upstream took, in milliseconds.")
    trace_id: str | None = Field(description="The trace that the call belongs to, as logs and the audit have it.")


class _DirectRoute(APIRoute):
    """A route that FastAPI documents but does not handle, so that a call reads and renders its JSON only once."""

    def get_route_handler(self) -> Any:  # noqa: ANN401 - Starlette's type is private
        return self.endpoint


def _few_words(text: str | None) -> str | None:
    if text is not None and len(text.split()) > _MOST_WORDS:
        raise ValueError(f"has more than {_MOST_WORDS} words")
    return text


@router.get(
    "",
    summary="List the tools that the caller may see",
    response_description="One page of them.",
    responses=failures(CALLER, PARAMETERS, PAGES),
)
async def list_tools(
    agent: Agent,
    catalog: Tools,
    *,
    source: Annotated[
        str | None, Query(max_length=LONGEST_SLUG, description="Only tools of the source with this slug.")
    ] = None,
    q: Annotated[
        str | None,
        Query(
            max_length=200,
            description=f"Only tools with all of these words, at most {_MOST_WORDS}, in id, title, description or "
            "tags, in any case.",
        ),
        AfterValidator(_few_words),
    ] = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> ToolPage:
    """List in a stable order. Tools that come or go between two pages shift nothing."""
    tools = catalog.visible_to(agent)
    if source is not None:
        tools = tuple(tool for tool in tools if tool.source.slug == source)
    if q is not None:
        tools = await _found(tools, q.casefold().split())
    page, next_cursor = page_of(tools, cursor, limit)
    return ToolPage(items=[ToolSummary(**_summary(tool)) for tool in page], next_cursor=next_cursor)


@router.get(
    "/{tool_id:path}",
    summary="Show a tool with its schemas",
    response_description="The tool.",
    responses=failures(CALLER, PARAMETERS, {404: CALL[404]}),
)
async def get_tool(
    tool_id: Annotated[str, Path(description="The tool: `slug/operation`.")], agent: Agent, request: Request
) -> ToolDetail:
    """Show what a tool takes and answers. One that the caller may not see is 404, like one that does not exist."""
    tool = composition_of(request.scope).access.see(agent, tool_id, "rest")
    return ToolDetail(
        **_summary(tool),
        input_schema=tool.operation.listed_schema,
        output_schema=tool.operation.output_schema,
        required_scopes=tuple(sorted(tool.source.required_scopes)),
        notes=tool.operation.notes,
    )


async def execute_tool(request: Request) -> Response:
    """Execute a tool as the caller. An upstream's own 4xx or 5xx is 200 with `is_error: true`."""
    tool_id, arguments = _asked(request.scope.get("json"))
    composition, agent = composition_of(request.scope), request.scope["agent"]
    tool = await composition.access.admit(agent, tool_id, "rest")
    result = await unless_gone(request.receive, composition.executor.execute(tool, arguments, agent, "rest"))
    return Response(_rendered(tool_id, result), media_type="application/json")


router.add_api_route(
    "/execute",
    execute_tool,
    methods=["POST"],
    summary="Execute a tool",
    response_model=ExecuteAnswer,
    response_description="What the upstream answered, its own errors included.",
    responses=failures(CALLER, BODY, CALL),
    route_class_override=_DirectRoute,
    openapi_extra={
        "requestBody": {
            "required": True,
            "description": "The tool and its arguments.",
            "content": {"application/json": {"schema": ExecuteRequest.model_json_schema(), "example": _EXAMPLE}},
        },
        "security": [{"agent_token": []}],
    },
)


def _asked(body: object) -> tuple[str, Mapping[str, Any]]:
    """Return `tool_id` and `arguments` of the body; null arguments count as none. Raises Invalid."""
    if not isinstance(body, dict):
        raise _misfit(Violation("", "must be a JSON object: {tool_id, arguments}"))
    tool_id, arguments = body.get("tool_id"), body.get("arguments")
    if not isinstance(tool_id, str):
        raise _misfit(Violation("/tool_id", "is required and must be a string"))
    if arguments is not None and not isinstance(arguments, dict):
        raise _misfit(Violation("/arguments", "must be an object of arguments by name"))
    if unknown := sorted(body.keys() - {"tool_id", "arguments"}):
        raise _misfit(Violation(f"/{unknown[0]}", "is unknown; the arguments of the tool go into `arguments`"))
    return tool_id, arguments or {}


def _misfit(violation: Violation) -> Invalid:
    return Invalid("invalid_request", "The request is not valid; `violations` says where and why.", [violation])


def _rendered(tool_id: str, result: ToolResult) -> bytes:
    # JSON of the upstream is spliced in as it came: parsing and rendering it again would cost more than the rest.
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


async def _found(tools: Sequence[Tool], words: Sequence[str]) -> tuple[Tool, ...]:
    """Return the tools with all of the words; between some and some more, others have their turn."""
    found: list[Tool] = []
    for start in range(0, len(tools), _AT_ONCE):
        found += [tool for tool in tools[start : start + _AT_ONCE] if _matches(tool, words)]
        await asyncio.sleep(0)
    return tuple(found)


def _matches(tool: Tool, words: Sequence[str]) -> bool:
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
