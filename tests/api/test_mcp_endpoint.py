"""The MCP endpoint on the wire: hosts, origins, statuses, challenges, metadata."""

import json
import re
from typing import Any

import httpx
import pytest

from tests.api.conftest import Start
from tests.api.probe import Probe
from tests.api.protocol import ACCEPT, ERAS, LEGACY, MODERN, message, post, sent_raw, told
from tests.support.installation import EmbeddedIdentityProvider, Headers, RunningProvider, bearer

METADATA = "/.well-known/oauth-protected-resource"


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.example",
        "null",
        "http://localhost.evil.example",
        "http://127.0.0.1:1",
        "file://",
        "https://localhost",
    ],
)
def test_m01_pages_of_other_origins_are_refused(
    provider: RunningProvider, agent: Headers, origin: str, era: str
) -> None:
    answer = post(provider, {**agent, "Origin": origin}, "tools/list", era)
    assert (answer.status_code, told(answer)["code"]) == (403, "origin_refused")
    assert "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize("era", ERAS)
def test_pages_of_our_own_origin_pass(provider: RunningProvider, agent: Headers, era: str) -> None:
    answer = post(provider, {**agent, "Origin": provider.settings.public_url}, "tools/list", era)
    assert answer.status_code == 200


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize(
    "host",
    ["evil.example", "localhost.evil.example", "localhost@evil.example", "127.0.0.1.evil.example", "a b", "localhost:"],
)
def test_m02_other_hosts_are_refused(provider: RunningProvider, agent: Headers, host: str, era: str) -> None:
    answer = post(provider, {**agent, "Host": host}, "tools/list", era)
    assert (answer.status_code, told(answer)["code"]) == (421, "host_refused")


@pytest.mark.parametrize("host", ["localhost", "localhost:8040", "127.0.0.1:9", "[::1]:8040", "LOCALHOST"])
def test_loopback_hosts_pass(provider: RunningProvider, agent: Headers, host: str) -> None:
    assert post(provider, {**agent, "Host": host}, "tools/list").status_code == 200


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"])
@pytest.mark.parametrize("era", ERAS)
def test_m04_what_a_form_can_send_is_refused(provider: RunningProvider, agent: Headers, kind: str, era: str) -> None:
    answer = post(provider, {**agent, "Content-Type": kind}, "tools/list", era)
    assert 400 <= answer.status_code < 500


@pytest.mark.parametrize("path", [METADATA, f"{METADATA}/mcp"])
def test_m05_the_metadata_leads_to_the_identity_provider(
    provider: RunningProvider, identity_provider: EmbeddedIdentityProvider, path: str
) -> None:
    challenge = post(provider, {}, "tools/list").headers["www-authenticate"]
    assert f'resource_metadata="{provider.address}{METADATA}/mcp"' in challenge
    answer = provider.http.get(path)
    assert answer.status_code == 200
    metadata = answer.json()
    assert metadata["resource"] == provider.mcp
    assert metadata["authorization_servers"] == [identity_provider.issuer]
    assert metadata["scopes_supported"] == ["mcp:tools"]
    assert metadata["bearer_methods_supported"] == ["header"]


def test_codes_of_the_modern_protocol(provider: RunningProvider, agent: Headers, probe: Probe) -> None:
    def status_and_code(headers: Headers, method: str, **params: Any) -> tuple[int, int]:
        answer = post(provider, {**agent, **headers}, method, MODERN, **params)
        return answer.status_code, answer.json()["error"]["code"]

    assert status_and_code({}, "nope") == (404, -32601)
    assert status_and_code({"Mcp-Method": "tools/call"}, "tools/list") == (400, -32020)
    assert status_and_code({"Mcp-Name": "other"}, "tools/call", name="probe__echo") == (400, -32020)
    assert status_and_code({}, "tools/call", name="probe__nope") == (400, -32602)
    assert status_and_code({}, "tools/list", cursor="!") == (400, -32602)


def test_white_space_around_a_header_value_is_no_part_of_it(
    provider: RunningProvider, agent: Headers, probe: Probe
) -> None:
    body, headers = message("tools/call", name="probe__echo", arguments={})
    spaced = {"Mcp-Name": "probe__echo  ", "Mcp-Method": "tools/call\t"}
    with sent_raw(provider, "/mcp", {**headers, **agent, **spaced}, json.dumps(body).encode()) as connection:
        assert connection.recv(1_000).startswith(b"HTTP/1.1 200")


