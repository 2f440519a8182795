"""The examples of an operation, and the one of a body of which a schema says little, as a model can read it."""

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice

import orjson

from app.openapi.schema.definitions import Shown
from app.operation.media_types import Kind
from app.operation.operation import Json, Value, size_of
from app.operation.pointers import References, Unresolvable, join
from app.operation.text import is_presentable, shortened

_LARGEST = 1_500  # bytes
_VALUES_OF_EXAMPLES = ("value", "dataValue")  # the latter in OAS 3.2
_TELLING = ("$ref", "allOf", "anyOf", "const", "enum", "if", "oneOf", "patternProperties", "prefixItems", "properties")
_EMPTY: tuple[Value, ...] = (None, "", {}, [])
_NOTHING: tuple[Value, ...] = (None, True, False, {})
_JSON_TEXT = ("{", "[")


@dataclass(frozen=True, slots=True)
class _Amount:
    """How much of an example is shown: characters of a text, items of a list, members of an object, levels."""

    characters: int
    items: int
    members: int
    levels: int


_AMOUNTS = (_Amount(_LARGEST, _LARGEST, _LARGEST, 60), _Amount(200, 2, 20, 8))


def says_little(schema: Value) -> bool:
    """Whether nobody learns from the schema what is in a value of it."""
    if not isinstance(schema, dict):
        return True
    inner = (schema.get("additionalProperties"), schema.get("items"))
    return not any(schema.get(keyword) for keyword in _TELLING) and all(each in _NOTHING for each in inner)


def one_example(stated: Iterable[Value], kind: Kind) -> list[Value] | None:
    """Return the first of the examples of a body of that kind that can be shown, made smaller if need be."""
    for each in stated:
        value = _read(each, kind)
        for amount in _AMOUNTS:
            with suppress(TypeError, _TooMuch):  # TypeError: a number that no JSON of ours has
                shown = _Showing(amount).of(value, amount.levels)
                if shown not in _EMPTY and size_of(shown) <= _LARGEST:
                    return [shown]
    return None


def _read(value: Value, kind: Kind) -> Value:
    """Authors write JSON as a text, too. Where a text or bytes are sent, anything else is no example of it."""
    if kind in {"text", "binary"}:
        return value if isinstance(value, str) and kind == "text" else None
    if not isinstance(value, str) or kind != "json" or not value.lstrip().startswith(_JSON_TEXT):
        return value
    try:
        return orjson.loads(value)
    except ValueError:
        return value


class _TooMuch(Exception):
    """More values than have room."""


class _Showing:
    """Copies a value as far as it is shown, and no further than there is room."""

    def __init__(self, amount: _Amount) -> None:
        self._amount = amount
        self._left = _LARGEST

    def of(self, value: Value, levels: int) -> Value:
        self._left -= 1
        if self._left < 0:
            raise _TooMuch
        if isinstance(value, str):
            return shortened(value[: 2 * _LARGEST], self._amount.characters)
        if isinstance(value, list):
            return [self.of(each, levels - 1) for each in value[: self._amount.items]] if levels else []
        if isinstance(value, dict):
            names = islice(filter(is_presentable, value), self._amount.members) if levels else ()
            return {name: self.of(value[name], levels - 1) for name in names}
        return value


def examples_of(raw: Json, pointer: str, references: References) -> tuple[Shown, ...]:
    """Return the examples of a Media Type Object or Parameter Object (OAS 3.1.1 sections 4.8.12 and 4.8.14)."""
    found = [Shown(raw["example"], join(pointer, "example"))] if raw.get("example") is not None else []
    stated = raw.get("examples")
    for name, each in stated.items() if isinstance(stated, dict) else ():
        try:
            example, place = references.follow(each, join(pointer, "examples", name))
        except Unresolvable:
            continue
        keywords = _VALUES_OF_EXAMPLES if isinstance(example, dict) else ()
        found += [Shown(example[keyword], join(place, keyword)) for keyword in keywords if keyword in example][:1]
    return tuple(found)
