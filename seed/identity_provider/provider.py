"""The state of one embedded identity provider: its realm, keys and sessions, and who it trusts."""

import secrets
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from seed.identity_provider.authorization_codes import AuthorizationCodes
from seed.identity_provider.dpop import Proofs
from seed.identity_provider.faults import Faults
from seed.identity_provider.keys import Claims, Keys, TokenRefused
from seed.identity_provider.mappers import refuse_unknown_mappers
from seed.identity_provider.realm import Client, Realm, RealmError, User, parse_realm
from seed.identity_provider.registration_rules import registration_rules
from seed.identity_provider.sessions import Session, Sessions

ACCESS_TOKEN_TYPES = frozenset({"Bearer", "DPoP"})


class IdentityProvider:
    """A realm that is being served. `counts` is how often each endpoint was called, and `exchanges` that succeeded.

    `clock` gives seconds since the epoch; `issuer_base` fixes the address in `iss`, which otherwise follows the address
    that was called.
    """

    def __init__(
        self, realm: Mapping[str, Any], *, issuer_base: str | None = None, clock: Callable[[], float] = time.time
    ) -> None:
        self.issuer_base = issuer_base
        self.clock = clock
        self.keys = Keys()
        self.sessions = Sessions()
        self.codes = AuthorizationCodes()
        self.proofs = Proofs()
        self.faults = Faults()
        self.counts: Counter[str] = Counter()
        self.refresh_secret = secrets.token_bytes(64)
        self.load(realm)

    def load(self, realm: Mapping[str, Any]) -> None:
        """Serve this realm from now on; keys and sessions stay, registered clients go. Raises RealmError."""
        parsed = parse_realm(realm)
        refuse_unknown_mappers([*parsed.clients.values(), *parsed.scopes.values()])
        self.realm: Realm = parsed
        self.registration_rules = registration_rules(realm)

    def add_client(self, client: Client) -> None:
        """Make a client known that registered itself."""
        self.realm = replace(self.realm, clients={**self.realm.clients, client.client_id: client})

    def session(self, session_id: str) -> Session | None:
        return self.sessions.alive(session_id, self.clock(), idle=self.realm.session_idle, life=self.realm.session_life)

    def log_out(self, username: str) -> int:
        """End every session of a user; how many there were. Raises RealmError when there is no such user."""
        user = self.realm.user_named(username)
        if user is None:
            raise RealmError(f"there is no user {username}")
        return self.sessions.end_all_of(user.id)

    def verified_access_token(self, token: str, issuer: str) -> tuple[Claims, User]:
        """Claims and user of an access token that is still good here. Raises TokenRefused for any reason not to be."""
        claims = self.keys.verified(token, issuer, self.clock())
        if claims.get("typ") not in ACCESS_TOKEN_TYPES:
            raise TokenRefused("not an access token")
        if self.sessions.revoked(claims["jti"]):
            raise TokenRefused("revoked")
        client = self.realm.clients.get(claims["azp"])
        if client is None or not client.enabled:
            raise TokenRefused("client gone")
        user = self._user_of(claims)
        if claims["iat"] < max(self.realm.not_before, user.not_before):
            raise TokenRefused("issued before the not-before time")
        return claims, user

    def _user_of(self, claims: Claims) -> User:
        """The user by session (a lightweight token has no `sub`), or by `sub` where there never was a session."""
        user_id = claims.get("sub")
        if "sid" in claims:
            session = self.session(claims["sid"])
            if session is None:
                raise TokenRefused("session gone")
            user_id = session.user_id
        user = self.realm.users.get(str(user_id))
        if user is None or not user.enabled:
            raise TokenRefused("user gone or disabled")
        return user
