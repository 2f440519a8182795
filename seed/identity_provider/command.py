"""`tools-provider dev-idp`: the embedded identity provider alone, on an address of its own."""

import socket
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import uvicorn

from app.cli.asking import is_loopback
from seed.identity_provider.app import create_identity_provider
from seed.keycloak import REALM_FILE, read_realm
from seed.serving import bounded

WARNING = """
  ************************************************************************
  *  DEVELOPMENT ONLY. This identity provider knows every password in    *
  *  clear, keeps nothing, and anybody who reaches it can break it on    *
  *  purpose (/__dev/...). Never let anything real trust its tokens.     *
  ************************************************************************
"""


def dev_idp(
    host: str, port: int, realm: Path | None, *, hosts: Sequence[str] = (), beyond_loopback: bool = False
) -> int:
    """Serve a realm file (default: the seed realm) until interrupted; the exit code of the command.

    It answers to `host`, if that is one address, and to `hosts`.
    """
    print(WARNING, file=sys.stderr, flush=True)
    if not (beyond_loopback or is_loopback(host)):
        print(
            f"dev-idp: refused to listen on {host}, which others can reach. Use 127.0.0.1, or add "
            "--i-know-this-is-for-development if this network is yours alone.",
            file=sys.stderr,
        )
        return 2
    try:
        export = read_realm(realm or REALM_FILE)
        app = create_identity_provider(export, hosts=[f"[{host}]" if ":" in host else host, *hosts])
    except (OSError, ValueError) as error:
        print(f"dev-idp: {error}", file=sys.stderr)
        return 2
    try:
        listener = _listener(host, port)
    except OSError as error:
        print(f"dev-idp: cannot listen on {host}:{port}: {error.strerror}; give another --port.", file=sys.stderr)
        return 2
    print(f"realm {export['realm']}: {_address(listener)}/realms/{export['realm']}", flush=True)
    with suppress(KeyboardInterrupt):
        uvicorn.Server(bounded(app)).run(sockets=[listener])
    return 0


def _listener(host: str, port: int) -> socket.socket:
    """A socket that takes connections from now on, so that the address works as soon as it is printed."""
    family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
    return socket.create_server(address[:2], family=family, backlog=2048)


def _address(listener: socket.socket) -> str:
    """The address for clients on this machine; `localhost`, because it is the issuer of the provider's defaults."""
    host, port = listener.getsockname()[:2]
    if listener.family == socket.AF_INET6:
        return f"http://[{'::1' if host == '::' else host}]:{port}"
    return f"http://{'localhost' if host in ('0.0.0.0', '127.0.0.1') else host}:{port}"  # noqa: S104 - a comparison
