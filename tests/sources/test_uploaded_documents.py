"""Documents that admins send in the body: registered, kept, replaced, and never fetched."""

import asyncio
import gzip
import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.sources.conftest import Site, document
from tests.support.installation import Headers, RunningProvider, Token, bearer

pytestmark = pytest.mark.anyio

BASE_URL = "http://127.0.0.1:9/v1"
YAML = "openapi: 3.1.0\ninfo: {title: Y, version: '1'}\npaths:\n  /on:\n    get: {operationId: on, responses: {}}\n"


@pytest.fixture(scope="module")
def overrides() -> dict[str, Any]:
    return {"source_max_bytes": 3_000_000, "tool_name_length": 30}


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


def test_names_have_the_length_that_the_operator_sets_and_stay(rest: httpx.Client) -> None:
    first, second = "/reminders-for-an-organization", "/reminders-for-the-customer"

    def names() -> dict[str, str]:
        return {tool["path"]: tool["name"] for tool in rest.get("/sources/up/tools").json()["items"]}

    register(rest, document(first))
    assert names() == {first: "up__reminders-for-an-org"}
    named = {"method": "GET", "path": first, "name": "reminders_of_every_organization_that_has_borrowed"}
    rest.patch("/sources/up", json={"overrides": [named]})
    assert rest.get("/sources/up/report").json()["names_over"] == {"46": 1, "60": 0, "64": 0}
    rest.patch("/sources/up", json={"overrides": [], "document": document(first, "/reminders-for-the-org", second)})
    assert list(names().values()) == [
        "up__reminders-for-an-org",
        "up__reminders-for-the-org",
        "up__reminders-for-the-customer",
    ]


def test_where_calls_go_is_for_the_admin_to_say(rest: httpx.Client) -> None:
    content = document("/a", servers=["https://api.example.com/v2"])
    body = {"name": "Up", "document": content}
    nowhere = rest.post("/sources", json=body | {"document": document("/a")})
    assert refusal(nowhere) == (422, "base_url_refused")
    assert "it names no server" in nowhere.json()["detail"]
    assert '"base_url":"https://…"' in nowhere.json()["detail"]
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
    assert "/document" in refused.json()["detail"]
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


def send(rest: httpx.Client, content: bytes, **source: Any) -> httpx.Response:
    """Register with the document in a part of its own."""
    body = {"name": "Uploaded", "slug": "up", "base_url": BASE_URL} | source
    return rest.post("/sources", data={"source": json.dumps(body)}, files={"document": ("openapi.yaml", content)})


def put(rest: httpx.Client, content: bytes, content_type: str = "application/yaml", **headers: str) -> httpx.Response:
    return rest.put("/sources/up/document", content=content, headers={"Content-Type": content_type, **headers})


def test_a_document_may_be_as_large_as_one_that_is_fetched(rest: httpx.Client) -> None:
    content = document("/a") | {"x-fill": "x\n" * 700_000}
    large = json.dumps(content).encode()
    assert len(large) > 2_000_000
    registered = send(rest, large)
    assert registered.status_code == 201, registered.text
    assert registered.json()["operations"]["ready"] == 1
    assert put(rest, large, "application/json").status_code == 200
    for sent in (json.dumps(content | {"x-more": "x" * 1_000_000}).encode(), b"x" * 3_000_001, b"x" * 7_000_000):
        for refused in (send(rest, sent, slug="other"), put(rest, sent)):
            assert refusal(refused) == (413, "document_too_large")
            assert "SOURCE_MAX_BYTES" in refused.json()["detail"]


def test_a_large_document_within_json_is_refused_with_how_to_upload_it(rest: httpx.Client) -> None:
    register(rest, document("/a"))
    large = document("/a") | {"x-fill": "x" * 1_100_000}
    many = document("/a") | {"x-fill": [0] * 100_001}
    for content in (large, json.dumps(large), many):
        body = {"name": "X", "document": content, "base_url": BASE_URL}
        for refused in (rest.post("/sources", json=body), rest.patch("/sources/up", json={"document": content})):
            assert refusal(refused) == (413, "body_too_large")
            assert "PUT /api/v1/sources/{source}/document" in refused.json()["detail"]
            assert "multipart/form-data" in refused.json()["detail"]


