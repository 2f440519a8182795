"""Checks a token that came back from an exchange, before anyone uses it."""

import math
import time
from collections.abc import Callable, Mapping
from typing import Any

from app.credentials.token_exchange.exchanger import ExchangedToken, ExchangeTarget, Inconclusive
from app.errors import BadAnswer, NotPermitted, Unavailable
from app.identity.agent_token import AgentToken
from app.identity.claims import audiences_of, integer, text_or_none
from app.identity.jwks import JwksCache, SignatureRefused
from app.identity.signed_claims import signed_claims

_ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"
_JWT = "urn:ietf:params:oauth:token-type:jwt"

_LONGEST = 65_536  # characters; many servers take headers of 8 KiB, and thousands of tokens are kept
_LONGEST_LIFE = 86_400  # seconds; an API needs it for one call

_UNUSABLE = "What the identity provider returned cannot be used: {reason}. Nothing was sent to the upstream. {cure}"
_CHECK_ADDRESS = "An operator should check what KEYCLOAK_URL and OIDC_ISSUER point to."
_OURS = "its `aud` holds {ours} too, so the upstream could use it here in the user's name"
_REMOVE_MAPPER = (
    "An operator removes what adds {ours}: in Keycloak, a mapper (Audience, Audience Resolve or Hardcoded claim) of a "
    "client scope under Clients > {client} > Client scopes, or of {client}-dedicated there. The agent's client keeps "
    "its own."
)
_ASKED_FOR_OURS = "An admin gives the source the `default_audience` of its own API, not one of ACCEPTED_AUDIENCES."
_ACTOR = "it names an actor (claim `act`) that nobody asked for"
_REMOVE_ACTOR = (
    "An operator removes the mapper that adds `act`: in Keycloak, from the client scopes under Clients > {client} > "
    "Client scopes."
)
_OTHER_CLIENT = "it was issued to another client than {client} (claim `azp`)"
_CLOCKS = "An operator should correct the clocks of this server and of the identity provider."
_TOO_LONG = "it is valid for more than a day"
_SHORTEN = (
    "An operator shortens it: in Keycloak, Clients > {client} > Advanced > Access Token Lifespan, or Realm settings > "
    "Tokens."
)
_OVER_LENGTH = f"it has more than {_LONGEST} characters"
_FEWER_CLAIMS = (
    "An operator gives it fewer claims: in Keycloak, takes client scopes with groups or roles away from Clients > "
    "{client} > Client scopes."
)
_NOT_GRANTED = (
    "The identity provider did not grant: {missing}. Either the user lacks the role that the scope demands, or the "
    "scope is not shown: in Keycloak, Client scopes > its name > Include in token scope: On."
)


