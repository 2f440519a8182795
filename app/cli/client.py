"""The server as `register` and `call` speak to it: over REST, with the token of a user."""

import getpass
import importlib
import ipaddress
import os
import sys
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Any, NoReturn, TypeVar
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import typer
from pydantic import BaseModel, ValidationError

from app.operation.text import cleaned

if TYPE_CHECKING:
    import httpx

REFUSED = 1  # exit status: the server, or the identity provider, refused
UNUSABLE = 2  # … and: it could not be asked

DEFAULT_SERVER = "http://localhost:8040"
_TOKEN = "TOOLS_PROVIDER_TOKEN"
_CLIENT = "tools-provider-frontend"  # of the seed realm: the one that people sign in with
_PATIENCE = 300  # seconds; the server has deadlines of its own for documents and upstreams
_MOST_BYTES = 200_000_000  # of a file; what a server takes is its setting
Answer = TypeVar("Answer", bound=BaseModel)

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


class _Violation(BaseModel):
    pointer: str
    detail: str


class _Problem(BaseModel):
    """A refusal (RFC 9457) as the server words it."""

    code: str
    detail: str = ""
    violations: list[_Violation] = []
    trace_id: str | None = None


@dataclass(frozen=True, slots=True)
class Client:
    """A server and who asks it. `token_from` says where the token came from, in words.

    `options` names the options of the command by the fields of the request that they stand for.
    """

    server: str
    token: str = field(repr=False)
    token_from: str
    options: Mapping[str, str]

    def get(self, path: str, shape: type[Answer]) -> Answer:
        """Return what the server answers. Ends the command when it refuses or cannot be asked."""
        return self._ask("GET", path, shape)

    def post(self, path: str, shape: type[Answer], **body: Any) -> Answer:  # noqa: ANN401 - httpx's ways to state one
        """Return what the server answers. Ends the command when it refuses or cannot be asked."""
        return self._ask("POST", path, shape, **body)

    def _ask(self, method: str, path: str, shape: type[Answer], **body: Any) -> Answer:  # noqa: ANN401 - as above
        headers = {"Authorization": f"Bearer {self.token}"}
        answer = _send(method, f"{self.server}{path}", headers=headers, **body)
        content = _json(answer)
        try:
            if not answer.is_success:
                self._refuse(answer.status_code, _Problem.model_validate(content))
            return shape.model_validate(content)
        except ValidationError:
            stop(UNUSABLE, f"{self.server} answered {answer.status_code}, but not as a tools provider does.")

    def _refuse(self, status: int, problem: _Problem) -> NoReturn:
        lines = [f"{problem.code} ({status}): {problem.detail}"]
        lines += [f"  {each.pointer or '/'}: {each.detail}" for each in problem.violations]
        said = "\n".join(lines)
        lines += [f"`{name}` is {option} here." for name, option in self.options.items() if _speaks_of(said, name)]
        if status == 401:
            lines.append(f"The token was the one {self.token_from}.")
        lines += [f"trace_id: {problem.trace_id}"] if problem.trace_id else []
        stop(REFUSED, "\n".join(lines))


def connect(
    server: str,
    token_file: Path | None,
    user: str,
    password_file: Path | None,
    options: Mapping[str, str] = MappingProxyType({}),
) -> Client:
    """Return the server with a token. Ends the command where there is none."""
    if token_file is not None and user:
        raise typer.BadParameter("give either --token-file or --user", param_hint="--user")
    if password_file is not None and not user:
        raise typer.BadParameter("a password needs --user", param_hint="--password-file")
    server = _address(server)
    if token_file is not None:
        token = _header_value(_text_of(token_file), str(token_file))
        return Client(server, token, f"from {token_file}", options)
    if user:
        return Client(server, _signed_in(server, user, password_file), f"of {user}, who has just signed in", options)
    token = os.environ.get(_TOKEN, "")
    if not token:
        stop(UNUSABLE, f"No token: set {_TOKEN}, or give --token-file or --user.")
    return Client(server, _header_value(token, _TOKEN), f"from {_TOKEN}", options)


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


def host_of(url: str) -> str:
    """Return the host of an HTTP address; empty for anything else, and for a port that there cannot be."""
    try:
        parts = urlsplit(url)
        usable = parts.scheme in {"http", "https"} and parts.port != 0
    except ValueError:
        return ""
    return (parts.hostname or "") if usable else ""


