"""The use cases of admins, on SQLite and PostgreSQL: effective at once, all or nothing, and on record."""

import asyncio
import json
from typing import Any

import pytest
from pydantic import ValidationError
from sqlmodel import select

from app.credentials.kinds import KINDS
from app.database import Database
from app.errors import Conflict, Invalid, NotFound, NotPermitted, PreconditionFailed, ToolsProviderError
from app.outbound import AddressRefused
from app.sources.forms import SourceCreate, SourceUpdate
from app.sources.source import Authority
from app.sources.tables import OperationRow, SourceReport
from tests.sources.conftest import ADMIN, MANAGER, MakeWorld, Site, World, document
from tests.support.scripted import redirect

pytestmark = pytest.mark.anyio


def change(**values: Any) -> SourceUpdate:
    return SourceUpdate.model_validate(values)


async def test_registering_shows_the_tools_and_stores_the_source(world: World, site: Site) -> None:
    registered = await world.register(site.url, default_audience="pizzeria-backend", scopes=["menu:read"])
    assert registered.source.slug == "pizzeria-backend"
    assert registered.source.base_url == site.origin
    assert registered.source.status == "ready"
    assert registered.source.operations.model_dump() == {"ready": 2, "degraded": 0, "skipped": 0}
    assert [operation.path for operation in registered.operations] == ["/menu", "/orders"]
    assert world.tools("pizzeria-backend") == [operation.name for operation in registered.operations]
    shown = world.shown["pizzeria-backend"][0]
    assert (shown.id, shown.base_url) == (registered.source.id, site.origin)
    assert shown.authorities == (Authority(0, site.origin, "token_exchange", "pizzeria-backend", ("menu:read",)),)
    assert await world.sources.queries.find(registered.source.id) == registered.source
    assert await world.sources.queries.find("pizzeria-backend") == registered.source


async def test_another_process_loads_what_was_registered(world: World, make_world: MakeWorld, site: Site) -> None:
    await world.register(site.url, slug="one", allowed_roles=["chef"], required_scopes=["x"], enabled=False)
    await world.register(site.url, slug="two", default_audience="two")
    restarted = make_world()
    await restarted.writing.load_all()
    assert restarted.shown == world.shown


@pytest.mark.parametrize(
    ("values", "auth_type", "audience"),
    [
        ({}, "passthrough", None),
        ({"default_audience": None}, "passthrough", None),
        ({"default_audience": ""}, "passthrough", None),
        ({"default_audience": " "}, "passthrough", None),
        ({"default_audience": "api"}, "token_exchange", "api"),
        ({"default_audience": "api", "upstream_auth": {"type": "token_exchange"}}, "token_exchange", "api"),
        ({"upstream_auth": {"type": "none"}}, "none", None),
        ({"upstream_auth": {"type": "passthrough"}}, "passthrough", None),
    ],
)
async def test_how_calls_authenticate_follows_from_the_audience_unless_it_is_stated(
    values: dict[str, Any], auth_type: str, audience: str | None, world: World, site: Site
) -> None:
    source = (await world.register(site.url, **values)).source
    assert (source.upstream_auth.type, source.default_audience) == (auth_type, audience)
    assert world.shown[source.slug][0].authorities[0].auth_type == auth_type


async def test_the_slug_is_the_audience_then_the_name_then_must_be_stated(world: World, site: Site) -> None:
    slugs = [(await world.register(site.url, default_audience="api")).source.slug for _ in range(3)]
    assert slugs == ["api", "pizzeria-backend", "pizzeria-backend-api"]
    with pytest.raises(Conflict) as refused:
        await world.register(site.url, default_audience="api")
    assert refused.value.code == "slug_taken"
    assert (await world.register(site.url, default_audience="api", slug="third")).source.slug == "third"
    with pytest.raises(Conflict):
        await world.register(site.url, slug="third")


