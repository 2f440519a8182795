"""Schemas in the form that every model API takes and every host shows, made of the full ones.

A model API refuses a whole list of tools for one schema that it does not understand. Hosts lose what stands in `$defs`,
beside a `$ref` and in `allOf`. The portable form says the same without these, and accepts all that the full form
accepts, against which arguments are checked. Which API demands what: docs/decisions/0024.
"""

import re
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import lru_cache
from operator import is_
from re import _parser  # type: ignore[attr-defined]
from typing import Literal

from app.operation.keywords import ALTERNATIVES, SUBSCHEMA_LISTS, SUBSCHEMA_MAPS, SUBSCHEMAS, definition_of, references
from app.operation.operation import Json, Operation, Value, size_of, size_of_output, size_without_schemas
from app.operation.schemas import ANNOTATIONS, both, without_prose

Profile = Literal["portable", "standard"]

_BESIDE_A_REF = frozenset({"$ref", "default", "description"})
_SEEN_THROUGH = frozenset({"$ref", "allOf", "dependentSchemas", "else", "if", "then", *ALTERNATIVES})
_NOT_AT_THE_TOP = (_SEEN_THROUGH - {"$ref"}) | {"const", "dependentRequired", "enum", "not"}
_ONLY_OF = {
    "array": frozenset({"contains", "items", "maxContains", "maxItems", "minContains", "minItems", "prefixItems"})
    | {"unevaluatedItems", "uniqueItems"},
    "object": frozenset({"additionalProperties", "dependentRequired", "dependentSchemas", "maxProperties"})
    | {"minProperties", "patternProperties", "properties", "propertyNames", "required", "unevaluatedProperties"},
}
_CONTAINERS = _ONLY_OF["array"] | _ONLY_OF["object"]
_OF_OTHERS = {"$ref", "const", "else", "enum", "if", "maximum", "maxLength", "minimum", "minLength", "pattern", "then"}
_LOOKED_AT = SUBSCHEMAS | SUBSCHEMA_LISTS | SUBSCHEMA_MAPS | {"$ref", "const", "pattern", "required"}
_NOT_EVERYWHERE = frozenset({"const", "pattern", "patternProperties", "properties"})
_TURNING = {"contains": {"maxContains"}, "if": {"else", "then"}, "not": {"not"}}  # … and what refuses because of it
_SMALL = (2_048, 512, 128, 0)  # bytes of a definition that is put in line where there is no room for all
_GROWTH = 2  # times that a schema may become larger
_ALWAYS = 4_096  # bytes that it may have in any case
_MOST_LEVELS = 20  # of definitions in definitions
_DEEPEST = 100  # levels of JSON that this may make; what writes it ends at 254
_TERSE = (640, 320, 160, 80, 0)  # characters of a description, where there is little room
_LONGEST_PATTERN = 2_000  # characters that a model is shown


def in_profile(operation: Operation, profile: Profile, most_bytes: int) -> Operation:
    """Return the operation as lists show it in that profile, as a tool of at most so many bytes if it is one now."""
    if profile == "standard":
        return operation
    output = None if operation.output_schema is None else portable(operation.output_schema)
    room = most_bytes - size_without_schemas(operation, operation.name) - size_of_output(output)
    form = portable_input(operation.input_schema, room)
    if form is operation.input_schema and output is operation.output_schema:
        return operation
    return replace(operation, portable_schema=form, output_schema=output)


def portable_input(schema: Json, room: int) -> Json:
    """Return the portable form of an input schema, in at most `room` bytes if the full one fits.

    What may not stand at its top is left out: which arguments an optional body needs, these say themselves.
    """
    definitions: Json = schema.get("$defs", {})
    rest = {keyword: value for keyword, value in schema.items() if keyword != "$defs"} if definitions else schema
    forms = _Form(definitions, _Lines(rest, definitions, room).kept if definitions else frozenset(), for_models=True)
    top = forms.of(rest)
    if not top.keys().isdisjoint(_NOT_AT_THE_TOP):
        top = {keyword: value for keyword, value in top.items() if keyword not in _NOT_AT_THE_TOP}
    form = forms.complete(top)
    for longest in _TERSE:
        if form is schema or size_of(form) <= room:
            return form
        form = without_prose(form, longest)
    return form if size_of(form) <= room else _types_only(form)


def portable(schema: Json) -> Json:
    """Return the portable form of the schema of an answer, which has no definitions."""
    form: Json = _Form({}, frozenset(), for_models=False).of(schema)
    return form


