"""Converted schemas, and the input schemas made of them: self-contained, within a budget of bytes.

A schema that is too large first loses words. If that is not enough, it starts from what is required and gets optional
members, from the root outwards, while there is room. No version refuses what the whole schema accepts.
"""

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from functools import cached_property

import orjson

from app.openapi.schema.value_names import with_names
from app.operation.instructions import HINTS
from app.operation.keywords import (
    IN_PLACE,
    SUBSCHEMA_LISTS,
    SUBSCHEMA_MAPS,
    SUBSCHEMAS,
    TURNING,
    complexity_at,
    objects_in,
)
from app.operation.operation import Json, Value, size_of
from app.operation.schemas import without_prose
from app.operation.text import deprecated, sentences, shortened

_NOT_SHOWN = "Not shown: too large."
_SHORTENED = "Shortened."  # in schemas that have more optional members than they show
_LEGEND = f"Schemas that say `{_SHORTENED}` have more optional members, which may be sent as well."
_MOST_NAMED = 10  # parts that are not shown in full, in a note
_TERSE = 80  # characters of a description
_EVERYTHING = 1_000_000  # levels or members: more than any schema has
# Levels of optional members, and how many of each object: only what is required, a glimpse, two levels, everything.
_OUTLINES = ((0, 0), (1, 12), (2, _EVERYTHING), (_EVERYTHING, _EVERYTHING))
_LEAST, _REQUIRED, _GLIMPSE, _NEAR, _FULL, _WITH_WORDS = range(6)  # of `Definition.versions`
_NOT_CUT = TURNING | {"contains", "dependentSchemas", "minContains"}
_CLOSING = frozenset({"additionalProperties", "patternProperties"})
_MOST_REQUIRED = 4_096  # bytes of the names that something requires of which nothing else is shown

Key = tuple[str, str]  # `properties` or `$defs`, and a name


@dataclass(frozen=True, slots=True)
class Shown:
    """A value that the document shows, and where."""

    value: Value
    pointer: str


@dataclass(frozen=True)
class Definition:
    """A converted schema, the names of the definitions that it refers to, and what had to be left out.

    `weight` is how many schemas are applied to one and the same value. `is_cut`: not all members are shown. `is_exact`:
    it accepts no more than the document does. `lead` begins its description, and stays when words have to go. `pointer`
    is where the document has it, if at one place, and `examples` are those of the whole.
    """

    schema: Json
    references: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    weight: int = 1
    is_cut: bool = False
    is_exact: bool = True
    lead: str = ""
    pointer: str | None = None
    examples: tuple[Shown, ...] = ()

    @cached_property
    def size(self) -> int:
        """Bytes as JSON."""
        return size_of(self.schema)

    @cached_property
    def may_have_quotes(self) -> bool:
        """Whether it may have instructions to a model in it."""
        text = orjson.dumps(self.schema).lower()
        return any(hint in text for hint in HINTS)

    @cached_property
    def complexity(self) -> int:
        """What it adds to how many schemas one value may meet, without what it refers to; see `complexity_at`."""
        return sum(map(complexity_at, objects_in(self.schema)))

    @cached_property
    def terse(self) -> "Definition":
        """The same with short descriptions."""
        return replace(self, schema=without_prose(self.schema, _TERSE))

    @cached_property
    def bare(self) -> "Definition":
        """The same without a word of prose but its lead."""
        lead = {"description": self.lead} if self.lead else {}
        return replace(self, schema={**lead, **without_prose(self.schema, 0)})

    @cached_property
    def versions(self) -> tuple["Definition", ...]:
        """What can be shown of it beside others that are cut, from the least to everything with short descriptions."""
        required, *others = [_outlined(self.bare, levels, most) for levels, most in _OUTLINES]
        stub = Definition(_stub_of(self.schema, self.lead), is_cut=True)
        least = required if required.size <= stub.size and not required.references else stub
        return least, required, *others, _outlined(self.terse, *_OUTLINES[-1])

    def noted(self, notes: Sequence[str]) -> "Definition":
        """Return the definition with further notes, since it accepts more than the document does."""
        return replace(self, notes=(*self.notes, *notes), is_exact=False)

    def described(self, **annotations: Value) -> "Definition":
        """Return the definition with annotations of its own; None leaves what there is."""
        stated = {keyword: value for keyword, value in annotations.items() if value is not None}
        return replace(self, schema=saying_deprecated({**self.schema, **stated})) if stated else self

    def opened(self, sentence: str) -> "Definition":
        """Return the definition with that sentence before its description."""
        description = shortened(sentences(sentence, self.schema.get("description", "")))
        return replace(self.described(description=description), lead=sentences(sentence, self.lead))


