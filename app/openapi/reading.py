"""Bytes to a tree of JSON values, within limits. Slow for large documents: callers keep it off the event loop."""

import re
from dataclasses import dataclass

import orjson

from app.openapi.limits import Limits, refused, too_deep
from app.openapi.yaml_tree import read_yaml
from app.operation.operation import Json, Value
from app.operation.pointers import join

_TEXT = re.compile(rb'"(?:[^"\\]++|\\.)*+"', re.DOTALL)
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class File:
    """The bytes of a document, or of a file that it refers to, as they came."""

    data: bytes
    content_type: str | None = None


def read_root(file: File, limits: Limits) -> tuple[Json, int]:
    """Return the document in the file and the number of its values. Raises Invalid("invalid_document")."""
    tree, nodes = read_tree(file, limits)
    if not isinstance(tree, dict):
        raise refused(f"is {_kind(tree)} at the top, not an object with the fields of an OpenAPI document")
    return tree, nodes


def read_tree(file: File, limits: Limits) -> tuple[Value, int]:
    """Return what the file holds and the number of its values. Raises Invalid("invalid_document")."""
    data = file.data.removeprefix(_BYTE_ORDER_MARK)
    start = data[:1_024].lstrip()[:1]
    if not start:
        raise refused("is empty")
    if start == b"<":
        raise refused("is HTML or XML; give the address of the OpenAPI document itself, in JSON or YAML")
    if start in {b"{", b"["} and "yaml" not in (file.content_type or "").lower():
        return _read_json(data, limits)
    return read_yaml(_decoded(data), limits)


def _read_json(data: bytes, limits: Limits) -> tuple[Value, int]:
    # Counted before anything is built; commas in texts are told apart only where that decides.
    if _marks(data) >= limits.nodes and _marks(_TEXT.sub(b"0", data)) >= limits.nodes:
        raise refused(f"has more than {limits.nodes:,} values (SOURCE_MAX_NODES)")
    try:
        tree = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        if error.msg.startswith("depth limit"):
            raise too_deep(limits) from None
        raise refused(f"is not valid JSON: {error}") from None
    return tree, _counted(tree, limits)


def _marks(data: bytes) -> int:
    """Each value but the first follows a comma or the bracket of a container that is not empty."""
    return sum(map(data.count, (b",", b"[", b"{"))) - data.count(b"[]") - data.count(b"{}")


def _counted(tree: Value, limits: Limits) -> int:
    pending: list[tuple[Value, int, str]] = [(tree, 1, "")]
    count = 1
    while pending:
        node, depth, pointer = pending.pop()
        if depth > limits.depth:
            raise too_deep(limits, pointer)
        count += len(node)
        items = node.items() if isinstance(node, dict) else enumerate(node)
        pending.extend((item, depth + 1, join(pointer, key)) for key, item in items if isinstance(item, dict | list))
    return count


def _decoded(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise refused(f"is not UTF-8 text: byte {error.start} cannot be read") from None


def _kind(value: object) -> str:
    return "a list" if isinstance(value, list) else "a single value"
