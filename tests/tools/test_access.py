"""Who may call a tool, and what is written down of those who may not."""

import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

import app
from app.audit.outcome import Door, Outcomes
from app.audit.record import AuditRecord
from app.errors import InsufficientScope, NotFound
from app.telemetry import Telemetry
from app.tools.access import Access
from app.tools.catalog import Catalog
from tests.tools.builders import a_source, an_agent, an_operation, some_means

pytestmark = pytest.mark.anyio

CHEFS_ONLY = frozenset({"chef"})
NAMES: dict[Door, str] = {"rest": "pizzeria/get_menu", "mcp": "pizzeria__get_menu"}


@pytest.fixture
def records() -> list[AuditRecord]:
    return []


@pytest.fixture
def telemetry() -> Telemetry:
    return Telemetry()


@pytest.fixture
def catalog() -> Catalog:
    return Catalog(some_means())


@pytest.fixture
async def access(catalog: Catalog, records: list[AuditRecord], telemetry: Telemetry) -> AsyncIterator[Access]:
    async def record(one: AuditRecord) -> None:
        records.append(one)

    audit = Outcomes(record)
    yield Access(catalog, audit, telemetry)
    await audit.stop()


def show(catalog: Catalog, *, roles: frozenset[str] = frozenset(), enabled: bool = True, scopes: str = "") -> None:
    source = a_source(allowed_roles=roles, enabled=enabled, required_scopes=frozenset(scopes.split()))
    catalog.put(source, [an_operation("get_menu")])


@pytest.mark.parametrize("door", ["rest", "mcp"])
async def test_a_tool_is_known_by_the_name_that_its_door_gives_it(
    access: Access, catalog: Catalog, records: list[AuditRecord], door: Door
) -> None:
    show(catalog)
    assert (await access.admit(an_agent(), NAMES[door], door)).tool_id == "pizzeria/get_menu"
    with pytest.raises(NotFound):
        await access.admit(an_agent(), NAMES["mcp" if door == "rest" else "rest"], door)
    assert [record.outcome for record in records] == ["tool_not_found"]


@pytest.mark.parametrize("tool", ["pizzeria/nothing", "nothing/get_menu", "", "pizzeria__get_menu"])
async def test_an_unknown_tool_is_not_found_and_recorded(
    access: Access, catalog: Catalog, records: list[AuditRecord], telemetry: Telemetry, tool: str
) -> None:
    show(catalog)
    with pytest.raises(NotFound) as refused:
        await access.admit(an_agent(), tool, "rest")
    assert refused.value.code == "tool_not_found"
    assert refused.value.detail.startswith("There is no tool with that name that you may see.")
    (record,) = records
    assert (record.kind, record.action, record.door) == ("refusal", "execute", "rest")
    assert (record.outcome, record.tool, record.source) == ("tool_not_found", tool, None)
    assert record.subject == "f7b1"
    assert b'{outcome="tool_not_found",source="unknown"} 1.0' in telemetry.render_prometheus()


@pytest.mark.parametrize("door", ["rest", "mcp"])
@pytest.mark.parametrize(("roles", "enabled"), [(CHEFS_ONLY, True), (frozenset(), False)], ids=["role", "disabled"])
async def test_a_tool_that_the_agent_may_not_see_is_not_found(
    access: Access, catalog: Catalog, records: list[AuditRecord], roles: frozenset[str], enabled: bool, door: Door
) -> None:
    show(catalog, roles=roles, enabled=enabled, scopes="orders")
    with pytest.raises(NotFound) as hidden:
        await access.admit(an_agent(), NAMES[door], door)
    (record,) = records
    assert (record.outcome, record.tool, record.source) == ("tool_not_found", NAMES[door], None)
    with pytest.raises(NotFound) as unknown:
        await access.admit(an_agent(), "nothing", door)
    assert (hidden.value.code, hidden.value.detail) == (unknown.value.code, unknown.value.detail)


Steps = list[tuple[str, int]]