@pytest.mark.parametrize(
    ("content", "content_type", "given_back"),
    [
        (YAML.encode(), "application/yaml", "application/yaml"),
        (YAML.encode(), "text/yaml; charset=utf-8", "application/yaml"),
        (YAML.encode(), "application/x-www-form-urlencoded", "application/yaml"),  # what curl --data-binary says
        (YAML.encode(), "", "application/yaml"),
        (YAML.encode(), "application/octet-stream", "application/yaml"),
        (json.dumps(document("/on"), indent=1).encode(), "application/json", "application/json"),
        (json.dumps(document("/on")).encode(), "application/vnd.oai.openapi+json;version=3.1", "application/json"),
        (json.dumps(document("/on")).encode(), "text/plain", "application/json"),
    ],
)
def test_a_document_is_replaced_by_a_file_and_given_back_as_it_was_sent(
    content: bytes, content_type: str, given_back: str, rest: httpx.Client
) -> None:
    register(rest, document("/a"))
    replaced = put(rest, content, content_type)
    assert replaced.status_code == 200, replaced.text
    assert (replaced.json()["uploaded"], replaced.json()["version"], replaced.headers["etag"]) == (True, 2, '"2"')
    assert replaced.json() == rest.get("/sources/up").json()
    assert tools(rest) == ["up/on"]
    answer = rest.get("/sources/up/document")
    assert (answer.status_code, answer.content) == (200, content)
    assert (answer.headers["content-type"], answer.headers["etag"]) == (given_back, '"2"')


def test_a_document_that_was_sent_within_json_is_given_back_too(rest: httpx.Client) -> None:
    register(rest, document("/a"))
    assert rest.get("/sources/up/document").json() == document("/a")
    rest.patch("/sources/up", json={"document": YAML})
    assert rest.get("/sources/up/document").text == YAML


async def test_a_document_that_is_fetched_is_not_kept(rest: httpx.Client, site: Site) -> None:
    await asyncio.to_thread(rest.post, "/sources", json={"name": "X", "slug": "up", "url": site.url})
    answer = await asyncio.to_thread(rest.get, "/sources/up/document")
    assert refusal(answer) == (404, "document_not_kept")
    assert site.url in answer.json()["detail"]
    sent = await asyncio.to_thread(put, rest, YAML.encode())
    assert (sent.json()["url"], sent.json()["uploaded"], tools(rest)) == (site.url, True, ["up/on"])


def test_a_file_that_is_not_a_document_changes_nothing(rest: httpx.Client) -> None:
    before = register(rest, document("/a"))
    for content in (b"", b"{", b"[]", b"<html>", b"\xff\x00"):
        assert refusal(put(rest, content)) == (422, "invalid_document")
    assert refusal(put(rest, YAML.encode(), "application/pdf")) == (415, "unsupported_media_type")
    assert refusal(put(rest, YAML.encode(), "multipart/form-data; boundary=x")) == (415, "unsupported_media_type")
    assert refusal(rest.put("/sources/nothing/document", content=YAML.encode())) == (404, "source_unknown")
    assert rest.get("/sources/up").json()["version"] == before["version"]
    assert tools(rest) == ["up/a"]


def test_a_file_with_an_old_etag_is_refused(rest: httpx.Client) -> None:
    register(rest, document("/a"))
    assert put(rest, YAML.encode(), **{"If-Match": '"1"'}).status_code == 200
    assert refusal(put(rest, YAML.encode(), **{"If-Match": '"1"'})) == (412, "source_changed")


def test_a_file_is_on_record_as_an_update(rest: httpx.Client, provider: RunningProvider) -> None:
    register(rest, document("/a"))
    put(rest, json.dumps(document("/a", "/b")).encode())
    record = rest.get("/audit", params={"source": "up", "kind": "admin"}).json()["items"][0]
    assert (record["action"], record["outcome"]) == ("update", "ok")
    assert record["detail"].startswith("document; 1 added")


def test_a_source_and_its_document_come_in_one_form(rest: httpx.Client) -> None:
    registered = send(rest, YAML.encode())
    assert registered.status_code == 201, registered.text
    source = registered.json()
    assert registered.headers["location"] == f"/api/v1/sources/{source['id']}"
    assert (source["uploaded"], [tool["tool_id"] for tool in source["tools"]]) == (True, ["up/on"])
    assert rest.get("/sources/up/document").text == YAML
    json_part = ("source.json", json.dumps({"name": "X", "slug": "two", "base_url": BASE_URL}), "application/json")
    both_files = rest.post("/sources", files={"source": json_part, "document": ("openapi.yaml", YAML)})
    assert both_files.status_code == 201, both_files.text
    both_texts = {"source": (None, json_part[1].replace("two", "three")), "document": (None, YAML)}
    assert rest.post("/sources", files=both_texts).status_code == 201


@pytest.mark.parametrize("charset", ["", "latin-1", "utf-16", "punycode", "unicode_escape", "nonsense"])
def test_a_part_is_taken_byte_for_byte_whatever_charset_the_form_states(charset: str, rest: httpx.Client) -> None:
    content = YAML.replace("title: Y", 'title: "\u00fc\\u2603"').encode()
    assert refusal(post_form(rest, "title: ü".encode("latin-1"), charset)) == (422, "invalid_document")
    answer = post_form(rest, content, charset)
    assert answer.status_code == 201, answer.text
    assert rest.get("/sources/up/document").content == content


