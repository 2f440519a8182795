"""The document's schemas as JSON Schema 2020-12, each converted once however many operations use it.

What a `$ref` names becomes a definition of its own, referred to as `#/$defs/name`, so that recursive schemas stay what
they are and nothing is ever copied into something else. Constructs of Swagger 2.0, OpenAPI 3.0 and older drafts are
taken as they were meant in any version, because documents mix them.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property, lru_cache

from jsonschema_rs import meta

from app.openapi.schema import anchors, dialects
from app.openapi.schema.definitions import Definition
from app.operation.keywords import IN_PLACE, SUBSCHEMA_LISTS, SUBSCHEMA_MAPS, SUBSCHEMAS, UnusableSchema, validator_of
from app.operation.operation import Json, Value
from app.operation.pointers import References, Unresolvable, join, last_name, remark
from app.operation.text import LONGEST_NAME, definition_name, hides_something, is_presentable, shortened

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
_LARGEST_EXAMPLE = 200  # characters, for texts; longer ones cost more than they tell
_TYPES = ("array", "boolean", "integer", "null", "number", "object", "string")

Say = Callable[[str], None]


class Schemas:
    """Every schema of one document, converted when first asked for, for requests: without read-only members."""

    def __init__(self, document: Json) -> None:
        self.references = References(document)
        self.depth = 0
        self._document = document
        self._names: dict[str, str] = {}
        self._places: dict[str, tuple[Value, str]] = {}
        self._read: dict[str, Definition] = {}
        self._under_way: set[str] = set()

    @cached_property
    def anchors(self) -> Mapping[str, Sequence[str]]:
        """Where the schemas are that have names of their own."""
        return anchors.named_places(self._document)

    def read(self, raw: Value, pointer: str) -> Definition:
        """Return the conversion of the schema at the pointer."""
        if pointer not in self._read:
            self._under_way.add(pointer)
            self._read[pointer] = self._convert(raw, pointer)
            self._under_way.discard(pointer)
        return self._read[pointer]

    def _convert(self, raw: Value, pointer: str) -> Definition:
        reading = _Reading(self)
        schema = reading.schema(raw, pointer, in_place=True)
        if isinstance(schema, bool):
            schema = {} if schema else {"not": {}}
        return Definition(schema, tuple(reading.references), tuple(reading.notes), reading.weight)

    def definition(self, name: str) -> Definition:
        """Return the definition of that name in `$defs`."""
        return self.read(*self._places[name])

    def name_of(self, raw: Value, pointer: str) -> str:
        """Return the name in `$defs` for the schema at the pointer."""
        if pointer not in self._names:
            name = definition_name(last_name(pointer), pointer, self._places)
            self._names[pointer] = name
            self._places[name] = (raw, pointer)
        return self._names[pointer]

    def weight_in_place(self, name: str) -> int | None:
        """Return the definition's weight, or None where it would apply itself to the same value without end."""
        return None if self._places[name][1] in self._under_way else self.definition(name).weight

    def is_read_only(self, raw: Value) -> bool:
        """Whether the schema, or what it refers to, is only for answers."""
        try:
            target, _ = self.references.follow(raw, "")
        except Unresolvable:
            target = None
        return any(isinstance(each, dict) and each.get("readOnly") is True for each in (raw, target))


