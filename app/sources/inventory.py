"""What a source offers of its document: which operations, and where calls go. And what is noted after each reading.

A document that names a server elsewhere would send tokens there, so nothing is called that no admin has stated: the
document's own server, and the other servers that an admin allows its operations to name.
"""

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from functools import cache, partial
from typing import Any
from urllib.parse import urljoin

import orjson

from app.curation.curation import Curated, curating, reserved_names
from app.differences.operations import Changes, changes_between
from app.documents.fetching import Documents, Fingerprint, Found
from app.errors import Invalid, ToolsProviderError
from app.operation.operation import Operation, ReportItem
from app.operation.portable import Profile, in_profile
from app.operation.text import Key, shortened
from app.outbound import AddressRefused, origin_of
from app.pieces import in_pieces
from app.sources.tables import Source

_LONGEST_DETAIL = 1_000  # characters of a failure that is kept
_LONGEST_REQUEST = 500  # characters


@dataclass(frozen=True, slots=True)
class _Absolute:
    """A server's address, and where it is."""

    url: str
    origin: str


@dataclass(frozen=True, slots=True)
class Inventory:
    """Where calls go, the operations, and what became of each one.

    `fingerprint` is that of the document, if it was fetched just now and can be recognised.
    """

    base_url: str
    operations: tuple[Operation, ...]
    report: tuple[ReportItem, ...]
    fingerprint: Fingerprint | None = None

    @property
    def names(self) -> dict[Key, str]:
        """The operations' names, by method and path."""
        return {(operation.method, operation.path): operation.name for operation in self.operations}

    def under(self, source: Source) -> "Inventory":
        """Return what is left under the servers that the source allows now; each operation gets one of them, or none.

        An operation that names servers is called at the source's origin, else at an allowed one. Those that name only
        others are left out; their line in the report shows the request that would allow them.
        """
        allowed = (origin_of(self.base_url), *(server["origin"] for server in source.other_servers))
        absolute_of = cache(partial(_absolute, source.url or self.base_url))
        kept: list[Operation] = []
        dropped: dict[Key, str] = {}
        for operation in self.operations:
            stated = operation.servers or (() if operation.server is None else (operation.server,))
            if not stated:
                kept.append(operation)
                continue
            absolute = [address for address in map(absolute_of, stated) if address]
            chosen = next((each.url for origin in allowed for each in absolute if each.origin == origin), None)
            if chosen is not None:
                kept.append(replace(operation, server=chosen.rstrip("/"), servers=()))
            else:
                dropped[operation.method, operation.path] = _refusal(absolute, stated, source, self.base_url)
        report = tuple(_reported(item, dropped.get((item.method, item.path))) for item in self.report)
        return replace(self, operations=tuple(kept), report=report)


async def read_inventory(
    documents: Documents,
    source: Source,
    names: Mapping[Key, str],
    request: Mapping[str, Any],
    *,
    uploaded: bytes | None = None,
    known: Fingerprint | None = None,
    before: Sequence[Operation] = (),
    party: str,
) -> Inventory:
    """Read the source's document for a `party`. `request` is what the admin sent, for a refusal.

    `names` are kept, and those of the arguments of the operations `before`: overrides are bound to them.

    Raises what `Documents.read` raises, and Invalid (`base_url_refused`).
    """
    kept = {**reserved_names(source.stated_overrides), **names}
    found = await documents.read(source.url or None, source.slug, kept, uploaded, known, before=before, party=party)
    return await asyncio.to_thread(_placed, found, source, request)


def _placed(found: Found, source: Source, request: Mapping[str, Any]) -> Inventory:
    """Return what is left under the servers that the source allows; a document may name any number of others."""
    conversion = found.conversion
    base_url = base_url_of(source.url, source.stated_base_url, conversion.servers, request)
    return Inventory(base_url, conversion.operations, conversion.report, found.fingerprint).under(source)


def base_url_of(url: str, stated: str | None, servers: Sequence[str], request: Mapping[str, Any]) -> str:
    """Return where calls go: what the admin stated, else the document's server of the same origin as the document.

    `url` is empty for a document that was uploaded without one: then only the admin can say it. Raises Invalid
    (`base_url_refused`) when the document names only other origins; the detail shows `request` as it would be accepted.
    """
    if stated is not None:
        return stated.rstrip("/")
    absolute = [address for address in (_absolute(url, server) for server in servers or ("/",)) if address]
    own = origin_of(url) if url else None
    for address in absolute:
        if address.origin == own:
            return address.url.rstrip("/")
    corrected = orjson.dumps({**request, "base_url": absolute[0].url if absolute else "https://…"}).decode()
    origin = f"The document comes from {own}" if own else "The document was uploaded"
    if absolute:
        why = f"but its server is {absolute[0].url}. Tokens go elsewhere only if you say so. If that server is right"
    else:
        why = "and it names no server with an http(s) address. To say where calls go"
    raise Invalid("base_url_refused", f"{origin}, {why}, send: {corrected}")