def test_an_unsupported_version_is_named(provider: RunningProvider, agent: Headers) -> None:
    body, headers = message("tools/list", "2099-01-01")
    body["params"]["_meta"] = {
        "io.modelcontextprotocol/protocolVersion": "2099-01-01",
        "io.modelcontextprotocol/clientCapabilities": {},
    }
    headers["Mcp-Method"] = "tools/list"
    answer = provider.http.post("/mcp", json=body, headers={**headers, **agent})
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, -32022)


@pytest.mark.parametrize("method", ["GET", "DELETE", "PUT"])
def test_only_post_is_taken(provider: RunningProvider, agent: Headers, method: str) -> None:
    answer = provider.http.request(method, "/mcp", headers={**agent, **ACCEPT})
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")


def test_m12_there_is_no_other_protocol_to_speak(provider: RunningProvider, agent: Headers) -> None:
    upgrade = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13"}
    upgrade["Sec-WebSocket-Key"] = "dGhlIHNhbXBsZSBub25jZQ=="
    for path in ("/mcp", "/api/v1/tools"):
        assert provider.http.get(path, headers=upgrade).status_code == 401
    assert provider.http.get("/mcp", headers={**upgrade, **agent}).status_code == 405


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'"tools/list"',
        b'{"jsonrpc": "2.0"}',
        b'{"jsonrpc":"2.0","id":1,"method":"tools/list","params":NaN}',
        b'{"jsonrpc":"2.0","id":1,"method":"tools/list","method":"tools/call"}',
        b'{"jsonrpc":"2.0","id":1,"method":"tools/list","params":' + b"[" * 50_000 + b"]" * 50_000 + b"}",
        b'{"jsonrpc":"2.0","id":' + b"9" * 5_000 + b',"method":"tools/list"}',
        b'{"jsonrpc":"2.0","id":1,"method":"\\ud800"}',
        b"\xff\xfe",
        b'[{"jsonrpc":"2.0","id":1,"method":"tools/list"}]',
    ],
)
def test_m10_malformed_bodies_are_the_senders_fault(
    provider: RunningProvider, agent: Headers, body: bytes, era: str
) -> None:
    _, headers = message("tools/list", era)
    answer = provider.http.post("/mcp", content=body, headers={**headers, **agent})
    assert 400 <= answer.status_code < 500, answer.text
    assert answer.json()


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"id": None}, "The `id` of a request must be a string or an integer"),
        ({"id": 1.5}, "The `id` of a request must be a string or an integer"),
        ({"id": True}, "The `id` of a request must be a string or an integer"),
        ({"id": {"a": 1}}, "The `id` of a request must be a string or an integer"),
        ({"params": []}, "The `params` of a message must be an object"),
        ({"params": "secret"}, "The `params` of a message must be an object"),
        ({"jsonrpc": "1.0"}, 'must have "jsonrpc": "2.0"'),
        ({"jsonrpc": None}, 'must have "jsonrpc": "2.0"'),
        ({"method": 7}, "must have a `method`, which is a string"),
    ],
)
def test_a_request_that_nobody_could_answer_is_refused_in_words(
    provider: RunningProvider, agent: Headers, era: str, change: dict[str, Any], said: str
) -> None:
    body, headers = message("tools/list", era)
    answer = provider.http.post("/mcp", json=body | change, headers={**headers, **agent})
    assert (answer.status_code, told(answer)["code"]) == (400, "invalid_request")
    assert said in told(answer)["detail"]
    assert "secret" not in answer.text


def test_messages_are_sent_one_by_one(provider: RunningProvider, agent: Headers) -> None:
    body, headers = message("tools/list", LEGACY)
    answer = provider.http.post("/mcp", json=[body], headers={**headers, **agent})
    assert (answer.status_code, told(answer)["code"]) == (400, "invalid_request")
    assert "Send one JSON-RPC message" in told(answer)["detail"]


@pytest.mark.parametrize(
    "kind", ["APPLICATION/JSON", "application/json ; charset=utf-8", "application/json-rpc+json", None]
)
@pytest.mark.parametrize("accepted", [["application/json"], ["text/event-stream", "application/json"], ["*/*"], []])
def test_media_types_are_read_as_http_has_them(
    provider: RunningProvider, agent: Headers, kind: str | None, accepted: list[str]
) -> None:
    body = json.dumps(message("ping", LEGACY)[0]).encode()
    asked = httpx.Request("POST", provider.mcp, headers=agent, content=body)
    asked.headers = httpx.Headers(
        [
            *asked.headers.multi_items(),
            *(("accept", each) for each in accepted),
            *([("content-type", kind)] if kind else []),
        ]
    )
    answer = provider.http.send(asked)
    assert (answer.status_code, answer.json().get("result")) == (200, {}), answer.text


