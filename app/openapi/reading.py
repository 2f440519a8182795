"""Bytes to a tree of JSON values, within limits. Slow for large documents: callers keep it off the event loop."""

import orjson

from app.openapi.limits import Limits, Watch, refused
from app.openapi.operation import Json, Value
from app.openapi.pointers import join
from app.openapi.yaml_tree import read_yaml

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def read_document(
    data: bytes, *, content_type: str | None, deadline: float | None = None, limits: Limits | None = None
) -> Json:
    """Return the document, written in JSON or in YAML 1.2 (core schema, keys as strings).

    `deadline` is a time of `time.monotonic`. Raises Invalid("invalid_document"), with a pointer where one is known.
    """
    data = data.removeprefix(_BYTE_ORDER_MARK)
    limits = limits or Limits()
    watch = Watch(deadline)
    start = data[:1_024].lstrip()[:1]
    if not start:
        raise refused("is empty")
    if start == b"<":
        raise refused("is HTML or XML; give the address of the OpenAPI document itself, in JSON or YAML")
    if start in {b"{", b"["} and "yaml" not in (content_type or "").lower():
        tree = _read_json(data, limits, watch)
    else:
        tree = read_yaml(_decoded(data), limits, watch)
    if not isinstance(tree, dict):
        raise refused(f"is {_kind(tree)} at the top, not an object with the fields of an OpenAPI document")
    return tree


def _read_json(data: bytes, limits: Limits, watch: Watch) -> Value:
    # Counted before anything is built; commas in texts are told apart only where that decides.
    if _marks(data, 0, len(data)) >= limits.nodes:
        _count_outside_texts(data.replace(b"\\\\", b"").replace(b'\\"', b""), limits, watch)
    watch.look()
    try:
        tree = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise refused(f"is not valid JSON: {error}") from None
    _check_depth(tree, limits, watch)
    return tree


def _marks(data: bytes, start: int, end: int) -> int:
    """Each value but the first follows a comma or the bracket of a container that is not empty."""
    opened = sum(data.count(mark, start, end) for mark in (b",", b"[", b"{"))
    return opened - data.count(b"[]", start, end) - data.count(b"{}", start, end)


def _count_outside_texts(data: bytes, limits: Limits, watch: Watch) -> None:
    """Expects data without escaped quotation marks."""
    position, count = 0, 1
    while position < len(data):
        watch.tick()
        text = data.find(b'"', position)
        start = len(data) if text < 0 else text
        count += _marks(data, position, start)
        if count > limits.nodes:
            raise refused(f"has more than {limits.nodes:,} values")
        end = data.find(b'"', start + 1)
        position = len(data) if end < 0 else end + 1


def _check_depth(tree: Value, limits: Limits, watch: Watch) -> None:
    pending: list[tuple[Value, int, str]] = [(tree, 1, "")]
    while pending:
        node, depth, pointer = pending.pop()
        watch.tick()
        if depth > limits.depth:
            raise refused(f"is nested deeper than {limits.depth} levels", pointer)
        items = node.items() if isinstance(node, dict) else enumerate(node)
        pending.extend((item, depth + 1, join(pointer, key)) for key, item in items if isinstance(item, dict | list))


def _decoded(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise refused(f"is not UTF-8 text: byte {error.start} cannot be read") from None


def _kind(value: object) -> str:
    return "a list" if isinstance(value, list) else "a single value"
