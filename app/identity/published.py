"""What the identity provider publishes (keys, discovery), and who else may answer in its place."""

import asyncio
import re
from typing import Any

import httpx
import orjson

from app.errors import BadAnswer, TooLarge, Unavailable
from app.outbound import cause_of, read_bounded

FOREIGN = (
    "Something else answered in the identity provider's place (HTTP {status} without Keycloak's JSON), so this is no "
    "refusal of Keycloak's. An operator should look at what lies before it (proxy, firewall, load balancer) and check "
    "that KEYCLOAK_URL is Keycloak's own address; the log of this server has the first words of the answer."
)

_MAX_BYTES = 262_144  # a key with its certificates takes some kilobytes
_FIRST_WORDS = 200  # characters
_TAGS = re.compile(r"<[^>]*>")


class NotPublished(Exception):
    """It could not be had. `told` says why, for the log; `foreign_status` is set when something else answered."""

    def __init__(
        self, error: str, status: int | None = None, answer: bytes = b"", foreign_status: int | None = None
    ) -> None:
        super().__init__(error)
        self.told: dict[str, Any] = {"error": error, "status": status, "answer": first_words(answer)}
        self.foreign_status = foreign_status

    def unavailable(self, detail: str, retry_after: float) -> Unavailable:
        """Return what callers are told: `detail`, unless something else answered."""
        wait = max(1.0, retry_after)
        if self.foreign_status is None:
            return Unavailable("idp_unreachable", detail, wait)
        return Unavailable("idp_foreign_answer", FOREIGN.format(status=self.foreign_status), wait)


async def published(client: httpx.AsyncClient, url: str, seconds: float) -> dict[str, Any]:
    """Return the JSON object at the address, if all of it comes within so many seconds. Raises NotPublished."""
    try:
        async with asyncio.timeout(seconds), client.stream("GET", url, follow_redirects=False) as response:
            body = await read_bounded(response, _MAX_BYTES)
    except TimeoutError:
        raise NotPublished(f"no answer within {seconds:g} s") from None
    except httpx.HTTPError as error:
        raise NotPublished(cause_of(error).detail) from error
    except (BadAnswer, TooLarge) as error:
        raise NotPublished(error.detail, response.status_code) from None
    status = response.status_code
    if response.has_redirect_location:
        raise NotPublished(redirect_of(response.headers), status)
    if 400 <= status < 500 and error_of(body) is None:
        raise NotPublished("something else answered", status, body, foreign_status=status)
    document = members_of(body)
    if status != 200:
        raise NotPublished(f"HTTP {status}", status, body)
    if document is None:
        raise NotPublished("this is no JSON object", status, body)
    return document


def error_of(body: bytes) -> tuple[str, str] | None:
    """Return `error` and `error_description` of a refusal (RFC 6749 section 5.2); None for what Keycloak never says."""
    members = members_of(body) or {}
    error, description = (_text(members.get(name)) for name in ("error", "error_description"))
    return (error, description) if error else None


def members_of(body: bytes) -> dict[str, Any] | None:
    """Return the members of a JSON object, None for anything else."""
    try:
        members = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    return members if isinstance(members, dict) else None


def redirect_of(headers: httpx.Headers) -> str:
    """Return where a redirect leads, and what to do; for the log."""
    return f"it redirects to {first_words(headers['location'].encode())}: set KEYCLOAK_URL to the address that answers"


def first_words(body: bytes) -> str:
    """Return the beginning of an answer's text, by which a person can tell whose it is."""
    text = _TAGS.sub(" ", body[: 10 * _FIRST_WORDS].decode("utf-8", "replace"))
    return " ".join(text.split())[:_FIRST_WORDS]


def _text(member: object) -> str:
    return member[:300] if isinstance(member, str) else ""
