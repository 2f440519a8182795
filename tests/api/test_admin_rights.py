"""Who may use the admin API, and what it makes of bodies that do not fit (rows G01-G05, G07)."""

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.api.probe import Probe
from tests.support.installation import EXCHANGE_CLIENT, EmbeddedIdentityProvider, Headers, RunningProvider, bearer
from tests.support.raw import raw_upstream

ADMIN_CALLS = [
    ("POST", "/api/v1/sources"),
    ("GET", "/api/v1/sources"),
    ("GET", "/api/v1/sources/probe"),
    ("PATCH", "/api/v1/sources/probe"),
    ("DELETE", "/api/v1/sources/probe"),
    ("POST", "/api/v1/sources/probe/refresh"),
    ("GET", "/api/v1/sources/probe/report"),
    ("GET", "/api/v1/audit"),
]
FAKE_ROLES: dict[str, dict[str, Any]] = {
    "no claim": {},
    "other claim": {"roles": ["admin"]},
    "text": {"realm_access": {"roles": "admin"}},
    "object": {"realm_access": {"roles": {"admin": True}}},
    "flat": {"realm_access": ["admin"]},
    "of a client": {"resource_access": {EXCHANGE_CLIENT: {"roles": ["admin"]}}},
    "prefix": {"realm_access": {"roles": ["admin2", "administrator"]}},
    "case": {"realm_access": {"roles": ["Admin", "ADMIN"]}},
    "space": {"realm_access": {"roles": [" admin", "admin "]}},
    "not all texts": {"realm_access": {"roles": ["admin", 1]}},
    "group": {"groups": ["/admin"]},
    "scope": {"scope": "admin manager"},
}
BODY = {"name": "New", "url": "http://127.0.0.1:1/openapi.json"}


def token_with(identity: EmbeddedIdentityProvider, **claims: Any) -> Headers:
    now = int(time.time())
    base = {"iss": identity.issuer, "sub": "someone", "aud": EXCHANGE_CLIENT, "typ": "Bearer", "iat": now}
    return bearer(identity.state.keys.sign({**base, "exp": now + 300, "scope": "", **claims}))


@pytest.mark.parametrize("claims", FAKE_ROLES.values(), ids=FAKE_ROLES)
def test_g01_what_only_looks_like_a_role_opens_nothing(
    provider: RunningProvider, identity_provider: EmbeddedIdentityProvider, claims: dict[str, Any]
) -> None:
    answer = provider.http.post("/api/v1/sources", json=BODY, headers=token_with(identity_provider, **claims))
    assert (answer.status_code, answer.json()["code"]) == (403, "role_required")
    assert "admin" in answer.json()["detail"]


def test_g01_nothing_is_fetched_for_whoever_has_no_role(provider: RunningProvider, agent: Headers) -> None:
    with raw_upstream() as canary:
        body = {"name": "New", "url": canary.url}
        assert provider.http.post("/api/v1/sources", json=body, headers=agent).status_code == 403
        assert provider.http.patch("/api/v1/sources/probe", json=body, headers=agent).status_code == 403
        assert canary.server.connections == 0


@pytest.mark.parametrize(("method", "path"), ADMIN_CALLS)
def test_every_admin_call_takes_a_role(
    provider: RunningProvider, probe: Probe, agent: Headers, method: str, path: str
) -> None:
    body = BODY if method in {"POST", "PATCH"} else None
    assert provider.http.request(method, path, json=body).status_code == 401
    answer = provider.http.request(method, path, json=body, headers=agent)
    assert (answer.status_code, answer.json()["code"]) == (403, "role_required")


@pytest.mark.parametrize("username", ["admin", "manager"])
def test_both_admin_roles_pass(
    provider: RunningProvider, identity_provider: EmbeddedIdentityProvider, username: str
) -> None:
    headers = bearer(identity_provider.access_token(username))
    assert provider.http.get("/api/v1/sources", headers=headers).status_code == 200


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'"text"',
        b"{}",
        b'{"name": "x"}',
        b'{"name": 1, "url": 2}',
        b'{"name":"a","name":"b","url":"http://x.example/o.json"}',
        b'{"name":"x","url":"http://x.example/o.json","labels":[NaN]}',
        b'{"name":"x","url":"http://x.example/o.json","version":9}',
        b'{"name":"x","url":"http://x.example/o.json","id":"chosen"}',
        b'{"name":"\\ud800","url":"http://x.example/o.json"}',
        b"[" * 50_000 + b"]" * 50_000,
        b'{"n":' * 50_000 + b"1" + b"}" * 50_000,
        b'{"name":"x","url":"http://x.example/o.json","required_scopes":[' + b"9" * 5_000 + b"]}",
        b"\xff\xfe{\x00}\x00",
    ],
)
def test_g04_a_body_that_does_not_fit_is_the_senders_fault(
    provider: RunningProvider, admin: Headers, body: bytes
) -> None:
    headers = {**admin, "Content-Type": "application/json"}
    answer = provider.http.post("/api/v1/sources", content=body, headers=headers)
    assert answer.status_code == 422, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["code"] in {"invalid_json", "invalid_request"}


