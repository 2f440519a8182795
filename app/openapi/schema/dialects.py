"""What Swagger 2.0, OpenAPI 3.0, older drafts of JSON Schema and other languages say, in the words of 2020-12.

Only the keywords of one schema are looked at, and only where it has one of `WORDS`, one of `FORMS` (a keyword with a
value of that type), values that disagree with its type, or a pattern like `FOREIGN_PATTERN`.
"""

import json
import re
from collections.abc import Callable

from app.operation.operation import Json, Value

WORDS = frozenset({"example", "nullable", "x-nullable"})
FORMS = (("examples", dict), ("exclusiveMaximum", bool), ("exclusiveMinimum", bool), ("items", list))
_SUSPICIOUS = WORDS | {word for word, _ in FORMS}
BASE64 = ("base64", "byte")
FOREIGN_PATTERN = re.compile(r"^/.*/[a-z]*$|\[:\^?[a-z]+:\]|\\[AZz]", re.DOTALL)
_DELIMITED = re.compile(r"/(\^.*|.*\$)/([a-z]*)", re.DOTALL)  # without an anchor it may be a path
_LONGEST_SHOWN = 80  # characters of a pattern
_NO_MATTER = frozenset("dgu")  # flags that change nothing about whether a text fits
_POSIX = {"alnum": "a-zA-Z0-9", "alpha": "a-zA-Z", "digit": "0-9", "lower": "a-z", "upper": "A-Z"}
_POSIX |= {"blank": " \\t", "space": "\\s", "word": "\\w", "xdigit": "0-9a-fA-F"}
_POSIX_CLASS = re.compile(r"\[:([a-z]+):\]")
_ENDS = re.compile(r"(?<!\\)((?:\\\\)*)\\([AZz])")
_INTEGER = re.compile(r"[-+]?[0-9]{1,18}")
_NUMBER = re.compile(r"[-+]?[0-9]{1,300}(?:\.[0-9]{1,300})?")
_BOOLEANS = {"true": True, "false": False}
VALUES = ("const", "default", "example")
KINDS = {"boolean": (bool,), "integer": (int,), "number": (float, int), "string": (str,), "array": (list,)}
_TYPES: dict[type, tuple[str, ...]] = {
    each: (name,) for each, name in ((bool, "boolean"), (dict, "object"), (list, "array"), (str, "string"))
} | {float: ("number", "integer"), int: ("integer", "number"), type(None): ("null",)}
_BOUNDS = (("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum"))
_VALUED = frozenset({"enum", *VALUES})
_KNOWN = ("array", "boolean", "integer", "null", "number", "object", "string")
_MEANT = {"bool": "boolean", "dict": "object", "list": "array", "map": "object"}  # types of languages, and formats
_MEANT |= dict.fromkeys(("int", "int32", "int64", "long"), "integer") | dict.fromkeys(("decimal", "double"), "number")
_MEANT |= dict.fromkeys(("date", "date-time", "datetime", "str", "text", "uuid"), "string") | {"float": "number"}
Say = Callable[[str], None]
_COMBINATIONS = ("$ref", "allOf", "anyOf", "oneOf")
_ANNOTATIONS = ("title", "description", "default", "deprecated", "examples")


def modernised(raw: Json, say: Say) -> Json:
    """Return a copy in 2020-12, without what is below it; `say` is called with what could not be kept."""
    schema = dict(raw)
    if schema.get("type") == "file" or schema.get("format") in BASE64:
        say_it_is_bytes(schema)
    if "type" in schema:
        _types(schema, say)
    if "required" in schema:
        _required(schema, say)
    if not _VALUED.isdisjoint(schema):
        _enumeration(schema, say)
    if "pattern" in schema and FOREIGN_PATTERN.search(str(schema["pattern"])):
        translate_pattern(schema, say)
    return schema if _is_2020_12(schema) else translated(schema)


def _types(schema: Json, say: Say) -> None:
    stated = schema.pop("type")
    if isinstance(stated, str) and stated in _KNOWN:
        schema["type"] = stated
    if stated is None or "type" in schema:
        return
    lower = [name.lower() for name in (stated if isinstance(stated, list) else [stated]) if isinstance(name, str)]
    names = [_MEANT.get(name, name) for name in lower]
    known = list(dict.fromkeys(name for name in names if name in _KNOWN))
    told = f"the type {str(stated)[:40]!r} is not a JSON type"
    if len(known) < (len(stated) if isinstance(stated, list) else 1):
        say(told)
    elif names != lower:
        say(f"{told} and is taken for {' or '.join(known)}")
    if known:
        schema["type"] = known[0] if len(known) == 1 else known


