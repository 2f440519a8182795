"""The server as `register` and `call` speak to it: over REST, with the token of a user."""

import importlib
import ipaddress
import os
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import typer

from app.operation.text import cleaned

if TYPE_CHECKING:
    import httpx

REFUSED = 1  # exit status: the server, or the identity provider, refused
UNUSABLE = 2  # … and: it could not be asked

DEFAULT_SERVER = "http://localhost:8040"
_TOKEN = "TOOLS_PROVIDER_TOKEN"
_CLIENT = "tools-provider-frontend"  # of the seed realm: the one that people sign in with
_PATIENCE = 300  # seconds; the server has deadlines of its own for documents and upstreams

ServerOption = Annotated[str, typer.Option("--server", metavar="URL", help="The tools provider.")]
TokenFileOption = Annotated[
    Path | None, typer.Option("--token-file", metavar="FILE", help=f"A file with an access token; else {_TOKEN}.")
]
UserOption = Annotated[
    str, typer.Option("--user", metavar="NAME", help="Sign in as this user; at a development issuer on this machine.")
]
PasswordFileOption = Annotated[
    Path | None, typer.Option("--password-file", metavar="FILE", help="The user's password; left out: it is asked for.")
]


@dataclass(frozen=True, slots=True)
class Client:
    """A server and who asks it. `token_from` says where the token came from, in words."""

    server: str
    token: str = field(repr=False)
    token_from: str

    def get(self, path: str) -> Any:  # noqa: ANN401 - JSON
        """Return what the server answers. Ends the command when it refuses or cannot be asked."""
        return self._ask("GET", path)

    def post(self, path: str, **body: Any) -> Any:  # noqa: ANN401 - JSON; httpx's ways to state a body
        """Return what the server answers. Ends the command when it refuses or cannot be asked."""
        return self._ask("POST", path, **body)

    def _ask(self, method: str, path: str, **body: Any) -> Any:  # noqa: ANN401 - JSON
        headers = {"Authorization": f"Bearer {self.token}"}
        answer = _send(method, f"{self.server}{path}", headers=headers, **body)
        content = _json(answer)
        if not answer.is_success and isinstance(content, dict) and isinstance(content.get("code"), str):
            _refuse(answer.status_code, content, self.token_from)
        if not answer.is_success or content is None:
            stop(UNUSABLE, f"{self.server} answered {answer.status_code}, but not as a tools provider does.")
        return content


def connect(server: str, token_file: Path | None, user: str, password_file: Path | None) -> Client:
    """Return the server with a token. Ends the command where there is none."""
    if token_file is not None and user:
        raise typer.BadParameter("give either --token-file or --user", param_hint="--user")
    if password_file is not None and not user:
        raise typer.BadParameter("a password needs --user", param_hint="--password-file")
    server = _address(server)
    if token_file is not None:
        return Client(server, _header_value(_text_of(token_file), str(token_file)), f"from {token_file}")
    if user:
        return Client(server, _signed_in(server, user, password_file), f"of {user}, who has just signed in")
    token = os.environ.get(_TOKEN, "")
    if not token:
        stop(UNUSABLE, f"No token: set {_TOKEN}, or give --token-file or --user.")
    return Client(server, _header_value(token, _TOKEN), f"from {_TOKEN}")


def stop(status: int, text: str) -> NoReturn:
    """End the command with a text on standard error."""
    sys.stderr.write(f"{cleaned(text)}\n")
    raise typer.Exit(status)


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches the address; a name other than localhost may be anywhere."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _refuse(status: int, problem: dict[str, Any], token_from: str) -> NoReturn:
    lines = [f"{problem['code']} ({status}): {problem.get('detail', '')}"]
    lines += [f"  {each.get('pointer') or '/'}: {each.get('detail')}" for each in problem.get("violations") or ()]
    if status == 401:
        lines.append(f"The token was the one {token_from}.")
    lines += [f"trace_id: {problem['trace_id']}"] if problem.get("trace_id") else []
    stop(REFUSED, "\n".join(lines))