@dataclass(frozen=True, slots=True)
class Closure:
    """An input schema with its `$defs`, its size in bytes, and what had to be noted.

    `may_have_quotes`: of instructions to a model.
    """

    schema: Json
    size: int
    notes: tuple[str, ...]
    may_have_quotes: bool


@dataclass(frozen=True, slots=True)
class InputSchema:
    """What an input schema is put together from: the frame, the arguments, and the definitions by their names."""

    frame: Json
    arguments: Mapping[str, Definition]
    definition: Callable[[str], Definition]

    def within(self, budget: int) -> Closure:
        """Return the frame with `properties` and the `$defs` that they reach, in so many bytes if that is possible."""
        if (whole := self._all_of(lambda each: each, budget)) is not None:
            return self.showing(whole)
        note = f"descriptions were shortened to fit {budget:,} bytes (SOURCE_MAX_TOOL_BYTES)"
        if (bare := self._all_of(lambda each: each.bare, budget)) is not None:
            shown = self._with_words(bare, budget)
            wordless = any(each is bare[key] for key, each in shown.items())
            return self.showing(shown, f"{note}, some left out" if wordless else note)
        explained = replace(self, frame={**self.frame, "description": _LEGEND})
        shown = _Cut(explained, budget).shown
        cut = [name for (_, name), each in shown.items() if each.is_cut]
        more = "" if len(cut) <= _MOST_NAMED else f" and {len(cut) - _MOST_NAMED} more"
        names = f"{', '.join(cut[:_MOST_NAMED])}{more}"
        return explained.showing(shown, f"{note}, and these parts are not shown in full: {names}")

    def whole(self, key: Key) -> Definition:
        """Return a part as it was converted."""
        section, name = key
        return self.arguments[name] if section == "properties" else self.definition(name)

    def roots(self) -> list[Key]:
        """Return the arguments."""
        return [("properties", name) for name in self.arguments]

    def size(self, shown: Mapping[Key, Definition]) -> int:
        """Return the bytes of the schema with these parts."""
        frame = size_of(self.frame) + len('"properties":{},"$defs":{},')
        return frame + sum(cost(key, definition) for key, definition in shown.items())

    def _all_of(self, version: Callable[[Definition], Definition], budget: int) -> dict[Key, Definition] | None:
        """Return everything in that version, or None if it does not fit."""
        shown: dict[Key, Definition] = {}
        left = budget - self.size(shown)
        pending = deque(self.roots())
        met = set(pending)
        while pending:
            key = pending.popleft()
            shown[key] = version(self.whole(key))
            left -= cost(key, shown[key])
            if left < 0:
                return None
            new = [each for each in references_of(shown[key]) if each not in met]
            met.update(new)
            pending += new
        return shown

    def _with_words(self, shown: dict[Key, Definition], budget: int) -> dict[Key, Definition]:
        """Return the same with descriptions where there is room, the root's first."""
        left = budget - self.size(shown)
        result = dict(shown)
        for key, bare in shown.items():
            terse = self.whole(key).terse
            if terse.size - bare.size <= left:
                left -= terse.size - bare.size
                result[key] = terse
        return result

    def showing(self, shown: Mapping[Key, Definition], *more: str) -> Closure:
        """Return the schema with these parts, and its notes."""
        schema = {**self.frame, "properties": {name: shown["properties", name].schema for name in self.arguments}}
        definitions = {name: each.schema for (section, name), each in shown.items() if section == "$defs"}
        if definitions:
            schema["$defs"] = definitions
        notes = dict.fromkeys(note for each in shown.values() for note in each.notes)
        may_have_quotes = any(each.may_have_quotes for each in shown.values())
        return Closure(schema, self.size(shown), (*notes, *more), may_have_quotes)


