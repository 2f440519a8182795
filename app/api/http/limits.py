"""What one request may have before anybody knows who sent it, and what is said about one that has more."""

from collections.abc import Iterable
from functools import partial

import httptools

from app.errors import HeadersTooLarge, ReadTimeout, TargetTooLong, Unavailable, Unreadable

HEAD_BYTES = 131_072  # one token of TOKEN_MAX_BYTES twice; nginx takes 32 KiB, Node 16 KiB
HEADERS = 100  # lines, as gunicorn, hyper and Apache have it
TARGET_BYTES = 16_384
FRAMING_BYTES = 65_536  # of a chunked body, what is neither body nor 16 bytes a chunk: extensions, trailers
CHUNKS = 100_000  # of a body, 1 us each, and one more for each BYTES_A_CHUNK; some serializers send each token as one
BYTES_A_CHUNK = 64
PIPELINED = 16  # requests that wait for the answer to the one before them
MOVED_BYTES = 262_144  # of a body or an answer, or its rest, within each REQUEST_READ_TIMEOUT: 70 kbit/s by default
DROPPED_BYTES = 33_554_432  # of a body, after its answer: more than a document has, for clients that send it to the end
LINGER = 2.0  # seconds after a refusal in which what still comes is dropped, so that the client can read it
HALF_OPEN = 2.0  # seconds for the answer to a client that sends no more: it may wait for it, or be gone

too_many_headers = partial(HeadersTooLarge, "headers_too_large", f"The request has more than {HEADERS} header lines.")
too_large_head = partial(
    HeadersTooLarge,
    "headers_too_large",
    f"Request line and headers have more than {HEAD_BYTES} bytes. Send a shorter token, fewer cookies.",
)
too_long_target = partial(
    TargetTooLong,
    "target_too_long",
    f"The address has more than {TARGET_BYTES} bytes. Send what is long in the body of a POST.",
)
other_authority = partial(
    Unreadable, "invalid_http", "The address in the request line and Host name different servers."
)
not_one_host = partial(Unreadable, "invalid_http", "Send HTTP/1.1 with one Host header, or HTTP/1.0.")
small_chunks = partial(Unreadable, "invalid_http", "The body comes in too many small chunks. Send larger ones.")
much_framing = partial(
    Unreadable,
    "invalid_http",
    f"Extensions of chunks, or trailers, have more than {FRAMING_BYTES} bytes. Leave them out.",
)


def contradicts(target: bytes, headers: Iterable[tuple[bytes, bytes]]) -> bool:
    """Whether a target of absolute form is for another host than `Host` (RFC 9112 section 3.2.2)."""
    scheme, _, rest = target.lower().partition(b"://")
    port = b":443" if scheme == b"https" else b":80"
    authority = rest.partition(b"/")[0].partition(b"?")[0].removesuffix(port)
    hosts = [value.strip().lower().removesuffix(port) for name, value in headers if name == b"host"]
    return bool(rest) and hosts != [authority]


def not_http(error: httptools.HttpParserError) -> Unreadable:
    """Return the refusal of what the parser does not take."""
    # Its own words are fixed texts; those of a callback may repeat what was sent.
    said = "the address in the request line" if isinstance(error, httptools.HttpParserCallbackError) else str(error)
    return Unreadable("invalid_http", f"This is not HTTP/1.1 that can be read: {said}.")


def late_head(seconds: float) -> ReadTimeout:
    """Return the refusal of a request whose head took longer."""
    return _late(f"The headers of the request did not come in full within {seconds:g} s")


def slow_body(seconds: float) -> ReadTimeout:
    """Return the refusal of a request whose body came too slowly."""
    return _late(f"Of the body of the request neither the rest nor {MOVED_BYTES} bytes came within {seconds:g} s")


def _late(what: str) -> ReadTimeout:
    return ReadTimeout("request_timeout", f"{what} (REQUEST_READ_TIMEOUT). Send it again, faster or with less in it.")


def too_many_connections(most: int) -> Unavailable:
    """Return the refusal of a request on a connection above the limit."""
    return Unavailable(
        "server_busy",
        f"This server has {most} connections (MAX_CONNECTIONS), and none makes room. Try again.",
    )
