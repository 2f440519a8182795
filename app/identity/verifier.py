"""Decides whether an agent's access token is good, and says exactly why if it is not."""

import hashlib
import time
from collections.abc import Callable
from typing import Any

from app.errors import InvalidAgentToken, NotPermitted
from app.identity.agent_token import AgentToken
from app.identity.claims import audiences_of, integer, name_or_none, strings_of, text_or_none
from app.identity.issuer_watch import IssuerWatch, issuer_mismatch
from app.identity.jwks import JwksCache, SignatureRefused
from app.identity.signed_claims import signed_claims
from app.memory import Kept, Memory

_MAX_LIFE = 366 * 86_400  # seconds; a longer life is a mistake or an attack
_MAX_ACTORS = 3  # an agent, one that it works for, one more; each can misuse the token
_MOST_REMEMBERED = 4_096  # of a few kilobytes each
_MOST_REFUSED = 10_000  # digests
_REMEMBERED_FOR = 60.0  # seconds; a key that the issuer withdraws is trusted this much longer for tokens already seen

_MISSING = "Send the agent's access token: `Authorization: Bearer …`."
_NOT_ASCII = "A token is ASCII text."
_OVER_LENGTH = (
    "The token has more than {most} characters. Another of the same kind would be as long: in Keycloak, give it fewer "
    "claims (take client scopes with groups or roles away from the agent's client); or an operator raises "
    "TOKEN_MAX_BYTES."
)
_REVOKED = "The identity provider no longer accepts this token. Sign in again for a new one."
_WRONG_ISSUER = (
    "The token's `iss` must be exactly `{issuer}`. Get the token from that address; if it is the wrong one, "
    "an operator corrects OIDC_ISSUER (or KEYCLOAK_URL and KEYCLOAK_REALM)."
)
_BOUND_TO_KEY = (
    "The token is bound to a key (DPoP or mTLS), which cannot be exchanged. Use a client without sender-constrained "
    "tokens."
)
_NO_ACCESS_TOKEN = (
    "This is not an access token: its claim `typ` is not `Bearer`. Send the `access_token`, not the ID or refresh "
    "token."
)
_TIMES = "The claims `exp`, `iat` (and `nbf`, if any) must be integers."
_EXPIRED = "The token has expired. Refresh it, or sign in again."
_NOT_YET = "The token is not valid yet. Correct the clocks of this server and its issuer."
_TOO_LONG = "The token would be valid for more than a year."
_NO_SUBJECT = (
    "The token names no user (`sub`). Lightweight access tokens leave it out: in Keycloak, turn off 'Always use "
    "lightweight access token' of the agent's client (tab Advanced); if it is off, give the client the scope `basic`."
)
_WRONG_AUDIENCE = (
    "The token's `aud` must hold {accepted}. In Keycloak, add an Audience mapper to a client scope of the agent's "
    "client."
)
_TOO_MANY_ACTORS = f"More than {_MAX_ACTORS} actors stand behind this token (claim `act`)."


