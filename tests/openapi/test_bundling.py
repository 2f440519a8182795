"""Documents of several files become one tree, and what cannot be had costs the operations that need it."""

import json
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import Invalid
from app.openapi.conversion import convert
from app.openapi.document.bundling import read_bundled
from app.openapi.document.reading import File, Limits
from app.operation.operation import Conversion
from tests.openapi.documents import Json, a_document, a_get, a_post

ROOT = "https://api.example.com/spec/openapi.json"


class Files:
    """Files by their addresses, and what was asked for."""

    def __init__(self, **files: Any) -> None:
        self.files = files
        self.asked: list[str] = []

    def load(self, addresses: Sequence[str]) -> list[File | str]:
        self.asked += addresses
        return [self._file(address) for address in addresses]

    def _file(self, address: str) -> File | str:
        content = self.files.get(address.removeprefix("https://api.example.com/"))
        if content is None:
            return "there is no such file"
        return File(content.encode() if isinstance(content, str) else json.dumps(content).encode())


def bundled(document: Json | str, files: Files | None = None, address: str = ROOT, **limits: int) -> Conversion:
    data = document if isinstance(document, str) else json.dumps(document)
    kept = Limits(**limits)
    tree = read_bundled(File(data.encode()), address, (files or Files()).load, limits=kept)
    return convert(tree, slug="shop", limits=kept)


def schemas_of(conversion: Conversion) -> tuple[Json, Json]:
    """The properties and the definitions of the only operation."""
    (operation,) = conversion.operations
    return operation.input_schema["properties"], operation.input_schema.get("$defs", {})


def body_of(schema: Any) -> Json:
    """A document whose one operation sends a list of such values."""
    return a_document({"/a": a_post({"type": "array", "items": schema})})


def statuses(conversion: Conversion) -> list[str]:
    return [item.status for item in conversion.report]


def test_a_document_of_one_file_asks_for_none() -> None:
    files = Files()
    conversion = bundled(a_document({"/a": a_post({"$ref": "#/components/schemas/A"})}, schemas={"A": {}}), files)
    assert (statuses(conversion), files.asked) == (["ready"], [])


def test_schemas_of_another_file_become_definitions_of_their_own_name() -> None:
    files = Files(
        **{"spec/models/pet.yaml": "Pet: {type: object, properties: {tag: {$ref: '#/Tag'}}}\nTag: {type: string}"}
    )
    conversion = bundled(body_of({"$ref": "models/pet.yaml#/Pet"}), files)
    properties, definitions = schemas_of(conversion)
    assert properties["body"]["items"] == {"$ref": "#/$defs/Pet"}
    assert definitions["Pet"]["properties"] == {"tag": {"$ref": "#/$defs/Tag"}}
    assert definitions["Tag"] == {"type": "string"}
    assert statuses(conversion) == ["ready"]
    assert files.asked == ["https://api.example.com/spec/models/pet.yaml"]


def test_a_file_may_be_meant_as_a_whole_and_lends_its_name() -> None:
    files = Files(**{"spec/pet.v1.yaml": {"type": "object", "properties": {"mother": {"$ref": "pet.v1.yaml"}}}})
    properties, definitions = schemas_of(bundled(body_of({"$ref": "./pet.v1.yaml"}), files))
    assert properties["body"]["items"] == {"$ref": "#/$defs/pet.v1"}
    assert definitions["pet.v1"]["properties"]["mother"] == {"$ref": "#/$defs/pet.v1"}


def test_references_are_relative_to_the_file_that_they_stand_in() -> None:
    files = Files(
        **{
            "spec/paths/pets.json": {"get": {"parameters": [{"$ref": "../../common/p.json#/limit"}], "responses": {}}},
            "common/p.json": {"limit": {"name": "limit", "in": "query", "schema": {"$ref": "n.json"}}},
            "common/n.json": {"type": "integer", "maximum": 9},
        }
    )
    conversion = bundled(a_document({"/pets": {"$ref": "paths/pets.json"}}), files)
    properties, definitions = schemas_of(conversion)
    assert properties["limit"] == {"$ref": "#/$defs/n"}
    assert definitions["n"] == {"type": "integer", "maximum": 9}
    assert conversion.report[0].pointer == "paths/pets.json#/get"


