"""Texts that read like instructions to a model, which no description of an API has reason to give.

A short list of kinds that is sure rather than complete: an alarm that is often false is not read. It looks at a tool as
JSON, in lower case, where a line end is an escape.
"""

import re
from collections.abc import Iterator
from itertools import chain
from operator import itemgetter

_GAP = r"(?:\\[nrt]|[\s>*`#])+"
_LONGEST_QUOTE = 100  # characters

# What a text has to have in it before words are looked for, and the words.
_KINDS = (
    (  # to leave its own instructions
        ("instruction", "prompt", "guideline", "directive"),
        (
            r"\b(?:ignore|disregard|forget) (?:\w+ ){0,3}?(?:previous|prior|above|earlier|preceding|all|any|your)"
            r"(?: \w+){0,2}? (?:instructions?|prompts?|guidelines|directives)\b"
        ),
    ),
    (  # … or to tell them
        ("prompt", "instruction"),
        (
            r"\b(?:reveal|print|repeat|output|show|send|include|append) (?:\w+ ){0,3}?"
            r"your (?:\w+ )?(?:system prompt|instructions)\b"
        ),
    ),
    (  # marks of who speaks in a conversation
        ("<|", "inst]", "sys>>", "important>", "</system", "</instruction"),
        (
            r"<\|(?:im_start|im_end|system|user|assistant|endoftext|begin_of_text|start_header_id)\|>|\[/?inst\]"
            r"|<</?sys>>|</?important>|</(?:system|instructions?|system[-_]?(?:prompt|reminder|message))>"
        ),
    ),
    (  # to keep something from the user
        ("tell", "mention", "reveal"),
        (
            "\\b(?:do not|don['\u2019]t|never|without) (?:tell|telling|mention|mentioning|reveal|revealing) "
            r"(?:\w+ ){0,3}?users?\b"
        ),
    ),
    (  # to do something beside this tool, or with others
        ("tool",),
        (
            r"\b(?:before|after|instead of|prior to|whenever|when) (?:you )?"
            r"(?:use|using|call|calling|invoke|invoking|run|running) (?:this|any|the|another)(?: \w+)? tools?\b"
        ),
    ),
)
HINTS = tuple(map(str.encode, dict.fromkeys(chain.from_iterable(map(itemgetter(0), _KINDS)))))  # of any kind


def quotes(text: str) -> Iterator[str]:
    """Yield the words of each kind that is found in the text."""
    for hints, words in _KINDS:
        if any(hint in text for hint in hints) and (found := re.search(words.replace(" ", _GAP), text)):
            yield found[0][:_LONGEST_QUOTE]
