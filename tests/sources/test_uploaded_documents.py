"""Documents that admins send in the body: registered, kept, replaced, and never fetched."""

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.installation import Headers, RunningProvider, Token, bearer
from tests.sources.conftest import Site, document

pytestmark = pytest.mark.anyio

BASE_URL = "http://127.0.0.1:9/v1"
YAML = "openapi: 3.1.0\ninfo: {title: Y, version: '1'}\npaths:\n  /on:\n    get: {operationId: on, responses: {}}\n"


@pytest.fixture(scope="module")
def overrides() -> dict[str, Any]:
    return {"source_max_bytes": 3_000_000}


@pytest.fixture
def rest(provider: RunningProvider, admin: Headers) -> Iterator[httpx.Client]:
    base_url = f"{provider.address}/api/v1"
    with httpx.Client(base_url=base_url, headers=admin, trust_env=False, timeout=60) as client:
        yield client
        for source in client.get("/sources").json()["items"]:
            client.delete(f"/sources/{source['id']}")


def register(rest: httpx.Client, content: Any, **values: Any) -> dict[str, Any]:
    body = {"name": "Uploaded", "slug": "up", "document": content, "base_url": BASE_URL} | values
    answer = rest.post("/sources", json={name: value for name, value in body.items() if value is not None})
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


def refusal(answer: httpx.Response) -> tuple[int, str]:
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    return answer.status_code, answer.json()["code"]


def tools(rest: httpx.Client) -> list[str]:
    return [tool["tool_id"] for tool in rest.get("/tools", params={"source": "up"}).json()["items"]]


@pytest.mark.parametrize(
    "content",
    [document("/on"), json.dumps(document("/on")), YAML, "\ufeff" + YAML],
    ids=["object", "json", "yaml", "bom"],
)
def test_a_document_is_registered_by_value(content: Any, rest: httpx.Client) -> None:
    source = register(rest, content)
    assert (source["url"], source["uploaded"], source["base_url"]) == (None, True, BASE_URL)
    assert [tool["tool_id"] for tool in source["tools"]] == ["up/on"]
    assert tools(rest) == ["up/on"]


def test_where_calls_go_is_for_the_admin_to_say(rest: httpx.Client) -> None:
    content = document("/a", servers=["https://api.example.com/v2"])
    body = {"name": "Up", "document": content}
    refused = rest.post("/sources", json=body)
    assert refusal(refused) == (422, "base_url_refused")
    corrected = json.loads(refused.json()["detail"].partition("send: ")[2])
    assert corrected == {"name": "Up", "document": "…", "base_url": "https://api.example.com/v2"}
    assert rest.post("/sources", json=corrected | {"document": content}).status_code == 201


def test_a_url_beside_the_document_says_where_it_is_from_and_is_not_fetched(rest: httpx.Client, site: Site) -> None:
    content = document("/a", servers=["/v2"])
    source = register(rest, content, url=site.url, base_url=None)
    assert (source["url"], source["base_url"]) == (site.url, f"{site.origin}/v2")
    assert site.scripted.connections == 0


def test_a_source_needs_a_url_or_a_document(rest: httpx.Client) -> None:
    for body in ({"name": "X"}, {"name": "X", "document": None}):
        refused = rest.post("/sources", json=body)
        assert refusal(refused) == (422, "invalid_request")
        assert "`url`" in refused.json()["detail"] + str(refused.json()["violations"])


@pytest.mark.parametrize("content", [1, True, [document("/a")]])
def test_a_document_of_another_type_is_no_document(content: Any, rest: httpx.Client) -> None:
    assert refusal(rest.post("/sources", json={"name": "X", "document": content})) == (422, "invalid_request")


@pytest.mark.parametrize("content", ["", "{", "[]", "<html>", "text", {}, {"openapi": "1"}])
def test_what_is_no_openapi_document_is_refused(content: Any, rest: httpx.Client) -> None:
    body = {"name": "X", "document": content, "base_url": BASE_URL}
    assert refusal(rest.post("/sources", json=body)) == (422, "invalid_document")


def test_refreshing_finds_nothing_to_fetch_and_leaves_the_source_as_it_is(rest: httpx.Client) -> None:
    before = register(rest, document("/a"))
    refused = rest.post("/sources/up/refresh")
    assert refusal(refused) == (409, "document_uploaded")
    assert "`document`" in refused.json()["detail"]
    after = rest.get("/sources/up").json()
    assert (after["status"], after["version"]) == ("ready", before["version"])
    assert tools(rest) == ["up/a"]