def test_other_files_may_refer_back_to_the_document_and_in_circles() -> None:
    files = Files(
        **{
            "spec/a.json": {"A": {"properties": {"b": {"$ref": "b.json#/B"}}}},
            "spec/b.json": {
                "B": {"properties": {"a": {"$ref": "a.json#/A"}, "c": {"$ref": f"{ROOT}#/components/schemas/C"}}}
            },
        }
    )
    document = body_of({"$ref": "a.json#/A"}) | {"components": {"schemas": {"C": {"type": "string"}}}}
    conversion = bundled(document, files)
    assert sorted(schemas_of(conversion)[1]) == ["A", "B", "C"]
    assert statuses(conversion) == ["ready"]
    assert len(files.asked) == 2


def test_a_place_that_a_part_does_not_have_is_one_of_the_document_and_told() -> None:
    """Authors of parts write `#/components/…` and mean the whole, which tools that paste files together allow."""
    part = {
        "components": {"schemas": {"Own": {"type": "boolean"}}},
        "Pet": {
            "oneOf": [{"$ref": "#/components/schemas/Cat"}, {"$ref": "#/components/schemas/Dog"}],
            "discriminator": {"propertyName": "kind", "mapping": {"dog": "#/components/schemas/Dog"}},
            "properties": {
                "own": {"$ref": "#/components/schemas/Own"},
                "far": {"$ref": "#/components/schemas/Far"},
                "none": {"$ref": "#/components/schemas/None"},
            },
        },
    }
    files = Files(**{"spec/pet.json": part, "spec/far.json": {"type": "integer"}})
    cat, dog = ({"type": "object", "properties": {name: {"type": "string"}}} for name in ("purrs", "barks"))
    document = body_of({"$ref": "pet.json#/Pet"})
    document["components"]["schemas"] = {"Cat": cat, "Dog": dog, "Own": {}, "Far": {"$ref": "far.json"}}
    conversion = bundled(document, files)
    _, definitions = schemas_of(conversion)
    assert definitions["Cat"] == cat
    assert definitions["Own"] == {"type": "boolean"}
    assert definitions["Far"] == {"$ref": "#/$defs/far"}
    assert {"const": "dog"} in [each.get("properties", {}).get("kind") for each in definitions["Pet"]["anyOf"]]
    operation, line = conversion.report
    assert "'pet.json#/components/schemas/None' points to nothing" in str(operation.reason)
    assert (line.status, line.pointer) == ("skipped", "pet.json#/components/schemas/Cat")
    assert all(f"pet.json#/components/schemas/{name}" in str(line.reason) for name in ("Cat", "Dog", "Far"))
    assert "Own" not in str(line.reason)


def test_schemas_of_one_name_in_two_files_stay_two() -> None:
    files = Files(**{"spec/a.json": {"Id": {"type": "string"}}, "spec/b.json": {"Id": {"type": "integer"}}})
    schema = {"properties": {"a": {"$ref": "a.json#/Id"}, "b": {"$ref": "b.json#/Id"}}}
    _, definitions = schemas_of(bundled(body_of(schema), files))
    assert sorted(str(each["type"]) for each in definitions.values()) == ["integer", "string"]


@pytest.mark.parametrize(
    ("ref", "file", "pointer"),
    [
        ("a%20b.json#/x", "spec/a%20b.json", "a b.json#/x"),
        ("a b.json#/x", "spec/a%20b.json", "a b.json#/x"),
        ("./c/../a.json#/x", "spec/a.json", "a.json#/x"),
        ("/top.json#/x", "top.json", "../top.json#/x"),
        ("https://api.example.com/spec/d.json#/x", "spec/d.json", "d.json#/x"),
        ("a.json#/%78", "spec/a.json", "a.json#/x"),
        ("a.json?v=1#/x", "spec/a.json?v=1", "a.json?v=1#/x"),
        ("p%25.json#/x", "spec/p%25.json", "p%.json#/x"),
        ("\u00e4.json#/x", "spec/%C3%A4.json", "\u00e4.json#/x"),
    ],
)
def test_every_spelling_of_an_address_is_understood_and_shown_as_people_know_it(
    ref: str, file: str, pointer: str
) -> None:
    conversion = bundled(a_document({"/a": {"$ref": ref}}), Files(**{file: {"x": a_get()}}))
    assert [(item.status, item.pointer) for item in conversion.report] == [("ready", f"{pointer}/get")]


