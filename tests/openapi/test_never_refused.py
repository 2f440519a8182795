"""Whatever its document allows, a request may say: schemas of every construct, against a judge that knows only them.

What is refused on purpose although a document allows it literally is not made here: a value of a discriminator that no
`mapping` states, which the judge of OpenAPI 3.1 does not look at, and unknown arguments. Neither is what the judge
cannot read in a document: `$id`, `$anchor`, `$dynamicRef`, `$defs` in a schema, and keywords of older drafts.
"""

import json
import random
from collections.abc import Iterator
from typing import Any

import pytest

from app.errors import Invalid
from app.operation.keywords import objects_in
from app.operation.operation import Operation
from app.operation.pointers import join
from app.tools.arguments import ArgumentRules
from tests.openapi.documents import Json, a_document, a_get, a_post, converted
from tests.openapi.examples import OtherJudge

JSON = "application/json"
A_FEW, MANY = 500, 10_000
VALUES_A_DOCUMENT = 12
NAMES = ("a", "b", "id", "kind")
DEFINED = ("A", "B", "C")
WORDS = ("", "x", "ab", "cat", "dog", "C", "12", "true", "2026-03-01", "2026-03-01T10:00:00Z", "10.0.0.1")
PATTERNS = ("^[a-z]+$", "^(?=.*x)", "/^x$/i", "^[0-9]+$")
COMBINING = ("$ref", "allOf", "anyOf", "oneOf")
SCHEMA_AT = join("/paths", "/a", "post", "requestBody", "content", JSON, "schema", "items")


