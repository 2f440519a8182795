"""Fetches a source's document within limits and has it read apart from the event loop."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

import httpx

from app.errors import BadAnswer, DeadlineExceeded, Invalid, TooLarge
from app.openapi.conversion import Conversion
from app.outbound import AddressPolicy, AddressRefused, origin_of, read_bounded
from app.sources.reading import read_apart

_ACCEPT = "application/json, application/yaml;q=0.9, text/yaml;q=0.8, */*;q=0.5"
_AT_ONCE = 2  # documents that are read at the same time; each may take a core and some hundred megabytes


@dataclass(frozen=True, slots=True)
class Document:
    """The bytes of a document as they came."""

    data: bytes
    content_type: str | None


class Documents:
    """Fetches and reads documents. `timeout` is the seconds for the whole fetch, `reading_timeout` for the reading."""

    def __init__(
        self,
        client: httpx.AsyncClient,
        addresses: AddressPolicy,
        *,
        timeout: float,
        max_bytes: int,
        reading_timeout: float = 30.0,
    ) -> None:
        self._client = client
        self._addresses = addresses
        self._timeout = timeout
        self._max_bytes = max_bytes
        self._reading_timeout = reading_timeout
        self._readers = asyncio.Semaphore(_AT_ONCE)

    async def read(self, url: str, slug: str, assigned: Mapping[tuple[str, str], str]) -> Conversion:
        """Return the operations of the document at `url`; `assigned` are names given before, which are kept.

        Raises Invalid, TooLarge, BadAnswer or DeadlineExceeded with a `document_…` code or `invalid_document`,
        AddressRefused for an inner address, and Invalid (`redirect_refused`) for a redirect.
        """
        document = await self._fetch(url)
        async with self._readers:
            return await read_apart(document.data, document.content_type, slug, assigned, self._reading_timeout)

    async def _fetch(self, url: str) -> Document:
        self._addresses.check_url(url)
        origin = origin_of(url)
        try:
            async with (
                asyncio.timeout(self._timeout),
                self._client.stream("GET", url, headers={"accept": _ACCEPT}) as response,
            ):
                _check_status(response, origin)
                return Document(await read_bounded(response, self._max_bytes), response.headers.get("content-type"))
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
        raise BadAnswer("document_unreachable", f"{origin} answered {status} instead of the document.{hint}")


def _target(response: httpx.Response) -> str:
    try:
        return origin_of(str(response.url.join(response.headers.get("location", ""))))
    except (AddressRefused, httpx.InvalidURL, ValueError):
        return "an address that cannot be read"
