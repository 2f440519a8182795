"""What a document may say of its tools, and what it may not."""

from typing import Any

import pytest

from app.operation.operation import Hints, Operation, operation_from_json, operation_to_json
from tests.openapi.documents import a_document, a_get, converted, only

READS = Hints(read_only=True, destructive=False, idempotent=True)
WRITES = Hints(read_only=False, destructive=True, idempotent=False)


def saying(method: str = "get", **fields: Any) -> Operation:
    stated = {name.replace("_", "-"): value for name, value in fields.items()}
    plain = {"operationId": "plain", "summary": "Summary", "description": "Description", "responses": {}}
    operation, _ = only(a_document({"/a": {method: plain | stated}}))
    return operation


@pytest.mark.parametrize(
    "fields",
    [
        {"x_mcp_name": "search", "x_mcp_title": "Search", "x_mcp_description": "Finds."},
        {"x_mcp_tool_name": "search", "x_mcp": {"title": "Search", "description": "Finds."}},
        {"x_mcp": {"name": "search", "title": "Search", "description": "Finds."}},
        {"x_speakeasy_mcp": {"name": "search", "title": "Search", "description": "Finds.", "scopes": ["read"]}},
        {"x_mcp_name": "search", "x_mcp": {"name": "other", "title": "Search", "description": "Finds."}},
    ],
)
def test_a_document_names_and_describes_its_tools(fields: Any) -> None:
    operation = saying(**fields)
    assert (operation.name, operation.title, operation.description) == ("search", "Search", "Finds.")
    assert operation.operation_id == "plain"
    assert not operation.hidden


@pytest.mark.parametrize(
    "fields",
    [
        {"x_mcp_hidden": True},
        {"x_mcp_exclude": True},
        {"x_mcp_ignore": True},
        {"x_mcp_enabled": False},
        {"x_mcp": False},
        {"x_mcp": {"enabled": False}},
        {"x_mcp": {"skip": True}},
        {"x_speakeasy_mcp": {"disabled": True}},
        {"x_mcp_hidden": False, "x_mcp": {"hidden": True}},
    ],
)
def test_a_document_hides_operations(fields: Any) -> None:
    assert saying(**fields).hidden


@pytest.mark.parametrize(
    "fields",
    [
        {"x_mcp_name": 7, "x_mcp_title": [], "x_mcp_description": {}, "x_mcp_hidden": "yes", "x_mcp_annotations": "no"},
        {"x_mcp": True, "x_speakeasy_mcp": ["x"], "x_mcp_enabled": None},
        {"x_mcp_name": " ", "x_mcp_description": "", "x_mcp_annotations": {"readOnlyHint": 0, "destructiveHint": 1}},
        {"x_mcp_header": "X-Tenant", "x_mcp_scope": "all"},
    ],
)
def test_what_is_of_another_kind_says_nothing(fields: Any) -> None:
    assert saying(**fields) == saying()


@pytest.mark.parametrize(
    ("method", "annotations", "hints"),
    [
        ("get", {}, READS),
        ("get", {"readOnlyHint": False}, WRITES),
        ("get", {"readOnlyHint": True, "destructiveHint": False, "idempotentHint": True}, READS),
        ("put", {"idempotentHint": False}, WRITES),
        ("post", {"readOnlyHint": True, "destructiveHint": False, "idempotentHint": True}, WRITES),
        ("delete", {"readOnlyHint": True}, Hints(read_only=False, destructive=True, idempotent=True)),
    ],
)
def test_a_document_may_warn_and_never_reassure(method: str, annotations: Any, hints: Hints) -> None:
    assert saying(method, x_mcp_annotations=annotations).hints == hints
    assert saying(method, x_mcp={"annotations": annotations}).hints == hints


def test_names_of_a_document_pass_the_same_rules_as_all_others() -> None:
    paths = {
        "/a": {"get": {"x-mcp-name": "../evil name\u202e", "responses": {}}},
        "/b": {"get": {"x-mcp-name": "same", "responses": {}}},
        "/c": {"get": {"operationId": "same", "responses": {}}},
        "/d": {"get": {"x-mcp-name": "x" * 100, "responses": {}}},
    }
    names = [operation.name for operation in converted(a_document(paths)).operations]
    assert names[0] == "evil_name"
    assert all(name.startswith("same_") for name in names[1:3])
    assert len(set(names)) == 4
    assert max(len(f"shop__{name}") for name in names) == 46


def test_what_nobody_can_see_is_taken_out_and_reported() -> None:
    item = {"get": {"x-mcp-description": "Finds.\U000e0041", "responses": {}}}
    operation, report = only(a_document({"/a": item}))
    assert operation.description == "Finds."
    assert (report.status, "invisible" in str(report.reason)) == ("degraded", True)


def test_what_a_document_says_survives_storage() -> None:
    operation = saying(x_mcp_hidden=True, x_mcp_annotations={"readOnlyHint": False})
    assert operation_from_json(operation_to_json(operation)) == operation


def test_a_mirrored_header_never_gets_through() -> None:
    schema = {"type": "string", "x-mcp-header": "Authorization", "x-mcp": {"header": "Cookie"}}
    operation, _ = only(a_document({"/a": a_get({"name": "q", "in": "query", "schema": schema, "x-mcp-header": "X"})}))
    assert operation.input_schema["properties"]["q"] == {"type": "string"}