NOT_THEIRS = ["id", "version", "status", "base_urls", "created_at", "updated_at", "refreshed_at", "operations", "ready"]
NOT_THEIRS += ["stated_base_url", "stated_auth_type", "upstream_auth_type", "owner", "__class__"]


@pytest.mark.parametrize("name", NOT_THEIRS)
def test_g02_what_is_not_an_admins_to_state_is_refused(
    provider: RunningProvider, probe: Probe, admin: Headers, name: str
) -> None:
    before = provider.http.get("/api/v1/sources/probe", headers=admin).json()
    created = provider.http.post("/api/v1/sources", json={**BODY, name: "x"}, headers=admin)
    changed = provider.http.patch("/api/v1/sources/probe", json={"name": "Changed", name: "x"}, headers=admin)
    for answer in (created, changed):
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
        assert f"/{name}" in {violation["pointer"] for violation in answer.json()["violations"]}
    for fixed in ("slug", "source_type"):
        answer = provider.http.patch("/api/v1/sources/probe", json={fixed: "other"}, headers=admin)
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
    assert provider.http.get("/api/v1/sources/probe", headers=admin).json() == before


def test_g06_of_twenty_changes_at_once_each_is_whole_and_one_wins(
    provider: RunningProvider, probe: Probe, admin: Headers
) -> None:
    path = "/api/v1/sources/probe"
    before = provider.http.get(path, headers=admin)

    def change(number: int, headers: Headers) -> int:
        body = {"name": f"Name {number}", "description": f"Description {number}", "labels": [f"label-{number}"]}
        return provider.http.patch(path, json=body, headers={**admin, **headers}).status_code

    with ThreadPoolExecutor(20) as pool:
        assert set(pool.map(lambda number: change(number, {}), range(20))) <= {200, 409}
        torn = provider.http.get(path, headers=admin)
        tag = torn.headers["etag"]
        statuses = list(pool.map(lambda number: change(number, {"If-Match": tag}), range(20, 40)))
    source = torn.json()
    number = source["name"].removeprefix("Name ")
    assert (source["description"], source["labels"]) == (f"Description {number}", [f"label-{number}"])
    assert source["version"] > before.json()["version"]
    assert sorted(set(statuses)) == [200, 412]
    assert statuses.count(200) == 1


@pytest.mark.parametrize("tag", ['"' + "9" * 5_000 + '"', '"' + "9" * 18 + '"', '"\u0661"', '"1e1"', '""', '"'])
def test_a_version_that_never_was_is_out_of_date(
    provider: RunningProvider, probe: Probe, admin: Headers, tag: str
) -> None:
    headers = [(b"Authorization", admin["Authorization"].encode()), (b"If-Match", tag.encode())]
    answer = provider.http.patch("/api/v1/sources/probe", json={"name": "X"}, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (412, "source_changed")


def test_every_violation_is_listed_with_its_pointer(provider: RunningProvider, admin: Headers) -> None:
    body = {"name": "", "url": 7, "allowed_roles": ["a", 2], "secret": "hunter2-value"}
    answer = provider.http.post("/api/v1/sources", json=body, headers=admin)
    assert answer.status_code == 422
    found = {violation["pointer"]: violation["detail"] for violation in answer.json()["violations"]}
    assert found.keys() == {"/name", "/url", "/allowed_roles/1", "/secret"}
    assert found["/secret"] == "is an unknown field"
    assert "hunter2-value" not in answer.text


def test_a_body_over_the_limit_is_refused(provider: RunningProvider, admin: Headers) -> None:
    answer = provider.http.post("/api/v1/sources", json={"name": "x" * 1_100_000}, headers=admin)
    assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")


def test_a_body_without_a_length_is_limited_too(provider: RunningProvider, admin: Headers) -> None:
    chunks = (b"x" * 65_536 for _ in range(20))
    answer = provider.http.post(
        "/api/v1/sources", content=chunks, headers={**admin, "content-type": "application/json"}
    )
    assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")


@pytest.mark.parametrize(
    "path",
    ["/redoc", "/debug", "/admin", "/.env", "/api/v1/tools/../../admin", "/actuator/env", "/server-status"],
)
def test_g07_there_is_no_page_for_debugging(provider: RunningProvider, admin: Headers, path: str) -> None:
    answer = provider.http.get(path, headers=admin)
    assert answer.status_code == 404
    assert answer.json()["code"] in {"route_not_found", "tool_not_found"}
