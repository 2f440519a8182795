"""Speaks RFC 8693 as Keycloak's standard token exchange V2 does."""

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Any

import httpx

from app.credentials.token_exchange.exchanger import Down, ExchangedToken, ExchangeTarget, Inconclusive
from app.credentials.token_exchange.issued_token import IssuedTokenCheck
from app.credentials.token_exchange.refusals import refusal_of
from app.errors import BadAnswer, InvalidAgentToken, TooLarge, Unavailable
from app.identity.agent_token import AgentToken
from app.identity.issuer_watch import IssuerWatch, issuer_mismatch
from app.identity.published import FOREIGN, error_of, first_words, members_of, redirect_of
from app.logs import REDACTED
from app.outbound import cause_of, read_bounded

_GRANT = "urn:ietf:params:oauth:grant-type:token-exchange"
_ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"
_MAX_BYTES = 262_144
_MAX_RETRY_AFTER = 60.0  # seconds

_SLOW = "The identity provider did not answer in time (TOKEN_EXCHANGE_TIMEOUT). Try again in a moment."
_UNREACHABLE = (
    "The identity provider cannot be reached. Try again in a moment; an operator should check KEYCLOAK_URL and the "
    "network in between."
)
_NO_ROOM = (
    "This server has no connection to spare for the identity provider. Try again in a moment; an operator should read "
    "the log, and may have to allow this process more open files (ulimit -n)."
)
_OVERLOADED = "The identity provider asks us to slow down. Try again later."
_BROKEN = "The identity provider failed. Try again in a moment; an operator should read its log."
_UNREADABLE = (
    "The identity provider's answer cannot be understood. An operator should check that KEYCLOAK_URL is the address of "
    "Keycloak itself (no redirect, no sign-in page of a proxy)."
)

_log = logging.getLogger(__name__)


class KeycloakExchanger:
    """Exchanges at the token endpoint below `realm_url`, as the confidential client `client_id`.

    `client_secret` is asked for at each exchange, because it may have been replaced. `timeout` is in seconds and for
    the whole exchange, checks included. `clock` gives seconds since the epoch.
    """

    def __init__(
        self,
        client: httpx.AsyncClient,
        check: IssuedTokenCheck,
        watch: IssuerWatch,
        *,
        realm_url: str,
        client_id: str,
        client_secret: Callable[[], str],
        timeout: float,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._client = client
        self._url = f"{realm_url}/protocol/openid-connect/token"
        self._client_id = client_id
        self._client_secret = client_secret
        self._timeout = timeout
        self._clock = clock
        self._check = check
        self._watch = watch

    async def exchange(self, agent: AgentToken, target: ExchangeTarget) -> ExchangedToken:
        """See TokenExchanger; never circuit_open."""
        try:
            async with asyncio.timeout(self._timeout):
                status, headers, body = await self._send(self._form(agent, target))
                token = await self._check.accept(self._read(status, headers, body, target), agent, target)
        except TimeoutError:
            raise Unavailable("idp_unreachable", _SLOW) from None
        except httpx.HTTPError as error:
            cause = cause_of(error)
            told = {"error": cause.detail, "url": self._url}
            _log.warning("the identity provider cannot be reached", extra=told)
            if cause.reason == "shortage":
                raise Inconclusive("idp_unreachable", _NO_ROOM) from None
            raise (Unavailable if cause.connected else Down)("idp_unreachable", _UNREACHABLE) from None
        except InvalidAgentToken:
            if await self._watch.differs():
                raise issuer_mismatch() from None
            raise
        _log.debug(
            "Token exchange successful for audience '%s', expires in %ds",
            target.audience,
            max(0, token.expires_at - self._clock()),
        )
        return token

    def _form(self, agent: AgentToken, target: ExchangeTarget) -> dict[str, str]:
        form = {
            "grant_type": _GRANT,
            "client_id": self._client_id,
            "client_secret": self._client_secret(),
            "subject_token": agent.value,
            "subject_token_type": _ACCESS_TOKEN,
            "requested_token_type": _ACCESS_TOKEN,
            "audience": target.audience,
        }
        if target.scopes:
            form["scope"] = " ".join(target.scopes)
        return form

    async def _send(self, form: dict[str, str]) -> tuple[int, httpx.Headers, bytes]:
        headers = {"accept": "application/json"}
        async with self._client.stream(
            "POST", self._url, data=form, headers=headers, follow_redirects=False
        ) as response:
            if response.has_redirect_location:
                raise self._unreadable(response.status_code, redirect_of(response.headers).encode())
            try:
                body = await read_bounded(response, _MAX_BYTES)
            except (BadAnswer, TooLarge):
                raise self._unreadable(response.status_code, b"") from None
        return response.status_code, response.headers, _without(form["client_secret"], body)

    def _read(self, status: int, headers: httpx.Headers, body: bytes, target: ExchangeTarget) -> dict[str, Any]:
        """Return the members of a token answer; raises what anything else means."""
        if status == 429:
            raise Down("idp_overloaded", _OVERLOADED, _retry_after(headers))
        if status >= 500:
            raise Unavailable("idp_broken", _BROKEN, _retry_after(headers))
        members = members_of(body)
        if status == 200 and members is not None:
            return members
        refused = error_of(body)
        if not 400 <= status < 500 or refused is None:
            raise self._unreadable(status, body)
        error, description = refused
        refusal = refusal_of(status, error, description, target, self._client_id)
        _log.info(
            "token exchange refused",
            extra={"code": refusal.code, "status": status, "error": error, "description": description},
        )
        raise refusal

    def _unreadable(self, status: int, body: bytes) -> Inconclusive:
        told = {"status": status, "answer": first_words(body), "url": self._url}
        _log.warning("what answered the exchange is not Keycloak", extra=told)
        if 400 <= status < 500:
            return Inconclusive("idp_foreign_answer", FOREIGN.format(status=status))
        return Inconclusive("idp_broken", _UNREADABLE)


def _without(secret: str, body: bytes) -> bytes:
    """Return the body as it may be logged: a proxy that complains of a request may quote it."""
    return body.replace(secret.encode(), REDACTED.encode()) if secret else body


def _retry_after(headers: httpx.Headers) -> float:
    """Return the seconds of a Retry-After header within reason, 1 when there is none (or a date)."""
    stated = headers.get("retry-after", "").strip()
    return min(max(1.0, float(stated)), _MAX_RETRY_AFTER) if stated.isdecimal() else 1.0
