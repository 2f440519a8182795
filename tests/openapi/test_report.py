"""Whatever a document has under `paths` is an operation or a line of the report, and what is beside it has a line."""

from typing import Any

import pytest

from app.openapi.document.bundling import read_bundled
from app.openapi.document.reading import File
from app.operation.operation import Conversion
from tests.openapi.documents import Json, a_document, a_get, a_post, converted, only

OPERATION: Json = {"responses": {}}


def lines_of(conversion: Conversion) -> list[tuple[str, str, str]]:
    """What is no tool: method, path and pointer."""
    return [(item.method, item.path, item.pointer) for item in conversion.report if item.status == "skipped"]


def called(conversion: Conversion) -> list[tuple[str, str]]:
    return [(operation.method, operation.path) for operation in conversion.operations]


def read(text: str) -> Conversion:
    return converted(read_bundled(File(text.encode()), "", lambda wanted: ["not here"] * len(wanted)))


@pytest.mark.parametrize("method", ["GET", "Get", " get "])
def test_a_method_in_any_spelling_is_that_method(method: str) -> None:
    conversion = converted(a_document({"/a": {method: OPERATION}}))
    assert called(conversion) == [("GET", "/a")]
    assert lines_of(conversion) == []


def test_a_method_in_two_spellings_is_called_once_and_told() -> None:
    conversion = converted(a_document({"/a": {"get": OPERATION, "GET": OPERATION, "Put": OPERATION, "PUT": OPERATION}}))
    assert called(conversion) == [("GET", "/a"), ("PUT", "/a")]
    assert lines_of(conversion) == [("GET", "/a", "/paths/~1a/GET"), ("PUT", "/a", "/paths/~1a/PUT")]


@pytest.mark.parametrize("key", ["gett", "list", "SUBSCRIBE", "connect"])
def test_what_could_be_meant_for_a_method_has_a_line(key: str) -> None:
    conversion = converted(a_document({"/a": {"get": OPERATION, key: OPERATION}}))
    assert called(conversion) == [("GET", "/a")]
    assert lines_of(conversion) == [(key, "/a", f"/paths/~1a/{key}")]


@pytest.mark.parametrize("key", ["x-gateway", "description", "summary", "servers", "note"])
def test_what_is_no_operation_has_none(key: str) -> None:
    value: Any = {"a": 1} if key.startswith("x-") else "text"
    assert lines_of(converted(a_document({"/a": {"get": OPERATION, key: value}}))) == []


@pytest.mark.parametrize(
    ("key", "value"), [("tags", ["a"]), ("security", []), ("operationId", "a"), ("requestBody", {}), ("consumes", [])]
)
def test_what_belongs_to_operations_counts_for_none_of_them_and_has_a_line(key: str, value: Any) -> None:
    conversion = converted(a_document({"/a": {"get": OPERATION, key: value}}))
    assert called(conversion) == [("GET", "/a")]
    assert (conversion.operations[0].tags, conversion.operations[0].body) == ((), None)
    assert lines_of(conversion) == [(key, "/a", f"/paths/~1a/{key}")]
    assert "belongs to operations" in str(conversion.report[-1].reason)


@pytest.mark.parametrize("item", [{}, None, [], {"parameters": []}, {"x-note": {}}, {"additionalOperations": {}}])
def test_a_path_without_operations_has_a_line(item: Any) -> None:
    conversion = converted(a_document({"/a": item, "/b": a_get()}))
    assert lines_of(conversion) == [("*", "", "/paths/~1a")]
    assert "/a has no operations" in str(conversion.report[-1].reason)


@pytest.mark.parametrize("value", [None, [], "later"])
def test_an_operation_that_is_none_has_a_line(value: Any) -> None:
    assert lines_of(converted(a_document({"/a": {"get": value}}))) == [("GET", "/a", "/paths/~1a/get")]


@pytest.mark.parametrize("value", [[], {"CONNECT": {}}, {"no method": {}}])
def test_additional_operations_that_cannot_be_called_have_a_line(value: Any) -> None:
    conversion = converted(a_document({"/a": {"get": OPERATION, "additionalOperations": value}}, version="3.2.0"))
    assert [line[1:2] for line in lines_of(conversion)] == [("/a",)]


def test_webhooks_and_callbacks_have_a_line_each() -> None:
    operation = a_get()["get"] | {"callbacks": {"done": {}, "failed": {}}}
    document = a_document({"/a": {"get": operation}}, webhooks={"w": a_get()})
    conversion = converted(document)
    assert lines_of(conversion) == [("*", "", "/webhooks"), ("*", "", "/paths/~1a/get/callbacks/done")]
    assert "callbacks (2)" in str(conversion.report[-1].reason)


@pytest.mark.parametrize(
    "parameters",
    [
        {"0": {"name": "id", "in": "path", "schema": {"type": "integer"}}, "2": {"name": "view", "in": "query"}},
        {"id": {"in": "path", "schema": {"type": "integer"}}, "view": {"in": "query"}},
    ],
)
def test_parameters_in_an_object_are_those_of_a_list(parameters: Json) -> None:
    operation, report = only(a_document({"/a/{id}": {"get": {"parameters": parameters, "responses": {}}}}))
    assert operation.input_schema["properties"] == {"id": {"type": "integer"}, "view": {"type": "string"}}
    assert "`parameters` is an object" in str(report.reason)


