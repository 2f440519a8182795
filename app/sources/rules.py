"""What may be registered: which addresses, and who may have which tokens.

Without these rules a delegated token could be harvested: a source claims the audience of another service.
"""

from collections.abc import Sequence
from dataclasses import replace
from urllib.parse import urlsplit

import structlog

from app.credentials.credential import Terms
from app.credentials.kinds import KINDS, AuthType, auth_type_of
from app.errors import Invalid, NotPermitted
from app.outbound import AddressPolicy, AddressRefused, stated_origin
from app.sources.source import Authority, RegisteredSource
from app.sources.tables import Source

_log = structlog.get_logger(__name__)
_MAY_ADD_ORIGINS = "admin"  # the realm role; `manager` may not


class SourceRules:
    """The rules under one configuration. Raises ValueError for an `audience_origins` entry that cannot be read."""

    def __init__(self, addresses: AddressPolicy, audience_origins: Sequence[str], *, passthrough_allowed: bool) -> None:
        self._addresses = addresses
        self._passthrough_allowed = passthrough_allowed
        self._origins: dict[str, set[str]] = {}
        for entry in audience_origins:
            audience, _, origin = (part.strip() for part in entry.rpartition("="))
            if not audience:
                raise ValueError(f"AUDIENCE_ORIGINS: {entry!r} is not audience=origin.")
            try:
                self._origins.setdefault(audience, set()).add(stated_origin(origin))
            except AddressRefused as refused:
                raise ValueError(f"AUDIENCE_ORIGINS: {entry!r}: {refused.detail}") from None

    def check_addresses(self, source: Source) -> None:
        """Raise AddressRefused for what may not be reached, Invalid for a base URL that paths cannot follow."""
        for address in filter(None, (source.url, *_stated_upstreams(source))):
            self._addresses.check_url(address)
        stated = source.stated_base_url or ""
        if urlsplit(stated).query or urlsplit(stated).fragment or "?" in stated or "#" in stated:
            raise Invalid("base_url_refused", "`base_url` must end with its path: leave out the query and fragment.")

    async def check_upstreams(self, source: Source) -> None:
        """Raise AddressRefused for a stated upstream whose name leads to an address that may not be reached."""
        for address in _stated_upstreams(source):
            await self._addresses.check_name(address)

    def check_auth(self, stated: str | None, audience: str | None) -> None:
        """Raise Invalid for a credential that cannot work with what is stated."""
        KINDS[auth_type_of(stated, audience)].check(Terms(audience))

    def check_passthrough(self, auth_type: AuthType) -> None:
        """Raise Invalid where the operator does not let agents' tokens through."""
        if KINDS[auth_type].passes_agent_token and not self._passthrough_allowed:
            raise Invalid(
                "passthrough_denied",
                "This server passes no agent token through (TOKEN_PASSTHROUGH=deny). Set `default_audience`, "
                'or `upstream_auth` {"type": "none"} for an API that needs no token.',
            )

    def effective(self, source: Source) -> RegisteredSource:
        """Return what may be called of a stored source: AUDIENCE_ORIGINS, where it is set, must still list it."""
        registered = source.registered()
        own, *others = registered.authorities
        kept = tuple(authority for authority in others if self._is_covered(authority))
        if not self._is_covered(own):
            _log.warning("a source has no tools, because AUDIENCE_ORIGINS does not list it", source=source.slug)
            registered = replace(registered, enabled=False)
        elif len(kept) < len(others):
            _log.warning("a source lacks servers that AUDIENCE_ORIGINS does not list", source=source.slug)
        return replace(registered, other_servers=kept)

    def _is_covered(self, authority: Authority) -> bool:
        if not self._origins or not KINDS[authority.auth_type].bound_to_audience:
            return True
        return authority.origin in self._origins.get(str(authority.audience), ())

    def check_other_servers(self, source: Source) -> None:
        """Raise Invalid unless each origin of the source is stated once and has an audience of its own, or none.

        Two origins with one audience would get the same token, and each could use it at the other.
        """
        authorities = source.registered().authorities
        origins = [authority.origin for authority in authorities]
        audiences = [authority.audience for authority in authorities if authority.audience is not None]
        for name, values in (("origin", origins), ("audience", audiences)):
            for value in values:
                if values.count(value) > 1:
                    raise Invalid(
                        "other_server_refused",
                        f"The {name} {value} is stated more than once, in `other_servers` or by the source itself. "
                        "Each origin needs an audience of its own, or none, so that no two get the same token.",
                    )

    def check_audience(self, authority: Authority, registered: Sequence[str], roles: frozenset[str]) -> None:
        """Raise unless the authority's origin may have tokens of its audience.

        `registered` are the origins that hold the audience already, `roles` those of the admin. Raises Invalid
        (`audience_origin_refused`) where AUDIENCE_ORIGINS decides, NotPermitted (`audience_origin_conflict`) where the
        first registration does.
        """
        audience, origin = authority.audience, authority.origin
        if self._origins:
            if origin not in self._origins.get(str(audience), ()):
                raise Invalid(
                    "audience_origin_refused",
                    f"AUDIENCE_ORIGINS does not list {audience}={origin}. The operator adds it there if this origin is "
                    "to get that audience's tokens.",
                )
        elif registered and origin not in registered and _MAY_ADD_ORIGINS not in roles:
            raise NotPermitted(
                "audience_origin_conflict",
                f"The audience {audience} was first registered for an origin other than {origin}. Somebody with the "
                f"realm role {_MAY_ADD_ORIGINS} can register it for this one too.",
            )


def _stated_upstreams(source: Source) -> list[str]:
    own = [] if source.stated_base_url is None else [source.stated_base_url]
    return [*own, *(server["origin"] for server in source.other_servers)]
