"""Turns a grant into tokens and into the answer of the token endpoint."""

import base64
import hashlib
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import jwt

from seed.identity_provider.answers import invalid_scope
from seed.identity_provider.keys import Claims
from seed.identity_provider.mappers import Grant, mapped_claims
from seed.identity_provider.provider import IdentityProvider
from seed.identity_provider.realm import Client, ClientScope, Realm, Role, User
from seed.identity_provider.sessions import Session

REFRESH_ALGORITHM = "HS512"
LIGHTWEIGHT = "client.use.lightweight.access.token.enabled"


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a token comes from: two letters for the kind of session and two for the grant, as in Keycloak's `jti`."""

    session_kind: str
    grant: str


def grant_for(
    realm: Realm, client: Client, user: User, scope: str | None, notes: Mapping[str, Any] | None = None
) -> Grant:
    """The client's default scopes and the requested optional ones, and the user's roles within them.

    Raises OAuthError `invalid_scope` for a scope that the client has neither as default nor as optional.
    """
    names = dict.fromkeys([*client.default, *check_scope(client, scope)])
    scopes = tuple(realm.scopes[name] for name in names if name != "openid")
    open_scopes = tuple(found for found in scopes if not found.roles or found.roles & user.roles)
    return Grant(client, user, open_scopes, _roles(client, user, open_scopes), "openid" in names, notes or {})


def check_scope(client: Client, scope: str | None) -> list[str]:
    """The names in a scope parameter, all of which the client has. Raises OAuthError `invalid_scope`."""
    asked = [] if scope is None else scope.split(" ")
    if any(name not in {*client.default, *client.optional, "openid"} for name in asked):
        raise invalid_scope(f"Invalid scopes: {scope}")
    return asked


def _roles(client: Client, user: User, scopes: Iterable[ClientScope]) -> frozenset[Role]:
    if client.full_scope:
        return user.roles
    return user.roles & client.roles.union(*(scope.roles for scope in scopes))


def narrowed(grant: Grant, audiences: frozenset[str]) -> Grant:
    """The grant without the scopes that stand only for client roles of others than these audiences."""
    return replace(grant, scopes=tuple(scope for scope in grant.scopes if not _only_for_others(scope, audiences)))


def _only_for_others(scope: ClientScope, audiences: frozenset[str]) -> bool:
    clients = {role.client for role in scope.roles if role.client}
    return bool(clients) and not clients & audiences


class Issuer:
    """Issues tokens under one issuer address, bound to a key (RFC 9449) where `key` is a thumbprint."""

    def __init__(self, provider: IdentityProvider, address: str, key: str | None = None) -> None:
        self._provider = provider
        self.address = address
        self.key = key

    @property
    def token_type(self) -> str:
        return "Bearer" if self.key is None else "DPoP"

    def access_claims(
        self, grant: Grant, origin: Origin, session_id: str | None, audiences: frozenset[str] = frozenset()
    ) -> Claims:
        """The claims of an access token; `audiences`, when there are any, filter `aud` and client roles."""
        lightweight = grant.client.switched_on(LIGHTWEIGHT)
        mapped = mapped_claims(grant, "lightweight" if lightweight else "access")
        found = mapped.pop("aud", set())
        kind = f"{origin.session_kind}{'lt' if lightweight else 'rt'}{origin.grant}"
        claims: Claims = {"typ": self.token_type, "azp": grant.client.client_id}
        claims |= self._common(self.lifespan(grant.client), kind)
        if self.key is not None:
            claims["cnf"] = {"jkt": self.key, "kc-jkt-type": "DPoP"}
        if audience := sorted(found & audiences if audiences else found):
            claims["aud"] = audience[0] if len(audience) == 1 else audience
        if audiences and "resource_access" in mapped:
            mapped["resource_access"] = {
                name: mapped["resource_access"][name] for name in audiences & mapped["resource_access"].keys()
            }
        if session_id is not None:
            claims["sid"] = session_id
        return {**claims, "scope": grant.scope, **mapped}

    def id_claims(self, grant: Grant, session_id: str | None, **more: str | None) -> Claims:
        claims = {"typ": "ID", "azp": grant.client.client_id, **self._common(self.lifespan(grant.client))}
        claims |= {"aud": grant.client.client_id, "sub": grant.user.id}
        if session_id is not None:
            claims["sid"] = session_id
        return {**claims, **mapped_claims(grant, "id"), **{name: value for name, value in more.items() if value}}

    def refresh_token(
        self, grant: Grant, session: Session, asked: str | None, audiences: frozenset[str] = frozenset()
    ) -> str:
        """A token only this process can read: a refresh starts from the same scope parameter and audiences again."""
        claims = self._common(self._provider.realm.session_idle)
        claims |= {"aud": self.address, "typ": "Refresh", "azp": grant.client.client_id, "sid": session.id}
        if asked is not None:
            claims["scope"] = asked
        if audiences:
            claims["req-aud"] = sorted(audiences)
        return jwt.encode(claims, self._provider.refresh_secret, algorithm=REFRESH_ALGORITHM)

    def login_answer(
        self,
        grant: Grant,
        session: Session,
        grant_code: str,
        *,
        asked: str | None,
        nonce: str | None = None,
        audiences: frozenset[str] = frozenset(),
    ) -> dict[str, Any]:
        """The answer for a grant with a session: access and refresh token, and an ID token for `openid`."""
        grant = narrowed(grant, audiences) if audiences else grant
        token = self.sign(self.access_claims(grant, Origin("on", grant_code), session.id, audiences))
        answer = self.answer(grant, token, session.id)
        answer["refresh_expires_in"] = self._provider.realm.session_idle
        answer["refresh_token"] = self.refresh_token(grant, session, asked, audiences)
        if grant.openid:
            answer["id_token"] = self.sign(self.id_claims(grant, session.id, at_hash=at_hash(token), nonce=nonce))
        return answer

    def answer(self, grant: Grant, token: str, session_id: str | None) -> dict[str, Any]:
        """What every answer of the token endpoint has."""
        answer = {
            "access_token": token,
            "expires_in": self.lifespan(grant.client),
            "refresh_expires_in": 0,
            "token_type": self.token_type,
            "not-before-policy": self._provider.realm.not_before,
        }
        if session_id is not None:
            answer["session_state"] = session_id
        return {**answer, "scope": grant.scope}

    def sign(self, claims: Claims) -> str:
        return self._provider.keys.sign(claims)

    def lifespan(self, client: Client) -> int:
        """Seconds that an access token of the client lives."""
        return int(client.attributes.get("access.token.lifespan") or self._provider.realm.access_token_lifespan)

    def _common(self, lifespan: int, kind: str = "") -> Claims:
        now = int(self._provider.clock())
        token_id = f"{kind}:{uuid.uuid4()}" if kind else str(uuid.uuid4())
        return {"exp": now + lifespan, "iat": now, "jti": token_id, "iss": self.address}


def at_hash(token: str) -> str:
    """OpenID Connect Core section 3.1.3.6, for RS256."""
    half = hashlib.sha256(token.encode()).digest()[:16]
    return base64.urlsafe_b64encode(half).rstrip(b"=").decode()
