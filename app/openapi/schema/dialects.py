"""What Swagger 2.0, OpenAPI 3.0 and older drafts of JSON Schema say in words of their own, in those of 2020-12.

Only the keywords of one schema are looked at, and only where it has one of `WORDS`, or one of `FORMS`: a keyword with a
value of that type.
"""

from app.operation.operation import Json

WORDS = frozenset({"example", "nullable", "x-nullable"})
FORMS = (("examples", dict), ("exclusiveMaximum", bool), ("exclusiveMinimum", bool), ("items", list))
_BOUNDS = (("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum"))
_COMBINATIONS = ("$ref", "allOf", "anyOf", "oneOf")
_ANNOTATIONS = ("title", "description", "default", "deprecated", "examples")


def translated(schema: Json) -> Json:
    """Return the schema in 2020-12; it may be changed."""
    for step in (_bounds, _tuples, _examples):
        step(schema)
    return _nullable(schema)


def _bounds(schema: Json) -> None:
    """OAS 3.0.4 section 4.7.24: `exclusiveMinimum` is a flag there."""
    for bound, exclusive in _BOUNDS:
        if isinstance(schema.get(exclusive), bool):
            flag = schema.pop(exclusive)
            if flag and bound in schema:
                schema[exclusive] = schema.pop(bound)


def _tuples(schema: Json) -> None:
    """Draft 2019-09 and older: a list in `items` is today's `prefixItems`."""
    if isinstance(schema.get("items"), list):
        schema["prefixItems"] = schema.pop("items")
        if "additionalItems" in schema:
            schema["items"] = schema["additionalItems"]


def _examples(schema: Json) -> None:
    if "example" in schema and "examples" not in schema:
        schema["examples"] = [schema["example"]]
    elif isinstance(schema.get("examples"), dict):
        schema["examples"] = list(schema["examples"].values())


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
