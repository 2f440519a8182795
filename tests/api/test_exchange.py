"""What a call does with tokens, seen from both doors, before an identity provider that answers as a test tells it."""

import json
import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

import jwt
import pytest

from tests.api.conftest import Start
from tests.api.probe import Probe
from tests.api.protocol import ERAS, post, sent_raw
from tests.support.installation import Headers, RunningProvider, bearer
from tests.support.issuer import EXCHANGE_CLIENT, REALM, SECRET, Answer, Issuer
from tests.support.servers import running

AUDIENCE = "probe-api"
DOORS = ["rest", *ERAS]
TIMEOUT = 1.0
THRESHOLD = 3
Call = Callable[..., tuple[int, dict[str, Any]]]


class World:
    """A provider, its identity provider and the upstreams `probe` and `other`, each with an audience of its own."""

    def __init__(self, issuer: Issuer, provider: RunningProvider, probe: Probe) -> None:
        self.issuer = issuer
        self.provider = provider
        self.probe = probe
        issuer.forms.clear()
        issuer.arrived.clear()
        issuer.exchange = self.exchanged

    def exchanged(self, form: dict[str, str]) -> Answer:
        return Answer(body=self.issuer.issue(form, sub=claims_of(form["subject_token"])["sub"]))

    def agent(self, **claims: Any) -> Headers:
        """A token that nobody had before."""
        return bearer(self.issuer.token(**{"jti": str(uuid4()), "realm_access": {"roles": []}, **claims}))

    def change(self, slug: str, **changes: Any) -> None:
        admin = bearer(self.issuer.token())
        self.provider.http.patch(f"/api/v1/sources/{slug}", json=changes, headers=admin).raise_for_status()

    def call(self, headers: Headers, door: str = "rest", source: str = "probe") -> tuple[int | None, str | None]:
        """The status of the upstream's answer, or the code of our refusal."""
        if door == "rest":
            body = self.provider.execute(headers, f"{source}/echo").json()
            return body.get("upstream_status"), body.get("code")
        result = post(self.provider, headers, "tools/call", door, name=f"{source}__echo", arguments={}).json()["result"]
        return result["_meta"].get("upstream_status"), result["_meta"].get("code")

    @property
    def bearers(self) -> list[str]:
        """The tokens that the last request to an upstream carried."""
        return list(self.probe.seen[-1]["bearers"])


@pytest.fixture(scope="module")
def issuer() -> Iterator[Issuer]:
    issuer = Issuer()
    with running(issuer) as address:
        issuer.issuer = f"{address}{REALM}"
        yield issuer
        issuer.gate.set()


@pytest.fixture(scope="module")
def overrides(issuer: Issuer) -> dict[str, Any]:
    return settings_before(issuer)


def settings_before(issuer: Issuer, **more: Any) -> dict[str, Any]:
    return {
        "keycloak_url": issuer.issuer.removesuffix(REALM),
        "keycloak_realm": REALM.rpartition("/")[2],
        "token_exchange_client_id": EXCHANGE_CLIENT,
        "token_exchange_client_secret": SECRET,
        "token_exchange_timeout": TIMEOUT,
        "circuit_breaker_failure_threshold": 1_000,
        **more,
    }


def register_upstreams(provider: RunningProvider, issuer: Issuer, upstream: str) -> None:
    for slug, audience in {"probe": AUDIENCE, "other": "other-api"}.items():
        provider.register(bearer(issuer.token()), f"{upstream}/openapi.json", slug=slug, default_audience=audience)


@pytest.fixture(scope="module")
def registered(provider: RunningProvider, issuer: Issuer, probe_address: tuple[Probe, str]) -> RunningProvider:
    register_upstreams(provider, issuer, probe_address[1])
    return provider


@pytest.fixture
def world(registered: RunningProvider, issuer: Issuer, probe_address: tuple[Probe, str]) -> World:
    return World(issuer, registered, probe_address[0])


@pytest.fixture
def made_with(start: Start, issuer: Issuer, probe_address: tuple[Probe, str]) -> Callable[..., World]:
    """Make a world with other settings."""

    def made(**settings: Any) -> World:
        provider = start(**settings_before(issuer, **settings))
        register_upstreams(provider, issuer, probe_address[1])
        return World(issuer, provider, probe_address[0])

    return made


