"""`/api/v1/sources`: admins register, change, refresh and remove sources."""

import re
from typing import Annotated, Any

from fastapi import APIRouter, Header, Path, Query, Response

from app import cursors
from app.api.http.dependencies import KNOWN_PARAMETERS, Admin, Sources
from app.api.http.paging import Cursor, Limit
from app.api.rest.failures import (
    ADMIN,
    AUDIENCES,
    BODY,
    CALL,
    CALLER,
    CHANGED,
    DOCUMENT,
    PAGES,
    PARAMETERS,
    SOURCE,
    Responses,
    failures,
)
from app.api.rest.source_answers import (
    CuratedToolAnswer,
    CuratedToolsAnswer,
    LastChanges,
    RefreshedAnswer,
    RegisteredAnswer,
    ReportAnswer,
    SourcesAnswer,
    curated_tool,
    offered_tool,
    shown_changes,
)
from app.curation.overrides import ToolUpdate
from app.operation.naming import names_over
from app.operation.text import is_slug, tool_id
from app.pieces import in_pieces
from app.sources.forms import Offering, SourceCreate, SourceRead, SourceUpdate

router = APIRouter(prefix="/api/v1/sources", tags=["sources"], dependencies=[KNOWN_PARAMETERS])

_CURSOR = "after"
_EXAMPLE = {"name": "Pizzeria", "url": "https://pizzeria.example.com/openapi.json", "default_audience": "pizzeria"}
_MULTIPART: dict[str, Any] = {
    "multipart/form-data": {
        "schema": {
            "type": "object",
            "properties": {
                "source": {"$ref": "#/components/schemas/SourceCreate", "description": "The source, as JSON."},
                "document": {"type": "string", "format": "binary", "description": "The OpenAPI document, as a file."},
            },
            "required": ["source"],
        },
        "encoding": {"source": {"contentType": "application/json"}},
    }
}  # api/rest/source_documents.py takes it
_VERSION_TAG = re.compile(r'"[0-9]{1,18}"')

SourceKey = Annotated[str, Path(description="The id or the slug of the source.")]
OperationName = Annotated[str, Path(description="The name of the operation in the document, as lists show it.")]
_ETAG = {"ETag": {"description": "The version of the source, for `If-Match`.", "schema": {"type": "string"}}}
_LOCATION = {"Location": {"description": "Where the source is.", "schema": {"type": "string"}}}
TAGGED: Responses = {200: {"headers": _ETAG}}
_REGISTERED: Responses = {201: {"headers": _ETAG | _LOCATION}}
_RESET: Responses = {204: {"headers": _ETAG}}

IfMatch = Annotated[
    str | None,
    Header(
        alias="If-Match",
        description="Only if the source still has this `ETag` (RFC 9110 section 13.1.1); left out: in any case.",
    ),
]


@router.post(
    "",
    status_code=201,
    summary="Register a source",
    response_description="The source, as it was registered.",
    responses=_REGISTERED
    | failures(
        CALLER, ADMIN, BODY, DOCUMENT, AUDIENCES, {409: ("slug_taken",), 422: ("slug_required", "invalid_overrides")}
    ),
    openapi_extra={"requestBody": {"content": {"application/json": {"example": _EXAMPLE}} | _MULTIPART}},
)
async def register_source(create: SourceCreate, admin: Admin, sources: Sources, response: Response) -> RegisteredAnswer:
    """Register a source: its document is fetched, unless it was sent, and its operations become tools at once."""
    return await registered(await sources.register(create, admin), response)


async def registered(offering: Offering, response: Response) -> RegisteredAnswer:
    """Return the answer to a registration."""
    source = offering.source
    response.headers["Location"] = f"{router.prefix}/{source.id}"
    response.headers["ETag"] = etag(source)
    tools = await in_pieces(offered_tool(source, operation) for operation in offering.operations)
    return RegisteredAnswer(**source.model_dump(), report=list(offering.report), tools=tools)


