"""How a command asks a server, reads a file, and ends."""

import importlib
import ipaddress
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import typer

from app.operation.text import cleaned

if TYPE_CHECKING:
    import httpx

REFUSED = 1  # exit status: the server, or the identity provider, refused
UNUSABLE = 2  # … and: it could not be asked

TOKEN = "TOOLS_PROVIDER_TOKEN"  # the variable that may hold one
_PATIENCE = 300  # seconds; the server has deadlines of its own for documents and upstreams
_MOST_BYTES = 200_000_000  # of a file; what a server takes is its setting


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


def text_of(file: Path) -> str:
    """Return the text in the file, without line ends behind it. Ends the command when it cannot be read."""
    try:
        return content_of(file).decode("utf-8-sig").rstrip("\r\n")
    except UnicodeDecodeError:
        stop(UNUSABLE, f"{file}: this is not text.")


def send(method: str, url: str, **request: Any) -> "httpx.Response":  # noqa: ANN401 - httpx's ways to state a body
    """Return the answer. Ends the command where there is none.

    A proxy of the environment is used, but never for this machine's own addresses.
    """
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


def json_of(answer: "httpx.Response") -> Any:  # noqa: ANN401 - JSON
    """Return what was answered, None if it is not JSON."""
    try:
        return answer.json()
    except (ValueError, RecursionError):
        return None
