"""Reads the body of an answer within a limit, whatever the server declares, compresses or keeps sending."""

import asyncio
import zlib
from collections.abc import AsyncIterator

import httpx

from app.errors import BadAnswer, TooLarge

_MOST_MEMBERS = 1_000  # of one gzip file; a thousand empty ones take some milliseconds


class Allowance:
    """Bytes that several bodies may have in total, whether read in turn or at once."""

    def __init__(self, max_bytes: int) -> None:
        self.max_bytes = max_bytes
        self.left = max_bytes


async def read_bounded(response: httpx.Response, limit: int | Allowance) -> bytes:
    """Return the whole decoded body of a streamed response.

    Raises TooLarge (`answer_too_large`) above the limit in bytes, and what `read_up_to` raises.
    """
    allowance = limit if isinstance(limit, Allowance) else Allowance(limit)
    declared = response.headers.get("content-length", "")
    encoding = response.headers.get("content-encoding", "")
    if not encoding and declared.isdecimal() and len(declared) < 20 and int(declared) > allowance.left:
        raise _too_large(allowance.max_bytes)
    body, truncated = await read_up_to(response.aiter_raw(), encoding, allowance)
    if truncated:
        raise _too_large(allowance.max_bytes)
    return body


async def read_up_to(
    chunks: AsyncIterator[bytes], encoding: str, limit: int | Allowance, *, until: float | None = None
) -> tuple[bytes, bool]:
    """Return as much of the decoded body as the limit in bytes permits, and whether there was more.

    `encoding` is the body's Content-Encoding. `until`, a time of the event loop's clock, ends a body that need not be
    whole; the deadline of others is the caller's, who also closes the connection. Never holds much more than the limit,
    and never takes in much more: there are compressed bodies of any length in which there is nothing.
    Raises BadAnswer (`answer_encoding_refused`), and what the chunks raise.
    """
    allowance = limit if isinstance(limit, Allowance) else Allowance(limit)
    most_compressed = 2 * allowance.left + 1_024
    decoder = _decoder(encoding)
    body = bytearray()
    try:
        async with asyncio.timeout_at(until):
            async for chunk in chunks:
                decoded = chunk if decoder is None else decoder.decode(chunk, allowance.left + 1)
                body += decoded
                allowance.left -= len(decoded)
                if allowance.left < 0:
                    return bytes(body[: allowance.left]), True
                if decoder is not None and decoder.taken > most_compressed:
                    return bytes(body), True
    except TimeoutError:
        return bytes(body), True
    if decoder is not None:
        decoder.finish()
    return bytes(body), False


class _Decoder:
    """Undoes gzip and deflate (RFC 9110 section 8.4.1) a bounded step at a time; a bomb never unfolds.

    `taken` counts the compressed bytes.
    """

    def __init__(self) -> None:
        self._stream = zlib.decompressobj(wbits=zlib.MAX_WBITS | 32)
        self._members = 1
        self.taken = 0

    def decode(self, chunk: bytes, most: int) -> bytes:
        self.taken += len(chunk)
        decoded = bytearray()
        try:
            while chunk and len(decoded) < most:
                if self._stream.eof:  # RFC 1952 section 2.2: a gzip file may have several members
                    self._members += 1
                    if self._members > _MOST_MEMBERS:
                        raise _refused(f"is compressed in more than {_MOST_MEMBERS} pieces")
                    self._stream = zlib.decompressobj(wbits=zlib.MAX_WBITS | 32)
                decoded += self._stream.decompress(chunk, most - len(decoded))
                chunk = self._stream.unused_data if self._stream.eof else self._stream.unconsumed_tail
        except zlib.error:
            raise _refused("is not what its Content-Encoding says") from None
        return bytes(decoded)

    def finish(self) -> None:
        if self.taken and not self._stream.eof:  # nothing at all is what HEAD, 204 and 304 have
            raise _refused("ends in the middle of its compressed content")


def _decoder(encoding: str) -> _Decoder | None:
    match encoding.strip().lower():
        case "" | "identity":
            return None
        case "gzip" | "x-gzip" | "deflate":
            return _Decoder()
        case _:
            raise _refused("has a Content-Encoding that was not asked for (only identity is accepted)")


def _refused(what: str) -> BadAnswer:
    return BadAnswer("answer_encoding_refused", f"The answer {what}.")


def _too_large(max_bytes: int) -> TooLarge:
    return TooLarge("answer_too_large", f"The answer is larger than the limit of {max_bytes} bytes.")
