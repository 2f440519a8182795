"""The record of one admin change."""

import time
from dataclasses import dataclass, field

from app.audit.record import AuditRecord
from app.identity.agent_token import AgentToken
from app.sources.tables import Source
from app.telemetry import current_trace_id


@dataclass(slots=True)
class Change:
    """What an admin is about to change, or the schedule (`admin` None); filled in as it becomes known.

    `silent` leaves no record: the schedule found everything as it was.
    """

    action: str
    admin: AgentToken | None
    source: str | None = None
    audience: str | None = None
    passthrough: bool = False
    detail: str | None = None
    silent: bool = False
    started: float = field(default_factory=time.perf_counter)

    @property
    def roles(self) -> frozenset[str]:
        """The admin's; the schedule has none."""
        return frozenset() if self.admin is None else self.admin.roles

    def concerns(self, source: Source) -> None:
        """Note the source as it is to be after the change."""
        self.source = source.slug
        self.audience = source.default_audience
        self.passthrough = source.upstream_auth_type == "passthrough"

    def record(self, outcome: str) -> AuditRecord:
        """Return the record; `outcome` is `ok` or the error code."""
        admin = self.admin
        return AuditRecord(
            kind="admin",
            action=self.action,
            outcome=outcome,
            door="schedule" if admin is None else "rest",
            subject=None if admin is None else admin.subject,
            client_id=None if admin is None else admin.client_id,
            token_id=None if admin is None else admin.token_id,
            source=self.source,
            audience=self.audience,
            passthrough=self.passthrough,
            duration_ms=(time.perf_counter() - self.started) * 1000,
            trace_id=current_trace_id(),
            detail=self.detail,
        )
