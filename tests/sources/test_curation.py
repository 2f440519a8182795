"""What admins choose and say of tools: effective at once, kept over refreshes, on record, and told back."""

import asyncio
import json
from dataclasses import replace
from typing import Any

import pytest

from app.curation.curation import ListedTool
from app.curation.overrides import ToolUpdate
from app.errors import Invalid, NotFound, PreconditionFailed
from app.operation.operation import size_of_tool
from app.sources.forms import Offering, SourceUpdate
from app.sources.inventory import Curator
from tests.effort import turns
from tests.sources.conftest import ADMIN, MakeWorld, Site, World, a_source_row, document
from tests.tools.builders import an_operation

pytestmark = pytest.mark.anyio

LIMIT = {"name": "limit", "in": "query", "schema": {"type": "integer", "maximum": 50}}
TENANT = {"name": "tenant", "in": "query", "required": True, "schema": {"type": "string"}}
RENAMED = {"method": "get", "path": "/menu", "name": "dishes"}


def a_shop(*more: str) -> dict[str, Any]:
    """GET /menu (limit, tenant), POST /menu, DELETE /orders/{id}, and a GET for each further path."""
    content = document("/menu", *more)
    content["paths"]["/menu"]["get"] |= {"parameters": [LIMIT, TENANT], "tags": ["menu"]}
    content["paths"]["/menu"]["post"] = {"operationId": "add_dish", "tags": ["menu"], "responses": {}}
    cancelled = {"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}
    content["paths"]["/orders/{id}"] = {"delete": {"operationId": "cancel", "parameters": [cancelled], "responses": {}}}
    return content


async def register(world: World, site: Site, *more: str, **values: Any) -> Offering:
    site.serve(a_shop(*more))
    return await world.register(site.url, slug="shop", **values)


async def patch(world: World, **values: Any) -> Any:
    return await world.sources.update("shop", SourceUpdate.model_validate(values), ADMIN)


async def shape(world: World, operation: str, **values: Any) -> ListedTool:
    changes = ToolUpdate.model_validate(values)
    return (await world.sources.shape("shop", operation, changes, ADMIN))[1]


def menu_of(world: World) -> Any:
    (found,) = [each for each in world.shown["shop"][1] if (each.method, each.path) == ("GET", "/menu")]
    return found


async def test_schemas_are_listed_in_the_profile_of_the_source(world: World, site: Site) -> None:
    content = a_shop()
    content["paths"]["/menu"]["get"]["parameters"] = [{"name": "ids", "in": "query", "schema": {"type": "array"}}]
    site.serve(content)
    registered = await world.register(site.url, slug="shop")
    assert registered.source.schema_profile == "portable"
    full, portable = {"type": "array"}, {"type": "array", "items": {}}
    seen = menu_of(world)
    assert seen.listed_schema["properties"]["ids"] == portable
    assert seen.input_schema["properties"]["ids"] == full
    updated = await patch(world, schema_profile="standard")
    assert (updated.schema_profile, menu_of(world).listed_schema["properties"]["ids"]) == ("standard", full)
    assert registered.report[0].bytes == size_of_tool(seen)
    assert not (await world.sources.refresh("shop", ADMIN, force=True)).changes
    await world.writing.load_all()
    assert menu_of(world).listed_schema["properties"]["ids"] == full
    assert site.scripted.connections == 2


async def test_a_selection_decides_at_registration_and_later(world: World, site: Site) -> None:
    registered = await register(world, site, selection={"read_only": True})
    assert world.tools("shop") == ["menu"]
    assert [operation.name for operation in registered.operations] == ["menu"]
    assert registered.source.operations.model_dump() == {"ready": 1, "degraded": 0, "skipped": 2}
    reasons = {item.path: (item.status, item.name, item.bytes, item.reason) for item in registered.report}
    assert reasons["/orders/{id}"] == (
        "skipped",
        None,
        0,
        "Left out by `selection.read_only`: it does not only read.",
    )
    updated = await patch(world, selection={"include": [{"tags": ["menu"]}], "exclude": [{"methods": ["post"]}]})
    assert world.tools("shop") == ["menu"]
    assert updated.selection == {"include": [{"tags": ["menu"]}], "exclude": [{"methods": ["POST"]}]}
    updated = await patch(world, selection=None)
    assert world.tools("shop") == ["menu", "add_dish", "cancel"]
    assert (updated.selection, updated.operations.ready, updated.status) == ({}, 3, "ready")
    assert site.scripted.connections == 1


async def test_a_selection_that_leaves_nothing_is_no_failure_of_the_document(world: World, site: Site) -> None:
    registered = await register(world, site, selection={"include": [{"tags": ["none"]}]})
    assert (registered.source.status, world.tools("shop")) == ("ready", [])
    assert {item.status for item in (await world.sources.queries.offering("shop")).report} == {"skipped"}


async def test_overrides_shape_tools_and_survive_a_restart(world: World, make_world: MakeWorld, site: Site) -> None:
    arguments = {"tenant": {"pin": "acme"}, "limit": {"default": 10, "description": "How many."}}
    override = {**RENAMED, "title": "Dishes", "description": "All dishes.", "arguments": arguments}
    registered = await register(world, site, overrides=[override])
    menu = menu_of(world)
    assert (menu.name, menu.title, menu.description) == ("dishes", "Dishes", "All dishes.")
    assert menu.input_schema["properties"] == {
        "limit": {"type": "integer", "maximum": 50, "default": 10, "description": "How many."}
    }
    assert menu.preset == {"tenant": "acme", "limit": 10}
    assert registered.source.overrides == [{**override, "method": "GET"}]
    item = next(item for item in registered.report if item.name == "dishes")
    texts = len(json.dumps(["dishes", "All dishes.", "Dishes"], separators=(",", ":")))
    assert item.bytes >= texts + len(json.dumps(menu.input_schema, separators=(",", ":")))
    restarted = make_world()
    await restarted.writing.load_all()
    assert restarted.shown == world.shown


async def test_overrides_stay_with_method_and_path_over_refreshes(world: World, site: Site) -> None:
    await register(world, site, "/drinks", overrides=[{**RENAMED, "arguments": {"tenant": {"pin": "acme"}}}])
    content = a_shop("/drinks", "/dishes")
    content["paths"]["/drinks"]["get"]["operationId"] = "menu"
    content["paths"] = dict(reversed(content["paths"].items()))
    site.serve(content)
    refreshed = await world.sources.refresh("shop", ADMIN)
    names = {(each.method, each.path): each.name for each in world.shown["shop"][1]}
    assert names["GET", "/menu"] == "dishes"
    assert names["GET", "/drinks"] == "drinks"
    assert names["GET", "/dishes"].startswith("dishes_")
    assert menu_of(world).preset == {"tenant": "acme"}
    assert refreshed.changes.added == (names["GET", "/dishes"],)
    assert refreshed.changes.removed == ()


async def test_an_override_waits_for_its_operation(world: World, site: Site) -> None:
    site.serve(document("/orders"))
    registered = await world.register(site.url, slug="shop", overrides=[RENAMED])
    assert registered.source.unmatched_overrides == [{"method": "GET", "path": "/menu"}]
    assert registered.source.operations.model_dump() == {"ready": 1, "degraded": 0, "skipped": 0}
    waiting = (await world.sources.queries.tools("shop"))[1][-1]
    assert (waiting.key, waiting.operation, waiting.name, waiting.status) == (("GET", "/menu"), None, None, "skipped")
    assert "when it comes back" in str(waiting.reason)
    site.serve(a_shop("/orders"))
    refreshed = await world.sources.refresh("shop", ADMIN)
    assert refreshed.source.unmatched_overrides == []
    assert menu_of(world).name == "dishes"
    site.serve(document("/orders"))
    refreshed = await world.sources.refresh("shop", ADMIN)
    assert refreshed.source.unmatched_overrides == [{"method": "GET", "path": "/menu"}]
    assert refreshed.source.overrides == [{**RENAMED, "method": "GET"}]
    gone = (await shape(world, "dishes", title="Dishes")).override
    assert gone is not None
    assert gone.title == "Dishes"
    _, tool = await world.sources.shape("shop", "menu", None, ADMIN)
    assert (tool.operation, tool.override) == ("menu", None)
    assert (await world.sources.queries.find("shop")).overrides == []


async def test_a_tool_is_changed_field_by_field_and_taken_back(world: World, site: Site) -> None:
    await register(world, site)
    tool = await shape(world, "menu", name="dishes", title="Dishes")
    assert (tool.operation, tool.name, tool.status) == ("menu", "dishes", "ready")
    for name in ("menu", "dishes"):
        tool = await shape(world, name, description="All of them.")
        assert menu_of(world).name == "dishes"
    assert tool.override is not None
    assert tool.override.stated() == {
        "method": "GET",
        "path": "/menu",
        "name": "dishes",
        "title": "Dishes",
        "description": "All of them.",
    }
    await shape(world, "menu", name=None, title=None)
    assert (menu_of(world).name, menu_of(world).description) == ("menu", "All of them.")
    await shape(world, "menu", description=None)
    assert (await world.sources.queries.find("shop")).overrides == []
    await shape(world, "menu", hidden=True)
    assert world.tools("shop") == ["add_dish", "cancel"]
    await world.sources.shape("shop", "menu", None, ADMIN)
    assert world.tools("shop") == ["menu", "add_dish", "cancel"]


async def test_what_does_not_fit_is_refused_with_its_place_and_changes_nothing(world: World, site: Site) -> None:
    await register(world, site)
    before = world.shown["shop"]
    overrides = [
        {"method": "POST", "path": "/menu", "title": "Add"},
        {**RENAMED, "arguments": {"tenant": {"hide": True}, "limit": {"pin": 99}, "nothing": {"default": 1}}},
        {"method": "DELETE", "path": "/orders/{id}", "name": "DISHES"},
        {"method": "DELETE", "path": "/orders/{id}", "name": "menu"},
    ]
    places = [
        "/overrides/1/arguments/limit/pin",
        "/overrides/1/arguments/nothing",
        "/overrides/1/arguments/tenant/hide",
        "/overrides/2/name",
        "/overrides/3",
        "/overrides/3/name",
    ]
    with pytest.raises(Invalid) as refused:
        await patch(world, overrides=overrides)
    assert refused.value.code == "invalid_overrides"
    assert sorted(each.pointer for each in refused.value.violations) == places
    with pytest.raises(Invalid) as refused:
        await shape(world, "menu", arguments={"tenant": {"hide": True}})
    assert [each.pointer for each in refused.value.violations] == ["/arguments/tenant/hide"]
    assert world.shown["shop"] == before
    assert (await world.sources.queries.find("shop")).overrides == []
    with pytest.raises(Invalid):
        await world.register(site.url, slug="second", overrides=overrides[1:2])
    with pytest.raises(NotFound):
        await world.sources.queries.find("second")


@pytest.mark.parametrize("name", ["add_dish", "ADD_DISH", "x" * 59])
async def test_a_name_is_nobody_elses_and_fits_beside_the_slug(name: str, world: World, site: Site) -> None:
    await register(world, site)
    with pytest.raises(Invalid) as refused:
        await shape(world, "menu", name=name)
    assert [each.pointer for each in refused.value.violations] == ["/name"]
    assert (await shape(world, "menu", name="x" * 58)).name == "x" * 58


async def test_a_name_of_an_operation_that_is_gone_stays_its_own(world: World, site: Site) -> None:
    await register(world, site, "/drinks")
    site.serve(a_shop())
    await world.sources.refresh("shop", ADMIN)
    with pytest.raises(Invalid) as refused:
        await shape(world, "menu", name="drinks")
    assert "GET /drinks" in refused.value.violations[0].detail


async def test_a_pin_that_no_longer_fits_takes_the_tool_away_instead_of_the_pin(world: World, site: Site) -> None:
    await register(world, site, overrides=[{**RENAMED, "arguments": {"tenant": {"pin": "acme"}}}])
    content = a_shop()
    content["paths"]["/menu"]["get"]["parameters"] = [LIMIT, {**TENANT, "name": "tenant_id"}]
    site.serve(content)
    refreshed = await world.sources.refresh("shop", ADMIN)
    assert world.tools("shop") == ["add_dish", "cancel"]
    assert refreshed.changes.removed == ("dishes",)
    _, tools = await world.sources.queries.tools("shop")
    (tool,) = [tool for tool in tools if tool.key == ("GET", "/menu")]
    assert (tool.status, tool.name) == ("skipped", None)
    assert "/arguments/tenant is not an argument" in str(tool.reason)
    await shape(world, "cancel", title="Cancel")
    await patch(world, description="Unrelated")
    await shape(world, "menu", arguments={"tenant_id": {"pin": "acme"}})
    assert menu_of(world).preset == {"tenant_id": "acme"}


async def test_a_pin_stays_with_its_argument_when_another_one_of_that_name_joins_it(world: World, site: Site) -> None:
    content = a_shop()
    header = {**TENANT, "in": "header"}
    content["paths"]["/menu"]["get"]["parameters"] = [header]
    site.serve(content)
    await world.register(site.url, slug="shop", overrides=[{**RENAMED, "arguments": {"tenant": {"pin": "acme"}}}])
    content["paths"]["/menu"]["get"]["parameters"] = [TENANT, header]
    content["paths"]["/drinks"] = {"get": {"parameters": [TENANT, header]}}
    site.serve(content)
    readings = (
        lambda: world.sources.refresh("shop", ADMIN, force=True),
        lambda: patch(world, base_url=f"{site.origin}/v2"),
    )
    for read in readings:
        await read()
        menu = menu_of(world)
        assert menu.preset == {"tenant": "acme"}
        assert menu.slots == {"tenant__query": ("query", "tenant"), "tenant": ("header", "tenant")}
        assert menu.input_schema["properties"].keys() == {"tenant__query"}
    (new,) = [each for each in world.shown["shop"][1] if each.path == "/drinks"]
    assert new.slots == {"tenant": ("query", "tenant"), "tenant__header": ("header", "tenant")}


async def test_a_default_that_no_longer_fits_is_left_out_and_reported(world: World, site: Site) -> None:
    await register(world, site, overrides=[{**RENAMED, "arguments": {"limit": {"default": 40}}}])
    content = a_shop()
    content["paths"]["/menu"]["get"]["parameters"] = [{**LIMIT, "schema": {"type": "integer", "maximum": 5}}, TENANT]
    site.serve(content)
    refreshed = await world.sources.refresh("shop", ADMIN)
    assert menu_of(world).preset == {}
    assert refreshed.source.operations.degraded == 1
    (item,) = [item for item in (await world.sources.queries.offering("shop")).report if item.name == "dishes"]
    assert (item.status, "/arguments/limit/default" in str(item.reason)) == ("degraded", True)


async def test_the_documents_word_is_below_the_admins(world: World, site: Site) -> None:
    content = a_shop()
    content["paths"]["/menu"]["get"] |= {"x-mcp-name": "list", "x-mcp-description": "Lists.", "x-mcp-hidden": True}
    content["paths"]["/menu"]["post"] |= {"x-mcp-annotations": {"readOnlyHint": True}}
    site.serve(content)
    registered = await world.register(site.url, slug="shop", selection={"read_only": True})
    assert world.tools("shop") == []
    assert "Hidden by the document" in str(registered.report[0].reason)
    await shape(world, "list", hidden=False, description="Mine.")
    assert world.tools("shop") == ["list"]
    assert menu_of(world).description == "Mine."
    await shape(world, "add_dish", annotations={"read_only": True})
    assert world.tools("shop") == ["list", "add_dish"]
    await shape(world, "add_dish", annotations=None, hidden=False)
    assert world.tools("shop") == ["list"]


async def test_whatever_a_document_calls_a_path_can_be_shaped(world: World, site: Site) -> None:
    odd = "/~%2F\u00e9 " + "x" * 3_000
    content = document(odd)
    content["paths"][odd]["get"]["operationId"] = "odd"
    site.serve(content)
    await world.register(site.url, slug="shop")
    assert (await shape(world, "odd", title="Odd")).key == ("GET", odd)
    assert [each.title for each in world.shown["shop"][1]] == ["Odd"]


async def test_an_outdated_version_is_refused(world: World, site: Site) -> None:
    await register(world, site)
    changes = ToolUpdate(title="A")
    source, _ = await world.sources.shape("shop", "menu", changes, ADMIN, {1})
    assert source.version == 2
    with pytest.raises(PreconditionFailed):
        await world.sources.shape("shop", "menu", changes, ADMIN, {1})
    with pytest.raises(NotFound) as refused:
        await world.sources.shape("shop", "nothing", changes, ADMIN)
    assert refused.value.code == "tool_not_found"


async def test_the_audit_names_what_was_changed_and_no_values(world: World, site: Site) -> None:
    await register(world, site)
    await shape(world, "menu", name="dishes", arguments={"tenant": {"pin": "my-secret"}})
    await world.sources.shape("shop", "dishes", None, ADMIN)
    await patch(world, overrides=[{**RENAMED, "arguments": {"tenant": {"pin": "my-secret"}}}])
    with pytest.raises(Invalid):
        await shape(world, "dishes", arguments={"limit": {"pin": "my-secret"}})
    assert [(record.outcome, record.detail) for record in world.records[1:]] == [
        ("ok", "GET /menu: arguments, name"),
        ("ok", "GET /menu: back to the document"),
        ("ok", "overrides"),
        ("invalid_overrides", "GET /menu: arguments"),
    ]
    assert "my-secret" not in str(world.records)


@pytest.mark.extended
async def test_however_much_is_curated_at_once_others_have_their_turn() -> None:
    pinned = [
        {"method": "GET", "path": f"/{number}", "arguments": {f"a{each}": {"pin": 1} for each in range(10)}}
        for number in range(500)
    ]
    source = a_source_row("https://shop.example", overrides=pinned)
    schema = {"type": "object", "properties": {f"a{each}": {"type": "integer"} for each in range(10)}}
    operations = [
        replace(an_operation(f"o{number}", "GET", f"/{number}"), input_schema=schema) for number in range(500)
    ]
    curator = Curator(32_768)
    many = asyncio.gather(*(curator.curated(source, operations) for _ in range(8)))
    taken = await turns(many)
    assert {len(curated.operations) for curated in many.result()} == {500}
    assert len(taken) > 50
    assert max(taken) < 0.5
