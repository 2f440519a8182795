"""What an operation answers: the media types to ask for in `Accept`, and the shape of its JSON."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import orjson

from app.openapi.operations import swagger2
from app.openapi.schema.dialects import modernised
from app.operation.media_types import by_preference, is_media_type, kind_of
from app.operation.operation import Json, Value
from app.operation.pointers import References, Unresolvable
from app.operation.text import is_presentable, shortened

_MOST = 5  # media types in `Accept`
_LARGEST_SHAPE = 1_024  # bytes; a list of tools is read before any of them is called
_LONGEST_DESCRIPTION = 120  # characters
_ATTEMPTS = ((8, True), (4, False), (2, False), (1, False))  # containers in containers; described or not
_MOST_HOPS = 10  # from schema to schema about the same value
_COMBINATIONS = ("allOf", "anyOf", "oneOf")
_HOLDING = frozenset({"additionalProperties", "items", "properties", "required", *_COMBINATIONS})
_NOTHING: Json = {}


class Answers:
    """Reads the Responses Objects of one document."""

    def __init__(self, document: Json, references: References) -> None:
        self._produces = document.get("produces")
        self._references = references
        self._nodes: dict[int, Json] = {}
        self._shapes = {described: _Shapes(self.node, described=described) for described in (True, False)}

    def of(self, operation: Json) -> tuple[tuple[str, ...], Json | None]:
        """Return the media types of the successful responses, the preferred ones first, and the shape of their JSON.

        The shape is a schema without references; None if the answer may have several bodies or none. It says which
        members there are and of what type, in keywords that all validators treat alike, and accepts everything that the
        document accepts: no formats, bounds, patterns or `additionalProperties: false`, and what would take too many
        bytes is left open, the innermost first.
        """
        contents = self._contents(operation)
        return self._types(contents), self._shape(contents)

    def _contents(self, operation: Json) -> dict[str, Json]:
        """Return the Media Type Objects of each response by their names."""
        stated = operation.get("responses")
        stated = stated if isinstance(stated, dict) else {}
        responses = {str(status): self._followed(raw) for status, raw in stated.items()}
        produces = operation.get("produces") or self._produces
        if produces is not None or any("schema" in response for response in responses.values()):
            responses = swagger2.with_content(responses, produces)
        return {status: _media_of(response.get("content")) for status, response in responses.items()}

    def _followed(self, raw: Value) -> Json:
        try:
            response, _ = self._references.follow(raw, "")
        except Unresolvable:
            return {}
        return response if isinstance(response, dict) else {}

    def _types(self, contents: Mapping[str, Json]) -> tuple[str, ...]:
        found: dict[str, None] = {}
        for status, content in contents.items():
            if status[:1] == "2" or (status == "default" and not found):
                found.update(dict.fromkeys(content))
        return tuple(by_preference(found))[:_MOST]

    def _shape(self, contents: Mapping[str, Json]) -> Json | None:
        raw = _only_json(contents)
        for depth, described in _ATTEMPTS if raw is not None else ():
            try:
                shape = self._shapes[described].of(raw, depth).schema
            except _TooLarge:
                continue
            return None if shape.keys() <= {"description"} else shape
        return None

    def node(self, raw: Value) -> Json:
        """Return the Schema Object that is meant, in 2020-12; empty for anything else and for a broken reference."""
        if not isinstance(raw, dict):
            return _NOTHING
        node = self._nodes.get(id(raw))  # the document outlives this, so ids stay valid
        if node is None:
            node = self._nodes[id(raw)] = self._modern(raw)
        return node

    def _modern(self, raw: Json) -> Json:
        node = modernised(raw, _unsaid)
        if "$ref" not in node:
            return node
        try:
            target, _ = self._references.follow(node, "")
        except Unresolvable:
            return _NOTHING
        return node if target is node else self.node(target)


def _media_of(content: Value) -> Json:
    return {name: each for name, each in content.items() if is_media_type(name)} if isinstance(content, dict) else {}


def _only_json(contents: Mapping[str, Json]) -> Value:
    bodies = [content for status, content in contents.items() if status[:1] == "2" and content]
    if len(bodies) != 1:
        return None
    media_type = by_preference(bodies[0])[0]
    media = bodies[0][media_type]
    return media.get("schema") if kind_of(media_type) == "json" and isinstance(media, dict) else None


class _TooLarge(Exception):
    """More bytes than a shape may have."""


@dataclass(slots=True)
class _Shape:
    """A schema in the making, and its bytes; it ends as soon as these are used up, so that nothing can make it long."""

    schema: Json = field(default_factory=dict)
    size: int = 0

    def take(self, size: int) -> None:
        self.size += size
        if self.size > _LARGEST_SHAPE:
            raise _TooLarge


@dataclass(frozen=True, slots=True)
class _Members:
    """What a schema says of members, but for what is in them, and its bytes; `all_named`: none is kept back."""

    named: Json
    required: list[str]
    all_named: bool
    size: int


class _Shapes:
    """The shapes of one document's schemas, each made once for each depth: answers have most of them in common."""

    def __init__(self, node: Callable[[Value], Json], *, described: bool) -> None:
        self._node = node
        self._described = described
        self._made: dict[tuple[int, int, int], _Shape | None] = {}  # by the id of a node, as are all
        self._said: dict[int, _Shape] = {}
        self._members: dict[int, _Members] = {}

    def of(self, raw: Value, depth: int, hops: int = _MOST_HOPS) -> _Shape:
        """Return the shape with so many containers in containers. Raises _TooLarge."""
        node = self._node(raw)
        if depth and hops and _HOLDING.isdisjoint(node):
            depth = hops = 1  # it is the same at every depth
        key = id(node), depth, hops
        if key not in self._made:
            self._made[key] = None
            self._made[key] = self._make(node, depth, hops)
        if (shape := self._made[key]) is None:
            raise _TooLarge
        return shape

    def _make(self, node: Json, depth: int, hops: int) -> _Shape:
        shape = _Shape()
        said = self._note(node)
        shape.take(said.size)
        shape.schema |= said.schema
        if depth and hops:
            self._add_members(shape, node, depth - 1)
            one_kind = "items" in node and "prefixItems" not in node
            if one_kind and (inner := self._part(shape, node["items"], depth - 1)):
                shape.schema["items"] = inner
            for keyword in _COMBINATIONS:
                self._add_branches(shape, keyword, node.get(keyword), depth, hops - 1)
        return shape

    def _part(self, shape: _Shape, raw: Value, depth: int, hops: int = _MOST_HOPS) -> Json:
        """Return the schema of a part of a shape, which counts it."""
        part = self.of(raw, depth, hops)
        shape.take(part.size)
        return part.schema

    def _note(self, node: Json) -> _Shape:
        """Return what a schema says without those in it."""
        if (said := self._said.get(id(node))) is None:
            schema: Json = {
                keyword: node[keyword]
                for keyword in ("type", "enum", "const")
                if keyword in node and is_presentable(node[keyword])
            }
            if self._described and isinstance(node.get("description"), str):
                schema["description"] = shortened(node["description"], _LONGEST_DESCRIPTION)
            said = self._said[id(node)] = _Shape(schema, len(orjson.dumps(schema)))
        return said

    def _members_of(self, node: Json) -> _Members:
        if (members := self._members.get(id(node))) is None:
            stated = node.get("properties")
            stated = stated if isinstance(stated, dict) else {}
            named = {
                name: raw for name, raw in stated.items() if is_presentable(name) and not self._is_request_only(raw)
            }
            required = [name for name in _names(node.get("required")) if name in named or name not in stated]
            size = len(orjson.dumps([*named, *required]))
            shown = required if is_presentable(required) else []
            members = self._members[id(node)] = _Members(named, shown, len(named) == len(stated), size)
        return members

    def _add_members(self, shape: _Shape, node: Json, depth: int) -> None:
        members = self._members_of(node)
        shape.take(members.size)
        if members.named:
            shape.schema["properties"] = {name: self._part(shape, raw, depth) for name, raw in members.named.items()}
        if members.required:
            shape.schema["required"] = members.required
        if members.all_named and "patternProperties" not in node and "additionalProperties" in node:
            others = self._part(shape, node["additionalProperties"], depth)  # its meaning depends on all of the above
            if others:
                shape.schema["additionalProperties"] = others

    def _add_branches(self, shape: _Shape, keyword: str, raw: Value, depth: int, hops: int) -> None:
        branches = [self._part(shape, each, depth, hops) for each in raw] if isinstance(raw, list) else []
        if keyword == "allOf":
            branches = [branch for branch in branches if branch]
        if not branches or not all(branches):
            return
        # Of `oneOf` only this is kept, that one fits: without bounds and patterns another may too.
        shape.schema["allOf" if keyword == "allOf" else "anyOf"] = branches

    def _is_request_only(self, raw: Value) -> bool:
        return isinstance(raw, dict) and (raw.get("writeOnly") is True or self._node(raw).get("writeOnly") is True)


def _names(required: Value) -> list[str]:
    return [name for name in required if isinstance(name, str)] if isinstance(required, list) else []


def _unsaid(_: str) -> None:
    """Not reported: it changes nothing about what an agent can request."""
