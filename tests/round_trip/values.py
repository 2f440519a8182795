"""Values that a tool's input schema allows, or nearly: what slips through is refused by the tool and counted."""

import base64
import string
from collections.abc import Mapping
from typing import Any

from hypothesis import strategies as st

from app.operation.operation import Json

_DEEPEST = 6  # schemas in schemas; below that only what is required
_MOST_ITEMS = 3
_MOST_OPTIONAL = 4  # members of an object that need not be there
_WHOLE = 2**53 - 1
_SIMPLE = ("string", "integer", "number", "boolean")
_BASE64 = st.binary(min_size=1, max_size=12).map(lambda data: base64.b64encode(data).decode())
_PRINTABLE = st.characters(min_codepoint=32, max_codepoint=126)

ANYTHING = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\x1f"), min_size=1, max_size=10)
PLAIN = st.text(string.ascii_letters + string.digits + "-_ ", min_size=1, max_size=10).map(
    lambda text: text.strip() or "x"
)


class Values:
    """Draws values for the schemas of one tool; `texts` is what a string without a rule of its own may be."""

    def __init__(self, draw: st.DrawFn, root: Json, texts: st.SearchStrategy[str]) -> None:
        self._draw = draw
        self._definitions: Mapping[str, Json] = root.get("$defs", {})
        self._texts = texts

    def of(self, schema: Any, depth: int = 0) -> Any:
        schema = self._flat(schema)
        if "const" in schema:
            return schema["const"]
        if schema.get("enum"):
            return self._draw(st.sampled_from(schema["enum"]))
        kind = self._kind(schema, depth)
        if kind in {"object", "array"}:
            return self._object(schema, depth) if kind == "object" else self._array(schema, depth)
        return self._scalar(kind, schema)

    def _scalar(self, kind: str, schema: Json) -> Any:
        match kind:
            case "boolean":
                return self._draw(st.booleans())
            case "integer":
                return self._integer(schema)
            case "number":
                return self._number(schema)
            case "null":
                return None
            case _:
                return self._text(schema)

    def _flat(self, schema: Any) -> Json:
        """One schema of what a reference, all of `allOf` and one branch of the alternatives say together."""
        if not isinstance(schema, dict):
            return {}
        merged = {name: value for name, value in schema.items() if name not in {"$ref", "allOf", "anyOf", "oneOf"}}
        parts = list(schema.get("allOf", ()))
        if "$ref" in schema:
            parts.append(self._definitions[schema["$ref"].removeprefix("#/$defs/")])
        for alternatives in (schema.get("oneOf"), schema.get("anyOf")):
            parts += [self._draw(st.sampled_from(alternatives))] if alternatives else []
        for part in parts:
            merged = _both(merged, self._flat(part))
        return merged

    def _kind(self, schema: Json, depth: int) -> str:
        stated = schema.get("type")
        if isinstance(stated, str):
            return stated
        if isinstance(stated, list):
            kinds: list[str] = [kind for kind in stated if kind != "null"] or ["null"]
            return self._draw(st.sampled_from(kinds))
        if "properties" in schema:
            return "object"
        if "items" in schema:
            return "array"
        return self._draw(st.sampled_from(_SIMPLE)) if depth else "string"

    def _object(self, schema: Json, depth: int) -> Json:
        members: Json = schema.get("properties", {})
        required = [name for name in schema.get("required", ()) if isinstance(name, str)]
        optional = [] if depth >= _DEEPEST else [name for name in members if name not in required]
        chosen = (
            self._draw(st.lists(st.sampled_from(optional), unique=True, max_size=_MOST_OPTIONAL)) if optional else []
        )
        fewest = max(schema.get("minProperties", 0), 0 if required or chosen else 1)
        value = {name: self.of(members.get(name, {}), depth + 1) for name in [*required, *chosen]}
        extra = schema.get("additionalProperties", True)
        while len(value) < fewest and extra is not False:
            value[self._draw(self._texts)] = self.of(extra, depth + 1)
        if not value and optional:
            name = self._draw(st.sampled_from(optional))
            value[name] = self.of(members[name], depth + 1)
        return value

    def _array(self, schema: Json, depth: int) -> list[Any]:
        fewest = max(schema.get("minItems", 0), 0 if depth >= _DEEPEST else 1)
        most = max(fewest, min(schema.get("maxItems", _MOST_ITEMS), _MOST_ITEMS))
        size = self._draw(st.integers(fewest, most)) if depth < _DEEPEST else fewest
        items = [self.of(schema.get("items", {"type": "string"}), depth + 1) for _ in range(size)]
        return [each for number, each in enumerate(items) if each not in items[:number]] or items[:1]

    def _integer(self, schema: Json) -> int:
        low, high = _bounds(schema, -_WHOLE, _WHOLE)
        step = int(schema.get("multipleOf", 1)) or 1
        low, high = -(-int(low) // step), int(high) // step
        return self._draw(st.integers(low, max(low, high))) * step

    def _number(self, schema: Json) -> float:
        low, high = _bounds(schema, -1e9, 1e9)
        return round(self._draw(st.floats(low, max(low, high))), 3)

    def _text(self, schema: Json) -> str:
        if schema.get("contentEncoding") == "base64":
            return self._draw(_BASE64)
        if "pattern" in schema:
            return self._draw(st.from_regex(str(schema["pattern"]), alphabet=_PRINTABLE))
        fewest: int = schema.get("minLength", 1)
        text = self._draw(self._texts)[: schema.get("maxLength")]
        return text + "x" * (fewest - len(text))


def _both(one: Json, other: Json) -> Json:
    merged = {**one, **other}
    if "properties" in one and "properties" in other:
        merged["properties"] = {**one["properties"], **other["properties"]}
    if "required" in one and "required" in other:
        merged["required"] = list(dict.fromkeys([*one["required"], *other["required"]]))
    return merged


def _bounds(schema: Json, low: float, high: float) -> tuple[float, float]:
    low = max(low, schema.get("minimum", low), schema.get("exclusiveMinimum", low - 1) + 1)
    high = min(high, schema.get("maximum", high), schema.get("exclusiveMaximum", high + 1) - 1)
    return low, high
