"""Names of arguments that cannot be called as the document calls them: two are the same, or no model API takes one.

A name says what it stands for: `DateSent<` is `DateSent_lt`, `id[]` is `id_list`, letters of other scripts are written
in Latin ones. A name that was given stays.
"""

import hashlib
import re
from collections import Counter
from collections.abc import Mapping, Sequence

from anyascii import anyascii

from app.operation.operation import Slot
from app.operation.text import shortened

LONGEST_ARGUMENT = 64
ARGUMENT = re.compile(r"[A-Za-z0-9_.-]{1,64}")

_NOT_IN_ARGUMENTS = re.compile(r"[^A-Za-z0-9_.-]+")
_COMPARISONS = re.compile(r"\[\]|[<>!]=|=<|<>|[<>!=]")
_COMPARED = {"[]": "list", "<": "lt", ">": "gt", "!": "not", "=": "eq"} | {
    **dict.fromkeys(("<=", "=<"), "lte"),
    **dict.fromkeys(("!=", "<>"), "ne"),
    ">=": "gte",
}
_SIGNS = str.maketrans(
    dict.fromkeys("([", " bracket ")
    | {" ": " space ", "#": " hash ", "$": " dollar ", "%": " percent ", "&": " and ", "*": " star ", "+": " plus "}
    | {",": " comma ", "/": " slash ", ":": " colon ", ";": " semicolon ", "?": " question ", "@": " at "}
    | {"\\": " backslash ", "^": " caret ", "{": " brace ", "|": " or ", "~": " tilde "}
)
_PLACES = {
    "body": "in the body",
    "cookie": "as a cookie",
    "header": "as a header",
    "path": "in the path",
    "query": "in the query",
    "querystring": "as the whole query",
}
_LONGEST_SHOWN = 200  # characters of a name of the document
_SUFFIX = "__"  # begins what tells namesakes in different places apart


def argument_names(slots: Sequence[Slot], kept: Mapping[Slot, str]) -> list[str]:
    """Return an argument name for each slot, unique among them.

    Those in `kept` keep theirs. Of slots that share a name the first has it, the others get `name__location`. Names
    that have to be changed never take the name of one that does not.
    """
    given = {number: kept[slot] for number, slot in enumerate(slots) if slot in kept}
    taken = set(given.values())
    changed = []
    for number, (_, name) in enumerate(slots):
        if number in given:
            continue
        if ARGUMENT.fullmatch(name) and name not in taken:
            given[number] = name
            taken.add(name)
        else:
            changed.append(number)
    wanted = {number: _legible(slots[number][1]) for number in changed}
    counts = Counter(wanted.values())
    for number in changed:
        location, name = slots[number]
        if not ARGUMENT.fullmatch(name) and (counts[wanted[number]] > 1 or wanted[number] in taken):
            wanted[number] = _legible(name.translate(_SIGNS))
        given[number] = _untaken(wanted[number], (location, name), taken)
        taken.add(given[number])
    return [given[number] for number in range(len(slots))]


def ways_of_sending(slots: Sequence[Slot], arguments: Sequence[str], *, whole: bool) -> list[str]:
    """Return a sentence for each argument whose name is not the one that is sent, else nothing.

    `whole`: the last slot is the body as a whole.
    """
    namesakes = Counter(name for _, name in slots)
    ways = []
    for number, ((location, name), argument) in enumerate(zip(slots, arguments, strict=True), 1):
        place = f" {_PLACES[location]}" if namesakes[name] > 1 else ""
        if argument == name:
            ways.append("")
        elif whole and number == len(slots):
            ways.append("Sent as the body.")
        else:
            ways.append(f"Sent as `{shortened(name, _LONGEST_SHOWN)}`{place}.")
    return ways


def _legible(name: str) -> str:
    if ARGUMENT.fullmatch(name):
        return name
    text = _COMPARISONS.sub(lambda found: f" {_COMPARED[found[0]]} ", anyascii(name))
    legible = _NOT_IN_ARGUMENTS.sub("_", text).strip("_")[:LONGEST_ARGUMENT]
    if legible or not (signs := name.translate(_SIGNS)) or signs == name:
        return legible or "argument"
    return _legible(signs)


def _untaken(name: str, slot: Slot, taken: set[str]) -> str:
    if name not in taken:
        return name
    suffix = f"{_SUFFIX}{slot[0]}"
    longer = f"{name[: LONGEST_ARGUMENT - len(suffix)]}{suffix}"
    digest = hashlib.sha256(" ".join(slot).encode(errors="surrogatepass")).hexdigest()
    digits = 4
    while longer in taken:
        suffix = f"_{digest[:digits]}"
        longer = f"{name[: LONGEST_ARGUMENT - len(suffix)]}{suffix}"
        digits += 2
    return longer