@dataclass(slots=True)
class _Part:
    """A schema's bytes and levels of JSON, and how often and at which level at most it refers to a definition."""

    size: int
    levels: int = 0
    uses: dict[str, tuple[int, int]] = field(default_factory=dict)


def _part_of(schema: Value, definitions: Json) -> _Part:
    part = _Part(size_of(schema))
    pending: list[tuple[Value, int]] = [(schema, 1)]
    while pending:
        each, level = pending.pop()
        part.levels = max(part.levels, level)
        if isinstance(each, dict) and "$ref" in each and (name := definition_of(each)) in definitions:
            number, before = part.uses.get(name, (0, 0))
            part.uses[name] = number + 1, max(before, level)
        inner = each.values() if isinstance(each, dict) else each
        pending += [(value, level + 1) for value in inner if isinstance(value, dict | list)]
    return part


class _Lines:
    """Which definitions are put in line. `kept` are the others: they lead back to themselves, or would make the schema
    too deep or too large.

    Nothing is copied to find out: bytes are counted, so that definitions that multiply cost nothing.
    """

    def __init__(self, rest: Json, definitions: Json, room: int) -> None:
        self._parts = {name: _part_of(each, definitions) for name, each in definitions.items()}
        self._root = _part_of(rest, definitions)
        self._made: dict[str, _Part] = {}
        self._circles: set[str] = set()
        pending = list(self._root.uses)
        while pending:
            self._visit(pending.pop(), [], pending)
        full = self._root.size + sum(part.size for part in self._parts.values())
        most = min(room, max(_ALWAYS, _GROWTH * full))
        self.kept = frozenset(self._circles)
        for small in _SMALL:
            if self._total() <= most:
                break
            self.kept = frozenset(name for name, part in self._made.items() if part.size > small) | self._circles

    def _visit(self, name: str, path: list[str], pending: list[str]) -> _Part:
        """Return the definition as it is with all in line."""
        if name in self._made:
            return self._made[name]
        part = self._parts[name]
        made = _Part(part.size, part.levels)
        for other, (number, level) in part.uses.items():
            if other in path or other == name:
                self._circles.add(other)
            elif other not in self._made and len(path) >= _MOST_LEVELS:
                self._circles.add(other)
                pending.append(other)
            else:
                inner = self._visit(other, [*path, name], pending)
                if level + inner.levels > _DEEPEST:
                    self._circles.add(other)
                if other not in self._circles:
                    made.size += number * inner.size
                    made.levels = max(made.levels, level + inner.levels)
        self._made[name] = made
        return made

    def _total(self) -> int:
        """Return about how many bytes there are in all, at least as many as there will be."""
        known: dict[str, int] = {}

        def of(part: _Part) -> int:
            return part.size + sum(number * inline(name) for name, (number, _) in part.uses.items())

        def inline(name: str) -> int:
            if name in self.kept:
                return 0
            if name not in known:
                known[name] = of(self._parts[name])
            return known[name]

        return of(self._root) + sum(of(self._parts[name]) for name in self.kept)


