"""What a media type means for the bytes on the wire."""

import codecs
import encodings
import pkgutil
import re
from collections.abc import Iterable
from encodings.aliases import aliases
from functools import lru_cache
from typing import Literal

Kind = Literal["json", "form", "multipart", "lines", "text", "binary"]

EVENTS = "text/event-stream"
BYTES = "application/octet-stream"

_RANK: dict[Kind, int] = {"json": 0, "form": 1, "multipart": 2, "lines": 3, "text": 3, "binary": 4}
_TOKEN = r"[A-Za-z0-9!#$%&'*+.^_`|~-]+"
_SPACE = r"[ \t]*"
_PARAMETER = rf"{_SPACE};{_SPACE}{_TOKEN}=(?:{_TOKEN}|\"[ !#-\[\]-~]*\")"
_WELL_FORMED = re.compile(rf"{_TOKEN}/{_TOKEN}(?:{_PARAMETER})*(?:{_SPACE};)?")
_JSON = re.compile(
    r"(?:application|text)/(?:x-)?json|application/x-amz-json-[\d.]+|[^/]+/[^/]+\+json|application/\*|\*/\*"
)
_RECORDS = re.compile(r"[^/]+/(?:.+\+)?json-seq")  # RFC 7464, RFC 8091
_LINES = re.compile(r"[^/]+/(?:.+\+)?(?:x-)?(?:ndjson|jsonl|jsonlines|ldjson)")
_TEXT = re.compile(
    r"text/.+|[^/]+/(?:.+[.+-])?(?:csv|diff|ecmascript|graphql|html|javascript|jose|jwt|latex|markdown|n-quads|n-triples"
    r"|openmetrics-text|patch|pem|sparql-query|sparql-update|sql|tex|toml|trig|tsv|turtle|typescript|xml|xml-dtd|yaml|yml)"
    r"|application/(?:x-)?pem-.+"
)
_BINARY = re.compile(
    r"(?:audio|font|image|model|video)/.+|application/(?:grpc.*|msword|vnd\.(?:ms-|oasis\.|openxmlformats-).+)"
    r"|[^/]+/(?:.+[.+-])?(?:archive|arrow|avro|bson|bzip2?|cbor|cbor-seq|compressed|der|gtar|gzip|msgpack|parquet|pdf"
    r"|pkcs\d+|pkix-cert|proto|protobuf|rar|smile|sqlite3|tar|thrift|wasm|zip|zstd)"
)
_CHARSET = re.compile(r";\s*charset=\"?([a-z0-9._-]+)")
_CODECS = ("utf-8", "utf-16", "utf-32", "ascii", "iso8859", "cp", "gb", "big5", "euc", "shift_jis", "koi8")
# Python remembers each spelling of a codec that it was ever asked for, so it is asked for these alone.
_CHARSETS = aliases.keys() | {module.name for module in pkgutil.iter_modules(encodings.__path__)}
_ANY = {"*/*": "application/json", "application/*": "application/json"}
_RANGES = {**_ANY, "text/*": "text/plain", "multipart/*": "multipart/form-data"}
_BEGINNINGS = (  # of files: MIME Sniffing standard, section 6
    (re.compile(rb"\x89PNG\r\n\x1a\n"), "image/png"),
    (re.compile(rb"\xff\xd8\xff"), "image/jpeg"),
    (re.compile(rb"GIF8[79]a"), "image/gif"),
    (re.compile(rb"RIFF.{4}WEBP", re.DOTALL), "image/webp"),
    (re.compile(rb"RIFF.{4}WAVE", re.DOTALL), "audio/wav"),
    (re.compile(rb"ID3"), "audio/mpeg"),
    (re.compile(rb"OggS\x00"), "audio/ogg"),
    (re.compile(rb".{4}ftyp", re.DOTALL), "video/mp4"),
    (re.compile(rb"\x1aE\xdf\xa3"), "video/webm"),
)


def is_media_type(text: str) -> bool:
    """Whether the text is valid as a media type in a header (RFC 9110 section 8.3.1)."""
    return len(text) <= 200 and _WELL_FORMED.fullmatch(text) is not None


def essence(media_type: str) -> str:
    """Return type and subtype alone, in lower case."""
    return media_type.partition(";")[0].strip().lower()


@lru_cache(maxsize=1_000)  # asked at every call, of the few that the documents name
def kind_of(media_type: str) -> Kind:
    """Return how a value is written in that media type, and what bytes of it are; `binary` is all that is not known."""
    name = essence(media_type)
    if _JSON.fullmatch(name):
        return "json"
    if name == "application/x-www-form-urlencoded":
        return "form"
    if name.startswith("multipart/"):
        return "multipart"
    if _LINES.fullmatch(name) or _RECORDS.fullmatch(name):
        return "lines"
    return "text" if _TEXT.fullmatch(name) else "binary"


def is_stream(media_type: str) -> bool:
    """Whether it is one of values that follow each other and may never end."""
    return essence(media_type) == EVENTS or kind_of(media_type) == "lines"


def is_of_records(media_type: str) -> bool:
    """Whether each value begins with a record separator: JSON text sequences (RFC 7464)."""
    return _RECORDS.fullmatch(essence(media_type)) is not None


def is_known_binary(media_type: str) -> bool:
    """Whether its bytes are never a text, whatever they look like."""
    return kind_of(media_type) == "binary" and _BINARY.fullmatch(essence(media_type)) is not None


def is_range(media_type: str) -> bool:
    """Whether it stands for several media types, and so cannot be a Content-Type (RFC 9110 section 8.3)."""
    return "*" in essence(media_type)


def is_any(media_type: str) -> bool:
    """Whether it is a range in which values, texts and bytes are all found."""
    return essence(media_type) in _ANY


def concrete(media_type: str) -> str:
    """Return what to send for a media type range; ranges of bytes such as `image/*` stay, since bytes differ."""
    name = essence(media_type)
    if not is_range(name):
        return media_type
    if "+" in name:
        return f"application/{name.rpartition('+')[2]}"
    return _RANGES.get(name, name)


def charset_of(media_type: str) -> str:
    """Return the charset that is stated with it, in lower case; empty where none is."""
    found = _CHARSET.search(media_type.lower())
    return found[1] if found is not None else ""


@lru_cache(maxsize=256)
def codec_of(charset: str) -> str:
    """Return the codec of a charset as Python calls it; UTF-8 for what is no charset of texts that are sent."""
    known = encodings.normalize_encoding(charset).lower()
    if known not in _CHARSETS:
        return "utf-8"
    try:
        name = codecs.lookup(known).name
    except LookupError:  # one of another system
        return "utf-8"
    return name if name.startswith(_CODECS) else "utf-8"


def recognised(data: bytes, media_range: str) -> str | None:
    """Return the media type in that range which the bytes begin as; None for those that are not known."""
    kind = essence(media_range).partition("*")[0]
    return next((name for begins, name in _BEGINNINGS if name.startswith(kind) and begins.match(data)), None)


def by_preference(media_types: Iterable[str]) -> list[str]:
    """Sort: application/json, other JSON, forms, multipart, text, the rest; in each as the document has them."""
    return sorted(media_types, key=lambda each: (_RANK[kind_of(each)], essence(each) != "application/json"))
