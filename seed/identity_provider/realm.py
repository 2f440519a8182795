"""A realm export, parsed: the clients, users, roles and scopes that answers are made of."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import NAMESPACE_URL, uuid5

Json = Mapping[str, Any]
SERVICE_ACCOUNT_SCOPE = "service_account"


@dataclass(frozen=True, slots=True, order=True)
class Role:
    """A role; `client` is the client it belongs to, empty for a realm role."""

    client: str
    name: str


@dataclass(frozen=True, slots=True)
class Mapper:
    """A protocol mapper: `kind` is Keycloak's provider id."""

    kind: str
    config: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class ClientScope:
    """A client scope. With `roles` it applies only to users who have one of them."""

    name: str
    mappers: tuple[Mapper, ...]
    roles: frozenset[Role]
    in_token: bool
    advertised: bool


@dataclass(frozen=True, slots=True)
class Client:
    """A client; `roles` are those it may put into tokens unless `full_scope`, `default`/`optional` are scope names."""

    client_id: str
    enabled: bool
    public: bool
    bearer_only: bool
    authenticator: str
    secret: str = field(repr=False)
    standard_flow: bool
    direct_grants: bool
    service_account: bool
    consent_required: bool
    full_scope: bool
    redirect_uris: tuple[str, ...]
    web_origins: tuple[str, ...]
    attributes: Mapping[str, str]
    default: tuple[str, ...]
    optional: tuple[str, ...]
    mappers: tuple[Mapper, ...]
    roles: frozenset[Role]

    @property
    def origins(self) -> frozenset[str]:
        """The origins of its web pages; `+` stands for those of its redirect addresses."""
        stated = frozenset(self.web_origins) - {"+"}
        if "+" not in self.web_origins:
            return stated
        return stated | {"/".join(uri.split("/")[:3]) for uri in self.redirect_uris if uri.startswith("http")}

    def switched_on(self, attribute: str) -> bool:
        return self.attributes.get(attribute) == "true"


@dataclass(frozen=True, slots=True)
class User:
    """A person, or the service account of a client (`service_of`)."""

    id: str
    username: str
    enabled: bool
    password: str = field(repr=False)
    attributes: Mapping[str, Any]
    roles: frozenset[Role]
    not_before: int
    service_of: str = ""


@dataclass(frozen=True, slots=True)
class Realm:
    """Everything that one realm export says. Lifespans are in seconds, `not_before` in seconds since the epoch."""

    name: str
    enabled: bool
    https_required: bool
    not_before: int
    access_token_lifespan: int
    session_idle: int
    session_life: int
    clients: Mapping[str, Client]
    users: Mapping[str, User]
    scopes: Mapping[str, ClientScope]
    default_scopes: tuple[str, ...]
    optional_scopes: tuple[str, ...]

    def user_named(self, username: str) -> User | None:
        return next((user for user in self.users.values() if user.username == username), None)

    def service_account_of(self, client: Client) -> User:
        return self.users[_service_account_id(self.name, client.client_id)]


class RealmError(ValueError):
    """The export names something that it does not contain, or has a member of the wrong kind."""


def parse_realm(export: Json) -> Realm:
    """Read Keycloak's RealmRepresentation. Raises RealmError."""
    try:
        return _parse(export)
    except KeyError as error:
        raise RealmError(f"the realm export lacks {error.args[0]!r}") from error
    except (TypeError, AttributeError) as error:
        raise RealmError(f"the realm export has a member of the wrong kind: {error}") from error


def _parse(export: Json) -> Realm:
    name = str(export["realm"])
    role_scopes = _role_scopes(export)
    scopes = {scope["name"]: _scope(scope, role_scopes) for scope in export.get("clientScopes", ())}
    clients = {client["clientId"]: _client(client, export, role_scopes) for client in export.get("clients", ())}
    for client in clients.values():
        if missing := sorted({*client.default, *client.optional} - scopes.keys()):
            raise RealmError(
                f"client {client.client_id} names client scopes that the realm lacks: {', '.join(missing)}"
            )
    people = [_user(user) for user in export.get("users", ())]
    services = [_service_account(name, client) for client in clients.values() if client.service_account]
    return Realm(
        name=name,
        enabled=export.get("enabled", True),
        https_required=export.get("sslRequired") == "all",
        not_before=export.get("notBefore", 0),
        access_token_lifespan=export.get("accessTokenLifespan", 300),
        session_idle=export.get("ssoSessionIdleTimeout", 1800),
        session_life=export.get("ssoSessionMaxLifespan", 36000),
        clients=clients,
        users={user.id: user for user in [*people, *services]},
        scopes=scopes,
        default_scopes=tuple(export.get("defaultDefaultClientScopes", ())),
        optional_scopes=tuple(export.get("defaultOptionalClientScopes", ())),
    )