class Curator:
    """Makes what agents see of the sources: one piece of all that is to be made between two turns of the event loop.

    Who has more to be made waits for whoever else has. `tool_bytes` are those that a tool may have.
    """

    def __init__(self, tool_bytes: int) -> None:
        self._tool_bytes = tool_bytes
        self._turn = asyncio.Lock()
        self._comparing = asyncio.Lock()

    async def curated(self, source: Source, operations: Sequence[Operation], profile: Profile | None = None) -> Curated:
        """Return the operations as the source's admins chose and shaped them, in its profile unless one is stated."""
        listing = partial(in_profile, profile=profile or source.profile, most_bytes=self._tool_bytes)
        bound = {override.key: override for override in source.stated_overrides}
        made = await in_pieces(curating(operations, source.stated_selection, bound, listing), self._turn)
        return Curated.of(made, bound)

    async def changes(self, before: Sequence[Operation], after: Sequence[Operation], now: datetime) -> Changes:
        """Return what has changed; of all sources one is compared at a time, beside the event loop."""
        async with self._comparing:
            return await asyncio.to_thread(changes_between, before, after, now)

    async def reported(self, curated: Curated, items: Sequence[ReportItem]) -> tuple[ReportItem, ...]:
        """Return what became of each operation (see `Curated.report`)."""
        return tuple(await in_pieces(curated.reporting(items), self._turn))

    async def enter(self, inventory: Inventory, source: Source) -> Curated:
        """Note in the source what it offers, and return what agents see of it."""
        source.base_url = inventory.base_url
        if source.status != "stale":
            nothing_left = any(item.path for item in inventory.report) and not inventory.operations
            source.status = "failed" if nothing_left else "ready"
        curated = await self.curated(source, inventory.operations)
        note_tools(source, curated, await self.reported(curated, inventory.report))
        return curated

    async def seen(self, inventory: Inventory, source: Source) -> tuple[Operation, ...]:
        """Return what agents see, with the server of each, so that another base URL is a difference."""
        operations = (await self.curated(source, inventory.operations, "standard")).operations
        return tuple(replace(operation, server=operation.server or inventory.base_url) for operation in operations)


def note_tools(source: Source, curated: Curated, report: Sequence[ReportItem]) -> None:
    """Note in the source how many tools there are by its report, and which overrides match nothing."""
    counts = Counter(item.status for item in report)
    source.ready, source.degraded, source.skipped = counts["ready"], counts["degraded"], counts["skipped"]
    source.unmatched_overrides = [{"method": each.method, "path": each.path} for each in curated.unmatched]


def fingerprint_of(source: Source) -> Fingerprint | None:
    """Return the fingerprint of the source's document at its last good reading."""
    return None if source.fingerprint is None else Fingerprint(**source.fingerprint)


def note_reading(source: Source, fingerprint: Fingerprint | None, now: datetime) -> None:
    """Note that the document was fetched and read, which ends an earlier failure."""
    source.fingerprint = None if fingerprint is None else asdict(fingerprint)
    source.refreshed_at = now
    if source.status == "stale":
        source.status = "ready"
    source.refresh_error = None


def note_failure(source: Source, failure: ToolsProviderError, now: datetime) -> None:
    """Note why the document could not be fetched or read."""
    before = source.refresh_error or {"since": now.isoformat(), "attempts": 0}
    source.status = "stale"
    source.refresh_error = {
        "code": failure.code,
        "detail": failure.detail[:_LONGEST_DETAIL],
        "since": before["since"],
        "last_at": now.isoformat(),
        "attempts": before["attempts"] + 1,
    }


def _refusal(absolute: Sequence[_Absolute], stated: Sequence[str], source: Source, base_url: str) -> str:
    if not absolute:
        return f"Its own server {shortened(stated[0], _LONGEST_REQUEST)} is not an http(s) address that can be called."
    request = orjson.dumps({"other_servers": [*source.other_servers, {"origin": absolute[0].origin}]}).decode()
    if len(request) > _LONGEST_REQUEST:  # each operation may have one
        request = f'{{"other_servers": [… all that there are now, {{"origin": "{absolute[0].origin}"}}]}}'
    server = shortened(absolute[0].url, _LONGEST_REQUEST)
    return (
        f"Its own server {server} is not at {origin_of(base_url)}, where this source's calls go. If it may be "
        f"called, without a token unless you add a `default_audience` of its own: "
        f"PATCH /api/v1/sources/{source.slug} {request}"
    )


def _reported(item: ReportItem, refusal: str | None) -> ReportItem:
    if refusal is None:
        return item
    return replace(item, status="skipped", reason=refusal, name=None, bytes=0, estimated_tokens=0)


def _absolute(url: str, server: str) -> _Absolute | None:
    """Resolve a server against the document's URL (OAS 3.1.1 section 4.8.5); None for what cannot be an upstream."""
    try:
        address = urljoin(url, server)
        origin = origin_of(address)
    except (ValueError, AddressRefused):
        return None
    return _Absolute(address.partition("?")[0].partition("#")[0], origin)
