"""Bytes to a tree of JSON values, within limits: JSON, and YAML 1.2. Slow for large documents.

YAML is built from the parser's events, so that limits are noticed in time. Its core schema has no dates, no `on` or
`yes`, no base 60; all keys are strings. An alias shares what its anchor built, and counts each time it is used.
"""

import codecs
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import orjson
import yaml
from yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)

from app.errors import Invalid, Violation
from app.openapi.document.duplicates import MOST_TWICE, UNITED, merged, twice_in_json
from app.operation.naming import LONGEST_GIVEN
from app.operation.operation import Json, Value
from app.operation.pointers import join

_TEXT = re.compile(rb'"(?:[^"\\]++|\\.)*+"', re.DOTALL)
_KEY = re.compile(rb'(?<!\\)"\s*:')  # ends one, but for a text that begins with a colon or a backslash at its end
_BYTE_ORDER_MARKS = (  # YAML 1.2 section 5.2; the longer ones first, because one begins with another
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_TAG = "tag:yaml.org,2002:"
_TEXT_TAGS = {"!", f"{_TAG}str", f"{_TAG}binary", f"{_TAG}timestamp"}
_PLAIN_TAGS = {f"{_TAG}{name}" for name in ("null", "bool", "int", "float")}
_COLLECTION_TAGS = {"!", f"{_TAG}map", f"{_TAG}seq"}
_CONSTANTS = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_FIRST_OF_NO_TEXT = frozenset({"", *"~nNtTfF+-.0123456789"})
_INTEGER = re.compile(r"[-+]?[0-9]{1,400}")
_OTHER_BASE = re.compile(r"0o[0-7]{1,400}|0x[0-9a-fA-F]{1,400}")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")
_VALUES_OF_A_SCHEMA = frozenset({"const", "default", "enum", "example"})
_TYPES_OF_TEXTS = ("string", ["string"], ["string", "null"], ["null", "string"])
_UNSET: Value = object()
_MERGE: Value = object()


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits for one document with all its files. Most are a setting `SOURCE_MAX_…`, which the refusal names.

    The largest real documents have some 260,000 values and are 30 containers deep.
    """

    nodes: int = 1_000_000  # values; those behind a YAML alias count each time
    alias_nodes: int = 250_000  # … of these, behind aliases
    depth: int = 200  # nested containers
    files: int = 5_000  # besides the document itself
    operations: int = 10_000
    tool_bytes: int = 32_768  # of one tool
    list_bytes: int = 10_485_760  # of all tools of the document
    tool_name_length: int = LONGEST_GIVEN  # characters of an MCP name that is given now (TOOL_NAME_LENGTH)


@dataclass(frozen=True, slots=True)
class File:
    """The bytes of a document, or of a file that it refers to, as they came."""

    data: bytes
    content_type: str | None = None


class Tree(NamedTuple):
    """What a file holds, the number of its values, and pointers to keys that it has twice.

    The last of such keys counts; of paths and components what is in either.
    """

    root: Value
    nodes: int
    twice: Sequence[str]


def read_root(file: File, limits: Limits) -> Tree:
    """Return the document in the file, an object. Raises Invalid("invalid_document")."""
    tree = read_tree(file, limits)
    if not isinstance(tree.root, dict):
        raise refused(f"is {_kind(tree.root)} at the top, not an object with the fields of an OpenAPI document")
    return tree


def read_tree(file: File, limits: Limits) -> Tree:
    """Return what the file holds. Raises Invalid("invalid_document")."""
    data = _in_utf8(file.data)
    start = data.lstrip()[:1]
    if not start:
        raise refused("is empty")
    if start == b"<":
        raise refused("is HTML or XML, such as a page about the API; give the OpenAPI document itself, in JSON or YAML")
    if start in {b"{", b"["}:
        try:
            return _read_json(data, limits)
        except orjson.JSONDecodeError as error:
            text = _decoded(data)
            if "yaml" not in (file.content_type or "").lower():
                raise refused(f"is not valid JSON: {error}") from None
            return _read_yaml(text, limits)
    return _read_yaml(_decoded(data), limits)


def _in_utf8(data: bytes) -> bytes:
    """Return the text in UTF-8, without a byte order mark."""
    for mark, encoding in _BYTE_ORDER_MARKS:
        if data.startswith(mark):
            return _decoded(data, encoding).encode()
    return data


def _read_json(data: bytes, limits: Limits) -> Tree:
    """Raises orjson.JSONDecodeError too."""
    # Counted before anything is built; commas inside texts are only looked for where they decide.
    if _marks(data) >= limits.nodes and _marks(_TEXT.sub(b"0", data)) >= limits.nodes:
        raise refused(f"has more than {limits.nodes:,} values (SOURCE_MAX_NODES)")
    try:
        tree = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        if error.msg.startswith("depth limit"):
            raise _too_deep(limits) from None
        raise
    nodes, members = _counted(tree, limits)
    return Tree(tree, nodes, [] if _has_members(data, members) else twice_in_json(data, tree))


def _has_members(data: bytes, number: int) -> bool:
    """Whether the JSON has just so many keys: the cheapest way that is sure comes first."""
    if data.count(b'":') - data.count(b'\\":') == number and b'" :' not in data:
        return True
    return len(_KEY.findall(data)) == number or _TEXT.sub(b"", data).count(b":") == number


def _marks(data: bytes) -> int:
    """Every value except the first follows a comma or the bracket of a container that is not empty."""
    return sum(map(data.count, (b",", b"[", b"{"))) - data.count(b"[]") - data.count(b"{}")


def _counted(tree: Value, limits: Limits) -> tuple[int, int]:
    """Return how many values there are, and how many of them are members of objects."""
    pending: list[tuple[Value, int, str]] = [(tree, 1, "")]
    count, members = 1, 0
    while pending:
        node, depth, pointer = pending.pop()
        if depth > limits.depth:
            raise _too_deep(limits, pointer)
        count += len(node)
        items = node.items() if isinstance(node, dict) else enumerate(node)
        members += len(node) if isinstance(node, dict) else 0
        pending.extend((item, depth + 1, join(pointer, key)) for key, item in items if isinstance(item, dict | list))
    return count, members


def _decoded(data: bytes, encoding: str = "utf-8") -> str:
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        raise refused(f"is not {error.encoding.upper()} text: byte {error.start} cannot be read") from None


def _kind(value: object) -> str:
    return "a list" if isinstance(value, list) else "a single value"


@dataclass(slots=True)
class _Open:
    """A container that is being filled; `nodes` counts the values in it, those behind aliases included.

    `written`: how the values of a schema that are not texts were written; within it, how those of its `enum` were.
    """

    value: Json | list[Value]
    anchor: str | None
    key: Value = _UNSET
    merged: list[Json] = field(default_factory=list)
    nodes: int = 1
    written: dict[Value, Value] | None = None

    def write_down(self, written: Value) -> None:
        """Remember how the value was written that is to be placed next, where it may turn out to be a text."""
        if isinstance(self.value, list) and self.written is not None:
            self.written[len(self.value)] = written
        elif isinstance(self.value, dict) and self.key in _VALUES_OF_A_SCHEMA:
            self.written = {**(self.written or {}), self.key: written}


def _read_yaml(text: str, limits: Limits) -> Tree:
    """Return the one YAML document in the text. Raises Invalid("invalid_document")."""
    tree = _Builder(limits)
    try:
        for event in yaml.parse(text, Loader=yaml.CSafeLoader):
            tree.take(event)
    except yaml.YAMLError as error:
        if "nesting depth" in _problem_of(error):  # the parser's own limit, which may come before we see the events
            raise _too_deep(limits) from None
        raise refused(f"is neither valid JSON nor valid YAML: {_problem_of(error)}") from None
    return Tree(tree.root, tree.nodes, tree.twice)


class _Builder:
    def __init__(self, limits: Limits) -> None:
        self.root: Value = None
        self.nodes = 0
        self.twice: list[str] = []
        self._limits = limits
        self._open: list[_Open] = []
        self._anchors: dict[str, tuple[Value, int]] = {}
        self._alias_nodes = 0
        self._documents = 0

    def take(self, event: Event) -> None:
        if isinstance(event, ScalarEvent):
            self._scalar(event)
        elif isinstance(event, MappingStartEvent):
            self._start({}, event)
        elif isinstance(event, SequenceStartEvent):
            self._start([], event)
        elif isinstance(event, MappingEndEvent | SequenceEndEvent):
            self._end()
        elif isinstance(event, AliasEvent):
            self._alias(event)
        elif isinstance(event, DocumentStartEvent):
            self._documents += 1
            if self._documents > 1:
                raise refused(f"is followed by another document {_line(event)}; give only one")

    def _scalar(self, event: ScalarEvent) -> None:
        parent = self._open[-1] if self._open else None
        if parent is not None and isinstance(parent.value, dict) and parent.key is _UNSET:
            parent.key = _MERGE if event.value == "<<" and event.implicit[0] else event.value
            if event.anchor:
                self._anchors[event.anchor] = (event.value, 1)
            return
        value = _scalar_value(event)
        if event.anchor:
            self._anchors[event.anchor] = (value, 1)
        if parent is not None and value is not None and not isinstance(value, str):
            parent.write_down(event.value)
        self._count(1)
        self._place(value, 1)

    def _start(self, value: Json | list[Value], event: MappingStartEvent | SequenceStartEvent) -> None:
        if event.tag is not None and event.tag not in _COLLECTION_TAGS:
            raise refused(f"uses the YAML tag {event.tag!r} {_line(event)}, which JSON does not have")
        if self._open and isinstance(self._open[-1].value, dict) and self._open[-1].key is _UNSET:
            raise refused(f"has a key that is not text {_line(event)}")
        if len(self._open) >= self._limits.depth:
            raise _too_deep(self._limits)
        listed = isinstance(value, list) and bool(self._open) and self._open[-1].key == "enum"
        self._open.append(_Open(value, event.anchor, written={} if listed else None))

    def _end(self) -> None:
        done = self._open.pop()
        if isinstance(done.value, dict):
            for merged in done.merged:
                for key, value in merged.items():
                    done.value.setdefault(key, value)
            if done.written and done.value.get("type") in _TYPES_OF_TEXTS:
                _make_texts(done.value, done.written)
        elif done.written:
            self._open[-1].write_down(done.written)
        if done.anchor:
            self._anchors[done.anchor] = (done.value, done.nodes)
        self._count(1)
        self._place(done.value, done.nodes)

    def _alias(self, event: AliasEvent) -> None:
        where = _line(event)
        if event.anchor not in self._anchors or any(each.anchor == event.anchor for each in self._open):
            raise refused(f"has an alias to something that is not complete before it {where}")
        value, nodes = self._anchors[event.anchor]
        self._alias_nodes += nodes
        if self._alias_nodes > self._limits.alias_nodes:
            raise refused(
                f"grows by aliases to more than {self._limits.alias_nodes:,} values (SOURCE_MAX_ALIAS_NODES) {where}"
            )
        parent = self._open[-1]
        if isinstance(parent.value, dict) and parent.key is _UNSET:
            if isinstance(value, dict | list):
                raise refused(f"has a key that is not text {where}")
            parent.key = value if isinstance(value, str) else str(value)
            return
        self._count(nodes)
        self._place(value, nodes)

    def _count(self, nodes: int) -> None:
        self.nodes += nodes
        if self.nodes > self._limits.nodes:
            raise refused(f"has more than {self._limits.nodes:,} values (SOURCE_MAX_NODES)")

    def _place(self, value: Value, nodes: int) -> None:
        if not self._open:
            self.root = value
            return
        parent = self._open[-1]
        parent.nodes += nodes
        if isinstance(parent.value, list):
            parent.value.append(value)
            return
        if parent.key is _MERGE:
            parent.merged += _to_merge(value)
        else:
            if parent.key in parent.value and len(self.twice) < MOST_TWICE:
                value = self._twice(parent, value)
            parent.value[parent.key] = value
        parent.key = _UNSET

    def _twice(self, parent: _Open, value: Value) -> Value:
        """Note that the key is there already; return what counts."""
        above = [each.key if isinstance(each.value, dict) else len(each.value) for each in self._open[:-1]]
        place = join("", *map(str, above))
        self.twice.append(join(place, parent.key))
        if place not in UNITED:
            return value
        value, again = merged(parent.value[parent.key], value)
        self.twice += (join(place, parent.key, name) for name in again)
        return value


def _make_texts(holder: Value, written: Mapping[Value, Value]) -> None:
    """Make texts of the values of a schema for texts, as they were written: `1.10` and `01` are no numbers there."""
    for key, how in written.items():
        if isinstance(how, dict) and isinstance(holder[key], list):  # of a key given twice the last value counts
            _make_texts(holder[key], {number: text for number, text in how.items() if number < len(holder[key])})
        elif not isinstance(how, dict) and not isinstance(holder[key], str | list | dict):
            holder[key] = how


def _to_merge(value: Value) -> list[Json]:
    sources = value if isinstance(value, list) else [value]
    if not all(isinstance(source, dict) for source in sources):
        raise refused("merges (`<<`) something that is not a mapping")
    return sources


def _scalar_value(event: ScalarEvent) -> Value:
    if event.tag in _TEXT_TAGS or (event.tag is None and not event.implicit[0]):
        return event.value
    if event.tag is not None and event.tag not in _PLAIN_TAGS:
        raise refused(f"uses the YAML tag {event.tag!r} {_line(event)}, which JSON does not have")
    return _plain_value(event)


def _plain_value(event: ScalarEvent) -> Value:
    text = event.value
    if text[:1] not in _FIRST_OF_NO_TEXT:
        return text
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    if _INTEGER.fullmatch(text) or _OTHER_BASE.fullmatch(text):
        whole = int(text, 0 if text[:2] in {"0o", "0x"} else 10)
        if -(2**63) <= whole < 2**64:
            return whole
        text = str(whole)  # beyond 64 bits it is a float, as for the JSON parser
    if _FLOAT.fullmatch(text) and math.isfinite(float(text)):
        return float(text)
    if _FLOAT.fullmatch(text) or _NOT_FINITE.fullmatch(text):
        raise refused(f"has the number {text[:40]} {_line(event)}, which JSON does not have")
    return text


def _line(event: Event) -> str:
    return f"(line {event.start_mark.line + 1})" if event.start_mark is not None else ""


def _problem_of(error: yaml.YAMLError) -> str:
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or "it cannot be parsed"
    return f"{problem} (line {mark.line + 1}, column {mark.column + 1})" if mark is not None else str(problem)


def refused(why: str, pointer: str = "") -> Invalid:
    """Return the error for a document that cannot be used as a whole: `The document …`."""
    return Invalid("invalid_document", f"The document {why}.", [Violation(pointer, why)])


def _too_deep(limits: Limits, pointer: str = "") -> Invalid:
    """Return the error for a document that is nested deeper than it may be."""
    return refused(f"is nested deeper than {limits.depth} levels (SOURCE_MAX_DEPTH)", pointer)