@pytest.fixture
def brittle(made_with: Callable[..., World]) -> Callable[[float], World]:
    """Make a world whose breaker opens after three failures, for so many seconds."""

    def made(recovery: float) -> World:
        return made_with(
            circuit_breaker_failure_threshold=THRESHOLD,
            circuit_breaker_recovery_timeout=recovery,
            token_exchange_timeout=10.0,
        )

    return made


def claims_of(token: str) -> dict[str, Any]:
    return dict(jwt.decode(token, options={"verify_signature": False}))


@pytest.mark.parametrize("door", DOORS)
def test_x01_the_upstream_gets_one_token_made_for_it_and_never_the_agents(world: World, door: str) -> None:
    agent = world.agent()
    assert world.call(agent, door) == (200, None)
    (sent,) = world.bearers
    assert claims_of(sent)["aud"] == AUDIENCE
    assert claims_of(sent)["sub"] == claims_of(agent["Authorization"].removeprefix("Bearer "))["sub"]
    assert sent not in agent["Authorization"]


def test_x02_x03_x04_nobody_gets_what_was_exchanged_for_another_user_token_audience_or_scope(world: World) -> None:
    first, again, neighbour = world.agent(sub="a", jti="1"), world.agent(sub="a", jti="2"), world.agent(sub="b")
    tokens = []
    for headers, source in [(first, "probe"), (again, "probe"), (neighbour, "probe"), (first, "other")]:
        assert world.call(headers, source=source) == (200, None)
        tokens += world.bearers
    assert [claims_of(token)["sub"] for token in tokens] == ["a", "a", "b", "a"]
    assert [claims_of(token)["aud"] for token in tokens] == [AUDIENCE, AUDIENCE, AUDIENCE, "other-api"]
    assert len(world.issuer.forms) == 4
    world.change("probe", scopes=["orders"])
    try:
        assert world.call(first) == (200, None)
    finally:
        world.change("probe", scopes=[])
    assert [form.get("scope") for form in world.issuer.forms] == [None, None, None, None, "orders"]


def test_x05_thirty_first_calls_share_one_exchange_though_one_caller_leaves(world: World) -> None:
    agent = world.agent()
    world.issuer.gate.clear()
    leaving = sent_raw(world.provider, "/api/v1/tools/execute", agent, json.dumps({"tool_id": "probe/echo"}).encode())
    with ThreadPoolExecutor(30) as pool:
        with leaving:
            assert world.issuer.arrived.wait(10)
            calls = [pool.submit(world.call, agent, DOORS[number % 3]) for number in range(30)]
        world.issuer.gate.set()
        assert {call.result(20) for call in calls} == {(200, None)}
    assert len(world.issuer.forms) == 1


def test_x06_a_failure_is_not_kept(world: World) -> None:
    agent = world.agent()
    world.issuer.exchange = lambda _: Answer(500)
    assert world.call(agent) == (None, "idp_broken")
    world.issuer.exchange = world.exchanged
    assert world.call(agent) == (200, None)


LIES: dict[str, Callable[[Issuer, dict[str, str]], dict[str, Any]]] = {
    "another audience": lambda issuer, form: issuer.issue(form, aud="other-api"),
    "another user": lambda issuer, form: issuer.issue(form, sub="somebody-else"),
    "no user": lambda issuer, form: issuer.issue(form, sub=None),
    "another issuer": lambda issuer, form: issuer.issue(form, iss="https://elsewhere.example"),
    "an ID token": lambda issuer, form: issuer.issue(form, typ="ID"),
    "an expired token": lambda issuer, form: issuer.issue(form, exp=int(time.time()) - 60),
    "no bearer": lambda issuer, form: {**issuer.issue(form), "token_type": "N_A"},
    "the agent's own token": lambda issuer, form: {**issuer.issue(form), "access_token": form["subject_token"]},
    "an opaque token": lambda issuer, form: {**issuer.issue(form), "access_token": "opaque"},
    "no token": lambda issuer, form: {**issuer.issue(form), "access_token": None},
}


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("lie", LIES.values(), ids=LIES)
def test_x07_a_token_that_is_not_what_was_asked_for_goes_nowhere(
    world: World, lie: Callable[[Issuer, dict[str, str]], dict[str, Any]], door: str
) -> None:
    world.issuer.exchange = lambda form: Answer(body=lie(world.issuer, form))
    seen = len(world.probe.seen)
    assert world.call(world.agent(), door) == (None, "exchange_result_invalid")
    assert len(world.probe.seen) == seen