def test_names_with_slashes_tildes_and_percent_signs_are_told_apart() -> None:
    names = ["/a/{b}", "~", "50%", "a b", "/", "%2F", "~1"]
    tokens = [name.replace("~", "~0").replace("/", "~1") for name in names]
    document = a_document({f"/{number}": {"$ref": f"p.json#/{quote(token)}"} for number, token in enumerate(tokens)})
    conversion = bundled(document, Files(**{"spec/p.json": {name: a_get() for name in names}}))
    assert [item.pointer for item in conversion.report] == [f"p.json#/{token}/get" for token in tokens]


def test_references_in_the_middle_of_a_pointer_are_followed() -> None:
    document = body_of({"$ref": "#/components/schemas/Pet"}) | {"components": {"schemas": {"$ref": "schemas.yaml"}}}
    files = Files(
        **{
            "spec/schemas.yaml": "Pet: {$ref: 'pet.json#/definitions/Pet'}",
            "spec/pet.json": {"definitions": {"Pet": {"type": "null"}}},
        }
    )
    conversion = bundled(document, files)
    assert {"type": "null"} in schemas_of(conversion)[1].values()
    assert statuses(conversion) == ["ready"]


def test_all_paths_may_stand_in_another_file() -> None:
    document = a_document() | {"paths": {"$ref": "paths/_all.yaml"}}
    files = Files(**{"spec/paths/_all.yaml": {"/a": {"$ref": "a.yaml"}, "/b": a_get()}, "spec/paths/a.yaml": a_get()})
    conversion = bundled(document, files)
    assert {item.pointer for item in conversion.report} == {"paths/a.yaml#/get", "paths/_all.yaml#/~1b/get"}


def test_the_targets_of_a_discriminator_are_followed() -> None:
    schema = {
        "oneOf": [{"$ref": "cat.json"}],
        "discriminator": {"propertyName": "k", "mapping": {"c": "cat.json", "d": "Dog"}},
    }
    files = Files(**{"spec/cat.json": {"type": "object"}})
    tree = read_bundled(File(json.dumps(body_of(schema)).encode()), ROOT, files.load)
    found = tree["paths"]["/a"]["post"]["requestBody"]["content"]["application/json"]["schema"]["items"]
    assert found["discriminator"]["mapping"] == {"c": found["oneOf"][0]["$ref"], "d": "Dog"}


def test_what_no_tool_is_made_of_is_never_asked_for() -> None:
    operation = a_post(
        {"type": "object", "example": {"$ref": "1.json"}, "default": {"$ref": "2.json"}, "enum": [{"$ref": "3.json"}]}
    )
    operation["post"] |= {
        "x-samples": {"$ref": "4.json"},
        "callbacks": {"c": {"$ref": "5.json"}},
        "responses": {"200": {"links": {"l": {"$ref": "6.json"}}, "headers": {"h": {"$ref": "7.json"}}}},
    }
    files = Files()
    document = a_document({"/a": operation}, schemas={"Unused": {"$ref": "8.json"}})
    assert statuses(bundled(document | {"webhooks": {"w": {"$ref": "9.json"}}}, files)) == ["ready", *["skipped"] * 2]
    assert files.asked == []


def test_a_property_may_be_called_ref_or_like_a_keyword() -> None:
    schema = {
        "type": "object",
        "properties": {
            "$ref": {"type": "string"},
            "example": {"$ref": "a.json"},
            "x-y": {"$ref": "a.json"},
            "default": {"type": "integer"},
        },
    }
    files = Files(**{"spec/a.json": {"type": "boolean"}})
    properties, definitions = schemas_of(bundled(a_document({"/a": a_post(schema)}), files))
    assert set(properties) >= {"example", "x-y", "default"}
    assert definitions == {"a": {"type": "boolean"}}
    assert files.asked == ["https://api.example.com/spec/a.json"]


