"""The examples that a document gives of what its operations take, and two judges of each: the tool, and another one.

The other judge reads the document's own schema as OpenAPI has it (`openapi-schema-validator`, formats asserted), and
knows nothing of what became of it here.
"""

import re
import urllib.parse
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from typing import Any

from jsonschema import ValidationError
from openapi_schema_validator import OAS30WriteValidator, OAS31Validator
from referencing import Registry
from referencing.exceptions import Unresolvable as ReferencingError
from referencing.jsonschema import DRAFT4, DRAFT202012

from app.errors import Invalid
from app.operation.media_types import concrete
from app.operation.operation import Json, Operation, Value
from app.operation.pointers import References, Unresolvable, join
from app.tools.arguments import ArgumentRules

_DOCUMENT = "urn:document"
_MOST_ERRORS = 20
_UNREADABLE = (TypeError, RecursionError, ReferencingError, re.error)  # for the other judge


@dataclass(frozen=True)
class Example:
    """A value that the document shows for the body or one parameter of an operation."""

    operation: Operation
    pointer: str  # of the example
    schema: str  # … of the schema that it is an example of
    value: Value
    parameter: tuple[str, str] | None = None  # `in` and name

    @property
    def refusal(self) -> str | None:
        """Why the tool refuses it, None where it takes it."""
        try:
            ArgumentRules(self._rules).check(self._arguments)
        except Invalid as error:
            return error.detail
        return None

    @property
    def _rules(self) -> Json:
        """The tool's schema, for the part of the arguments that the example is about."""
        schema = self.operation.input_schema
        names = self._about
        shown = {name: each for name, each in schema["properties"].items() if name in names}
        required = [name for name in schema.get("required", ()) if name in names]
        return {**schema, "properties": shown, "required": required}

    @property
    def _about(self) -> set[str]:
        if self.parameter is None:
            return set(self.operation.body.arguments) if self.operation.body is not None else set()
        return {each.argument for each in self.operation.parameters if (each.location, each.name) == self.parameter}

    @property
    def _arguments(self) -> Json:
        if self.parameter is not None:
            return dict.fromkeys(self._about, self.value)
        body = self.operation.body
        assert body is not None
        if body.argument is not None:
            return {body.argument: self.value}
        if self.value is None and not body.required:
            return {}
        if not isinstance(self.value, dict):
            raise Invalid("invalid_arguments", "It is no object, and the members of the body are arguments.")
        names: dict[str, str] = {field.name: field.argument for field in body.fields}
        return {names.get(str(name), str(name)): each for name, each in self.value.items()}


class Examples:
    """All examples in the requests of one document."""

    def __init__(self, tree: Json) -> None:
        self._tree = tree
        self._references = References(tree)

    def of(self, operation: Operation) -> Iterator[Example]:
        """Yield the examples of one operation: of the media type that is sent, and of each parameter."""
        item, where = self._follow(self._tree["paths"][operation.path], join("/paths", operation.path))
        raw, where_raw = self._follow(item.get(operation.method.lower()), join(where, operation.method.lower()))
        parameters: dict[tuple[str, str], tuple[Json, str]] = {}
        for node, place in ((item, where), (raw, where_raw)):
            for number, each in enumerate(node.get("parameters") or ()):
                parameter, at = self._follow(each, join(place, "parameters", number))
                parameters[str(parameter.get("in")), str(parameter.get("name"))] = parameter, at
        known = {(each.location, each.name) for each in operation.parameters}
        for key, (parameter, at) in parameters.items():
            if key in known or (key[0] == "body" and operation.body is not None):
                yield from self._shown(operation, parameter, at, key if key in known else None)
        yield from self._of_body(operation, raw, where_raw)

    def _of_body(self, operation: Operation, raw: Json, where: str) -> Iterator[Example]:
        if operation.body is None or raw.get("requestBody") is None:
            return
        body, at = self._follow(raw["requestBody"], join(where, "requestBody"))
        for name, media in (body.get("content") or {}).items():
            if concrete(name) == operation.body.media_type and isinstance(media, dict):
                yield from self._shown(operation, media, join(at, "content", name), None)

    def _shown(
        self, operation: Operation, node: Json, place: str, parameter: tuple[str, str] | None
    ) -> Iterator[Example]:
        schema_at = join(place, "schema")
        raw = node.get("schema")
        if not isinstance(raw, dict):
            return
        schema, at = self._follow(raw, schema_at)
        found = [*_values(node, place, self._follow), *_values(schema, at, self._follow)]
        if "default" in schema:
            found.append((schema["default"], join(at, "default")))
        for value, pointer in found:
            yield Example(operation, pointer, schema_at, value, parameter)

    def _follow(self, node: Value, pointer: str) -> tuple[Json, str]:
        try:
            found, place = self._references.follow(node, pointer)
        except Unresolvable:
            return {}, pointer
        return (found, place) if isinstance(found, dict) else ({}, pointer)

    def verdict(self, example: Example) -> str | None:
        """Why the document's own schema refuses the example, None where it allows it."""
        return self._judge.refusal(example.schema, example.value)

    @cached_property
    def _judge(self) -> "OtherJudge":
        return OtherJudge(self._tree)


class OtherJudge:
    """Judges values by the schemas of a document as they stand."""

    def __init__(self, tree: Json) -> None:
        modern = str(tree.get("openapi", "")) >= "3.1"
        self._validator = OAS31Validator if modern else OAS30WriteValidator
        dialect = DRAFT202012 if modern else DRAFT4
        self._registry = Registry().with_resource(_DOCUMENT, dialect.create_resource(tree))

    def refusal(self, pointer: str, value: Value) -> str | None:
        """Why the schema at the pointer refuses the value, None where it allows it, also where it cannot be read."""
        try:
            errors = list(islice(self._at(pointer).iter_errors(value), _MOST_ERRORS))
        except _UNREADABLE:
            return None
        # That a member is read-only is the weakest of reasons: it should not be sent.
        errors.sort(key=lambda error: (error.validator == "readOnly", error.json_path))
        return _words(errors[0]) if errors else None

    def allows(self, pointer: str, value: Value) -> bool:
        """Whether the schema at the pointer can be read and allows the value."""
        try:
            return next(self._at(pointer).iter_errors(value), None) is None
        except _UNREADABLE:
            return False

    def _at(self, pointer: str) -> Any:
        schema = {"$ref": f"{_DOCUMENT}#{urllib.parse.quote(pointer)}"}
        return self._validator(schema, registry=self._registry, format_checker=self._validator.FORMAT_CHECKER)


def _words(error: ValidationError) -> str:
    match error.validator:
        case "required":
            said = f"lacks {error.message.split(' is a required')[0]}"
        case "type" if error.instance is None:
            said = "is null"
        case "type":
            said = f"is not of type {error.validator_value}"
        case "enum":
            said = "is none of the listed values"
        case "additionalProperties":
            said = "has members that a closed object does not have"
        case "readOnly":
            said = "is read-only"
        case "oneOf" | "anyOf":
            said = "fits no branch"
        case keyword:
            said = f"does not fit `{keyword}`"
    return f"{error.json_path} {said}"


def _values(node: Json, place: str, follow: Any) -> Iterator[tuple[Value, str]]:
    if "example" in node:
        yield node["example"], join(place, "example")
    examples = node.get("examples")
    if isinstance(examples, dict):
        for name, each in examples.items():
            shown, at = follow(each, join(place, "examples", name))
            if "value" in shown:
                yield shown["value"], join(at, "value")
    elif isinstance(examples, list):
        yield from ((each, join(place, "examples", number)) for number, each in enumerate(examples))