BROKEN: dict[str, tuple[Answer, str]] = {
    "a page": (Answer(body=b"<html>Sign in</html>", headers={"content-type": "text/html"}), "idp_broken"),
    "half a JSON": (Answer(body=b'{"access_token": "'), "idp_broken"),
    "a list": (Answer(body=[1]), "idp_broken"),
    "nothing": (Answer(body=b""), "idp_broken"),
    "an answer that breaks off": (Answer(body=b"{}", cut=True), "idp_unreachable"),
    "no answer": (Answer(silent=True), "idp_unreachable"),
    "64 MiB": (Answer(body=b" " * 64 * 1024 * 1024), "idp_broken"),
    "502": (Answer(502, b"Bad gateway"), "idp_broken"),
    "429": (Answer(429, b""), "idp_overloaded"),
}


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize(("answer", "code"), BROKEN.values(), ids=BROKEN)
def test_x08_an_identity_provider_that_breaks_is_told_within_its_time(
    world: World, answer: Answer, code: str, door: str
) -> None:
    world.issuer.exchange = lambda _: answer
    started_at = time.monotonic()
    assert world.call(world.agent(), door) == (None, code)
    assert time.monotonic() - started_at < TIMEOUT + 2


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_x08_the_clients_secret_follows_no_redirect(world: World, status: int) -> None:
    canary = Issuer()
    with running(canary) as elsewhere:
        there = f"{elsewhere}{REALM}/protocol/openid-connect/token"
        world.issuer.exchange = lambda _: Answer(status, headers={"location": there})
        assert world.call(world.agent()) == (None, "idp_broken")
    assert canary.forms == []


@pytest.mark.parametrize(("exchanged_life", "own_life"), [(55, 300), (300, -5)])
def test_x09_what_would_end_at_once_is_used_once(world: World, exchanged_life: int, own_life: int) -> None:
    def answer(form: dict[str, str]) -> Answer:
        members = world.issuer.issue(form, exp=int(time.time()) + exchanged_life)
        return Answer(body={**members, "expires_in": exchanged_life})

    world.issuer.exchange = answer
    agent = world.agent(exp=int(time.time()) + own_life)
    assert [world.call(agent), world.call(agent)] == [(200, None)] * 2
    assert len(world.issuer.forms) == 2


def test_x09_nothing_is_kept_where_the_operator_says_so(made_with: Callable[..., World]) -> None:
    world = made_with(token_exchange_cache_max_age=0)
    agent = world.agent()
    assert [world.call(agent), world.call(agent)] == [(200, None)] * 2
    assert len(world.issuer.forms) == 2


def test_x12_a_revoked_token_is_served_no_longer_than_the_cache_keeps_what_it_was_exchanged_for(
    made_with: Callable[..., World],
) -> None:
    world = made_with(token_exchange_cache_max_age=1)
    agent = world.agent()
    assert world.call(agent) == (200, None)
    world.issuer.exchange = lambda _: Answer(400, {"error": "invalid_grant"})
    revoked = time.monotonic()
    while (answer := world.call(agent)) == (200, None):
        assert time.monotonic() < revoked + 10
    assert answer == (None, "token_revoked")
    assert len(world.issuer.forms) == 2


@pytest.mark.parametrize("life", ["absent", None, -5, 0, "300", True])
def test_x10_a_token_of_unknown_life_is_used_once(world: World, life: object) -> None:
    def answer(form: dict[str, str]) -> Answer:
        members = world.issuer.issue(form)
        del members["expires_in"]
        return Answer(body=members if life == "absent" else {**members, "expires_in": life})

    world.issuer.exchange = answer
    agent = world.agent()
    assert [world.call(agent), world.call(agent)] == [(200, None)] * 2
    assert len(world.issuer.forms) == 2


REFUSED: list[tuple[int, dict[str, str], str]] = [
    (400, {"error": "invalid_grant"}, "token_revoked"),
    (400, {"error": "invalid_request", "error_description": "Invalid token"}, "token_revoked"),
    (
        400,
        {"error": "invalid_request", "error_description": "Requested audience not available: probe-api"},
        "exchange_audience_not_available",
    ),
    (403, {"error": "access_denied"}, "exchange_policy_refused"),
    (401, {"error": "unauthorized_client"}, "exchange_client_rejected"),
    (404, {"error": "Realm does not exist"}, "realm_disabled"),
    (403, {}, "idp_foreign_answer"),
]


