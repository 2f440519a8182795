"""httpbin: a Swagger 2.0 document whose host is another than the server's, and answers that tell what arrived."""

import base64
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.api.protocol import client_of
from tests.real_apis.conftest import Call, Server
from tests.support.installation import Headers, RunningProvider

pytestmark = [pytest.mark.anyio, pytest.mark.extended]


@pytest.fixture(scope="module")
def httpbin(serve: Callable[..., Iterator[Server]], provider: RunningProvider, admin: Headers) -> Iterator[Server]:
    for server in serve("httpbin", "{bin}/gunicorn -b 127.0.0.1:{port} httpbin:app", "/spec.json"):
        url = f"{server.address}/spec.json"
        provider.register(admin, url, slug="httpbin", base_url=server.address, upstream_auth={"type": "none"})
        yield server


async def test_the_documents_own_host_needs_the_admins_word(
    httpbin: Server, provider: RunningProvider, admin: Headers
) -> None:
    body = {"name": "again", "url": f"{httpbin.address}/spec.json"}
    answer = provider.http.post("/api/v1/sources", json=body, headers=admin)
    assert (answer.status_code, answer.json()["code"]) == (422, "base_url_refused")
    assert '"base_url":"https://httpbin.org' in answer.json()["detail"]


@pytest.mark.usefixtures("httpbin")
async def test_an_agent_calls_what_tells_what_arrived(call: Call, provider: RunningProvider, admin: Headers) -> None:
    tools: dict[str, Any] = {}
    async with client_of(provider, admin, "auto") as client:
        cursor = None
        while not tools or cursor:
            page = await client.list_tools(cursor=cursor)
            tools |= {tool.name: tool for tool in page.tools}
            cursor = page.next_cursor
    names = sorted(name for name in tools if name.startswith("httpbin__"))
    assert len(names) > 60

    assert (await call("httpbin__get_get"))["args"] == {}
    assert (await call("httpbin__post_post"))["data"] == ""
    assert (await call("httpbin__get_headers"))["headers"]["Accept"].startswith("application/json")
    assert (await call("httpbin__get_uuid"))["uuid"].count("-") == 4
    assert (await call("httpbin__get_json"))["slideshow"]["author"] == "Yours Truly"
    cookies = await call("httpbin__get_cookies")
    assert cookies["cookies"] == {}
    delayed = await call("httpbin__get_delay_delay", delay=0)
    assert delayed["url"].endswith("/delay/0")
    assert (await call("httpbin__put_anything_anything", anything="a/b c"))["method"] == "PUT"
    assert (await call("httpbin__delete_delete"))["json"] is None
    told = await call("httpbin__get_response-headers", freeform={"X-Oven": "hot & ready"})
    assert told["X-Oven"] == "hot & ready"
    text = base64.b64encode(b"pizza").decode()
    async with client_of(provider, admin, "auto") as client:
        decoded = await client.call_tool("httpbin__get_base64_value", {"value": text})
        teapot = await client.call_tool("httpbin__get_status_codes", {"codes": "418"})
    assert [getattr(each, "text", "") for each in decoded.content] == ["pizza"]
    assert teapot.is_error
    assert teapot.meta is not None
    assert teapot.meta["upstream_status"] == 418
