"""Parameter Objects (OAS 3.1.1 section 4.8.12) of a path and its operation: what is said, and where it goes."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import get_args

from app.openapi.operations import swagger2
from app.openapi.operations.examples import examples_of
from app.openapi.operations.headers import RESERVED, RESERVED_FAMILIES
from app.openapi.operations.objects import ParameterObject
from app.openapi.operations.parts import Place, Unusable, parse
from app.openapi.operations.path_parameters import PathParameters, Placed, not_empty
from app.openapi.operations.templates import Template
from app.openapi.schema.definitions import Definition, Shown, naming_values
from app.openapi.schema.schemas import Schemas
from app.operation.media_types import by_preference, is_media_type, kind_of
from app.operation.operation import Location, Parameter, Style, Value
from app.operation.pointers import Unresolvable, join, remark
from app.operation.text import hides_something, short_examples, shortened

_STYLES: dict[Location, tuple[Style, ...]] = {
    "path": ("simple", "label", "matrix"),
    "query": ("form", "spaceDelimited", "pipeDelimited", "deepObject"),
    "header": ("simple",),
    "cookie": ("form", "cookie"),
    "querystring": ("form",),
}
_LOCATIONS: tuple[Location, ...] = get_args(Location)
_IN = {each.lower(): each for each in (*_LOCATIONS, "body", "formData")}
_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_SET_BY_US = {"accept", "content-type", "authorization"}  # OAS 3.1.1 section 4.8.12.2: such a definition is ignored


@dataclass(frozen=True, slots=True)
class _Known:
    """A parameter as any operation would use it; `unusable` says why none can."""

    parameter: Parameter | None
    definition: Definition
    notes: tuple[str, ...]
    unusable: str | None = None
    examples: tuple[Shown, ...] = ()


class Parameters:
    """The parameters of one document, each read once, no matter how many operations share it."""

    def __init__(self, schemas: Schemas) -> None:
        self._schemas = schemas
        self._known: dict[tuple[str, str], _Known] = {}  # by place and description

    def read(self, places: Sequence[Place], template: Template, notes: list[str]) -> list[Placed]:
        """Return these parameters and one for each name in the path. The `argument` of each is still its name.

        No two of them write one name: nor does one write a name that the path itself has with another's value.
        """
        known = [(place, self._read(place)) for place in places]
        declared = {each.parameter.name for _, each in known if each.parameter and each.parameter.location == "path"}
        in_path = PathParameters(template, declared, self._schemas.definition)
        found = []
        for place, each in known:
            notes += each.notes
            try:
                if each.unusable is not None:
                    raise Unusable(each.unusable, place.pointer)
                if each.parameter is not None:
                    required = place.raw.get("required") is True
                    parameter, stated = in_path.placed(
                        each.parameter, each.definition, place.pointer, notes, required=required
                    )
                    found.append((parameter, replace(stated, examples=each.examples) if each.examples else stated))
            except Unusable as error:
                notes.append(remark(f"a parameter was left out: {error}", place.pointer))
        found = _one_query(found, notes)
        found += in_path.undeclared(found, notes)
        return sorted(found, key=lambda each: _LOCATIONS.index(each[0].location))

    def merged(self, lists: Iterable[tuple[Value, str]], notes: list[str]) -> list[Place]:
        """Return the parameters of the lists; later ones replace earlier ones."""
        places: dict[tuple[str, str], Place] = {}
        for stated, pointer in lists:
            here: dict[tuple[str, str], Value] = {}
            for raw, where in _listed(stated, pointer, notes):
                try:
                    node, place = self._schemas.references.described(raw, where)
                except Unresolvable as error:
                    notes.append(remark(f"a parameter was left out: {error}", where))
                    continue
                if not isinstance(node, dict) or not isinstance(node.get("name"), str | int | float):
                    notes.append(remark("a parameter without a name was left out", place))
                    continue
                location, name = str(node.get("in")), str(node["name"])
                meant = _IN.get(location.lower(), location)
                if meant != location:
                    notes.append(remark(f"`in: {location}` is taken for `{meant}`", place))
                    node, location = {**node, "in": meant}, meant
                key = (location, name.lower() if location == "header" else name)
                before = here.setdefault(key, node)
                if before is not node and before != node:
                    notes.append(remark("of two parameters of one name in one list this one is taken", place))
                places[key] = Place({**node, "name": name}, place)
        return list(places.values())

    def _read(self, place: Place) -> _Known:
        key = place.pointer, str(place.raw.get("description"))
        if key not in self._known:
            notes: list[str] = []
            try:
                self._known[key] = self._converted(place, notes)
            except Unusable as error:
                self._known[key] = _Known(None, Definition({}), tuple(notes), str(error))
        return self._known[key]

    def _converted(self, stated: Place, notes: list[str]) -> _Known:
        place = stated
        if stated.raw.keys().isdisjoint(("schema", "content")):
            place = Place(swagger2.with_schema(stated, str(stated.raw.get("in")), notes), stated.pointer)
        content_type, raw_schema, where = _value_of(place, notes)
        if place.raw is not stated.raw:
            where = stated.pointer
        fields = {name: value for name, value in place.raw.items() if name not in {"schema", "content"}}
        definition = self._schemas.read(raw_schema, where)
        parsed = parse(ParameterObject, fields, place.pointer, notes)
        location = parsed.location
        if location == "querystring":
            _require_whole_query(place, content_type, notes)
        if location == "header" and parsed.name.lower() in _SET_BY_US:
            return _Known(None, definition, ())
        _require_sendable(parsed, place.pointer)
        if raw_schema is None:
            definition = Definition({"type": "string"})
        style = _style(parsed, location, place.pointer, notes)
        parameter = Parameter(
            argument=parsed.name,
            name=parsed.name,
            location=location,
            required=parsed.required or location == "path",
            style=style,
            explode=parsed.explode if parsed.explode is not None else style in {"form", "cookie"},
            allow_reserved=location == "query" and parsed.allow_reserved,
            content_type=content_type,
        )
        shown = _annotated(definition, parsed, place, notes)
        examples = examples_of(place.raw, place.pointer, self._schemas.references)
        if isinstance(raw_schema, dict) and "enum" in raw_schema:
            shown = replace(shown, schema=naming_values(shown.schema, {**place.raw, **raw_schema}))
        return _Known(parameter, not_empty(shown) if location == "path" else shown, tuple(notes), examples=examples)


def _listed(stated: Value, pointer: str, notes: list[str]) -> Iterator[tuple[Value, str]]:
    """Yield parameters and where they are, also of an object in place of the list, as some serializers write it."""
    if isinstance(stated, list):
        yield from ((raw, join(pointer, number)) for number, raw in enumerate(stated))
    elif isinstance(stated, dict):
        notes.append(remark("`parameters` is an object and was taken as the list of its members", pointer))
        if "in" in stated or "$ref" in stated:
            yield stated, pointer
            return
        for key, raw in stated.items():
            is_named = not isinstance(raw, dict) or not raw.keys().isdisjoint(("name", "$ref")) or key.isdigit()
            yield raw if is_named else {"name": key, **raw}, join(pointer, key)
    elif stated is not None:
        notes.append(remark("`parameters` is no list and was left out", pointer))


def _value_of(place: Place, notes: list[str]) -> tuple[str | None, Value, str]:
    content = place.raw.get("content")
    if not isinstance(content, dict) or "schema" in place.raw:
        return None, place.raw.get("schema"), join(place.pointer, "schema")
    usable = by_preference(name for name in content if is_media_type(name))
    if not usable:
        notes.append(remark("`content` names no media type", place.pointer))
        return None, None, place.pointer
    media = content[usable[0]]
    schema = media.get("schema") if isinstance(media, dict) else None
    return usable[0], True if schema is None else schema, join(place.pointer, "content", usable[0], "schema")


def _require_whole_query(place: Place, content_type: str | None, notes: list[str]) -> None:
    if content_type is None or kind_of(content_type) not in {"form", "json", "text"}:
        raise Unusable("a whole query needs `content` that is a form, JSON or text", place.pointer)
    if "encoding" in (place.raw["content"][content_type] or ()):
        notes.append(remark("`encoding` is ignored in a whole query", place.pointer))


def _one_query(found: list[Placed], notes: list[str]) -> list[Placed]:
    """OAS 3.2.0 section 4.12.1: at most one `querystring`, and none beside a `query`."""
    whole = [parameter for parameter, _ in found if parameter.location == "querystring"]
    beside = any(parameter.location == "query" for parameter, _ in found)
    left_out = whole if beside else whole[1:]
    notes += (f"the whole query {parameter.name[:60]!r} was left out: there is another query" for parameter in left_out)
    return [each for each in found if each[0] not in left_out]


def _require_sendable(parsed: ParameterObject, pointer: str) -> None:
    name, location = parsed.name, parsed.location
    lower = name.lower().replace("_", "-")
    if location == "header" and (lower in RESERVED or lower.startswith(RESERVED_FAMILIES)):
        lost = ", and the document requires it: calls may be refused" if parsed.required else ""
        raise Unusable(f"the header {name[:60]} is never taken from a caller{lost}", pointer)
    if location in {"header", "cookie"} and not _TOKEN.fullmatch(name):
        raise Unusable(f"{name[:60]!r} cannot be the name of a {location}", pointer)
    if hides_something(name):
        raise Unusable("its name has invisible characters", pointer)


def _style(parsed: ParameterObject, location: Location, pointer: str, notes: list[str]) -> Style:
    known = _STYLES[location]
    for style in known:
        if style == parsed.style:
            return style
    if parsed.style is not None:
        notes.append(remark(f"a {location} parameter cannot have the style {parsed.style[:40]!r}", pointer))
    return known[0]


def _annotated(definition: Definition, parsed: ParameterObject, place: Place, notes: list[str]) -> Definition:
    description = parsed.description or ""
    if hides_something(description):
        notes.append(remark("invisible or control characters were taken out of `description`", place.pointer))
    examples = short_examples([place.raw.get("example")])
    return definition.described(
        description=shortened(description) or None,
        deprecated=True if parsed.deprecated else None,
        examples=examples if examples and "examples" not in definition.schema else None,
    )