@pytest.mark.parametrize("era", ERAS)
def test_m11_a_body_over_the_limit_is_refused(provider: RunningProvider, agent: Headers, era: str) -> None:
    answer = post(provider, agent, "tools/call", era, name="probe__echo", arguments={"text": "x" * 5_000_000})
    assert (answer.status_code, told(answer)["code"]) == (413, "body_too_large")


@pytest.mark.parametrize("era", ERAS)
def test_session_headers_are_ignored(provider: RunningProvider, agent: Headers, era: str) -> None:
    strange = {"Mcp-Session-Id": "stolen", "Last-Event-ID": "7"}
    assert post(provider, {**agent, **strange}, "tools/list", era).status_code == 200


def test_the_list_is_private_and_has_a_life(provider: RunningProvider, agent: Headers) -> None:
    result = post(provider, agent, "tools/list").json()["result"]
    assert result["cacheScope"] == "private"
    assert result["ttlMs"] > 0


@pytest.mark.parametrize("era", ERAS)
def test_a_tool_that_lacks_scopes_is_listed_and_its_call_challenges(
    provider: RunningProvider, probe: Probe, agent: Headers, admin: Headers, era: str
) -> None:
    answer = post(provider, agent, "tools/call", era, name="scoped__echo", arguments={})
    assert answer.status_code == 403
    assert told(answer)["code"] == "insufficient_scope"
    challenge = answer.headers["www-authenticate"]
    assert 'error="insufficient_scope"' in challenge
    assert 'scope="mcp:tools orders:write"' in challenge
    assert f'resource_metadata="{provider.address}' in challenge
    (record, *_) = provider.audit(admin, outcome="insufficient_scope", limit=1)
    assert (record["tool"], record["source"], record["door"]) == ("scoped/echo", "scoped", "mcp")
    assert record["trace_id"] == told(answer)["trace_id"]


def scopes_of(challenge: str) -> list[str]:
    (scopes,) = re.findall(r'scope="([^"]*)"', challenge)
    return str(scopes).split()


def test_a_challenge_names_what_else_the_token_has_that_any_source_needs(
    provider: RunningProvider,
    probe_address: tuple[Probe, str],
    admin: Headers,
    identity_provider: EmbeddedIdentityProvider,
) -> None:
    def refused(slug: str, token: Headers) -> list[str]:
        answer = post(provider, token, "tools/call", name=f"{slug}__echo", arguments={})
        assert answer.status_code == 403
        assert answer.headers["www-authenticate"].count("scope=") == 1
        by_rest = provider.execute(token, f"{slug}/echo")
        assert scopes_of(by_rest.headers["www-authenticate"]) == scopes_of(answer.headers["www-authenticate"])
        return scopes_of(answer.headers["www-authenticate"])

    url = f"{probe_address[1]}/openapi.json"
    provider.register(admin, url, slug="wants-mcp", required_scopes=["mcp:tools", "kitchen:open"])
    provider.register(admin, url, slug="wants-drinks", required_scopes=["drinks:write"])
    token = bearer(identity_provider.access_token("johndoe", scope="mcp:tools profile"))
    # `profile` is not named, which no source needs, nor `kitchen:open`, which the token has not.
    assert refused("wants-drinks", token) == ["mcp:tools", "drinks:write"]
    assert refused("wants-mcp", token) == ["mcp:tools", "kitchen:open"]
    provider.register(admin, url, slug="wants-profile", required_scopes=["profile"])
    assert refused("wants-drinks", token) == ["mcp:tools", "drinks:write", "profile"]
    provider.http.delete("/api/v1/sources/wants-profile", headers=admin)
    assert refused("wants-drinks", token) == ["mcp:tools", "drinks:write"]


