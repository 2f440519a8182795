"""Tools are listed as every model API takes them: all those of real documents, by rules with sources."""

from collections import Counter

import pytest

from app.openapi.conversion import convert
from app.openapi.document.reading import Limits
from app.operation.operation import Operation, size_of_tool
from app.operation.portable import in_profile
from tests.openapi.corpus import DOCUMENTS
from tests.openapi.documents import Json
from tests.openapi.model_apis import COUNTED, PROFILES, broken_rules
from tests.support.closing_lines import MODEL_APIS

GOOD: Json = {"type": "object", "properties": {"a": {"type": "array", "items": {}}}, "additionalProperties": False}


@pytest.mark.parametrize(
    ("profile", "rule", "change"),
    [
        ("OpenAI", "an object", {"type": "array"}),
        ("OpenAI", "nothing else at the top", {"not": {}}),
        ("OpenAI", "properties at the top", {"properties": None}),
        ("OpenAI", "items of arrays", {"additionalProperties": {"type": ["array", "null"]}}),
        ("OpenAI", "patterns of Python", {"additionalProperties": {"pattern": r"^\p{L}+$"}}),
        ("OpenAI", "each value once", {"additionalProperties": {"enum": [1, 1.0]}}),
        ("OpenAI", "valid", {"additionalProperties": {"minimum": "1"}}),
        ("Anthropic", "nothing else at the top", {"anyOf": [{}]}),
        ("Anthropic", "names of arguments", {"properties": {"a[]": {}}}),
        ("Gemini", "nothing beside a $ref", {"additionalProperties": {"$ref": "#/$defs/A", "title": "A"}}),
        ("Gemini", "no $ref to nothing", {"additionalProperties": {"$ref": "#/$defs/A"}}),
        (
            "Gemini",
            "members only of objects",
            {"additionalProperties": {"type": ["object", "null"], "required": ["a"]}},
        ),
        ("Gemini", "values in an enum", {"additionalProperties": {"enum": []}}),
        ("Gemini", "members beside their type", {"additionalProperties": {"properties": {}}}),
        ("Gemini", "members beside their type", {"additionalProperties": {"type": "string", "required": []}}),
        ("Gemini", "members beside their type", {"additionalProperties": {"items": {}}}),
        ("Gemini", "required among the members", {"additionalProperties": {"type": "object", "required": ["a"]}}),
    ],
)
def test_the_checker_finds_what_breaks_a_rule(profile: str, rule: str, change: Json) -> None:
    assert broken_rules(GOOD, PROFILES[profile]) == []
    changed = {keyword: value for keyword, value in {**GOOD, **change}.items() if value is not None}
    assert rule in broken_rules(changed, PROFILES[profile])


def lists_of(operation: Operation) -> list[Json]:
    """The input schema as lists show it, and the output schema within an argument."""
    form = in_profile(operation, "portable", Limits().tool_bytes)
    shape = form.output_schema
    return [form.listed_schema, *([{**GOOD, "properties": {"a": shape}}] if shape is not None else [])]


@pytest.mark.extended
@pytest.mark.skipif(not DOCUMENTS, reason="The real documents are not here: set CORPUS to the folder `specs`.")
def test_every_model_api_takes_the_tools_of_real_documents(request: pytest.FixtureRequest) -> None:
    tools, passed, broken = 0, Counter[str](), list[str]()
    for document in DOCUMENTS:
        for operation in convert(document.read(), slug=document.name).operations:
            tools += 1
            lists = lists_of(operation)
            for profile, rules in PROFILES.items():
                of_answers = tuple(rule for rule in rules if rule.of_answers)
                found = [name for schema in lists[:1] for name in broken_rules(schema, rules)]
                found += [name for schema in lists[1:] for name in broken_rules(schema, of_answers)]
                passed[profile] += not found
                broken += [f"{document.name} {operation.name} {profile}: {name}" for name in found]
            passed.update(profile for profile, rules in COUNTED.items() if not broken_rules(lists[0], rules))
            assert size_of_tool(in_profile(operation, "portable", Limits().tool_bytes)) <= Limits().tool_bytes
    request.node.user_properties.append(
        (MODEL_APIS, {profile: (passed[profile], tools) for profile in [*PROFILES, *COUNTED]})
    )
    assert broken == []
    assert tools > 7_000