def test_what_aliases_share_is_rewritten_once() -> None:
    yaml = (
        "openapi: 3.1.0\ninfo: {title: T, version: '1'}\npaths:\n  /a: &a\n    get:\n      parameters:\n"
        "      - {name: q, in: query, schema: {$ref: 'q.json#/Q'}}\n      responses: {}\n  /b: *a\n"
    )
    conversion = bundled(yaml, Files(**{"spec/q.json": {"Q": {"type": "integer"}}}))
    assert statuses(conversion) == ["ready", "ready"]
    assert [each.input_schema["$defs"] for each in conversion.operations] == [{"Q": {"type": "integer"}}] * 2


def test_a_missing_file_costs_the_operations_that_need_it_and_no_other() -> None:
    document = a_document(
        {
            "/good": a_get(),
            "/gone": {"$ref": "gone.yaml"},
            "/poor": a_post({"type": "object", "properties": {"a": {"$ref": "m/gone.yaml#/A"}}}),
        }
    )
    found = {item.path: item for item in bundled(document).report}
    assert {path: item.status for path, item in found.items()} == {
        "/good": "ready",
        "/gone": "skipped",
        "/poor": "degraded",
    }
    assert "'gone.yaml' is not available: there is no such file" in str(found["/gone"].reason)
    assert "'m/gone.yaml#/A' is not available: there is no such file" in str(found["/poor"].reason)


def test_members_that_many_take_over_count_each_time() -> None:
    all_of = [{"properties": {"$ref": "#/components/schemas/All/properties"}} for _ in range(10)]
    schemas: Json = {"All": {"properties": {f"p{number}": {} for number in range(50)}}}
    document = body_of({"allOf": all_of}) | {"components": {"schemas": schemas}}
    assert statuses(bundled(document)) == ["ready"]
    with pytest.raises(Invalid, match="SOURCE_MAX_NODES"):
        bundled(document, nodes=1_000)


def test_a_missing_file_of_all_paths_is_told() -> None:
    conversion = bundled(a_document() | {"paths": {"$ref": "paths.yaml", "/kept": a_get()}})
    assert sorted((item.status, item.path) for item in conversion.report) == [("ready", "/kept"), ("skipped", "$ref")]
    assert any("'paths.yaml' is not available" in str(item.reason) for item in conversion.report)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("{", "it is not valid JSON"),
        ("<html>", "it is HTML or XML"),
        ("just a text", "it holds a single value"),
        ("", "it is empty"),
        ("a: &a [*a]", "it has an alias to something that is not complete"),
        ("[" * 300 + "]" * 300, "it is nested deeper than 200 levels (SOURCE_MAX_DEPTH)"),
        ("a: [" + "x, " * 2_000 + "x]", "values (SOURCE_MAX_NODES)"),
    ],
)
def test_a_file_that_cannot_be_read_is_a_missing_one_with_the_reason(content: str, reason: str) -> None:
    conversion = bundled(a_document({"/a": {"$ref": "a.yaml"}}), Files(**{"spec/a.yaml": content}), nodes=1_000)
    assert statuses(conversion) == ["skipped"]
    assert reason in str(conversion.report[0].reason)


def test_values_are_counted_over_all_files() -> None:
    names = [f"f{number}.json" for number in range(10)]
    document = a_document({f"/{name}": {"$ref": name} for name in names})
    files = Files(**{f"spec/{name}": a_get() | {"x-y": list(range(300))} for name in names})
    report = bundled(document, files, nodes=1_000).report
    assert {item.status for item in report} == {"ready", "skipped"}
    assert all("SOURCE_MAX_NODES" in str(item.reason) for item in report if item.status == "skipped")


def test_a_pointer_that_leads_to_nothing_names_the_file() -> None:
    conversion = bundled(a_document({"/a": {"$ref": "a.json#/b/c"}}), Files(**{"spec/a.json": {"b": {}}}))
    assert "'a.json#/b/c' points to nothing" in str(conversion.report[0].reason)


