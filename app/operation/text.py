"""Texts and names that a model or a person will read.

Texts contain nothing that is invisible: a document's author is not trusted, and tag characters, bidirectional controls,
zero-width characters, comments and terminal escapes hide instructions from the person who approves a source. Names of
sources and operations are readable, within what model APIs take, and the same at the next import. An operation of a
source is known as `slug/operation` over REST and as `slug__operation` over MCP.
"""

import hashlib
import re
from collections.abc import Container, Iterable, Sequence

from app.operation.operation import Value

LONGEST_DESCRIPTION = 2_000  # characters
LONGEST_NAME = 200  # of titles and tags
ONCE_GIVEN = "Required if there is a body."  # of a member that an optional body needs
LONGEST_SLUG = 32
LONGEST_TOOL_NAME = 64  # characters of `slug__operation`
SLUG = r"^[a-z0-9-]{1,32}$"
OPERATION_NAME = r"^[A-Za-z0-9_-]{1,64}$"
SEPARATOR = "__"  # a slug has no underscore, so the first pair ends it

_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-_])")
_SYMBOLS = (  # that emoji begin with: UTS #51
    "\xa9\xae\u203c\u2049\u2122\u2139\u2194-\u21aa\u231a-\u27bf\u2934\u2935\u2b05-\u2b55\u3030\u303d\u3297\u3299"
    "\U0001f000-\U0001faff"
)
_JOINING = "\u0620-\u06ff\u0750-\u077f\u08a0-\u0dff"  # Arabic, and the scripts of India: RFC 5892 A.1 and A.2
_HIDDEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b\u200e\u200f\u2028-\u202e"
    "\u2060-\u206f\u3164\ufe00-\ufe0d\ufeff\uffa0\ufff0-\ufffb\ud800-\udfff\U0001bca0-\U0001bca3"
    "\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
    # What parts of an emoji and letters that join need between them, and nobody else:
    f"|[\ufe0e\ufe0f](?<![{_SYMBOLS}].)(?!(?<=[#*0-9].)\u20e3)"
    f"|\u200c(?:(?![{_JOINING}])|(?<![{_JOINING}].))"
    f"|\u200d(?:(?![{_SYMBOLS}{_JOINING}])|(?<![{_SYMBOLS}{_JOINING}].)(?<![{_SYMBOLS}]\ufe0f.))"
)
# What a browser does not show (HTML, section 13.1.6), to the end where nothing closes it; and what is no reference in
# Markdown, which nobody sees either.
_COMMENTS = re.compile(
    r"<!--(?:-?>|.*?(?:--!?>|\Z))|^ {0,3}\[[^\]\n]*\]: *(?:#|<>)(?: [^\n]*)?$", re.DOTALL | re.MULTILINE
)
_DATA_URI = re.compile(  # RFC 2397
    r"\bdata:(?:[a-z0-9.+-]{1,60}/[a-z0-9.+-]{1,60}|(?=;))(?:;[a-z0-9=_.+-]{1,60}){0,5},[a-z0-9;/?:@&=+$,_.!~*%-]{8,}",
    re.IGNORECASE,
)
_WORD = re.compile(r"\w+")
_PART_OF_NAME = re.compile(r"[^\W_]+")
_DEPRECATED = re.compile(r"\bdeprecat", re.IGNORECASE)
_EARLY = 80  # characters
_DEEPEST_VALUE = 64  # nested containers; real defaults and enums have under ten
_LARGEST_EXAMPLE = 200  # characters, for texts; longer ones cost more than they tell
_LONGEST_DEFINITION = 64  # characters of a name in `$defs`
_DIGITS = 8  # of the hash
_MOST_NAMED = 20  # names in one phrase
_NOT_IN_DEFINITIONS = re.compile(r"[^A-Za-z0-9_.-]+")
Key = tuple[str, str]  # method and path


def cleaned(text: str) -> str:
    """Return the text without terminal escapes and invisible or control characters; tabs and line ends stay."""
    if _is_clean(text):
        return text
    return _HIDDEN.sub("", _ESCAPES.sub("", text.replace("\r\n", "\n").replace("\r", "\n")))


def _is_clean(text: str) -> bool:
    """Whether it is plain that nothing in the text is hidden."""
    return text.isascii() and (text.isprintable() or text.replace("\n", "").replace("\t", "").isprintable())


def shortened(text: str, most: int = LONGEST_DESCRIPTION) -> str:
    """Return the cleaned text without comments and data URIs, cut at `most` characters with an ellipsis as its end."""
    text = _without_payload(cleaned(text)).strip()
    return text if len(text) <= most else f"{text[: most - 1].rstrip()}…"


def _without_payload(text: str) -> str:
    """A space in the place of a comment, so that what is around it makes no new one."""
    if "<!--" in text or "]:" in text:
        text = _COMMENTS.sub(" ", text)
    return _DATA_URI.sub("…", text) if ":" in text and "data:" in text.lower() else text


def sentences(*parts: str) -> str:
    """Return the parts as one text, those that end without punctuation with a full stop; what is empty is left out."""
    said = [part if part.endswith((".", "!", "?", ":", ";", "…")) else f"{part}." for part in parts[:-1] if part]
    return " ".join((*said, parts[-1])).strip()