class Drawn:
    """Documents and values, drawn from one source of randomness."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)  # noqa: S311 - cases, no secret
        self._modern = False
        self._names: tuple[str, ...] = DEFINED  # that a schema may refer to and be no schema of itself

    def document(self) -> Json:
        self._modern = self._maybe(0.5)
        defined = {name: self._defined(DEFINED[number + 1 :]) for number, name in enumerate(DEFINED)}
        self._names = DEFINED
        paths = {"/a": a_post({"type": "array", "items": self.schema(3)})}
        return a_document(paths, schemas=defined, version="3.1.0" if self._modern else "3.0.3")

    def _defined(self, names: tuple[str, ...]) -> Json:
        self._names = names
        return self.schema(2)

    def _below(self, depth: int) -> Json:
        """A schema of another value, which may refer to any."""
        names, self._names = self._names, DEFINED
        schema = self.schema(depth)
        self._names = names
        return schema

    def value(self, depth: int = 3) -> Any:
        kind = self._one("object", "object", "list", "scalar", "scalar") if depth else "scalar"
        if kind == "object":
            return {name: self.value(depth - 1) for name in self._some(*NAMES, "other")}
        if kind == "list":
            return [self.value(depth - 1) for _ in range(self._random.randrange(3))]
        return self._one(*WORDS, *WORDS, -1, 0, 3, 12, 0.5, True, False, None)

    def schema(self, depth: int) -> Json:
        kinds = ["scalar", "scalar", "reference", "choice", "object", "object", "combined", "combined", "list"]
        kind = self._one(*kinds) if depth else self._one("scalar", "scalar", "reference")
        schema: Json = getattr(self, f"_{kind}")(depth - 1)
        if not self._modern and self._maybe(0.1):
            schema = {**schema, "nullable": True}
        if self._maybe(0.05):
            schema = {**schema, "writeOnly": True, "deprecated": True, "description": "d", "example": self.value(1)}
        return schema

    def _scalar(self, _: int) -> Json:
        kind = self._one("string", "string", "integer", "number", "boolean")
        schema: Json = {"type": kind}
        if self._modern and self._maybe(0.2):
            schema["type"] = [kind, self._one("null", "object", "array")]
        if self._maybe(0.2):
            return {**schema, "enum": self._listed(kind), **self._maybe_with(0.2, default=self.value(0))}
        if kind == "string":
            schema |= self._maybe_with(format=self._one("date", "date-time", "ipv4", "uuid", "email"))
            schema |= self._maybe_with(pattern=self._one(*PATTERNS), minLength=1, maxLength=3)
        elif kind != "boolean":
            schema |= self._maybe_with(
                minimum=self._one(0, 4), maximum=self._one(3, 10), multipleOf=self._one(1, 5, 0.5)
            )
            schema |= self._maybe_with(0.1, exclusiveMinimum=0 if self._modern else True, default=self.value(0))
        return schema

    def _listed(self, _: str) -> list[Any]:
        return [self.value(self._one(0, 0, 0, 1)) for _ in range(self._random.randrange(4))]

    def _reference(self, _: int) -> Json:
        return {"$ref": f"#/components/schemas/{self._one(*self._names, *self._names, 'Absent')}"}

    def _choice(self, _: int) -> Json:
        names = [*self._some(*self._names[:-1]), *self._names[-1:]]  # always C, the only name that is also a value
        branches = [f"#/components/schemas/{name}" for name in names]
        chosen = [] if self._modern else self._some("cat", "dog")
        mapping = dict(zip(chosen, branches, strict=False))
        mapping |= {target.rpartition("/")[2]: target for target in mapping.values()}
        found: Json = {"propertyName": "kind", **({"mapping": mapping} if mapping else {})}
        return {"oneOf": [{"$ref": each} for each in branches], "discriminator": found} if branches else {}

    def _object(self, depth: int) -> Json:
        members = {name: self._below(depth) for name in self._some(*NAMES)}
        if not self._modern:
            members = {name: {**each, **self._maybe_with(0.15, readOnly=True)} for name, each in members.items()}
        return {
            **self._maybe_with(0.8, type="object"),
            "properties": members,
            **self._maybe_with(0.4, required=self._some(*NAMES)),
            **self._maybe_with(0.4, additionalProperties=self._one(False, False, True, self._below(0))),
            **self._maybe_with(0.1, minProperties=2, maxProperties=self._one(1, 3)),
            **self._maybe_with(0.1, discriminator={"propertyName": "kind"}),
        }

    def _combined(self, depth: int) -> Json:
        schema = self._object(depth) if self._maybe(0.4) else {}
        for keyword in ("allOf", "oneOf", "anyOf"):
            count = self._random.randrange(1, 4)
            schema |= self._maybe_with(0.4, **{keyword: [self.schema(depth) for _ in range(count)]})
        schema |= self._maybe_with(0.1, **{"not": self.schema(depth)})
        return {**schema, **self._conditions(depth)} if self._modern else schema

    def _conditions(self, depth: int) -> Json:
        found: Json = {}
        for keyword in ("if", "then", "else", "contains", "propertyNames", "dependentSchemas", "patternProperties"):
            inner = self.schema(depth)
            named = {"dependentSchemas": {"a": inner}, "patternProperties": {self._one(*PATTERNS): inner}}
            found |= self._maybe_with(0.15, **{keyword: named.get(keyword, inner)})
        for keyword in ("unevaluatedItems", "unevaluatedProperties"):
            found |= self._maybe_with(0.1, **{keyword: self._one(False, self._below(0))})
        return found | self._maybe_with(
            0.1, minContains=0, maxContains=1, dependentRequired={"a": ["b"]}, const=self.value(1)
        )

    def _list(self, depth: int) -> Json:
        first = {"prefixItems": [self._below(0)]} if self._modern and self._maybe(0.3) else {}
        counted = self._maybe_with(0.3, minItems=self._one(1, 2), maxItems=self._one(1, 2), uniqueItems=True)
        return {"type": "array", "items": self._below(depth), **first, **counted}

    def _maybe(self, chance: float) -> bool:
        return self._random.random() < chance

    def _maybe_with(self, chance: float = 0.3, /, **keywords: Any) -> Json:
        return {keyword: value for keyword, value in keywords.items() if self._maybe(chance)}

    def _one(self, *options: Any) -> Any:
        return self._random.choice(options)

    def _some(self, *options: str) -> list[str]:
        return [each for each in options if self._maybe(0.5)]


class Plain(Drawn):
    """Draws of what is read without a loss only, where the tool is as strict as the document unless it reports more.

    The reference of documents says of all else that more is accepted on purpose and without a line: formats, several
    branches of a `oneOf`, discriminators, closed and read-only members, required ones with a default, listed values of
    another type, `nullable` beside a combination, or beside listed values without null.
    """

    def _scalar(self, _: int) -> Json:
        schema = super()._scalar(0)
        for keyword in ("default", "format"):
            schema.pop(keyword, None)
        return schema

    def schema(self, depth: int) -> Json:
        schema = super().schema(depth)
        if not (nullable := schema.pop("nullable", False)) or not schema.keys().isdisjoint(COMBINING):
            return schema
        listed = {"enum": [*schema["enum"], None]} if "enum" in schema else {}
        return schema | listed | {"nullable": nullable}

    def _listed(self, kind: str) -> list[Any]:
        values: dict[str, list[Any]] = {"string": ["x", "ab"], "boolean": [True]}
        return self._random.sample(values.get(kind, [0, 3, 12]), 1)

    def _choice(self, depth: int) -> Json:
        return {"anyOf": [self.schema(max(depth, 0)), self.schema(0)]}

    def _object(self, depth: int) -> Json:
        schema = super()._object(depth)
        schema.pop("discriminator", None)
        for name, member in schema["properties"].items():
            schema["properties"][name] = {keyword: each for keyword, each in member.items() if keyword != "readOnly"}
        return schema if schema.get("additionalProperties") is not False else schema | {"additionalProperties": True}

    def _combined(self, depth: int) -> Json:
        schema = super()._combined(depth)
        schema.pop("unevaluatedProperties", None)
        if "oneOf" in schema:
            schema["oneOf"] = schema["oneOf"][:1]
        return schema


def in_all_places(document: Json) -> Json:
    """The same with other operations, which take such a value as their body, and as a parameter of each kind."""
    schema = document["paths"]["/a"]["post"]["requestBody"]["content"][JSON]["schema"]["items"]
    kinds = {"/c": {"schema": schema}, "/d": {"content": {JSON: {"schema": schema}}}}
    parameters = {path: a_get({"name": "q", "in": "query", **kind}) for path, kind in kinds.items()}
    return {**document, "paths": {**document["paths"], "/b": a_post(schema), **parameters}}


def in_swagger2(document: Json) -> Json:
    """The same in Swagger 2.0, where a discriminator is a name and has no mapping."""
    words = json.dumps({"paths": document["paths"]["/a"], "definitions": document["components"]["schemas"]})
    found: Json = json.loads(words.replace("#/components/schemas/", "#/definitions/").replace("nullable", "x-nullable"))
    for each in objects_in(found):
        if isinstance(each.get("discriminator"), dict) and "propertyName" in each["discriminator"]:
            each["discriminator"] = each["discriminator"]["propertyName"]
    schema = found["paths"]["post"]["requestBody"]["content"][JSON]["schema"]
    body = {"name": "body", "in": "body", "required": True, "schema": schema}
    paths = {"/a": {"post": {"parameters": [body], "responses": {}}}}
    return {"swagger": "2.0", "info": document["info"], "paths": paths, "definitions": found["definitions"]}


def said(operation: Operation, value: Any) -> Json | None:
    """The arguments of a value, None where the tool has none for it."""
    if operation.body is None:
        return {"q": value}
    if operation.body.argument is not None:
        return {operation.body.argument: [value] if operation.path == "/a" else value}
    names: dict[str, str] = {field.name: field.argument for field in operation.body.fields}
    if not isinstance(value, dict) or not names.keys() >= value.keys():
        return None
    return {names[name]: each for name, each in value.items()}


def refused(document: Json, allowed: list[Any]) -> Iterator[str]:
    conversion = converted(document)
    for operation, item in zip(conversion.operations, conversion.report, strict=False):
        rules = ArgumentRules(operation.input_schema)
        for value in allowed:
            try:
                if (arguments := said(operation, value)) is not None:
                    rules.check(arguments)
            except Invalid as error:
                shown = f"{json.dumps(document)} {json.dumps(operation.input_schema)}"
                yield f"{operation.path} {value} {error.detail} {item.reason} {shown}"


def judge(wanted: int, seed: int) -> None:
    drawn = Drawn(seed)
    judged, wrong = 0, list[str]()
    while judged < wanted:
        document = drawn.document()
        other = OtherJudge(document)
        tried = [drawn.value() for _ in range(VALUES_A_DOCUMENT)]
        allowed = [value for value in tried if other.allows(SCHEMA_AT, value)]
        if allowed:
            wrong += refused(in_all_places(document), allowed)
        if allowed and document["openapi"] < "3.1":
            wrong += refused(in_swagger2(document), allowed)
        judged += len(allowed)
    assert min(wrong, key=len, default=None) is None, len(wrong)


def judge_strictness(wanted: int, seed: int) -> None:
    drawn = Plain(seed)
    judged, exact, wrong = 0, 0, list[str]()
    while judged < wanted:
        document = drawn.document()
        other = OtherJudge(document)
        tried = [drawn.value() for _ in range(VALUES_A_DOCUMENT)]
        conversion = converted(document)
        operation, item = conversion.operations[0], conversion.report[0]
        rules = ArgumentRules(operation.input_schema)
        for value in tried:
            judged += 1
            if other.allows(SCHEMA_AT, value):
                continue
            try:
                rules.check({"body": [value]})
            except Invalid:
                exact += 1
            else:
                wrong += [] if item.reason else [f"{value} {json.dumps(document)} {json.dumps(operation.input_schema)}"]
    assert min(wrong, key=len, default=None) is None, len(wrong)
    assert exact > wanted / 5


def test_what_a_document_allows_is_not_refused() -> None:
    judge(A_FEW, seed=26)


def test_what_differs_from_a_plain_document_is_reported() -> None:
    judge_strictness(A_FEW, seed=28)


@pytest.mark.deep
@pytest.mark.timeout(1_800)
def test_much_more_of_what_documents_allow_is_not_refused() -> None:
    judge(MANY, seed=27)
    judge_strictness(MANY, seed=29)
