"""`/api/v1/sources`: admins register, change, refresh and remove sources."""

import base64
import binascii
import re
from typing import Annotated

from fastapi import APIRouter, Header, Query, Response
from pydantic import BaseModel

from app.api.dependencies import Admin, Sources
from app.errors import Invalid
from app.openapi.conversion import ReportItem
from app.openapi.operation import Operation
from app.sources.models import SourceCreate, SourceRead, SourceUpdate, is_slug

router = APIRouter(prefix="/api/v1/sources", tags=["sources"])

_VERSION_TAG = re.compile(r'"[0-9]{1,18}"')

IfMatch = Annotated[str | None, Header()]


class SourceTool(BaseModel):
    """A tool that a source offers."""

    tool_id: str
    name: str
    method: str
    path: str


class RegisteredAnswer(SourceRead):
    """A source, what became of each operation of its document, and the tools."""

    report: list[ReportItem]
    tools: list[SourceTool]


class RefreshedAnswer(SourceRead):
    """A source after a refresh, with the ids of the tools that the refresh added, removed or changed."""

    added: list[str]
    removed: list[str]
    changed: list[str]


class SourcesAnswer(BaseModel):
    """One page of sources."""

    items: list[SourceRead]
    next_cursor: str | None


class ReportAnswer(BaseModel):
    """What became of each operation of a document."""

    items: list[ReportItem]
    next_cursor: None = None


@router.post("", status_code=201)
async def register(create: SourceCreate, admin: Admin, registration: Sources, response: Response) -> RegisteredAnswer:
    """Register a source: its document is fetched and its operations become tools at once."""
    registered = await registration.register(create, admin)
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
    registration: Sources,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
    cursor: Annotated[str | None, Query(max_length=100)] = None,
) -> SourcesAnswer:
    """List the sources in the order of their slugs."""
    page = await registration.page(limit, None if cursor is None else _read_cursor(cursor))
    next_cursor = None if page.next_after is None else _write_cursor(page.next_after)
    return SourcesAnswer(items=list(page.items), next_cursor=next_cursor)


@router.get("/{source}")
async def read(source: str, _: Admin, registration: Sources, response: Response) -> SourceRead:
    """Show the source of that id or slug."""
    found = await registration.find(source)
    response.headers["ETag"] = _etag(found)
    return found


@router.patch("/{source}")
async def update(
    source: str,
    changes: SourceUpdate,
    admin: Admin,
    registration: Sources,
    response: Response,
    if_match: IfMatch = None,
) -> SourceRead:
    """Change what is sent; effective on the next call."""
    updated = await registration.update(source, changes, admin, _versions(if_match))
    response.headers["ETag"] = _etag(updated)
    return updated


@router.delete("/{source}", status_code=204)
async def remove(source: str, admin: Admin, registration: Sources, if_match: IfMatch = None) -> None:
    """Remove the source; its tools answer 404 from now on."""
    await registration.remove(source, admin, _versions(if_match))


@router.post("/{source}/refresh")
async def refresh(source: str, admin: Admin, registration: Sources, response: Response) -> RefreshedAnswer:
    """Read the document anew; on failure the last good inventory stays and the source is `stale`."""
    refreshed = await registration.refresh(source, admin)
    slug = refreshed.source.slug
    response.headers["ETag"] = _etag(refreshed.source)
    return RefreshedAnswer(
        **refreshed.source.model_dump(),
        added=[f"{slug}/{name}" for name in refreshed.difference.added],
        removed=[f"{slug}/{name}" for name in refreshed.difference.removed],
        changed=[f"{slug}/{name}" for name in refreshed.difference.changed],
    )


@router.get("/{source}/report")
async def report(source: str, _: Admin, registration: Sources) -> ReportAnswer:
    """Show what became of each operation of the document, and why."""
    return ReportAnswer(items=list(await registration.report(source)))


def _tool(source: SourceRead, operation: Operation) -> SourceTool:
    return SourceTool(
        tool_id=f"{source.slug}/{operation.name}",
        name=f"{source.slug}__{operation.name}",
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


def _write_cursor(slug: str) -> str:
    return base64.urlsafe_b64encode(f"after:{slug}".encode()).decode().rstrip("=")


def _read_cursor(cursor: str) -> str:
    try:
        kind, _, slug = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode().partition(":")
    except (ValueError, binascii.Error):
        kind, slug = "", ""
    if kind != "after" or not is_slug(slug):
        raise Invalid(
            "cursor_invalid", "This cursor is not one of ours. Use `next_cursor` of the page before, unchanged."
        )
    return slug