class _Reading:
    """The conversion of one definition."""

    def __init__(self, schemas: Schemas) -> None:
        self._schemas = schemas
        self.references: dict[str, None] = {}
        self.notes: list[str] = []
        self.weight = 1

    def schema(self, raw: Value, pointer: str, *, in_place: bool) -> Json | bool:
        if raw is False:
            return False
        if is_nothing(raw):
            return {}
        if not isinstance(raw, dict):
            return self._nothing("a schema that is not an object is ignored", pointer)
        if self._schemas.depth >= _DEEPEST:
            return self._nothing(f"schemas nested deeper than {_DEEPEST} levels are left out", pointer)
        self._schemas.depth += 1
        try:
            return self._object(raw, pointer, in_place=in_place)
        finally:
            self._schemas.depth -= 1

    def _object(self, raw: Json, pointer: str, *, in_place: bool) -> Json:
        modern = modernised(raw, lambda detail: self._say(detail, pointer))
        ref = self._ref(modern, pointer)
        result: Json = {} if ref is None else self._reference(ref, pointer, in_place=in_place)
        for keyword, value in modern.items():
            if keyword in _OPEN_ANYWAY and is_nothing(value):
                continue
            if keyword in SUBSCHEMAS:
                inner = self.schema(value, join(pointer, keyword), in_place=in_place and keyword in IN_PLACE)
                if (
                    keyword != "not" or inner != {} or is_nothing(value)
                ):  # a `not` whose inside was dropped must not refuse everything
                    result[keyword] = inner
            elif keyword in SUBSCHEMA_LISTS:
                self._list(result, keyword, value, pointer, in_place=in_place)
            elif keyword in SUBSCHEMA_MAPS:
                self._map(result, keyword, value, pointer, in_place=in_place)
            else:
                self._value(result, keyword, value, pointer)
        self._without_read_only(result, modern)
        return result

    def _ref(self, modern: Json, pointer: str) -> Value:
        recursive, dynamic, ref = (modern.pop(keyword, None) for keyword in ("$recursiveRef", "$dynamicRef", "$ref"))
        if ref is None and recursive is not None:
            return anchors.recursive(pointer, self._schemas.anchors)
        stated = dynamic if ref is None else ref
        if isinstance(stated, str) and stated[:1] == "#" and stated[1:2] not in {"", "/"}:
            return anchors.resolved(stated, pointer, self._schemas.anchors)
        return stated

    def _reference(self, ref: Value, pointer: str, *, in_place: bool) -> Json:
        try:
            target = self._schemas.references.find(ref)
        except Unresolvable as error:
            return self._nothing(f"$ref: {error}", pointer)
        name = self._schemas.name_of(*target)
        if in_place:
            weight = self._schemas.weight_in_place(name)
            if weight is None:
                return self._nothing("a schema that contains itself is ignored", pointer)
            self.weight += weight
            if self.weight > HEAVIEST:
                return self._nothing(f"more than {HEAVIEST} schemas for one value; the rest is left out", pointer)
        self.references[name] = None
        return {"$ref": f"#/$defs/{name}"}

    def _list(self, result: Json, keyword: str, value: Value, pointer: str, *, in_place: bool) -> None:
        if not isinstance(value, list):
            self._say(f"`{keyword}` is not a list", pointer)
            return
        here = in_place and keyword in IN_PLACE
        schemas = [
            self.schema(each, join(pointer, keyword, number), in_place=here) for number, each in enumerate(value)
        ]
        if schemas:
            result[keyword] = schemas
        else:
            self._say(f"`{keyword}` is empty and was left out", pointer)

    def _map(self, result: Json, keyword: str, value: Value, pointer: str, *, in_place: bool) -> None:
        if not isinstance(value, dict):
            self._say(f"`{keyword}` is not an object", pointer)
            return
        here = in_place and keyword in IN_PLACE
        schemas = {}
        for name, each in value.items():
            if hides_something(name) or (keyword == "patternProperties" and not _is_pattern(name)):
                self._say(f"a name in `{keyword}` cannot be used", pointer)
            elif keyword != "properties" or not self._schemas.is_read_only(each):
                schemas[name] = self.schema(each, join(pointer, keyword, name), in_place=here)
        result[keyword] = schemas

    def _value(self, result: Json, keyword: str, value: Value, pointer: str) -> None:
        if keyword in {"description", "title"}:
            self._text(result, keyword, value, pointer)
        elif keyword == "examples":
            if examples := short_examples(value):
                result[keyword] = examples
        elif keyword in _KEPT:
            if _is_usable(keyword, value):
                result[keyword] = int(value) if keyword.startswith(("min", "max")) and _is_whole(value) else value
            elif value is not None:
                self._say(f"`{keyword}` cannot be used as it is", pointer)

    def _text(self, result: Json, keyword: str, value: Value, pointer: str) -> None:
        if not isinstance(value, str) or not value.strip():
            return
        if hides_something(value):
            self._say(f"invisible or control characters were taken out of `{keyword}`", pointer)
        if text := shortened(value, LONGEST_NAME) if keyword == "title" else shortened(value):
            result[keyword] = text

    def _without_read_only(self, result: Json, modern: Json) -> None:
        properties = modern.get("properties")
        if "required" in result and isinstance(properties, dict):
            kept = result.get("properties", {})
            result["required"] = [name for name in result["required"] if name in kept or name not in properties]
            if not result["required"]:
                del result["required"]

    def _nothing(self, detail: str, pointer: str) -> Json:
        self._say(detail, pointer)
        return {}

    def _say(self, detail: str, pointer: str) -> None:
        self.notes.append(remark(detail, pointer))


