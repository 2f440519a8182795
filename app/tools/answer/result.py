"""What a tool call gave: the upstream's answer, made fit for JSON and for a model."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from app.outbound import HttpAnswer
from app.tools.answer.body import AnswerBody, Echo, Kind, media_type_of, read_body
from app.tools.answer.html import text_of_html

LONGEST_ERROR = 8_000  # characters of an error that are worth a model's while

_SHOWN_HEADERS = frozenset({"etag", "link", "location", "retry-after", "ratelimit", "ratelimit-policy"})
_SHOWN_PREFIXES = ("ratelimit-", "x-ratelimit-", "x-rate-limit-")
_LONGEST_HEADER = 2_000  # characters
_MOST_HEADERS = 20
_PAGES = frozenset({"text/html", "application/xhtml+xml"})
_PAGE_STARTS = ("<!doctype html", "<html")


@dataclass(frozen=True, slots=True)
class ToolResult:
    """The answer to one call. An upstream's 4xx or 5xx is a result with `is_error`, no exception.

    `body` is the parsed JSON, the text, None, or for binary content `{content_type, bytes, base64?}`; an error that is
    no JSON is at most `LONGEST_ERROR` characters, and of a page the words alone. `raw` holds the body's bytes; where
    `kind` is `json` they are valid JSON in UTF-8 and can be spliced into an answer. `truncated` says that the upstream
    had more to say than `body` holds; `duration_ms` covers the upstream only.
    """

    is_error: bool
    upstream_status: int
    content_type: str | None
    kind: Kind
    body: Any = field(repr=False)
    raw: bytes = field(repr=False)
    truncated: bool
    duration_ms: float
    headers: Mapping[str, str]


def read_answer(answer: HttpAnswer, *, secret: str | None, duration_ms: float) -> ToolResult:
    """Make a result of the answer; a secret that was sent and comes back is taken out of it."""
    echo = Echo(secret)
    content_type = answer.headers.get("content-type")
    body = read_body(answer.content, content_type, truncated=answer.truncated, echo=echo)
    is_error = answer.status >= 400
    value, truncated = _error_text(body, content_type, echo) if is_error else (body.value, body.truncated)
    return ToolResult(
        is_error=is_error,
        upstream_status=answer.status,
        content_type=None if content_type is None else echo.out_of_text(content_type)[:_LONGEST_HEADER],
        kind=body.kind,
        body=value,
        raw=body.raw,
        truncated=truncated,
        duration_ms=duration_ms,
        headers=_shown(answer.headers, echo),
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
    names = [name for name in headers if name in _SHOWN_HEADERS or name.startswith(_SHOWN_PREFIXES)]
    shown = {name: headers[name] for name in names[:_MOST_HEADERS]}
    return {name: value[:_LONGEST_HEADER] for name, value in shown.items() if echo.out_of_text(value) == value}
