"""The record of one admin change, filled in as it becomes known."""

from app.audit.outcome import Outcome, Outcomes
from app.credentials.kinds import KINDS
from app.identity.agent_token import AgentToken
from app.sources.models import Source


def change_by(audit: Outcomes, action: str, admin: AgentToken | None, source: str | None) -> Outcome:
    """Return the outcome of what an admin is about to change, or the schedule (`admin` None)."""
    change = audit.outcome(kind="admin", action=action, agent=admin, door="schedule" if admin is None else "rest")
    change.source = source
    return change


def concern(change: Outcome, source: Source) -> None:
    """Note the source as it is to be after the change."""
    change.source = source.slug
    change.audience = source.default_audience
    change.passthrough = KINDS[source.upstream_auth_type].passes_agent_token
