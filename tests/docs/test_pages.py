"""What the pages name exists: links, commands, settings, routes, codes, metrics; and their examples can be read."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from app.main import create_app
from app.settings import Settings
from seed.opening_hours.app import OpeningHoursSettings
from seed.pizzeria.app import PizzeriaSettings
from tests.compose.description import services
from tests.docs.pages import DOCS, PAGES, ROOT, anchors, blocks, commands, name_of, prose, quoted, rows, text_of

EVERY_PAGE = pytest.mark.parametrize("page", PAGES, ids=name_of)
COMMAND = Path(sys.executable).with_name("tools-provider")
MCP_ROUTES = {("POST", "/mcp"), ("GET", "/mcp"), ("DELETE", "/mcp")}

# Names in capitals that are set as code and are settings of nobody.
NO_SETTINGS = {
    "SSL_CERT_FILE",  # of OpenSSL
    "TOKEN_EXCHANGE", "TOKEN_EXCHANGE_ERROR", "ADMIN_TOKEN", "TOOLS_PROVIDER_TOKEN", "TOOLS_PROVIDER_URL",
    "CLIENT_ID", "TOOL_ID",
}  # fmt: skip


def settings_of_all_programs() -> set[str]:
    ours = [*Settings.model_fields, *PizzeriaSettings.model_fields, *OpeningHoursSettings.model_fields]
    composed = [name for service in services().values() for name in service.get("environment", {})]
    return {name.upper() for name in ours} | set(composed)


def routes() -> set[tuple[str, str]]:
    paths = create_app(Settings()).openapi()["paths"]
    return {(method.upper(), path) for path, methods in paths.items() for method in methods}


def shape(path: str) -> str:
    """A path with what differs between a template and an example taken out."""
    return re.sub(r"\{[^}]+\}", "{}", path)


@EVERY_PAGE
def test_links_within_the_repository_lead_somewhere(page: Path) -> None:
    broken = []
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        found = (page.parent / path).resolve() if path else page
        if not found.exists() or (anchor and anchor not in anchors(found)):
            broken.append(target)
    assert broken == []


@EVERY_PAGE
def test_every_make_target_exists(page: Path) -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    named = {target for command in commands(page) for target in re.findall(r"^make ([a-z-]+)", command, re.MULTILINE)}
    assert named - targets == set()


@pytest.mark.extended
def test_every_command_of_ours_exists() -> None:
    told = [command for page in PAGES for command in commands(page)]
    named = {name for text in told for name in re.findall(r"(?:^|bin/)tools-provider ([a-z-]+)", text, re.MULTILINE)}
    assert "serve" in named
    for name in sorted(named):
        run = subprocess.run([COMMAND, name, "--help"], capture_output=True, text=True, check=False)  # noqa: S603
        assert run.returncode == 0, run.stderr


@pytest.mark.parametrize("command", ["convert", "register", "call"])
def test_every_option_of_a_command_is_documented(command: str) -> None:
    run = subprocess.run([COMMAND, command, "--help"], capture_output=True, text=True, check=True)  # noqa: S603
    options = set(re.findall(r"--[a-z-]+", run.stdout)) - {"--help"}
    sections = dict(
        re.findall(r"^## (.+)\n((?:(?!## ).*\n?)*)", text_of(ROOT / "docs/reference/command-line.md"), re.MULTILINE)
    )
    told = sections[command] + (sections["Server and token"] if "--server" in options else "")
    rows_told = "\n".join(line for line in told.splitlines() if line.startswith("|"))
    assert len(options) >= 3
    assert options - set(re.findall(r"--[a-z-]+", rows_told)) == set()


def test_the_index_names_every_page() -> None:
    index = ROOT / "docs/README.md"
    named = {(index.parent / target).resolve() for target in re.findall(r"\]\(([^)\s]+)\)", prose(index))}
    pages = {page for page in DOCS if page.parent.name != "decisions"} - {index}
    assert pages - named == set()
    assert ROOT / "docs/decisions" in named


def test_every_decision_has_a_number_of_its_own_which_its_title_states() -> None:
    decisions = [page for page in DOCS if page.parent.name == "decisions"]
    numbers = [page.name.partition("-")[0] for page in decisions]
    assert sorted(set(numbers)) == numbers
    assert [text_of(page).split()[1] for page in decisions] == numbers


@EVERY_PAGE
def test_a_token_in_a_command_is_always_the_same_persons(page: Path) -> None:
    scripts = "\n".join(blocks(page, "bash")).replace("\\\n", " ")
    people = {"TOKEN": "johndoe", "TOOLS_PROVIDER_TOKEN": "johndoe", "ADMIN_TOKEN": "admin"}
    taken = re.findall(r"(\w*TOKEN)=\$\((?:token_of |[^)]*username=)(\w+)", scripts)
    assert taken == [(name, people[name]) for name, _ in taken]
    for line in re.findall(r"^.*curl.*?/api/v1/.*?\$\w*TOKEN.*$", scripts, re.MULTILINE):
        needs_admin = re.search(r"/api/v1/(sources|audit)", line) is not None
        assert ("$ADMIN_TOKEN" in line) is needs_admin, line


@EVERY_PAGE
def test_every_setting_exists(page: Path) -> None:
    named = {name for command in commands(page) for name in re.findall(r"\b[A-Z]+(?:_[A-Z]+)+\b", command)}
    assert named - settings_of_all_programs() - NO_SETTINGS == set()


@EVERY_PAGE
def test_every_route_exists(page: Path) -> None:
    known = {(method, shape(path)) for method, path in routes() | MCP_ROUTES}
    methods = "GET|POST|PATCH|DELETE|PUT"
    named = {
        (method, shape(path))
        for command in commands(page)
        for method, path in re.findall(rf"^({methods}) (/(?:api|mcp|health|ready|metrics)[\w/{{}}.-]*)", command)
    }
    assert named - known == set()


def test_the_rest_reference_names_every_route() -> None:
    page = ROOT / "docs/reference/rest.md"
    named = {tuple(quoted(row[0])[0].split()[:2]) for row in rows(page) if " /" in row[0]}
    known = {(method, path) for method, path in routes() if "well-known" not in path}
    assert {(method, shape(path)) for method, path in named} == {(method, shape(path)) for method, path in known}


@EVERY_PAGE
def test_examples_in_json_can_be_read(page: Path) -> None:
    for block in blocks(page, "json"):
        json.loads(block)


@EVERY_PAGE
def test_examples_in_python_can_be_compiled(page: Path) -> None:
    for block in blocks(page, "python"):
        compile(block, str(page), "exec")


@EVERY_PAGE
def test_examples_for_the_shell_can_be_parsed(page: Path) -> None:
    for block in blocks(page, "bash"):
        parsed = subprocess.run(["bash", "-n"], input=block, text=True, capture_output=True, check=False)  # noqa: S607
        assert parsed.returncode == 0, parsed.stderr


@EVERY_PAGE
def test_a_page_has_one_title_and_no_machine_of_its_writer(page: Path) -> None:
    assert len(re.findall(r"^# ", prose(page), re.MULTILINE)) == 1
    assert re.findall(r"/(?:work|root|tmp|home)/\w+", text_of(page)) == []