async def test_an_audience_that_is_no_short_slug_gives_way_to_the_name(world: World, site: Site) -> None:
    assert (await world.register(site.url, default_audience="https://api/X")).source.slug == "pizzeria-backend"
    long: dict[str, Any] = {"name": "Orders API v2", "default_audience": "orders-of-all-branches"}
    assert [(await world.register(site.url, **long)).source.slug for _ in range(3)] == [
        "orders",
        "orders-v2",
        "orders-api-v2",
    ]
    assert (await world.register(site.url, name="\u043f\u0438\u0446\u0446\u0430")).source.slug == "pitstsa"
    unreadable: dict[str, Any] = {"name": "!", "default_audience": "pizza-of-all-branches"}
    assert (await world.register(site.url, **unreadable)).source.slug == "pizza-all-branch"
    with pytest.raises(Invalid) as refused:
        await world.register(site.url, name="!")
    assert refused.value.code == "slug_required"


async def test_registering_one_slug_twice_at_once_stores_one(world: World, site: Site) -> None:
    results = await asyncio.gather(*(world.register(site.url, slug="same") for _ in range(3)), return_exceptions=True)
    assert sorted(type(result).__name__ for result in results) == ["Conflict", "Conflict", "Offering"]
    assert len((await world.sources.queries.page(10, None))[0]) == 1


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1.:1/", "http://10.0.0.1/x", "ftp://x/y", "http://u:p@127.0.0.1/x", "http://0x7f000001/"]
)
async def test_an_address_that_is_refused_stores_nothing(url: str, world: World) -> None:
    with pytest.raises(AddressRefused):
        await world.register(url, slug="s")
    assert await world.sources.queries.page(10, None) == ([], None)
    assert world.outcomes == [("register", "address_refused")]


async def test_a_base_url_whose_name_leads_inside_is_refused(make_world: MakeWorld, site: Site) -> None:
    world = make_world()
    base_url = f"http://localhost:{site.scripted.port}"
    await world.register(site.url, slug="known", base_url=base_url)
    strict = make_world(allowed=(f"127.0.0.1:{site.scripted.port}",))
    for base_url in ("http://localhost:1", "http://localhost:1/v1"):
        with pytest.raises(AddressRefused):
            await strict.register(site.url, slug="s", base_url=base_url)
        with pytest.raises(AddressRefused):
            await strict.sources.update("known", change(base_url=base_url), ADMIN)
    assert list(strict.shown) == []


async def test_a_document_that_cannot_be_used_stores_nothing(world: World, site: Site) -> None:
    for answer in (redirect("http://x/"), b"HTTP/1.1 500 X\r\nContent-Length: 0\r\n\r\n"):
        site.answer = answer
        with pytest.raises(ToolsProviderError):
            await world.register(site.url, slug="s")
    site.serve({"swagger": "1.2"})
    with pytest.raises(Invalid):
        await world.register(site.url, slug="s")
    assert await world.sources.queries.page(10, None) == ([], None)
    assert world.shown == {}
    assert [outcome for _, outcome in world.outcomes] == [
        "redirect_refused",
        "document_unreachable",
        "invalid_document",
    ]


async def test_a_document_whose_server_is_elsewhere_needs_a_stated_base_url(
    world: World, site: Site, other_site: Site
) -> None:
    site.serve(document("/menu", servers=[f"{other_site.origin}/v1"]))
    with pytest.raises(Invalid) as refused:
        await world.register(site.url, slug="s")
    assert refused.value.code == "base_url_refused"
    assert f'"base_url":"{other_site.origin}/v1"' in refused.value.detail
    assert other_site.scripted.connections == 0
    source = (await world.register(site.url, slug="s", base_url=f"{other_site.origin}/v1/")).source
    assert source.base_url == f"{other_site.origin}/v1"
    assert other_site.scripted.connections == 0


async def test_a_document_without_a_usable_operation_is_registered_as_failed(world: World, site: Site) -> None:
    content = document("/menu")
    content["paths"]["/menu"]["servers"] = [{"url": "https://evil.org"}]
    site.serve(content)
    source = (await world.register(site.url, slug="s")).source
    assert source.status == "failed"
    assert source.operations.skipped == 1
    offering = await world.sources.queries.offering("s")
    assert [(item.status, item.path) for item in offering.report] == [("skipped", "/menu")]