class _Form:
    """Makes the portable form; what needs no change is returned as it is, so that both forms share it.

    `_looser`: what was made last may accept more. It is left out where a value would be refused because of that.
    """

    def __init__(self, definitions: Json, kept: frozenset[str], *, for_models: bool) -> None:
        self._definitions = definitions
        self._kept = kept
        self._for_models = for_models
        self._made: dict[str, tuple[Value, bool]] = {}
        self._looser = False

    def complete(self, root: Json) -> Json:
        """Return the root with the definitions that it leads to."""
        reached: Json = {}
        pending = [root] if self._kept else []
        while pending:
            for name in references(pending.pop()):
                if name in self._kept and name not in reached:
                    reached[name] = self._placed(self._definitions[name])
                    pending.append(reached[name])
        return {**root, "$defs": reached} if reached else root

    def of(self, schema: Value) -> Value:
        """Return the form of a schema."""
        if not isinstance(schema, dict):
            return {} if schema is True else schema
        types = schema.get("type")
        if schema.keys().isdisjoint(_LOOKED_AT) and types != "array" and types.__class__ is not list:
            return schema
        form = self._inside(schema)
        if not form.keys().isdisjoint(_NOT_EVERYWHERE):
            form, looser = _plainer(form)
            self._looser = self._looser or looser
        if "$ref" in form or "allOf" in form:
            form = self._together(form)
        if "unevaluatedProperties" in form and form.keys().isdisjoint(_SEEN_THROUGH):
            form = dict(form)
            form.setdefault("additionalProperties", form.pop("unevaluatedProperties"))
        return _apart(form) if form.get("type").__class__ is list else _with_items(form)

    def _inside(self, schema: Json) -> Json:
        """Return it with the forms of what is in it, and without what refuses because of one that accepts more."""
        form = schema
        gone: set[str] = set()
        for keyword in schema.keys() & _LOOKED_AT:
            before, self._looser = self._looser, False
            value = self._value(keyword, schema[keyword], self._placed if _stands_alone(keyword, schema) else self.of)
            gone |= _TURNING.get(keyword, set()) if self._looser else set()
            self._looser = self._looser or before
            if value is not schema[keyword]:
                form = dict(form) if form is schema else form
                form[keyword] = value
        return {keyword: value for keyword, value in form.items() if keyword not in gone} if gone else form

    def _value(self, keyword: str, value: Value, form_of: Callable[[Value], Value]) -> Value:
        """Return what a keyword has in the portable form: the value itself where that is the same."""
        if keyword in SUBSCHEMA_LISTS:
            forms = [form_of(each) for each in value]
            return value if all(map(is_, forms, value)) else forms
        if keyword in SUBSCHEMA_MAPS:
            members = {name: form_of(each) for name, each in value.items()}
            return value if all(map(is_, members.values(), value.values())) else members
        return form_of(value) if keyword in SUBSCHEMAS and not isinstance(value, bool) else value

    def _placed(self, schema: Value) -> Value:
        """Return the form of a schema that is no part of another: about members or items, where it has that type."""
        form = self.of(schema)
        if not self._for_models or not isinstance(form, dict):
            return form
        form, looser = _of_one_type(form)
        self._looser = self._looser or looser
        return form

    def _together(self, form: Json) -> Json:
        """Take in what a `$ref` and `allOf` lead to, as far as that can stand beside what there is."""
        result = {keyword: value for keyword, value in form.items() if keyword not in {"$ref", "allOf"}}
        parts = [*([self._target(form["$ref"])] if "$ref" in form else ()), *form.get("allOf", ())]
        apart: list[Value] = []
        for part in reversed(parts):  # what a base says comes first, and what extends it counts
            if not isinstance(part, dict) or "$ref" in part:
                taken = None
            else:
                said = result.keys() - ANNOTATIONS
                taken = both(result, part) if said else {**part, **result}
                self._looser = self._looser or bool(said)
            if taken is None:
                apart.insert(0, part)
            else:
                result = taken
        if len(apart) == 1 and isinstance(apart[0], dict) and result.keys() <= ANNOTATIONS:
            whole = {**apart[0], **result}
            return {keyword: value for keyword, value in whole.items() if keyword in _BESIDE_A_REF}
        return {**result, "allOf": apart} if apart else result

    def _target(self, ref: str) -> Value:
        name = definition_of({"$ref": ref})
        if name in self._kept:
            self._looser = True  # nobody knows yet
            return {"$ref": ref}
        before, self._looser = self._looser, False
        if name not in self._made:
            self._made[name] = self.of(self._definitions[name]), self._looser
        form, looser = self._made[name]
        self._looser = before or looser
        return form


def _plainer(form: Json) -> tuple[Json, bool]:
    """Return it without what not all take, and whether it accepts more then.

    That is `const`, patterns that Python cannot read, and members that are never there.
    """
    other: Json = {}
    if "const" in form and not isinstance(form["const"], dict | list):
        other["enum"] = [form["const"]]
    if not all(map(_is_pythonic, form.get("patternProperties", ()))):
        other["additionalProperties"] = {}
    if False in form.get("properties", {}).values():
        other["properties"] = {name: each for name, each in form["properties"].items() if each is not False}
    gone = {"const"} & form.keys() if "enum" in other else set()
    gone |= {"patternProperties"} if "additionalProperties" in other else set()
    gone |= {"pattern"} if "pattern" in form and not _is_pythonic(form["pattern"]) else set()
    if not gone and not other:
        return form, False
    left = {keyword: value for keyword, value in form.items() if keyword not in gone}
    return {**left, **other}, bool(gone - {"const"}) or "properties" in other


def _is_pythonic(pattern: str) -> bool:
    return len(pattern) <= _LONGEST_PATTERN and _is_parsed(pattern)