def _is_whole(value: Value) -> bool:
    return isinstance(value, float) and value.is_integer() and abs(value) < _EXACT_FLOATS


def modernised(raw: Json, say: Say) -> Json:
    """Return a copy in 2020-12, without what is below it; `say` is called with what could not be kept."""
    schema = dict(raw)
    for step in (_file, _types, _required, _enumeration, _base64):
        step(schema, say)
    other = dialects.WORDS & schema.keys() or any(isinstance(schema.get(word), kind) for word, kind in dialects.FORMS)
    return dialects.translated(schema) if other else schema


def _file(schema: Json, _: Say) -> None:
    """Swagger 2.0, Parameter Object and Response Object."""
    if schema.get("type") == "file":
        schema["type"] = "string"
        schema.setdefault("format", "binary")


def _types(schema: Json, say: Say) -> None:
    if "type" not in schema:
        return
    stated = schema.pop("type")
    names = [
        name.lower() if isinstance(name, str) else name for name in (stated if isinstance(stated, list) else [stated])
    ]
    known = list(dict.fromkeys(name for name in names if name in _TYPES))
    if len(known) < len(names) and stated is not None:
        say(f"the type {str(stated)[:40]!r} is not a JSON type")
    if known:
        schema["type"] = known[0] if len(known) == 1 else known


def _required(schema: Json, say: Say) -> None:
    names = schema.get("required")
    if names is None:
        return
    if not isinstance(names, list):
        del schema["required"]
        say("`required` is not a list of names")
        return
    schema["required"] = list(dict.fromkeys(name for name in names if isinstance(name, str)))
    if len(schema["required"]) < len(names):
        say("`required` repeats a name or contains something that is not a name")
    if not schema["required"]:
        del schema["required"]


def _enumeration(schema: Json, say: Say) -> None:
    values = schema.get("enum")
    if isinstance(values, list) and values:
        return
    if schema.pop("enum", None) is not None:
        say("`enum` is empty and was left out" if values == [] else "`enum` is not a list of values")


def _base64(schema: Json, _: Say) -> None:
    if schema.get("format") in ("byte", "base64") and "contentEncoding" not in schema:
        schema["contentEncoding"] = "base64"


def is_nothing(schema: Value) -> bool:
    """Whether a schema is absent, null, `true` or empty, so that any value is accepted."""
    return schema is None or schema is True or schema == {}


def _is_usable(keyword: str, value: Value) -> bool:
    """Whether the meta-schema of 2020-12 allows the keyword that value, and models may see it."""
    if keyword == "pattern":
        return isinstance(value, str) and _is_pattern(value)
    return is_presentable(value) and meta.is_valid({keyword: value})


@lru_cache(maxsize=4_096)
def _is_pattern(text: str) -> bool:
    """Whether arguments can be checked against the regular expression."""
    try:
        validator_of({"pattern": text})
    except UnusableSchema:
        return False
    return True


def short_examples(values: Value) -> list[Value]:
    """Return the examples worth showing: at most three presentable scalars."""
    if not isinstance(values, list):
        return []
    scalars = [value for value in values if isinstance(value, str | int | float)]
    return [value for value in scalars if len(str(value)) <= _LARGEST_EXAMPLE and is_presentable(value)][:3]
