"""What an operation answers: the media types to ask for in `Accept`, and the shape of its JSON."""

from collections.abc import Callable, Mapping

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


class Answers:
    """Reads the Responses Objects of one document."""

    def __init__(self, document: Json, references: References) -> None:
        self._produces = document.get("produces")
        self._references = references
        self._nodes: dict[int, Json] = {}

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
                shape = _Shape(self.node, described=described).of(raw, depth)
            except _TooLarge:
                continue
            return None if shape.keys() <= {"description"} else shape
        return None

    def node(self, raw: Value) -> Json:
        """Return the Schema Object that is meant, in 2020-12; empty for anything else and for a broken reference."""
        if not isinstance(raw, dict):
            return {}
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
            return {}
        return modernised(target, _unsaid) if isinstance(target, dict) else {}


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


class _Shape:
    """One attempt; it ends as soon as the bytes are used up, so that no document can make it long."""

    def __init__(self, node: Callable[[Value], Json], *, described: bool) -> None:
        self._node = node
        self._described = described
        self._left = _LARGEST_SHAPE

    def of(self, raw: Value, depth: int, hops: int = _MOST_HOPS) -> Json:
        shape: Json = {}
        node = self._node(raw)
        self._note(shape, node)
        if depth and hops:
            self._members(shape, node, depth - 1)
            if "items" in node and "prefixItems" not in node and (inner := self.of(node["items"], depth - 1)):
                shape["items"] = inner
            for keyword in _COMBINATIONS:
                self._branches(shape, keyword, node.get(keyword), depth, hops - 1)
        return shape

    def _note(self, shape: Json, node: Json) -> None:
        for keyword in ("type", "enum", "const"):
            if keyword in node and is_presentable(node[keyword]):
                shape[keyword] = node[keyword]
        if self._described and isinstance(node.get("description"), str):
            shape["description"] = shortened(node["description"], _LONGEST_DESCRIPTION)
        self._take(shape)

    def _members(self, shape: Json, node: Json, depth: int) -> None:
        stated = node.get("properties")
        stated = stated if isinstance(stated, dict) else {}
        members = {name: raw for name, raw in stated.items() if is_presentable(name) and not self._is_request_only(raw)}
        required = [name for name in _names(node.get("required")) if name in members or name not in stated]
        self._take([*members, *required])
        if members:
            shape["properties"] = {name: self.of(raw, depth) for name, raw in members.items()}
        if required and is_presentable(required):
            shape["required"] = required
        if len(members) == len(stated) and "patternProperties" not in node and "additionalProperties" in node:
            others = self.of(node["additionalProperties"], depth)  # its meaning depends on all of the above
            if others:
                shape["additionalProperties"] = others

    def _branches(self, shape: Json, keyword: str, raw: Value, depth: int, hops: int) -> None:
        branches = [self.of(each, depth, hops) for each in raw] if isinstance(raw, list) else []
        if keyword == "allOf":
            branches = [branch for branch in branches if branch]
        if not branches or not all(branches):
            return
        # Of `oneOf` only this is kept, that one fits: without bounds and patterns another may too.
        shape["allOf" if keyword == "allOf" else "anyOf"] = branches

    def _is_request_only(self, raw: Value) -> bool:
        return isinstance(raw, dict) and (raw.get("writeOnly") is True or self._node(raw).get("writeOnly") is True)

    def _take(self, part: Value) -> None:
        self._left -= len(orjson.dumps(part))
        if self._left < 0:
            raise _TooLarge


def _names(required: Value) -> list[str]:
    return [name for name in required if isinstance(name, str)] if isinstance(required, list) else []


def _unsaid(_: str) -> None:
    """Not reported: it changes nothing about what an agent can request."""
