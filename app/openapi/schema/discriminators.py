"""Discriminator Objects (OAS 3.1.1 section 4.8.25; a text in Swagger 2.0): which value of a member means which schema.

Each branch says its value, so that a model can follow and a check can tell the branches apart. A base without branches
stands for the schemas that extend it.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from app.openapi.schema.dialects import Say
from app.openapi.schema.meaning import Meaning, View
from app.operation.keywords import ALTERNATIVES
from app.operation.operation import Json, Value
from app.operation.pointers import References, Unresolvable, last_name

_LIBRARIES = ("#/components/schemas/", "#/definitions/")
_OWN_VALUE = "x-ms-discriminator-value"
_KEPT = ("title", "description")  # of a base


def told(schema: Json, pointer: str, view: View, meaning: Meaning, say: Say) -> Json:
    """Return the schema at the pointer, with its discriminator as constraints of its branches.

    `say` is called with what could not be kept.
    """
    kind = _discriminator_of(schema, meaning.references)
    rest = {keyword: value for keyword, value in schema.items() if keyword != "discriminator"}
    if kind is None:
        return rest
    tags = _Tags(kind, meaning)
    stated = {keyword for keyword in ALTERNATIVES if isinstance(schema.get(keyword), list)}
    if stated:
        extending = (meaning.extending(pointer) if view.itself else None) or frozenset()
        branches = {keyword: [tags.told(each) for each in schema[keyword]] for keyword in stated}
        if any(tags.target(each) in extending for keyword in stated for each in schema[keyword]):
            return {keyword: value for keyword, value in rest.items() if keyword not in stated}  # a subtype reads it
        return rest | branches
    subtypes = [] if view.itself else _subtypes(pointer, kind, meaning)
    kept = {keyword: rest[keyword] for keyword in _KEPT if keyword in rest}
    if subtypes is None:
        say("too many schemas of the document extend others; any value is accepted")
        return kept
    if not subtypes:
        return rest
    return {**kept, "anyOf": [tags.told({"$ref": _fragment(each)}, always=True) for each in subtypes]}


@dataclass(frozen=True, slots=True)
class _Discriminator:
    """The member that tells, and the values that the document states for schemas, by their pointers."""

    member: str
    stated: Mapping[str, Sequence[str]]


def _discriminator_of(schema: Json, references: References) -> _Discriminator | None:
    found = schema.get("discriminator")
    member = found.get("propertyName") if isinstance(found, dict) else found
    if not isinstance(member, str):
        return None
    mapping = found.get("mapping") if isinstance(found, dict) else None
    stated: dict[str, list[str]] = {}
    for value, target in mapping.items() if isinstance(mapping, dict) else ():
        for pointer in _pointers(target, references):
            stated.setdefault(pointer, []).append(value)
    return _Discriminator(member, stated)


def _pointers(target: Value, references: References) -> Iterator[str]:
    """Yield where the target of a mapping leads, if anywhere: it is a name or a reference."""
    for ref in (*(f"{library}{target}" for library in _LIBRARIES), target):
        try:
            yield references.find(ref)[1]
        except Unresolvable:
            continue
        return


def _subtypes(base: str, kind: _Discriminator, meaning: Meaning) -> list[str] | None:
    """Return the schemas that a base stands for: those that are mapped, and what extends it and is not extended itself.

    Without a mapping the base may be meant as well, and each that extends it. Returns None where they are too many.
    """
    extending = meaning.extending(base)
    if extending is None:
        return None
    if kind.stated:
        last = [each for each in extending if not meaning.is_extended(each)]
        return list(dict.fromkeys([*kind.stated, *last]))
    return [*extending, base] if extending else []


@dataclass(frozen=True, slots=True)
class _Tags:
    kind: _Discriminator
    meaning: Meaning

    def told(self, branch: Value, *, always: bool = False) -> Value:
        """Return the branch with what it must say, if it refers to a schema of which that is known."""
        try:
            node, pointer = self.meaning.references.find(branch["$ref"])
        except (Unresolvable, LookupError, TypeError):
            return branch
        tag = self._tag(node, pointer)
        if tag is None and not always:
            return branch
        return {"properties": {self.kind.member: tag or {}}, "allOf": [branch]}

    def target(self, branch: Value) -> str | None:
        """Return where the branch refers to."""
        try:
            return self.meaning.references.find(branch["$ref"])[1]
        except (Unresolvable, LookupError, TypeError):
            return None

    def _tag(self, node: Value, pointer: str) -> Json | None:
        """Return a schema for the member, None where the branch's own schemas say enough.

        What the document states is meant. Where it states nothing, the name of the schema is (OAS 3.1.1 section
        4.8.25.3), but many a document does not mean that, so that the name is only shown.
        """
        said = self.meaning.said_of(self.kind.member, node, pointer)
        own = [values for each in said if (values := _values(each)) is not None]
        if any(each.get("type", "string") != "string" for each in said):
            return None
        mapped = self.kind.stated.get(pointer) or _own_value(node)
        if not mapped:
            return None if own else {"examples": [last_name(pointer)]}
        meant = [value for value in mapped if all(value in values for values in own)]
        if not meant or any(values.issubset(meant) for values in own):
            return None
        return {"const": meant[0]} if len(meant) == 1 else {"enum": meant}


def _own_value(node: Value) -> list[str]:
    value = node.get(_OWN_VALUE) if isinstance(node, dict) else None
    return [value] if isinstance(value, str) else []


def _values(schema: Json) -> set[str] | None:
    """Return the texts that a schema allows, None where it allows any."""
    stated = [schema["const"]] if "const" in schema else schema.get("enum")
    return {each for each in stated if isinstance(each, str)} if isinstance(stated, list) else None


def _fragment(pointer: str) -> str:
    return f"#{pointer.replace('%', '%25')}"
