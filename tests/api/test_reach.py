"""By which addresses the server is reached: hosts, origins of pages, paths, and what proxies make of them."""

import socket
from collections.abc import Iterator
from typing import Any
from urllib.parse import urljoin, urlsplit
from uuid import uuid4

import httpx
import pytest

from app.main import create_app
from tests.api.protocol import message, post, told
from tests.support.installation import EmbeddedIdentityProvider, Headers, RunningProvider, settings_for
from tests.support.servers import address_of, listener, running

METADATA = "/.well-known/oauth-protected-resource"
CONSOLE = "https://console.example.com"
OF_PROBES = ["/health", "/ready", "/metrics"]
OF_PODS = ["10.1.2.3:8040", "10.1.2.3", "[fd00:1::2]:8040", "tools-provider", "provider:8040"]
OF_STRANGERS = [
    "evil.example",
    "10.1.2.3.evil.example",
    "tools-provider.evil.example:8040",
    "[::1].evil.example",
    "1.2.3",
    "",
]
CHECKED = [
    "/",
    "/docs",
    "/openapi.json",
    "/static/front.css",
    "/mcp",
    "/api/v1/tools",
    METADATA,
    f"{METADATA}/mcp",
    "/none",
]


@pytest.fixture(scope="module")
def overrides() -> dict[str, Any]:
    return {
        "allowed_hosts": ("tools.internal", "tools_provider:8040", "[fd00::1]", "10.0.0.5"),
        "allowed_origins": (CONSOLE, "http://inner:80", "app://obsidian.md"),
    }


@pytest.mark.parametrize(
    "host",
    [
        "tools.internal",
        "Tools.Internal:443",
        "tools_provider",
        "tools_provider:1",
        "tools.internal.",
        "tools.internal.:8040",
        "[fd00::1]:8040",
        "10.0.0.5",
        "localhost",
    ],
)
def test_the_hosts_that_are_allowed_are_answered_for(provider: RunningProvider, agent: Headers, host: str) -> None:
    assert post(provider, {**agent, "Host": host}, "tools/list").status_code == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "tools.internal.evil.example",
        "evil.tools.internal",
        "10.0.0.50",
        "toolsxinternal",
        "fd00::1",
        "",
        "a b",
        "tools.internal:",
        ":8040",
        "tools.internal:http",
        "tools.internal/x",
    ],
)
@pytest.mark.parametrize("path", CHECKED)
def test_other_hosts_are_told_what_was_sent_and_which_setting_knows_it(
    provider: RunningProvider, host: str, path: str
) -> None:
    answer = provider.http.get(path, headers={"Host": host})
    assert (answer.status_code, told(answer)["code"]) == (421, "host_refused")
    assert repr(host) in told(answer)["detail"]
    assert "ALLOWED_HOSTS" in told(answer)["detail"]


@pytest.mark.parametrize("path", [*CHECKED, *OF_PROBES])
@pytest.mark.parametrize(
    ("version", "hosts"), [("1.0", ["localhost"] * 2), ("1.1", ["localhost", "10.0.0.5"]), ("1.1", []), ("0.9", [])]
)
def test_a_request_names_one_host(provider: RunningProvider, path: str, version: str, hosts: list[str]) -> None:
    assert b" 400 " in answered(provider, f"GET {path} HTTP/{version}", *(f"Host: {host}" for host in hosts))


@pytest.mark.parametrize("path", CHECKED)
def test_a_request_of_http_1_0_names_its_host_too(provider: RunningProvider, path: str) -> None:
    assert b" 421 " in answered(provider, f"GET {path} HTTP/1.0")


@pytest.mark.parametrize("path", OF_PROBES)
def test_probes_ask_under_the_address_of_a_pod_a_name_of_their_network_or_none(
    provider: RunningProvider, path: str
) -> None:
    for host in OF_PODS:
        assert provider.http.get(path, headers={"Host": host}).status_code == 200
    assert b" 200 " in answered(provider, f"GET {path} HTTP/1.0")


