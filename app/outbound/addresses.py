"""Which addresses may be reached: public ones, and what the operator names in `ALLOWED_UPSTREAMS`."""

import re
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from socket import AF_UNSPEC, AddressFamily
from urllib.parse import SplitResult, urlsplit

import httpx
from aiohttp.abc import ResolveResult

from app.errors import Invalid
from app.outbound.causes import Shortage
from app.outbound.names import Names, Resolver

Address = IPv4Address | IPv6Address

_INNER = "This is not a public address. If it is meant to be reached, the operator adds it to ALLOWED_UPSTREAMS."
_DEFAULT_PORTS = {"http": 80, "https": 443}
_PLAIN = re.compile(r"[\x21-\x5b\x5d-\x7e]+")  # printable ASCII without space and backslash
_LABEL = "[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_NAME = re.compile(rf"(?=.{{1,253}}$){_LABEL}(?:\.{_LABEL})*")  # RFC 1035 section 2.3.4
_NUMBER = re.compile(r"(?:.*\.)?(?:[0-9]+|0x[0-9a-f]*)")  # what many resolvers take to be an IPv4 address
_NAT64 = IPv6Network("64:ff9b::/96")  # RFC 6052
_ISATAP = frozenset({0x00005EFE, 0x02005EFE})  # RFC 5214 section 6.1: the third quarter of an address
_GLOBAL_UNICAST = IPv6Network("2000::/3")  # RFC 4291 section 2.4; no other has been handed out
# Inner ones that look public, or do so to some releases of `ipaddress`.
_NOT_PUBLIC: tuple[IPv4Network | IPv6Network, ...] = (
    IPv4Network("168.63.129.16"),  # Azure: the platform's own services, in every region
    IPv4Network("100.64.0.0/10"),  # RFC 6598; Alibaba Cloud: metadata at 100.100.100.200
    IPv4Network("192.0.0.0/24"),  # RFC 6890; Oracle Cloud (classic): metadata at 192.0.0.192
    IPv4Network("192.88.99.0/24"),  # RFC 7526: the nearest 6to4 relay, whoever runs it
    IPv4Network("161.26.0.0/16"),  # IBM Cloud: services of its private network
    IPv4Network("166.8.0.0/14"),  # IBM Cloud: private service endpoints
    IPv6Network("2001::/23"),  # RFC 2928; Teredo in it (RFC 4380) leads to an IPv4 address of the client's network
    IPv6Network("3fff::/20"),  # RFC 9637
)


class AddressRefused(Invalid):
    """An address that an admin or a document named must not be reached. The detail names no resolved address."""

    def __init__(self, detail: str) -> None:
        super().__init__("address_refused", detail)


def origin_of(url: str) -> str:
    """Return `scheme://host[:port]` in lower case, without the scheme's default port. Raises AddressRefused."""
    parts, port = _split(url)
    host = _bracketed(str(parts.hostname))
    return f"{parts.scheme}://{host}" + ("" if port == _DEFAULT_PORTS[parts.scheme] else f":{port}")


def stated_origin(text: str) -> str:
    """Return the origin that an operator wrote. Raises AddressRefused, also where a path or more follows it."""
    origin = origin_of(text)
    parts = urlsplit(text)
    if parts.path.strip("/") or "?" in text or "#" in text:
        raise AddressRefused(f"An origin is scheme, host and port, and nothing after them: {origin}.")
    return origin


class AddressPolicy:
    """Permits public addresses and those in `allowed`: origins, host:port pairs and CIDR blocks.

    Raises ValueError for any other entry.

    A name that `allowed` lists with its port may resolve to any address. Every address of any other name must be
    permitted, or else a server could choose between a harmless and an inner one.
    """

    def __init__(self, allowed: Sequence[str]) -> None:
        self._networks: list[IPv4Network | IPv6Network] = []
        self._hosts: set[tuple[str, int]] = set()
        self._names = Names()
        for entry in allowed:
            self._allow(entry)

    def _allow(self, entry: str) -> None:
        try:
            network = ip_network(entry, strict=False)
        except ValueError:
            self._hosts.add(_allowed_host(entry))
            return
        host, _, port = entry.rpartition(":")
        if port.isdecimal() and _is_address(host):
            raise ValueError(
                f"ALLOWED_UPSTREAMS: {entry!r} has two readings. Write [{host}]:{port} for a port of one address, or "
                f"{entry}/128 for another address."
            )
        self._networks.append(network)

    def check_url(self, url: str) -> None:
        """Raise AddressRefused if the URL alone shows that it must not be reached. Names are looked up later."""
        parts, port = _split(url)
        host = str(parts.hostname)
        literal = _literal(host)
        if literal is not None and not self.permits(host, port, str(literal)):
            raise AddressRefused(refusal(host, port))

    async def check_name(self, url: str) -> None:
        """Raise AddressRefused if the host's name leads to an address that must not be reached.

        A name that is unknown, or not found out within two seconds, passes: this is for an early answer. What counts is
        the check on connecting.
        """
        parts, port = _split(url)
        host = str(parts.hostname)
        try:
            found = await self._names.addresses(host)
        except (OSError, Shortage):
            return
        if not all(self.permits(host, port, each.address) for each in found):
            raise AddressRefused(refusal(host, port))

    def permits(self, host: str, port: int, address: str) -> bool:
        """Tell whether `host` at `port` may be reached at the IP address `address` (canonical text)."""
        if (host.lower(), port) in self._hosts or (address, port) in self._hosts:
            return True
        found = ip_address(address.partition("%")[0])
        return _is_public(found) or any(found in network for network in self._networks)


