"""Fetches a source's document, and the files that it refers to, within limits, and has them read apart."""

import asyncio
import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import httpx

from app.documents.apart import Reading, ReadingLimits, read_apart
from app.documents.places import Places
from app.errors import BadAnswer, DeadlineExceeded, Invalid, TooLarge, ToolsProviderError
from app.openapi.document.reading import File
from app.operation.operation import Conversion, Operation
from app.operation.text import Key
from app.outbound import AddressPolicy, AddressRefused, Allowance, cause_of, origin_of, read_bounded, stated_origin

_ACCEPT = "application/json, application/yaml;q=0.9, text/yaml;q=0.8, */*;q=0.5"
_VALIDATOR = re.compile(r"[\x20-\x7e]{1,500}")  # what may be sent back in a condition
_READ_AT_ONCE = 2  # documents that are read at the same time; each may take a core and some hundred megabytes
_IN_HAND = 8  # documents that are fetched, wait to be read or are read, each of `max_bytes` at most
_MOST_WAITING = 16  # of one party
_FETCHED_AT_ONCE = 16  # files of one document


class _Gone(BadAnswer):
    """The server says that there is no such document, or none for us."""


def reference_origins(entries: Sequence[str]) -> frozenset[str]:
    """Return the origins that SOURCE_REF_ORIGINS lists. Raises ValueError if one is not an origin."""
    try:
        return frozenset(map(stated_origin, entries))
    except AddressRefused as refused:
        raise ValueError(f"SOURCE_REF_ORIGINS: {refused.detail}") from None


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """How a document is recognised when it is fetched again (RFC 9110 section 8.8), and which release read it."""

    etag: str | None
    last_modified: str | None
    digest: str
    release: str


@dataclass(frozen=True, slots=True)
class Found:
    """What a document holds, and how to recognise it; None if it was uploaded or has files that may change."""

    conversion: Conversion
    fingerprint: Fingerprint | None


class Unchanged(Exception):
    """The document is unchanged; its server may have given it new validators."""

    def __init__(self, fingerprint: Fingerprint) -> None:
        super().__init__("the document is still the known one")
        self.fingerprint = fingerprint


class Documents:
    """Fetches and reads documents. `timeout` (seconds) and `max_bytes` are for all files of one document together.

    Files that a document refers to are fetched from the document's own origin and from `reference_origins`. A new
    `release`, or other limits, may read the same bytes differently, so then every document counts as new.
    """

    def __init__(
        self,
        client: httpx.AsyncClient,
        addresses: AddressPolicy,
        *,
        timeout: float,
        max_bytes: int,
        reference_origins: frozenset[str] = frozenset(),
        limits: ReadingLimits | None = None,
        release: str = "",
    ) -> None:
        self._client = client
        self._addresses = addresses
        self._timeout = timeout
        self._max_bytes = max_bytes
        self._reference_origins = reference_origins
        self._limits = limits or ReadingLimits()
        self._release = hashlib.sha256(f"{release} {self._limits}".encode()).hexdigest()
        self._in_hand = Places(_IN_HAND, _MOST_WAITING)
        self._readers = Places(_READ_AT_ONCE, _IN_HAND)

    async def read(
        self,
        url: str | None,
        slug: str,
        assigned: Mapping[Key, str],
        uploaded: bytes | None = None,
        known: Fingerprint | None = None,
        *,
        before: Sequence[Operation] = (),
        party: str = "",
    ) -> Found:
        """Return the operations of the document at `url`, or of the uploaded one, which may have a `url` too.

        `party` is whoever asks for it: what one asks for leaves places to others. `assigned` are names given before,
        which are kept, as are those of the arguments of the operations `before`. A file that the document refers to and
        that is not available is reported with the operations that need it; but if there are names, a file that fails
        for the moment fails the reading, so that no tool is lost. Raises Unchanged, before reading it, when it is still
        the `known` one; Invalid, TooLarge, BadAnswer or DeadlineExceeded with a `document_…` code or
        `invalid_document`; AddressRefused for an inner address; Invalid (`redirect_refused`) for a redirect; and
        Unavailable (`server_busy`).
        """
        async with self._in_hand.one_for(party):
            return await self._read(url, slug, assigned, uploaded, known, before, party)

    async def _read(
        self,
        url: str | None,
        slug: str,
        assigned: Mapping[Key, str],
        uploaded: bytes | None,
        known: Fingerprint | None,
        before: Sequence[Operation],
        party: str,
    ) -> Found:
        allowance = Allowance(self._max_bytes)
        fetch = _Fetch(self._client, self._addresses, self._timeout, allowance)
        fingerprint = None
        if uploaded is None:
            current = known if known is not None and known.release == self._release else None
            file, fingerprint = await self._fetched(fetch, url or "", current)
        else:
            file = File(uploaded)
            allowance.left -= len(uploaded)
            if allowance.left < 0:
                raise _too_large(allowance)
        origins = self._reference_origins | ({origin_of(url)} if url else set())
        parts: list[str] = []

        async def load(addresses: Sequence[str]) -> Sequence[File | str]:
            parts.extend(addresses)
            return await fetch.files(addresses, origins, all_or_none=bool(assigned))

        async with self._readers.one_for(party):
            conversion = await read_apart(Reading(file, url or "", slug, assigned, before), load, self._limits)
        return Found(conversion, None if parts else fingerprint)

    async def _fetched(self, fetch: "_Fetch", url: str, known: Fingerprint | None) -> tuple[File, Fingerprint]:
        file, headers = await fetch.document(url, known)
        etag, last_modified = (_validator(headers.get(name)) for name in ("etag", "last-modified"))
        digest = hashlib.sha256(f"{file.content_type}\n".encode() + file.data).hexdigest()
        fingerprint = Fingerprint(etag, last_modified, digest, self._release)
        if known is not None and known.digest == digest:
            raise Unchanged(fingerprint)
        return file, fingerprint