@router.get(
    "",
    summary="List the sources",
    response_description="One page of them.",
    responses=failures(CALLER, ADMIN, PARAMETERS, PAGES),
)
async def list_sources(
    _: Admin,
    sources: Sources,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> SourcesAnswer:
    """List the sources in the order of their slugs."""
    page, next_after = await sources.queries.page(
        limit, None if cursor is None else cursors.read(cursor, _CURSOR, is_slug)
    )
    next_cursor = None if next_after is None else cursors.written(_CURSOR, next_after)
    return SourcesAnswer(items=list(page), next_cursor=next_cursor)


@router.get(
    "/{source}",
    summary="Show a source",
    response_description="The source.",
    responses=TAGGED | failures(CALLER, ADMIN, SOURCE, PARAMETERS),
)
async def get_source(source: SourceKey, _: Admin, sources: Sources, response: Response) -> SourceRead:
    """Show the source with that id or slug."""
    found = await sources.queries.find(source)
    response.headers["ETag"] = etag(found)
    return found


@router.patch(
    "/{source}",
    summary="Change a source",
    response_description="The source, as it is now.",
    responses=TAGGED
    | failures(CALLER, ADMIN, SOURCE, BODY, CHANGED, DOCUMENT, AUDIENCES, {422: ("invalid_overrides",)}),
)
async def update_source(
    source: SourceKey,
    changed: SourceUpdate,
    admin: Admin,
    sources: Sources,
    response: Response,
    if_match: IfMatch = None,
) -> SourceRead:
    """Change the fields that are sent; effective on the next call."""
    updated = await sources.update(source, changed, admin, versions(if_match))
    response.headers["ETag"] = etag(updated)
    return updated


@router.delete(
    "/{source}",
    status_code=204,
    summary="Remove a source",
    response_description="It is gone.",
    responses=failures(CALLER, ADMIN, SOURCE, PARAMETERS, {412: CHANGED[412]}),
)
async def delete_source(source: SourceKey, admin: Admin, sources: Sources, if_match: IfMatch = None) -> None:
    """Remove the source; its tools answer 404 from now on."""
    await sources.remove(source, admin, versions(if_match))


@router.post(
    "/{source}/refresh",
    summary="Refresh a source",
    response_description="The source, as it is now, and what has changed.",
    responses=TAGGED
    | failures(CALLER, ADMIN, SOURCE, PARAMETERS, DOCUMENT, {409: ("document_uploaded", "source_changed")}),
)
async def refresh_source(
    source: SourceKey,
    admin: Admin,
    sources: Sources,
    response: Response,
    *,
    force: Annotated[bool, Query(description="Read the document even if it has not changed.")] = False,
) -> RefreshedAnswer:
    """Read the document again if it has changed; on failure the last good inventory stays, the source is `stale`."""
    refreshed = await sources.refresh(source, admin, force=force)
    slug, changes = refreshed.source.slug, refreshed.changes
    response.headers["ETag"] = etag(refreshed.source)
    return RefreshedAnswer(
        **refreshed.source.model_dump(),
        added=[tool_id(slug, name) for name in changes.added],
        removed=[tool_id(slug, name) for name in changes.removed],
        changed=[tool_id(slug, name) for name in changes.changed],
        classes=changes.classes,
        changes=shown_changes(slug, changes),
        changes_left_out=changes.left_out,
    )


@router.get(
    "/{source}/report",
    summary="Show what became of a source's document",
    response_description="What became of it.",
    responses=failures(CALLER, ADMIN, SOURCE, PARAMETERS),
)
async def get_source_report(source: SourceKey, _: Admin, sources: Sources) -> ReportAnswer:
    """Show what became of each operation of the document, and why, and what has changed since the reading before."""
    found = await sources.queries.offering(source)
    slug, changes = found.source.slug, found.changes
    last = None
    if changes is not None:
        last = LastChanges(
            at=changes.at, classes=changes.classes, items=shown_changes(slug, changes), left_out=changes.left_out
        )
    long = names_over(slug, (item.name for item in found.report))
    return ReportAnswer(items=list(found.report), names_over=long, changes=last)


@router.get(
    "/{source}/tools",
    summary="List the operations of a source",
    response_description="All of them.",
    responses=TAGGED | failures(CALLER, ADMIN, SOURCE, PARAMETERS),
)
async def list_source_tools(source: SourceKey, _: Admin, sources: Sources, response: Response) -> CuratedToolsAnswer:
    """Show what became of each operation, hidden ones and those under an override included."""
    found, tools = await sources.queries.tools(source)
    response.headers["ETag"] = etag(found)
    return CuratedToolsAnswer(items=[curated_tool(found, tool) for tool in tools])


@router.patch(
    "/{source}/tools/{operation}",
    summary="Shape a tool",
    response_description="The operation, as it is now.",
    responses=TAGGED | failures(CALLER, ADMIN, SOURCE, BODY, CHANGED, {404: CALL[404], 422: ("invalid_overrides",)}),
)
async def shape_source_tool(
    source: SourceKey,
    operation: OperationName,
    changed: ToolUpdate,
    admin: Admin,
    sources: Sources,
    response: Response,
    if_match: IfMatch = None,
) -> CuratedToolAnswer:
    """Change the fields that are sent of a tool; null resets a field to the document. Effective on the next call."""
    after, tool = await sources.shape(source, operation, changed, admin, versions(if_match))
    response.headers["ETag"] = etag(after)
    return curated_tool(after, tool)


@router.delete(
    "/{source}/tools/{operation}",
    status_code=204,
    summary="Reset a tool to its document",
    response_description="It is as the document has it.",
    responses=_RESET | failures(CALLER, ADMIN, SOURCE, PARAMETERS, CHANGED, {404: CALL[404]}),
)
async def reset_source_tool(
    source: SourceKey,
    operation: OperationName,
    admin: Admin,
    sources: Sources,
    response: Response,
    if_match: IfMatch = None,
) -> None:
    """Reset a tool to what the document says."""
    after, _ = await sources.shape(source, operation, None, admin, versions(if_match))
    response.headers["ETag"] = etag(after)


def etag(source: SourceRead) -> str:
    """Return the ETag of a source at its version."""
    return f'"{source.version}"'


def versions(if_match: str | None) -> frozenset[int] | None:
    """Return the versions that `If-Match` names (RFC 9110 section 13.1.1); None for any. A foreign tag names none."""
    if if_match is None or if_match.strip() == "*":
        return None
    tags = (tag.strip() for tag in if_match.split(","))
    return frozenset(int(tag[1:-1]) for tag in tags if _VERSION_TAG.fullmatch(tag))
