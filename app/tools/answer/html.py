"""The words of an HTML page, for a model that wants to know what went wrong and not how it was laid out.

In one pass and in time that grows with the page only: Python 3.11's `html.parser` takes seconds for 16 KB of unclosed
tags, and pages come from upstreams that nobody vouches for.
"""

import html
import re
import string

from app.operation.text import cleaned

_MOST_TAGS = 20_000  # then the rest of the page is left out
_UNSEEN = frozenset({"script", "style", "template", "svg", "noscript", "iframe"})
_INLINE = frozenset({"a", "abbr", "b", "code", "em", "font", "i", "kbd", "mark", "small", "span", "strong", "u", "wbr"})
_LOWER = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)  # str.lower changes the length of some texts
_TAG_STARTS = frozenset(f"{string.ascii_lowercase}/!?")
_NAME = frozenset(string.ascii_lowercase + string.digits)
_LONGEST_NAME = 12
_NO_CHARACTER = re.compile(r"&#[0-9]{50,};?")  # Python refuses to read integers of thousands of digits
_REPLACEMENT = "\ufffd"  # as browsers show it


def text_of_html(page: str) -> str:
    """Return the text of the page, a line for each block; scripts, styles and comments are left out."""
    text = html.unescape(_NO_CHARACTER.sub(_REPLACEMENT, "".join(_pieces(page, page.translate(_LOWER)))))
    lines = (" ".join(line.split()) for line in cleaned(text).split("\n"))
    return "\n".join(line for line in lines if line)


def _pieces(page: str, lower: str) -> list[str]:
    pieces: list[str] = []
    position = 0
    for _ in range(_MOST_TAGS):
        start = lower.find("<", position)
        if start < 0:
            pieces.append(page[position:])
            break
        pieces.append(page[position:start])
        if lower.startswith("<!--", start):
            position = _after(lower, "-->", start + 4)
        elif lower[start + 1 : start + 2] in _TAG_STARTS:
            name = _name_at(lower, start + 1)
            position = _after(lower, ">", start)
            if name in _UNSEEN and not lower.endswith("/>", start, position):
                position = _after(lower, ">", _after(lower, f"</{name}", position))
            elif name.removeprefix("/") not in _INLINE:
                pieces.append("\n")
        else:
            pieces.append("<")
            position = start + 1
    return pieces


def _after(lower: str, mark: str, start: int) -> int:
    found = lower.find(mark, start)
    return found + len(mark) if found >= 0 else len(lower)


def _name_at(lower: str, start: int) -> str:
    end = start + 1
    while end - start < _LONGEST_NAME and lower[end : end + 1] in _NAME:
        end += 1
    return lower[start:end]
