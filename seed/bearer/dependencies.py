"""Ties token verification to a FastAPI application: the verifier's life, and the caller as a dependency."""

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Annotated

import httpx
from fastapi import Depends, FastAPI, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from starlette.types import StatelessLifespan

from seed.bearer.caller import Caller
from seed.bearer.keys import KeysUnavailable, SigningKeys
from seed.bearer.problems import Refused
from seed.bearer.settings import BearerSettings
from seed.bearer.verifier import TokenRefused, TokenVerifier

KEYS_TIMEOUT = 5.0  # seconds
bearer_scheme = HTTPBearer(auto_error=False, bearerFormat="JWT", description="An access token for this API.")


def verifying_lifespan(settings: BearerSettings, *, api: str) -> StatelessLifespan[FastAPI]:
    """A lifespan that gives the application its verifier, as `app.state.verifier`."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncGenerator[None]:
        async with httpx.AsyncClient(timeout=KEYS_TIMEOUT, trust_env=False) as client:
            keys = SigningKeys(settings.keys_address, client)
            app.state.verifier = TokenVerifier(keys, issuer=settings.issuer, audience=settings.audience, api=api)
            yield

    return lifespan


async def verified_caller(
    request: Request, credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(bearer_scheme)]
) -> Caller:
    """Return who is calling. Raises Refused: 401 for the token, 503 when the issuer's keys are not available."""
    if credentials is None:
        raise Refused(401, "Send an access token.", headers={"WWW-Authenticate": "Bearer"})
    verifier: TokenVerifier = request.app.state.verifier
    try:
        return await verifier.verify(credentials.credentials)
    except TokenRefused as error:
        challenge = {"WWW-Authenticate": 'Bearer error="invalid_token"'}
        raise Refused(401, str(error), headers=challenge) from error
    except KeysUnavailable as error:
        detail = "The identity provider's keys are not available now. Try again in a few seconds."
        raise Refused(503, detail, headers={"Retry-After": "5"}) from error


VerifiedCaller = Annotated[Caller, Depends(verified_caller)]


def caller_with_role(*roles: str) -> Callable[[Caller], Caller]:
    """A dependency: the caller, who must have one of the roles. Raises Refused with 403."""

    def checked(caller: VerifiedCaller) -> Caller:
        if not set(roles) & set(caller.roles):
            raise Refused(403, f"This needs the role {' or '.join(roles)}.", caller=caller)
        return caller

    return checked
