"""What schemas that apply to one value allow together, or, where they contradict each other, what each of them does."""

import math
from collections.abc import Sequence

import orjson

from app.operation.operation import Json, Value

_OF_TYPE = {
    "object": ("properties", "required", "additionalProperties", "minProperties", "unevaluatedProperties"),
    "array": ("items", "prefixItems", "minItems"),
    "string": ("pattern", "minLength", "maxLength", "format"),
    "number": ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"),
}
_ANY = ("string", "number", "object", "array", "boolean", "null")


def numbers_for(nodes: list[Json], *, whole: bool) -> list[Value]:
    """Return a number that is within all bounds, or, where they contradict each other, one for each side."""
    lower = [(node["minimum"], False) for node in nodes if "minimum" in node]
    lower += [(node["exclusiveMinimum"], True) for node in nodes if "exclusiveMinimum" in node]
    upper = [(node["maximum"], False) for node in nodes if "maximum" in node]
    upper += [(node["exclusiveMaximum"], True) for node in nodes if "exclusiveMaximum" in node]
    steps = [node["multipleOf"] for node in nodes if "multipleOf" in node]
    if (whole or steps) and all(isinstance(each, int) for each in steps):
        step = math.lcm(*steps) if steps else 1
        return _multiples([_inside(*each, 1) for each in lower], [_inside(*each, -1) for each in upper], step)
    if steps:
        return _multiples([each for each, _ in lower], [each for each, _ in upper], max(steps))
    return _between([each for each, _ in lower], [each for each, _ in upper])


def _inside(bound: Value, exclusive: bool, way: int) -> int:
    """Return the first whole number within a bound, upwards (1) or downwards (-1) from there."""
    nearest: int = math.ceil(bound) if way > 0 else math.floor(bound)
    return nearest + way if exclusive and nearest == bound else nearest


def _multiples(lower: list[Value], upper: list[Value], step: Value) -> list[Value]:
    if not lower:
        return [min(step, min(upper) // step * step) if upper else step]
    least = max(lower)
    if upper and least > min(upper):
        return [least, min(upper)]
    return [least if step == 1 else -(-least // step) * step]


def _between(lower: list[Value], upper: list[Value]) -> list[Value]:
    if not lower:
        return [min(upper) - 1 if upper else 1.5]
    if not upper:
        return [max(lower) + 1]
    least, most = max(lower), min(upper)
    return [(least + most) / 2] if least < most else [least, most]


def listed_in(nodes: list[Json]) -> list[Value]:
    """Return the values that all of the schemas list; where there are none, those that any of them lists."""
    lists = [
        [node["const"]] if "const" in node else node["enum"] for node in nodes if "const" in node or "enum" in node
    ]
    if not lists:
        return []
    others = [set(map(_told_apart, each)) for each in lists[1:]]
    common = [each for each in lists[0] if all(_told_apart(each) in listed for listed in others)]
    return common or [each[0] for each in lists]


def _told_apart(value: Value) -> Value:
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS) if isinstance(value, dict | list) else value


def types_of(nodes: list[Json], *, any_other: bool) -> list[str]:
    """Return the types that all of the schemas allow; where there are none, those that any of them states.

    Where none states any, the one that its keywords are about; with `any_other` others follow.
    """
    stated = [[each] if isinstance(each, str) else each for node in nodes if (each := node.get("type")) is not None]
    if not stated:
        said = {keyword for node in nodes for keyword in node}
        likely = next((kind for kind, words in _OF_TYPE.items() if not said.isdisjoint(words)), "string")
        return [likely, *(each for each in _ANY if each != likely)] if any_other else [likely]
    common = [each for each in stated[0] if all(_allows(types, each) for types in stated[1:])]
    common += [each for types in stated[1:] for each in types if each == "integer" and "number" in stated[0]]
    usual = [each for each in common if each != "null"] or common
    return usual or list(dict.fromkeys(each for types in stated for each in types))


def _allows(types: Sequence[str], kind: str) -> bool:
    return kind in types or (kind == "integer" and "number" in types)