def test_x11_b08_refusals_of_one_caller_lock_nobody_out(brittle: Callable[[float], World]) -> None:
    world = brittle(60)
    for status, body, code in REFUSED:
        world.issuer.exchange = partial(_refused, Answer(status, body))
        for number in range(THRESHOLD * 3 + 1):
            assert world.call(world.agent(sub="refused"), DOORS[number % 3]) == (None, code)
        world.issuer.exchange = world.exchanged
        assert world.call(world.agent()) == (200, None)


def _refused(answer: Answer, _form: dict[str, str]) -> Answer:
    return answer


def test_x11_a_token_that_was_refused_there_is_401_here_on_the_next_request(world: World) -> None:
    world.issuer.exchange = lambda _: Answer(400, {"error": "invalid_grant"})
    agent = world.agent()
    first = world.provider.execute(agent, "probe/echo")
    assert (first.status_code, first.json()["code"]) == (401, "token_revoked")
    assert world.provider.http.get("/api/v1/tools", headers=agent).status_code == 401
    assert post(world.provider, agent, "tools/list").status_code == 401


@pytest.mark.parametrize("door", DOORS)
def test_x13_another_audience_is_effective_on_the_next_call(world: World, door: str) -> None:
    agent = world.agent()
    assert world.call(agent, door) == (200, None)
    world.change("probe", default_audience="new")
    try:
        assert world.call(agent, door) == (200, None)
    finally:
        world.change("probe", default_audience=AUDIENCE)
    assert [form["audience"] for form in world.issuer.forms] == [AUDIENCE, "new"]
    assert claims_of(world.bearers[0])["aud"] == "new"


def test_x14_what_was_registered_before_pass_through_was_denied_gets_no_token(
    start: Start, probe_address: tuple[Probe, str], admin: Headers, agent: Headers
) -> None:
    probe, upstream = probe_address
    start().register(admin, f"{upstream}/openapi.json", slug="passing")
    denying = start(token_passthrough="deny")
    seen = len(probe.seen)
    called = denying.execute(agent, "passing/echo")
    assert (called.status_code, called.json()["code"]) == (403, "passthrough_denied")
    result = post(denying, agent, "tools/call", name="passing__echo", arguments={}).json()["result"]
    assert (result["isError"], result["_meta"]["code"]) == (True, "passthrough_denied")
    body = {"name": "Another", "url": f"{upstream}/openapi.json"}
    refused = denying.http.post("/api/v1/sources", json=body, headers=admin)
    assert (refused.status_code, refused.json()["code"]) == (422, "passthrough_denied")
    assert len(probe.seen) == seen


def test_what_the_operators_list_of_audiences_does_not_cover_gets_no_token_though_it_was_registered_before(
    start: Start, probe_address: tuple[Probe, str], admin: Headers, agent: Headers
) -> None:
    probe, upstream = probe_address
    start().register(admin, f"{upstream}/openapi.json", slug="earlier", default_audience="pizzeria-backend")
    listing_another = start(audience_origins=("pizzeria-backend=https://pizzeria.example",))
    seen = len(probe.seen)
    assert listing_another.execute(agent, "earlier/echo").status_code == 404
    assert "earlier__echo" not in post(listing_another, agent, "tools/list").text
    renamed = listing_another.http.patch("/api/v1/sources/earlier", json={"name": "Renamed"}, headers=admin)
    assert renamed.status_code == 200
    assert listing_another.execute(agent, "earlier/echo").status_code == 404
    assert len(probe.seen) == seen
    listing_it = start(audience_origins=(f"pizzeria-backend={upstream}",))
    assert listing_it.execute(agent, "earlier/echo").json()["upstream_status"] == 200


def test_x15_the_request_is_that_of_rfc_8693_with_the_secret_in_its_body_alone(world: World) -> None:
    agent = world.agent()
    assert world.call(agent) == (200, None)
    assert world.issuer.forms == [
        {
            "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
            "client_id": EXCHANGE_CLIENT,
            "client_secret": SECRET,
            "subject_token": agent["Authorization"].removeprefix("Bearer "),
            "subject_token_type": "urn:ietf:params:oauth:token-type:access_token",
            "requested_token_type": "urn:ietf:params:oauth:token-type:access_token",
            "audience": AUDIENCE,
        }
    ]


