"""Tools of real documents: arguments drawn from a tool's schema are what another implementation reads.

What is judged are the parameters and the body as the document itself describes them, read here without our converter.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from typing import Any
from urllib.parse import unquote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.errors import Invalid
from app.openapi.conversion import convert
from app.operation.media_types import essence, kind_of
from app.operation.operation import Body, Json, Operation
from app.tools.arguments import ArgumentRules
from app.tools.request.plan import UpstreamRequest, build_request, plan_request
from tests.openapi.corpus import named
from tests.round_trip.conftest import Tally
from tests.round_trip.judging import ORIGIN, Judge, described, only, only_in_json
from tests.round_trip.values import ANYTHING, PLAIN, Values

DOCUMENTS = [
    "adyen-checkout", "datadog-v1", "directus", "github", "jira", "keycloak-admin", "opc-baseline30", "opc-baseline31",
    "pagerduty", "petstore3", "springdoc-datarest", "twilio-api", "vault", "xero-accounting",
]  # fmt: skip
A_FEW, MANY = 500, 10_000
EXAMPLES = 3  # of one operation at a time
SCALARS = (str, int, float)
NEVER_BY_CALLERS = {"accept", "content-type", "authorization"}


@dataclass(frozen=True, slots=True)
class Described:
    """An operation of ours and the objects of the document that it comes from."""

    operation: Operation
    parameters: dict[tuple[str, str], Json]
    content: Json

    def raw(self, location: str, name: str) -> Json | None:
        return self.parameters.get((location, name))


class Document:
    """A document as it is written, with `$ref`s to be followed by hand."""

    def __init__(self, tree: Json) -> None:
        self._tree = tree

    def follow(self, node: Any) -> Json:
        for _ in range(20):
            if not isinstance(node, dict):
                return {}
            if "$ref" not in node:
                return node
            ref, node = node["$ref"], self._tree
            for token in ref.split("/")[1:]:
                node = node[unquote(token).replace("~1", "/").replace("~0", "~")]
        return {}

    def described(self, operation: Operation) -> Described:
        item = self.follow(self._tree["paths"][operation.path])
        raw = item[operation.method.lower()]
        listed = [self.follow(each) for each in [*item.get("parameters", ()), *raw.get("parameters", ())]]
        parameters = {(str(each.get("in")), str(each.get("name"))): each for each in listed}
        return Described(operation, parameters, self.follow(raw.get("requestBody")).get("content", {}))


@cache
def operations_of(name: str) -> list[Described]:
    tree = named(name).read()
    document = Document(tree)
    return [document.described(operation) for operation in convert(tree, slug="t").operations]


def in_random_order() -> Iterator[Described]:
    chosen = [each for name in DOCUMENTS for each in operations_of(name) if judgeable(each)]
    order = random.Random(26)  # noqa: S311 - an order, no secret
    while True:
        order.shuffle(chosen)
        yield from chosen


def judgeable(each: Described) -> bool:
    """Leave out what the reader cannot read back: files (see test_bodies.py), and bodies of any bytes."""
    body = each.operation.body
    files = body is not None and (body.binary or any(field.binary for field in body.fields))
    return not files and "?" not in each.operation.path and "#" not in each.operation.path


@st.composite
def arguments_of(draw: st.DrawFn, each: Described) -> Json:
    schema = each.operation.input_schema
    headers = {parameter.argument for parameter in each.operation.parameters if parameter.location == "header"}
    names = list(schema.get("required", ()))
    names += [name for name in schema.get("properties", {}) if name not in names and draw(st.booleans())]
    chosen: Json = {}
    for name in names:
        values = Values(draw, schema, PLAIN if name in headers else ANYTHING)
        chosen[name] = values.of(schema["properties"][name], 1)
    dependent = schema.get("dependentRequired", {})
    for needed in [each for name in chosen for each in dependent.get(name, ())]:
        if needed not in chosen:
            chosen[needed] = Values(draw, schema, ANYTHING).of(schema["properties"][needed], 1)
    return chosen


def readable(raw: Json | None, value: Any) -> bool:
    """Whether the specification says how to read it back: scalars, lists and objects of scalars, or `content`."""
    if raw is None or value is None:
        return False
    if "content" in raw:
        return True
    inner = value if isinstance(value, list) else list(value.values()) if isinstance(value, dict) else [value]
    kinds = {type(each) for each in inner}
    if raw.get("style") in {"spaceDelimited", "pipeDelimited"} and raw.get("explode") and isinstance(value, dict):
        return False
    if isinstance(value, list) and raw.get("style") == "deepObject":
        return False
    texts = [text for text in inner if isinstance(text, str)]
    if isinstance(value, list | dict) and any("," in text for text in texts):
        return False  # this reader takes a percent-encoded comma for one that separates
    return kinds <= set(SCALARS) | {bool} and (not isinstance(value, list) or len(kinds) == 1)


def meant_body(each: Described, sent: Json, request: UpstreamRequest) -> tuple[UpstreamRequest, Json] | None:
    """What the body must be read as, with the media type that the document has for it."""
    body = each.operation.body
    if body is None or request.content is None:
        return None
    headers = dict(request.headers)
    media_type = essence(headers["content-type"])
    media_types = {essence(name): media for name, media in each.content.items() if name.count("/") == 1}
    declared = media_types or {"application/json": {}}
    assert media_type in declared or any("*" in name for name in declared)
    value = value_of(body, sent)
    if kind_of(media_type) == "json":
        # It knows few of the names that end in +json, and reads them alike.
        headers["content-type"] = "application/json"
        return replace(request, headers=tuple(headers.items())), {"application/json": {"schema": only_in_json(value)}}
    if kind_of(media_type) == "form":
        return form_of(declared[media_type] or {}, value, request)
    return None


def form_of(media: Json, value: Any, request: UpstreamRequest) -> tuple[UpstreamRequest, Json] | None:
    plain = {name: each for name, each in value.items() if readable({}, each) and not isinstance(each, dict)}
    if plain.keys() != value.keys() or not plain or media.get("encoding"):
        return None
    return request, {"application/x-www-form-urlencoded": {"schema": only(plain)}}


def value_of(body: Body, sent: Json) -> Any:
    if body.argument is not None:
        return sent[body.argument]
    return {field.name: sent[field.argument] for field in body.fields if field.argument in sent}


def shared_members(each: Described, sent: Json) -> set[str]:
    """Names that two exploded objects of one query have in common: nobody can tell whose each one is."""
    exploded = [one for one in each.operation.parameters if one.location == "query" and one.explode]
    names = [
        name for parameter in exploded if isinstance(value := sent.get(parameter.argument), dict) for name in value
    ]
    return {name for name in names if names.count(name) > 1}


def one_round_trip(each: Described, arguments: Json, judge: Judge) -> bool:
    """Send the arguments and have them read; False where they cannot be sent."""
    operation = each.operation
    try:
        sent = ArgumentRules(operation.input_schema, operation.preset).check(arguments)
        request = build_request(plan_request(replace(operation, server=None), ORIGIN), sent)
    except Invalid:
        return False
    meant = []
    shared = shared_members(each, sent)
    for parameter in operation.parameters:
        raw = each.raw(parameter.location, parameter.name)
        if raw is None and parameter.location == "path":
            raw = {"name": parameter.name, "in": "path", "required": True}
        value = sent.get(parameter.argument)
        if isinstance(value, dict) and shared & value.keys():
            continue
        if raw is not None and (readable(raw, value) or parameter.location == "path"):
            meant.append((raw, value))
    body = meant_body(each, sent, request)
    judged, content = (request, None) if body is None else body
    if content is None:
        judged = replace(judged, content=None)
    assert judge.refusal(judged, described(operation.path, operation.method, meant, content)) is None
    return True


def round_trips(wanted: int, judge: Judge, tally: Tally) -> None:
    for each in in_random_order():
        if tally.judged >= wanted:
            return
        some_round_trips(each, judge, tally)


def some_round_trips(each: Described, judge: Judge, tally: Tally) -> None:
    @given(arguments_of(each))
    @settings(max_examples=EXAMPLES, database=None, suppress_health_check=list(HealthCheck))
    def one(arguments: Json) -> None:
        if one_round_trip(each, arguments, judge):
            tally.judged += 1
        else:
            tally.discarded += 1

    one()


@pytest.mark.extended
def test_what_an_agent_says_to_tools_of_real_documents_is_what_their_servers_read(judge: Judge, tally: Tally) -> None:
    round_trips(A_FEW, judge, tally)
    assert tally.discarded < tally.judged


@pytest.mark.deep
@pytest.mark.timeout(1_800)
def test_many_more_arguments_of_real_documents_are_read_as_they_were_said(judge: Judge, tally: Tally) -> None:
    round_trips(MANY, judge, tally)
    assert tally.discarded < tally.judged
