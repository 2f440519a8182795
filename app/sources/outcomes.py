"""What the use cases of admins give back."""

from dataclasses import dataclass

from app.differences.operations import Changes
from app.operation.operation import Operation, ReportItem
from app.sources.models import SourceRead


@dataclass(frozen=True, slots=True)
class Registered:
    """A source with what its document offers."""

    source: SourceRead
    report: tuple[ReportItem, ...]
    operations: tuple[Operation, ...]


@dataclass(frozen=True, slots=True)
class Refreshed:
    """A source after its document was looked at again, and what that changed."""

    source: SourceRead
    changes: Changes


@dataclass(frozen=True, slots=True)
class Report:
    """What the last good reading said of each operation, and what the last reading with changes changed."""

    source: SourceRead
    items: tuple[ReportItem, ...]
    changes: Changes | None


@dataclass(frozen=True, slots=True)
class SourcePage:
    """Sources in the order of their slugs; `next_after` is the slug behind which more follow."""

    items: tuple[SourceRead, ...]
    next_after: str | None
