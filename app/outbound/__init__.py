"""HTTP to other servers: which addresses may be reached, and the clients that all of the product sends with.

`addresses.py` decides, `wire.py` connects to nothing else, `names.py` looks names up. `sender.py` sends tool calls,
`clients.py` has the httpx clients for everything else, `body.py` reads an answer within a limit, `causes.py` tells why
there was none. Nothing here follows a redirect, keeps a cookie, reads proxy variables or changes the spelling of a URL.
Only this package knows aiohttp.
"""

from app.outbound.addresses import AddressPolicy, AddressRefused, origin_of, stated_origin
from app.outbound.authorities import trusted_authorities
from app.outbound.body import Allowance, read_bounded, read_up_to
from app.outbound.causes import Cause, cause_of
from app.outbound.clients import guarded_client, plain_client
from app.outbound.sender import AiohttpSender, CallParty, CallShares, HttpAnswer, Sender, Shares, beginning_of
from app.outbound.wire import Headers, WireError

__all__ = [
    "AddressPolicy",
    "AddressRefused",
    "AiohttpSender",
    "Allowance",
    "CallParty",
    "CallShares",
    "Cause",
    "Headers",
    "HttpAnswer",
    "Sender",
    "Shares",
    "WireError",
    "beginning_of",
    "cause_of",
    "guarded_client",
    "origin_of",
    "plain_client",
    "read_bounded",
    "read_up_to",
    "stated_origin",
    "trusted_authorities",
]
