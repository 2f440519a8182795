"""The body of an answer as a JSON value, as a text, or as a description of what is neither.

The secret that the call carried is taken out of it: that is for the upstream, not for the agent.
"""

import base64
import codecs
import json
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

import orjson

from app.operation.media_types import BYTES, codec_of, is_known_binary, is_media_type, is_range, kind_of
from app.operation.media_types import is_stream as is_of_values
from app.tools.answer.streams import values_of

Kind = Literal["empty", "json", "text", "binary"]

_SENT = "[the token that was sent]"
_SHORTEST = 16  # characters of a token's beginning that a cut answer may end with
_MOST_CONTAINERS = 50_000  # lists and objects, each a hundred bytes in memory and microseconds at the doors
_LONGEST_CONTENT_TYPE = 1_000  # characters that are looked at, and remembered
_DIGITS = bytes(ord("0" if byte in b"0123456789" else " ") for byte in range(256))
_LONG = b"0" * 19  # every integer of fewer digits fits 64 bits
_MARKS = {  # UTF-32 first, because one of its marks begins with one of UTF-16
    "utf-32": (codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE),
    "utf-16": (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE),
}
_NOT_IF_UTF_8 = (*_MARKS, "cp125", "iso8859")
_XML_DECLARATION = re.compile(rb"<\?xml[^>]{0,80}?\sencoding\s*=\s*[\"']([A-Za-z0-9._-]{1,40})")


class Echo:
    """What to look for; a call without a token has none."""

    def __init__(self, secret: str | None) -> None:
        self._secret = secret or ""

    def out_of_text(self, text: str) -> str:
        """Return the text without the token."""
        return text.replace(self._secret, _SENT) if self._secret else text

    def out_of(self, content: bytes, *, truncated: bool = False) -> bytes:
        """Return the content without the token, and without its beginning where the content was cut inside of it."""
        if not self._secret:
            return content
        token = self._secret.encode()
        content = content.replace(token, _SENT.encode())
        if truncated:
            start = content.find(token[:_SHORTEST], max(0, len(content) - len(token)))
            while start >= 0:
                if token.startswith(content[start:]):
                    return content[:start] + _SENT.encode()
                start = content.find(token[:_SHORTEST], start + 1)
        return content

    def out_of_json(self, data: bytes) -> tuple[Any, bytes]:
        """Return JSON, parsed and as it came, without the token, whichever of its characters are escaped.

        Raises orjson.JSONDecodeError.
        """
        data = self.out_of(data)
        body = _exactly(data)
        if self._secret and b"\\u" in data:
            try:
                plain = json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
            except RecursionError:  # nested too deep to be written again: what is escaped stays
                return body, data
            if (without := self.out_of(plain)) != plain:
                return _exactly(without), without
        return body, data


def _exactly(data: bytes) -> Any:  # noqa: ANN401 - any JSON value
    """Parse JSON without turning integers beyond 64 bits into other numbers.

    Raises orjson.JSONDecodeError.
    """
    body = orjson.loads(data)
    if _LONG not in data.translate(_DIGITS):
        return body
    try:
        return json.loads(data)
    except RecursionError:  # deeper than structured content may be; the text has it
        return body


@dataclass(frozen=True, slots=True)
class AnswerBody:
    """`value` is the parsed JSON, the text, None, or for binary content `{content_type, bytes, base64?}`.

    `raw` are the bytes; where `kind` is `json` they are valid JSON in UTF-8 and can be spliced into an answer.
    """

    kind: Kind
    value: Any
    raw: bytes
    truncated: bool


@dataclass(frozen=True, slots=True)
class _ContentType:
    media_type: str  # without parameters, in lower case; empty where none is stated
    charset: str  # that Python knows; empty where none is stated
    json: bool
    text: bool
    binary: bool  # whatever its bytes look like
    stream: bool


def read_body(content: bytes, content_type: str | None, *, truncated: bool, echo: Echo) -> AnswerBody:
    """Return what the content is, without a token that the upstream echoes.

    Of what was truncated only texts and streams are of use: half a JSON value is returned as text, half a file is only
    described, and half a character or event at the end is left out. JSON of very many lists and objects stays a text.
    """
    stated = _content_type(content_type or "")
    if not content and not (truncated and stated.stream):
        return AnswerBody("empty", None, b"", truncated)
    content = _in_utf8(content, stated, truncated=truncated)
    parsable = content.count(b"[") + content.count(b"{") <= _MOST_CONTAINERS
    if stated.json and parsable and not truncated:
        try:
            return AnswerBody("json", *echo.out_of_json(content.removeprefix(codecs.BOM_UTF8)), truncated=False)
        except orjson.JSONDecodeError:
            pass  # NaN, an error page: anything that is not JSON is returned as text
    content = echo.out_of(content, truncated=truncated)
    text = _text(content, stated, truncated=truncated)
    if text is None:
        return AnswerBody("binary", _described(content, stated.media_type, whole=not truncated), content, truncated)
    stream = _stream(text, stated, truncated, echo) if stated.stream and parsable else None
    return stream or AnswerBody("text", text, content, truncated)