@lru_cache(maxsize=4_096)
def _is_parsed(pattern: str) -> bool:
    """Whether Python reads it. It is not compiled: that goes through all characters of each class, for 10 ms each."""
    try:
        with warnings.catch_warnings(action="ignore"):
            _parser.parse(pattern)
    except (re.error, OverflowError, RecursionError):
        return False
    return True


def _stands_alone(keyword: str, schema: Json) -> bool:
    """Whether what the keyword holds has a type of its own, or that of the schema if this is one type."""
    return keyword != "allOf" and (keyword not in ALTERNATIVES or schema.get("type").__class__ is not list)


def _of_one_type(form: Json) -> tuple[Json, bool]:
    """Return it with the type that it is about, and what it requires among its members; and whether it accepts more.

    Model APIs demand it (docs/decisions/0024). What states no type is taken for what its keywords are about; literally
    it accepts texts and numbers too, which nobody means.
    """
    form = form if form.keys().isdisjoint(_CONTAINERS) else _of_one_kind(form)
    known = form.get("properties", {})
    missing = [name for name in form.get("required", ()) if name not in known]
    if form.get("type") != "object" or not missing:
        return form, False
    further = form.get("additionalProperties")
    added = dict.fromkeys(missing, further if isinstance(further, dict) else {})
    return {**form, "properties": {**known, **added}}, further is False or "unevaluatedProperties" in form


def _of_one_kind(form: Json) -> Json:
    """Return it without what is about members or items of other types; what is about these alone has their type."""
    stated = form.get("type")
    if isinstance(stated, str) or not any(isinstance(each, dict | list) for each in form.get("enum", ({},))):
        other = _CONTAINERS - _ONLY_OF.get(str(stated), frozenset())
        return form if form.keys().isdisjoint(other) else {key: each for key, each in form.items() if key not in other}
    kinds = [kind for kind, keywords in _ONLY_OF.items() if not form.keys().isdisjoint(keywords)]
    if stated is not None or len(kinds) > 1 or not form.keys().isdisjoint(_OF_OTHERS):
        return form
    (kind,), parts = kinds, form.get("allOf", ())
    branches = [each for keyword in ALTERNATIVES for each in form.get(keyword, ())]
    if any(_type_of(each) != kind for each in branches) or any(_type_of(each, kind) != kind for each in parts):
        return form
    return {**form, "type": kind, **({"allOf": [{**each, "type": kind} for each in parts]} if parts else {})}


def _type_of(part: Value, otherwise: str | None = None) -> Value:
    """Return the type that a part states; `otherwise` for one that may be about any."""
    if not isinstance(part, dict) or not part.keys().isdisjoint({*_OF_OTHERS, *ALTERNATIVES, "allOf"}):
        return None
    return part.get("type", otherwise)


def _apart(form: Json) -> Json:
    """Return one alternative for each type whose keywords say something about its members or items."""
    types = form["type"]
    own = [name for name in types if name == "array" or not form.keys().isdisjoint(_ONLY_OF.get(name, ()))]
    if not own:
        return form
    said = {keyword: value for keyword, value in form.items() if keyword in ANNOTATIONS}
    rest = {keyword: value for keyword, value in form.items() if keyword not in {*ANNOTATIONS, "type"}}
    plain = {keyword: value for keyword, value in rest.items() if keyword not in _CONTAINERS}
    of_own = [{key: value for key, value in rest.items() if key in _ONLY_OF[name] or key in plain} for name in own]
    branches = [_with_items({"type": name, **said_of}) for name, said_of in zip(own, of_own, strict=True)]
    if others := [name for name in types if name not in {*own, "null"}]:
        branches.append({"type": others[0] if len(others) == 1 else others, **plain})
    if "null" in types:
        branches.append({"type": "null", **plain})
    return {**said, "anyOf": branches} if len(branches) > 1 else {**said, **branches[0]}


def _with_items(form: Json) -> Json:
    """Return it with `items` that are an object, if it is about an array."""
    items = form.get("items")
    if isinstance(items, dict) or (form.get("type") != "array" and form.keys().isdisjoint({"items", "prefixItems"})):
        return form
    result = {**form, "items": {}}
    if items is False:
        first = len(form.get("prefixItems", ()))
        result["maxItems"] = min(first, form.get("maxItems", first))
    return result


def _types_only(form: Json) -> Json:
    arguments = {
        name: {key: each[key] for key in ("type", "items") if key in each} for name, each in form["properties"].items()
    }
    return {key: value for key, value in form.items() if key != "$defs"} | {"properties": arguments}