@contextmanager
def traced() -> Iterator[Steps]:
    """Every line of the product that is walked."""
    steps: Steps = []

    def trace(frame: FrameType, event: str, _: object) -> Any:
        if Path(app.__file__).parent not in Path(frame.f_code.co_filename).parents:
            return None
        if event == "line":
            steps.append((frame.f_code.co_qualname, frame.f_lineno))
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        yield steps
    finally:
        sys.settrace(before)


UNKNOWN = {"rest": ("pizzeria/get_none", "pizzerio/get_menu"), "mcp": ("pizzeria__get_none", "pizzerio__get_menu")}


@pytest.mark.parametrize("door", ["rest", "mcp"])
@pytest.mark.parametrize(("roles", "enabled"), [(CHEFS_ONLY, True), (frozenset(), False)], ids=["role", "disabled"])
async def test_what_is_hidden_and_what_is_not_there_go_the_same_way_and_leave_the_same_record(
    access: Access, catalog: Catalog, records: list[AuditRecord], telemetry: Telemetry,
    roles: frozenset[str], enabled: bool, door: Door,
) -> None:  # fmt: skip
    show(catalog, roles=roles, enabled=enabled, scopes="orders")
    walks = []
    for asked in ("warming-up", NAMES[door], *UNKNOWN[door]):
        with traced() as steps:
            with pytest.raises(NotFound):
                access.see(an_agent(), asked, door)
            with pytest.raises(NotFound):
                await access.admit(an_agent(), asked, door)
        walks.append(steps)
    _, hidden, *unknown = walks
    assert {word for word in ("see", "may_see", "keep") if any(word in name for name, _ in hidden)} == {
        "see", "may_see", "keep",
    }  # fmt: skip
    assert unknown == [hidden, hidden]
    left = [replace(record, tool=None, at=0.0, id="", trace_id=None) for record in records]
    assert left == left[:1] * 4
    assert [record.tool for record in records] == ["warming-up", NAMES[door], *UNKNOWN[door]]
    assert b'{outcome="tool_not_found",source="unknown"} 4.0' in telemetry.render_prometheus()
    assert b'source="pizzeria"' not in telemetry.render_prometheus()


@pytest.mark.parametrize("door", ["rest", "mcp"])
async def test_missing_scopes_are_named_all_at_once(
    access: Access, catalog: Catalog, records: list[AuditRecord], telemetry: Telemetry, door: Door
) -> None:
    show(catalog, scopes="orders menu")
    agent = an_agent(scopes=frozenset({"menu"}))
    with pytest.raises(InsufficientScope) as refused:
        await access.admit(agent, NAMES[door], door)
    assert refused.value.scopes == ("menu", "orders")
    assert refused.value.detail == "This tool needs a token with the scopes menu orders. Ask for all of them."
    (record,) = records
    assert (record.outcome, record.tool, record.source) == ("insufficient_scope", "pizzeria/get_menu", "pizzeria")
    assert b'{outcome="insufficient_scope",source="pizzeria"} 1.0' in telemetry.render_prometheus()
    for scopes in ({"menu", "orders"}, {"menu", "orders", "more"}):
        assert await access.admit(an_agent(scopes=frozenset(scopes)), NAMES[door], door)


async def test_scopes_that_other_sources_need_of_the_token_are_named_too(access: Access, catalog: Catalog) -> None:
    show(catalog, scopes="orders")
    catalog.put(a_source("files", required_scopes=frozenset({"files:read", "files:write"})), [an_operation("get_file")])
    with pytest.raises(InsufficientScope) as refused:
        await access.admit(an_agent(scopes=frozenset({"files:read", "openid"})), NAMES["mcp"], "mcp")
    assert refused.value.scopes == ("files:read", "orders")


async def test_a_tool_that_only_lacks_scopes_is_seen(access: Access, catalog: Catalog) -> None:
    show(catalog, scopes="orders")
    assert access.see(an_agent(), "pizzeria/get_menu", "rest").source.required_scopes == {"orders"}