def _role_scopes(export: Json) -> Mapping[tuple[str, str], frozenset[Role]]:
    """The roles of `scopeMappings` and `clientScopeMappings` by ("client" | "clientScope", name)."""
    found: dict[tuple[str, str], set[Role]] = {}
    mappings: list[tuple[str, Json]] = [("", mapping) for mapping in export.get("scopeMappings", ())]
    for owner, of_owner in export.get("clientScopeMappings", {}).items():
        mappings += [(owner, mapping) for mapping in of_owner]
    for owner, mapping in mappings:
        kind = "client" if "client" in mapping else "clientScope"
        found.setdefault((kind, mapping[kind]), set()).update(Role(owner, name) for name in mapping["roles"])
    return {key: frozenset(roles) for key, roles in found.items()}


def _mappers(holder: Json) -> tuple[Mapper, ...]:
    return tuple(
        Mapper(mapper["protocolMapper"], mapper.get("config", {})) for mapper in holder.get("protocolMappers", ())
    )


def _scope(scope: Json, role_scopes: Mapping[tuple[str, str], frozenset[Role]]) -> ClientScope:
    attributes = scope.get("attributes", {})
    return ClientScope(
        name=scope["name"],
        mappers=_mappers(scope),
        roles=role_scopes.get(("clientScope", scope["name"]), frozenset()),
        in_token=attributes.get("include.in.token.scope", "true") == "true",
        advertised=attributes.get("include.in.openid.provider.metadata", "true") == "true",
    )


def _client(client: Json, export: Json, role_scopes: Mapping[tuple[str, str], frozenset[Role]]) -> Client:
    client_id = client["clientId"]
    own = {Role(client_id, role["name"]) for role in export.get("roles", {}).get("client", {}).get(client_id, ())}
    return Client(
        client_id=client_id,
        enabled=client.get("enabled", True),
        public=client.get("publicClient", False),
        bearer_only=client.get("bearerOnly", False),
        authenticator=client.get("clientAuthenticatorType", "client-secret"),
        secret=client.get("secret", ""),
        standard_flow=client.get("standardFlowEnabled", True),
        direct_grants=client.get("directAccessGrantsEnabled", False),
        service_account=client.get("serviceAccountsEnabled", False),
        consent_required=client.get("consentRequired", False),
        full_scope=client.get("fullScopeAllowed", True),
        redirect_uris=tuple(client.get("redirectUris", ())),
        web_origins=tuple(client.get("webOrigins", ())),
        attributes=client.get("attributes", {}),
        default=_scope_names(client, export, "defaultClientScopes", "defaultDefaultClientScopes"),
        optional=_scope_names(client, export, "optionalClientScopes", "defaultOptionalClientScopes"),
        mappers=_mappers(client),
        roles=role_scopes.get(("client", client_id), frozenset()) | own,
    )


def _scope_names(client: Json, export: Json, own: str, inherited: str) -> tuple[str, ...]:
    names: Sequence[str] = client.get(own, export.get(inherited, ()))
    if client.get("serviceAccountsEnabled") and own == "defaultClientScopes":
        names = [*names, SERVICE_ACCOUNT_SCOPE]  # as Keycloak does when the switch is turned on
    return tuple(dict.fromkeys(names))


def _user(user: Json) -> User:
    passwords: Iterable[str] = (c["value"] for c in user.get("credentials", ()) if c["type"] == "password")
    client_roles = (Role(client, name) for client, names in user.get("clientRoles", {}).items() for name in names)
    return User(
        id=user["id"],
        username=user["username"],
        enabled=user.get("enabled", True),
        password=next(iter(passwords), ""),
        attributes={
            key: user[key] for key in ("username", "firstName", "lastName", "email", "emailVerified") if key in user
        },
        roles=frozenset({*(Role("", name) for name in user.get("realmRoles", ())), *client_roles}),
        not_before=user.get("notBefore", 0),
    )


def _service_account_id(realm: str, client_id: str) -> str:
    return str(uuid5(NAMESPACE_URL, f"{realm}/service-account/{client_id}"))


def _service_account(realm: str, client: Client) -> User:
    username = f"service-account-{client.client_id.lower()}"
    return User(
        id=_service_account_id(realm, client.client_id),
        username=username,
        enabled=True,
        password="",
        attributes={"username": username, "emailVerified": False},
        roles=frozenset(),
        not_before=0,
        service_of=client.client_id,
    )
