"""The identity provider keeps and reads only so much, whoever sends it."""

import json
from collections.abc import AsyncGenerator
from urllib.parse import urlsplit

import anyio
import httpx
import pytest

from seed.identity_provider import IdentityProvider, create_identity_provider
from seed.identity_provider.answers import OAuthError
from seed.identity_provider.authorization_codes import CODES_KEPT, AuthorizationCode, AuthorizationCodes
from seed.identity_provider.dpop import PROOFS_KEPT, Proofs
from seed.identity_provider.faults import MOST_FAULTS
from seed.identity_provider.sessions import REVOKED_KEPT, Sessions
from seed.keycloak import read_realm
from seed.serving import HEADER_BYTES, listener_on, serving
from tests.identity_provider.conftest import ENDPOINTS, REALM, Embedded
from tests.support.servers import running


@pytest.fixture
async def address(anyio_backend: str) -> AsyncGenerator[str]:
    async with serving(create_identity_provider(read_realm()), listener_on()) as served:
        yield served


@pytest.mark.anyio
async def test_headers_are_read_within_bounds(address: str) -> None:
    port = urlsplit(address).port
    assert port is not None
    for line in (b"GET /" + b"x" * HEADER_BYTES, b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * HEADER_BYTES):
        async with await anyio.connect_tcp("127.0.0.1", port) as stream:
            await stream.send(line)  # and nothing that would end it
            with anyio.fail_after(5):
                assert (await stream.receive()).startswith(b"HTTP/1.1 400")


@pytest.mark.parametrize("path", [f"{ENDPOINTS}/token", "/__dev/faults"])
@pytest.mark.parametrize("announced", [True, False])
def test_a_body_is_read_within_bounds(embedded: Embedded, path: str, announced: bool) -> None:
    kind = "application/json" if path.startswith("/__dev") else "application/x-www-form-urlencoded"
    body = b"a=" + b"x" * 200_000
    content = body if announced else iter([body[:100_000], body[100_000:]])
    answer = embedded.http.post(path, content=content, headers={"Content-Type": kind})
    assert (answer.status_code, answer.text) == (413, "The body has more than 131,072 bytes.\n")


def test_only_so_many_faults_are_on_at_once(embedded: Embedded) -> None:
    for _ in range(MOST_FAULTS):
        embedded.fault("latency", endpoint="userinfo", seconds=0)
    answer = embedded.http.post("/__dev/faults", json={"kind": "echo"})
    assert (answer.status_code, "clear them first" in answer.text) == (409, True)


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "latency", "seconds": 1e300},
        {"kind": "status", "status": 503, "retry_after": -1},
        {"kind": "body", "content": "", "content_type": "text/html\r\nSet-Cookie: a=b"},
        {"kind": "body", "content": "", "content_type": "text/plain; é"},
    ],
)
def test_a_fault_that_could_not_be_answered_is_refused(embedded: Embedded, fault: dict[str, object]) -> None:
    answer = embedded.http.post(
        "/__dev/faults", content=json.dumps(fault), headers={"Content-Type": "application/json"}
    )
    assert answer.status_code == 422


def test_old_keys_go_once_ten_newer_ones_are_there(embedded: Embedded) -> None:
    for _ in range(12):
        embedded.http.post("/__dev/keys/rotate", json={})
    keys = embedded.http.get(f"{ENDPOINTS}/certs").json()["keys"]
    assert len([key for key in keys if key["use"] == "sig"]) == 11


def test_as_many_clients_register_as_the_realm_says() -> None:
    realm = read_realm()
    app = create_identity_provider(realm)
    provider: IdentityProvider = app.state.identity_provider
    room = 200 - len(provider.realm.clients)
    with running(app) as address, httpx.Client(base_url=address, trust_env=False) as http:

        def register() -> httpx.Response:
            client = {"redirect_uris": ["http://localhost/callback"], "scope": "mcp:tools"}
            return http.post(f"{REALM}/clients-registrations/openid-connect", json=client)

        assert {register().status_code for _ in range(room)} == {201}
        refused = register()
    assert refused.status_code == 403
    assert "It's allowed to have max 200 clients per realm" in refused.json()["error_description"]


def test_of_codes_proofs_and_revocations_the_latest_are_kept() -> None:
    codes, proofs, sessions = AuthorizationCodes(), Proofs(), Sessions()
    code = AuthorizationCode("client", "http://localhost/", "user", "session", None, None, "", expires_at=60)
    first, *_, last = [codes.add(code, 0) for _ in range(CODES_KEPT + 1)]
    assert (codes.take(first, 0), codes.take(last, 0)) == (None, code)
    for number in range(PROOFS_KEPT + 1):
        proofs.use(str(number), 0)
    proofs.use("0", 0)
    with pytest.raises(OAuthError):
        proofs.use(str(PROOFS_KEPT), 0)
    for number in range(REVOKED_KEPT + 1):
        sessions.revoke(str(number))
    assert (sessions.revoked("0"), sessions.revoked("1")) == (False, True)


NESTED = "[" * 60_000


@pytest.mark.parametrize("path", ["/__dev/faults", f"{REALM}/clients-registrations/openid-connect"])
def test_what_is_nested_without_end_is_a_bad_request(embedded: Embedded, path: str) -> None:
    answer = embedded.http.post(path, content=NESTED, headers={"Content-Type": "application/json"})
    assert answer.status_code in {400, 422}


@pytest.mark.parametrize(
    "redirect_uri",
    [
        "http://[",
        "http://localhost:99999/x",
        "http://localhost:x/",
        "http://localhost\\@evil.example/",
        "//evil.example",
    ],
)
def test_an_address_that_is_none_is_not_redirected_to(embedded: Embedded, redirect_uri: str) -> None:
    request = {"client_id": "tools-provider-frontend", "response_type": "code", "redirect_uri": redirect_uri}
    answer = embedded.http.get(f"{ENDPOINTS}/auth", params=request)
    assert (answer.status_code, "location" in answer.headers) == (400, False)
    client = {"redirect_uris": [redirect_uri], "client_uri": redirect_uri}
    assert embedded.http.post(f"{REALM}/clients-registrations/openid-connect", json=client).status_code == 403


@pytest.mark.parametrize(
    "body",
    ["[]", "null", '{"client_name": "\\ud800"}', '{"redirect_uris": ["http://localhost/\\ud800"]}', '{"scope": 1e999}'],
)
def test_what_is_no_client_is_a_bad_request(embedded: Embedded, body: str) -> None:
    headers = {"Content-Type": "application/json"}
    answer = embedded.http.post(f"{REALM}/clients-registrations/openid-connect", content=body, headers=headers)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_client_metadata")
