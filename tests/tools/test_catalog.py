"""Tools are found by both names, and listed to those who may see them."""

from dataclasses import replace

import pytest

from app.api.http.paging import page_of
from app.operation.operation import size_of_tool
from app.sources.source import Authority
from app.tools.catalog import Catalog
from tests.tools.builders import a_source, an_agent, an_operation, some_means


@pytest.fixture
def catalog() -> Catalog:
    return Catalog(some_means())


def listed(catalog: Catalog, *roles: str) -> list[str]:
    return [tool.tool_id for tool in catalog.visible_to(an_agent(roles=frozenset(roles)))]


def test_a_tool_is_found_by_its_id_and_by_its_mcp_name(catalog: Catalog) -> None:
    catalog.put(a_source("pizzeria"), [an_operation("get_menu"), an_operation("list__all")])
    tool = catalog.find("pizzeria/get_menu")
    assert tool is not None
    assert (tool.tool_id, tool.mcp_name) == ("pizzeria/get_menu", "pizzeria__get_menu")
    assert catalog.find_by_mcp_name("pizzeria__get_menu") is tool
    assert catalog.find_by_mcp_name("pizzeria__list__all") is catalog.find("pizzeria/list__all") is not None


@pytest.mark.parametrize("name", ["", "/", "__", "pizzeria", "pizzeria/", "pizzeria/x", "x/get_menu", "pizzeria__x"])
def test_other_names_find_nothing(catalog: Catalog, name: str) -> None:
    catalog.put(a_source("pizzeria"), [an_operation("get_menu")])
    assert catalog.find(name) is None
    assert catalog.find_by_mcp_name(name) is None


def test_the_list_is_ordered_by_slug_and_then_by_name(catalog: Catalog) -> None:
    catalog.put(a_source("pizzeria-2"), [an_operation("a")])
    catalog.put(a_source("pizzeria"), [an_operation("b"), an_operation("a")])
    assert listed(catalog) == ["pizzeria/a", "pizzeria/b", "pizzeria-2/a"]


def test_a_source_is_replaced_whole_and_removed_whole(catalog: Catalog) -> None:
    catalog.put(a_source("pizzeria"), [an_operation("a"), an_operation("b")])
    assert listed(catalog) == ["pizzeria/a", "pizzeria/b"]
    catalog.put(a_source("pizzeria"), [an_operation("b"), an_operation("c")])
    assert listed(catalog) == ["pizzeria/b", "pizzeria/c"]
    assert catalog.find("pizzeria/a") is None
    catalog.remove("pizzeria")
    catalog.remove("never-there")
    assert listed(catalog) == []
    assert catalog.find("pizzeria/b") is None


def test_only_holders_of_an_allowed_role_see_a_source(catalog: Catalog) -> None:
    catalog.put(a_source("open"), [an_operation("a")])
    catalog.put(a_source("kitchen", allowed_roles=frozenset({"chef", "manager"})), [an_operation("a")])
    assert listed(catalog, "customer") == ["open/a"]
    assert listed(catalog, "customer", "chef") == listed(catalog, "manager") == ["kitchen/a", "open/a"]
    tool = catalog.find("kitchen/a")
    assert tool is not None
    assert catalog.may_see(an_agent(roles=frozenset({"chef"})), tool)
    assert not catalog.may_see(an_agent(roles=frozenset({"customer"})), tool)


def test_an_operation_at_an_origin_that_the_source_does_not_call_is_no_tool(catalog: Catalog) -> None:
    other = Authority(1, "https://files.example.org", "none", None, ())
    at = {
        "own": "http://127.0.0.1:9/v2",
        "allowed": "https://files.example.org/v1",
        "elsewhere": "https://files.example.org.evil.org/v1",
        "unsafe": "http://files.example.org/v1",
    }
    operations = [replace(an_operation(name, path=f"/{name}"), server=server) for name, server in at.items()]
    catalog.put(a_source("pizzeria", other_servers=(other,)), operations)
    assert listed(catalog) == ["pizzeria/allowed", "pizzeria/own"]
    authorities = [tool.authority for tool in catalog.visible_to(an_agent())]
    assert [(each.number, each.audience) for each in authorities] == [(1, None), (0, "pizzeria-backend")]


def test_a_change_of_roles_shows_at_once(catalog: Catalog) -> None:
    catalog.put(a_source("kitchen"), [an_operation("a")])
    assert listed(catalog, "customer") == ["kitchen/a"]
    catalog.put(a_source("kitchen", allowed_roles=frozenset({"chef"})), [an_operation("a")])
    assert listed(catalog, "customer") == []
    assert listed(catalog, "chef") == ["kitchen/a"]


def test_a_disabled_source_is_seen_by_nobody(catalog: Catalog) -> None:
    catalog.put(a_source("kitchen", enabled=False), [an_operation("a")])
    tool = catalog.find("kitchen/a")
    assert tool is not None
    assert not catalog.may_see(an_agent(), tool)
    assert listed(catalog) == []


def test_a_source_that_only_lacks_scopes_is_listed(catalog: Catalog) -> None:
    catalog.put(a_source("kitchen", required_scopes=frozenset({"orders"})), [an_operation("a")])
    assert listed(catalog) == ["kitchen/a"]


def test_the_list_is_the_same_object_for_the_same_rights(catalog: Catalog) -> None:
    catalog.put(a_source("kitchen", allowed_roles=frozenset({"chef"})), [an_operation("a")])
    one = catalog.visible_to(an_agent(roles=frozenset({"chef", "uma"})))
    assert catalog.visible_to(an_agent(roles=frozenset({"chef", "offline"}))) is one


def test_many_sets_of_roles_do_not_fill_the_memory_and_stay_right(catalog: Catalog) -> None:
    for number in range(10):
        catalog.put(a_source(f"s{number}", allowed_roles=frozenset({f"r{number}"})), [an_operation("a")])
    for bits in range(1_024):
        roles = [f"r{number}" for number in range(10) if bits >> number & 1]
        assert listed(catalog, *roles) == [f"s{role[1:]}/a" for role in roles]


@pytest.mark.parametrize(
    ("method", "read_only", "destructive", "idempotent"),
    [
        ("get", True, False, True),
        ("HEAD", True, False, True),
        ("options", True, False, True),
        ("trace", True, False, True),
        ("QUERY", True, False, True),
        ("put", False, True, True),
        ("delete", False, True, True),
        ("patch", False, True, False),
        ("post", False, True, False),
    ],
)
def test_the_method_says_what_a_tool_may_do(
    catalog: Catalog, method: str, read_only: bool, destructive: bool, idempotent: bool
) -> None:
    catalog.put(a_source("pizzeria"), [an_operation("a", method=method)])
    tool = catalog.find("pizzeria/a")
    assert tool is not None
    assert (tool.hints.read_only, tool.hints.destructive, tool.hints.idempotent) == (read_only, destructive, idempotent)
    assert tool.safe == read_only


def test_a_page_ends_at_so_many_bytes_and_never_before_its_first_tool(catalog: Catalog) -> None:
    catalog.put(a_source(), [an_operation(name, properties={"x": {"title": "x" * 1_000}}) for name in "abcde"])
    tools = catalog.visible_to(an_agent())
    size = size_of_tool(tools[0].operation)
    for most, expected in ((size * 3, ["abc", "de"]), (size * 3 - 1, ["ab", "cd", "e"]), (1, list("abcde"))):
        pages: list[str] = []
        cursor = None
        while not pages or cursor is not None:
            page, cursor = page_of(tools, cursor, 1_000, most)
            pages.append("".join(tool.operation.name for tool in page))
        assert pages == expected
