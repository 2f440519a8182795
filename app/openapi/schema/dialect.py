"""One Schema Object of Swagger 2.0 or OpenAPI 3 in the words of JSON Schema 2020-12. What is below it is not looked at.

Constructs of older drafts are taken as they were meant in any version, because documents mix them.
"""

from collections.abc import Callable
from functools import lru_cache

from jsonschema_rs import Draft202012Validator, RegexOptions, ValidationError, meta

from app.operation.operation import Json, Value
from app.operation.text import is_presentable

_TYPES = ("array", "boolean", "integer", "null", "number", "object", "string")
_COMBINATIONS = ("$ref", "allOf", "anyOf", "oneOf")
_ANNOTATIONS = ("title", "description", "default", "deprecated", "examples")
_VALUES = frozenset(  # keywords that hold no schemas, and that a tool's schema may have
    {
        "const",
        "contentEncoding",
        "contentMediaType",
        "default",
        "dependentRequired",
        "deprecated",
        "enum",
        "exclusiveMaximum",
        "exclusiveMinimum",
        "format",
        "maxContains",
        "maxItems",
        "maxLength",
        "maxProperties",
        "maximum",
        "minContains",
        "minItems",
        "minLength",
        "minProperties",
        "minimum",
        "multipleOf",
        "pattern",
        "required",
        "type",
        "uniqueItems",
    }
)
_LARGEST_EXAMPLE = 200  # characters, for texts; longer ones cost more than they tell
_PATTERNS = RegexOptions(size_limit=1_000_000)  # the engine that arguments are checked with: linear, so no look-around
_BOUNDS = (("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum"))

Say = Callable[[str], None]


def modernised(raw: Json, say: Say) -> Json:
    """Return a copy in 2020-12; `say` is told what could not be kept."""
    schema = dict(raw)
    for step in (_bounds, _file, _types, _required, _enumeration, _tuples, _examples, _base64):
        step(schema, say)
    return _nullable(schema)


def _bounds(schema: Json, _: Say) -> None:
    """OAS 3.0.4 section 4.7.24: `exclusiveMinimum` is a flag there."""
    for bound, exclusive in _BOUNDS:
        if isinstance(schema.get(exclusive), bool):
            flag = schema.pop(exclusive)
            if flag and bound in schema:
                schema[exclusive] = schema.pop(bound)


def _file(schema: Json, _: Say) -> None:
    """Swagger 2.0, Parameter Object and Response Object."""
    if schema.get("type") == "file":
        schema["type"] = "string"
        schema.setdefault("format", "binary")


def _types(schema: Json, say: Say) -> None:
    if "type" not in schema:
        return
    stated = schema.pop("type")
    names = [
        name.lower() if isinstance(name, str) else name for name in (stated if isinstance(stated, list) else [stated])
    ]
    known = list(dict.fromkeys(name for name in names if name in _TYPES))
    if len(known) < len(names) and stated is not None:
        say(f"the type {str(stated)[:40]!r} is no JSON type")
    if known:
        schema["type"] = known[0] if len(known) == 1 else known


def _required(schema: Json, say: Say) -> None:
    names = schema.get("required")
    if names is None:
        return
    if not isinstance(names, list):
        del schema["required"]
        say("`required` is no list of names")
        return
    schema["required"] = list(dict.fromkeys(name for name in names if isinstance(name, str)))
    if len(schema["required"]) < len(names):
        say("`required` repeats a name or holds something else")
    if not schema["required"]:
        del schema["required"]


def _enumeration(schema: Json, say: Say) -> None:
    values = schema.get("enum")
    if isinstance(values, list) and values:
        return
    if schema.pop("enum", None) is not None:
        say("`enum` is empty and was left out" if values == [] else "`enum` is no list of values")


def _tuples(schema: Json, _: Say) -> None:
    """Draft 2019-09 and older: a list in `items` is today's `prefixItems`."""
    if isinstance(schema.get("items"), list):
        schema["prefixItems"] = schema.pop("items")
        if "additionalItems" in schema:
            schema["items"] = schema["additionalItems"]


def _examples(schema: Json, _: Say) -> None:
    if "example" in schema and "examples" not in schema:
        schema["examples"] = [schema["example"]]
    elif isinstance(schema.get("examples"), dict):
        schema["examples"] = list(schema["examples"].values())


def _base64(schema: Json, _: Say) -> None:
    if schema.get("format") in ("byte", "base64") and "contentEncoding" not in schema:
        schema["contentEncoding"] = "base64"


def _nullable(schema: Json) -> Json:
    """OAS 3.0.4 section 4.7.24: `nullable` adds null to the type; beside a combination it is meant for the whole."""
    if schema.pop("nullable", None) is not True and schema.pop("x-nullable", None) is not True:
        return schema
    if any(keyword in schema for keyword in _COMBINATIONS):
        outside = {keyword: schema.pop(keyword) for keyword in _ANNOTATIONS if keyword in schema}
        return {**outside, "anyOf": [schema, {"type": "null"}]}
    if "type" in schema:
        types = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
        schema["type"] = types if "null" in types else [*types, "null"]
    if "enum" in schema and None not in schema["enum"]:
        schema["enum"] = [*schema["enum"], None]
    return schema


def is_nothing(schema: Value) -> bool:
    """Whether a schema position says nothing: absent, null, `true` or an empty object."""
    return schema is None or schema is True or schema == {}


def is_value_keyword(keyword: str) -> bool:
    """Whether a tool's schema may have the keyword, which holds no schemas."""
    return keyword in _VALUES


def is_usable(keyword: str, value: Value) -> bool:
    """Whether such a keyword may have that value, as the meta-schema of 2020-12 says, and models may be shown it."""
    if keyword == "pattern":
        return isinstance(value, str) and is_pattern(value)
    return is_presentable(value) and meta.is_valid({keyword: value})


@lru_cache(maxsize=4_096)
def is_pattern(text: str) -> bool:
    """Whether arguments can be checked against the regular expression."""
    try:
        Draft202012Validator({"pattern": text}, pattern_options=_PATTERNS, offline=True)
    except (ValidationError, ValueError):
        return False
    return True


def short_examples(values: Value) -> list[Value]:
    """Return the examples that are worth their room: presentable scalars."""
    if not isinstance(values, list):
        return []
    scalars = [value for value in values if isinstance(value, str | int | float)]
    return [value for value in scalars if len(str(value)) <= _LARGEST_EXAMPLE and is_presentable(value)][:3]