def deprecated(description: str) -> str:
    """Return the description of something deprecated, which says so at its beginning."""
    return description if _DEPRECATED.search(description, 0, _EARLY) else sentences("Deprecated", description)


def summed_up(summary: str, description: str) -> str:
    """Return the description with the summary before it, unless one says what the other does, word for word."""
    if not summary or not description:
        return summary or description
    if has_words(description, summary):
        return description
    return summary if has_words(summary, description) else f"{summary}\n\n{description}"


def has_words(text: str, phrase: str) -> bool:
    """Whether the text says the phrase, word for word."""
    text, phrase = text.casefold(), phrase.casefold()
    if not all(word[0] in text for word in _WORD.finditer(phrase)):
        return False
    said, sought = (f" {' '.join(_WORD.findall(each))} " for each in (text, phrase))
    return sought in said


def as_title(identifier: str) -> str:
    """Return what a program calls something as people write it: `listPets` is "List pets"."""
    begins = [
        here.isupper() and (before.islower() or before.isdigit() or (before.isupper() and after.islower()))
        for before, here, after in zip(f" {identifier}", identifier, f"{identifier[1:]} ", strict=False)
    ]
    apart = "".join(f" {letter}" if begin else letter for letter, begin in zip(identifier, begins, strict=True))
    all_alike = identifier.isupper()
    words = [
        word if word.isupper() and len(word) > 1 and not all_alike else word.lower()
        for word in _PART_OF_NAME.findall(apart)
    ]
    title = " ".join(words)
    return title[:1].upper() + title[1:]


def hides_something(text: str) -> bool:
    """Whether cleaning would remove more than another system's line ends."""
    if _is_clean(text):
        return False
    return cleaned(text) != text.replace("\r\n", "\n").replace("\r", "\n")


def written_out(text: str, *, lines: bool = False) -> str:
    """Return the text with all that readers do not see and terminals obey written as `\\u202e`.

    For whatever a party chose that an admin reads: nothing is lost, nothing acts. It stays one line unless `lines`.
    """
    if text.isascii() and text.isprintable():
        return text
    text = _HIDDEN.sub(_as_escape, text)
    return text if lines else text.replace("\n", "\\u000a")


def _as_escape(hidden: re.Match[str]) -> str:
    number = ord(hidden[0])
    return f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"


def is_presentable(value: Value) -> bool:
    """Whether a JSON value may be shown as it is: nothing hidden in its texts, and not nested too deeply."""
    if isinstance(value, str):
        return not hides_something(value)
    pending = [(value, 1)] if isinstance(value, dict | list) else []
    while pending:
        item, depth = pending.pop()
        if isinstance(item, str):
            if hides_something(item):
                return False
        elif isinstance(item, dict | list):
            if depth > _DEEPEST_VALUE:
                return False
            inner = [*item, *item.values()] if isinstance(item, dict) else item
            pending.extend((each, depth + 1) for each in inner)
    return True


def short_examples(values: Value) -> list[Value]:
    """Return the examples worth showing: at most three presentable scalars."""
    if not isinstance(values, list):
        return []
    scalars = [value for value in values if isinstance(value, str | int | float)]
    short = [value for value in scalars if len(str(value)) <= _LARGEST_EXAMPLE and is_presentable(value)]
    return [value for value in short if not isinstance(value, str) or _without_payload(value) == value][:3]


def is_slug(text: str) -> bool:
    """Whether the text may be a slug."""
    return re.fullmatch(SLUG, text) is not None


def tool_id(slug: str, operation: str) -> str:
    """Return what the operation is called over REST."""
    return f"{slug}/{operation}"


def mcp_name(slug: str, operation: str) -> str:
    """Return what the operation is called over MCP."""
    return f"{slug}{SEPARATOR}{operation}"


def longest_operation_name(slug: str) -> int:
    """Return how many characters the slug leaves for the operation in an MCP name."""
    return LONGEST_TOOL_NAME - len(mcp_name(slug, ""))


def digest(parts: tuple[str, str]) -> str:
    """Return the hash that tells things apart whose names are alike."""
    return hashlib.sha256(" ".join(parts).encode(errors="surrogatepass")).hexdigest()


def definition_name(name: str, place: Iterable[object], taken: Container[str]) -> str:
    """Return a name in `$defs` for the schema at the place, whose own name may be taken or unusable."""
    name = _NOT_IN_DEFINITIONS.sub("_", name) or "schema"
    if name in taken or name.isdigit() or len(name) > _LONGEST_DEFINITION:
        identity = "".join(map(str, place)).encode(errors="replace")
        name = f"{name[:48]}_{hashlib.sha256(identity).hexdigest()[:_DIGITS]}"
    return name


def named(names: Sequence[str], last: str) -> str:
    """Return the names in one phrase, the first of very many; `last` is the word before the last one."""
    shown = [f"`{name}`" for name in names[:_MOST_NAMED]]
    if len(names) > _MOST_NAMED:
        shown.append(f"{len(names) - _MOST_NAMED} more")
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} {last} {shown[-1]}"
