"""Real documents, read from outside the project: `CORPUS` names the folder, each document below its own name.

Beside the folder lies `public.tsv` with what is known of each, and next to both `checks/check_tools.py`, which judges
a conversion without knowing who made it.
"""

import csv
import os
from dataclasses import dataclass
from pathlib import Path

import pytest

from app.documents.local import read_local
from app.operation.operation import Json

ROOT = Path(__file__).parents[2]
CORPUS = Path(os.environ.get("CORPUS", ROOT.parent / "shared" / "corpus" / "specs"))
CHECKER = CORPUS.parents[1] / "checks" / "check_tools.py"
MOST_BYTES = 20_971_520


@dataclass(frozen=True)
class RealDocument:
    name: str
    path: Path
    operations: int
    tier: str
    root: Path  # the folder that its files lie in

    def read(self) -> Json:
        """The document with all its files."""
        return read_local(self.path, root=self.root, max_bytes=MOST_BYTES).tree


def listed() -> list[RealDocument]:
    table = CORPUS.parent / "public.tsv"
    if not table.exists():
        return []
    with table.open(encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(lines, delimiter="\t"))
    return [
        RealDocument(each["id"], path_of(each), int(each["operations"]), each["tier"], CORPUS / each["id"])
        for each in rows
    ]


def path_of(row: dict[str, str]) -> Path:
    return CORPUS / row["id"] / row["path"]


DOCUMENTS = listed()


def named(name: str) -> RealDocument:
    """The document of that name; a test that needs it is skipped, and says so, where it is not."""
    found = next((each for each in DOCUMENTS if each.name == name), None)
    if found is None:
        pytest.skip(f"The real document {name} is not here: set CORPUS to a folder that has it.")
    return found