@pytest.mark.parametrize("internal", [True, False])
async def test_a_document_that_has_no_tools_is_ready_and_says_why(world: World, site: Site, internal: bool) -> None:
    content = document("/menu")
    content["paths"] = {"/menu": {**content["paths"]["/menu"], "x-internal": True}} if internal else {"/menu": {}}
    site.serve(content)
    registered = await world.register(site.url, slug="s")
    assert (registered.source.status, registered.operations) == ("ready", ())
    assert ("`x-internal`" if internal else "no operations") in str(registered.report[0].reason)


async def test_an_audience_is_bound_to_its_first_origin_for_good(world: World, site: Site, other_site: Site) -> None:
    first = await world.register(site.url, MANAGER, default_audience="api")
    with pytest.raises(NotPermitted) as refused:
        await world.register(other_site.url, MANAGER, default_audience="api", slug="evil")
    assert refused.value.code == "audience_origin_conflict"
    await world.sources.remove(first.source.id, MANAGER)
    with pytest.raises(NotPermitted):
        await world.register(other_site.url, MANAGER, default_audience="api", slug="evil")
    await world.register(site.url, MANAGER, default_audience="api", slug="again")
    await world.register(other_site.url, ADMIN, default_audience="api", slug="second")
    await world.register(other_site.url, MANAGER, default_audience="api", slug="third")


async def test_an_audience_cannot_be_taken_over_by_a_change(world: World, site: Site, other_site: Site) -> None:
    await world.register(site.url, MANAGER, default_audience="api")
    await world.register(other_site.url, MANAGER, slug="evil", upstream_auth={"type": "none"})
    await world.register(site.url, MANAGER, slug="moving", default_audience="api")
    for key, changes in [
        ("evil", {"default_audience": "api"}),
        ("moving", {"url": other_site.url}),
        ("moving", {"base_url": other_site.origin}),
    ]:
        with pytest.raises(NotPermitted) as refused:
            await world.sources.update(key, change(**changes), MANAGER)
        assert refused.value.code == "audience_origin_conflict"
    assert world.shown["evil"][0].authorities[0].audience is None
    assert world.shown["moving"][0].base_url == site.origin
    assert (await world.sources.queries.find("moving")).url == site.url


async def test_the_operators_list_of_audiences_is_the_law(make_world: MakeWorld, site: Site, other_site: Site) -> None:
    listed = make_world((f"api={site.origin}",))
    await listed.register(site.url, MANAGER, default_audience="api")
    with pytest.raises(Invalid) as refused:
        await listed.register(other_site.url, ADMIN, default_audience="api", slug="other")
    assert refused.value.code == "audience_origin_refused"


THEIRS = {"origin": "https://files.example.org", "default_audience": "tools-provider"}


async def test_only_role_admin_decides_which_origin_gets_the_agents_own_tokens(
    world: World, site: Site, other_site: Site
) -> None:
    with pytest.raises(NotPermitted) as refused:
        await world.register(other_site.url, MANAGER, slug="mine")
    assert refused.value.code == "role_required"
    for part in (other_site.origin, "the agents' own tokens", "role admin", "`default_audience`", "`upstream_auth`"):
        assert part in refused.value.detail
    assert "mine" not in world.shown
    await world.register(site.url, slug="shared")
    await world.register(other_site.url, MANAGER, slug="mine", default_audience="api")
    document_elsewhere = document("/menu", servers=[other_site.origin])
    elsewhere: list[tuple[str, dict[str, Any]]] = [
        ("shared", {"url": other_site.url}),
        ("shared", {"base_url": f"{other_site.origin}/v1"}),
        ("shared", {"url": other_site.url, "document": document_elsewhere}),
        ("mine", {"default_audience": None}),
        ("mine", {"upstream_auth": {"type": "passthrough"}}),
    ]
    for key, changes in elsewhere:
        with pytest.raises(NotPermitted) as refused:
            await world.sources.update(key, change(**changes), MANAGER)
        assert refused.value.code == "role_required"
    assert world.shown["shared"][0].base_url == site.origin
    assert world.shown["mine"][0].authorities[0].auth_type == "token_exchange"
    assert world.outcomes.count(("update", "role_required")) == 5