def content_of(file: Path) -> bytes:
    """Return what the file holds. Ends the command when it cannot be read."""
    try:
        with file.open("rb") as opened:
            content = opened.read(_MOST_BYTES + 1)
    except OSError as error:
        stop(UNUSABLE, f"{file}: {error.strerror}")
    if len(content) > _MOST_BYTES:
        stop(UNUSABLE, f"{file}: it has more than {_MOST_BYTES:,} bytes.")
    return content


def _speaks_of(text: str, field_name: str) -> bool:
    return any(f"{mark}{field_name}{end}" in text for mark, end in (("`", "`"), ('"', '":'), ("/", ":")))


def _address(server: str) -> str:
    if not host_of(server):
        raise typer.BadParameter(f"write an address such as {DEFAULT_SERVER}", param_hint="--server")
    if any(mark in server for mark in "@?#"):
        raise typer.BadParameter("leave out credentials, query and fragment", param_hint="--server")
    return server.rstrip("/")


def _text_of(file: Path) -> str:
    try:
        return content_of(file).decode("utf-8-sig").rstrip("\r\n")
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
    if is_loopback(host_of(issuer)):
        endpoint = str(_public(f"{issuer}/.well-known/openid-configuration").get("token_endpoint"))
    if not is_loopback(host_of(endpoint)):
        where = f"{server} trusts {issuer or 'no issuer'}"
        stop(UNUSABLE, f"--user signs in at issuers on this machine only, and {where}. Use --token-file or {_TOKEN}.")
    password = _asked(f"Password of {user} at {issuer}") if password_file is None else _text_of(password_file)
    form = {"grant_type": "password", "client_id": _CLIENT, "username": user, "password": password}
    answer = _json(_send("POST", endpoint, data=form))
    token = answer.get("access_token") if isinstance(answer, dict) else None
    if not isinstance(token, str):
        said = (answer.get("error_description") or answer.get("error")) if isinstance(answer, dict) else None
        stop(REFUSED, f"{issuer} did not let {user} sign in: {said or 'it gave no reason'}.")
    return token


def _asked(question: str) -> str:
    with warnings.catch_warnings():
        warnings.simplefilter("error", getpass.GetPassWarning)  # it would be shown while it is typed
        try:
            return str(typer.prompt(cleaned(question), hide_input=True, err=True))
        except getpass.GetPassWarning:
            stop(UNUSABLE, "\nThere is no terminal to ask for the password at: give --password-file.")


def _public(url: str) -> dict[str, Any]:
    answer = _send("GET", url)
    content = _json(answer)
    if not answer.is_success or not isinstance(content, dict):
        stop(UNUSABLE, f"{url} answered {answer.status_code} and says nothing of how to sign in.")
    return content


def _send(method: str, url: str, **request: Any) -> "httpx.Response":  # noqa: ANN401 - httpx's ways to state a body
    """Return the answer; a proxy of the environment is used, but never for this machine's own addresses."""
    http = importlib.import_module("httpx")  # here, so that `convert` does not pay for it
    try:
        options = {"trust_env": False, "verify": http.create_ssl_context(), "proxy": _proxy_for(url)}
        answer: httpx.Response = http.request(method, url, timeout=_PATIENCE, **options, **request)
    except http.RequestError as error:
        stop(UNUSABLE, f"{url} cannot be reached: {str(error) or type(error).__name__}.")
    except (http.InvalidURL, ValueError, OSError, ImportError) as error:  # before anything was sent
        # httpx speaks SOCKS only with a package that we do not have.
        why = "SOCKS is not spoken here" if isinstance(error, ImportError) else error
        about = "look at the address, and at the environment's proxies (http:// or https://) and SSL_CERT_FILE"
        stop(UNUSABLE, f"{url} cannot be asked: {why}; {about}.")
    return answer


def _proxy_for(url: str) -> str | None:
    """Return what the environment says; httpx's own reading of it fails where NO_PROXY has `[::1]`."""
    scheme, host = urlsplit(url).scheme, host_of(url)
    if is_loopback(host) or proxy_bypass(host):
        return None
    proxies = getproxies()
    proxy = proxies.get(scheme) or proxies.get("all")
    return f"http://{proxy}" if proxy and "://" not in proxy else proxy


def _json(answer: "httpx.Response") -> Any:  # noqa: ANN401 - JSON
    try:
        return answer.json()
    except (ValueError, RecursionError):
        return None
