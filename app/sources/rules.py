"""What may be registered: where calls go, and who may have which tokens.

Without these rules a delegated token could be harvested: a document names a server of its own, or a source claims the
audience of another service.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import urljoin, urlsplit

import orjson

from app.errors import Invalid, NotPermitted
from app.identity.agent_token import AgentToken
from app.openapi.conversion import Conversion, ReportItem
from app.openapi.operation import Operation
from app.outbound import AddressPolicy, AddressRefused, origin_of
from app.sources.models import AuthType, Source

_LONGEST_ADDRESS = 2_000
_MAY_ADD_ORIGINS = "admin"  # the realm role; `manager` may not


class SourceRules:
    """The rules under one configuration. Raises ValueError for an `audience_origins` entry that is not readable."""

    def __init__(self, addresses: AddressPolicy, audience_origins: Sequence[str], *, passthrough_allowed: bool) -> None:
        self._addresses = addresses
        self._passthrough_allowed = passthrough_allowed
        self._origins: dict[str, set[str]] = {}
        for entry in audience_origins:
            audience, separator, origin = entry.rpartition("=")
            if not separator or not audience:
                raise ValueError(f"AUDIENCE_ORIGINS: {entry!r} is not audience=origin.")
            try:
                self._origins.setdefault(audience.strip(), set()).add(origin_of(origin.strip()))
            except AddressRefused as refused:
                raise ValueError(f"AUDIENCE_ORIGINS: {entry!r}: {refused.detail}") from None

    def check_addresses(self, url: str, stated_base_url: str | None) -> None:
        """Raise AddressRefused for what may not be reached, Invalid for a base URL that paths cannot follow."""
        self._addresses.check_url(url)
        if stated_base_url is not None:
            self._addresses.check_url(stated_base_url)
            parts = urlsplit(stated_base_url)
            if parts.query or parts.fragment or "?" in stated_base_url or "#" in stated_base_url:
                raise Invalid(
                    "base_url_refused", "`base_url` must end with its path: leave out the query and fragment."
                )

    async def check_upstream(self, stated_base_url: str | None) -> None:
        """Raise AddressRefused for a base URL whose name leads to an address that may not be reached."""
        if stated_base_url is not None:
            await self._addresses.check_name(stated_base_url)

    def check_auth(self, stated: str | None, audience: str | None) -> None:
        """Raise Invalid for a token exchange without an audience."""
        if stated == "token_exchange" and not audience:
            raise Invalid(
                "audience_required",
                "`upstream_auth` token_exchange needs `default_audience`: the client id of the upstream.",
            )

    def check_passthrough(self, auth_type: AuthType) -> None:
        """Raise Invalid where the operator does not let agents' tokens through."""
        if auth_type == "passthrough" and not self._passthrough_allowed:
            raise Invalid(
                "passthrough_denied",
                "This server passes no agent token through (TOKEN_PASSTHROUGH=deny). Set `default_audience`, "
                'or `upstream_auth` {"type": "none"} for an API that needs no token.',
            )

    def may_exchange(self, source: Source) -> bool:
        """Whether AUDIENCE_ORIGINS, where it is set, still lists what a stored source would get tokens for."""
        if not self._origins or source.upstream_auth_type != "token_exchange":
            return True
        return origin_of(source.base_url) in self._origins.get(str(source.default_audience), ())

    def check_audience(self, source: Source, registered: Sequence[str], admin: AgentToken) -> None:
        """Raise unless the source's origin may have tokens of its audience.

        `registered` are the origins that hold the audience already. Raises Invalid (`audience_origin_refused`) where
        AUDIENCE_ORIGINS decides, NotPermitted (`audience_origin_conflict`) where the first registration does.
        """
        origin = origin_of(source.base_url)
        if self._origins:
            if origin not in self._origins.get(str(source.default_audience), ()):
                raise Invalid(
                    "audience_origin_refused",
                    f"AUDIENCE_ORIGINS does not list {source.default_audience}={origin}. The operator adds it there "
                    "if this origin is to get that audience's tokens.",
                )
        elif registered and origin not in registered and _MAY_ADD_ORIGINS not in admin.roles:
            raise NotPermitted(
                "audience_origin_conflict",
                f"The audience {source.default_audience} was first registered for another origin than {origin}. "
                f"Somebody with the realm role {_MAY_ADD_ORIGINS} can register it for this one too.",
            )


def base_url_of(url: str, stated: str | None, servers: Sequence[str], request: Mapping[str, Any]) -> str:
    """Return where calls go: what the admin stated, else the document's server of the same origin as the document.

    Raises Invalid (`base_url_refused`) when the document names only other origins; the detail shows `request` as it
    would be accepted.
    """
    if stated is not None:
        return stated.rstrip("/")
    absolute = [address for address in (_absolute(url, server) for server in servers or ("/",)) if address]
    own = origin_of(url)
    for address in absolute:
        if origin_of(address) == own:
            return address.rstrip("/")
    elsewhere = absolute[0] if absolute else "https://…"
    corrected = orjson.dumps({**request, "base_url": elsewhere}).decode()
    raise Invalid(
        "base_url_refused",
        f"The document comes from {own}, but its server is {elsewhere if absolute else 'no http(s) address'}. Tokens "
        f"go to another origin only if you say so. If that server is right, send: {corrected}",
    )


def within_origin(conversion: Conversion, url: str, base_url: str) -> Conversion:
    """Drop the operations whose own `servers` lead away from the base URL's origin, and say so in the report."""
    kept: list[Operation] = []
    dropped: dict[tuple[str, str], str] = {}
    for operation in conversion.operations:
        server = _absolute(url, operation.server) if operation.server is not None else base_url
        if server is not None and origin_of(server) == origin_of(base_url):
            own = None if operation.server is None else server.rstrip("/")
            kept.append(operation if own == operation.server else replace(operation, server=own))
        else:
            dropped[operation.method, operation.path] = operation.server or ""
    if not dropped:
        return replace(conversion, operations=tuple(kept))
    report = tuple(_reported(item, dropped.get((item.method, item.path)), base_url) for item in conversion.report)
    return replace(conversion, operations=tuple(kept), report=report)


def _reported(item: ReportItem, elsewhere: str | None, base_url: str) -> ReportItem:
    if elsewhere is None:
        return item
    reason = f"Its own server {elsewhere} is not at {origin_of(base_url)}, where this source's calls go."
    return replace(item, status="skipped", reason=reason, name=None, bytes=0, estimated_tokens=0)


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
