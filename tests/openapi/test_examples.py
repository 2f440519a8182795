"""What real documents show as examples of requests is taken, but for what another judge refuses too.

`slips.tsv` has the examples that are refused: document, place of the example, and why its own schema refuses it.
"""

import csv
from pathlib import Path

import pytest

from app.openapi.conversion import convert
from tests.openapi.corpus import DOCUMENTS, RealDocument
from tests.openapi.examples import Examples

SLIPS = Path(__file__).with_name("slips.tsv")
# Their schemas allow a text where the members of the object that it describes are arguments.
JSON_IN_A_TEXT = "is JSON in a text"


def slips_of(document: RealDocument) -> dict[str, str]:
    with SLIPS.open(encoding="utf-8", newline="") as lines:
        return {place: reason for name, place, reason in csv.reader(lines, delimiter="\t") if name == document.name}


@pytest.mark.extended
@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda each: each.name)
def test_an_example_is_taken_unless_its_author_slipped(document: RealDocument) -> None:
    tree = document.read()
    examples = Examples(tree)
    refused = {}
    for operation in convert(tree, slug=document.name).operations:
        for example in examples.of(operation):
            if example.refusal is not None:
                refused[example.pointer] = examples.verdict(example) or JSON_IN_A_TEXT
    assert refused == slips_of(document)
