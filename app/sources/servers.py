"""Where calls go: the document's own server, and the other servers that an admin allows its operations to name.

A document that names a server elsewhere would send tokens there, so nothing is called that no admin has stated.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urljoin

import orjson

from app.errors import Invalid
from app.operation.operation import Operation, ReportItem
from app.outbound import AddressRefused, origin_of
from app.sources.models import Source

_LONGEST_ADDRESS = 2_000


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
        if origin_of(address) == own:
            return address.rstrip("/")
    elsewhere = absolute[0] if absolute else "https://…"
    corrected = orjson.dumps({**request, "base_url": elsewhere}).decode()
    origin = f"The document comes from {own}" if own else "The document was uploaded"
    raise Invalid(
        "base_url_refused",
        f"{origin}, but its server is {elsewhere if absolute else 'no http(s) address'}. Tokens "
        f"go to another origin only if you say so. If that server is right, send: {corrected}",
    )


@dataclass(frozen=True, slots=True)
class Offer:
    """The operations that may be called, each with one absolute server or none, and the report on all of them."""

    operations: tuple[Operation, ...]
    report: tuple[ReportItem, ...]


def offer_of(operations: Sequence[Operation], report: Sequence[ReportItem], source: Source, base_url: str) -> Offer:
    """Choose a server for each operation that states its own: at the source's origin, else at an allowed one.

    Operations without such a server are left out; their line in the report shows the request that would allow them.
    """
    allowed = (origin_of(base_url), *(server["origin"] for server in source.other_servers))
    kept: list[Operation] = []
    dropped: dict[tuple[str, str], str] = {}
    for operation in operations:
        stated = operation.servers or (() if operation.server is None else (operation.server,))
        absolute = [address for address in (_absolute(source.url or base_url, server) for server in stated) if address]
        chosen = next((each for origin in allowed for each in absolute if origin_of(each) == origin), None)
        if chosen is not None or not stated:
            kept.append(replace(operation, server=chosen and chosen.rstrip("/"), servers=()))
        else:
            dropped[operation.method, operation.path] = _refusal(absolute, stated, source, base_url)
    return Offer(tuple(kept), tuple(_reported(item, dropped.get((item.method, item.path))) for item in report))


def _refusal(absolute: Sequence[str], stated: Sequence[str], source: Source, base_url: str) -> str:
    if not absolute:
        return f"Its own server {stated[0]} is no http(s) address that can be called."
    request = orjson.dumps({"other_servers": [*source.other_servers, {"origin": origin_of(absolute[0])}]}).decode()
    return (
        f"Its own server {absolute[0]} is not at {origin_of(base_url)}, where this source's calls go. If it may be "
        f"called, without a token unless you add a `default_audience` of its own: "
        f"PATCH /api/v1/sources/{source.slug} {request}"
    )


def _reported(item: ReportItem, refusal: str | None) -> ReportItem:
    if refusal is None:
        return item
    return replace(item, status="skipped", reason=refusal, name=None, bytes=0, estimated_tokens=0)


def _absolute(url: str, server: str) -> str | None:
    """Resolve a server against the document's URL (OAS 3.1.1 section 4.8.5); None for what cannot be an upstream."""
    try:
        address = urljoin(url, server)
        origin_of(address)
    except (ValueError, AddressRefused):
        return None
    if len(address) > _LONGEST_ADDRESS:
        return None
    return address.partition("?")[0].partition("#")[0]