def _in_utf8(content: bytes, stated: _ContentType, *, truncated: bool) -> bytes:
    """Return a text in UTF-8; what may be one has to be one in the charset that is stated for it."""
    if stated.binary or (charset := _charset(content, stated)) == "utf-8":
        return content
    try:
        return _decoded(content, charset, truncated=truncated, strict=not stated.text).encode()
    except UnicodeError:
        return content


def _charset(content: bytes, stated: _ContentType) -> str:
    """A byte order mark counts more than what is stated, and that more than an XML declaration (RFC 7303 section 3).

    What is plainly UTF-8 is that, whatever UTF-16 or, of JSON (RFC 8259 section 8.1), charset of single bytes it is
    said to be in: frameworks state what the text had before it was written.
    """
    charset = _said_charset(content, stated)
    doubtful = _NOT_IF_UTF_8 if stated.json else (*_MARKS,)
    if charset.startswith(doubtful) and not _is_marked(content) and _is_utf_8(content):
        return "utf-8"
    return charset


def _said_charset(content: bytes, stated: _ContentType) -> str:
    if not (stated.media_type and stated.text):
        return stated.charset or "utf-8"
    if content.startswith(codecs.BOM_UTF8):
        return "utf-8"
    marked = next((charset for charset, marks in _MARKS.items() if content.startswith(marks)), "")
    declared = _XML_DECLARATION.match(content) if not stated.charset else None
    return marked or stated.charset or (_codec(declared[1].decode()) if declared is not None else "utf-8")


def _is_marked(content: bytes) -> bool:
    return any(map(content.startswith, _MARKS.values()))


def _is_utf_8(content: bytes) -> bool:
    """Whether this is UTF-8 without NUL, which UTF-16 has in nearly all texts; half a character may be at its end."""
    if b"\0" in content:
        return False
    try:
        codecs.getincrementaldecoder("utf-8")().decode(content)
    except UnicodeDecodeError:
        return False
    return True


def _stream(text: str, stated: _ContentType, truncated: bool, echo: Echo) -> AnswerBody | None:
    stream = values_of(text, stated.media_type, truncated=truncated)
    if stream is None:
        return None
    try:
        return AnswerBody("json", *echo.out_of_json(stream.raw), stream.truncated)
    except orjson.JSONDecodeError:  # its values are nested as deep as can be parsed, and now there is a list around
        return None


def media_type_of(content_type: str | None) -> str:
    """Return the media type alone, in lower case; empty where none, or nonsense, is stated."""
    return _content_type(content_type or "").media_type


def is_stream(content_type: str | None) -> bool:
    """Whether the body may never end, and each part of it is of use without the rest."""
    return _content_type(content_type or "").stream


def _described(content: bytes, media_type: str, *, whole: bool) -> dict[str, Any]:
    described: dict[str, Any] = {"content_type": media_type or BYTES, "bytes": len(content)}
    if whole:
        described["base64"] = base64.b64encode(content).decode()
    return described


def _text(content: bytes, stated: _ContentType, *, truncated: bool) -> str | None:
    if stated.text and stated.media_type:
        return _decoded(content, "utf-8", truncated=truncated)
    if stated.binary or b"\x00" in content:
        return None
    try:
        return _decoded(content, "utf-8", truncated=truncated, strict=True)
    except UnicodeDecodeError:
        return None


def _decoded(content: bytes, charset: str, *, truncated: bool, strict: bool = False) -> str:
    errors = "strict" if strict else "replace"
    if charset in _MARKS and not content.startswith(_MARKS[charset]):
        charset = f"{charset}-le"  # as browsers read it
    if not truncated:
        return content.decode(charset, errors)
    return codecs.getincrementaldecoder(charset)(errors).decode(content, final=False)


def _content_type(header: str) -> _ContentType:
    return _read_content_type(header[:_LONGEST_CONTENT_TYPE])


@lru_cache(maxsize=256)
def _read_content_type(header: str) -> _ContentType:
    stated, *parameters = header.lower().split(";")
    media_type = stated.strip() if is_media_type(stated.strip()) and not is_range(stated) else ""
    charset = ""
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "charset":
            charset = _codec(value.strip().strip('"'))
            break
    kind = kind_of(media_type) if media_type else "json"
    text = kind in {"json", "form", "lines", "text"}
    return _ContentType(
        media_type, charset, kind == "json", text, is_known_binary(media_type), is_of_values(media_type)
    )


def _codec(charset: str) -> str:
    """What is called ASCII is read as UTF-8, which it is a part of."""
    codec = codec_of(charset)
    return "utf-8" if codec == "ascii" else codec
