"""Real documents, read from outside the project: `CORPUS` names the folder, each document below its own name.

Beside the folder lies `public.tsv` with what is known of each, and next to both `checks/check_tools.py`, which judges
a conversion without knowing who made it.
"""

import csv
import functools
import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from app.openapi.conversion import Conversion, convert
from app.openapi.limits import Limits
from app.openapi.operation_json import operation_from_json, operation_to_json
from app.openapi.reading import read_document
from app.openapi.tool_json import tool_json
from app.tools.arguments import ArgumentRules
from app.tools.request import build_request

ROOT = Path(__file__).parents[2]
CORPUS = Path(os.environ.get("CORPUS", ROOT.parent / "shared" / "corpus" / "specs"))
CHECKER = CORPUS.parents[1] / "checks" / "check_tools.py"
NOTHING_LOST = {"petstore3", "github", "keycloak-admin", "twilio-api", "boundary", "sendgrid", "vault", "pagerduty"}
LARGEST = ["github", "datadog-v2"]
TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
MEASURED = """
import resource, sys, time
from pathlib import Path
from app.openapi.conversion import convert
from app.openapi.reading import read_document
convert(read_document(Path(sys.argv[1]).read_bytes(), content_type=None), slug="largest")
print(time.process_time(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
"""


@dataclass(frozen=True)
class RealDocument:
    name: str
    path: Path
    operations: int
    several_files: bool
    tier: str


def listed() -> list[RealDocument]:
    table = CORPUS.parent / "public.tsv"
    if not table.exists():
        return []
    with table.open(encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(lines, delimiter="\t"))
    return [
        RealDocument(each["id"], path_of(each), int(each["operations"]), bool(each["folder"]), each["tier"])
        for each in rows
    ]


def path_of(row: dict[str, str]) -> Path:
    return CORPUS / row["id"] / row["path"]


DOCUMENTS = listed()
WHOLE = [each for each in DOCUMENTS if not each.several_files]
pytestmark = pytest.mark.skipif(
    not DOCUMENTS, reason="The real documents are not here: set CORPUS to the folder `specs` of a corpus."
)
of_one_file = pytest.mark.parametrize("document", WHOLE, ids=lambda each: each.name)


@functools.cache
def conversion_of(document: RealDocument) -> Conversion:
    return convert(read_document(document.path.read_bytes(), content_type=None), slug=document.name)


def named(name: str) -> RealDocument:
    return next(each for each in DOCUMENTS if each.name == name)


@of_one_file
def test_every_operation_of_a_real_document_becomes_a_tool(document: RealDocument) -> None:
    conversion = conversion_of(document)
    assert len(conversion.operations) == document.operations
    assert [item.reason for item in conversion.report if item.status == "skipped" and document.operations] == []
    if document.name in NOTHING_LOST:
        assert [item.reason for item in conversion.report if item.status != "ready"] == []
    assert len({operation.name for operation in conversion.operations}) == document.operations
    for operation in conversion.operations:
        assert len(f"{document.name}__{operation.name}") <= 64
        assert operation_from_json(operation_to_json(operation)) == operation


@of_one_file
def test_the_schemas_of_real_tools_are_valid(document: RealDocument) -> None:
    for operation in conversion_of(document).operations:
        jsonschema_rs.meta.validate(operation.input_schema)
        jsonschema_rs.Draft202012Validator(operation.input_schema)


def test_few_tools_are_shortened_and_none_is_too_large() -> None:
    items = [item for document in WHOLE for item in conversion_of(document).report]
    tools = [item for item in items if item.status != "skipped"]
    shortened = [item for item in tools if "shortened" in (item.reason or "")]
    assert len(shortened) / len(tools) <= 0.02
    assert max(item.bytes for item in tools) <= Limits().tool_bytes
    assert max(sum(item.bytes for item in conversion_of(each).report) for each in WHOLE) <= Limits().list_bytes


def findings_about(document: RealDocument, folder: Path) -> list[dict[str, Any]]:
    tools, result = folder / "tools.json", folder / "result.json"
    listed = [tool_json(operation, document.name) for operation in conversion_of(document).operations]
    tools.write_text(json.dumps(listed), encoding="utf-8")
    command = [sys.executable, str(CHECKER), str(document.path), str(tools), "--json", str(result)]
    run = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    assert run.returncode in {0, 1}, run.stderr
    judged = json.loads(result.read_text(encoding="utf-8"))
    assert (judged["operations"], judged["tools"]) == (document.operations, document.operations)
    return [finding for finding in judged["findings"] if finding["severity"] == "ERROR"]


def is_no_header(finding: dict[str, Any]) -> bool:
    """Whether it misses a header whose name no request can carry (RFC 9110 section 5.1)."""
    location, _, name = finding["detail"].partition(":")
    return finding["code"] == "PARAM_MISSING" and location == "header" and TOKEN.fullmatch(name) is None


@pytest.mark.skipif(not CHECKER.exists(), reason="check_tools.py is not beside the corpus.")
@pytest.mark.parametrize(
    "document",
    [
        pytest.param(each, id=each.name, marks=[pytest.mark.deep] if each.tier in {"hard", "extreme"} else [])
        for each in WHOLE
    ],
)
def test_an_independent_judge_finds_no_error(document: RealDocument, tmp_path: Path) -> None:
    findings = findings_about(document, tmp_path)
    assert [finding for finding in findings if not is_no_header(finding)] == []
    told = [item for item in conversion_of(document).report if "cannot be the name of a header" in (item.reason or "")]
    assert len(told) == len(findings)


@pytest.mark.parametrize("document", [each for each in DOCUMENTS if each.several_files], ids=lambda each: each.name)
def test_what_lies_in_other_files_is_never_lost_in_silence(document: RealDocument) -> None:
    """Alone, the first file of several cannot give all its tools; what is missing is told, item by item."""
    conversion = conversion_of(document)
    told = [item for item in conversion.report if "outside this document" in (item.reason or "")]
    assert told
    assert all(item.status == "ready" for item in conversion.report if item not in told)


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
        assert ArgumentRules(operation.input_schema).check({}) == {}
        request = build_request(operation, "https://api.example.com/base", {})
        assert request.url.startswith(operation.server or "https://api.example.com/base/")
    assert len(sendable) >= 2
