"""`tools-provider dev-idp`: the embedded identity provider alone, on an address of its own."""

import ipaddress
import sys
from pathlib import Path

import uvicorn

from seed.identity_provider.app import create_identity_provider
from seed.keycloak import REALM_FILE, read_realm

WARNING = """
  ************************************************************************
  *  DEVELOPMENT ONLY. This identity provider knows every password in    *
  *  clear, keeps nothing, and anybody who reaches it can break it on    *
  *  purpose (/__dev/...). Never let anything real trust its tokens.     *
  ************************************************************************
"""


def dev_idp(host: str, port: int, realm: Path | None, *, beyond_loopback: bool = False) -> int:
    """Serve a realm file (default: the seed realm) until interrupted; the exit code of the command."""
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
        app = create_identity_provider(export)
    except (OSError, ValueError) as error:
        print(f"dev-idp: {error}", file=sys.stderr)
        return 2
    print(f"realm {export['realm']}: http://{host}:{port}/realms/{export['realm']}", flush=True)
    uvicorn.run(app, host=host, port=port, log_level="warning")
    return 0


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches the address; a name other than localhost may be anywhere."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
