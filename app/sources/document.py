"""Fetches a source's document within limits and has it read apart from the event loop."""

import asyncio
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass

import httpx

from app.errors import BadAnswer, DeadlineExceeded, Invalid, TooLarge
from app.openapi.conversion import Conversion
from app.outbound import AddressPolicy, AddressRefused, origin_of, read_bounded
from app.sources.reading import read_apart

_ACCEPT = "application/json, application/yaml;q=0.9, text/yaml;q=0.8, */*;q=0.5"
_VALIDATOR = re.compile(r"[\x20-\x7e]{1,500}")  # what may be sent back in a condition
_AT_ONCE = 2  # documents that are read at the same time; each may take a core and some hundred megabytes


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """By what a document is recognised when it is fetched again (RFC 9110 section 8.8), and which release read it."""

    etag: str | None
    last_modified: str | None
    digest: str
    release: str


@dataclass(frozen=True, slots=True)
class Document:
    """The bytes of a document as they came."""

    data: bytes
    content_type: str | None
    fingerprint: Fingerprint


@dataclass(frozen=True, slots=True)
class Reading:
    """What a document holds, and how to recognise it."""

    conversion: Conversion
    fingerprint: Fingerprint


class Unchanged(Exception):
    """The document is still the known one; its server may have given it new validators."""

    def __init__(self, fingerprint: Fingerprint) -> None:
        super().__init__("the document is still the known one")
        self.fingerprint = fingerprint


class Documents:
    """Fetches and reads documents. `timeout` is the seconds for the whole fetch, `reading_timeout` for the reading.

    A new `release` may read the same bytes differently, so it recognises no document that another one has read.
    """

    def __init__(
        self,
        client: httpx.AsyncClient,
        addresses: AddressPolicy,
        *,
        timeout: float,
        max_bytes: int,
        reading_timeout: float = 30.0,
        release: str = "",
    ) -> None:
        self._client = client
        self._addresses = addresses
        self._timeout = timeout
        self._max_bytes = max_bytes
        self._reading_timeout = reading_timeout
        self._release = release
        self._readers = asyncio.Semaphore(_AT_ONCE)

    async def read(
        self, url: str, slug: str, assigned: Mapping[tuple[str, str], str], known: Fingerprint | None = None
    ) -> Reading:
        """Return the operations of the document at `url`; `assigned` are names given before, which are kept.

        Raises Unchanged, before reading it, when it is still the `known` one; Invalid, TooLarge, BadAnswer or
        DeadlineExceeded with a `document_…` code or `invalid_document`; AddressRefused for an inner address; and
        Invalid (`redirect_refused`) for a redirect.
        """
        if known is not None and known.release != self._release:
            known = None
        document = await self._fetch(url, known)
        if known is not None and document.fingerprint.digest == known.digest:
            raise Unchanged(document.fingerprint)
        async with self._readers:
            conversion = await read_apart(document.data, document.content_type, slug, assigned, self._reading_timeout)
        return Reading(conversion, document.fingerprint)

    async def _fetch(self, url: str, known: Fingerprint | None) -> Document:
        self._addresses.check_url(url)
        origin = origin_of(url)
        conditions = _conditions(known)
        try:
            async with (
                asyncio.timeout(self._timeout),
                self._client.stream("GET", url, headers={"accept": _ACCEPT, **conditions}) as response,
            ):
                if response.status_code == 304 and known is not None and conditions:
                    raise Unchanged(known)
                _check_status(response, origin)
                return _document(await read_bounded(response, self._max_bytes), response, self._release)
        except TimeoutError:
            raise DeadlineExceeded(
                "document_timeout",
                f"{origin} did not send the document within {self._timeout:g} s (SOURCE_FETCH_TIMEOUT).",
            ) from None
        except TooLarge:
            raise TooLarge(
                "document_too_large", f"The document has more than {self._max_bytes} bytes (SOURCE_MAX_BYTES)."
            ) from None
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise BadAnswer(
                "document_unreachable", f"{origin} sent no document to this server: {error}. Check the address."
            ) from error


def _conditions(known: Fingerprint | None) -> dict[str, str]:
    if known is None:
        return {}
    stated = {"if-none-match": known.etag, "if-modified-since": known.last_modified}
    return {name: value for name, value in stated.items() if value is not None}


def _document(data: bytes, response: httpx.Response, release: str) -> Document:
    content_type = response.headers.get("content-type")
    digest = hashlib.sha256(f"{content_type}\n".encode() + data).hexdigest()
    etag, last_modified = (_validator(response.headers.get(name)) for name in ("etag", "last-modified"))
    return Document(data, content_type, Fingerprint(etag, last_modified, digest, release))


def _validator(value: str | None) -> str | None:
    return value if value is not None and _VALIDATOR.fullmatch(value) else None


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
        raise BadAnswer("document_unreachable", f"{origin} answered {status} instead of the document.{hint}")


def _target(response: httpx.Response) -> str:
    try:
        return origin_of(str(response.url.join(response.headers.get("location", ""))))
    except (AddressRefused, httpx.InvalidURL, ValueError):
        return "an address that cannot be read"