class _Cut:
    """As much as fits: first what is required, then optional members, then words, each from the root on.

    Nothing is shown without what is required of the definitions that it newly leads to, as far as that fits at all.
    """

    def __init__(self, parts: InputSchema, budget: int) -> None:
        self._parts = parts
        self.shown = {key: parts.whole(key).versions[_LEAST] for key in parts.roots()}
        self._left = budget - parts.size(self.shown)
        self._raise([_REQUIRED])
        self._raise([_FULL, _NEAR, _GLIMPSE])
        for key, each in list(self.shown.items()):
            if each is parts.whole(key).versions[_FULL]:
                self._take(key, _WITH_WORDS)

    def _raise(self, versions: list[int]) -> None:
        """Show each part in the first of these versions for which there is room, small parts before large ones."""
        layer = self._parts.roots()
        met = set(layer)
        while layer:
            for key in sorted(layer, key=lambda each: self._parts.whole(each).versions[_FULL].size):
                any(self._take(key, version) for version in versions)
            below = dict.fromkeys(each for key in layer for each in references_of(self.shown[key]))
            layer = [each for each in below if each not in met]
            met.update(layer)

    def _take(self, key: Key, version: int) -> bool:
        wanted = self._parts.whole(key).versions[version]
        more = self._required_of(wanted)
        price = wanted.size - self.shown[key].size + sum(cost(*each) for each in more.items())
        if price > self._left:
            return False
        self._left -= price
        self.shown.update({key: wanted, **more})
        return True

    def _required_of(self, definition: Definition) -> dict[Key, Definition]:
        """Return what is required of all that the definition leads to and that is not shown yet."""
        more: dict[Key, Definition] = {}
        pending = references_of(definition)
        while pending:
            key = pending.pop(0)
            if key not in self.shown and key not in more:
                more[key] = self._parts.whole(key).versions[_REQUIRED]
                pending += references_of(more[key])
        return more


def saying_deprecated(schema: Json) -> Json:
    """Return the schema with words for `deprecated`, which few clients show; it may be changed."""
    if schema.get("deprecated") is True:
        schema["description"] = deprecated(schema.get("description", ""))
    return schema


def without_need_of(names: AbstractSet[str], schema: Json) -> Json:
    """Return a converted schema that requires none of these members, and counts none of them."""
    result = dict(schema)
    if required := [name for name in result.pop("required", ()) if name not in names]:
        result["required"] = required
    dependent = result.pop("dependentRequired", {})
    left = {name: [each for each in others if each not in names] for name, others in dependent.items()}
    if left := {name: others for name, others in left.items() if others}:
        result["dependentRequired"] = left
    if "minProperties" in result:
        result["minProperties"] = max(result["minProperties"] - len(names), 0)
    return result


def naming_values(schema: Json, raw: Json) -> Json:
    """Return the schema, converted from `raw`, with what extensions of that call the values of its `enum`."""
    return with_names(schema, raw) if any(keyword.startswith("x-") for keyword in raw) else schema


def undescribed(closure: Closure, note: str) -> Closure:
    """Return it with only the types of the arguments."""
    arguments = {name: _stub_of(each) for name, each in closure.schema["properties"].items()}
    schema = {keyword: value for keyword, value in closure.schema.items() if keyword != "$defs"}
    schema["properties"] = arguments
    return replace(closure, schema=schema, size=size_of(schema), notes=(*closure.notes, note))


def references_of(definition: Definition) -> list[Key]:
    """Return the parts that a part refers to."""
    return [("$defs", name) for name in definition.references]


