"""What a web page in the developer's own browser can make the identity provider do: nothing that Keycloak would not."""

from typing import Any

import httpx
import pytest

from seed.identity_provider import create_identity_provider
from seed.keycloak import read_realm
from tests.identity_provider.conftest import ENDPOINTS, REALM, Embedded
from tests.support.servers import running

STRANGER = "https://evil.example"
INSPECTOR = "http://localhost:6274"  # in the web origins of the realm's frontend
FAULT = '{"kind": "status", "status": 503}'
LOGIN = {
    "grant_type": "password",
    "client_id": "tools-provider-frontend",
    "username": "johndoe",
    "password": "password",
}
REQUEST = {
    "client_id": "tools-provider-frontend",
    "response_type": "code",
    "redirect_uri": "http://localhost/callback",
    "code_challenge": "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM",
    "code_challenge_method": "S256",
}


def own(embedded: Embedded) -> str:
    return str(embedded.http.base_url).rstrip("/")


@pytest.mark.parametrize("kind", [None, "text/plain", "application/x-www-form-urlencoded", "multipart/form-data"])
@pytest.mark.parametrize(
    ("path", "body"), [("faults", FAULT), ("keys/rotate", ""), ("logout", '{"username": "johndoe"}')]
)
def test_what_a_page_may_send_unasked_moves_no_switch(
    embedded: Embedded, agent_token: str, kind: str | None, path: str, body: str
) -> None:
    headers = {} if kind is None else {"Content-Type": kind}
    answer = embedded.http.post(f"/__dev/{path}", content=body, headers=headers)
    assert (answer.status_code, "application/json" in answer.text) == (415, True)
    assert embedded.http.get("/__dev/faults").json() == []
    assert embedded.exchange(agent_token).status_code == 200


@pytest.mark.parametrize("origin", [STRANGER, INSPECTOR, "null", "http://localhost:3000", ""])
@pytest.mark.parametrize(("method", "path"), [("POST", "faults"), ("DELETE", "faults"), ("POST", "keys/rotate")])
def test_pages_of_others_move_no_switch(embedded: Embedded, origin: str, method: str, path: str) -> None:
    embedded.fault("latency", endpoint="userinfo", seconds=0)
    headers = {"Origin": origin, "Content-Type": "application/json"}
    assert embedded.http.request(method, f"/__dev/{path}", content=FAULT, headers=headers).status_code == 403
    assert len(embedded.http.get("/__dev/faults").json()) == 1


def test_its_own_pages_and_programs_move_switches(embedded: Embedded) -> None:
    answer = embedded.http.post(
        "/__dev/faults",
        content=FAULT,
        headers={"Origin": own(embedded), "Content-Type": "application/json; charset=utf-8"},
    )
    assert answer.status_code == 201


@pytest.mark.parametrize("hosts", [["evil.example"], ["evil.example:8041"], ["localhost.evil.example"], []])
@pytest.mark.parametrize("path", ["/__dev/faults", f"{REALM}/.well-known/openid-configuration", "/"])
def test_a_name_that_is_none_of_this_machine_is_refused(embedded: Embedded, hosts: list[str], path: str) -> None:
    sent = embedded.http.build_request("GET", path)
    sent.headers = httpx.Headers([("Host", host) for host in hosts] or [("Host", "")])
    answer = embedded.http.send(sent)
    assert answer.status_code == 421
    assert "dev-idp --allow-host" in answer.text


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:8041", "127.0.0.1:1", "[::1]:8041"])
def test_every_name_of_this_machine_is_taken(embedded: Embedded, host: str) -> None:
    answer = embedded.http.get(f"{REALM}/.well-known/openid-configuration", headers={"Host": host})
    assert answer.json()["issuer"] == f"http://{host}{REALM}"


def test_names_that_it_was_told_are_taken() -> None:
    app = create_identity_provider(read_realm(), issuer_base="https://login.example", hosts=["idp.test", "[fd00::7]"])
    with running(app) as address, httpx.Client(base_url=address, trust_env=False) as http:
        for host, status in (("login.example", 200), ("idp.test:8041", 200), ("[fd00::7]", 200), ("evil.example", 421)):
            assert http.get(REALM, headers={"Host": host}).status_code == status
        headers = {"Origin": "https://login.example"}
        assert http.post("/__dev/keys/rotate", json={}, headers=headers).status_code == 204


def test_a_login_form_that_a_stranger_filled_in_starts_nothing(embedded: Embedded) -> None:
    login = {"username": "johndoe", "password": "password"}

    def submit(origin: str) -> httpx.Response:
        headers = {"Origin": origin}
        return embedded.http.post(f"{REALM}/login-actions/authenticate", params=REQUEST, data=login, headers=headers)

    assert [submit(origin).status_code for origin in (STRANGER, INSPECTOR, "null")] == [403, 403, 403]
    assert submit(own(embedded)).status_code == 302


@pytest.mark.parametrize("endpoint", ["token", "revoke", "logout", "token/introspect"])
def test_a_stranger_uses_no_endpoint_of_the_protocol(embedded: Embedded, endpoint: str) -> None:
    answer = embedded.http.post(f"{ENDPOINTS}/{endpoint}", data=LOGIN, headers={"Origin": STRANGER})
    assert answer.status_code == 403
    assert "access-control-allow-origin" not in answer.headers


def test_pages_of_the_realms_web_origins_get_tokens_and_may_read_them(embedded: Embedded) -> None:
    asked = {"Origin": INSPECTOR, "Access-Control-Request-Method": "POST"}
    preflight = embedded.http.options(f"{ENDPOINTS}/token", headers=asked)
    answer = embedded.http.post(f"{ENDPOINTS}/token", data=LOGIN, headers={"Origin": INSPECTOR})
    assert (preflight.status_code, answer.status_code) == (204, 200)
    for each in (preflight, answer):
        assert each.headers["access-control-allow-origin"] == INSPECTOR
        assert "access-control-allow-credentials" not in each.headers
    assert "POST" in preflight.headers["access-control-allow-methods"]


@pytest.mark.parametrize("path", ["/__dev/faults", "/__dev/stats", f"{REALM}/login-actions/authenticate"])
def test_nobody_else_reads_switches_and_logins(embedded: Embedded, path: str) -> None:
    headers = {"Origin": INSPECTOR, "Access-Control-Request-Method": "POST"}
    assert "access-control-allow-origin" not in embedded.http.options(path, headers=headers).headers
    assert "access-control-allow-origin" not in embedded.http.get(path, headers=headers).headers


@pytest.mark.parametrize("kind", ["text/plain", "multipart/form-data; boundary=x", ""])
def test_only_a_form_is_a_form(embedded: Embedded, kind: str) -> None:
    content = str(httpx.QueryParams(LOGIN))
    answer = embedded.http.post(f"{ENDPOINTS}/token", content=content, headers={"Content-Type": kind} if kind else {})
    assert answer.json()["error_description"] == "Missing form parameter: grant_type"


def test_a_registration_that_a_page_sends_unasked_registers_nobody(embedded: Embedded) -> None:
    address = f"{REALM}/clients-registrations/openid-connect"
    answer = embedded.http.post(address, content='{"redirect_uris": []}', headers={"Content-Type": "text/plain"})
    assert answer.status_code == 415


def test_nobody_frames_the_login_page_or_runs_scripts_in_it(embedded: Embedded) -> None:
    headers: Any = embedded.http.get(f"{ENDPOINTS}/auth", params=REQUEST).headers
    assert headers["x-frame-options"] == "DENY"
    assert "default-src 'none'" in headers["content-security-policy"]
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