async def test_a_manager_may_change_what_leaves_tokens_where_they_go(
    world: World, site: Site, other_site: Site
) -> None:
    await world.register(site.url, slug="shared")
    await world.sources.update("shared", change(name="Other", base_url=f"{site.origin}/v2"), MANAGER)
    await world.sources.refresh("shared", MANAGER)
    await world.sources.update("shared", change(other_servers=[{"origin": other_site.origin}]), MANAGER)
    own, other = world.shown["shared"][0].authorities
    assert (own.auth_type, other.auth_type) == ("passthrough", "none")
    await world.sources.update("shared", change(upstream_auth={"type": "none"}), MANAGER)
    with pytest.raises(NotPermitted):
        await world.sources.update("shared", change(upstream_auth=None), MANAGER)
    await world.sources.update("shared", change(base_url=other_site.origin, other_servers=[]), MANAGER)
    with pytest.raises(NotPermitted):
        await world.sources.update("shared", change(upstream_auth=None), MANAGER)
    await world.sources.update("shared", change(upstream_auth=None), ADMIN)
    assert world.shown["shared"][0].authorities[0].auth_type == "passthrough"


async def test_an_audience_that_agents_come_with_is_no_audience_of_an_upstream(world: World, site: Site) -> None:
    ours: list[dict[str, Any]] = [{"default_audience": "tools-provider"}, {"other_servers": [THEIRS]}]
    for stated in ours:
        with pytest.raises(Invalid) as refused:
            await world.register(site.url, slug="s", **{"default_audience": "api", **stated})
        assert refused.value.code == "audience_refused"
        assert "tools-provider is one of ACCEPTED_AUDIENCES" in refused.value.detail
    await world.register(site.url, slug="s", default_audience="api")
    with pytest.raises(Invalid):
        await world.sources.update("s", change(default_audience="tools-provider"), ADMIN)


async def test_pass_through_can_be_denied(make_world: MakeWorld, world: World, site: Site) -> None:
    await world.register(site.url, slug="old")
    strict = make_world(passthrough_allowed=False)
    with pytest.raises(Invalid) as refused:
        await strict.register(site.url, slug="new")
    assert refused.value.code == "passthrough_denied"
    await strict.register(site.url, slug="exchanged", default_audience="api")
    with pytest.raises(Invalid):
        await strict.sources.update("exchanged", change(default_audience=""), ADMIN)
    await strict.sources.update("old", change(enabled=False), ADMIN)
    await strict.sources.update("old", change(default_audience="api"), ADMIN)


async def test_the_guides_switch_to_pass_through_and_back(world: World, site: Site) -> None:
    source = (await world.register(site.url, default_audience="api")).source
    for audience, auth_type in [("", "passthrough"), ("api", "token_exchange"), (None, "passthrough")]:
        updated = await world.sources.update(source.id, change(default_audience=audience), ADMIN)
        assert updated.upstream_auth.type == auth_type
        assert world.shown["api"][0].authorities[0].auth_type == auth_type
        assert world.tools("api") == ["menu", "orders"]
    assert site.scripted.connections == 1


async def test_a_change_alters_what_was_sent_and_nothing_else(world: World, site: Site) -> None:
    before = (await world.register(site.url, slug="s", labels=["a"], description="D")).source
    after = await world.sources.update("s", change(name="New", allowed_roles=["chef"]), ADMIN)
    expected = before.model_dump() | {"name": "New", "allowed_roles": ["chef"], "version": 2}
    assert after.model_dump() == expected | {"updated_at": after.updated_at}
    assert after.updated_at > before.updated_at
    cleared = await world.sources.update("s", change(description=None, labels=[]), ADMIN)
    assert (cleared.description, cleared.labels) == (None, [])


async def test_an_explicit_exchange_keeps_its_audience(world: World, site: Site) -> None:
    await world.register(site.url, slug="s", default_audience="a", upstream_auth={"type": "token_exchange"})
    with pytest.raises(Invalid) as refused:
        await world.sources.update("s", change(default_audience=""), ADMIN)
    assert refused.value.code == "audience_required"
    await world.sources.update("s", change(default_audience="", upstream_auth=None), ADMIN)
    assert world.shown["s"][0].authorities[0].auth_type == "passthrough"


