"""`/api/v1/sources` of a running provider, as an admin's program sees it."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import httpx
import pytest

from tests.sources.conftest import Site, document
from tests.support.installation import Headers, RunningProvider, Token, bearer
from tests.support.scripted import redirect

pytestmark = pytest.mark.anyio


@pytest.fixture
async def rest(provider: RunningProvider, admin: Headers) -> AsyncGenerator[httpx.AsyncClient]:
    base_url = f"{provider.address}/api/v1"
    async with httpx.AsyncClient(base_url=base_url, headers=admin, trust_env=False, timeout=30) as client:
        yield client
        for source in (await client.get("/sources")).json()["items"]:
            await client.delete(f"/sources/{source['id']}")


async def register(rest: httpx.AsyncClient, site: Site, **values: Any) -> dict[str, Any]:
    answer = await rest.post("/sources", json={"name": "Pizzeria", "url": site.url, **values})
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


async def test_registering_answers_the_source_its_report_and_its_tools(rest: httpx.AsyncClient, site: Site) -> None:
    body = {
        "name": "Pizzeria Backend API",
        "url": site.url,
        "source_type": "openapi",
        "default_audience": "pizzeria-backend",
    }
    answer = await rest.post("/sources", json=body)
    assert answer.status_code == 201
    source = answer.json()
    assert answer.headers["location"] == f"/api/v1/sources/{source['id']}"
    assert answer.headers["etag"] == '"1"'
    assert source["slug"] == "pizzeria-backend"
    assert source["base_url"] == site.origin
    assert source["upstream_auth"] == {"type": "token_exchange"}
    assert source["operations"] == {"ready": 2, "degraded": 0, "skipped": 0}
    assert [item["status"] for item in source["report"]] == ["ready", "ready"]
    assert source["tools"][0] == {
        "tool_id": "pizzeria-backend/menu",
        "name": "pizzeria-backend__menu",
        "method": "GET",
        "path": "/menu",
    }
    for key in (source["id"], source["slug"]):
        read = await rest.get(f"/sources/{key}")
        assert read.json() == {name: value for name, value in source.items() if name not in {"report", "tools"}}
        assert read.headers["etag"] == '"1"'
        report = await rest.get(f"/sources/{key}/report")
        names_over = {"46": 0, "60": 0, "64": 0}
        rest_of_it = {"names_over": names_over, "changes": None, "next_cursor": None}
        assert report.json() == {"items": source["report"], **rest_of_it}


async def test_tools_are_there_at_once_and_gone_at_once(rest: httpx.AsyncClient, site: Site) -> None:
    source = await register(rest, site, slug="s")
    assert (await rest.get("/tools/s/menu")).status_code == 200
    assert (await rest.patch(f"/sources/{source['id']}", json={"allowed_roles": ["nobody"]})).status_code == 200
    assert (await rest.get("/tools/s/menu")).status_code == 404
    assert (await rest.patch(f"/sources/{source['id']}", json={"allowed_roles": []})).status_code == 200
    assert (await rest.get("/tools/s/menu")).status_code == 200
    removed = await rest.delete(f"/sources/{source['id']}")
    assert (removed.status_code, removed.content) == (204, b"")
    assert (await rest.get("/tools/s/menu")).status_code == 404
    assert (await rest.get("/sources/s")).status_code == 404
    assert (await rest.get("/sources/s")).json()["code"] == "source_unknown"


async def test_a_change_with_an_old_etag_is_refused(rest: httpx.AsyncClient, site: Site) -> None:
    source = await register(rest, site, slug="s")
    path = f"/sources/{source['id']}"
    first = await rest.patch(path, json={"name": "A"}, headers={"If-Match": '"1"'})
    assert (first.status_code, first.headers["etag"], first.json()["name"]) == (200, '"2"', "A")
    for tag in ('"1"', 'W/"2"', "2", "nonsense", '""', '"-1"'):
        refused = await rest.patch(path, json={"name": "B"}, headers={"If-Match": tag})
        assert (refused.status_code, refused.json()["code"]) == (412, "source_changed"), tag
    assert (await rest.delete(path, headers={"If-Match": '"1"'})).status_code == 412
    for tag in ("*", '"2", "3"', '"9","4"'):
        assert (await rest.patch(path, json={"name": "C"}, headers={"If-Match": tag})).status_code == 200, tag


async def test_a_refresh_answers_what_changed(rest: httpx.AsyncClient, site: Site) -> None:
    await register(rest, site, slug="s")
    site.serve(document("/orders", "/drinks"))
    answer = await rest.post("/sources/s/refresh")
    assert answer.status_code == 200
    found = answer.json()
    assert (found["added"], found["removed"], found["changed"]) == (["s/drinks"], ["s/menu"], [])
    assert (found["slug"], found["status"]) == ("s", "ready")
    assert (found["classes"], found["changes_left_out"]) == ({"breaking": 1, "widening": 1}, 0)
    assert found["changes"][0] == {
        "tool_id": "s/menu",
        "method": "GET",
        "path": "/menu",
        "class": "breaking",
        "changes": [{"class": "breaking", "kind": "operation_removed", "pointer": None, "before": None, "after": None}],
        "left_out": 0,
    }
    report = (await rest.get("/sources/s/report")).json()["changes"]
    assert (report["items"], report["classes"]) == (found["changes"], found["classes"])
    again = (await rest.post("/sources/s/refresh", params={"force": "true"})).json()
    assert (again["changes"], again["classes"]) == ([], {})
    assert (await rest.get("/sources/s/report")).json()["changes"] == report
    assert answer.headers["etag"] == f'"{found["version"]}"'


async def test_a_source_says_how_often_it_is_refreshed_and_whom_it_calls(rest: httpx.AsyncClient, site: Site) -> None:
    source = await register(rest, site, slug="s")
    assert (source["refresh_every"], source["other_servers"], source["refresh_error"]) == (None, [], None)
    change = {"refresh_every": 3600, "other_servers": [{"origin": "https://files.example.org/"}]}
    changed = (await rest.patch("/sources/s", json=change)).json()
    assert changed["refresh_every"] == 3600
    assert changed["other_servers"] == [{"origin": "https://files.example.org", "default_audience": None, "scopes": []}]
    refused = await rest.patch("/sources/s", json={"other_servers": [{"origin": "https://x.org/path"}]})
    assert (refused.status_code, refused.json()["violations"][0]["pointer"]) == (422, "/other_servers/0/origin")
    assert (await rest.patch("/sources/s", json={"refresh_every": None})).json()["refresh_every"] is None


async def test_a_failed_refresh_leaves_a_stale_source_that_works(rest: httpx.AsyncClient, site: Site) -> None:
    await register(rest, site, slug="s")
    site.answer = redirect("http://elsewhere.example/")
    answer = await rest.post("/sources/s/refresh")
    assert (answer.status_code, answer.json()["code"]) == (422, "redirect_refused")
    stale = (await rest.get("/sources/s")).json()
    assert (stale["status"], stale["refresh_error"]["code"]) == ("stale", "redirect_refused")
    assert stale["refresh_error"]["attempts"] == 1
    assert stale["refresh_error"]["since"] == stale["refresh_error"]["last_at"] > stale["refreshed_at"]
    assert (await rest.get("/tools/s/menu")).status_code == 200


@pytest.mark.parametrize(
    ("values", "status", "code"),
    [
        ({"url": "http://10.0.0.1/openapi.json"}, 422, "address_refused"),
        ({"url": "file:///etc/passwd"}, 422, "address_refused"),
        ({"url": "http://user:hunter2@127.0.0.1/"}, 422, "address_refused"),
        ({"url": "http://127.0.0.1:1/openapi.json"}, 502, "document_unreachable"),
        ({"base_url": "http://10.0.0.1/"}, 422, "address_refused"),
        ({"upstream_auth": {"type": "token_exchange"}}, 422, "audience_required"),
        ({"upstream_auth": {"type": "api_key"}}, 422, "invalid_request"),
        ({"source_type": "graphql"}, 422, "invalid_request"),
        ({"slug": "Not A Slug"}, 422, "invalid_request"),
        ({"unknown": 1}, 422, "invalid_request"),
        ({"name": "\u00a0"}, 422, "invalid_request"),
    ],
)
async def test_what_cannot_be_registered_is_a_problem_and_stores_nothing(
    values: dict[str, Any], status: int, code: str, rest: httpx.AsyncClient, site: Site
) -> None:
    answer = await rest.post("/sources", json={"name": "X", "url": site.url, **values})
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert "hunter2" not in answer.text
    assert (await rest.get("/sources")).json()["items"] == []


async def test_a_manager_cannot_take_an_audience_to_another_origin(
    rest: httpx.AsyncClient, site: Site, other_site: Site, token: Token
) -> None:
    await register(rest, site, default_audience="pizzeria-audience")
    body = {"name": "Evil", "url": other_site.url, "default_audience": "pizzeria-audience"}
    answer = await rest.post("/sources", json=body, headers=bearer(token("manager")))
    assert (answer.status_code, answer.json()["code"]) == (403, "audience_origin_conflict")
    assert (await rest.post("/sources", json=body)).status_code == 201


async def test_a_manager_cannot_have_tokens_passed_on_and_is_told_why(
    rest: httpx.AsyncClient, site: Site, token: Token
) -> None:
    body = {"name": "Evil", "slug": "evil", "url": site.url}
    answer = await rest.post("/sources", json=body, headers=bearer(token("manager")))
    assert (answer.status_code, answer.json()["code"]) == (403, "role_required")
    assert f"Calls to {site.origin} would carry the agents' own tokens" in answer.json()["detail"]
    registered = await rest.post("/sources", json=body)
    assert (registered.status_code, registered.json()["warnings"][0]["code"]) == (201, "passthrough_source")


async def test_of_two_managers_who_claim_an_audience_at_once_one_gets_it(
    rest: httpx.AsyncClient, site: Site, other_site: Site, token: Token
) -> None:
    manager = bearer(token("manager"))
    bodies = [
        {"name": f"S {number}", "slug": f"s-{number}", "url": url, "default_audience": "contested-audience"}
        for number, url in enumerate((site.url, other_site.url) * 3)
    ]
    answers = await asyncio.gather(*(rest.post("/sources", json=body, headers=manager) for body in bodies))
    taken = {answer.json()["base_url"] for answer in answers if answer.status_code == 201}
    assert len(taken) == 1
    assert sorted(answer.status_code for answer in answers) == [201] * 3 + [403] * 3
    (loser,) = {site.origin, other_site.origin} - taken
    body = {"name": "P", "url": f"{loser}/openapi.json", "upstream_auth": {"type": "none"}}
    passing = await rest.post("/sources", json=body, headers=manager)
    path = f"/sources/{passing.json()['id']}"
    for changes in (
        {"default_audience": "contested-audience"},
        {"default_audience": "contested-audience", "upstream_auth": None},
        {"default_audience": " contested-audience "},
    ):
        refused = await rest.patch(path, json=changes, headers=manager)
        assert (refused.status_code, refused.json()["code"]) == (403, "audience_origin_conflict")


async def test_the_list_goes_on_behind_its_cursor(rest: httpx.AsyncClient, site: Site) -> None:
    for slug in ("b", "a"):
        await register(rest, site, slug=slug)
    first = (await rest.get("/sources", params={"limit": 1})).json()
    assert [source["slug"] for source in first["items"]] == ["a"]
    second = (await rest.get("/sources", params={"limit": 1, "cursor": first["next_cursor"]})).json()
    assert [source["slug"] for source in second["items"]] == ["b"]
    assert second["next_cursor"] is None
    for cursor in ("nonsense", "\u00e4", "YQ", "%00"):
        answer = await rest.get("/sources", params={"cursor": cursor})
        assert (answer.status_code, answer.json()["code"]) == (422, "cursor_invalid")
    assert (await rest.get("/sources", params={"limit": 0})).status_code == 422


@pytest.mark.parametrize("key", ["unknown", "%00", "..%2f..", "'; DROP TABLE sources; --", "x" * 3_000])
async def test_an_id_that_is_none_is_unknown(key: str, rest: httpx.AsyncClient) -> None:
    assert (await rest.get(f"/sources/{key}")).status_code == 404
    assert (await rest.patch(f"/sources/{key}", json={"name": "X"})).status_code == 404
    assert (await rest.delete(f"/sources/{key}")).status_code == 404


async def test_every_change_is_in_the_audit(provider: RunningProvider, rest: httpx.AsyncClient, site: Site) -> None:
    source = await register(rest, site, slug="audited")
    await rest.patch(f"/sources/{source['id']}", json={"enabled": False})
    await rest.post("/sources/audited/refresh")
    await rest.delete("/sources/audited")
    records = (await rest.get("/audit", params={"source": "audited", "kind": "admin"})).json()["items"]
    assert [record["action"] for record in records] == ["delete", "refresh", "update", "register"]
    assert {record["outcome"] for record in records} == {"ok"}
    assert all(record["subject"] and record["client_id"] and record["trace_id"] for record in records)


async def test_a_source_that_passes_the_agents_token_through_says_so(rest: httpx.AsyncClient, site: Site) -> None:
    registered = await register(rest, site, slug="s")
    (warning,) = registered["warnings"]
    assert warning["code"] == "passthrough_source"
    for part in (site.origin, "the agent's own token", "default_audience", "upstream_auth"):
        assert part in warning["detail"]
    assert (await rest.get("/sources/s")).json()["warnings"] == [warning]
    for stated in ({"default_audience": "api"}, {"default_audience": None, "upstream_auth": {"type": "none"}}):
        assert (await rest.patch("/sources/s", json=stated)).json()["warnings"] == []
    passed = await rest.patch("/sources/s", json={"upstream_auth": {"type": "passthrough"}})
    assert passed.json()["warnings"] == [warning]
    assert (await register(rest, site, slug="t", default_audience="other"))["warnings"] == []
