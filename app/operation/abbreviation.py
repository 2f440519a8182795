"""Makes a name short enough, so that what tells it from others stays as long as it can.

What a name becomes follows from the name alone, never from its neighbours: then no name changes because another
operation came or went. Least is lost first: words get their usual short forms; words without a meaning of their own go,
then those that come again later and those that are known; long words end early; at last words go from the middle,
because a name begins with what it is about and ends with what is special about it. What is done stays until the end.
"""

import re
from collections.abc import Collection, Iterable, Sequence
from functools import partial
from itertools import pairwise
from typing import NamedTuple

_LONGEST_READ = 120  # characters at either end of a longer name
_MOST_WORDS = 24
_SHORTEST_CUT = 6  # characters that are left of a long word; fewer cannot be read
_LEAST_TELLING = 0.6  # of the way through a name: behind the object of what is done, before what distinguishes it
_WORD = re.compile(
    r"[vV][0-9]+(?:(?:alpha|beta)[0-9]*)?(?![a-z0-9])|[A-Z]{2,}s?(?![a-z])|[A-Z]?[a-z]+|[A-Z]|[0-9]+", re.ASCII
)
_VERSION = re.compile(r"v[0-9]+(?:(?:alpha|beta)[0-9]*)?", re.IGNORECASE)
_KINDS_OF_CLASSES = frozenset({"api", "controller", "endpoint", "handler", "resource", "rest", "service"})
_EMPTY = frozenset(
    {"a", "an", "and", "api", "apis", "as", "at", "by", "for", "from", "http", "in", "is", "of", "on", "or", "rest"}
    | {"that", "the", "this", "to", "using", "via", "with"}
)
_METHODS = frozenset({"get", "put", "post", "delete", "options", "head", "patch"})
# What is done; it is read first when a tool is chosen.
_DONE = (
    _METHODS
    | {"accept", "activate", "add", "append", "apply", "approve", "archive", "assign", "cancel", "check", "clear"}
    | {"close", "connect", "convert", "copy", "count", "create", "deactivate", "decline", "disable", "download"}
    | {
        "enable",
        "execute",
        "export",
        "fetch",
        "find",
        "generate",
        "import",
        "invite",
        "invoke",
        "list",
        "lock",
        "merge",
    }
    | {"move", "open", "preview", "publish", "query", "read", "refresh", "register", "reject", "remove", "rename"}
    | {"replace", "reset", "resolve", "restore", "resume", "revoke", "rotate", "run", "search", "send", "set"}
    | {
        "start",
        "stop",
        "submit",
        "suspend",
        "sync",
        "test",
        "transfer",
        "trigger",
        "unlock",
        "update",
        "upload",
        "validate",
    }
    | {"validate", "verify", "watch", "write"}
)
_SHORT_FORMS = {
    "account": "acct",
    "administration": "admin",
    "administrator": "admin",
    "application": "app",
    "attribute": "attr",
    "authenticated": "auth",
    "authentication": "auth",
    "authorization": "authz",
    "certificate": "cert",
    "collection": "coll",
    "configuration": "config",
    "credential": "cred",
    "database": "db",
    "definition": "def",
    "description": "desc",
    "destination": "dest",
    "development": "dev",
    "directory": "dir",
    "document": "doc",
    "documentation": "docs",
    "environment": "env",
    "execution": "exec",
    "identifier": "id",
    "information": "info",
    "management": "mgmt",
    "maximum": "max",
    "message": "msg",
    "metadata": "meta",
    "minimum": "min",
    "namespace": "ns",
    "namespaced": "ns",
    "namespaces": "namespaces",
    "notification": "notif",
    "number": "num",
    "organisation": "org",
    "organization": "org",
    "parameter": "param",
    "permission": "perm",
    "property": "prop",
    "reference": "ref",
    "repository": "repo",
    "request": "req",
    "response": "resp",
    "specification": "spec",
    "statistics": "stats",
    "template": "tmpl",
    "transaction": "txn",
    "version": "ver",
}


class _Word(NamedTuple):
    """A word of a name, with the character that stands before it if it does not follow at once."""

    before: str
    text: str

    @property
    def stem(self) -> str:
        return _singular(self.text.lower())

    @property
    def is_done(self) -> bool:
        return self.text.lower() in _DONE


