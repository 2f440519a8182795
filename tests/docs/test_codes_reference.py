"""docs/reference/codes.md names every code that the product answers with, and none that it does not."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from app import errors
from app.credentials.token_exchange.exchanger import ExchangeTarget
from app.credentials.token_exchange.refusals import refusal_of
from tests.docs.pages import ROOT, quoted, rows

REFERENCE = ROOT / "docs/reference/codes.md"
MODULES = sorted((ROOT / "app").rglob("*.py"))
CODE = re.compile(r"[a-z]+(?:_[a-z0-9]+)+")
FAILURES = {
    name
    for name, value in vars(errors).items()
    if isinstance(value, type) and issubclass(value, errors.ToolsProviderError)
}


ERRORS = {"invalid_request", "invalid_client", "unauthorized_client", "invalid_scope", "access_denied"}


WITHIN = {"answer_too_large"}  # whoever reads an answer says instead what it means there


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
    assert stated() - documented() - WITHIN == set()


def test_every_documented_code_is_somewhere_in_the_product() -> None:
    known = set().union(*map(strings, MODULES))
    assert {code for code in documented() if code not in known} == set()


def test_the_guide_tells_keycloaks_refusals_as_the_product_does() -> None:
    told = [row for row in rows(ROOT / "docs/guide/keycloak.md") if len(row) == 4 and row[1].isdecimal()]
    assert len(told) >= 14
    for says, status, code, _ in told:
        for text in [text for text in quoted(says) if " " in text]:
            assert quoted(code)[0] in meanings(int(status), text.rstrip(" …"), quoted(says)), text


def meanings(status: int, text: str, stated_errors: list[str]) -> set[str]:
    """The codes that an answer with this text can have, by the `error` values that Keycloak sends or the row states."""
    target = ExchangeTarget("pizzeria-backend")
    stated_here = [error for error in stated_errors if error in ERRORS]
    found = {refusal_of(status, error, text, target, "exchange-client").code for error in stated_here or ERRORS}
    return found - {"exchange_policy_refused"}
