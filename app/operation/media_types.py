"""What a media type means for the bytes on the wire."""

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Literal

Kind = Literal["json", "form", "multipart", "text", "binary"]

_RANK: tuple[Kind, ...] = ("json", "form", "multipart", "text", "binary")
_TOKEN = r"[A-Za-z0-9!#$%&'*+.^_`|~-]+"
_WELL_FORMED = re.compile(rf"{_TOKEN}/{_TOKEN}(?:\s*;\s*{_TOKEN}=(?:{_TOKEN}|\"[^\"\\\x00-\x1f\x7f-\uffff]*\"))*\s*;?")
_JSON = re.compile(r"application/json|text/json|[^/]+/[^/]+\+json|application/\*|\*/\*")
_TEXT = re.compile(
    r"text/.+|[^/]+/(?:.+\+)?(?:xml|yaml)|"
    r"application/(?:x-ndjson|ndjson|jsonl|x-jsonlines|json-seq|x-yaml|graphql|javascript|jwt|jose|sql|toml|ld\+json)"
)
_CONCRETE = {"*/*": "application/json", "application/*": "application/json", "text/*": "text/plain"}


def is_media_type(text: str) -> bool:
    """Whether the text can stand in a header as a media type (RFC 9110 section 8.3.1)."""
    return len(text) <= 200 and _WELL_FORMED.fullmatch(text) is not None


def essence(media_type: str) -> str:
    """Return type and subtype alone, in lower case."""
    return media_type.partition(";")[0].strip().lower()


@lru_cache(maxsize=1_000)  # asked at every call, of the few that the documents name
def kind_of(media_type: str) -> Kind:
    """Return how a value is written in that media type."""
    name = essence(media_type)
    if _JSON.fullmatch(name):
        return "json"
    if name == "application/x-www-form-urlencoded":
        return "form"
    if name.startswith("multipart/"):
        return "multipart"
    return "text" if _TEXT.fullmatch(name) else "binary"


def concrete(media_type: str) -> str:
    """Return what to send for a media type range: a range is no Content-Type."""
    name = essence(media_type)
    if "*" not in name:
        return media_type
    return _CONCRETE.get(name, "application/octet-stream")


def by_preference(media_types: Iterable[str]) -> list[str]:
    """Sort: application/json, other JSON, forms, multipart, text, the rest; in each as the document has them."""
    return sorted(media_types, key=lambda each: (_RANK.index(kind_of(each)), essence(each) != "application/json"))
