"""Reads the body of an answer within a limit, whatever the server declares, compresses or keeps sending."""

import asyncio
import zlib
from collections.abc import AsyncIterator

import httpx

from app.errors import BadAnswer, TooLarge

_GZIP = frozenset({"gzip", "x-gzip"})
_DEFLATE = "deflate"
_OTHER_CODINGS = frozenset(  # IANA's registry of HTTP content codings; any other word, such as `utf-8`, changes no byte
    {"aes128gcm", "br", "compress", "dcb", "dcz", "exi", "pack200-gzip", "x-compress", "zstd"}
)
_STEP = 262_144  # bytes that are decompressed at once
_TURN = 0.005  # seconds of reading before others run
_MOST_MEMBERS = 1_000  # of one gzip file; a thousand empty ones take some milliseconds


class Allowance:
    """Bytes that several bodies may have in total, whether read in turn or at once."""

    def __init__(self, max_bytes: int) -> None:
        self.max_bytes = max_bytes
        self.left = max_bytes

    def take(self, size: int) -> int:
        """Return how many of so many bytes may be kept."""
        kept = min(size, self.left)
        self.left -= kept
        return kept


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
            async for decoded in _in_turns(chunks if decoder is None else decoder.decoded(chunks)):
                kept = allowance.take(len(decoded))
                body += decoded[:kept]
                if kept < len(decoded):
                    return bytes(body), True
                if decoder is not None and decoder.taken > most_compressed:
                    return bytes(body), True
    except TimeoutError:
        return bytes(body), True
    if decoder is not None:
        decoder.finish()
    return bytes(body), False


async def _in_turns(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Yield the chunks, and let others run now and then: as long as there is something to read, nothing else would."""
    clock = asyncio.get_running_loop().time
    until = clock() + _TURN
    async for chunk in chunks:
        yield chunk
        if clock() > until:
            await asyncio.sleep(0)
            until = clock() + _TURN


class _Decoder:
    """Undoes gzip and deflate (RFC 9110 section 8.4.1) a bounded step at a time; a bomb never unfolds.

    What has no byte is not compressed: the answers to HEAD, 204, 304. Some send deflate without its wrapper. `taken`
    counts the compressed bytes.
    """

    def __init__(self, coding: str) -> None:
        self._coding = coding
        self._stream = zlib.decompressobj(wbits=zlib.MAX_WBITS | 32)
        self._members = 1
        self.taken = 0

    async def decoded(self, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        async for chunk in chunks:
            if not self.taken and self._coding == _DEFLATE and not _is_wrapped(chunk):
                self._stream = zlib.decompressobj(wbits=-zlib.MAX_WBITS)
            self.taken += len(chunk)
            left = chunk
            while left:
                decoded, left = self._step(left)
                yield decoded

    def _step(self, chunk: bytes) -> tuple[bytes, bytes]:
        """Return some of the content, and what of the chunk is left."""
        try:
            if self._stream.eof:  # RFC 1952 section 2.2: a gzip file may have several members
                self._members += 1
                if self._members > _MOST_MEMBERS:
                    raise _refused(f"is compressed in more than {_MOST_MEMBERS} pieces")
                self._stream = zlib.decompressobj(wbits=zlib.MAX_WBITS | 32)
            decoded = self._stream.decompress(chunk, _STEP)
        except zlib.error:
            raise _refused("is not what its Content-Encoding says") from None
        return decoded, self._stream.unused_data if self._stream.eof else self._stream.unconsumed_tail

    def finish(self) -> None:
        if self.taken and not self._stream.eof:
            raise _refused("ends in the middle of its compressed content")


def _is_wrapped(start: bytes) -> bool:
    """Whether it begins as zlib's format does (RFC 1950 section 2.2), or gzip's."""
    return len(start) < 2 or start[0] == 0x1F or (start[0] & 0x0F == 8 and int.from_bytes(start[:2]) % 31 == 0)


def _decoder(encoding: str) -> _Decoder | None:
    stated = [coding.strip() for coding in encoding.lower().split(",")]
    codings = [coding for coding in stated if coding == _DEFLATE or coding in _GZIP | _OTHER_CODINGS]
    if not codings:
        return None
    if len(codings) > 1 or codings[0] in _OTHER_CODINGS:
        raise _refused("has a Content-Encoding that was not asked for (only identity is accepted)")
    return _Decoder(codings[0])


def _refused(what: str) -> BadAnswer:
    return BadAnswer("answer_encoding_refused", f"The answer {what}.")


def _too_large(max_bytes: int) -> TooLarge:
    return TooLarge("answer_too_large", f"The answer is larger than the limit of {max_bytes} bytes.")