def post_form(rest: httpx.Client, content: bytes, charset: str) -> httpx.Response:
    """Send the document as a part without a file name, which libraries take for a text."""
    source = json.dumps({"name": "X", "slug": "up", "base_url": BASE_URL}).encode()
    part = b'--b\r\nContent-Disposition: form-data; name="%s"\r\n\r\n%s\r\n'
    body = part % (b"source", source) + part % (b"document", content) + b"--b--\r\n"
    content_type = f"multipart/form-data; boundary=b{charset and f'; charset={charset}'}"
    return rest.post("/sources", content=body, headers={"content-type": content_type})


def test_a_compressed_body_is_refused_as_that(rest: httpx.Client) -> None:
    register(rest, document("/a"))
    packed, headers = gzip.compress(YAML.encode()), {"content-encoding": "gzip"}
    for refused in (
        rest.put("/sources/up/document", content=packed, headers=headers),
        rest.patch("/sources/up", content=packed, headers=headers),
        rest.post("/sources", content=packed, headers={"content-type": "multipart/form-data; boundary=b", **headers}),
    ):
        assert refusal(refused) == (415, "unsupported_media_type")
        assert "Content-Encoding" in refused.json()["detail"]


def test_a_form_may_name_a_url_instead_of_a_document(rest: httpx.Client, site: Site) -> None:
    parts = {"source": (None, json.dumps({"name": "X", "slug": "up"}))}
    refused = rest.post("/sources", files=parts)
    assert refusal(refused) == (422, "invalid_request")
    assert "`url`" in str(refused.json()["violations"])


@pytest.mark.parametrize(
    ("source", "code", "pointer"),
    [
        ("{", "invalid_json", None),
        ("name: X", "invalid_json", None),
        ('{"name": "X", "name": "Y"}', "invalid_json", None),
        ("[]", "invalid_request", ""),
        ('{"name": 1}', "invalid_request", "/name"),
        ('{"nam": "X"}', "invalid_request", "/nam"),
    ],
)
def test_the_source_in_a_form_is_checked_like_any_json(
    source: str, code: str, pointer: str | None, rest: httpx.Client
) -> None:
    refused = rest.post("/sources", data={"source": source}, files={"document": YAML})
    assert refusal(refused) == (422, code)
    pointers = [violation["pointer"] for violation in refused.json().get("violations", [])]
    assert pointer is None or pointer in pointers
    assert refusal(rest.post("/sources", files={"document": YAML})) == (422, "invalid_request")
    large = rest.post("/sources", data={"source": "x" * 1_100_000}, files={"document": YAML})
    assert refusal(large) == (413, "body_too_large")


@pytest.mark.parametrize("content_type", ["application/yaml", "application/x-www-form-urlencoded", "text/plain"])
def test_a_body_that_is_not_json_is_refused_with_what_to_send(content_type: str, rest: httpx.Client) -> None:
    register(rest, document("/a"))
    headers = {"content-type": content_type}
    for method, path in (("POST", "/sources"), ("PATCH", "/sources/up"), ("PATCH", "/sources/up/tools/a")):
        refused = rest.request(method, path, content=YAML.encode(), headers=headers)
        assert refusal(refused) == (415, "unsupported_media_type")
        assert "Content-Type: application/json" in refused.json()["detail"]
        assert "PUT /api/v1/sources/{source}/document" in refused.json()["detail"]
    executed = rest.post("/tools/execute", content=b"tool_id: up/a", headers=headers)
    assert refusal(executed) == (415, "unsupported_media_type")


def test_a_body_that_does_not_say_what_it_is_is_taken_for_json(rest: httpx.Client) -> None:
    register(rest, document("/a"))
    changed = rest.patch("/sources/up", content=b'{"description": "new"}')
    assert "content-type" not in changed.request.headers
    assert (changed.status_code, changed.json()["description"]) == (200, "new")
    assert refusal(rest.patch("/sources/up", content=b"description: new")) == (422, "invalid_json")


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


def test_only_an_admin_uploads_or_downloads_a_document(rest: httpx.Client, token: Token) -> None:
    register(rest, document("/a"))
    agent = bearer(token("johndoe"))
    assert refusal(put(rest, YAML.encode(), **agent)) == (403, "role_required")
    assert refusal(rest.get("/sources/up/document", headers=agent)) == (403, "role_required")
    form = rest.post("/sources", data={"source": "{}"}, files={"document": YAML}, headers=agent)
    assert refusal(form) == (403, "role_required")
    assert refusal(httpx.put(f"{rest.base_url}sources/up/document", content=YAML)) == (401, "token_missing")


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