def abbreviated(name: str, most: int, known: frozenset[str] = frozenset()) -> str:
    """Return the name in at most `most` characters. `known`: what its readers know already, in small letters."""
    if len(name) <= most:
        return name
    if len(name) > 2 * _LONGEST_READ:
        name = f"{name[:_LONGEST_READ]}_{name[-_LONGEST_READ:]}"
    words: Sequence[_Word] = [_Word(each.before, _short_form(each.text)) for each in _words(name)]
    for gone in (_empty, _repeated, partial(_known, known=known)):
        if _length(words) > most:
            words = _left(words, gone(words))
    while _length(words, _SHORTEST_CUT) > most and (least := _least_telling(words)) is not None:
        words = _left(words, {least})
    cuts = range(most, _SHORTEST_CUT, -1)
    longest = next((each for each in cuts if _length(words, each) <= most), _SHORTEST_CUT)
    return _written(words, longest)[:most].rstrip("_-") or name[:most]


def _words(name: str) -> list[_Word]:
    words, end = [], 0
    for found in _WORD.finditer(name):
        words.append(_Word(name[end : found.start()][:1], found[0]))
        end = found.end()
    if len(words) > _MOST_WORDS:
        half = _MOST_WORDS // 2
        words = [*words[:half], *words[-half:]]
    return words


def _short_form(word: str) -> str:
    small = word.lower()
    short = _SHORT_FORMS.get(small)
    if short is None and small.endswith("s") and _singular(small) in _SHORT_FORMS:
        short = f"{_SHORT_FORMS[_singular(small)]}s"
    if short is None:
        return word
    return short.capitalize() if word[0].isupper() else short


def _singular(word: str) -> str:
    if word.endswith("ies"):
        return f"{word[:-3]}y"
    return word[:-1] if word.endswith("s") and not word.endswith("ss") else word


def _empty(words: Sequence[_Word]) -> set[int]:
    """Words that mean little wherever they are: articles and the like, kinds of classes before their members."""
    found = {number for number, word in enumerate(words) if word.text.lower() in _EMPTY}
    for number, (word, following) in enumerate(pairwise(words)):
        if following.before and not word.before and word.text.lower() in _KINDS_OF_CLASSES:
            found.add(number)
    return found


def _repeated(words: Sequence[_Word]) -> set[int]:
    """Words that come again: of a collection and its item the item is left.

    What is done stays, and so does what the name is about unless it comes again at once or as the object.
    """
    verb = _verb(words)
    last = {word.stem: number for number, word in enumerate(words)}
    found = {number for number, word in enumerate(words) if last[word.stem] != number and number != verb}
    about = {words[number].stem for number in (1, verb + 1) if number < len(words)}
    return found if words[0].stem in about else found - {0}


def _verb(words: Sequence[_Word]) -> int:
    """The number of the word that says what is done; 0 if none is known to."""
    return next((number for number, word in enumerate(words) if word.is_done), 0)


def _free(words: Sequence[_Word]) -> list[int]:
    """The numbers of all but what is done."""
    verb = _verb(words)
    return [number for number, word in enumerate(words) if number != verb and word.text.lower() not in _METHODS]


def _known(words: Sequence[_Word], known: frozenset[str]) -> set[int]:
    """Words that readers know already, unless there are no others."""
    free = _free(words)
    found = {number for number in free if not known.isdisjoint((words[number].stem, words[number].text.lower()))}
    return found if len(found) < len(free) else set()


def _least_telling(words: Sequence[_Word]) -> int | None:
    """Return which word is missed least: one on the way to what is done, else behind it; None if all are needed."""
    last, on_the_way = len(words) - 1, range(1, _verb(words))
    if on_the_way:
        return on_the_way[len(on_the_way) // 2]
    inside = [number for number in _free(words) if 0 < number < last]
    return min(inside, key=lambda number: abs(number - _LEAST_TELLING * last), default=None)


def _left(words: Sequence[_Word], gone: Collection[int]) -> Sequence[_Word]:
    """Return the words without those at these numbers, or all if none would be left."""
    if len(gone) == len(words):
        return words
    left, before = [], ""
    for number, word in enumerate(words):
        before = word.before or before
        if number not in gone:
            left.append(_Word(before, word.text))
            before = ""
    return left


def _cut(word: _Word, longest: int) -> str:
    if word.is_done or _VERSION.fullmatch(word.text):
        return word.text
    return word.text[:longest]


def _length(words: Iterable[_Word], longest: int = _LONGEST_READ) -> int:
    return len(_written(words, longest))


def _written(words: Iterable[_Word], longest: int) -> str:
    return "".join(f"{word.before}{_cut(word, longest)}" for word in words).lstrip("_-")
