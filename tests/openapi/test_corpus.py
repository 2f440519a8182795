"""Real documents become good tools, as an independent judge sees them too."""

import functools
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from app.openapi.conversion import convert
from app.openapi.document.reading import Limits
from app.operation.operation import Conversion, Operation, operation_from_json, operation_to_json
from app.operation.portable import in_profile
from app.tools.arguments import ArgumentRules
from app.tools.request.plan import build_request, plan_request
from app.tools.tool_json import tool_json
from tests.openapi.corpus import CHECKER, DOCUMENTS, ROOT, RealDocument, named

NOTHING_LOST = {"petstore3", "github", "keycloak-admin", "twilio-api", "boundary", "sendgrid", "vault", "pagerduty"}
LARGEST = ["github", "datadog-v2"]
NO_LOSS = re.compile("^(calls carry a bearer token|JSON is sent instead of)|says `allow_slashes`")
TOLD = re.compile("cannot be the name of a header|is never taken from a caller")
MEASURED = """
import re, sys, time
from pathlib import Path
from app.documents.local import read_local
read_local(Path(sys.argv[1]), max_bytes=20_971_520).converted("largest")
print(time.process_time(), int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) / 1024)
"""


pytestmark = [
    pytest.mark.extended,
    pytest.mark.skipif(
        not DOCUMENTS, reason="The real documents are not here: set CORPUS to the folder `specs` of a corpus."
    ),
]
every_document = pytest.mark.parametrize("document", DOCUMENTS, ids=lambda each: each.name)


@functools.cache
def conversion_of(document: RealDocument) -> Conversion:
    return convert(document.read(), slug=document.name)


@every_document
def test_every_operation_of_a_real_document_becomes_a_tool(document: RealDocument) -> None:
    conversion = conversion_of(document)
    assert len(conversion.operations) == document.operations
    assert [item.reason for item in conversion.report if item.status == "skipped" and item.path] == []
    if document.name in NOTHING_LOST:
        notes = [note for operation in conversion.operations for note in operation.notes]
        assert [note for note in notes if not NO_LOSS.search(note)] == []
    assert len({operation.name for operation in conversion.operations}) == document.operations
    for operation in conversion.operations:
        assert len(f"{document.name}__{operation.name}") <= 46
        assert operation_from_json(operation_to_json(operation)) == operation


@every_document
def test_the_schemas_of_real_tools_are_valid(document: RealDocument) -> None:
    for operation in conversion_of(document).operations:
        jsonschema_rs.meta.validate(operation.input_schema)
        jsonschema_rs.Draft202012Validator(operation.input_schema)


def test_few_tools_are_shortened_and_none_is_too_large() -> None:
    items = [item for document in DOCUMENTS for item in conversion_of(document).report]
    tools = [item for item in items if item.status != "skipped"]
    shortened = [item for item in tools if "shortened" in (item.reason or "")]
    assert len(shortened) / len(tools) <= 0.01
    assert max(item.bytes for item in tools) <= Limits().tool_bytes
    assert max(sum(item.bytes for item in conversion_of(each).report) for each in DOCUMENTS) <= Limits().list_bytes


def test_real_tools_say_what_they_are_and_none_reads_like_instructions_to_a_model() -> None:
    operations = [operation for document in DOCUMENTS for operation in conversion_of(document).operations]
    assert [operation.name for operation in operations if not operation.title] == []
    assert [note for operation in operations for note in operation.notes if "reads like instructions" in note] == []
    said = [
        re.search("deprecat", operation.description, re.IGNORECASE) for operation in operations if operation.deprecated
    ]
    assert len(said) > 100
    assert all(said)


def test_arguments_of_real_tools_can_be_told_apart() -> None:
    for operation in (operation for document in DOCUMENTS for operation in conversion_of(document).operations):
        properties = operation.input_schema["properties"]
        for argument, (_, name) in operation.slots.items():
            if argument not in {name, "body"}:
                assert properties[argument]["description"].find("Sent as ") >= 0, (operation.name, argument)


def findings_about(document: RealDocument, folder: Path) -> list[dict[str, Any]]:
    tools, result = folder / "tools.json", folder / "result.json"
    forms = [in_profile(each, "portable", Limits().tool_bytes) for each in conversion_of(document).operations]
    listed = [tool_json(each, document.name) for each in forms]
    tools.write_text(json.dumps(listed), encoding="utf-8")
    command = [sys.executable, str(CHECKER), str(document.path), str(tools), "--json", str(result)]
    run = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    assert run.returncode in {0, 1}, run.stderr
    judged = json.loads(result.read_text(encoding="utf-8"))
    assert (judged["operations"], judged["tools"]) == (document.operations, document.operations)
    return [finding for finding in judged["findings"] if finding["severity"] == "ERROR"]


def is_answered_for(finding: dict[str, Any], operations: dict[str, Operation]) -> bool:
    """Whether it misses a header of which the report tells, or requires what is sent if the caller leaves it out."""
    operation = operations[finding["tool"].partition("__")[2]]
    location, _, name = finding["detail"].removesuffix(" (required)").partition(":")
    if finding["code"] == "PARAM_MISSING":
        return location == "header" and any(name in note and TOLD.search(note) for note in operation.notes)
    arguments = [each.argument for each in operation.parameters if (each.location, each.name) == (location, name)]
    if location == "body" and operation.body is not None:
        arguments += [each.argument for each in operation.body.fields if each.name == name]
    return finding["code"] == "REQUIRED_NOT_REQUIRED" and not operation.preset.keys().isdisjoint(arguments)


@pytest.mark.skipif(not CHECKER.exists(), reason="check_tools.py is not beside the corpus.")
@pytest.mark.parametrize(
    "document",
    [
        pytest.param(each, id=each.name, marks=[pytest.mark.deep] if each.tier in {"hard", "extreme"} else [])
        for each in DOCUMENTS
    ],
)
def test_an_independent_judge_finds_no_error(document: RealDocument, tmp_path: Path) -> None:
    findings = findings_about(document, tmp_path)
    operations = {operation.name: operation for operation in conversion_of(document).operations}
    assert [finding for finding in findings if not is_answered_for(finding, operations)] == []


@pytest.mark.parametrize("name", LARGEST)
def test_the_largest_documents_take_seconds_and_little_memory(name: str) -> None:
    command = [sys.executable, "-c", MEASURED, str(named(name).path)]
    run = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)  # noqa: S603
    seconds, megabytes = map(float, run.stdout.split())
    assert seconds < 10
    assert megabytes < 600


@pytest.mark.parametrize(
    "name", ["petstore3", "github", "keycloak-admin", "twilio-api", "datadog-v1", "docusign-esign"]
)
def test_every_tool_without_required_arguments_can_be_sent(name: str) -> None:
    sendable = [each for each in conversion_of(named(name)).operations if not each.input_schema.get("required")]
    for operation in sendable:
        given = ArgumentRules(operation.input_schema, operation.preset).check({})
        assert given == operation.preset
        request = build_request(plan_request(operation, "https://api.example.com/base"), given)
        assert request.url.startswith(operation.server or "https://api.example.com/base/")
    assert len(sendable) >= 2
