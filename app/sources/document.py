"""Fetches a source's document, and the files that it refers to, within limits, and has them read apart."""

import asyncio
from collections.abc import Mapping, Sequence

import httpx

from app.errors import BadAnswer, DeadlineExceeded, Invalid, TooLarge, ToolsProviderError
from app.openapi.conversion import Conversion
from app.openapi.reading import File
from app.outbound import AddressPolicy, AddressRefused, Allowance, origin_of, read_bounded
from app.sources.reading import Reading, ReadingLimits, read_apart

_ACCEPT = "application/json, application/yaml;q=0.9, text/yaml;q=0.8, */*;q=0.5"
_READ_AT_ONCE = 2  # documents that are read at the same time; each may take a core and some hundred megabytes
_FETCHED_AT_ONCE = 16  # files of one document


class _Gone(BadAnswer):
    """The server says that it has no such document, or none for us."""


def reference_origins(entries: Sequence[str]) -> frozenset[str]:
    """Return the origins that SOURCE_REF_ORIGINS lists. Raises ValueError for what is none."""
    try:
        return frozenset(map(origin_of, entries))
    except AddressRefused as refused:
        raise ValueError(f"SOURCE_REF_ORIGINS: {refused.detail}") from None


class Documents:
    """Fetches and reads documents. `timeout` is the seconds and `max_bytes` the bytes for all files of one together.

    Files that a document refers to are fetched from the document's own origin and from `reference_origins`.
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
    ) -> None:
        self._client = client
        self._addresses = addresses
        self._timeout = timeout
        self._max_bytes = max_bytes
        self._reference_origins = reference_origins
        self._limits = limits or ReadingLimits()
        self._readers = asyncio.Semaphore(_READ_AT_ONCE)

    async def read(
        self, url: str | None, slug: str, assigned: Mapping[tuple[str, str], str], uploaded: bytes | None = None
    ) -> Conversion:
        """Return the operations of the document at `url`, or of the uploaded one, which may have a `url` too.

        `assigned` are names given before, which are kept. A file that the document refers to and that cannot be had is
        in the report of the operations that need it; but where there are names, one that fails for the moment fails the
        reading, so that no tool is lost by it. Raises Invalid, TooLarge, BadAnswer or DeadlineExceeded with a
        `document_…` code or `invalid_document`, AddressRefused for an inner address, and Invalid (`redirect_refused`)
        for a redirect.
        """
        allowance = Allowance(self._max_bytes)
        fetch = _Fetch(self._client, self._addresses, self._timeout, allowance)
        if uploaded is None:
            file = await fetch.file(url or "")
        else:
            file = File(uploaded)
            allowance.left -= len(uploaded)
            if allowance.left < 0:
                raise _too_large(allowance)
        origins = self._reference_origins | ({origin_of(url)} if url else set())

        async def load(addresses: Sequence[str]) -> Sequence[File | str]:
            return await fetch.files(addresses, origins, all_or_none=bool(assigned))

        async with self._readers:
            return await read_apart(Reading(file, url or "", slug, assigned), load, self._limits)


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

    async def file(self, url: str) -> File:
        """Return what stands at the address."""
        started = asyncio.get_running_loop().time()
        try:
            return await self._fetched(url, started + self._left)
        finally:
            self._left -= asyncio.get_running_loop().time() - started

    async def files(
        self, addresses: Sequence[str], origins: frozenset[str], *, all_or_none: bool
    ) -> Sequence[File | str]:
        """Return for each address what stands there, or why it cannot be had.

        `all_or_none`: raise BadAnswer or DeadlineExceeded for one that may be had another time.
        """
        started = asyncio.get_running_loop().time()

        async def one(address: str) -> File | ToolsProviderError | str:
            try:
                refused = _elsewhere(address, origins)
                return refused or await self._fetched(address, started + self._left)
            except (_Gone, Invalid, TooLarge) as error:
                return error.detail
            except (BadAnswer, DeadlineExceeded) as error:
                return error if all_or_none else error.detail

        found = await asyncio.gather(*map(one, addresses))
        self._left -= asyncio.get_running_loop().time() - started
        if error := next((each for each in found if isinstance(each, ToolsProviderError)), None):
            raise error
        return [each for each in found if not isinstance(each, ToolsProviderError)]

    async def _fetched(self, url: str, deadline: float) -> File:
        self._addresses.check_url(url)
        origin = origin_of(url)
        try:
            async with (
                asyncio.timeout_at(deadline),
                self._at_once,
                self._client.stream("GET", url, headers={"accept": _ACCEPT}) as response,
            ):
                _check_status(response, origin)
                return File(await read_bounded(response, self._allowance), response.headers.get("content-type"))
        except TimeoutError:
            raise DeadlineExceeded(
                "document_timeout",
                f"{origin} did not send the whole document within {self._timeout:g} s (SOURCE_FETCH_TIMEOUT).",
            ) from None
        except TooLarge:
            raise _too_large(self._allowance) from None
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise BadAnswer(
                "document_unreachable", f"{origin} sent no document to this server: {error}. Check the address."
            ) from error


def _elsewhere(address: str, origins: frozenset[str]) -> str | None:
    """Say why nothing is fetched from an address; None where it may be. Raises AddressRefused for no address at all."""
    if ":" not in address.partition("/")[0]:
        return "the document was uploaded, so nobody knows where that is; state its `url` beside it"
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
    if 300 <= status < 400:
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
