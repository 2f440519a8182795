"""Chosen and shaped tools as an admin sets them over REST, and as agents then see and call them at both doors."""

from collections.abc import Iterator
from typing import Any

import httpx
import jsonschema_rs
import pytest

from tests.api.probe import Probe
from tests.api.protocol import client_of
from tests.openapi.documents import a_document, a_get
from tests.support.installation import Headers, RunningProvider

pytestmark = pytest.mark.anyio

SECRET = "my-pinned-value"
ECHO = {
    "method": "GET",
    "path": "/echo",
    "name": "say",
    "title": "Say",
    "description": "Says it back.",
    "arguments": {"text": {"pin": SECRET}, "number": {"default": 7, "description": "How often."}},
}


@pytest.fixture
def curated(provider: RunningProvider, admin: Headers, probe_address: tuple[Probe, str]) -> Iterator[str]:
    """The probe under the slug `curated`: GET /echo as `say`, and what else it has but `/hang`."""
    selection = {"exclude": [{"paths": ["/hang"]}], "read_only": True}
    url = f"{probe_address[1]}/openapi.json"
    source = provider.register(admin, url, slug="curated", selection=selection, overrides=[ECHO])
    yield f"/api/v1/sources/{source['id']}"
    provider.http.delete(f"/api/v1/sources/{source['id']}", headers=admin)


async def tools_of(provider: RunningProvider, headers: Headers) -> dict[str, Any]:
    async with client_of(provider, headers, "auto") as client:
        tools = (await client.list_tools()).tools
    return {tool.name: tool for tool in tools if tool.name.startswith("curated__")}


PIZZAS = ("curated__pizza", "curated__pizzas")


def query_of(probe: Probe) -> Any:
    return probe.seen[-1]["query"]


async def test_agents_see_what_was_chosen_as_it_was_shaped(
    provider: RunningProvider, agent: Headers, curated: str
) -> None:
    tools = await tools_of(provider, agent)
    assert set(tools) == {"curated__as_told", "curated__say", "curated__wait", *PIZZAS}
    say = tools["curated__say"]
    assert (say.title, say.description) == ("Say", "Says it back.")
    number = {"type": "integer", "default": 7, "description": "How often."}
    assert say.input_schema["properties"] == {"number": number}
    jsonschema_rs.meta.validate(say.input_schema)
    listed = provider.http.get("/api/v1/tools", params={"source": "curated"}, headers=agent)
    assert [tool["tool_id"] for tool in listed.json()["items"]] == [
        "curated/as_told",
        "curated/pizza",
        "curated/pizzas",
        "curated/say",
        "curated/wait",
    ]
    shown = provider.http.get("/api/v1/tools/curated/say", headers=agent)
    assert shown.json()["input_schema"] == say.input_schema
    assert SECRET not in str(tools) + listed.text + shown.text


async def test_both_doors_list_the_profile_of_the_source_and_check_all_that_the_document_says(
    provider: RunningProvider, admin: Headers, agent: Headers, probe_address: tuple[Probe, str]
) -> None:
    tags = {"type": "array", "prefixItems": [{"type": "string"}], "items": False}
    document = a_document({"/profiled": a_get({"name": "tags", "in": "query", "schema": tags})})
    address = probe_address[1]
    source = provider.register(admin, f"{address}/x", slug="profiled", document=document, base_url=address)
    path = f"/api/v1/sources/{source['id']}"
    portable = {**tags, "items": {}, "maxItems": 1}
    try:
        for profile, expected in (("portable", portable), ("standard", tags)):
            answer = provider.http.patch(path, json={"schema_profile": profile}, headers=admin)
            assert (answer.status_code, answer.json()["schema_profile"]) == (200, profile)
            async with client_of(provider, agent, "auto") as client:
                (tool,) = [each for each in (await client.list_tools()).tools if each.name.startswith("profiled__")]
            assert tool.input_schema["properties"]["tags"] == expected
            shown = provider.http.get(f"/api/v1/tools/{tool.name.replace('__', '/')}", headers=agent).json()
            assert shown["input_schema"] == tool.input_schema
            refused = provider.execute(agent, shown["tool_id"], tags=["a", "b"])
            assert (refused.status_code, refused.json()["code"]) == (422, "invalid_arguments")
        assert provider.http.patch(path, json={"schema_profile": "strict"}, headers=admin).status_code == 422
    finally:
        provider.http.delete(path, headers=admin)


async def test_what_an_admin_decided_is_what_the_upstream_gets(
    provider: RunningProvider, agent: Headers, curated: str, probe_address: tuple[Probe, str]
) -> None:
    probe = probe_address[0]
    assert provider.execute(agent, "curated/say").status_code == 200
    assert query_of(probe) == {"text": SECRET, "number": "7"}
    assert provider.execute(agent, "curated/say", number=2).status_code == 200
    assert query_of(probe) == {"text": SECRET, "number": "2"}
    async with client_of(provider, agent, "auto") as client:
        assert (await client.call_tool("curated__say", {"number": 3})).is_error is False
        assert query_of(probe) == {"text": SECRET, "number": "3"}
        sent = len(probe.seen)
        refused = await client.call_tool("curated__say", {"text": "mine"})
        assert refused.is_error is True
        assert (refused.meta or {})["code"] == "invalid_arguments"
    answer = provider.execute(agent, "curated/say", text=SECRET)
    assert (answer.status_code, answer.json()["violations"][0]["pointer"]) == (422, "/text")
    assert SECRET not in answer.text
    assert len(probe.seen) == sent