class _Fetch:
    """Fetches the files of one document; time and bytes are for all of them."""

    def __init__(
        self, client: httpx.AsyncClient, addresses: AddressPolicy, timeout: float, allowance: Allowance
    ) -> None:
        self._client = client
        self._addresses = addresses
        self._timeout = timeout
        self._allowance = allowance
        self._left = timeout
        self._at_once = asyncio.Semaphore(_FETCHED_AT_ONCE)

    async def document(self, url: str, known: Fingerprint | None) -> tuple[File, httpx.Headers]:
        """Return what is at the address, with its headers. Raises Unchanged if the server says so."""
        started = asyncio.get_running_loop().time()
        try:
            return await self._fetched(url, started + self._left, known)
        finally:
            self._left -= asyncio.get_running_loop().time() - started

    async def files(
        self, addresses: Sequence[str], origins: frozenset[str], *, all_or_none: bool
    ) -> Sequence[File | str]:
        """Return for each address what is there, or why it is not available.

        `all_or_none`: raise BadAnswer or DeadlineExceeded for one that may be available later.
        """
        started = asyncio.get_running_loop().time()

        async def one(address: str) -> File | ToolsProviderError | str:
            try:
                refused = _elsewhere(address, origins)
                return refused or (await self._fetched(address, started + self._left))[0]
            except (_Gone, Invalid, TooLarge) as error:
                return error.detail
            except (BadAnswer, DeadlineExceeded) as error:
                return error if all_or_none else error.detail

        found = await asyncio.gather(*map(one, addresses))
        self._left -= asyncio.get_running_loop().time() - started
        if error := next((each for each in found if isinstance(each, ToolsProviderError)), None):
            raise error
        return [each for each in found if not isinstance(each, ToolsProviderError)]

    async def _fetched(self, url: str, deadline: float, known: Fingerprint | None = None) -> tuple[File, httpx.Headers]:
        self._addresses.check_url(url)
        origin = origin_of(url)
        conditions = _conditions(known)
        try:
            async with (
                asyncio.timeout_at(deadline),
                self._at_once,
                self._client.stream("GET", url, headers={"accept": _ACCEPT, **conditions}) as response,
            ):
                if response.status_code == 304 and known is not None and conditions:
                    raise Unchanged(known)
                _check_status(response, origin)
                data = await read_bounded(response, self._allowance)
                return File(data, response.headers.get("content-type")), response.headers
        except TimeoutError:
            raise DeadlineExceeded(
                "document_timeout",
                f"{origin} did not send the whole document within {self._timeout:g} s (SOURCE_FETCH_TIMEOUT).",
            ) from None
        except TooLarge:
            raise _too_large(self._allowance) from None
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            why = cause_of(error).detail
            raise BadAnswer(
                "document_unreachable", f"{origin} sent no document to this server: {why}. Check the address."
            ) from error


def _conditions(known: Fingerprint | None) -> dict[str, str]:
    if known is None:
        return {}
    stated = {"if-none-match": known.etag, "if-modified-since": known.last_modified}
    return {name: value for name, value in stated.items() if value is not None}


def _validator(value: str | None) -> str | None:
    return value if value is not None and _VALIDATOR.fullmatch(value) else None


def _elsewhere(address: str, origins: frozenset[str]) -> str | None:
    """Say why nothing is fetched from an address; None if it may be. Raises AddressRefused if it is not an address."""
    if ":" not in address.partition("/")[0]:
        return "the document was uploaded, so its location is unknown; give its `url` as well"
    origin = origin_of(address)
    if origin in origins:
        return None
    return f"nothing is fetched from {origin}; the operator can add it to SOURCE_REF_ORIGINS"


def _too_large(allowance: Allowance) -> TooLarge:
    return TooLarge(
        "document_too_large",
        f"The document and its files have more than {allowance.max_bytes} bytes (SOURCE_MAX_BYTES).",
    )


def _check_status(response: httpx.Response, origin: str) -> None:
    status = response.status_code
    if 300 <= status < 400 and status != 304:
        raise Invalid(
            "redirect_refused",
            f"The address of the document redirects to {_target(response)}. Redirects are not followed: register the "
            "address that it leads to.",
        )
    if status != 200:
        hint = " Documents are fetched without credentials." if status in {401, 403} else ""
        kind = _Gone if 400 <= status < 500 and status not in {408, 425, 429} else BadAnswer
        raise kind("document_unreachable", f"{origin} answered {status} instead of a document.{hint}")


def _target(response: httpx.Response) -> str:
    try:
        return origin_of(str(response.url.join(response.headers.get("location", ""))))
    except (AddressRefused, httpx.InvalidURL, ValueError):
        return "an address that cannot be read"