@pytest.mark.parametrize("host", OF_STRANGERS)
def test_under_a_name_that_a_stranger_may_have_only_health_is_told(provider: RunningProvider, host: str) -> None:
    assert provider.http.get("/health", headers={"Host": host}).status_code == 200
    for path in ("/ready", "/metrics"):
        answer = provider.http.get(path, headers={"Host": host})
        assert (answer.status_code, told(answer)["code"]) == (421, "host_refused")
        page = provider.http.get(path, headers={"Origin": f"http://{host}"})
        assert (page.status_code, told(page)["code"]) == (403, "origin_refused")


def answered(provider: RunningProvider, *lines: str) -> bytes:
    """The first line that the server answers."""
    where = urlsplit(provider.address)
    with socket.create_connection((str(where.hostname), where.port or 0), timeout=30) as connection:
        connection.sendall("".join(f"{line}\r\n" for line in (*lines, "")).encode())
        return connection.recv(1_000).splitlines()[0]


@pytest.mark.parametrize("origin", [CONSOLE, CONSOLE.upper(), "http://inner", "app://obsidian.md"])
@pytest.mark.parametrize("path", ["/mcp", f"{METADATA}/mcp", METADATA, "/api/v1/tools"])
def test_pages_that_are_allowed_are_told_so_before_they_ask(provider: RunningProvider, origin: str, path: str) -> None:
    asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization,mcp-method"}
    answer = provider.http.options(path, headers={"Origin": origin, **asked})
    assert (answer.status_code, answer.content) == (204, b"")
    assert answer.headers["access-control-allow-origin"] == origin
    assert "POST" in answer.headers["access-control-allow-methods"]
    assert answer.headers["access-control-allow-headers"] == "authorization,mcp-method"
    assert "access-control-allow-credentials" not in answer.headers


def test_pages_that_are_allowed_read_answers_and_challenges(provider: RunningProvider, agent: Headers) -> None:
    page = {"Origin": CONSOLE}
    good = post(provider, {**agent, **page}, "tools/list")
    refused = post(provider, page, "tools/list")
    metadata = provider.http.get(f"{METADATA}/mcp", headers=page)
    missing = provider.http.get("/none", headers=page)
    answers = [good, refused, metadata, missing, provider.http.get("/api/v1/tools", headers=page)]
    assert [answer.status_code for answer in answers] == [200, 401, 200, 404, 401]
    assert [answer.headers["access-control-allow-origin"] for answer in answers] == [CONSOLE] * 5
    assert "WWW-Authenticate" in refused.headers["access-control-expose-headers"]
    assert "Origin" in refused.headers["vary"]


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", f"{CONSOLE}:8443", "http://console.example.com", ""]
)
@pytest.mark.parametrize("method", ["GET", "OPTIONS"])
@pytest.mark.parametrize("path", CHECKED)
def test_other_pages_are_told_what_was_sent_and_which_setting_knows_it(
    provider: RunningProvider, origin: str, method: str, path: str
) -> None:
    headers = {"Origin": origin, "Access-Control-Request-Method": "POST"}
    answer = provider.http.request(method, path, headers=headers)
    assert (answer.status_code, told(answer)["code"]) == (403, "origin_refused")
    assert repr(origin) in told(answer)["detail"]
    assert "ALLOWED_ORIGINS" in told(answer)["detail"]
    assert "access-control-allow-origin" not in answer.headers


def test_refusals_are_on_record_and_a_flood_is_counted(provider: RunningProvider, admin: Headers) -> None:
    def recorded(code: str, told: str) -> dict[str, Any]:
        """The record that tells this. Others of the same second may leave it no room, so the request is repeated."""
        for _ in range(1_000):
            provider.http.post("/mcp", headers={"Host": "flood.example" + "x" * 3_000})
            provider.http.get("/api/v1/tools", headers={"Origin": "https://flood.example"})
            for record in provider.audit(admin, outcome=code, limit=20):
                if told in record["detail"]:
                    return record
        raise AssertionError(f"no record of {code} tells {told}")

    page = recorded("origin_refused", "https://flood.example")
    assert (page["kind"], page["door"], page["subject"]) == ("refusal", "rest", None)
    host = recorded("host_refused", "flood.examplexxx")
    assert (host["kind"], host["door"]) == ("refusal", "mcp")
    assert len(host["detail"]) < 500
    assert recorded("host_refused", "more like this within 1 s")["door"] in {"mcp", "rest"}


