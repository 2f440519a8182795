"""One Schema Object of Swagger 2.0 or OpenAPI 3 in the words of JSON Schema 2020-12. What is below it is not looked at.

Constructs of older drafts are taken as they were meant in any version, because documents mix them.
"""

from collections.abc import Callable

from app.operation.operation import Json, Value

_TYPES = ("array", "boolean", "integer", "null", "number", "object", "string")
_COMBINATIONS = ("$ref", "allOf", "anyOf", "oneOf")
_ANNOTATIONS = ("title", "description", "default", "deprecated", "examples")
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
