"""The login page of the authorization code flow: one form, no cookies, no consent page."""

from html import escape
from urllib.parse import unquote, urlencode, urlsplit

from starlette.datastructures import QueryParams
from starlette.responses import HTMLResponse, RedirectResponse, Response

from seed.identity_provider.answers import OAuthError
from seed.identity_provider.authorization_codes import CODE_SECONDS, PKCE_VALUE, AuthorizationCode
from seed.identity_provider.call import Call
from seed.identity_provider.grants.password import authenticated_user
from seed.identity_provider.issuing import check_scope
from seed.identity_provider.realm import Client

MESSAGES = {
    "Invalid user credentials": "Invalid username or password.",
    "Account disabled": "Account is disabled, contact your administrator.",
}
LOOPBACK = ("localhost", "127.0.0.1")
PAGE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>Sign in to {realm}</title></head>
<body><h1>Sign in to {realm}</h1><p>Embedded identity provider: for development only.</p>{message}
<form id="kc-form-login" action="{action}" method="post">
<label>Username <input name="username" autofocus></label>
<label>Password <input name="password" type="password"></label>
<button type="submit">Sign In</button></form></body></html>
"""


class PageError(Exception):
    """The request cannot be answered to the client, only to the person."""


def show(call: Call) -> Response:
    """The form, or the client's error by redirect (RFC 6749 section 4.1.2.1)."""
    query = call.request.query_params
    try:
        client, redirect_uri = _client_and_redirect(call, query)
    except PageError as error:
        return HTMLResponse(f"<!DOCTYPE html><title>Error</title><p>{escape(str(error))}</p>", 400)
    try:
        _check_request(client, query)
    except OAuthError as error:
        return _redirect(call, redirect_uri, query, **_parameters(error))
    return _page(call, query)


def submit(call: Call) -> Response:
    """Check the password; redirect with a code, or show the form again."""
    query = call.request.query_params
    try:
        client, redirect_uri = _client_and_redirect(call, query)
        _check_request(client, query)
        user = authenticated_user(call.provider.realm, call.form.get("username") or "", call.form.get("password") or "")
    except PageError as error:
        return HTMLResponse(f"<!DOCTYPE html><title>Error</title><p>{escape(str(error))}</p>", 400)
    except OAuthError as error:
        return _page(call, query, MESSAGES.get(error.description or "", error.error))
    now = call.provider.clock()
    session = call.provider.sessions.start(user.id, client.client_id, now)
    code = AuthorizationCode(
        client_id=client.client_id,
        redirect_uri=redirect_uri,
        user_id=user.id,
        session_id=session.id,
        scope=query.get("scope"),
        nonce=query.get("nonce"),
        code_challenge=query.get("code_challenge", ""),
        expires_at=now + CODE_SECONDS,
    )
    return _redirect(call, redirect_uri, query, session_state=session.id, code=call.provider.codes.add(code, now))


def _parameters(error: OAuthError) -> dict[str, str]:
    described = {} if error.description is None else {"error_description": error.description}
    return {"error": error.error, **described}


def redirect_allowed(client: Client, redirect_uri: str) -> bool:
    """Whether an address is registered; `*` at the end stands for anything, and loopback addresses fit on any port."""
    return any(_matches(registered, uri) for registered in client.redirect_uris for uri in _forms(redirect_uri))


def _forms(uri: str) -> list[str]:
    """The address as it is and, on loopback, without its port; none when it is none, or hides another address."""
    try:
        parts = urlsplit(uri)
        port = parts.port
    except ValueError:
        return []
    if parts.username is not None or ".." in unquote(parts.path).split("/"):
        return []
    if parts.scheme == "http" and parts.hostname in LOOPBACK and port is not None:
        return [uri, parts._replace(netloc=str(parts.hostname)).geturl()]
    return [uri]


def _matches(registered: str, uri: str) -> bool:
    if registered.endswith("*"):
        start = registered[:-1]
        return uri.startswith(start) or uri == start.rstrip("/")
    return uri == registered


def _client_and_redirect(call: Call, query: QueryParams) -> tuple[Client, str]:
    client = call.provider.realm.clients.get(query.get("client_id", ""))
    if client is None:
        raise PageError("Client not found.")
    if not client.enabled:
        raise PageError("Client disabled.")
    redirect_uri = query.get("redirect_uri", "")
    if not redirect_allowed(client, redirect_uri):
        raise PageError("Invalid parameter: redirect_uri")
    return client, redirect_uri


def _check_request(client: Client, query: QueryParams) -> None:
    _check_response_type(client, query)
    check_scope(client, query.get("scope"))
    _check_challenge(client, query)
    if query.get("prompt") == "none":
        raise OAuthError(400, "login_required", None)


def _check_response_type(client: Client, query: QueryParams) -> None:
    if query.get("response_type") is None:
        raise OAuthError(400, "invalid_request", "Missing parameter: response_type")
    if query["response_type"] != "code":
        raise OAuthError(400, "unsupported_response_type", None)
    if not client.standard_flow:
        raise OAuthError(400, "unauthorized_client", "Client is not allowed to initiate browser login.")


def _check_challenge(client: Client, query: QueryParams) -> None:
    if client.attributes.get("pkce.code.challenge.method"):
        if not query.get("code_challenge_method"):
            raise OAuthError(400, "invalid_request", "Missing parameter: code_challenge_method")
        if query["code_challenge_method"] != "S256":
            problem = "Invalid parameter: code challenge method is not matching the configured one"
            raise OAuthError(400, "invalid_request", problem)
        if not query.get("code_challenge"):
            raise OAuthError(400, "invalid_request", "Missing parameter: code_challenge")
        if not PKCE_VALUE.fullmatch(query["code_challenge"]):
            raise OAuthError(400, "invalid_request", "Invalid parameter: code_challenge")


def _page(call: Call, query: QueryParams, message: str = "") -> Response:
    action = f"{call.issuer.address}/login-actions/authenticate?{urlencode(query.multi_items())}"
    shown = f"<p>{escape(message)}</p>" if message else ""
    realm = escape(call.provider.realm.name)
    return HTMLResponse(PAGE.format(realm=realm, action=escape(action), message=shown))


def _redirect(call: Call, redirect_uri: str, query: QueryParams, **parameters: str) -> Response:
    if query.get("state"):
        parameters["state"] = query["state"]
    parameters["iss"] = call.issuer.address
    joint = "&" if urlsplit(redirect_uri).query else "?"
    return RedirectResponse(f"{redirect_uri}{joint}{urlencode(parameters)}", 302)
