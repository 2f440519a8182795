"""docs/reference/codes.md names every code that the product answers with, and none that it does not."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from app import errors
from tests.docs.pages import ROOT, quoted, rows

REFERENCE = ROOT / "docs/reference/codes.md"
MODULES = sorted((ROOT / "app").rglob("*.py"))
CODE = re.compile(r"[a-z]+(?:_[a-z0-9]+)+")
FAILURES = {
    name
    for name, value in vars(errors).items()
    if isinstance(value, type) and issubclass(value, errors.ToolsProviderError)
}


def documented() -> set[str]:
    return {quoted(row[0])[0] for row in rows(REFERENCE)}


def strings(path: Path) -> set[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)}


def raised(path: Path) -> Iterator[str]:
    """The codes that a module states where it makes a failure."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
            made = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
            place = 1 if made == "problem" else 0
            if made in FAILURES | {"problem", "SignatureRefused"} and len(node.args) > place:
                code = node.args[place]
                if isinstance(code, ast.Constant) and isinstance(code.value, str):
                    yield code.value


def stated() -> set[str]:
    return {code for path in MODULES for code in raised(path)}


def test_every_code_of_a_failure_is_documented() -> None:
    assert stated() - documented() == set()


def test_every_documented_code_is_somewhere_in_the_product() -> None:
    known = set().union(*map(strings, MODULES))
    assert {code for code in documented() if code not in known} == set()