class Gate(Resolver):
    """Looks names up, refuses inner addresses, and checks what is connected to.

    The second check is on the address that is connected to, so neither a second answer of the name server (DNS
    rebinding) nor a spelling that reaches aiohttp as an address slips through.
    """

    def __init__(self, policy: AddressPolicy) -> None:
        super().__init__(Names())
        self._policy = policy
        self._inner: set[tuple[str, int]] = set()  # of names that the operator allows, wherever they lead

    async def resolve(self, host: str, port: int = 0, family: AddressFamily = AF_UNSPEC) -> list[ResolveResult]:
        """See Resolver. Raises AddressRefused for a name that leads to an inner address."""
        found = await super().resolve(host, port, family)
        addresses = [result["host"] for result in found]
        if not all(self._policy.permits(host, port, address) for address in addresses):
            raise AddressRefused(refusal(host, port))
        self._inner.update((each, port) for each in addresses if not self._policy.permits(each, port, each))
        return found

    def check(self, host: str, port: int) -> None:
        """See Resolver. Raises AddressRefused for an inner IP address."""
        if (host, port) not in self._inner and not self._policy.permits(host, port, host):
            raise AddressRefused(_INNER)


def refusal(host: str, port: int) -> str:
    """Say why an address is refused and what an operator can do about it."""
    address = f"{_bracketed(host)}:{port}"
    return (
        f"{address} is not a public address. If it is meant to be reached, the operator adds {address} to "
        "ALLOWED_UPSTREAMS."
    )


def _allowed_host(entry: str) -> tuple[str, int]:
    url = entry if "://" in entry else f"http://{entry}"
    try:
        stated_origin(url)
        parts, port = _split(url)
    except AddressRefused as refused:
        raise ValueError(f"ALLOWED_UPSTREAMS: {entry!r}: {refused.detail}") from None
    if url != entry and parts.port is None:
        raise ValueError(f"ALLOWED_UPSTREAMS: {entry!r} is not an origin (http://host:port), host:port or CIDR block.")
    return str(parts.hostname), port


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host  # RFC 3986 section 3.2.2


def _split(url: str) -> tuple[SplitResult, int]:
    """Take a URL apart; anything that parsers read differently is refused."""
    if not _PLAIN.fullmatch(url):
        raise AddressRefused("An address holds only printable ASCII characters, no spaces and no backslashes.")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise AddressRefused("The host or port cannot be read. Write IPv6 in brackets: http://[::1]:8000.") from None
    if parts.scheme not in _DEFAULT_PORTS:
        raise AddressRefused("Only http:// and https:// addresses can be reached.")
    if "@" in parts.netloc:
        raise AddressRefused("An address must not carry credentials (user:password@).")
    if port == 0 or not parts.hostname or parts.netloc.endswith(":"):
        raise AddressRefused("The address names no host, or a port that cannot be reached.")
    _literal(parts.hostname)
    return parts, port or _DEFAULT_PORTS[parts.scheme]


def _literal(host: str) -> Address | None:
    """Return the address if the host is one, None for a name; other spellings of an address raise AddressRefused."""
    if ":" not in host and not _NUMBER.fullmatch(host):
        if not _NAME.fullmatch(host) or not _is_readable(host):
            raise AddressRefused("The host is neither a name (ASCII, no dot at its end) nor an IP address.")
        return None
    try:
        return ip_address(host)
    except ValueError:
        raise AddressRefused("Write an IP address as four decimal numbers, or as IPv6 in brackets.") from None


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def _is_readable(host: str) -> bool:
    """Whether the client can read the name: it decodes what begins with `xn--` (RFC 5891)."""
    try:
        return bool(httpx.URL(scheme="http", host=host).host)
    except ValueError:
        return False


def _is_public(address: Address) -> bool:
    if isinstance(address, IPv6Address):
        inner = _inside(address)
        if inner is not None:
            return _is_public(inner)
        if address not in _GLOBAL_UNICAST:
            return False
    return address.is_global and not address.is_multicast and not any(address in each for each in _NOT_PUBLIC)


def _inside(address: IPv6Address) -> IPv4Address | None:
    """Return the IPv4 address that an IPv6 address leads to."""
    last = IPv4Address(int(address) & 0xFFFFFFFF)
    if address in _NAT64 or int(address) >> 32 & 0xFFFFFFFF in _ISATAP:
        return last
    return address.ipv4_mapped or address.sixtofour