def _address(server: str) -> str:
    if not _host(server):
        raise typer.BadParameter(f"write an address such as {DEFAULT_SERVER}", param_hint="--server")
    return server.rstrip("/")


def _host(url: str) -> str:
    """Return the host of an HTTP address; empty for anything else."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return ""
    return (parts.hostname or "") if parts.scheme in {"http", "https"} else ""


def _text_of(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8").rstrip("\r\n")
    except OSError as error:
        stop(UNUSABLE, f"{file}: {error.strerror}")
    except UnicodeDecodeError:
        stop(UNUSABLE, f"{file}: this is not text.")


def _header_value(text: str, where: str) -> str:
    """Return one line that a header can carry; the text itself is never shown."""
    line = text.strip()
    if not line or not line.isprintable() or not line.isascii():
        stop(UNUSABLE, f"{where}: there must be one line of printable ASCII.")
    return line


def _signed_in(server: str, user: str, password_file: Path | None) -> str:
    """Return an access token by the password grant, at the issuer that the server names (RFC 9728).

    A password is sent only to issuers on this machine: whoever answers as the server chooses the address.
    """
    metadata = _public(f"{server}/.well-known/oauth-protected-resource/mcp")
    issuers = metadata.get("authorization_servers")
    issuer = str(issuers[0]) if isinstance(issuers, list) and issuers else ""
    endpoint = ""
    if is_loopback(_host(issuer)):
        endpoint = str(_public(f"{issuer}/.well-known/openid-configuration").get("token_endpoint"))
    if not is_loopback(_host(endpoint)):
        where = f"{server} trusts {issuer or 'no issuer'}"
        stop(UNUSABLE, f"--user signs in at issuers on this machine only, and {where}. Use --token-file or {_TOKEN}.")
    password = (
        typer.prompt(f"Password of {user} at {issuer}", hide_input=True, err=True)
        if password_file is None
        else _text_of(password_file)
    )
    form = {"grant_type": "password", "client_id": _CLIENT, "username": user, "password": password}
    answer = _json(_send("POST", endpoint, data=form))
    token = answer.get("access_token") if isinstance(answer, dict) else None
    if not isinstance(token, str):
        said = (answer.get("error_description") or answer.get("error")) if isinstance(answer, dict) else None
        stop(REFUSED, f"{issuer} did not let {user} sign in: {said or 'it gave no reason'}.")
    return token


def _public(url: str) -> dict[str, Any]:
    answer = _send("GET", url)
    content = _json(answer)
    if not answer.is_success or not isinstance(content, dict):
        stop(UNUSABLE, f"{url} answered {answer.status_code} and says nothing of how to sign in.")
    return content


def _send(method: str, url: str, **request: Any) -> "httpx.Response":  # noqa: ANN401 - httpx's ways to state a body
    """Return the answer; a proxy of the environment is used, but never for this machine's own addresses."""
    http = importlib.import_module("httpx")  # here, so that `convert` does not pay for it
    proxy = _proxy_for(url)
    options = {"timeout": _PATIENCE, "trust_env": False, "verify": http.create_ssl_context(), "proxy": proxy}
    try:
        answer: httpx.Response = http.request(method, url, **options, **request)
    except (http.TransportError, http.InvalidURL) as error:
        stop(UNUSABLE, f"{url} cannot be reached: {error or type(error).__name__}.")
    except (ImportError, ValueError):
        stop(
            UNUSABLE, f"{url} cannot be reached: the environment's proxy for it has to begin with http:// or https://."
        )
    return answer


def _proxy_for(url: str) -> str | None:
    """Return what the environment says; httpx's own reading of it fails where NO_PROXY has `[::1]`."""
    scheme, host = urlsplit(url).scheme, _host(url)
    if is_loopback(host) or proxy_bypass(host):
        return None
    proxies = getproxies()
    proxy = proxies.get(scheme) or proxies.get("all")
    return f"http://{proxy}" if proxy and "://" not in proxy else proxy


def _json(answer: "httpx.Response") -> Any:  # noqa: ANN401 - JSON
    try:
        return answer.json()
    except ValueError:
        return None