@pytest.mark.parametrize(
    "ref",
    [
        "http://[",
        "http://[::1",
        "//",
        ":",
        "a.json#b",
        "#b",
        "\ud800.json",
        "x" * 5_000,
        "?",
        "/",
        ".",
        "..",
        "%",
        "a%zz",
        "",
        "urn:a:b",
        "file:///etc/passwd",
        "http://a@b:c/",
        "a\x00b",
    ],
)
def test_any_text_in_a_reference_is_told_and_nothing_else_happens(ref: str) -> None:
    document = a_document({"/good": a_get(), "/odd": {"$ref": "all.yaml#/odd"}})
    content = "odd: {$ref: " + json.dumps(ref) + "}\n"
    conversion = bundled(document, Files(**{"spec/all.yaml": content}))
    found = {item.path: item.status for item in conversion.report}
    assert found["/good"] == "ready"
    assert found.get("/odd", "skipped") == "skipped"


@given(st.text(), st.text())
def test_no_reference_breaks_the_reading(outer: str, inner: str) -> None:
    document = a_document({"/good": a_get(), "/odd": {"$ref": outer}, "/file": {"$ref": "a.json#/x"}})
    conversion = bundled(document, Files(**{"spec/a.json": {"x": {"$ref": inner}}}))
    assert [item.status for item in conversion.report if item.path == "/good"] == ["ready"]


def test_too_many_files_are_refused_before_the_first_is_asked_for() -> None:
    files = Files()
    document = a_document({f"/{number}": {"$ref": f"{number}.json"} for number in range(11)})
    with pytest.raises(Invalid) as refused:
        read_bundled(File(json.dumps(document).encode()), ROOT, files.load, limits=Limits(files=10))
    assert "10 other files (SOURCE_MAX_FILES)" in refused.value.detail
    assert files.asked == []


def test_a_chain_of_files_without_end_is_refused_at_the_limit() -> None:
    def load(addresses: Sequence[str]) -> list[File | str]:
        (address,) = addresses
        asked.append(address)
        return [File(json.dumps({"$ref": f"f.json?{len(asked)}"}).encode())]

    asked: list[str] = []
    with pytest.raises(Invalid, match="SOURCE_MAX_FILES"):
        read_bundled(
            File(json.dumps(a_document({"/a": {"$ref": "f.json"}})).encode()), ROOT, load, limits=Limits(files=50)
        )
    assert len(asked) == 50


def test_references_that_only_lead_to_each_other_end() -> None:
    document = a_document({"/a": {"$ref": "a.json"}, "/b": {"$ref": "openapi.json#/paths/~1b"}})
    conversion = bundled(
        document, Files(**{"spec/a.json": {"$ref": "b.json#/x"}, "spec/b.json": {"x": {"$ref": "a.json"}}})
    )
    assert statuses(conversion) == ["skipped", "skipped"]
    assert all("circle" in str(item.reason) for item in conversion.report)


def test_what_a_document_hangs_where_its_files_go_is_no_file() -> None:
    document = a_document({"/a": {"$ref": "#/x-tools-provider-files/evil"}}) | {
        "x-tools-provider-files": {"evil": a_get()}
    }
    conversion = bundled(document)
    assert statuses(conversion) == ["skipped"]


_WORDS = st.sampled_from(
    ["$ref", "properties", "discriminator", "mapping", "allOf", "paths", "get", "x-a", "a.json#/x", ""]
)
_TREES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-3, 3), _WORDS, st.just("#/paths")),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(_WORDS, inner, max_size=4)),
    max_leaves=25,
)


@given(_TREES, _TREES)
def test_no_shape_of_a_document_breaks_the_reading(paths: Any, other: Any) -> None:
    files = Files(**{"spec/a.json": {"x": other}})
    tree = read_bundled(File(json.dumps(a_document() | {"paths": paths}).encode()), ROOT, files.load)
    assert len(files.asked) == len(set(files.asked))
    assert tree["openapi"] == "3.1.0"
