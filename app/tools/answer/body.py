"""The body of an answer as a JSON value, as a text, or as a description of what is neither."""

import base64
import codecs
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

import orjson

from app.operation.media_types import is_media_type, kind_of
from app.tools.answer.echo import Echo
from app.tools.answer.streams import is_stream, values_of

Kind = Literal["empty", "json", "text", "binary"]

_CODECS = ("utf-8", "utf-16", "utf-32", "ascii", "iso8859", "cp", "gb", "big5", "euc", "shift_jis", "koi8")
_MARKS = {
    "utf-16": (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE),
    "utf-32": (codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE),
}


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
    charset: str  # that Python knows; UTF-8 where none is stated
    json: bool
    text: bool
    stream: bool


def read_body(content: bytes, content_type: str | None, *, truncated: bool, echo: Echo) -> AnswerBody:
    """Return what the content is, without a token that the upstream echoes.

    Of what was truncated only texts and streams are of use: half a JSON value is told as text, half a file is only
    described, and half a character or event at the end is left out.
    """
    stated = _content_type(content_type or "")
    if not content and not (truncated and stated.stream):
        return AnswerBody("empty", None, b"", truncated)
    if stated.text and stated.charset != "utf-8":
        content = _decoded(content, stated.charset, truncated=truncated).encode()
    if stated.json and not truncated:
        try:
            return AnswerBody("json", *echo.out_of_json(content.removeprefix(codecs.BOM_UTF8)), truncated=False)
        except orjson.JSONDecodeError:
            pass  # NaN, an error page: what is no JSON is told as text
    content = echo.out_of(content, truncated=truncated)
    text = _text(content, stated, truncated=truncated)
    if text is None:
        return AnswerBody("binary", _described(content, stated.media_type, whole=not truncated), content, truncated)
    return _stream(text, stated, truncated, echo) or AnswerBody("text", text, content, truncated)


def _stream(text: str, stated: _ContentType, truncated: bool, echo: Echo) -> AnswerBody | None:
    stream = values_of(text, stated.media_type, truncated=truncated) if stated.stream else None
    if stream is None:
        return None
    try:
        return AnswerBody("json", *echo.out_of_json(stream.raw), stream.truncated)
    except orjson.JSONDecodeError:  # its values are nested as deep as can be parsed, and now there is a list around
        return None


def media_type_of(content_type: str | None) -> str:
    """Return the media type alone, in lower case; empty where none, or nonsense, is stated."""
    return _content_type(content_type or "").media_type


def _described(content: bytes, media_type: str, *, whole: bool) -> dict[str, Any]:
    described: dict[str, Any] = {"content_type": media_type or "application/octet-stream", "bytes": len(content)}
    if whole:
        described["base64"] = base64.b64encode(content).decode()
    return described


def _text(content: bytes, stated: _ContentType, *, truncated: bool) -> str | None:
    if stated.text and stated.media_type:
        return _decoded(content, "utf-8", truncated=truncated)
    if stated.media_type not in {"", "application/octet-stream"} or b"\x00" in content:
        return None
    try:
        return codecs.getincrementaldecoder("utf-8")().decode(content, final=not truncated)
    except UnicodeDecodeError:
        return None


def _decoded(content: bytes, charset: str, *, truncated: bool) -> str:
    if charset in _MARKS and not content.startswith(_MARKS[charset]):
        charset = f"{charset}-le"  # as browsers read it
    if not truncated:
        return content.decode(charset, "replace")
    return codecs.getincrementaldecoder(charset)("replace").decode(content, final=False)


@lru_cache(maxsize=256)
def _content_type(header: str) -> _ContentType:
    stated, *parameters = header.lower().split(";")
    media_type = stated.strip() if is_media_type(stated.strip()) else ""
    charset = "utf-8"
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "charset":
            charset = _codec(value.strip().strip('"'))
            break
    stream = is_stream(media_type)
    json = not media_type or kind_of(media_type) == "json"
    text = json or kind_of(media_type) in {"form", "text"}
    return _ContentType(media_type, charset, json, text, stream)


def _codec(charset: str) -> str:
    try:
        name = codecs.lookup(charset).name
    except LookupError:
        return "utf-8"
    if name == "ascii" or not name.startswith(_CODECS):
        return "utf-8"
    return name
