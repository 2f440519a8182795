"""HTTP to other servers: which addresses may be reached, and the clients that all of the product sends with.

`addresses.py` decides, `transport.py` connects to nothing else, `body.py` reads an answer within a limit. Nothing here
follows a redirect, keeps a cookie, reads proxy variables or changes the spelling of a URL.
"""

from app.outbound.addresses import AddressPolicy, AddressRefused, origin_of
from app.outbound.body import Allowance, read_bounded, read_up_to
from app.outbound.transport import OWN_HEADERS, guarded_client, guarded_transport, plain_client

__all__ = [
    "OWN_HEADERS",
    "AddressPolicy",
    "AddressRefused",
    "Allowance",
    "guarded_client",
    "guarded_transport",
    "origin_of",
    "plain_client",
    "read_bounded",
    "read_up_to",
]
