"""The REST door to the audit log, for admins."""

from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel

from app.api.http.dependencies import Admin, Audit
from app.audit.log import MOST_PER_PAGE, AuditFilter
from app.audit.record import AuditRecord, Kind

router = APIRouter(prefix="/api/v1/audit", tags=["audit"])


class AuditPage(BaseModel):
    """Some records; `next_cursor` leads to older ones."""

    items: list[AuditRecord]
    next_cursor: str | None


async def _filters(
    *,
    subject: str | None = None,
    client_id: str | None = None,
    tool: Annotated[str | None, Query(description="A tool_id.")] = None,
    source: Annotated[str | None, Query(description="A slug.")] = None,
    outcome: Annotated[str | None, Query(description="`ok`, `upstream_error`, `cancelled` or a code.")] = None,
    kind: Kind | None = None,
    since: Annotated[datetime | None, Query(description="Not before: RFC 3339, or seconds since the epoch.")] = None,
    until: Annotated[datetime | None, Query(description="Before: RFC 3339, or seconds since the epoch.")] = None,
) -> AuditFilter:
    return AuditFilter(
        subject=subject,
        client_id=client_id,
        tool=tool,
        source=source,
        outcome=outcome,
        kind=kind,
        since=_seconds(since),
        until=_seconds(until),
    )


@router.get("", summary="Who did what, newest first")
async def list_records(
    _admin: Admin,
    audit: Audit,
    filters: Annotated[AuditFilter, Depends(_filters)],
    *,
    limit: Annotated[int, Query(ge=1, le=MOST_PER_PAGE)] = 100,
    cursor: str | None = None,
) -> AuditPage:
    """All filters that are given must match. Times without a zone are UTC."""
    page = await audit.query(filters, limit=limit, cursor=cursor)
    return AuditPage(items=list(page.items), next_cursor=page.next_cursor)


def _seconds(moment: datetime | None) -> float | None:
    if moment is None:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
