"""What model APIs demand of the schema of a tool's arguments: each rule with where it is written.

Looked up on 2026-11-28. Most of it stands nowhere in their manuals, but in the answers that they give, which people
have reported; `owner/repository#number` is an issue or a pull request on GitHub.
"""

import re
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import jsonschema_rs

from tests.openapi.documents import Json

NAME = re.compile(r"[a-zA-Z0-9_.-]{1,64}")
ONE = ("additionalProperties", "contains", "else", "if", "items", "not", "propertyNames", "then")
UNEVALUATED = ("unevaluatedItems", "unevaluatedProperties")
LISTS = ("allOf", "anyOf", "oneOf", "prefixItems")
MAPS = ("$defs", "dependentSchemas", "patternProperties", "properties")
STRICT = "platform.openai.com/docs/guides/structured-outputs#supported-schemas"


@dataclass(frozen=True)
class Rule:
    name: str
    source: str
    broken: Callable[[Json], Iterator[object]]  # yields something for each place where a schema breaks it
    of_answers: bool = True  # … the schema of an answer too, which no model API gets but some clients compile


def schemas(root: Any) -> Iterator[Json]:
    """Every schema that is an object, the root first."""
    pending = [root]
    while pending:
        schema = pending.pop()
        if not isinstance(schema, dict):
            continue
        yield schema
        pending += [schema[keyword] for keyword in (*ONE, *UNEVALUATED) if keyword in schema]
        for keyword in LISTS:
            pending += schema.get(keyword, ())
        for keyword in MAPS:
            pending += schema.get(keyword, {}).values()


def types_of(schema: Json) -> list[str]:
    types = schema.get("type", [])
    return types if isinstance(types, list) else [types]


def is_regex_of_python(pattern: str) -> bool:
    try:
        with warnings.catch_warnings(action="ignore"):
            re.compile(pattern)
    except re.error:
        return False
    return True


def at_the_top(*keywords: str) -> Callable[[Json], Iterator[object]]:
    return lambda root: iter(root.keys() & set(keywords))


def no_object(root: Json) -> Iterator[object]:
    if root.get("type") != "object":
        yield root.get("type")


def no_properties(root: Json) -> Iterator[object]:
    if not isinstance(root.get("properties"), dict):
        yield root


def arrays_without_items(root: Json) -> Iterator[object]:
    return (each for each in schemas(root) if "array" in types_of(each) and not isinstance(each.get("items"), dict))


def patterns_of_others(root: Json) -> Iterator[object]:
    for each in schemas(root):
        patterns = [*([each["pattern"]] if "pattern" in each else ()), *each.get("patternProperties", ())]
        yield from (pattern for pattern in patterns if not is_regex_of_python(pattern))


def repeated_values(root: Json) -> Iterator[object]:
    unique = jsonschema_rs.validator_for({"uniqueItems": True})
    return (each for each in schemas(root) if "enum" in each and not unique.is_valid(each["enum"]))


def invalid(root: Json) -> Iterator[object]:
    if not jsonschema_rs.meta.is_valid({"$schema": "https://json-schema.org/draft/2020-12/schema", **root}):
        yield root


def names_of_arguments(root: Json) -> Iterator[object]:
    return (name for name in root.get("properties", {}) if not NAME.fullmatch(name))


def names_anywhere(root: Json) -> Iterator[object]:
    for each in schemas(root):
        yield from (name for name in each.get("properties", {}) if not NAME.fullmatch(name))


def besides_a_ref(root: Json) -> Iterator[object]:
    return (each for each in schemas(root) if "$ref" in each and not each.keys() <= {"$ref", "default", "description"})


def dangling_refs(root: Json) -> Iterator[object]:
    known = {f"#/$defs/{name}" for name in root.get("$defs", {})}
    return (each for each in schemas(root) if "$ref" in each and each["$ref"] not in known)


def containers_among_types(root: Json) -> Iterator[object]:
    for each in schemas(root):
        if len(types_of(each)) > 1 and each.keys() & {"items", "properties", "required"}:
            yield each


def members_of_others(root: Json) -> Iterator[object]:
    for each in schemas(root):
        if (each.get("type") != "object" and each.keys() & {"properties", "required"}) or (
            each.get("type") != "array" and "items" in each
        ):
            yield each


def required_and_unknown(root: Json) -> Iterator[object]:
    for each in schemas(root):
        yield from set(each.get("required", ())) - each.get("properties", {}).keys()


