"""By which addresses this server is reached: the hosts it answers for, and the pages that may use it from a browser.

Against DNS rebinding: a page of a stranger reaches us under its own name, and says so in Host and Origin. These two are
all that counts; nothing that proxies add (`Forwarded`, `X-Forwarded-…`) is read.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from app.errors import Misdirected, NotPermitted
from app.outbound import AddressRefused, stated_origin

_LOOPBACK = ("localhost", "127.0.0.1", "[::1]")
_APP = re.compile(r"(?!https?:)[a-z][a-z0-9+.-]*://[a-z0-9._-]+(?::[0-9]{1,5})?")  # a browser's extension, a program
# What our own paths begin with. PUBLIC_URL may end in one of them: below https://host/api, the path /api/v1/tools
# that a proxy has shortened is not /v1/tools.
_OURS = r"api|docs|health|mcp|metrics|openapi\.json|ready|static|\.well-known"
_LOCAL = r"[0-9]{1,3}(?:\.[0-9]{1,3}){3}|\[[0-9a-f:.]{2,45}\]|[a-z0-9_-]{1,63}"
_LONGEST = 100  # characters of what was sent that are said again


@dataclass(frozen=True, slots=True)
class Reach:
    """`path` is that of PUBLIC_URL, empty without one; `below` matches what still begins with it, its group is ours.

    `hosts` matches a Host, `local_hosts` also one that no page can be reached under but one of our own network: an IP
    address, or a name without a dot. `origins` are in lower case.
    """

    path: str
    below: re.Pattern[str]
    hosts: re.Pattern[bytes]
    local_hosts: re.Pattern[bytes]
    origins: frozenset[bytes]


def reach_of(public_url: str, hosts: Sequence[str], origins: Sequence[str]) -> Reach:
    """Return how a server of that address is reached; `hosts` and `origins` are those beside its own.

    Whatever port a Host names. Raises ValueError for a host or an origin that cannot be read.
    """
    parts = urlsplit(public_url)
    names = {_host(parts.netloc), *_LOOPBACK, *map(_host, hosts)}
    known = {f"{parts.scheme}://{parts.netloc}", *map(_origin, origins)}
    known_names = "|".join(map(re.escape, sorted(names)))
    return Reach(
        parts.path,
        re.compile(rf"{re.escape(parts.path)}(/(?:(?:{_OURS})(?:/.*)?)?)?", re.DOTALL),
        _hosts(known_names),
        _hosts(rf"{known_names}|{_LOCAL}"),
        frozenset(each.encode() for each in known),
    )


def host_refused(hosts: Sequence[bytes]) -> Misdirected:
    """Return the refusal of a request with these Host headers."""
    what = f"the host {_shown(hosts[0])}" if len(hosts) == 1 else f"a request with {len(hosts)} Host headers"
    return Misdirected(
        "host_refused",
        f"This server does not answer for {what}. Use the address in PUBLIC_URL. If this host is meant to lead "
        "here, the operator adds it to ALLOWED_HOSTS, or lets the proxy in front pass Host on unchanged.",
    )


def origin_refused(origins: Sequence[bytes]) -> NotPermitted:
    """Return the refusal of a request from pages of these origins."""
    return NotPermitted(
        "origin_refused",
        f"Pages of the origin {' '.join(map(_shown, origins))} may not use this server. If they are meant to, the "
        "operator adds it to ALLOWED_ORIGINS.",
    )


def _hosts(names: str) -> re.Pattern[bytes]:
    # A dot at the end makes a name absolute (RFC 3986 section 3.2.2); clusters are asked so to spare searches.
    return re.compile(rf"(?:{names})\.?(?::[0-9]{{1,5}})?".encode(), re.IGNORECASE)


def _host(entry: str) -> str:
    try:
        return re.sub(r":[0-9]+$", "", stated_origin(f"http://{entry}").removeprefix("http://"))
    except AddressRefused:
        raise ValueError(
            f"ALLOWED_HOSTS: {entry!r} is not a host. Write each by its whole name, tools.example.com, or as an IP "
            "address, IPv6 in brackets: [::1]."
        ) from None


def _origin(entry: str) -> str:
    if _APP.fullmatch(entry.lower()):
        return entry.lower()
    try:
        return stated_origin(entry)
    except AddressRefused:
        raise ValueError(
            f"ALLOWED_ORIGINS: {entry!r} is not an origin. Write each as scheme, host and port without a path: "
            "https://console.example.com."
        ) from None


def _shown(sent: bytes) -> str:
    text = sent.decode("latin-1")
    return ascii(text[:_LONGEST] + ("..." if len(text) > _LONGEST else ""))
