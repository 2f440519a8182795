"""What a tool call gave: the upstream's answer, made fit for JSON and for a model."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from app.outbound import HttpAnswer
from app.tools.answer.body import AnswerBody, Echo, Kind, media_type_of, read_body
from app.tools.answer.html import text_of_html

Outcome = Literal["ok", "upstream_error", "upstream_redirect"]

LONGEST_ERROR = 8_000  # characters of an error that are worth a model's while

# Names as people write them; `_meta` and REST have them in lower case.
TOLD_HEADERS = {
    name.lower(): name
    for name in (
        *("Retry-After", "Location", "Operation-Location", "Azure-AsyncOperation", "Link", "X-Total-Count", "ETag"),
        "WWW-Authenticate",
    )
}
_CHALLENGE = "www-authenticate"
_SHOWN_HEADERS = TOLD_HEADERS.keys() - {_CHALLENGE} | {"ratelimit", "ratelimit-policy"}
_SHOWN_PREFIXES = ("ratelimit-", "x-ratelimit-", "x-rate-limit-")
_REASON = re.compile(r'\b(?:error|error_description|scope)=(?:"(?:[^"\\]|\\.)*"|[^\s",;]+)')  # RFC 6750 section 3
_LONGEST_HEADER = 2_000  # characters
_LONGEST_NAME = 100  # characters; names of rate limits have some thirty
_MOST_HEADERS = 20
_PAGES = frozenset({"text/html", "application/xhtml+xml"})
_PAGE_STARTS = ("<!doctype html", "<html")
_REDIRECTS = frozenset({300, 301, 302, 303, 305, 307, 308})
_SEE_OTHER = 303  # the only redirect that also says: done (RFC 9110 section 15.4.4)


@dataclass(frozen=True, slots=True)
class ToolResult:
    """The answer to one call. An upstream's redirect, 4xx or 5xx is a result with `is_error`, no exception.

    `outcome` is that of the call's audit record. `body` is the parsed JSON, the text, None, or for binary content
    `{content_type, bytes, base64?}`; an error that is no JSON is at most `LONGEST_ERROR` characters, and of a page the
    words alone; of a redirect it is what to know about it. `raw` holds the body's bytes; where `kind` is `json` they
    are valid JSON in UTF-8 and can be spliced into an answer. `truncated` says that the upstream had more to say than
    `body` holds; `duration_ms` covers the upstream only. Of `headers`, `www-authenticate` has its reason alone.
    """

    outcome: Outcome
    upstream_status: int
    content_type: str | None
    kind: Kind
    body: Any = field(repr=False)
    raw: bytes = field(repr=False)
    truncated: bool
    duration_ms: float
    headers: Mapping[str, str]

    @property
    def is_error(self) -> bool:
        """Whether what was asked for was not done."""
        return self.outcome != "ok"


def read_answer(answer: HttpAnswer, *, secret: str | None, duration_ms: float) -> ToolResult:
    """Make a result of the answer; a secret that was sent and comes back is taken out of it."""
    echo = Echo(secret)
    content_type = answer.headers.get("content-type")
    headers = _shown(answer.headers, echo)
    outcome = _outcome(answer.status)
    if outcome == "upstream_redirect":
        body = AnswerBody("text", _elsewhere(answer.status, headers.get("location")), b"", truncated=False)
    else:
        body = read_body(answer.content, content_type, truncated=answer.truncated, echo=echo)
    is_error = outcome == "upstream_error"
    value, truncated = _error_text(body, content_type, echo) if is_error else (body.value, body.truncated)
    return ToolResult(
        outcome=outcome,
        upstream_status=answer.status,
        content_type=None if content_type is None else echo.out_of_text(content_type)[:_LONGEST_HEADER],
        kind=body.kind,
        body=value,
        raw=body.raw,
        truncated=truncated,
        duration_ms=duration_ms,
        headers=headers,
    )


def _outcome(status: int) -> Outcome:
    if status in _REDIRECTS:
        return "upstream_redirect"
    return "upstream_error" if status >= 400 else "ok"


def _elsewhere(status: int, location: str | None) -> str:
    done = "It may have been done" if status == _SEE_OTHER else "Nothing was done"
    return (
        f"{done}: the upstream answered {status} and points {f'to {location}' if location else 'elsewhere'}. Redirects "
        "are not followed, because the call's token is for one address only. If that is a sign-in page, the upstream "
        "did not accept the token. An admin should check the source's base_url: calls may have to go where this points."
    )


def _error_text(body: AnswerBody, content_type: str | None, echo: Echo) -> tuple[Any, bool]:
    """Return the body, shortened if it is a text, and whether something of it is missing."""
    if body.kind != "text":
        return body.value, body.truncated
    text: str = body.value
    if media_type_of(content_type) in _PAGES or text[:200].lstrip().lower().startswith(_PAGE_STARTS):
        text = echo.out_of_text(text_of_html(text))  # markup may have stood in the middle of it
    return text[:LONGEST_ERROR], body.truncated or len(text) > LONGEST_ERROR


def _shown(headers: Mapping[str, str], echo: Echo) -> dict[str, str]:
    names = [
        name
        for name in headers
        if name in _SHOWN_HEADERS or (name.startswith(_SHOWN_PREFIXES) and len(name) <= _LONGEST_NAME)
    ]
    shown = {name: headers[name] for name in names[:_MOST_HEADERS]}
    if _CHALLENGE in headers and (reason := _REASON.findall(headers[_CHALLENGE])):
        shown[_CHALLENGE] = ", ".join(reason)
    return {name: _cut(value) for name, value in shown.items() if echo.out_of_text(value) == value}


def _cut(value: str) -> str:
    return value if len(value) <= _LONGEST_HEADER else f"{value[: _LONGEST_HEADER - 1]}…"
