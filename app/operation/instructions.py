"""Texts that read like instructions to a model, which no description of an API has reason to give.

A short list of kinds that is sure rather than complete: an alarm that is often false is not read. It looks at a tool as
JSON, in lower case, where a line end is an escape.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

_GAP = r"(?:\\[nrt]|[\s>*`#])+"
_LONGEST_QUOTE = 100  # characters


@dataclass(frozen=True, slots=True)
class _Kind:
    """Words, and what a text has to have in it before they are looked for."""

    words: re.Pattern[str]
    hints: tuple[str, ...]


def _kind(*hints: str, words: str) -> _Kind:
    return _Kind(re.compile(words.replace(" ", _GAP)), hints)


_KINDS = (
    _kind(  # to leave its own instructions
        *("instruction", "prompt", "guideline", "directive"),
        words=r"\b(?:ignore|disregard|forget) (?:\w+ ){0,3}?(?:previous|prior|above|earlier|preceding|all|any|your)"
        r"(?: \w+){0,2}? (?:instructions?|prompts?|guidelines|directives)\b",
    ),
    _kind(  # … or to tell them
        *("prompt", "instruction"),
        words=r"\b(?:reveal|print|repeat|output|show|send|include|append) (?:\w+ ){0,3}?"
        r"your (?:\w+ )?(?:system prompt|instructions)\b",
    ),
    _kind(  # marks of who speaks in a conversation
        *("<|", "inst]", "sys>>", "important>", "</system", "</instruction"),
        words=r"<\|(?:im_start|im_end|system|user|assistant|endoftext|begin_of_text|start_header_id)\|>|\[/?inst\]"
        r"|<</?sys>>|</?important>|</(?:system|instructions?|system[-_]?(?:prompt|reminder|message))>",
    ),
    _kind(  # to keep something from the user
        *("tell", "mention", "reveal"),
        words="\\b(?:do not|don['\u2019]t|never|without) (?:tell|telling|mention|mentioning|reveal|revealing) "
        r"(?:\w+ ){0,3}?users?\b",
    ),
    _kind(  # to do something beside this tool, or with others
        "tool",
        words=r"\b(?:before|after|instead of|prior to|whenever|when) (?:you )?"
        r"(?:use|using|call|calling|invoke|invoking|run|running) (?:this|any|the|another)(?: \w+)? tools?\b",
    ),
)
HINTS = tuple(dict.fromkeys(hint for kind in _KINDS for hint in kind.hints))


def quotes(text: str) -> Iterator[str]:
    """Yield the words of each kind that is found in the text."""
    for kind in _KINDS:
        if any(hint in text for hint in kind.hints) and (found := kind.words.search(text)):
            yield found[0][:_LONGEST_QUOTE]
