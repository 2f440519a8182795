"""What a document offers under the rules of its source, and how it differs from before."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from app.openapi.conversion import ReportItem
from app.openapi.operation import Operation
from app.sources.curation import reserved_names
from app.sources.document import Documents
from app.sources.models import Source
from app.sources.rules import base_url_of, within_origin


@dataclass(frozen=True, slots=True)
class Inventory:
    """A good reading of a document: where calls go, the operations, and what became of each one."""

    base_url: str
    operations: tuple[Operation, ...]
    report: tuple[ReportItem, ...]

    @property
    def names(self) -> dict[tuple[str, str], str]:
        """The operations' names, by method and path."""
        return {(operation.method, operation.path): operation.name for operation in self.operations}

    def enter(self, source: Source, now: datetime) -> None:
        """Note the reading in the source."""
        source.base_url = self.base_url
        source.status = "failed" if self.report and not self.operations else "ready"
        source.refreshed_at = now


@dataclass(frozen=True, slots=True)
class Difference:
    """Names of the operations that a refresh added, removed or changed."""

    added: tuple[str, ...]
    removed: tuple[str, ...]
    changed: tuple[str, ...]


async def take_inventory(
    documents: Documents, source: Source, names: Mapping[tuple[str, str], str], request: Mapping[str, Any]
) -> Inventory:
    """Read the source's document. `names` are kept; `request` is what the admin sent, for the advice in a refusal."""
    conversion = await documents.read(source.url, source.slug, {**reserved_names(source), **names})
    base_url = base_url_of(source.url, source.stated_base_url, conversion.servers, request)
    conversion = within_origin(conversion, source.url, base_url)
    return Inventory(base_url, conversion.operations, conversion.report)


def difference(before: Iterable[Operation], after: Iterable[Operation]) -> Difference:
    """Compare two inventories of one source."""
    old = {operation.name: operation for operation in before}
    new = {operation.name: operation for operation in after}
    return Difference(
        added=tuple(sorted(new.keys() - old.keys())),
        removed=tuple(sorted(old.keys() - new.keys())),
        changed=tuple(sorted(name for name in new.keys() & old.keys() if new[name] != old[name])),
    )
