"""The REST door to the audit log, for admins."""

from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, Field, StringConstraints

from app.api.http.dependencies import KNOWN_PARAMETERS, Admin, Audit
from app.api.http.paging import Cursor, Limit
from app.api.rest.failures import ADMIN, CALLER, PAGES, PARAMETERS, failures
from app.audit.log import AuditFilter
from app.audit.record import LONGEST_TEXT, AuditRecord, Kind

router = APIRouter(prefix="/api/v1/audit", tags=["audit"], dependencies=[KNOWN_PARAMETERS])

Text = Annotated[str, StringConstraints(max_length=LONGEST_TEXT)]  # what is longer, no record has


class AuditPage(BaseModel):
    """Some audit records."""

    items: list[AuditRecord] = Field(description="The records, newest first.")
    next_cursor: str | None = Field(description="What to give as `cursor` for older ones; null after the oldest.")


async def _filters(  # noqa: PLR0913 - each is a filter
    *,
    subject: Annotated[Text | None, Query(description="Only of this user: the `sub` of the token.")] = None,
    preferred_username: Annotated[Text | None, Query(description="Only of users who had this name then.")] = None,
    client_id: Annotated[Text | None, Query(description="Only by this client: the `azp` of the token.")] = None,
    tool: Annotated[Text | None, Query(description="Only of the tool with this `tool_id`.")] = None,
    source: Annotated[Text | None, Query(description="Only of the source with this slug.")] = None,
    outcome: Annotated[
        Text | None, Query(description="Only what ended so: `ok`, `upstream_error`, `cancelled` or a code.")
    ] = None,
    kind: Annotated[Kind | None, Query(description="Only records of this kind.")] = None,
    since: Annotated[datetime | None, Query(description="Not before: RFC 3339, or seconds since the epoch.")] = None,
    until: Annotated[datetime | None, Query(description="Before: RFC 3339, or seconds since the epoch.")] = None,
) -> AuditFilter:
    return AuditFilter(
        subject=subject,
        preferred_username=preferred_username,
        client_id=client_id,
        tool=tool,
        source=source,
        outcome=outcome,
        kind=kind,
        since=_seconds(since),
        until=_seconds(until),
    )


@router.get(
    "",
    summary="List who did what, newest first",
    response_description="One page of records.",
    responses=failures(CALLER, ADMIN, PARAMETERS, PAGES),
)
async def list_audit_records(
    _admin: Admin,
    audit: Audit,
    filters: Annotated[AuditFilter, Depends(_filters)],
    *,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> AuditPage:
    """List what happened: calls, refusals, exchanges and changes. All filters that are given must match.

    Times without a zone are UTC.
    """
    page = await audit.query(filters, limit=limit, cursor=cursor)
    return AuditPage(items=list(page.items), next_cursor=page.next_cursor)


def _seconds(moment: datetime | None) -> float | None:
    if moment is None:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