class IssuedTokenCheck:
    """Accepts only what one issuer signed for that audience and that user, and that is good for nothing else.

    `client_id` is the exchange client, `own_audiences` are those that agent tokens are accepted with. `leeway` is the
    seconds by which the issuer's clock may differ from `clock`, which gives seconds since the epoch.
    """

    def __init__(
        self,
        keys: JwksCache,
        *,
        issuer: str,
        client_id: str,
        own_audiences: frozenset[str],
        leeway: float,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._keys = keys
        self._issuer = issuer
        self._client_id = client_id
        self._own_audiences = own_audiences
        self._leeway = leeway
        self._clock = clock

    async def accept(self, answer: Mapping[str, Any], agent: AgentToken, target: ExchangeTarget) -> ExchangedToken:
        """Return the token of a token endpoint's answer (RFC 8693 section 2.2.1).

        Raises BadAnswer (`exchange_result_invalid`), NotPermitted (`exchange_scope_not_granted`), and Unavailable
        while the issuer's keys are not available.
        """
        value = _bearer(answer)
        if value == agent.value:
            raise _unusable("the agent's own token came back")
        if len(value) > _LONGEST:
            raise self._misconfigured(_OVER_LENGTH, _FEWER_CLAIMS)
        try:
            claims = await signed_claims(value, self._keys)
        except SignatureRefused:
            raise _unusable("it is not signed as it should be") from None
        except Unavailable as error:
            # Strangers can bring it about that keys are not asked for at this moment; that must not open the breaker.
            raise Inconclusive(error.code, error.detail, error.retry_after) from None
        self._check_claims(claims, agent, target)
        granted = text_or_none(answer.get("scope"))
        if granted is not None:
            _check_scopes(granted.split(), target)
        return ExchangedToken(
            value=value,
            expires_at=self._end(answer.get("expires_in"), claims["exp"]),
            token_id=text_or_none(claims.get("jti")),
        )

    def _check_claims(self, claims: Mapping[str, Any], agent: AgentToken, target: ExchangeTarget) -> None:
        if claims.get("iss") != self._issuer:
            raise _unusable("it has another issuer")
        if claims.get("sub") != agent.subject:
            raise _unusable("it belongs to another user")
        if claims.get("typ") != "Bearer" or "cnf" in claims:
            raise _unusable("it is not a plain access token")
        self._check_audience(audiences_of(claims), target)
        if claims.get("azp") != self._client_id:
            raise self._misconfigured(_OTHER_CLIENT, _CHECK_ADDRESS)
        if claims.get("act") not in (None, agent.actor):
            raise self._misconfigured(_ACTOR, _REMOVE_ACTOR)
        self._check_times(claims)

    def _check_audience(self, audiences: frozenset[str], target: ExchangeTarget) -> None:
        """The upstream must not be able to come back with the token as the user's agent."""
        if target.audience not in audiences:
            raise _unusable("it is not for the audience that was asked for")
        ours = sorted(self._own_audiences & audiences)
        if ours:
            cure = _ASKED_FOR_OURS if target.audience in ours else _REMOVE_MAPPER
            raise self._misconfigured(_OURS, cure, ours=" and ".join(f"`{audience}`" for audience in ours))

    def _check_times(self, claims: Mapping[str, Any]) -> None:
        now = self._clock()
        expires, issued, not_before = (integer(claims.get(name, 0)) for name in ("exp", "iat", "nbf"))
        if expires is None or expires + self._leeway <= now:
            raise _unusable("it has expired or does not say when it will")
        if not issued or issued > now + self._leeway:
            raise self._misconfigured("it was issued in the future or does not say when", _CLOCKS)
        if not_before is None or not_before > now + self._leeway:
            raise _unusable("it is not valid yet")
        if expires - issued > _LONGEST_LIFE:
            raise self._misconfigured(_TOO_LONG, _SHORTEN)

    def _misconfigured(self, reason: str, cure: str, ours: str = "") -> BadAnswer:
        told = {"client": f"'{self._client_id}'", "ours": ours}
        return _unusable(reason.format(**told), cure.format(**told))

    def _end(self, expires_in: object, expires: int) -> float:
        """Return when the token ends, by its claim or by the answer, whichever is earlier; 0 when that is not said."""
        if isinstance(expires_in, bool) or not isinstance(expires_in, int | float):
            return 0.0
        if not math.isfinite(expires_in) or expires_in <= 0:
            return 0.0
        return min(float(expires), self._clock() + expires_in)


def _bearer(answer: Mapping[str, Any]) -> str:
    value = answer.get("access_token")
    if not isinstance(value, str) or not value:
        raise _unusable("there is no access token in it")
    kind = answer.get("token_type")
    if not isinstance(kind, str) or kind.lower() != "bearer":
        raise _unusable("its token_type is not Bearer")
    if answer.get("issued_token_type", _ACCESS_TOKEN) not in (_ACCESS_TOKEN, _JWT):
        raise _unusable("its issued_token_type is not that of an access token")
    return value


def _check_scopes(granted: list[str], target: ExchangeTarget) -> None:
    if missing := [scope for scope in target.scopes if scope not in granted]:
        raise NotPermitted("exchange_scope_not_granted", _NOT_GRANTED.format(missing=" ".join(missing)))


def _unusable(reason: str, cure: str = _CHECK_ADDRESS) -> BadAnswer:
    return BadAnswer("exchange_result_invalid", _UNUSABLE.format(reason=reason, cure=cure))