def cost(key: Key, definition: Definition) -> int:
    """Return the bytes of a part with its name."""
    return len(key[1]) + len('"":,') + definition.size


def _stub_of(schema: Json, lead: str = "") -> Json:
    """Return the least: the type, and the names without which a value would be refused unless they are too many."""
    stub = {"description": sentences(lead, _NOT_SHOWN), **({"type": schema["type"]} if "type" in schema else {})}
    if "required" in schema and size_of(schema["required"]) <= _MOST_REQUIRED:
        stub["required"] = schema["required"]
    return stub


def _outlined(definition: Definition, levels: int, most: int) -> Definition:
    outline = _Outline(levels, most)
    schema = outline.of(definition.schema)
    return Definition(schema, tuple(outline.references), definition.notes, is_cut=outline.is_cut)


@dataclass(slots=True)
class _Outline:
    """A schema whose optional members are shown `levels` deep, so that others may be cut without contradicting it.

    `most` is how many of them an object shows: the first ones, which an author thought of first.
    """

    levels: int
    most: int
    references: dict[str, None] = field(default_factory=dict)
    is_cut: bool = False

    def of(self, schema: Json) -> Json:
        """Return the outline; it says so where it leaves out members."""
        outline: Json = self._schema(schema, self.levels, frozenset())
        if not self.is_cut:
            return outline
        return {**outline, "description": sentences(outline.get("description", ""), _SHORTENED)}

    def _schema(self, schema: Value, levels: int, needed: frozenset[str]) -> Value:
        if not isinstance(schema, dict):
            return schema
        needed = needed.union(_required(schema), *(_required(each) for each in schema.get("allOf", ())))
        members = self._members(schema, levels, needed)
        closed = len(members) == len(schema.get("properties", ()))
        result: Json = {}
        for keyword, value in schema.items():
            if keyword in _NOT_CUT or (keyword in _CLOSING and not closed):
                continue
            if keyword == "properties":
                result.update({keyword: members} if members else {})
            elif keyword in SUBSCHEMA_LISTS:
                required = needed if keyword in IN_PLACE else frozenset()
                result[keyword] = [self._schema(each, levels, required) for each in value]
            else:
                result[keyword] = self._other(keyword, value, levels)
        return result

    def _members(self, schema: Json, levels: int, needed: frozenset[str]) -> Json:
        properties = schema.get("properties", {})
        optional = [name for name in properties if name not in needed][: self.most if levels > 0 else 0]
        shown = needed.union(optional)
        kept = {name: each for name, each in properties.items() if name in shown}
        self.is_cut = self.is_cut or len(kept) < len(properties)
        return {name: self._schema(each, levels - 1, frozenset()) for name, each in kept.items()}

    def _other(self, keyword: str, value: Value, levels: int) -> Value:
        if keyword == "$ref":
            self.references[value.rpartition("/")[2]] = None
        elif keyword in SUBSCHEMA_MAPS:
            return {name: self._schema(each, levels - 1, frozenset()) for name, each in value.items()}
        elif keyword in SUBSCHEMAS:
            return self._schema(value, levels, frozenset())
        return value


def _required(schema: Value) -> list[str]:
    names = schema.get("required") if isinstance(schema, dict) else None
    return names if isinstance(names, list) else []


def together(definitions: list[Definition]) -> Definition:
    """Return one definition of what has to fit all of them."""
    if len(definitions) == 1:
        return definitions[0]
    distinct = [
        each for number, each in enumerate(definitions) if each.schema not in [d.schema for d in definitions[:number]]
    ]
    if len(distinct) == 1:
        return distinct[0]
    return Definition(
        {"allOf": [each.schema for each in distinct]},
        tuple(name for each in distinct for name in each.references),
        tuple(note for each in distinct for note in each.notes),
        sum(each.weight for each in distinct),
        pointer=distinct[0].pointer,
        examples=tuple(shown for each in distinct for shown in each.examples),
    )