def test_a_parameter_that_is_twice_in_a_list_is_told() -> None:
    number = {"name": "filter", "in": "query", "required": True, "schema": {"type": "integer"}}
    text = {"name": "filter", "in": "query", "schema": {"type": "string"}}
    operation, item = only(a_document({"/a": a_get(number, text)}))
    assert operation.input_schema["properties"] == {"filter": {"type": "string"}}
    assert item.reason == (
        "of two parameters of one name in one list this one is taken (at /paths/~1a/get/parameters/1)"
    )
    for declared in ({"/a": a_get(text, text)}, {"/a": {**a_get(text), "parameters": [number]}}):
        assert only(a_document(declared))[1].status == "ready"


def test_a_single_parameter_may_stand_for_the_list() -> None:
    operation, _ = only(a_document({"/a": {"get": {"parameters": {"name": "q", "in": "query"}}}}))
    assert [each.name for each in operation.parameters] == ["q"]


def test_parameters_that_are_no_list_are_told() -> None:
    assert "`parameters` is no list" in str(only(a_document({"/a": {"get": {"parameters": "q"}}}))[1].reason)


def test_a_media_type_that_cannot_be_read_is_told_beside_a_good_one() -> None:
    operation = a_post({"type": "object"})
    operation["post"]["requestBody"]["content"] |= {"json": {}, "text/plain": "text", "x-note": {}}
    reason = str(only(a_document({"/a": operation}))[1].reason)
    assert "/content/json)" in reason
    assert "/content/text~1plain)" in reason
    assert "x-note" not in reason


@pytest.mark.parametrize("where", ["operation", "path"])
def test_what_is_internal_is_hidden(where: str) -> None:
    item = a_get()
    (item["get"] if where == "operation" else item)["x-internal"] = True
    operation, _ = only(a_document({"/a": item}))
    assert operation.hidden
    assert not only(a_document({"/a": a_get() | {"x-internal": False}}))[0].hidden
    assert not only(a_document({"/a": {"get": {"x-internal": False}, "x-internal": True}}))[0].hidden


TWICE = """
openapi: 3.0.3
info: {title: Twice, version: "1"}
paths:
  /notes:
    parameters: [{name: a, in: query}]
    get: {operationId: listNotes}
  /notes:
    post: {operationId: createNote}
    get: {operationId: readNotes}
components:
  schemas: {A: {type: string, type: integer}}
"""
TWICE_IN_JSON = """
{"openapi": "3.0.3", "info": {"title": "Twice", "version": "1"}, "paths": {
  "/notes": {"parameters": [{"name": "a", "in": "query"}], "get": {"operationId": "listNotes"}},
  "/notes": {"post": {"operationId": "createNote"}, "get": {"operationId": "readNotes"}}},
 "components": {"schemas": {"A": {"type": "string", "type": "integer"}}}}
"""


@pytest.mark.parametrize("text", [TWICE, TWICE_IN_JSON])
def test_of_a_path_that_is_there_twice_no_method_is_lost_and_each_key_is_told(text: str) -> None:
    conversion = read(text)
    assert [operation.operation_id for operation in conversion.operations] == ["readNotes", "createNote"]
    assert all(operation.parameters for operation in conversion.operations)
    assert lines_of(conversion)[0][:2] == ("*", "")
    named = str(conversion.report[-1].reason).partition(": ")[2].rstrip(".").split(", ")
    assert sorted(named) == ["/components/schemas/A/type", "/paths/~1notes", "/paths/~1notes/get"]


@pytest.mark.parametrize(
    "text",
    [
        '{"openapi" : "3.0.0", "paths": {"/a": {"get": {"description": "\\": \\\\", "summary": ": x", "\\\\": 1}}}}',
        '{"openapi": "3.0.0", "paths": {"/a": {"get": {"x-a": {"b": [{"c": ""}, {"c": ":"}]}, "x-b": {"b": {}}}}}}',
        "openapi: 3.0.0\npaths:\n  /a:\n    get: {x-a: &a {b: 1}, x-b: {<<: *a, b: 2}}\n",
    ],
)
def test_keys_of_several_objects_are_not_twice(text: str) -> None:
    assert lines_of(read(text)) == []


@pytest.mark.parametrize("make", [str, lambda text: text.replace("\n", " ")])
def test_what_is_there_twice_at_the_top_is_put_together(make: Any) -> None:
    text = """{"openapi": "3.0.0", "paths": {"/a": {"get": {"parameters": [{"$ref": "#/components/parameters/A"}]}}},
      "components": {"parameters": {"A": {"name": "a", "in": "query"}}}, "components": {"schemas": {}},
      "paths": {"/b": {"get": {}}}}"""
    for conversion in (read(make(text)), read(f"# YAML\n{text}")):
        assert called(conversion) == [("GET", "/a"), ("GET", "/b")]
        assert [each.name for each in conversion.operations[0].parameters] == ["a"]
        assert "/paths" in str(conversion.report[-1].reason)


def test_a_document_cannot_say_itself_what_it_has_twice() -> None:
    assert lines_of(read('{"openapi": "3.0.0", "paths": {"/a": {"get": {}}}, "x-tools-provider-twice": ["/b"]}')) == []


def test_of_many_notes_an_operation_has_the_first_and_their_number() -> None:
    unusable = {f"a{number}": {"pattern": "("} for number in range(50)}
    operation, item = only(a_document({"/a": a_post({"type": "object", "properties": unusable})}))
    assert len(operation.notes) == 11
    assert operation.notes[-1] == "and 40 more"
    assert item.reason == "; ".join(operation.notes)
