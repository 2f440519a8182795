"""Protocol mappers: what the client scopes put into a token."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from seed.identity_provider.realm import Client, ClientScope, Mapper, RealmError, Role, User

Use = Literal["access", "id", "introspection", "userinfo", "lightweight"]
Claims = dict[str, Any]
_SWITCH: Mapping[Use, str] = {
    "access": "access.token.claim",
    "id": "id.token.claim",
    "introspection": "introspection.token.claim",
    "userinfo": "userinfo.token.claim",
    "lightweight": "lightweight.claim",
}


@dataclass(frozen=True, slots=True)
class Grant:
    """Who gets a token through which client: `roles` and `scopes` are what is left after the client's role scope."""

    client: Client
    user: User
    scopes: tuple[ClientScope, ...]
    roles: frozenset[Role]
    openid: bool
    notes: Mapping[str, Any]

    @property
    def scope(self) -> str:
        """The `scope` claim: the names that belong into tokens."""
        names = [scope.name for scope in self.scopes if scope.in_token]
        return " ".join(["openid", *names] if self.openid else names)


def mapped_claims(grant: Grant, use: Use) -> Claims:
    """What the mappers of the effective scopes and of the client itself add to a token of this use."""
    claims: Claims = {}
    for mapper in _mappers_of(grant):
        if mapper.config.get(_SWITCH[use]) == "true":
            _MAPPERS[mapper.kind](mapper.config, grant, claims)
    return claims


def refuse_unknown_mappers(holders: Iterable[Client | ClientScope]) -> None:
    """Raises RealmError for a mapper that only Keycloak knows: its claims would silently be missing."""
    for holder in holders:
        for mapper in holder.mappers:
            if mapper.kind not in _MAPPERS:
                raise RealmError(f"the embedded identity provider has no protocol mapper {mapper.kind}")


def _mappers_of(grant: Grant) -> Iterable[Mapper]:
    for scope in grant.scopes:
        yield from scope.mappers
    yield from grant.client.mappers


def _put(claims: Claims, path: str, value: object) -> None:
    *parents, last = path.split(".")
    for parent in parents:
        claims = claims.setdefault(parent, {})
    claims[last] = value


def _subject(_: Mapping[str, str], grant: Grant, claims: Claims) -> None:
    claims["sub"] = grant.user.id


def _attribute(config: Mapping[str, str], grant: Grant, claims: Claims) -> None:
    value = grant.user.attributes.get(config["user.attribute"])
    if value is not None:
        _put(claims, config["claim.name"], value)


def _full_name(_: Mapping[str, str], grant: Grant, claims: Claims) -> None:
    parts = [grant.user.attributes.get(key) for key in ("firstName", "lastName")]
    if any(parts):
        claims["name"] = " ".join(part for part in parts if part)


def _note(config: Mapping[str, str], grant: Grant, claims: Claims) -> None:
    value = grant.notes.get(config["user.session.note"])
    if value is not None:
        _put(claims, config["claim.name"], value)


def _acr(_: Mapping[str, str], __: Grant, claims: Claims) -> None:
    claims["acr"] = "1"


def _allowed_origins(_: Mapping[str, str], grant: Grant, claims: Claims) -> None:
    if origins := grant.client.origins:
        claims["allowed-origins"] = sorted(origins)


def _realm_roles(config: Mapping[str, str], grant: Grant, claims: Claims) -> None:
    if names := sorted(role.name for role in grant.roles if not role.client):
        _put(claims, config["claim.name"], names)


def _client_roles(_: Mapping[str, str], grant: Grant, claims: Claims) -> None:
    access: dict[str, dict[str, list[str]]] = {}
    for role in sorted(grant.roles):
        if role.client:
            access.setdefault(role.client, {"roles": []})["roles"].append(role.name)
    if access:
        claims["resource_access"] = access


def _audience(config: Mapping[str, str], _: Grant, claims: Claims) -> None:
    audience = config.get("included.client.audience") or config["included.custom.audience"]
    claims.setdefault("aud", set()).add(audience)


def _audience_resolve(_: Mapping[str, str], grant: Grant, claims: Claims) -> None:
    clients = {role.client for role in grant.roles if role.client} - {grant.client.client_id}
    if clients:
        claims.setdefault("aud", set()).update(clients)


_MAPPERS: Mapping[str, Callable[[Mapping[str, str], Grant, Claims], None]] = {
    "oidc-sub-mapper": _subject,
    "oidc-usermodel-attribute-mapper": _attribute,
    "oidc-usermodel-property-mapper": _attribute,
    "oidc-full-name-mapper": _full_name,
    "oidc-usersessionmodel-note-mapper": _note,
    "oidc-acr-mapper": _acr,
    "oidc-allowed-origins-mapper": _allowed_origins,
    "oidc-usermodel-realm-role-mapper": _realm_roles,
    "oidc-usermodel-client-role-mapper": _client_roles,
    "oidc-audience-mapper": _audience,
    "oidc-audience-resolve-mapper": _audience_resolve,
}