async def test_a_new_url_is_read_at_once(world: World, site: Site, other_site: Site) -> None:
    await world.register(site.url, slug="s")
    other_site.serve(document("/orders", "/drinks"))
    updated = await world.sources.update("s", change(url=other_site.url), ADMIN)
    assert (updated.url, updated.base_url) == (other_site.url, other_site.origin)
    assert sorted(world.tools("s")) == ["drinks", "orders"]


async def test_a_new_url_that_cannot_be_read_changes_nothing(world: World, site: Site) -> None:
    before = (await world.register(site.url, slug="s")).source
    for url in ("http://10.0.0.1/x", "http://does-not-exist.invalid/x"):
        with pytest.raises(ToolsProviderError):
            await world.sources.update("s", change(url=url), ADMIN)
    assert await world.sources.queries.find("s") == before
    assert world.shown["s"][0].base_url == site.origin


async def test_a_stale_version_is_refused_and_the_current_one_accepted(world: World, site: Site) -> None:
    await world.register(site.url, slug="s")
    await world.sources.update("s", change(name="A"), ADMIN, {1})
    for changes in (change(name="B"), change(url=site.url)):
        with pytest.raises(PreconditionFailed):
            await world.sources.update("s", changes, ADMIN, {1})
    with pytest.raises(PreconditionFailed):
        await world.sources.remove("s", ADMIN, frozenset())
    await world.sources.update("s", change(name="C"), ADMIN, {1, 2})
    assert (await world.sources.queries.find("s")).name == "C"


async def test_twenty_changes_at_once_are_all_whole(world: World, site: Site) -> None:
    await world.register(site.url, slug="s")
    changes = [change(name=f"Name {n}", labels=[f"label {n}"]) for n in range(20)]
    await asyncio.gather(*(world.sources.update("s", each, ADMIN) for each in changes))
    source = await world.sources.queries.find("s")
    assert source.version == 21
    assert source.labels == [source.name.replace("Name", "label")]
    assert world.shown["s"][0].name == source.name


async def test_an_uploaded_document_is_kept_until_the_source_has_another(world: World, site: Site) -> None:
    create = SourceCreate.model_validate(
        {"name": "S", "slug": "s", "document": document("/a"), "base_url": site.origin}
    )
    await world.sources.register(create, ADMIN)
    moved = await world.sources.update("s", change(base_url=f"{site.origin}/v2"), ADMIN)
    assert (moved.url, moved.uploaded, moved.base_url) == (None, True, f"{site.origin}/v2")
    assert world.tools("s") == ["a"]
    with pytest.raises(Conflict) as refused:
        await world.sources.refresh("s", ADMIN)
    assert refused.value.code == "document_uploaded"
    await world.sources.update("s", change(document=json.dumps(document("/b"))), ADMIN)
    assert world.tools("s") == ["b"]
    assert site.scripted.connections == 0
    await world.sources.update("s", change(url=site.url, base_url=None), ADMIN)
    assert (await world.sources.refresh("s", ADMIN)).source.uploaded is False
    assert sorted(world.tools("s")) == ["menu", "orders"]