class AgentTokenVerifier:
    """Verifies tokens of one issuer, of at most `max_length` characters.

    `leeway` is the seconds by which the issuer's clock may differ from `clock`, which gives seconds since the epoch.

    A good token is remembered as it was sent, so that the next call with it costs microseconds; one that the identity
    provider refused, by what its issuer signed.
    """

    def __init__(
        self,
        keys: JwksCache,
        watch: IssuerWatch,
        memory: Memory,
        *,
        issuer: str,
        audiences: frozenset[str],
        leeway: float,
        max_length: int,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._keys = keys
        self._watch = watch
        self._issuer = issuer
        self._audiences = audiences
        self._leeway = leeway
        self._max_length = max_length
        self._clock = clock
        self._verified: Kept[AgentToken] = memory.kept("verified_tokens", most=_MOST_REMEMBERED)
        self._refused: Kept[bool] = memory.kept("refused_tokens", most=_MOST_REFUSED)

    async def verify(self, value: str) -> AgentToken:
        """Return the token if it is good.

        Raises InvalidAgentToken with a `token_…` or `clock_skew` code, NotPermitted (`delegation_too_deep`), BadAnswer
        (`issuer_mismatch_at_provider`), and Unavailable while the issuer's keys cannot be fetched.
        """
        if not value:
            raise InvalidAgentToken("token_missing", _MISSING)
        if len(value) > self._max_length:
            raise InvalidAgentToken("token_invalid", _OVER_LENGTH.format(most=self._max_length))
        if not value.isascii():
            raise InvalidAgentToken("token_invalid", _NOT_ASCII)
        sent = _digest(value)
        now = self._clock()
        agent = await self._verified.get(sent, now)
        if agent is None:
            agent = await self._read(value)
            await self._verified.keep(sent, agent, until=min(agent.expires_at, now + _REMEMBERED_FOR), now=now)
        if await self._refused.get(agent.digest, now):
            raise InvalidAgentToken("token_revoked", _REVOKED)
        return agent

    async def refuse(self, agent: AgentToken) -> None:
        """The identity provider refused this token: `token_revoked` from the next request on."""
        await self._refused.keep(agent.digest, True, until=agent.expires_at + self._leeway, now=self._clock())

    async def _read(self, value: str) -> AgentToken:
        try:
            claims = await signed_claims(value, self._keys)
        except SignatureRefused as refused:
            raise InvalidAgentToken(refused.code, refused.detail) from None
        await self._check_issuer(claims)
        self._check_kind(claims)
        self._check_times(claims)
        self._check_parties(claims)
        return AgentToken(
            value=value,
            digest=_digest(value.rpartition(".")[0]),
            issuer=self._issuer,
            subject=claims["sub"],
            preferred_username=name_or_none(claims.get("preferred_username")),
            client_id=text_or_none(claims.get("azp")),
            token_id=text_or_none(claims.get("jti")),
            scopes=frozenset((text_or_none(claims.get("scope")) or "").split()),
            roles=_realm_roles(claims),
            expires_at=float(claims["exp"]),
            actor=claims.get("act"),
        )

    async def _check_issuer(self, claims: dict[str, Any]) -> None:
        stated = claims.get("iss")
        if stated == self._issuer:
            return
        if await self._watch.names(stated):
            raise issuer_mismatch()
        raise InvalidAgentToken("token_issuer_mismatch", _WRONG_ISSUER.format(issuer=self._issuer))

    def _check_kind(self, claims: dict[str, Any]) -> None:
        if "cnf" in claims:
            raise InvalidAgentToken("token_type_refused", _BOUND_TO_KEY)
        if claims.get("typ") != "Bearer":
            raise InvalidAgentToken("token_type_refused", _NO_ACCESS_TOKEN)

    def _check_times(self, claims: dict[str, Any]) -> None:
        now = self._clock()
        expires, issued, not_before = (integer(claims.get(name)) for name in ("exp", "iat", "nbf"))
        if expires is None or issued is None or (not_before is None and "nbf" in claims):
            raise InvalidAgentToken("token_invalid", _TIMES)
        if expires + self._leeway <= now:
            raise InvalidAgentToken("token_expired", _EXPIRED)
        if max(issued, not_before or 0) > now + self._leeway:
            raise InvalidAgentToken("clock_skew", _NOT_YET)
        if expires - now > _MAX_LIFE:
            raise InvalidAgentToken("token_invalid", _TOO_LONG)

    def _check_parties(self, claims: dict[str, Any]) -> None:
        subject = claims.get("sub")
        if not isinstance(subject, str) or not subject:
            raise InvalidAgentToken("token_subject_missing", _NO_SUBJECT)
        if self._audiences.isdisjoint(audiences_of(claims)):
            accepted = " or ".join(f"`{audience}`" for audience in sorted(self._audiences))
            raise InvalidAgentToken("token_audience_mismatch", _WRONG_AUDIENCE.format(accepted=accepted))
        if _actors(claims) > _MAX_ACTORS:
            raise NotPermitted("delegation_too_deep", _TOO_MANY_ACTORS)


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("ascii")).digest()


def _realm_roles(claims: dict[str, Any]) -> frozenset[str]:
    access = claims.get("realm_access")
    return strings_of(access.get("roles")) if isinstance(access, dict) else frozenset()


def _actors(claims: dict[str, Any]) -> int:
    """Return how many parties act in turn (RFC 8693 section 4.1)."""
    depth, actor = 0, claims.get("act")
    while isinstance(actor, dict):
        depth, actor = depth + 1, actor.get("act")
    return depth
