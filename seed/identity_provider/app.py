"""Puts the endpoints under Keycloak's paths."""

import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from seed.bodies import BoundedBodies
from seed.identity_provider import endpoints, login
from seed.identity_provider.answers import OAuthError, invalid_request
from seed.identity_provider.call import Call
from seed.identity_provider.control import control_routes
from seed.identity_provider.doorstep import FORM, Doorstep, media_types
from seed.identity_provider.fault_responses import answer_of_faults
from seed.identity_provider.faults import Endpoint
from seed.identity_provider.form import Form
from seed.identity_provider.grants.token_exchange import GRANT_TYPE
from seed.identity_provider.introspection import introspect
from seed.identity_provider.provider import IdentityProvider
from seed.identity_provider.registration import register

Handler = Callable[[Call], Response]
PROTOCOL = "/realms/{realm}/protocol/openid-connect"
ROUTES: tuple[tuple[str, str, Endpoint, Handler], ...] = (
    ("POST", f"{PROTOCOL}/token", "token", endpoints.token),
    ("POST", f"{PROTOCOL}/token/introspect", "introspect", introspect),
    ("POST", f"{PROTOCOL}/revoke", "revoke", endpoints.revoke),
    ("POST", f"{PROTOCOL}/logout", "logout", endpoints.logout),
    ("GET", f"{PROTOCOL}/userinfo", "userinfo", endpoints.userinfo),
    ("GET", f"{PROTOCOL}/certs", "certs", endpoints.certs),
    ("POST", "/realms/{realm}/clients-registrations/openid-connect", "registration", register),
    ("GET", f"{PROTOCOL}/auth", "auth", login.show),
    ("POST", "/realms/{realm}/login-actions/authenticate", "auth", login.submit),
    ("GET", "/realms/{realm}/.well-known/openid-configuration", "discovery", endpoints.discovery),
    ("GET", "/realms/{realm}/.well-known/oauth-authorization-server", "discovery", endpoints.discovery),
    ("GET", "/.well-known/oauth-authorization-server/realms/{realm}", "discovery", endpoints.discovery),
    ("GET", "/realms/{realm}", "realm", endpoints.realm),
)
OPEN_WHEN_DISABLED = frozenset({"discovery"})


def create_identity_provider(
    realm: Mapping[str, Any],
    *,
    issuer_base: str | None = None,
    hosts: Iterable[str] = (),
    clock: Callable[[], float] = time.time,
) -> FastAPI:
    """An application that serves the realm; its `app.state.identity_provider` is the IdentityProvider behind it.

    It answers to loopback names, that of `issuer_base` and `hosts`. Raises RealmError.
    """
    provider = IdentityProvider(realm, issuer_base=issuer_base, clock=clock)
    app = FastAPI(title="Embedded identity provider (development)", openapi_url=None)
    app.state.identity_provider = provider
    app.include_router(control_routes(provider))
    for method, path, endpoint, handler in ROUTES:
        app.add_route(path, _served(provider, endpoint, handler), methods=[method])
    app.add_exception_handler(405, _wrong_method)
    app.add_middleware(BoundedBodies)
    app.add_middleware(Doorstep, provider=provider, hosts=tuple(hosts))  # the last one is the outermost
    return app


async def _wrong_method(_: Request, __: Exception) -> Response:
    return JSONResponse({"error": "HTTP 405 Method Not Allowed"}, 405)


def _served(
    provider: IdentityProvider, endpoint: Endpoint, handler: Handler
) -> Callable[[Request], Awaitable[Response]]:
    async def serve(request: Request) -> Response:
        if request.path_params["realm"] != provider.realm.name:
            return JSONResponse({"error": "Realm does not exist"}, 404)
        body = await request.body()
        form = Form.parse(body) if media_types(request.headers) == [FORM] else Form()
        names = _names(endpoint, form)
        provider.counts.update(names)
        met = provider.faults.take(*names)
        answer = await answer_of_faults(met, provider.faults, request)
        if answer is not None:
            return answer
        try:
            _check_realm(provider, endpoint, request)
            return handler(Call(provider, request, body, form, tuple(met)))
        except OAuthError as error:
            return error.response()
        except RecursionError:  # JSON of a body, a token or a proof
            return invalid_request("Nested too deeply").response()

    return serve


def _names(endpoint: Endpoint, form: Form) -> tuple[Endpoint, ...]:
    exchange = endpoint == "token" and form.get("grant_type") == GRANT_TYPE
    return ("token", "exchange") if exchange else (endpoint,)


def _check_realm(provider: IdentityProvider, endpoint: Endpoint, request: Request) -> None:
    if provider.realm.https_required and request.url.scheme != "https":
        raise OAuthError(403, "invalid_request", "HTTPS required")
    if not provider.realm.enabled and endpoint not in OPEN_WHEN_DISABLED:
        raise OAuthError(403, "access_denied", "Realm not enabled")
