"""/openapi.json, our own document: as we would want it from others."""

import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

from app.main import create_app
from app.openapi.conversion import convert
from app.settings import Settings
from tests.docs.pages import ROOT, quoted

PUBLIC_URL = "https://tools.example.com"
CODES = ROOT / "docs/reference/codes.md"
SCHEMAS = {"items", "additionalProperties", "not"}
LISTS_OF_SCHEMAS = {"anyOf", "oneOf", "allOf", "prefixItems"}
Json = dict[str, Any]


@pytest.fixture(scope="module")
def document() -> Json:
    return create_app(Settings(_env_file=None, public_url=PUBLIC_URL)).openapi()


def operations(document: Json) -> Iterator[tuple[str, Json]]:
    for path, item in document["paths"].items():
        for method, operation in item.items():
            yield f"{method.upper()} {path}", operation


def inner(schema: Json, place: str) -> Iterator[tuple[str, Json]]:
    """The properties below a schema that are written there, and not referred to, with where they are."""
    for name, each in schema.get("properties", {}).items():
        yield f"{place}.{name}", each
        yield from inner(each, f"{place}.{name}")
    below = [schema[keyword] for keyword in SCHEMAS & schema.keys()]
    below += [each for keyword in LISTS_OF_SCHEMAS & schema.keys() for each in schema[keyword]]
    for each in below:
        if isinstance(each, dict):
            yield from inner(each, place)


def properties(document: Json) -> Iterator[tuple[str, Json]]:
    for name, schema in document["components"]["schemas"].items():
        yield from inner(schema, name)
    for name, operation in operations(document):
        for content in operation.get("requestBody", {}).get("content", {}).values():
            yield from inner(content["schema"], name)


def responses(document: Json) -> Iterator[tuple[str, str, Json]]:
    for name, operation in operations(document):
        for status, response in operation["responses"].items():
            yield name, status, response


def documented_codes() -> dict[str, set[str]]:
    """The statuses that docs/reference/codes.md gives to each code."""
    found: dict[str, set[str]] = {}
    for section in CODES.read_text(encoding="utf-8").split("\n## ")[1:]:
        heading, *lines = section.splitlines()
        for line in lines:
            if line.startswith("| `"):
                found[quoted(line)[0]] = set(re.findall(r"\b[45]\d\d\b", f"{heading} {line}"))
    return found


def test_an_independent_judge_accepts_it(document: Json) -> None:
    assert [error.message for error in OpenAPIV31SpecValidator(document).iter_errors()] == []


def test_it_says_where_this_server_is(document: Json) -> None:
    assert [server["url"] for server in document["servers"]] == [PUBLIC_URL]


def test_every_operation_has_a_name_that_reads_well(document: Json) -> None:
    names = Counter(operation["operationId"] for _, operation in operations(document))
    assert [name for name, times in names.items() if times > 1] == []
    verbs = "list|get|execute|register|update|delete|refresh|shape|reset|upload"
    assert [name for name in names if not re.fullmatch(rf"({verbs})(_[a-z]+)+", name)] == []


def test_every_operation_says_what_it_does(document: Json) -> None:
    described = {tag["name"] for tag in document["tags"] if tag["description"]}
    for name, operation in operations(document):
        assert operation["summary"], name
        assert operation["description"].endswith("."), name
        assert set(operation["tags"]) <= described, name


def test_every_operation_says_whether_it_takes_a_token(document: Json) -> None:
    assert set(document["components"]["securitySchemes"]) == {"agent_token"}
    for name, operation in operations(document):
        assert operation["security"] == ([{"agent_token": []}] if " /api/" in name else []), name


def test_every_property_is_described(document: Json) -> None:
    found = list(properties(document))
    assert len(found) > 100
    assert [place for place, schema in found if not schema.get("description")] == []


def test_every_schema_is_described(document: Json) -> None:
    schemas = document["components"]["schemas"]
    assert [name for name, schema in schemas.items() if not schema.get("description")] == []


def test_no_description_speaks_of_our_code(document: Json) -> None:
    assert re.findall(r"\S+\.py\b|:class:", str(document)) == []


def test_every_parameter_is_described(document: Json) -> None:
    for name, operation in operations(document):
        for parameter in operation.get("parameters", ()):
            assert parameter["description"], (name, parameter["name"])


def test_every_response_is_described(document: Json) -> None:
    told = {"Successful Response", "Validation Error"}
    assert [(name, status) for name, status, each in responses(document) if each["description"] in told | {""}] == []


def test_every_error_response_is_a_problem_with_codes_that_the_reference_explains(document: Json) -> None:
    known = documented_codes()
    for name, status, response in responses(document):
        if status.startswith("2") or name == "GET /ready":
            continue
        (content,) = response["content"].items()
        assert content == ("application/problem+json", {"schema": {"$ref": "#/components/schemas/Problem"}}), name
        codes = re.findall(r"^- `(\w+)`: \S", response["description"], re.MULTILINE)
        assert codes, (name, status)
        assert [code for code in codes if status not in known.get(code, ())] == [], (name, status)


def test_every_route_that_takes_a_token_says_how_that_can_fail(document: Json) -> None:
    for name, operation in operations(document):
        if operation["security"]:
            assert {"401", "500", "503"} <= set(operation["responses"]), name
            assert "WWW-Authenticate" in operation["responses"]["401"]["headers"]
            assert "Retry-After" in operation["responses"]["503"]["headers"]


def test_its_examples_are_what_it_takes(document: Json) -> None:
    shown = 0
    for _, operation in operations(document):
        for content in operation.get("requestBody", {}).get("content", {}).values():
            if "example" in content:
                schema = {**content["schema"], "components": document["components"]}
                Draft202012Validator(schema).validate(content["example"])
                shown += 1
    assert shown > 1


def test_every_operation_becomes_a_tool_and_only_uploads_are_told_as_left_out(document: Json) -> None:
    conversion = convert(document, slug="itself")
    told = {item.path: item.reason for item in conversion.report if item.status != "ready" or item.reason}
    assert told.keys() == {"/api/v1/sources", "/api/v1/sources/{source}/document"}
    assert all(str(reason).startswith("JSON is sent instead of") for reason in told.values())
    assert len(conversion.operations) == sum(1 for _ in operations(document))
    assert {operation.name for operation in conversion.operations} == {
        operation["operationId"] for _, operation in operations(document)
    }
