"""Keys that an object has twice, which neither JSON (RFC 8259 section 4) nor YAML (1.2 section 3.2.1.1) allows.

Parsers keep one of them and say nothing. Authors paste a path twice, one with each method.
"""

import json
from collections.abc import Iterable

from app.operation.operation import Json, Value
from app.operation.pointers import join

UNITED = {"", "/paths", "/components"}  # objects of which the members are put together
MOST_TWICE = 1_000  # keys


def twice_in_json(data: bytes, tree: Value) -> list[str]:
    """Return pointers to the keys that the JSON has twice, and add to the tree what its paths lost."""
    lost: dict[int, list[tuple[str, Value]]] = {}

    def built(pairs: list[tuple[str, Value]]) -> Json:
        made = dict(pairs)
        if len(made) < len(pairs):
            lost[id(made)] = [(key, value) for key, value in pairs if value is not made[key]]
            kept.append(made)
        return made

    kept: list[Json] = []  # so that no other has the id of one of them
    try:
        pending: list[tuple[Value, str]] = [(json.loads(data, object_pairs_hook=built), "")]
    except RecursionError:
        return [""]
    twice: list[str] = []
    while pending and len(twice) < MOST_TWICE:
        node, pointer = pending.pop()
        for key, value in lost.get(id(node), ()):
            twice.append(join(pointer, key))
            if pointer in UNITED:
                holder = tree if pointer == "" else tree[pointer[1:]]
                holder[key], again = merged(value, holder[key])
                twice += (join(pointer, key, name) for name in again)
        items = node.items() if isinstance(node, dict) else enumerate(node)
        pending.extend((item, join(pointer, key)) for key, item in items if isinstance(item, dict | list))
    return twice


def merged(first: Value, second: Value) -> tuple[Value, Iterable[str]]:
    """Return two objects under one key as one, and the names that both have."""
    if not isinstance(first, dict) or not isinstance(second, dict):
        return second, ()
    return {**first, **second}, [name for name in second if name in first]
