"""The product's own API as a source: an admin's agent runs the provider through the provider."""

from collections.abc import Iterator
from typing import Any

import pytest

from seed.opening_hours.app import OpeningHoursSettings, create_opening_hours
from tests.api.protocol import client_of
from tests.real_apis.conftest import Call
from tests.support.installation import EmbeddedIdentityProvider, Headers, RunningProvider, Token, bearer
from tests.support.servers import running

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
def opening_hours(identity_provider: EmbeddedIdentityProvider) -> Iterator[str]:
    keys = f"{identity_provider.issuer}/protocol/openid-connect/certs"
    settings = OpeningHoursSettings(issuer=identity_provider.issuer, jwks_uri=keys)
    with running(create_opening_hours(settings)) as address:
        yield address


@pytest.fixture(scope="module")
def itself(provider: RunningProvider, admin: Headers) -> dict[str, Any]:
    return provider.register(admin, f"{provider.address}/openapi.json", slug="itself")


async def test_an_admins_agent_registers_changes_and_removes_a_source(
    itself: dict[str, Any], opening_hours: str, provider: RunningProvider, admin: Headers, call: Call
) -> None:
    assert itself["operations"] == {"ready": len(itself["tools"]) - 2, "degraded": 2, "skipped": 0}  # files beside JSON
    names = {(tool["method"], tool["path"]): tool["name"] for tool in itself["tools"]}
    sources, source = "/api/v1/sources", "/api/v1/sources/{source}"
    made = await call(names["POST", sources], name="Hours", url=f"{opening_hours}/openapi.json", slug="hours")
    assert provider.http.get("/api/v1/sources/hours", headers=admin).json()["id"] == made["id"]
    listed = await call(names["GET", sources], limit=10)
    assert [each["slug"] for each in listed["items"]] == ["hours", "itself"]
    await call(names["PATCH", source], source="hours", description="When we are open", labels=["demo"])
    assert (await call(names["GET", source], source="hours"))["labels"] == ["demo"]
    assert (await call(names["POST", f"{source}/refresh"], source="hours"))["changed"] == []
    assert len((await call(names["GET", f"{source}/report"], source="hours"))["items"]) == 1
    tools = await call(names["GET", "/api/v1/tools"], source="hours", q="opening")
    (tool_id,) = [tool["tool_id"] for tool in tools["items"]]
    assert (await call(names["GET", "/api/v1/tools/{tool_id}"], tool_id=tool_id))["method"] == "GET"
    told = await call(names["POST", "/api/v1/tools/execute"], tool_id=tool_id, arguments={})
    assert told["upstream_status"] == 200
    records = await call(names["GET", "/api/v1/audit"], source="hours", limit=5)
    assert {record["action"] for record in records["items"]} >= {"register", "execute"}
    await call(names["DELETE", source], source="hours")
    assert provider.http.get("/api/v1/sources/hours", headers=admin).status_code == 404


async def test_who_is_no_admin_is_none_through_a_tool_either(
    itself: dict[str, Any], provider: RunningProvider, token: Token
) -> None:
    name = next(tool["name"] for tool in itself["tools"] if (tool["method"], tool["path"]) == ("GET", "/api/v1/audit"))
    async with client_of(provider, bearer(token("johndoe")), "auto") as client:
        result = await client.call_tool(name, {})
    assert result.is_error
    assert result.structured_content["other_answer"]["code"] == "role_required"