@pytest.mark.parametrize("tool_id", ["curated/echo", "curated/hang"])
async def test_an_old_name_and_what_was_left_out_are_unknown(
    provider: RunningProvider, agent: Headers, curated: str, tool_id: str
) -> None:
    assert provider.execute(agent, tool_id).status_code == 404
    assert provider.http.get(f"/api/v1/tools/{tool_id}", headers=agent).status_code == 404
    assert tool_id.replace("/", "__") not in await tools_of(provider, agent)


async def test_a_change_is_effective_on_the_next_call(
    provider: RunningProvider, admin: Headers, agent: Headers, curated: str, probe_address: tuple[Probe, str]
) -> None:
    path = f"{curated}/tools/say"
    answer = provider.http.patch(path, json={"name": "tell", "arguments": None}, headers=admin)
    assert (answer.status_code, answer.headers["etag"]) == (200, '"2"')
    changed = answer.json()
    assert (changed["tool_id"], changed["name"], changed["operation"]) == ("curated/tell", "curated__tell", "echo")
    assert changed["override"] == {name: ECHO[name] for name in ("method", "path", "title", "description")} | {
        "name": "tell"
    }
    assert provider.execute(agent, "curated/say").status_code == 404
    assert provider.execute(agent, "curated/tell", text="mine").status_code == 200
    assert query_of(probe_address[0]) == {"text": "mine"}
    refused = provider.http.patch(f"{curated}/tools/tell", json={"title": "X"}, headers={**admin, "If-Match": '"1"'})
    assert (refused.status_code, refused.json()["code"]) == (412, "source_changed")
    deleted = provider.http.delete(f"{curated}/tools/tell", headers={**admin, "If-Match": '"2"'})
    assert (deleted.status_code, deleted.headers["etag"]) == (204, '"3"')
    assert set(await tools_of(provider, agent)) == {"curated__as_told", "curated__echo", "curated__wait", *PIZZAS}


async def test_an_admin_sees_all_of_it(provider: RunningProvider, admin: Headers, curated: str) -> None:
    source = provider.http.get(curated, headers=admin).json()
    assert source["overrides"] == [ECHO]
    assert source["selection"] == {"exclude": [{"paths": ["/hang"]}], "read_only": True}
    assert source["unmatched_overrides"] == []
    assert source["operations"] == {"ready": 5, "degraded": 0, "skipped": 1}
    tools = provider.http.get(f"{curated}/tools", headers=admin).json()
    assert tools["next_cursor"] is None
    items = {item["operation"]: item for item in tools["items"]}
    assert set(items) == {"as_told", "echo", "hang", "pizza", "pizzas", "wait"}
    assert items["echo"]["override"] == ECHO
    assert (items["echo"]["tool_id"], items["echo"]["name"]) == ("curated/say", "curated__say")
    assert (items["hang"]["status"], items["hang"]["tool_id"], items["hang"]["override"]) == ("skipped", None, None)
    assert items["hang"]["reason"] == "Left out by `selection.exclude[0]`."
    assert items["wait"]["reason"] is None
    report = provider.http.get(f"{curated}/report", headers=admin).json()["items"]
    assert {item["path"]: item["status"] for item in report}["/hang"] == "skipped"


@pytest.mark.parametrize(
    ("body", "code", "pointer"),
    [
        ({"arguments": {"number": {"default": "many"}}}, "invalid_overrides", "/arguments/number/default"),
        ({"arguments": {"nothing": {"pin": 1}}}, "invalid_overrides", "/arguments/nothing"),
        ({"name": "wait"}, "invalid_overrides", "/name"),
        ({"name": "no name"}, "invalid_request", "/name"),
        ({"method": "POST"}, "invalid_request", "/method"),
        ({"arguments": {"text": {"pin": "a", "hide": True}}}, "invalid_request", "/arguments/text"),
    ],
)
async def test_what_cannot_be_is_refused_with_a_pointer(
    provider: RunningProvider, admin: Headers, curated: str, body: Any, code: str, pointer: str
) -> None:
    answer = provider.http.patch(f"{curated}/tools/say", json=body, headers=admin)
    assert (answer.status_code, answer.json()["code"]) == (422, code)
    assert [each["pointer"] for each in answer.json()["violations"]] == [pointer]
    assert provider.http.get(curated, headers=admin).json()["version"] == 1


@pytest.mark.parametrize("method", ["GET", "PATCH", "DELETE"])
async def test_only_admins_shape_tools(provider: RunningProvider, agent: Headers, curated: str, method: str) -> None:
    path = f"{curated}/tools" if method == "GET" else f"{curated}/tools/say"
    answer: httpx.Response = provider.http.request(method, path, json={} if method == "PATCH" else None, headers=agent)
    assert (answer.status_code, answer.json()["code"]) == (403, "role_required")


async def test_the_audit_knows_that_it_was_changed_and_not_to_what(
    provider: RunningProvider, admin: Headers, curated: str
) -> None:
    body = {"arguments": {"text": {"pin": "another-pinned-value"}}}
    assert provider.http.patch(f"{curated}/tools/say", json=body, headers=admin).status_code == 200
    record = provider.audit(admin, source="curated", kind="admin")[0]
    assert (record["action"], record["outcome"], record["detail"]) == ("update", "ok", "GET /echo: arguments")
    assert "pinned-value" not in str(provider.audit(admin, source="curated"))
