"""The document's schemas as JSON Schema 2020-12, each converted once however many operations use it.

What a `$ref` names becomes a definition of its own, referred to as `#/$defs/name`, so that recursive schemas stay what
they are and nothing is ever copied into something else. Constructs of Swagger 2.0, OpenAPI 3.0 and older drafts are
taken as they were meant in any version, because documents mix them.
"""

from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from functools import cached_property
from typing import NamedTuple

from app.openapi.schema import anchors, dialects, discriminators, exactness
from app.openapi.schema.definitions import Definition, Shown, naming_values, saying_deprecated, without_need_of
from app.openapi.schema.meaning import ALONE, CLOSING, Meaning, View
from app.operation.checking import is_pattern
from app.operation.keywords import (
    ALTERNATIVES,
    IN_PLACE,
    SIMPLE,
    SUBSCHEMA_LISTS,
    SUBSCHEMA_MAPS,
    SUBSCHEMAS,
    is_usable,
)
from app.operation.operation import Json, Value
from app.operation.pointers import References, Unresolvable, join, last_name, remark
from app.operation.text import LONGEST_NAME, definition_name, hides_something, short_examples, shortened

HEAVIEST = 2_000  # schemas that one value may have to be checked against

_EXACT_FLOATS = 2**53  # whole numbers below this are exact as floats
_DEEPEST = 120  # schemas in schemas, followed through what applies to the same value
_OPEN_ANYWAY = frozenset({"additionalProperties", "items", "unevaluatedItems", "unevaluatedProperties"})
_KEPT = frozenset(  # of the keywords that hold no schemas, those that a tool's schema may have
    {
        *("type", "enum", "const", "default", "deprecated", "required", "dependentRequired", "uniqueItems"),
        *("multipleOf", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "minLength", "maxLength"),
        *("minItems", "maxItems", "minContains", "maxContains", "minProperties", "maxProperties"),
        *("format", "pattern", "contentEncoding", "contentMediaType"),
    }
)
_NOT_CHECKED = frozenset({"contentEncoding", "contentMediaType", "dependencies", "format"})  # … as the document means
_COMBINING = frozenset({"$ref", *ALTERNATIVES})
_ABOUT_MEMBERS = frozenset({"patternProperties", "properties", "required", *CLOSING})
_MOST_LEVELS = 6  # of `allOf` in `allOf` in which `readOnly` is looked for
_MOST_MEASURED = 60  # references in a row
_PART = ".part"  # ends the name of a definition that is read as a part of another

_Key = tuple[str, View]  # where a schema is, and as what it is read


