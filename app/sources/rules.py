"""What may be registered: which addresses, and who may have which tokens.

Without these rules a delegated token could be harvested: a source claims the audience of another service.
"""

from collections.abc import Collection, Sequence
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
_MAY_CHOOSE_ORIGINS = "admin"  # the realm role; `manager` may not


class SourceRules:
    """The rules under one configuration. `own_audiences` are those that agent tokens are accepted with.

    Raises ValueError for an `audience_origins` entry that cannot be read.
    """

    def __init__(
        self,
        addresses: AddressPolicy,
        audience_origins: Sequence[str],
        *,
        own_audiences: frozenset[str],
        passthrough_allowed: bool,
    ) -> None:
        self._addresses = addresses
        self._own_audiences = own_audiences
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
        return replace(registered, authorities=(own, *kept))

    def _is_covered(self, authority: Authority) -> bool:
        if not self._origins or not KINDS[authority.auth_type].bound_to_audience:
            return True
        return authority.origin in self._origins.get(str(authority.audience), ())

    def check_other_servers(self, source: Source) -> None:
        """Raise Invalid unless each origin of the source is stated once and has an audience of its own, or none.

        Two origins with one audience would get the same token, and each could use it at the other.
        """
        authorities = source.authorities
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

    def check_token(self, authority: Authority, held: Collection[Authority], roles: frozenset[str]) -> None:
        """Raise NotPermitted (`role_required`) where agents' own tokens would go to an origin that did not get them.

        `held` are the authorities before the change, `roles` those of the admin.
        """
        passes = (each.origin for each in held if KINDS[each.auth_type].passes_agent_token)
        if not KINDS[authority.auth_type].passes_agent_token or authority.origin in passes:
            return
        if _MAY_CHOOSE_ORIGINS not in roles:
            raise NotPermitted(
                "role_required",
                f"Calls to {authority.origin} would carry the agents' own tokens, with which it could do in the users' "
                f"names whatever these tokens allow. Somebody with the realm role {_MAY_CHOOSE_ORIGINS} can decide "
                "that. Or set `default_audience`, to have the token exchanged for one of this API alone, or "
                '`upstream_auth` {"type": "none"} for an API that needs no token.',
            )

    def check_audience(self, authority: Authority, registered: Sequence[str], roles: frozenset[str]) -> None:
        """Raise unless the authority's origin may have tokens of its audience.

        `registered` are the origins that hold the audience already, `roles` those of the admin. Raises Invalid
        (`audience_refused` for one of our own, `audience_origin_refused` where AUDIENCE_ORIGINS decides), NotPermitted
        (`audience_origin_conflict`) where the first registration does.
        """
        audience, origin = authority.audience, authority.origin
        if audience in self._own_audiences:
            raise Invalid(
                "audience_refused",
                f"The audience {audience} is one of ACCEPTED_AUDIENCES: with a token for it, {origin} could call this "
                "server in the users' names. Set the `default_audience` of the API itself.",
            )
        if self._origins:
            if origin not in self._origins.get(str(audience), ()):
                raise Invalid(
                    "audience_origin_refused",
                    f"AUDIENCE_ORIGINS does not list {audience}={origin}. The operator adds it there if this origin is "
                    "to get that audience's tokens.",
                )
        elif registered and origin not in registered and _MAY_CHOOSE_ORIGINS not in roles:
            raise NotPermitted(
                "audience_origin_conflict",
                f"The audience {audience} was first registered for an origin other than {origin}. Somebody with the "
                f"realm role {_MAY_CHOOSE_ORIGINS} can register it for this one too.",
            )


def _stated_upstreams(source: Source) -> list[str]:
    own = [] if source.stated_base_url is None else [source.stated_base_url]
    return [*own, *(server["origin"] for server in source.other_servers)]
