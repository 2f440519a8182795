"""Behind nginx with TLS: at a host of its own or below a path, which nginx takes away or leaves, buffering or not."""

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from urllib.parse import urljoin

import httpx
import pytest

from seed.ports import free_port
from tests.api.probe import Probe
from tests.api.protocol import message
from tests.cli.test_serve import serving
from tests.support.installation import EmbeddedIdentityProvider, Headers
from tests.support.nginx import PROGRAM, nginx

pytestmark = [
    pytest.mark.extended,
    pytest.mark.skipif(PROGRAM is None, reason="nginx is not installed here"),
]

CALLS = 1_000  # behind each of the four
AT_ONCE = 12
METADATA = "/.well-known/oauth-protected-resource"
ALONE = "location / { proxy_pass http://provider; }"
TAKEN_AWAY = "location /tools/ { proxy_pass http://provider/; } location /.well-known/ { proxy_pass http://provider; }"
LEFT = "location /tools { proxy_pass http://provider; } location /.well-known/ { proxy_pass http://provider; }"


@dataclass(frozen=True, slots=True)
class Public:
    """A provider as the public sees it: its address, and a client of the host."""

    url: str
    http: httpx.Client


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(("", ALONE, True), id="alone, buffering"),
        pytest.param(("", ALONE, False), id="alone"),
        pytest.param(("/tools", TAKEN_AWAY, True), id="path taken away, buffering"),
        pytest.param(("/tools", LEFT, False), id="path left"),
    ],
)
def public(
    request: pytest.FixtureRequest,
    identity_provider: EmbeddedIdentityProvider,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Public]:
    path, locations, buffering = request.param
    folder, port = tmp_path_factory.mktemp("nginx"), free_port()
    url = f"https://localhost:{port}{path}"
    with (
        serving(identity_provider, folder, PUBLIC_URL=url, LOG_LEVEL="WARNING") as (_, address),
        nginx(folder, port, address, locations, buffering=buffering) as http,
    ):
        yield Public(url, http)


@pytest.fixture(scope="module")
def registered(public: Public, admin: Headers, probe_address: tuple[Probe, str]) -> httpx.Response:
    source = {"name": "Probe", "slug": "probe", "url": f"{probe_address[1]}/openapi.json"}
    return public.http.post(f"{public.url}/api/v1/sources", json=source, headers=admin)


def test_what_is_advertised_is_served(public: Public, registered: httpx.Response, admin: Headers) -> None:
    challenge = public.http.post(f"{public.url}/mcp").headers["www-authenticate"]
    host, _, path = public.url.removeprefix("https://").partition("/")
    derived = f"https://{host}{METADATA}/{f'{path}/' if path else ''}mcp"
    assert f'resource_metadata="{derived}"' in challenge
    assert public.http.get(derived).json()["resource"] == f"{public.url}/mcp"
    location = urljoin(f"{public.url}/api/v1/sources", registered.headers["location"])
    assert public.http.get(location, headers=admin).json()["slug"] == "probe"
    page = public.http.get(f"{public.url}/", headers={"Accept": "text/html"})
    assert f"{public.url}/mcp" in page.text
    for link in ("docs", "static/front.css", "openapi.json"):
        assert f'href="{"/" + path if path else ""}/{link}"' in page.text
        assert public.http.get(f"{public.url}/{link}").status_code == 200


def test_calls_over_connections_that_are_used_again_all_end_well(
    public: Public, registered: httpx.Response, probe_address: tuple[Probe, str], agent: Headers
) -> None:
    probe_address[0].tell("large", 200, {"text": "x" * 40_000})
    body, headers = message("tools/call", name="probe__as_told", arguments={"name": "large"})

    def call(number: int) -> tuple[int, bool]:
        if number % 2:
            executed = {"tool_id": "probe/echo", "arguments": {"number": number}}
            answer = public.http.post(f"{public.url}/api/v1/tools/execute", json=executed, headers=agent)
            return answer.status_code, bool(answer.json()["is_error"])
        answer = public.http.post(f"{public.url}/mcp/", json=body, headers={**headers, **agent})
        return answer.status_code, bool(answer.json()["result"]["isError"])

    with ThreadPoolExecutor(AT_ONCE) as pool:
        assert Counter(pool.map(call, range(CALLS))) == {(200, False): CALLS}
