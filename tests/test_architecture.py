"""The figures of the house: what docs/decisions/0001 promises, measured."""

import ast
import subprocess
import sys
from collections.abc import Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from statistics import quantiles

import pytest

from tests.walks import walks

ROOT = Path(__file__).parent.parent
PRODUCT = sorted((ROOT / "app").rglob("*.py"))
MODULES = sorted([*PRODUCT, *(ROOT / "seed").rglob("*.py")])
Function = ast.FunctionDef | ast.AsyncFunctionDef

MODULE_LINES = 400
MODULE_LINES_P90 = 250
FUNCTION_LINES = 50
FUNCTION_LINES_P90 = 20
CALL_FILES, CALL_ROOMS = 30, 7
REGISTRATION_FILES = 55  # five of them try what was made of the document


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def functions_of(path: Path) -> Iterator[Function]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, Function):
            yield node


def body_lines(function: Function) -> int:
    body = function.body[1:] if ast.get_docstring(function) is not None else function.body
    return (function.end_lineno or 0) - body[0].lineno + 1 if body else 0


def module_name(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def imports_of(path: Path) -> set[str]:
    """The modules of the product that a module imports, packages where it takes names of theirs."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "app":
            found |= {node.module, *(f"{node.module}.{each.name}" for each in node.names)}
        elif isinstance(node, ast.Import):
            found |= {each.name for each in node.names}
    return found


def cycle_of(imports: Mapping[str, set[str]]) -> list[str]:
    try:
        TopologicalSorter({name: found & imports.keys() for name, found in imports.items()}).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def test_imports_point_down_only() -> None:
    command = [str(Path(sys.executable).parent / "lint-imports"), "--no-cache"]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S603
    assert run.returncode == 0, run.stdout


def test_no_modules_import_one_another() -> None:
    imports = {module_name(path): imports_of(path) - {module_name(path)} for path in PRODUCT}
    assert len(imports) > 100
    assert cycle_of(imports) == []
    assert cycle_of({"app.a": {"app.b"}, "app.b": {"app.a"}}) != []


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_a_module_can_be_read_at_one_sitting(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= MODULE_LINES


def test_most_modules_are_read_at_a_glance() -> None:
    lines = [len(path.read_text(encoding="utf-8").splitlines()) for path in PRODUCT]
    assert quantiles(lines, n=10)[-1] <= MODULE_LINES_P90


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_no_function_outgrows_a_screen(path: Path) -> None:
    long = {function.name: body_lines(function) for function in functions_of(path)}
    assert {name: lines for name, lines in long.items() if lines > FUNCTION_LINES} == {}


def test_most_functions_are_short() -> None:
    lines = [body_lines(function) for path in PRODUCT for function in functions_of(path)]
    assert quantiles(lines, n=10)[-1] <= FUNCTION_LINES_P90


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_imports_stand_at_the_top_of_a_module(path: Path) -> None:
    inside = [
        f"{function.name}:{node.lineno}"
        for function in functions_of(path)
        for node in ast.walk(function)
        if isinstance(node, ast.Import | ast.ImportFrom)
    ]
    assert inside == []


@pytest.mark.parametrize("path", PRODUCT, ids=name_of)
def test_every_module_says_what_it_is_for(path: Path) -> None:
    source = path.read_text(encoding="utf-8")
    assert not source.strip() or ast.get_docstring(ast.parse(source))


@pytest.mark.parametrize("path", [p for p in PRODUCT if (ROOT / "app" / "api") not in p.parents], ids=name_of)
def test_only_the_doors_catch_everything(path: Path) -> None:
    broad = [
        node.lineno
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ExceptHandler)
        and (node.type is None or (isinstance(node.type, ast.Name) and node.type.id in {"Exception", "BaseException"}))
    ]
    assert broad == []


def test_a_call_and_a_registration_walk_through_few_files() -> None:
    walked = {walk.name: walk for walk in walks()}
    for door in ("REST", "MCP"):
        call = walked[f"a cached call over {door}"]
        assert 0 < len(call.files) <= CALL_FILES, sorted(call.files)
        assert 0 < len(call.folders) <= CALL_ROOMS
    registration = walked["a registration"]
    assert 0 < len(registration.files) <= REGISTRATION_FILES, sorted(registration.files)