class Schemas:
    """Every schema of one document, converted when first asked for, for requests: without read-only members."""

    def __init__(self, document: Json) -> None:
        self.references = References(document)
        self.depth = 0
        self.read_so_far = 0  # schemas
        self._document = document
        self._names: dict[_Key, str] = {}
        self._places: dict[str, tuple[Value, _Key]] = {}
        self._read: dict[_Key, Definition] = {}
        self._under_way: set[_Key] = set()
        self._complexity: dict[str, int] = {}
        self.has_presets = False  # required members with a default, anywhere
        self._shown: dict[int, tuple[Json, tuple[Shown, ...]]] = {}  # by the id of a converted schema

    @cached_property
    def anchors(self) -> Mapping[str, Sequence[str]]:
        """Where the schemas are that have names of their own."""
        return anchors.named_places(self._document)

    @cached_property
    def meaning(self) -> Meaning:
        """What schemas mean that stand together."""
        return Meaning(self._document, self.references, self.is_read_only)

    def read(self, raw: Value, pointer: str) -> Definition:
        """Return the conversion of the schema at the pointer."""
        return self._read_as(raw, (pointer, ALONE))

    def _read_as(self, raw: Value, key: _Key) -> Definition:
        if (definition := self._read.get(key)) is None:
            self._under_way.add(key)
            definition = self._read[key] = self._convert(raw, *key)
            self._under_way.discard(key)
        return definition

    def _convert(self, raw: Value, pointer: str, view: View) -> Definition:
        reading = _Reading(self)
        schema = reading.schema(raw, _At(pointer, True, view))
        if isinstance(schema, bool):
            schema = {} if schema else {"not": {}}
        references, notes = tuple(reading.references), tuple(reading.notes)
        examples = self._shown[id(schema)][1] if id(schema) in self._shown else ()
        return Definition(
            schema, references, notes, reading.weight, is_exact=reading.is_exact, pointer=pointer, examples=examples
        )

    def definition(self, name: str) -> Definition:
        """Return the definition of that name in `$defs`."""
        return self._read_as(*self._places[name])

    def complexity(self, definition: Definition, levels: int = _MOST_MEASURED) -> int:
        """Return the complexity of a definition with all that it refers to; `SIMPLE` and one stands for any more."""
        total = definition.complexity
        for name in definition.references:
            if total > SIMPLE or levels == 0:
                return SIMPLE + 1
            if name not in self._complexity:
                self._complexity[name] = SIMPLE + 1  # of what leads back here
                self._complexity[name] = self.complexity(self.definition(name), levels - 1)
            total += self._complexity[name]
        return min(total, SIMPLE + 1)

    def note(self, name: str, notes: Sequence[str]) -> None:
        """Add to what is noted of the definition of that name."""
        self._read[self._places[name][1]] = self.definition(name).noted(notes)

    def remember(self, schema: Json, modern: Json, raw: Json, pointer: str) -> None:
        """Remember what the document shows as values of a schema that was converted, and of its required members."""
        if "required" in schema and not self.has_presets:
            self.has_presets = _has_presets(schema)
        if "examples" not in modern and "default" not in modern:
            return
        shown = [Shown(modern["default"], join(pointer, "default"))] if modern.get("default") is not None else []
        listed = modern.get("examples")
        for number, value in enumerate(listed if isinstance(listed, list) else ()):
            where = join(pointer, "examples", number) if "examples" in raw else join(pointer, "example")
            shown.append(Shown(value, where))
        self._shown[id(schema)] = schema, tuple(shown)

    def shown(self) -> Iterable[tuple[Json, tuple[Shown, ...]]]:
        """Return all converted schemas of which the document shows values, with these."""
        return self._shown.values()

    def name_of(self, raw: Value, pointer: str, view: View) -> str:
        """Return the name in `$defs` for the schema at the pointer, read in that view."""
        key = pointer, ALONE if view == ALONE else self.meaning.fitting(raw, pointer, view)
        if key not in self._names:
            part = "" if key[1] == ALONE else _PART
            name = definition_name(f"{last_name(pointer)}{part}", key, self._places)
            self._names[key] = name
            self._places[name] = (raw, key)
        return self._names[key]

    def complete(self, name: str) -> Definition | None:
        """Return the definition of that name, None while it is being read."""
        return None if self._places[name][1] in self._under_way else self.definition(name)

    def is_read_only(self, raw: Value, levels: int = _MOST_LEVELS) -> bool:
        """Whether the schema, or what it refers to or wraps, is only for answers."""
        try:
            target, _ = self.references.follow(raw, "")
        except Unresolvable:
            target = None
        for node in (raw, target):
            if isinstance(node, dict) and node.get("readOnly") is True:
                return True
        parts = target.get("allOf") if isinstance(target, dict) and levels else None
        return isinstance(parts, list) and len(parts) == 1 and self.is_read_only(parts[0], levels - 1)


class _At(NamedTuple):
    """Where a schema is; whether it is about the same value as the definition; and as what it is read."""

    pointer: str
    in_place: bool = False
    view: View = ALONE

    def below(self, keyword: str, *tokens: str | int) -> "_At":
        """Return the place of a schema in that keyword."""
        pointer = join(self.pointer, keyword, *tokens)
        return _At(pointer, self.in_place, self.view) if keyword in IN_PLACE else _At(pointer)


