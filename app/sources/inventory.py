"""What a document offers under the rules of its source, and what a source remembers of its readings."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any

from app.documents.fetching import Documents, Fingerprint
from app.errors import ToolsProviderError
from app.operation.operation import Operation, ReportItem
from app.sources.curation import Curated, curate, reserved_names
from app.sources.models import Source
from app.sources.servers import base_url_of, offer_of

_LONGEST_DETAIL = 1_000  # characters of a failure that is kept


@dataclass(frozen=True, slots=True)
class Inventory:
    """Where calls go, the operations, and what became of each one."""

    base_url: str
    operations: tuple[Operation, ...]
    report: tuple[ReportItem, ...]

    @property
    def names(self) -> dict[tuple[str, str], str]:
        """The operations' names, by method and path."""
        return {(operation.method, operation.path): operation.name for operation in self.operations}

    def enter(self, source: Source) -> Curated:
        """Note in the source what it offers, and return what agents see of it."""
        source.base_url = self.base_url
        if source.status != "stale":
            source.status = "failed" if self.report and not self.operations else "ready"
        curated = curate(source, self.operations)
        curated.enter(source, self.report)
        return curated

    def seen(self, source: Source) -> tuple[Operation, ...]:
        """Return what agents see, with the server of each, so that another base URL is a difference."""
        operations = curate(source, self.operations).operations
        return tuple(replace(operation, server=operation.server or self.base_url) for operation in operations)

    def under(self, source: Source) -> "Inventory":
        """Return what is left of it under the servers that the source allows now."""
        offer = offer_of(self.operations, self.report, source, self.base_url)
        return Inventory(self.base_url, offer.operations, offer.report)


@dataclass(frozen=True, slots=True)
class Taken:
    """An inventory with the fingerprint of the document that it was read from, if it has one."""

    inventory: Inventory
    fingerprint: Fingerprint | None

    def enter(self, source: Source, now: datetime) -> Curated:
        """Note in the source what it offers, and that its document has been read; return what agents see."""
        found_good(source, self.fingerprint, now)
        return self.inventory.enter(source)


async def take_inventory(
    documents: Documents,
    source: Source,
    names: Mapping[tuple[str, str], str],
    request: Mapping[str, Any],
    *,
    uploaded: bytes | None = None,
    known: Fingerprint | None = None,
) -> Taken:
    """Read the source's document. `names` are kept; `request` is what the admin sent, for the advice in a refusal.

    Raises what `Documents.read` raises, and Invalid (`base_url_refused`).
    """
    found = await documents.read(source.url or None, source.slug, {**reserved_names(source), **names}, uploaded, known)
    conversion = found.conversion
    base_url = base_url_of(source.url, source.stated_base_url, conversion.servers, request)
    inventory = Inventory(base_url, conversion.operations, conversion.report).under(source)
    return Taken(inventory, found.fingerprint)


def fingerprint_of(source: Source) -> Fingerprint | None:
    """Return what the source's document was recognised by at its last good reading."""
    return None if source.fingerprint is None else Fingerprint(**source.fingerprint)


def found_good(source: Source, fingerprint: Fingerprint | None, now: datetime) -> None:
    """Note that the document could be had and used; whatever failed before is over."""
    source.fingerprint = None if fingerprint is None else asdict(fingerprint)
    source.refreshed_at = now
    if source.status == "stale":
        source.status = "ready"
    source.refresh_error = None


def failed(source: Source, failure: ToolsProviderError, now: datetime) -> None:
    """Note why the document could not be had or used."""
    before = source.refresh_error or {"since": now.isoformat(), "attempts": 0}
    source.status = "stale"
    source.refresh_error = {
        "code": failure.code,
        "detail": failure.detail[:_LONGEST_DETAIL],
        "since": before["since"],
        "last_at": now.isoformat(),
        "attempts": before["attempts"] + 1,
    }
