"""Real documents, read from outside the project: `CORPUS` names the folder, each document below its own name."""

import os
import time
from pathlib import Path

import jsonschema_rs
import pytest

from app.openapi.conversion import Conversion, convert
from app.openapi.operation_json import operation_from_json, operation_to_json
from app.openapi.reading import read_document
from app.tools.arguments import ArgumentRules
from app.tools.request import build_request

ROOT = Path(__file__).parents[2]
CORPUS = Path(os.environ.get("CORPUS", ROOT.parent / "shared" / "corpus" / "specs"))
DOCUMENTS = {"petstore3": 19, "github": 1223, "keycloak-admin": 316, "twilio-api": 197, "datadog-v1": 235}
NOTHING_LOST = {"petstore3", "github", "keycloak-admin", "twilio-api"}


def document_of(name: str) -> Path:
    files = sorted((CORPUS / name).rglob("*.json")) + sorted((CORPUS / name).rglob("*.yaml"))
    if not files:
        pytest.skip(f"The real document {name} is not here: set CORPUS to a folder that has it.")
    return files[0]


def convert_file(name: str) -> Conversion:
    return convert(read_document(document_of(name).read_bytes(), content_type=None), slug=name)


@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_real_document_becomes_good_tools(name: str) -> None:
    conversion = convert_file(name)
    assert len(conversion.operations) == DOCUMENTS[name]
    assert [item for item in conversion.report if item.status == "skipped"] == []
    if name in NOTHING_LOST:
        assert [item for item in conversion.report if item.status != "ready"] == []
    assert max(item.bytes for item in conversion.report) <= 32_768
    assert len({operation.name for operation in conversion.operations}) == DOCUMENTS[name]
    for operation in conversion.operations:
        assert len(f"{name}__{operation.name}") <= 64
        jsonschema_rs.meta.validate(operation.input_schema)
        assert operation_from_json(operation_to_json(operation)) == operation


def test_the_largest_document_takes_seconds() -> None:
    document_of("github")
    before = time.process_time()
    convert_file("github")
    assert time.process_time() - before < 10


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_tool_without_required_arguments_can_be_sent(name: str) -> None:
    sendable = [each for each in convert_file(name).operations if not each.input_schema.get("required")]
    for operation in sendable:
        assert ArgumentRules(operation.input_schema).check({}) == {}
        request = build_request(operation, "https://api.example.com/base", {})
        assert request.url.startswith(operation.server or "https://api.example.com/base/")
    assert len(sendable) >= 2