def test_a_new_document_takes_the_place_of_the_old_one(rest: httpx.Client) -> None:
    register(rest, document("/a", "/b"))
    assert rest.patch("/sources/up", json={"document": document("/b", "/c")}).status_code == 200
    assert tools(rest) == ["up/b", "up/c"]
    assert refusal(rest.patch("/sources/up", json={"document": "{"})) == (422, "invalid_document")
    assert tools(rest) == ["up/b", "up/c"]


def test_the_document_is_kept_for_later_changes(rest: httpx.Client) -> None:
    register(rest, document("/a"))
    moved = rest.patch("/sources/up", json={"base_url": "http://127.0.0.1:10"})
    assert (moved.status_code, moved.json()["base_url"]) == (200, "http://127.0.0.1:10")
    assert rest.patch("/sources/up", json={"name": "Other"}).json()["uploaded"] is True
    assert tools(rest) == ["up/a"]


async def test_a_source_can_change_between_fetched_and_uploaded(rest: httpx.Client, site: Site) -> None:
    register(rest, document("/a"), base_url=site.origin)
    fetched = (await asyncio.to_thread(rest.patch, "/sources/up", json={"url": site.url})).json()
    assert (fetched["url"], fetched["uploaded"]) == (site.url, False)
    assert tools(rest) == ["up/menu", "up/orders"]
    assert (await asyncio.to_thread(rest.post, "/sources/up/refresh")).status_code == 200
    sent = (await asyncio.to_thread(rest.patch, "/sources/up", json={"document": document("/b")})).json()
    assert (sent["url"], sent["uploaded"]) == (site.url, True)
    assert tools(rest) == ["up/b"]


def test_a_document_may_be_as_large_as_one_that_is_fetched(rest: httpx.Client) -> None:
    content = document("/a") | {"x-fill": "x\n" * 700_000}
    size = len(json.dumps(content))
    assert size > 2_000_000
    source = register(rest, json.dumps(content))
    assert source["operations"]["ready"] == 1
    for sent in (content | {"x-more": "x" * 1_000_000}, "x" * 3_000_001, "x" * 7_000_000):
        refused = rest.post("/sources", json={"name": "X", "document": sent, "base_url": BASE_URL})
        assert refusal(refused) == (413, "document_too_large")
        assert "SOURCE_MAX_BYTES" in refused.json()["detail"]


def test_everything_else_in_the_body_stays_small(rest: httpx.Client) -> None:
    body = {"name": "x" * 1_100_000, "document": document("/a")}
    assert refusal(rest.post("/sources", json=body)) == (413, "body_too_large")
    assert refusal(rest.post("/tools/execute", json={"document": {}, "x": "x" * 5_000_000})) == (413, "body_too_large")


def test_who_is_no_admin_cannot_send_a_large_body(rest: httpx.Client, token: Token) -> None:
    body = {"name": "X", "document": document("/a") | {"x-fill": "x" * 1_100_000}}
    answer = rest.post("/sources", json=body, headers=bearer(token("johndoe")))
    assert refusal(answer) == (413, "body_too_large")
    answer = rest.post("/sources", json={"name": "X", "document": document("/a")}, headers=bearer(token("johndoe")))
    assert refusal(answer) == (403, "role_required")


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ('{"name": "X", "slug": "up", "base_url": "%s", "do\\u0063ument" : %s}', 201),
        ('{"name": "\\"document\\": {", "slug": "up", "base_url": "%s", "document":%s}', 201),
        ('{"name": "X", "labels": ["document", ":"], "slug": "up", "base_url": "%s", "document":%s}', 201),
        ('{"name": "X", "base_url": "%s", "document": {}, "document": %s}', 422),
        ('{"name": "X", "base_url": "%s", "upstream_auth": {"document": %s}}', 422),
        ('{"name": "X", "base_url": "%s", "document": %s', 422),
        ('{"name": "X", "base_url": "%s", "document" %s}', 422),
        ('{"name": "X", "base_url": "%s", "document": {"a": "%s', 422),
        ('["%s", {"document": %s}]', 422),
    ],
)
def test_the_document_is_found_as_any_json_reader_finds_it(body: str, expected: int, rest: httpx.Client) -> None:
    content = body % (BASE_URL, json.dumps(document("/a"), indent=1))
    answer = rest.post("/sources", content=content.encode(), headers={"content-type": "application/json"})
    assert answer.status_code == expected, answer.text
    assert expected != 201 or tools(rest) == ["up/a"]


def test_a_removed_source_takes_its_document_along(rest: httpx.Client) -> None:
    register(rest, document("/a"))
    rest.delete("/sources/up")
    register(rest, document("/b"))
    assert rest.patch("/sources/up", json={"base_url": BASE_URL + "/x"}).status_code == 200
    assert tools(rest) == ["up/b"]