def test_scopes_that_everyone_is_to_ask_for_are_in_challenges_and_metadata(
    start: Start, probe_address: tuple[Probe, str], admin: Headers, agent: Headers
) -> None:
    provider = start(challenge_scopes=("orders:write", "mcp:tools", "menu:read"))
    everyone = ["mcp:tools", "orders:write", "menu:read"]
    assert scopes_of(post(provider, {}, "tools/list").headers["www-authenticate"]) == everyone
    assert provider.http.get(f"{METADATA}/mcp").json()["scopes_supported"] == everyone
    provider.register(admin, f"{probe_address[1]}/openapi.json", slug="scoped", required_scopes=["orders:write", "x:y"])
    refused = post(provider, agent, "tools/call", name="scoped__echo", arguments={})
    assert scopes_of(refused.headers["www-authenticate"]) == [*everyone, "x:y"]


@pytest.mark.parametrize("era", ERAS)
def test_a_tool_of_another_role_gives_no_hint_by_its_scopes(
    provider: RunningProvider, probe: Probe, agent: Headers, era: str
) -> None:
    answer = post(provider, agent, "tools/call", era, name="managers__echo", arguments={})
    assert answer.json()["error"]["code"] == -32602


@pytest.mark.parametrize("era", ERAS)
def test_a_trace_goes_on_to_the_upstream(provider: RunningProvider, probe: Probe, agent: Headers, era: str) -> None:
    trace = "0af7651916cd43dd8448eb211c80319c"
    parent = f"00-{trace}-b7ad6b7169203331-01"
    by_header = post(provider, {**agent, "traceparent": parent}, "tools/call", era, name="probe__echo", arguments={})
    by_meta = post(provider, agent, "tools/call", era, name="probe__echo", arguments={}, _meta={"traceparent": parent})
    for answer in (by_header, by_meta):
        result = answer.json()["result"]
        assert result["_meta"]["trace_id"] == trace
        assert json.loads(result["content"][0]["text"])["traceparent"].split("-")[1] == trace


@pytest.mark.parametrize("parent", ["garbage", "00-0-0-00", "00-" + "0" * 32 + "-" + "0" * 16 + "-01", "ff" * 4000])
def test_m16_a_hostile_trace_context_changes_nothing(
    provider: RunningProvider, probe: Probe, agent: Headers, parent: str
) -> None:
    headers = {**agent, "traceparent": parent, "tracestate": "=,=" * 100, "baggage": "userId=alice"}
    answer = post(
        provider,
        headers,
        "tools/call",
        name="probe__echo",
        arguments={},
        _meta={"traceparent": parent, "baggage": "a=b"},
    )
    assert answer.status_code == 200
    assert "baggage" not in probe.seen[-1]["headers"]
    assert "userId" not in json.dumps(probe.seen[-1]["headers"])


def test_headers_of_the_agent_stay_here(provider: RunningProvider, probe: Probe, agent: Headers) -> None:
    strange = {"Cookie": "a=b", "X-Api-Key": "key", "X-Forwarded-For": "1.2.3.4", "Forwarded": "for=1.2.3.4"}
    assert post(provider, {**agent, **strange}, "tools/call", name="probe__echo", arguments={}).status_code == 200
    sent = {name.lower() for name in probe.seen[-1]["headers"]}
    assert sent.isdisjoint({"cookie", "x-api-key", "x-forwarded-for", "forwarded"})
    assert not any(name.startswith("mcp-") for name in sent)


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "application/jsonp"])
def test_a_body_that_is_not_said_to_be_json_is_refused_in_words(
    provider: RunningProvider, agent: Headers, era: str, kind: str
) -> None:
    answer = post(provider, {**agent, "Content-Type": kind}, "tools/list", era)
    assert (answer.status_code, told(answer)["code"]) == (415, "unsupported_media_type")
    assert "Content-Type: application/json" in told(answer)["detail"]


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize("kind", ["application/json; charset=utf-8", "application/vnd.x+json", None])
def test_json_of_any_kind_is_read(provider: RunningProvider, agent: Headers, era: str, kind: str | None) -> None:
    body, headers = message("tools/list", era)
    del headers["Content-Type"]
    stated = {} if kind is None else {"Content-Type": kind}
    answer = provider.http.post("/mcp", content=json.dumps(body), headers={**headers, **agent, **stated})
    assert answer.status_code == 200


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize("accepted", ["text/html", "text/event-stream", "application/xml", "*/*", "nonsense"])
def test_the_answer_is_json_whatever_is_accepted(
    provider: RunningProvider, agent: Headers, era: str, accepted: str
) -> None:
    answer = post(provider, {**agent, "Accept": accepted}, "tools/list", era)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
