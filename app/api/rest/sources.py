"""`/api/v1/sources`: admins register, change, refresh and remove sources."""

import re
from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Header, Query, Response
from pydantic import BaseModel, Field

from app import cursors
from app.api.http.dependencies import Admin, Sources, Uploaded
from app.curation.curation import ListedTool
from app.curation.overrides import ToolUpdate
from app.differences.operations import Changes
from app.differences.schemas import Impact
from app.operation.operation import Operation, ReportItem
from app.operation.text import is_slug, mcp_name, tool_id
from app.sources.forms import SourceCreate, SourceRead, SourceUpdate

router = APIRouter(prefix="/api/v1/sources", tags=["sources"])

_CURSOR = "after"
_VERSION_TAG = re.compile(r'"[0-9]{1,18}"')

IfMatch = Annotated[str | None, Header()]


class SourceTool(BaseModel):
    """A tool that a source offers."""

    tool_id: str
    name: str
    method: str
    path: str


class ToolDifference(BaseModel):
    """One thing that is not as before; `pointer` leads into the input schema of the tool."""

    impact: Impact = Field(serialization_alias="class")
    kind: str
    pointer: str | None
    before: Any
    after: Any


class ToolChange(BaseModel):
    """A tool that is not as before. `class` is the worst of all changes; `left_out` are not among those shown."""

    tool_id: str
    method: str
    path: str
    impact: Impact = Field(serialization_alias="class")
    changes: list[ToolDifference]
    left_out: int


class RegisteredAnswer(SourceRead):
    """A source, what became of each operation of its document, and the tools."""

    report: list[ReportItem]
    tools: list[SourceTool]


class RefreshedAnswer(SourceRead):
    """A source after a refresh, with the ids of the tools that it added, removed or changed, and how."""

    added: list[str]
    removed: list[str]
    changed: list[str]
    classes: dict[Impact, int]
    changes: list[ToolChange]
    changes_left_out: int


class SourcesAnswer(BaseModel):
    """One page of sources."""

    items: list[SourceRead]
    next_cursor: str | None


class LastChanges(BaseModel):
    """What the last reading of the document that changed anything has changed, and when."""

    at: datetime
    classes: dict[Impact, int]
    items: list[ToolChange]
    left_out: int


class ReportAnswer(BaseModel):
    """What became of each operation of a document, and what has changed."""

    items: list[ReportItem]
    changes: LastChanges | None
    next_cursor: None = None


class CuratedToolAnswer(BaseModel):
    """An operation and what an admin made of it.

    `operation` is its name by the document, by which it is changed here. `tool_id` and `name` are what agents call it;
    null where it is no tool, for the `reason`. `override` is what was said of it.
    """

    operation: str | None
    tool_id: str | None
    name: str | None
    method: str
    path: str
    status: Literal["ready", "degraded", "skipped"]
    reason: str | None
    override: dict[str, Any] | None


class CuratedToolsAnswer(BaseModel):
    """Every operation that could be a tool, and every override whose operation the document does not have now."""

    items: list[CuratedToolAnswer]
    next_cursor: None = None


@router.post("", status_code=201)
async def register(
    create: SourceCreate, admin: Admin, sources: Sources, document: Uploaded, response: Response
) -> RegisteredAnswer:
    """Register a source: its document is fetched, unless it was sent, and its operations become tools at once."""
    registered = await sources.register(create, admin, document)
    source = registered.source
    response.headers["Location"] = f"{router.prefix}/{source.id}"
    response.headers["ETag"] = _etag(source)
    return RegisteredAnswer(
        **source.model_dump(),
        report=list(registered.report),
        tools=[_tool(source, operation) for operation in registered.operations],
    )


@router.get("")
async def list_sources(
    _: Admin,
    sources: Sources,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
    cursor: Annotated[str | None, Query(max_length=100)] = None,
) -> SourcesAnswer:
    """List the sources in the order of their slugs."""
    page, next_after = await sources.queries.page(
        limit, None if cursor is None else cursors.read(cursor, _CURSOR, is_slug)
    )
    next_cursor = None if next_after is None else cursors.written(_CURSOR, next_after)
    return SourcesAnswer(items=list(page), next_cursor=next_cursor)


@router.get("/{source}")
async def read(source: str, _: Admin, sources: Sources, response: Response) -> SourceRead:
    """Show the source of that id or slug."""
    found = await sources.queries.find(source)
    response.headers["ETag"] = _etag(found)
    return found


@router.patch("/{source}")
async def update(
    source: str,
    changed: SourceUpdate,
    admin: Admin,
    sources: Sources,
    document: Uploaded,
    response: Response,
    if_match: IfMatch = None,
) -> SourceRead:
    """Change what is sent; effective on the next call."""
    updated = await sources.update(source, changed, admin, _versions(if_match), document)
    response.headers["ETag"] = _etag(updated)
    return updated