class _Reading:
    """The conversion of one definition."""

    def __init__(self, schemas: Schemas) -> None:
        self._schemas = schemas
        self.references: dict[str, None] = {}
        self.notes: list[str] = []
        self.weight = 1
        self.is_exact = True

    def schema(self, raw: Value, at: _At) -> Json | bool:
        if raw is False:
            return False
        if is_nothing(raw):
            return {}
        if not isinstance(raw, dict):
            return self._nothing("a schema that is not an object is ignored", at)
        if self._schemas.depth >= _DEEPEST:
            return self._nothing(f"schemas nested deeper than {_DEEPEST} levels are left out", at)
        self._schemas.depth += 1
        try:
            return self._object(raw, at)
        finally:
            self._schemas.depth -= 1

    def _object(self, raw: Json, at: _At) -> Json:
        self._schemas.read_so_far += 1
        modern = self._prepared(raw, at)
        at, closes = self._combined(modern, at)
        result: Json = {}
        for keyword in [each for each in exactness.TURNING if each in modern]:
            self._turning(result, keyword, modern, at)
        if (ref := self._ref(modern, at.pointer)) is not None:
            result |= self._reference(ref, at)
        for keyword, value in modern.items():
            self._keyword(result, keyword, value, at)
        if gone := at.view.absent | _taken_away(modern, result):
            self.is_exact = False
            result = without_need_of(gone, result)
        if closes:
            result["unevaluatedProperties"] = False
        if "deprecated" in result:
            saying_deprecated(result)
        if not result.keys().isdisjoint(exactness.UNEVALUATED):
            result = exactness.without_unsure(result, self._schemas.complete)
        self._schemas.remember(result, modern, raw, at.pointer)
        return result

    def _prepared(self, raw: Json, at: _At) -> Json:
        """Return the schema with what it means in keywords of 2020-12, before what is below it is read."""

        def say(detail: str) -> None:
            self._say(detail, at)

        modern = dialects.modernised(raw, say)
        if "enum" in raw or "const" in raw:  # may have been made values of another type
            self.is_exact = self.is_exact and all(
                modern.get(each) == raw.get(each) for each in ("const", "enum", "type")
            )
            modern = naming_values(modern, raw)
        if "discriminator" in modern:
            self.is_exact = False
            modern = discriminators.told(modern, at.pointer, at.view, self._schemas.meaning, say)
        if not modern.keys().isdisjoint(exactness.UNEVALUATED):
            modern = exactness.without_idle(modern, at.pointer, self._schemas.meaning)
        return modern

    def _combined(self, modern: Json, at: _At) -> tuple[_At, bool]:
        """Return as what the parts of the schema are read, and whether it closes over them."""
        if at.view == ALONE and _voices(modern) < 2:
            return at, False
        inside = self._schemas.meaning.inside(modern, at.pointer, at.view)
        return _At(at.pointer, at.in_place, inside.view), inside.closes

    def _keyword(self, result: Json, keyword: str, value: Value, at: _At) -> None:
        if keyword in _OPEN_ANYWAY and (is_nothing(value) or keyword in result):
            return
        if value is False and keyword in CLOSING and at.view.open:
            self.is_exact = False  # the whole closes, not each part
        elif keyword in SUBSCHEMAS:
            result[keyword] = self.schema(value, at.below(keyword))
        elif keyword in ALTERNATIVES:
            self._alternatives(result, keyword, value, at)
        elif keyword in SUBSCHEMA_LISTS:
            self._list(result, keyword, value, at)
        elif keyword in SUBSCHEMA_MAPS:
            self._map(result, keyword, value, at)
        else:
            self._value(result, keyword, value, at)

    def _turning(self, result: Json, keyword: str, modern: Json, at: _At) -> None:
        """Take what refuses a value because another schema accepts it, where that one is read without a loss."""
        if keyword == "contains" and "maxContains" not in modern:
            return
        inner = _Reading(self._schemas)
        schema = inner.schema(modern.pop(keyword), at.below(keyword))
        self.notes += inner.notes
        if inner.is_exact and exactness.are_exact(inner.references, self._schemas.complete):
            self.references |= inner.references
            self.weight += inner.weight - 1
            result[keyword] = schema
            return
        self._say(f"`{keyword}` is not checked, because a part of it cannot be", at)
        others = {other: modern.pop(other) for other in exactness.TURNING[keyword] if other in modern}
        if keyword == "if":
            branches = [self.schema(others.get(other), at.below(other)) for other in exactness.TURNING[keyword]]
            result["allOf"] = [{"anyOf": [*branches, {}]}]  # and what it would have known of members is not known

    def _ref(self, modern: Json, pointer: str) -> Value:
        recursive, dynamic, ref = (modern.pop(keyword, None) for keyword in ("$recursiveRef", "$dynamicRef", "$ref"))
        if ref is None and recursive is not None:
            return anchors.recursive(pointer, self._schemas.anchors)
        stated = dynamic if ref is None else ref
        if isinstance(stated, str) and stated[:1] == "#" and stated[1:2] not in {"", "/"}:
            return anchors.resolved(stated, pointer, self._schemas.anchors)
        return stated

    def _reference(self, ref: Value, at: _At) -> Json:
        try:
            raw, pointer = self._schemas.references.find(ref)
        except Unresolvable as error:
            return self._nothing(f"$ref: {error}", at)
        name = self._schemas.name_of(raw, pointer, at.view)
        if at.in_place:
            definition = self._schemas.complete(name)
            if definition is None:
                return self._nothing("a schema that contains itself is ignored", at)
            self.weight += definition.weight
            if self.weight > HEAVIEST:
                return self._nothing(f"more than {HEAVIEST} schemas for one value; the rest is left out", at)
        self.references[name] = None
        return {"$ref": f"#/$defs/{name}"}

    def _alternatives(self, result: Json, keyword: str, value: Value, at: _At) -> None:
        """Take branches so that a value passes that fits any: what tells them apart may be no constraint here."""
        branches = self._schemas_of(keyword, value, at)
        if len(branches) > 1 and keyword == "oneOf":
            self.is_exact = False
        if branches and "anyOf" not in result:
            result["anyOf"] = branches
        elif branches:
            result["allOf"] = [*result.get("allOf", ()), {"anyOf": branches}]

    def _list(self, result: Json, keyword: str, value: Value, at: _At) -> None:
        if schemas := self._schemas_of(keyword, value, at):
            result[keyword] = [*result.get(keyword, ()), *schemas]

    def _schemas_of(self, keyword: str, value: Value, at: _At) -> list[Json | bool]:
        if not isinstance(value, list):
            self._say(f"`{keyword}` is not a list", at)
            return []
        if not value:
            self._say(f"`{keyword}` is empty and was left out", at)
        meant = [(n, each) for n, each in enumerate(value) if keyword != "allOf" or not is_nothing(each)]
        return [self.schema(each, at.below(keyword, number)) for number, each in meant]

    def _map(self, result: Json, keyword: str, value: Value, at: _At) -> None:
        if not isinstance(value, dict):
            self._say(f"`{keyword}` is not an object", at)
            return
        schemas = {}
        for name, each in value.items():
            if hides_something(name) or (keyword == "patternProperties" and not is_pattern(name)):
                self._say(f"a name in `{keyword}` cannot be used", at)
                if keyword == "patternProperties":  # nobody knows any more which members it is about
                    result["additionalProperties"] = {}
            elif keyword != "properties" or not self._schemas.is_read_only(each):
                schemas[name] = self.schema(each, at.below(keyword, name))
        result[keyword] = schemas

    def _value(self, result: Json, keyword: str, value: Value, at: _At) -> None:
        self.is_exact = self.is_exact and keyword not in _NOT_CHECKED
        if keyword in {"description", "title"} and isinstance(value, str):
            self._text(result, keyword, value, at)
        elif keyword == "examples":
            if examples := short_examples(value):
                result[keyword] = examples
        elif keyword in _KEPT:
            if is_usable(keyword, value):
                result[keyword] = int(value) if keyword.startswith(("min", "max")) and _is_whole(value) else value
            elif value is not None:
                self._say(f"`{keyword}` cannot be used as it is", at)

    def _text(self, result: Json, keyword: str, value: str, at: _At) -> None:
        if hides_something(value):
            self._say(f"invisible or control characters were taken out of `{keyword}`", at)
        if text := shortened(value, LONGEST_NAME) if keyword == "title" else shortened(value):
            result[keyword] = text

    def _nothing(self, detail: str, at: _At) -> Json:
        self._say(detail, at)
        return {}

    def _say(self, detail: str, at: _At) -> None:
        self.is_exact = False
        self.notes.append(remark(detail, at.pointer))


def _has_presets(schema: Json) -> bool:
    members = schema.get("properties", {})
    return any(isinstance(members.get(name), dict) and "default" in members[name] for name in schema["required"])


def _taken_away(modern: Json, result: Json) -> AbstractSet[str]:
    """Return the members that are not part of the request: read-only ones, and those with names nobody may see."""
    properties, kept = modern.get("properties"), result.get("properties", {})
    return properties.keys() - kept.keys() if isinstance(properties, dict) else frozenset()


def _voices(schema: Json) -> int:
    """Return how many parts of the schema may say what members there are, at most."""
    parts = schema.get("allOf")
    several = len(parts) if isinstance(parts, list) else 0
    return several + len(_COMBINING & schema.keys()) + (not _ABOUT_MEMBERS.isdisjoint(schema))


def _is_whole(value: Value) -> bool:
    return isinstance(value, float) and value.is_integer() and abs(value) < _EXACT_FLOATS


def is_nothing(schema: Value) -> bool:
    """Whether a schema is absent, null, `true` or empty, so that any value is accepted."""
    return schema is None or schema is True or schema == {}
