"""Whose a name is, wherever servers read names: in a query, in cookies, headers and bodies, in the path's matrix.

One rule: a name comes from one argument, or from the address of the operation. Two names are one where a common kind of
server reads them so, or reads the one as a part of the other: in any case, decoded again, with characters for their
look-alikes, `a.b` as `a[b]`, and as PHP rewrites names.
What a document declares side by side is its own affair, unless callers may not give one of the two.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal
from urllib.parse import unquote_plus

from app.errors import TooLarge
from app.operation.operation import BodyField, Location, Operation, Parameter, Style
from app.tools.request.styles import pairs
from app.tools.request.writing import Room, Unencodable, decoded_often, percent_encoded

Place = Location | Literal["body"]
_Steps = tuple[str, ...]

# Owners that are no arguments: the address, for names with a value of its own and for those with that of an
# argument; a member that only answers have. No argument is called so.
_FIXED, _VARIABLE, _READ_ONLY = "(fixed)", "(variable)", "(read-only)"
_OF_ADDRESS = {_FIXED, _VARIABLE}
_SPREADING = frozenset({"form", "matrix", "spaceDelimited", "pipeDelimited", "deepObject", "cookie"})  # styles
_MATRIX = re.compile(r";([^;/=?{}]+)")  # a name in a path
_EXPRESSION = re.compile(r"\{[^{}]*\}")  # what a parameter writes, with its name too in `{;name}`
_DIVIDERS = re.compile(r"[\[\].]+")
_MOST_STEPS = 8  # of a name in brackets; names that differ further on count as one
_LONGEST_COMPARED = 8_192  # bytes of a name as it is written: to decode megabytes keeps everybody waiting
_LONGEST_SHOWN = 60  # characters of a name
_MOST_PINNED = 1_048_576  # bytes of a pinned value whose names are looked at


@dataclass(frozen=True, slots=True)
class _Name:
    """A name as it is written, and whose it is. `given`: callers may give it a value."""

    place: Place
    text: str
    owner: str
    given: bool


@dataclass(frozen=True, slots=True)
class _Object:
    """An argument that writes other names than its own for an object: those of the members, or in `deep` its own."""

    place: Place
    name: str
    argument: str
    style: Style


class _Owners:
    """Names of one place, found by any name that is the same, goes on from one of them or leads to one of them."""

    def __init__(self, names: Iterable[_Name]) -> None:
        self._first: set[str] = set()
        self._whole: dict[_Steps, set[str]] = defaultdict(set)
        self._further: dict[_Steps, set[str]] = defaultdict(set)
        for name in names:
            for steps in _readings(name.place, name.text):
                self._first.add(steps[0])
                self._whole[steps].add(name.owner)
                for end in range(1, len(steps)):
                    self._further[steps[:end]].add(name.owner)

    def others(self, steps: _Steps, owner: str) -> set[str]:
        """Return who else has the name that is read so, or one that it goes on from, or one that goes on from it."""
        return self.above(steps, owner) | self.below(steps, owner) if steps[0] in self._first else set()

    def above(self, steps: _Steps, owner: str) -> set[str]:
        """Return who else has the name that is read so, or one that it goes on from."""
        found = set().union(*(self._whole.get(steps[:end], ()) for end in range(1, len(steps) + 1)))
        return found - {owner}

    def below(self, steps: _Steps, owner: str) -> set[str]:
        """Return who else has a name that goes on from the one that is read so."""
        return self._further.get(steps, set()) - {owner}


class Names:
    """The names of one operation, called at an address with this path template and this query.

    `refusals` say why an argument may not be given: its name is one that callers may not give. For those in `spread`
    that holds unless they are given an object. Members of the objects of those in `rivals` have to be claimed.
    """

    def __init__(self, operation: Operation, path: str, query: str) -> None:
        places: dict[Place, list[_Name]] = defaultdict(list)
        for name in (*_of_address(path, query), *_of_arguments(operation)):
            places[name.place].append(name)
        objects = list(_objects(operation))
        self.refusals: dict[str, str] = {}
        self.rivals: dict[str, _Owners] = {}
        self.spread = {each.argument for each in objects}
        self.deep = {each.argument for each in objects if each.style == "deepObject"}
        self._withheld = {name.owner for names in places.values() for name in names if not name.given}
        for names in places.values():
            self._refuse(names)
        owners = {place: _Owners(names) for place, names in places.items()}
        pinned = operation.preset.keys() - operation.input_schema.get("properties", {}).keys()
        for each in objects:
            if each.argument not in pinned:
                self._watch(each, owners[each.place], places[each.place])

    def claims(self) -> "Claims":
        """Return the names of one request, before any is claimed."""
        return Claims(self)

    def whose(self, others: set[str]) -> str:
        """Say why nobody but these may write their name."""
        other = min(others)
        if other in _OF_ADDRESS:
            return "the address of this operation has that name already"
        if other in self._withheld:
            return "that name is not the caller's to send"
        return f"that is the name of another argument, {other[:_LONGEST_SHOWN]!r}"

    def _refuse(self, names: list[_Name]) -> None:
        withheld = _Owners(name for name in names if not name.given)
        fixed = {name.text for name in names if name.owner == _FIXED}
        for name in names:
            excused = {_FIXED} if name.text in fixed else set()  # the value that the address has may be given again
            for steps in _readings(name.place, name.text) if name.given else ():
                if others := withheld.others(steps, name.owner) - excused:
                    self.refusals[name.owner] = (
                        f"must be left out: it is sent as {_shown(name.text)}, and {self.whose(others)}"
                    )
                if name.owner in self.deep and withheld.above(steps, name.owner) - excused:
                    self.spread.discard(name.owner)

    def _watch(self, each: _Object, owners: _Owners, names: list[_Name]) -> None:
        key = percent_encoded(each.name)
        if each.argument not in self.deep:
            if any(name.owner != each.argument for name in names):
                self.rivals[each.argument] = owners
            return
        inside = set().union(*(owners.below(steps, each.argument) for steps in _readings(each.place, key)))
        inside |= {name.owner for name in names if name.text.startswith(f"{key}%5B")} - {each.argument}
        if inside:
            self.rivals[each.argument] = _Owners(name for name in names if name.owner in inside)


class Claims:
    """The names that a caller chooses in one request: those of the members of objects."""

    def __init__(self, names: Names) -> None:
        self._names = names
        self._chosen: dict[tuple[Place, str], str] = {}  # where exploded objects' names begin

    def claim(self, place: Place, name: str, argument: str) -> None:
        """Note the name, as it is written. Raises Unencodable where something else has it."""
        if len(name) > _LONGEST_COMPARED:
            raise Unencodable(
                f"must not have {_shown(name)}… in it: that name has more than {_LONGEST_COMPARED:,} bytes"
            )
        rivals = self._names.rivals[argument]
        for steps in _readings(place, name):
            others = rivals.others(steps, argument)
            if not others and argument not in self._names.deep:
                others = {self._chosen.setdefault((place, steps[0]), argument)} - {argument}
            if others:
                raise Unencodable(f"must not have {_shown(name)} in it: {self._names.whose(others)}")


def _of_address(path: str, query: str) -> Iterator[_Name]:
    for pair in re.split("[&;]", query):
        name, _, value = pair.partition("=")
        if name:
            yield _Name(
                "query", percent_encoded(unquote_plus(name)), _VARIABLE if "{" in value else _FIXED, given=False
            )
    for name in _MATRIX.findall(_EXPRESSION.sub("{}", path)):
        yield _Name("path", name, _VARIABLE, given=False)


def _of_arguments(operation: Operation) -> Iterator[_Name]:
    given = operation.input_schema.get("properties", {})
    for parameter in operation.parameters:
        if parameter.location != "path" or parameter.style == "matrix":
            place: Place = "query" if parameter.location == "querystring" else parameter.location
            yield _Name(place, percent_encoded(parameter.name), parameter.argument, parameter.argument in given)
    body = operation.body
    for each in body.fields if body is not None and body.argument is None else ():
        yield _Name("body", percent_encoded(each.name), each.argument, each.argument in given)
    for name in body.read_only if body is not None else ():
        yield _Name("body", percent_encoded(name), _READ_ONLY, given=False)
    for object_ in _objects(operation):
        value = operation.preset.get(object_.argument)
        if object_.argument not in given and isinstance(value, dict):
            room = Room(_MOST_PINNED, "")
            with suppress(Unencodable, TooLarge):  # for which every call will be refused
                for text, _ in pairs(object_.name, value, object_.style, room, explode=True):
                    yield _Name(object_.place, text, object_.argument, given=False)


def _objects(operation: Operation) -> Iterator[_Object]:
    for parameter in operation.parameters:
        place = parameter.location
        if place == "querystring":
            yield _Object("query", parameter.name, parameter.argument, "form")
        elif parameter.content_type is None and parameter.style in _SPREADING and _spreads(parameter):
            yield _Object(place, parameter.name, parameter.argument, parameter.style)
    body = operation.body
    for field in body.fields if body is not None and body.argument is None else ():
        if field.style is not None and _spreads(field):
            yield _Object("body", field.name, field.argument, field.style)


def _spreads(each: Parameter | BodyField) -> bool:
    return bool(each.explode) or each.style == "deepObject"


def _readings(place: Place, name: str) -> set[_Steps]:
    """Return the name as servers read it: as steps, and as PHP has it, which knows neither dots nor spaces in names.

    PHP ends a name at a NUL, and makes `a_b` of `a[b` (its manual: "Variables From External Sources").
    """
    text = name.casefold()
    if text.isalnum() and text.isascii():
        return {(text,)}
    text = _in_one_case(decoded_often(unquote_plus(name)).partition("\0")[0].strip())
    if place == "header":
        return {(text.replace("_", "-"),)}  # servers that make variables of headers know no difference
    root, bracket, rest = text.partition("[")
    if bracket and "]" not in rest:
        root, rest = text.replace("[", "_"), ""
    as_php = (root.replace(".", "_").replace(" ", "_"), *_steps(rest))[:_MOST_STEPS]
    return {_steps(text) or (text,), as_php}


def _in_one_case(text: str) -> str:
    """Servers compare in small letters, in capitals or in both, of which the Turkish i has others."""
    return text.casefold() if text.isascii() else text.upper().casefold().replace("i\u0307", "i")


def _steps(text: str) -> _Steps:
    steps = (step.strip().replace(" ", "_") for step in _DIVIDERS.split(text, _MOST_STEPS))
    return tuple(filter(None, steps))[:_MOST_STEPS]


def _shown(name: str) -> str:
    """Return a name as it is read, for a message."""
    return repr(unquote_plus(name[: 12 * _LONGEST_SHOWN])[:_LONGEST_SHOWN])
