"""`tools-provider convert` as somebody uses it who wants to know what a document is worth, before any server runs."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from app.cli import cli
from tests.support.environments import ROOT

COMMAND = Path(sys.executable).with_name("tools-provider")
ORDERS: dict[str, Any] = {
    "openapi": "3.1.0",
    "info": {"title": "Orders & more", "version": "1.2"},
    "paths": {
        "/orders/{order_id}": {
            "get": {
                "operationId": "readOrder",
                "summary": "Read an order",
                "parameters": [
                    {"name": "order_id", "in": "path", "required": True, "schema": {"type": "string"}},
                    {"name": "X-Shop", "in": "header", "schema": {"type": "string"}},
                ],
            },
            "put": {
                "operationId": "changeOrder",
                "requestBody": {
                    "content": {"application/json": {"schema": {"properties": {"note": {"type": "string"}}}}}
                },
            },
        },
        "/files": {
            "post": {"operationId": "upload", "requestBody": {"content": {"text/csv": {"schema": {"type": "string"}}}}},
            "get": "not an operation",
        },
    },
}


@pytest.fixture
def convert(tmp_path: Path) -> Callable[..., Result]:
    """Run the command on a document, which is a tree or the bytes of a file."""

    def run(document: object, *options: str) -> Result:
        file = tmp_path / "document.json"
        file.write_bytes(document if isinstance(document, bytes) else json.dumps(document).encode())
        return CliRunner().invoke(cli, ["convert", str(file), *options])

    return run


def test_programs_get_the_tools_the_report_and_the_sums(convert: Callable[..., Result]) -> None:
    run = convert(ORDERS, "--json")
    assert (run.exit_code, run.stderr) == (0, "")
    answer = json.loads(run.stdout)
    assert [tool["name"] for tool in answer["tools"]] == [
        "orders-more__readOrder",
        "orders-more__changeOrder",
        "orders-more__upload",
    ]
    statuses = {(item["method"], item["path"]): item["status"] for item in answer["report"]}
    assert statuses == {
        ("GET", "/orders/{order_id}"): "ready",
        ("PUT", "/orders/{order_id}"): "degraded",
        ("POST", "/files"): "ready",
        ("GET", "/files"): "skipped",
    }
    sizes = [item["bytes"] for item in answer["report"]]
    assert answer["totals"] == {
        "operations": 4,
        "tools": 3,
        "ready": 2,
        "degraded": 1,
        "skipped": 1,
        "bytes": sum(sizes),
        "estimated_tokens": sum(item["estimated_tokens"] for item in answer["report"]),
        "names_over": {"46": 0, "60": 0, "64": 0},
    }
    assert answer["examples"] == {"tried": 0, "taken": 0}
    assert min(sizes[:3]) > 50


def test_examples_that_tools_refuse_are_told_and_counted(convert: Callable[..., Result]) -> None:
    limit = {"name": "limit", "in": "query", "schema": {"type": "integer", "default": 10}, "example": "many"}
    document = {**ORDERS, "paths": {"/orders": {"get": {"parameters": [limit], "responses": {}}}}}
    printed = convert(document).stdout
    assert "Examples of the document that its tools refuse, and why" in printed
    assert 'the value is not of type "integer" (at /paths/~1orders/get/parameters/0/example)' in printed
    assert "1 ready, 0 degraded" in printed
    assert printed.endswith("examples: 1 of 2\n")
    answer = json.loads(convert(document, "--json").stdout)
    assert answer["examples"] == {"tried": 2, "taken": 1}
    assert "not of type" in answer["report"][0]["refused_examples"]


def test_schemas_are_shown_and_counted_in_the_profile_that_is_asked_for(convert: Callable[..., Result]) -> None:
    names = ["ids", "more", "others"]
    parameters = [{"name": name, "in": "query", "schema": {"type": "array"}} for name in names]
    document = {**ORDERS, "paths": {"/orders": {"get": {"parameters": parameters}}}}
    shown = {}
    for options in ((), ("--schema-profile", "portable"), ("--schema-profile", "standard")):
        answer = json.loads(convert(document, "--json", *options).stdout)
        (tool,) = answer["tools"]
        shown[options[-1:]] = (tool["inputSchema"]["properties"]["ids"], answer["totals"]["bytes"])
    assert shown[()] == shown[("portable",)]
    assert shown[("portable",)][0] == {"type": "array", "items": {}}
    assert shown[("standard",)][0] == {"type": "array"}
    assert shown[("standard",)][1] < shown[()][1]
    assert convert(document, "--schema-profile", "strict").exit_code == 2


def test_each_tool_says_which_operation_it_is_and_where_each_argument_goes(convert: Callable[..., Result]) -> None:
    tools = {tool["name"]: tool for tool in json.loads(convert(ORDERS, "--json", "--slug", "o").stdout)["tools"]}
    assert tools["o__readOrder"]["_meta"] == {
        "x-openapi-operation": {"method": "get", "path": "/orders/{order_id}"},
        "x-openapi-arguments": {
            "order_id": {"in": "path", "name": "order_id"},
            "X-Shop": {"in": "header", "name": "X-Shop"},
        },
    }
    assert tools["o__readOrder"]["title"] == "Read an order"
    assert tools["o__changeOrder"]["_meta"]["x-openapi-arguments"]["note"] == {"in": "body", "name": "note"}
    assert tools["o__upload"]["_meta"]["x-openapi-arguments"] == {"body": {"in": "body", "name": "body"}}
    assert tools["o__upload"]["inputSchema"]["properties"].keys() == {"body"}


def test_people_see_what_became_a_tool_and_what_was_lost_and_why(convert: Callable[..., Result]) -> None:
    run = convert(ORDERS)
    assert run.exit_code == 0
    lines = [line.split() for line in run.stdout.splitlines()]
    assert ["GET", "/orders/{order_id}", "orders-more__readOrder", "ready"] in [words[:4] for words in lines]
    assert "skipped: It cannot be called: it is not an Operation Object. (at /paths/~1files/get)" in run.stdout
    assert "which no parameter declares" in run.stdout
    assert "4 operations, 3 tools (2 ready, 1 degraded), 1 skipped" in lines_of(run)[-1]


def test_names_have_the_length_that_is_set_and_those_too_long_for_some_hosts_are_counted(
    convert: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    document = {
        "openapi": "3.1.0",
        "info": {"title": "Acme Warehouse REST API v2"},
        "paths": {
            "/a": {"get": {"operationId": "listReservedShelfPositionsOfTheWarehouse"}},
            "/b": {"get": {"operationId": "exportEveryReservedShelfPositionOfThisWarehouse"}},
            "/c": {"get": {"operationId": "ping"}},
        },
    }

    def names(*options: str) -> list[str]:
        return [tool["name"] for tool in json.loads(convert(document, "--json", *options).stdout)["tools"]]

    short = ["acme-warehouse__listReservedShelfPositions", "acme-warehouse__exportEveryReserveShelfPositio"]
    long = [
        "acme-warehouse__listReservedShelfPositionsOfTheWarehouse",
        "acme-warehouse__exportEveryReservedShelfPositionOfThisWarehouse",
    ]
    assert names()[:2] == short
    assert names("--name-length", "64")[:2] == long
    assert "names over 46/60/64 characters: 0/0/0" in convert(document).stdout
    assert "names over 46/60/64 characters: 2/1/0" in convert(document, "--name-length", "64").stdout
    monkeypatch.setenv("TOOL_NAME_LENGTH", "64")
    assert names()[:2] == long
    assert convert(document, "--name-length", "23").exit_code == 2


def lines_of(run: Result) -> list[str]:
    return run.stdout.splitlines()


def test_the_largest_tools_of_many_are_named(convert: Callable[..., Result]) -> None:
    paths = {f"/things/{n}": {"get": {"operationId": f"thing{n:02}", "description": "x" * n * 10}} for n in range(20)}
    run = convert({"openapi": "3.0.0", "info": {"title": "T"}, "paths": paths})
    largest = lines_of(run)[lines_of(run).index("The largest") :]
    told = [word for line in largest for word in line.split() if word.startswith("t__")]
    assert told == [f"t__thing{n:02}" for n in range(19, 9, -1)]


@pytest.mark.parametrize(
    ("document", "pointer", "why"),
    [
        ({"openapi": "4.0.0", "paths": {}}, "/openapi", "not an OpenAPI document"),
        ({"openapi": "3.1.0", "paths": ["/a"]}, "/paths", "`paths` that is not an object"),
        (b"<html>", "", "HTML or XML"),
        (b"{", "", "not valid JSON"),
    ],
)
def test_a_document_that_cannot_be_used_is_refused_with_the_reason(
    convert: Callable[..., Result], document: object, pointer: str, why: str
) -> None:
    run = convert(document)
    assert (run.exit_code, run.stdout) == (1, "")
    assert why in run.stderr
    assert f"At {pointer}." in run.stderr or not pointer
    told = convert(document, "--json")
    failure = json.loads(told.stdout)["failure"]
    assert (told.exit_code, failure["code"]) == (1, "invalid_document")
    assert why in failure["detail"]
    assert [each["pointer"] for each in failure["violations"]] == [pointer]


def test_a_document_without_operations_is_told_as_such(convert: Callable[..., Result]) -> None:
    run = convert({"openapi": "3.1.0", "info": {"title": "Hooks"}, "webhooks": {"new": {"post": {}}}})
    assert run.exit_code == 0
    assert "It describes no operations; webhooks are not calls to an API." in run.stdout
    assert "Hooks: 0 operations, 0 tools" in run.stdout


def test_an_operation_that_the_document_hides_is_no_tool_and_has_a_line(convert: Callable[..., Result]) -> None:
    document = {"openapi": "3.1.0", "paths": {"/a": {"get": {"x-internal": True}, "put": {}}}}
    told = json.loads(convert(document, "--json").stdout)
    assert [tool["_meta"]["x-openapi-operation"]["method"] for tool in told["tools"]] == ["put"]
    (line,) = [item for item in told["report"] if item["method"] == "GET"]
    assert (line["status"], line["name"], "`x-internal`" in line["reason"]) == ("skipped", None, True)
    assert (told["totals"]["ready"], told["totals"]["skipped"]) == (1, 1)


def test_what_a_document_hides_in_its_texts_does_not_reach_the_terminal(convert: Callable[..., Result]) -> None:
    run = convert(
        {
            "openapi": "3.1.0",
            "info": {"title": "\x1b]0;owned\x07 [red]Title"},
            "paths": {"/a\x1b[2J": {"get": 1}, "b://\u202e": {}},
        }
    )
    assert run.exit_code == 0
    assert "\x1b" not in run.stdout
    assert "\u202e" not in run.stdout
    assert "[red]Title: 2 operations, 0 tools" in run.stdout


def test_the_largest_of_few_are_not_listed_once_more(convert: Callable[..., Result]) -> None:
    paths: dict[str, Any] = {f"/things/{n}": {"get": {}} for n in range(19)}
    assert "The largest" not in convert({"openapi": "3.0.0", "info": {"title": "T"}, "paths": paths}).stdout


def test_a_document_may_come_through_a_pipe(tmp_path: Path) -> None:
    run = subprocess.run(  # noqa: S603
        [COMMAND, "convert", "/dev/stdin"], input=json.dumps(ORDERS), capture_output=True, text=True, check=True
    )
    assert "4 operations, 3 tools" in run.stdout


def test_a_root_that_there_is_not_is_refused(convert: Callable[..., Result]) -> None:
    run = convert(ORDERS, "--root", "missing")
    assert run.exit_code == 2
    assert "--root" in run.stderr


@pytest.mark.parametrize("options", [["missing.json"], ["."], ["loop"]])
def test_a_file_that_cannot_be_read_is_named(
    options: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("loop").symlink_to("loop")
    run = CliRunner().invoke(cli, ["convert", *options])
    assert run.exit_code == 2
    assert options[0] in run.stderr
    assert "Traceback" not in run.output


def test_a_slug_that_no_source_may_have_is_refused(convert: Callable[..., Result]) -> None:
    run = convert(ORDERS, "--slug", "No Slug")
    assert run.exit_code == 2
    assert "--slug" in run.stderr


def test_what_the_terminal_cannot_show_does_not_keep_the_rest_from_being_shown(tmp_path: Path) -> None:
    file = tmp_path / "document.json"
    file.write_text(json.dumps(ORDERS | {"info": {"title": "Caf\u00e9 \U0001f355", "version": "1"}}), encoding="utf-8")
    command = [sys.executable, "-m", "app", "convert", str(file)]
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    run = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S603
    assert (run.returncode, run.stderr) == (0, "")
    assert "Caf? ?: 4 operations" in run.stdout


def test_a_place_is_told_once(convert: Callable[..., Result]) -> None:
    paths = {"/a": {"get": {"parameters": {"q": {"in": "query"}}, "responses": {}}}, "/b": {"get": "none"}}
    printed = convert({"openapi": "3.0.3", "info": {"title": "A", "version": "1"}, "paths": paths}).stdout
    assert printed.count("(at /paths/~1a/get") == 1
    assert printed.count("(at /paths/~1b/get") == 1