async def test_a_change_during_a_reading_is_not_lost(world: World, site: Site) -> None:
    await world.register(site.url, slug="s")
    asked, go_on = asyncio.Event(), asyncio.Event()
    served = site.answer
    assert isinstance(served, bytes)

    async def wait(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.set()
        await go_on.wait()
        writer.write(served)
        await writer.drain()

    for begin in (
        lambda: world.sources.refresh("s", ADMIN),
        lambda: world.sources.update("s", change(url=site.url, name="Mine"), ADMIN),
    ):
        asked.clear()
        go_on.clear()
        site.answer = wait
        reading = asyncio.ensure_future(begin())
        await asked.wait()
        updated = await world.sources.update("s", change(description=f"{begin}"), ADMIN)
        go_on.set()
        with pytest.raises(Conflict) as refused:
            await reading
        assert refused.value.code == "source_changed"
        assert await world.sources.queries.find("s") == updated


async def test_a_refresh_tells_what_changed_and_keeps_names(world: World, site: Site) -> None:
    registered = await world.register(site.url, slug="s")
    content = document("/orders", "/drinks")
    content["paths"]["/orders"]["get"]["description"] = "All orders"
    site.serve(content)
    refreshed = await world.sources.refresh("s", MANAGER)
    assert refreshed.changes.added == ("drinks",)
    assert refreshed.changes.removed == ("menu",)
    assert refreshed.changes.changed == ("orders",)
    assert sorted(world.tools("s")) == ["drinks", "orders"]
    assert refreshed.source.refreshed_at > registered.source.refreshed_at
    again = await world.sources.refresh("s", MANAGER)
    assert not again.changes
    assert world.records[-1].detail == "nothing changed"


async def test_an_operation_that_comes_back_has_its_old_name_and_nobody_took_it(world: World, site: Site) -> None:
    await world.register(site.url, slug="s")
    site.serve(document("/orders"))
    await world.sources.refresh("s", ADMIN)
    content = document("/orders", "/drinks")
    content["paths"]["/drinks"]["get"]["operationId"] = "menu"
    site.serve(content)
    await world.sources.refresh("s", ADMIN)
    (taken,) = [operation.name for operation in world.shown["s"][1] if operation.path == "/drinks"]
    assert taken != "menu"
    content["paths"] |= document("/menu")["paths"]
    site.serve(content)
    await world.sources.refresh("s", ADMIN)
    names = {operation.path: operation.name for operation in world.shown["s"][1]}
    assert names == {"/orders": "orders", "/drinks": taken, "/menu": "menu"}


@pytest.mark.parametrize("broken", [redirect("http://x/"), b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n{"])
async def test_a_failed_refresh_keeps_the_last_good_inventory(broken: bytes, world: World, site: Site) -> None:
    await world.register(site.url, slug="s")
    before = world.shown["s"]
    site.answer = broken
    with pytest.raises(ToolsProviderError) as refused:
        await world.sources.refresh("s", ADMIN)
    assert world.shown["s"] == before
    source = await world.sources.queries.find("s")
    assert (source.status, source.operations.ready) == ("stale", 2)
    assert world.outcomes[-1] == ("refresh", refused.value.code)
    site.serve(document("/menu", "/orders"))
    assert (await world.sources.refresh("s", ADMIN)).source.status == "ready"


async def test_servers_that_move_elsewhere_at_a_refresh_are_refused(world: World, site: Site) -> None:
    await world.register(site.url, slug="s")
    site.serve(document("/menu", servers=["https://evil.org"]))
    with pytest.raises(Invalid) as refused:
        await world.sources.refresh("s", ADMIN)
    assert refused.value.code == "base_url_refused"
    assert world.shown["s"][0].base_url == site.origin


async def test_removing_forgets_the_source_and_its_tools(world: World, site: Site, database: Database) -> None:
    source = (await world.register(site.url, slug="s")).source
    await world.sources.remove(source.id, ADMIN)
    assert world.shown == {}
    async with database.session() as session:
        assert (await session.exec(select(OperationRow))).all() == []
        assert (await session.exec(select(SourceReport))).all() == []
    for attempt in (
        world.sources.queries.find("s"),
        world.sources.queries.offering("s"),
        world.sources.refresh("s", ADMIN),
        world.sources.update("s", change(name="X"), ADMIN),
        world.sources.update("s", change(url=site.url), ADMIN),
        world.sources.remove("s", ADMIN),
    ):
        with pytest.raises(NotFound):
            await attempt
    site.serve(document("/drinks"))
    await world.register(site.url, slug="s")
    assert world.tools("s") == ["drinks"]


@pytest.mark.parametrize("key", ["", "unknown", "a\x00b", "x" * 10_000, "'; DROP TABLE sources; --", "%"])
async def test_a_key_that_is_none_finds_nothing(key: str, world: World) -> None:
    with pytest.raises(NotFound):
        await world.sources.queries.find(key)


async def test_pages_follow_the_slugs(world: World, site: Site) -> None:
    for slug in ("c", "a", "b"):
        await world.register(site.url, slug=slug)
    first, after = await world.sources.queries.page(2, None)
    assert ([source.slug for source in first], after) == (["a", "b"], "b")
    second, after = await world.sources.queries.page(2, after)
    assert ([source.slug for source in second], after) == (["c"], None)


async def test_every_change_is_on_record_with_who_and_what(world: World, site: Site) -> None:
    await world.register(site.url, MANAGER, slug="s", default_audience="api")
    await world.sources.update("s", change(default_audience="", name="X"), ADMIN)
    await world.sources.refresh("s", ADMIN)
    await world.sources.remove("s", ADMIN)
    with pytest.raises(NotFound):
        await world.sources.remove("s", ADMIN)
    assert world.outcomes == [
        ("register", "ok"),
        ("update", "ok"),
        ("refresh", "ok"),
        ("delete", "ok"),
        ("delete", "source_unknown"),
    ]
    first, second = world.records[:2]
    assert (first.kind, first.door, first.subject, first.client_id) == ("admin", "rest", "user-manager", "frontend")
    assert (first.token_id, first.source, first.audience, first.passthrough) == ("jti-1", "s", "api", False)
    assert (second.audience, second.passthrough, second.detail) == (None, True, "default_audience, name")
    assert all(record.duration_ms is not None for record in world.records)


async def test_a_change_is_carried_through_though_the_caller_leaves(world: World, site: Site) -> None:
    asked, go_on = asyncio.Event(), asyncio.Event()
    served = site.answer
    assert isinstance(served, bytes)

    async def wait(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.set()
        await go_on.wait()
        writer.write(served)
        await writer.drain()

    site.answer = wait
    recorded = asyncio.Event()
    world.records = Noticing(recorded)
    registering = asyncio.create_task(world.register(site.url, slug="s"))
    await asked.wait()
    registering.cancel()
    with pytest.raises(asyncio.CancelledError):
        await registering
    go_on.set()
    async with asyncio.timeout(10):
        await recorded.wait()
    assert world.outcomes == [("register", "ok")]
    assert world.tools("s") == ["menu", "orders"]
    assert (await world.sources.queries.find("s")).slug == "s"


class Noticing(list[Any]):
    """A list that tells when something was added."""

    def __init__(self, event: asyncio.Event) -> None:
        super().__init__()
        self._event = event

    def append(self, item: object) -> None:
        super().append(item)
        self._event.set()


@pytest.mark.parametrize(
    "values",
    [
        {"id": "x"},
        {"status": "ready"},
        {"version": 9},
        {"slug": "new"},
        {"source_type": "openapi"},
        {"created_at": "2020-01-01T00:00:00Z"},
        {"stated_base_url": "http://x"},
        {"stated_auth_type": "none"},
        {"ready": 3},
        {"name": ""},
        {"name": None},
        {"name": "a\nb"},
        {"name": "a\u202eb"},
        {"name": "x" * 201},
        {"name": 5},
        {"url": None},
        {"enabled": None},
        {"enabled": "maybe"},
        {"scopes": "a b"},
        {"scopes": ["a b"]},
        {"scopes": [""]},
        {"scopes": None},
        {"allowed_roles": [["admin"]]},
        {"allowed_roles": ["x"] * 101},
        {"required_scopes": ['"']},
        {"labels": {"a": "b"}},
        {"description": "\x00"},
        {"default_audience": ["a"]},
        {"default_audience": "a\x00b"},
        {"upstream_auth": {}},
        {"upstream_auth": {"type": "magic"}},
        {"upstream_auth": {"type": "none", "secret": "x"}},
        {"upstream_auth": "none"},
    ],
)
def test_what_may_not_be_changed_or_means_nothing_is_refused(values: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        change(**values)


def test_an_authentication_that_there_is_not_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(ValidationError) as refused:
        change(upstream_auth={"type": "api_key"})
    assert [kind for kind in KINDS if f"'{kind}'" not in str(refused.value)] == []


class Unwritable(dict[str, Any]):
    """What is shown cannot be shown."""

    def __setitem__(self, key: str, value: Any) -> None:
        raise RuntimeError("nobody foresaw this")


async def test_a_change_that_fails_for_a_reason_nobody_foresaw_has_its_record_too(world: World, site: Site) -> None:
    world.shown = Unwritable()
    with pytest.raises(RuntimeError):
        await world.register(site.url)
    assert world.outcomes == [("register", "internal_error")]