def _required(schema: Json, say: Say) -> None:
    names = schema["required"]
    if names is None:
        return
    if not isinstance(names, list):
        del schema["required"]
        say("`required` is not a list of names")
        return
    schema["required"] = list(dict.fromkeys(name for name in names if isinstance(name, str)))
    if len(schema["required"]) < len(names):
        say("`required` repeats a name or contains something that is not a name")
    if not schema["required"]:
        del schema["required"]


def _enumeration(schema: Json, say: Say) -> None:
    values = schema.get("enum")
    if not isinstance(values, list) or not values:
        if schema.pop("enum", None) is not None:
            say("`enum` is empty and was left out" if values == [] else "`enum` is not a list of values")
        values = []
    kinds = KINDS.get(str(schema.get("type")))
    stated = [*values, *(schema[keyword] for keyword in VALUES if keyword in schema)]
    doubtful = len(set(map(repr, values))) < len(values) or float in map(type, values)  # 1 and 1.0 are one value
    if doubtful or (kinds and any(type(each) not in kinds for each in stated)):
        give_values_their_type(schema)


def _is_2020_12(schema: Json) -> bool:
    """Whether nothing in the schema has to be translated, but for values and patterns."""
    if _SUSPICIOUS.isdisjoint(schema):
        return True
    return WORDS.isdisjoint(schema) and not any(isinstance(schema.get(word), kind) for word, kind in FORMS)


def translated(schema: Json) -> Json:
    """Return the schema in 2020-12; it may be changed."""
    for step in (_bounds, _tuples, _examples):
        step(schema)
    return _nullable(schema)


def say_it_is_bytes(schema: Json) -> None:
    """Swagger 2.0 has a type `file` (Parameter Object and Response Object), OpenAPI 3.0 has formats for base64."""
    if schema.get("type") == "file":
        schema["type"] = "string"
        schema.setdefault("format", "binary")
    if schema.get("format") in BASE64:
        schema.setdefault("contentEncoding", "base64")


def give_values_their_type(schema: Json) -> None:
    """Make values that disagree with the type of the schema values of that type, by how they are written.

    Values that occur twice are left out. The type is, where values cannot be of it: they were thought about.
    """
    types = schema["type"] if isinstance(schema.get("type"), list) else [schema["type"]] if "type" in schema else []
    for keyword in VALUES:
        if keyword in schema and types:
            schema[keyword] = _of_type(schema[keyword], types)
    values = schema.get("enum")
    if not isinstance(values, list):
        return
    if types == ["array"] and not any(isinstance(each, list) for each in values):
        items = schema.get("items")
        schema["items"] = {**(items if isinstance(items, dict) else {}), "enum": schema.pop("enum")}
        return
    values = [_of_type(each, types) for each in values] if types else values
    unique: dict[str, Value] = {}
    for each in values:
        unique.setdefault(_written(each), each)
    schema["enum"] = list(unique.values())
    if None in values and types and "null" not in types:
        schema["type"] = [*types, "null"]
    if types and not all(_has_type(each, [*types, "null"]) for each in values):
        del schema["type"]


def _written(value: Value) -> str:
    whole = isinstance(value, float) and value.is_integer()
    return json.dumps(int(value) if whole else value, sort_keys=True)


def _has_type(value: Value, types: list[str]) -> bool:
    if isinstance(value, float) and not value.is_integer():
        return "number" in types
    return any(each in types for each in _TYPES[type(value)])


def _of_type(value: Value, types: list[str]) -> Value:
    """Return the value as one of the types that it can be written as, else as it is."""
    if value is None or isinstance(value, dict | list) or _has_type(value, types):
        return value
    text = value if isinstance(value, str) else json.dumps(value)
    if "string" in types:
        return text
    if "boolean" in types and text.lower() in _BOOLEANS:
        return _BOOLEANS[text.lower()]
    if _INTEGER.fullmatch(text) and {"integer", "number"} & set(types):
        return int(text)
    return float(text) if "number" in types and _NUMBER.fullmatch(text) else value


def translate_pattern(schema: Json, say: Callable[[str], None]) -> None:
    """Make the pattern a regular expression of JSON Schema (ECMA-262); leave it out, and say so, if it is not sure."""
    stated = str(schema.pop("pattern"))
    pattern = _in_ecma_262(stated)
    if pattern is None:
        say(f"`pattern` is no regular expression of JSON Schema and was left out: {stated[:_LONGEST_SHOWN]}")
    else:
        schema["pattern"] = pattern


def _in_ecma_262(text: str) -> str | None:
    if (delimited := _DELIMITED.fullmatch(text)) is not None:
        if not _NO_MATTER.issuperset(delimited[2]):
            return None
        text = delimited[1].replace("\\/", "/")
    text = _POSIX_CLASS.sub(lambda match: _POSIX.get(match[1], match[0]), text)
    text = _ENDS.sub(lambda match: f"{match[1]}{'^' if match[2] == 'A' else '$'}", text)
    return None if "[:" in text else text


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
    if schema.get("example") is not None and "examples" not in schema:
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