@router.delete("/{source}", status_code=204)
async def remove(source: str, admin: Admin, sources: Sources, if_match: IfMatch = None) -> None:
    """Remove the source; its tools answer 404 from now on."""
    await sources.remove(source, admin, _versions(if_match))


@router.post("/{source}/refresh")
async def refresh(
    source: str,
    admin: Admin,
    sources: Sources,
    response: Response,
    *,
    force: Annotated[bool, Query(description="Read the document although it has not changed.")] = False,
) -> RefreshedAnswer:
    """Read the document anew if it has changed; on failure the last good inventory stays, the source is `stale`."""
    refreshed = await sources.refresh(source, admin, force=force)
    slug, changes = refreshed.source.slug, refreshed.changes
    response.headers["ETag"] = _etag(refreshed.source)
    return RefreshedAnswer(
        **refreshed.source.model_dump(),
        added=[tool_id(slug, name) for name in changes.added],
        removed=[tool_id(slug, name) for name in changes.removed],
        changed=[tool_id(slug, name) for name in changes.changed],
        classes=changes.classes,
        changes=_shown(slug, changes),
        changes_left_out=changes.left_out,
    )


@router.get("/{source}/report")
async def report(source: str, _: Admin, sources: Sources) -> ReportAnswer:
    """Show what became of each operation of the document, and why, and what has changed since the reading before."""
    found = await sources.queries.offering(source)
    slug, changes = found.source.slug, found.changes
    if changes is None:
        return ReportAnswer(items=list(found.report), changes=None)
    last = LastChanges(at=changes.at, classes=changes.classes, items=_shown(slug, changes), left_out=changes.left_out)
    return ReportAnswer(items=list(found.report), changes=last)


def _shown(slug: str, changes: Changes) -> list[ToolChange]:
    return [
        ToolChange(
            tool_id=tool_id(slug, each.name),
            method=each.method,
            path=each.path,
            impact=each.impact,
            changes=[ToolDifference(**asdict(difference)) for difference in each.differences],
            left_out=each.left_out,
        )
        for each in changes.operations
    ]


@router.get("/{source}/tools")
async def list_tools(source: str, _: Admin, sources: Sources, response: Response) -> CuratedToolsAnswer:
    """Show what became of each operation, hidden ones and those under an override included."""
    found, tools = await sources.queries.tools(source)
    response.headers["ETag"] = _etag(found)
    return CuratedToolsAnswer(items=[_curated(found, tool) for tool in tools])


@router.patch("/{source}/tools/{operation}")
async def shape_tool(
    source: str,
    operation: str,
    changed: ToolUpdate,
    admin: Admin,
    sources: Sources,
    response: Response,
    if_match: IfMatch = None,
) -> CuratedToolAnswer:
    """Change what is sent of a tool; null takes a field back to the document. Effective on the next call."""
    after, tool = await sources.shape(source, operation, changed, admin, _versions(if_match))
    response.headers["ETag"] = _etag(after)
    return _curated(after, tool)


@router.delete("/{source}/tools/{operation}", status_code=204)
async def reset_tool(
    source: str, operation: str, admin: Admin, sources: Sources, response: Response, if_match: IfMatch = None
) -> None:
    """Take a tool back to what the document says of it."""
    after, _ = await sources.shape(source, operation, None, admin, _versions(if_match))
    response.headers["ETag"] = _etag(after)


def _curated(source: SourceRead, tool: ListedTool) -> CuratedToolAnswer:
    method, path = tool.key
    return CuratedToolAnswer(
        operation=tool.operation,
        tool_id=None if tool.name is None else tool_id(source.slug, tool.name),
        name=None if tool.name is None else mcp_name(source.slug, tool.name),
        method=method,
        path=path,
        status=tool.status,
        reason=tool.reason,
        override=None if tool.override is None else tool.override.stated(),
    )


def _tool(source: SourceRead, operation: Operation) -> SourceTool:
    return SourceTool(
        tool_id=tool_id(source.slug, operation.name),
        name=mcp_name(source.slug, operation.name),
        method=operation.method,
        path=operation.path,
    )


def _etag(source: SourceRead) -> str:
    return f'"{source.version}"'


def _versions(if_match: str | None) -> frozenset[int] | None:
    """Return the versions that `If-Match` names (RFC 9110 section 13.1.1); None for any. A foreign tag names none."""
    if if_match is None or if_match.strip() == "*":
        return None
    tags = (tag.strip() for tag in if_match.split(","))
    return frozenset(int(tag[1:-1]) for tag in tags if _VERSION_TAG.fullmatch(tag))
