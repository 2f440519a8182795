"""docs/reference/rest.md names every kind of change that a refresh tells, and its class."""

from dataclasses import fields
from typing import get_args

from app.differences.schemas import Direction, Impact
from app.operation.operation import Operation
from tests.docs.pages import ROOT, quoted, rows

REFERENCE = ROOT / "docs/reference/rest.md"
TOLD_BY_THEIR_PARTS = {"method", "path", "input_schema", "parameters"}
OF_OPERATIONS = {"operation_added", "operation_removed", "origin", "slot"}
OF_SCHEMAS = {"property_added", "property_removed", "required", "optional", "text", *get_args(Direction)}


def documented() -> dict[str, set[str]]:
    """The classes of each kind; the rows of the other tables name none."""
    told = {
        kind: set(row[1].split(", "))
        for row in rows(REFERENCE)
        if len(row) == 3 and set(row[1].split(", ")) <= set(get_args(Impact))
        for kind in quoted(row[0])
    }
    return {kind: classes for kind, classes in told.items() if classes}


def test_every_kind_of_change_has_its_rule() -> None:
    parts = {field.name for field in fields(Operation) if field.compare} - TOLD_BY_THEIR_PARTS
    assert set(documented()) == parts | OF_OPERATIONS | OF_SCHEMAS
