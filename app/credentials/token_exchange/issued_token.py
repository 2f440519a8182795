"""Checks a token that came back from an exchange, before anyone uses it."""

import math
import time
from collections.abc import Callable, Mapping
from typing import Any

from app.credentials.token_exchange.exchanger import AnswerUnreadable, ExchangedToken, ExchangeTarget
from app.errors import BadAnswer, NotPermitted, Unavailable
from app.identity.agent_token import AgentToken
from app.identity.claims import audiences_of, integer, text_or_none
from app.identity.jwks import JwksCache, SignatureRefused
from app.identity.signed_claims import signed_claims

_ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"
_JWT = "urn:ietf:params:oauth:token-type:jwt"

_UNUSABLE = (
    "What the identity provider returned cannot be used: {reason}. Nothing was sent to the upstream. An operator "
    "should check what KEYCLOAK_URL and OIDC_ISSUER point to."
)
_NOT_GRANTED = (
    "The identity provider did not grant: {missing}. Either the user lacks the role that the scope demands, or the "
    "scope is not shown: in Keycloak, Client scopes > its name > Include in token scope: On."
)


class IssuedTokenCheck:
    """Accepts only what one issuer signed for that audience and that user. `clock` gives seconds since the epoch.

    `leeway` is the seconds by which the issuer's clock may differ from it.
    """

    def __init__(self, keys: JwksCache, *, issuer: str, leeway: float, clock: Callable[[], float] = time.time) -> None:
        self._keys = keys
        self._issuer = issuer
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
        try:
            claims = await signed_claims(value, self._keys)
        except SignatureRefused:
            raise _unusable("it is not signed as it should be") from None
        except Unavailable as error:
            # Strangers can bring it about that keys are not asked for at this moment; that must not open the breaker.
            raise AnswerUnreadable(error.code, error.detail, error.retry_after) from None
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
        now = self._clock()
        expires, not_before = integer(claims.get("exp")), integer(claims.get("nbf", 0))
        if claims.get("iss") != self._issuer:
            raise _unusable("it has another issuer")
        if target.audience not in audiences_of(claims):
            raise _unusable("it is not for the audience that was asked for")
        if claims.get("sub") != agent.subject:
            raise _unusable("it belongs to another user")
        if claims.get("typ") != "Bearer" or "cnf" in claims:
            raise _unusable("it is not a plain access token")
        if expires is None or expires + self._leeway <= now:
            raise _unusable("it has expired or does not say when it will")
        if not_before is None or not_before > now + self._leeway:
            raise _unusable("it is not valid yet")

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


def _unusable(reason: str) -> BadAnswer:
    return BadAnswer("exchange_result_invalid", _UNUSABLE.format(reason=reason))