def without_values(root: Json) -> Iterator[object]:
    return (each for each in schemas(root) if each.get("enum") == [])


def references(root: Json) -> Iterator[object]:
    return (each for each in schemas(root) if "$ref" in each)


def open_objects(root: Json) -> Iterator[object]:
    for each in schemas(root):
        if "object" in types_of(each) and each.get("additionalProperties") is not False:
            yield each


def optional_members(root: Json) -> Iterator[object]:
    for each in schemas(root):
        yield from each.get("properties", {}).keys() - set(each.get("required", ()))


def keywords(*unknown: str) -> Callable[[Json], Iterator[object]]:
    return lambda root: (each for each in schemas(root) if each.keys() & set(unknown))


def too_large(root: Json) -> Iterator[object]:
    found = list(schemas(root))
    if sum(len(each.get("properties", ())) for each in found) > 5_000:
        yield "properties"
    if sum(len(each.get("enum", ())) for each in found) > 1_000:
        yield "values"


OPENAI = (
    Rule("an object", "nspady/google-calendar-mcp#39", no_object),
    Rule(
        "nothing else at the top",
        "langchain-ai/langchainjs#9804",
        at_the_top("oneOf", "anyOf", "allOf", "enum", "not"),
    ),
    Rule("properties at the top", "spring-projects/spring-ai#4776", no_properties),
    Rule("items of arrays", "sigoden/aichat#1049, campfirein/byterover-cli#42", arrays_without_items),
    Rule("patterns of Python", "pleaseai/shunt#488, BerriAI/litellm#40485", patterns_of_others),
    Rule("each value once", "JSON Schema 2020-12 validation 6.1.2; draft 7 demands it", repeated_values),
    Rule("valid", "pleaseai/shunt#488: checked against the meta-schema", invalid),
)
PROFILES: dict[str, tuple[Rule, ...]] = {
    "OpenAI": OPENAI,
    "Anthropic": (
        Rule("an object", "docs.claude.com/en/docs/agents-and-tools/tool-use: `input_schema`", no_object),
        Rule("nothing else at the top", "anthropics/claude-code#5319", at_the_top("oneOf", "anyOf", "allOf")),
        Rule("names of arguments", "decocms/studio#6874, twilio-labs/mcp#58", names_of_arguments),
        Rule("valid", "anthropics/claude-code#586: draft 2020-12", invalid),
    ),
    "Gemini": (
        Rule("an object", "ai.google.dev/api/caching#FunctionDeclaration", no_object),
        Rule("nothing beside a $ref", "anomalyco/opencode#12295, su-kaka/gcli2api#374", besides_a_ref),
        Rule("no $ref to nothing", "google-gemini/gemini-cli#13326", dangling_refs),
        Rule("items of arrays", "cline/cline#7339", arrays_without_items),
        Rule("members only of objects", "anomalyco/opencode#43421, anomalyco/opencode#49392", containers_among_types),
        Rule("values in an enum", "elastic/kibana#286302", without_values),
        Rule(
            "members beside their type",
            "anomalyco/opencode#11889, anomalyco/opencode#13148, sbroenne/mcp-server-excel#672, mastra-ai/mastra#22489",
            members_of_others,
            of_answers=False,
        ),
        Rule(
            "required among the members",
            "probelabs/probe#569, MarkusPfundstein/mcp-obsidian#105, Kilo-Org/kilocode#11955",
            required_and_unknown,
            of_answers=False,
        ),
    ),
}
# What no list of tools can promise whose APIs have optional parameters; it is counted only.
COUNTED: dict[str, tuple[Rule, ...]] = {
    "OpenAI, strict": (
        *OPENAI,
        Rule("closed objects", STRICT, open_objects),
        Rule("nothing optional", STRICT, optional_members),
        Rule(
            "known keywords",
            STRICT,
            keywords("allOf", "dependentRequired", "dependentSchemas", "else", "if", "not", "oneOf", "then"),
        ),
        Rule("not too much", STRICT, too_large),
    ),
    "hosts that drop $defs": (Rule("no $ref", "PrefectHQ/fastmcp#2861, charmbracelet/crush#3782", references),),
    "names at every depth": (
        Rule("names", "not demanded: aws-solutions-library-samples/…-on-aws#709, trap 1", names_anywhere),
    ),
}


def broken_rules(schema: Json, rules: tuple[Rule, ...]) -> list[str]:
    """The names of the rules that the schema breaks."""
    return [rule.name for rule in rules if next(rule.broken(schema), None) is not None]