def test_a_secret_in_a_file_is_the_one_that_is_there_now(made_with: Callable[..., World], tmp_path: Path) -> None:
    file, first, second = (tmp_path / name for name in ("secret", "first", "second"))
    first.write_text("one\n")
    second.write_text("two\r\n")
    file.symlink_to(first)
    world = made_with(token_exchange_client_secret="three", token_exchange_client_secret_file=file)

    def sent() -> str:
        assert world.call(world.agent()) == (200, None)
        return world.issuer.forms[-1]["client_secret"]

    assert sent() == "one"
    link = tmp_path / "link"
    link.symlink_to(second)
    link.replace(file)
    assert sent() == "two"
    second.write_text("four")
    assert sent() == "four"
    for content in (b"", b"\n", b" ", b"\xff", b"a line\nand another", b"nul\0"):
        second.write_bytes(content)
        assert sent() == "four"
    second.write_bytes(b"\xef\xbb\xbfwith the mark of an editor\r\n")
    assert sent() == "with the mark of an editor"
    second.write_text("four")
    assert sent() == "four"
    second.unlink()
    os.mkfifo(second)
    assert sent() == "four"
    second.unlink()
    assert sent() == "four"
    second.write_text("five")
    assert sent() == "five"


BETWEEN: dict[str, Answer] = {
    "a password for the staging": Answer(
        401, b"<h1>Authorization Required</h1>", {"www-authenticate": 'Basic realm="x"', "content-type": "text/html"}
    ),
    "a firewall": Answer(403, b"<h1>Forbidden</h1>", {"content-type": "text/html"}),
    "too long for a proxy": Answer(413, b"<h1>Request Entity Too Large</h1>", {"content-type": "text/html"}),
    "a gateway": Answer(403, {"message": "Missing Authentication Token"}),
    "another path": Answer(404, b"no route"),
}


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("answer", BETWEEN.values(), ids=BETWEEN)
def test_what_answers_in_keycloaks_place_is_told_as_such(world: World, answer: Answer, door: str) -> None:
    world.issuer.exchange = lambda _: answer
    agent = world.agent()
    assert world.call(agent, door) == (None, "idp_foreign_answer")
    world.issuer.exchange = world.exchanged
    assert world.call(agent, door) == (200, None)


def test_what_answers_in_keycloaks_place_is_503_with_a_hint_and_opens_no_breaker(
    brittle: Callable[[float], World],
) -> None:
    world = brittle(60)
    world.issuer.exchange = lambda _: BETWEEN["a firewall"]
    for _ in range(THRESHOLD + 1):
        told = world.provider.execute(world.agent(), "probe/echo")
        assert (told.status_code, told.json()["code"]) == (503, "idp_foreign_answer")
    assert told.headers["retry-after"] == "1"
    assert "KEYCLOAK_URL" in told.json()["detail"]


@pytest.mark.parametrize("door", DOORS)
def test_b07_b09_b10_callers_with_a_cached_token_are_served_while_the_others_are_told_to_wait(
    brittle: Callable[[float], World], door: str
) -> None:
    world = brittle(60)
    cached = world.agent(sub="cached")
    assert world.call(cached, door) == (200, None)
    world.issuer.exchange = lambda _: Answer(503)
    for number in range(THRESHOLD):
        source = ("probe", "other")[number % 2]
        assert world.call(world.agent(sub=f"user-{number}"), door, source) == (None, "idp_broken")
    asked = len(world.issuer.forms)
    refused = world.provider.execute(world.agent(), "other/echo")
    assert (refused.status_code, refused.json()["code"]) == (503, "circuit_open")
    assert 1 <= int(refused.headers["retry-after"]) <= 60
    assert refused.elapsed.total_seconds() < 0.3
    assert world.call(world.agent(), door) == (None, "circuit_open")
    assert len(world.issuer.forms) == asked
    assert world.call(cached, door) == (200, None)


def test_b03_one_of_twenty_calls_is_the_probe_and_its_success_lets_all_in(brittle: Callable[[float], World]) -> None:
    world = brittle(0.001)
    world.issuer.exchange = lambda _: Answer(503)
    for number in range(THRESHOLD):
        assert world.call(world.agent(jti=f"{number}")) == (None, "idp_broken")
    world.issuer.exchange = world.exchanged
    world.issuer.gate.clear()
    asked = len(world.issuer.forms)
    with ThreadPoolExecutor(20) as pool:
        calls = [pool.submit(world.call, world.agent(jti=f"half-open {number}")) for number in range(20)]
        refused = [call.result() for _, call in zip(range(19), as_completed(calls, 20), strict=False)]
        assert refused == [(None, "circuit_open")] * 19
        world.issuer.gate.set()
        assert {call.result(20) for call in calls} == {(200, None), (None, "circuit_open")}
    assert len(world.issuer.forms) == asked + 1
    assert world.call(world.agent()) == (200, None)