@pytest.mark.parametrize("path", CHECKED)
@pytest.mark.parametrize("headers", [{"Host": "evil.example"}, {"Origin": "https://evil.example"}])
def test_each_refusal_has_a_trace_that_leads_to_its_record(
    provider: RunningProvider, admin: Headers, path: str, headers: Headers
) -> None:
    trace_id = uuid4().hex
    traced = {**headers, "traceparent": f"00-{trace_id}-00f067aa0ba902b7-01"}
    for _ in range(1_000):  # others of the same second may have left it no room
        assert told(provider.http.get(path, headers=traced))["trace_id"] == trace_id
        if records := [each for each in provider.audit(admin, limit=20) if each["trace_id"] == trace_id]:
            break
    assert [record["kind"] for record in records] == ["refusal"]


@pytest.mark.parametrize("path", [*OF_PROBES, "/openapi.json", "/", "/docs", METADATA, f"{METADATA}/mcp"])
def test_head_is_answered_like_get_without_a_body(provider: RunningProvider, path: str) -> None:
    got, headed = (provider.http.request(method, path) for method in ("GET", "HEAD"))
    assert (headed.status_code, headed.content) == (got.status_code, b"")
    varying = {"date", "content-length"} if path == "/metrics" else {"date"}
    assert {name: value for name, value in headed.headers.items() if name not in varying} == {
        name: value for name, value in got.headers.items() if name not in varying
    }


def test_head_is_answered_like_get_below_the_doors(provider: RunningProvider, agent: Headers, admin: Headers) -> None:
    assert provider.http.head("/api/v1/tools", headers=agent).status_code == 200
    assert provider.http.head("/api/v1/tools").status_code == 401
    assert provider.http.head("/api/v1/sources", headers=agent).status_code == 403
    assert provider.http.head("/none").status_code == 404
    refused = provider.http.head("/mcp", headers=agent)
    assert (refused.status_code, refused.headers["allow"], refused.content) == (405, "POST", b"")
    assert provider.http.put("/health").headers["allow"] == "GET, HEAD"


