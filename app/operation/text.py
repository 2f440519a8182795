"""Texts that a model or a person will read, without what neither can see.

A document's author is not trusted: tag characters, bidirectional controls, zero-width characters and terminal escapes
hide instructions from the person who approves a source.
"""

import re

from app.operation.operation import Value

LONGEST_DESCRIPTION = 2_000  # characters
LONGEST_NAME = 200  # of titles and tags

_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-_])")
_HIDDEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e"
    "\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\ud800-\udfff\U0001bca0-\U0001bca3"
    "\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)
_DEEPEST_VALUE = 64  # containers


def cleaned(text: str) -> str:
    """Return the text without terminal escapes and invisible or control characters; tabs and line ends stay."""
    if text.isascii() and text.isprintable():
        return text
    return _HIDDEN.sub("", _ESCAPES.sub("", text.replace("\r\n", "\n").replace("\r", "\n")))


def shortened(text: str, most: int = LONGEST_DESCRIPTION) -> str:
    """Return the cleaned text, cut at `most` characters with an ellipsis in place of the rest."""
    text = cleaned(text).strip()
    return text if len(text) <= most else f"{text[: most - 1].rstrip()}…"


def hides_something(text: str) -> bool:
    """Whether cleaning would take more than line ends of another system out of the text."""
    return cleaned(text) != text.replace("\r\n", "\n").replace("\r", "\n")


def is_presentable(value: Value) -> bool:
    """Whether a JSON value may be shown as it is: nothing hidden in its texts, not nested out of reason."""
    pending = [(value, 1)]
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
