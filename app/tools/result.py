"""What a tool call gave: the upstream's answer, made fit for JSON and for a model."""

import base64
import codecs
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import orjson

from app.tools.echo import Echo
from app.tools.upstream import UpstreamAnswer

Kind = Literal["empty", "json", "text", "binary"]

_LARGEST_BASE64 = 262_144  # bytes of a binary body that are handed on; a larger one is only described
_SHOWN_HEADERS = frozenset({"etag", "link", "location", "retry-after", "ratelimit", "ratelimit-policy"})
_SHOWN_PREFIXES = ("ratelimit-", "x-ratelimit-", "x-rate-limit-")
_LONGEST_HEADER = 2_000  # characters
_TEXT_TYPES = ("application/xml", "application/yaml", "application/x-yaml", "application/javascript", "application/sql")
_CODECS = ("utf-8", "utf-16", "utf-32", "ascii", "iso8859", "cp", "gb", "big5", "euc", "shift_jis", "koi8")


@dataclass(frozen=True, slots=True)
class ToolResult:
    """The answer to one call. An upstream's 4xx or 5xx is a result with `is_error`, no exception.

    `body` is the parsed JSON, the text, None, or for binary content `{content_type, bytes, base64?}`. `raw` holds the
    body's bytes; where `kind` is `json` they are valid JSON in UTF-8 and can be spliced into an answer. `truncated`
    says that the upstream had more to say than we read; `duration_ms` covers the upstream only.
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


def read_answer(answer: UpstreamAnswer, *, bearer: str | None, duration_ms: float) -> ToolResult:
    """Make a result of the answer; a bearer that the upstream echoes is taken out of it."""
    echo = Echo(bearer)
    content = echo.out_of(answer.content, truncated=answer.truncated)
    content_type = answer.headers.get("content-type")
    if content_type is not None:
        content_type = echo.out_of_text(content_type)
    kind, body, raw = _read_content(content, content_type, echo)
    return ToolResult(
        is_error=answer.status >= 400,
        upstream_status=answer.status,
        content_type=content_type,
        kind=kind,
        body=body,
        raw=raw,
        truncated=answer.truncated,
        duration_ms=duration_ms,
        headers=_shown(answer.headers, echo),
    )


def _read_content(content: bytes, content_type: str | None, echo: Echo) -> tuple[Kind, Any, bytes]:
    if not content:
        return "empty", None, b""
    media_type, charset = _media_type(content_type)
    if _may_be_json(media_type):
        try:
            return "json", *echo.out_of_json(_to_utf8(content, charset))
        except orjson.JSONDecodeError:
            pass  # NaN, a truncated body, an error page: what is no JSON is told as text
    text = _text(content, media_type, charset)
    if text is not None:
        return "text", echo.out_of_text(text), content
    described: dict[str, Any] = {"content_type": media_type or "application/octet-stream", "bytes": len(content)}
    if len(content) <= _LARGEST_BASE64:
        described["base64"] = base64.b64encode(content).decode()
    return "binary", described, content


def _may_be_json(media_type: str) -> bool:
    return media_type in {"", "application/json", "text/json"} or media_type.endswith("+json")


def _to_utf8(content: bytes, charset: str) -> bytes:
    if charset in {"utf-8", "ascii"}:
        return content.removeprefix(codecs.BOM_UTF8)
    return content.decode(charset, "replace").encode()


def _text(content: bytes, media_type: str, charset: str) -> str | None:
    declared = media_type.startswith("text/") or media_type.endswith(("+xml", "+json")) or media_type in _TEXT_TYPES
    if declared or media_type in {"application/json", "application/x-www-form-urlencoded"}:
        return content.decode(charset, "replace")
    if media_type and media_type != "application/octet-stream":
        return None
    try:
        text = content.decode()
    except UnicodeDecodeError:
        return None
    return None if "\x00" in text else text


def _media_type(content_type: str | None) -> tuple[str, str]:
    """Return the media type without parameters, and a charset that Python knows (UTF-8 where none is said)."""
    media_type, *parameters = (content_type or "").lower().split(";")
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "charset":
            return media_type.strip(), _codec(value.strip().strip('"'))
    return media_type.strip(), "utf-8"


def _codec(charset: str) -> str:
    try:
        name = codecs.lookup(charset).name
    except LookupError:
        return "utf-8"
    return name if name.startswith(_CODECS) else "utf-8"


def _shown(headers: Mapping[str, str], echo: Echo) -> dict[str, str]:
    return {
        name: value[:_LONGEST_HEADER]
        for name, value in headers.items()
        if (name in _SHOWN_HEADERS or name.startswith(_SHOWN_PREFIXES)) and echo.out_of_text(value) == value
    }