@pytest.mark.parametrize(
    "path", ["/sse", "/messages", "/messages/?sessionId=1", "/message", "/mcp/sse", "/mcp//", "/v1/mcp"]
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_where_other_servers_have_mcp_ours_is_named(provider: RunningProvider, method: str, path: str) -> None:
    answer = provider.http.request(method, path)
    assert (answer.status_code, told(answer)["code"]) == (404, "route_not_found")
    assert provider.mcp in told(answer)["detail"]


def test_mcp_sent_to_the_address_alone_is_told_where_it_is(provider: RunningProvider) -> None:
    answer = provider.http.post("/", json=message("initialize")[0])
    assert (answer.status_code, told(answer)["code"]) == (405, "method_not_allowed")
    assert provider.mcp in told(answer)["detail"]


def test_a_slash_behind_mcp_changes_nothing(provider: RunningProvider, agent: Headers) -> None:
    body, headers = message("tools/list")
    for own, status in ({}, 401), (agent, 200):
        with_slash, without = (
            provider.http.post(path, json=body, headers={**headers, **own}) for path in ("/mcp/", "/mcp")
        )
        assert with_slash.status_code == without.status_code == status
        assert with_slash.headers.get("www-authenticate") == without.headers.get("www-authenticate")
    assert provider.http.get(f"{METADATA}/mcp/").json()["resource"] == provider.mcp


def test_what_proxies_add_moves_no_address(provider: RunningProvider) -> None:
    stated = {
        "X-Forwarded-Host": "evil.example",
        "X-Forwarded-Proto": "https",
        "X-Forwarded-Prefix": "/evil",
        "X-Forwarded-For": "1.2.3.4",
        "Forwarded": "host=evil.example;proto=https",
    }
    for path in ("/", METADATA, "/openapi.json", "/none", "/api/v1/tools"):
        answer = provider.http.get(path, headers=stated)
        assert "evil" not in answer.text + str(answer.headers)
    assert (
        provider.http.get(
            "/mcp", headers={**stated, "Host": "evil.example", "X-Forwarded-Host": "localhost"}
        ).status_code
        == 421
    )


@pytest.fixture(scope="module")
def below_a_path(
    identity_provider: EmbeddedIdentityProvider, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningProvider]:
    """A provider whose PUBLIC_URL has the path `/api`, which is the first of its own paths, too."""
    opened = listener()
    public_url = f"{address_of(opened)}/api"
    settings = settings_for(identity_provider, public_url, tmp_path_factory.mktemp("below"))
    with (
        running(create_app(settings), opened) as address,
        httpx.Client(base_url=address, trust_env=False, timeout=30) as http,
    ):
        yield RunningProvider(address, settings, http)


@pytest.mark.parametrize("before", ["", "/api"], ids=["the proxy takes the path away", "the proxy leaves it"])
def test_a_path_of_ours_is_found_below_that_of_the_address(
    below_a_path: RunningProvider, agent: Headers, admin: Headers, before: str
) -> None:
    provider, http = below_a_path, below_a_path.http
    for path in ("/", "/docs", "/openapi.json", "/static/front.css", *OF_PROBES, METADATA, f"{METADATA}/mcp"):
        assert http.get(f"{before}{path}").status_code == 200, path
    for path in ("/api/v1/tools", "/api/v1/tools/execute", "/mcp", "/mcp/"):
        assert http.post(f"{before}{path}").status_code == 401, path
    body, headers = message("tools/list")
    assert http.post(f"{before}/mcp", json=body, headers={**headers, **agent}).status_code == 200
    assert http.get(f"{before}/api/v1/sources", headers=admin).status_code == 200
    missing = http.get("/sse")
    assert missing.status_code == 404
    assert f"{provider.settings.public_url}/mcp" in missing.json()["detail"]


def test_the_challenge_leads_to_metadata_at_the_address_that_clients_derive(below_a_path: RunningProvider) -> None:
    public_url = below_a_path.settings.public_url
    address = f"{below_a_path.address}{METADATA}/api/mcp"
    challenge = below_a_path.http.post("/mcp").headers["www-authenticate"]
    assert f'resource_metadata="{address}"' in challenge
    for derived in (
        address,
        f"{address}/",
        f"{below_a_path.address}{METADATA}",
        f"{below_a_path.address}{METADATA}/api",
    ):
        assert httpx.get(derived, trust_env=False).json()["resource"] == f"{public_url}/mcp"


def test_what_the_front_page_loads_and_a_new_source_lie_below_the_address(
    below_a_path: RunningProvider, admin: Headers, probe_address: tuple[object, str]
) -> None:
    public_url = below_a_path.settings.public_url
    page = below_a_path.http.get("/api", headers={"Accept": "text/html"}).text
    assert 'href="/api/static/front.css"' in page
    assert f"{public_url}/mcp" in page
    source = {"name": "Probe", "url": f"{probe_address[1]}/openapi.json"}
    answer = below_a_path.http.post("/api/v1/sources", json=source, headers=admin)
    location = answer.headers["location"]
    assert urljoin(f"{public_url}/api/v1/sources", location) == f"{public_url}/api/v1/sources/{answer.json()['id']}"
    assert below_a_path.http.get(location, headers=admin).json()["id"] == answer.json()["id"]
    assert below_a_path.http.get("/openapi.json").json()["servers"][0]["url"] == public_url
