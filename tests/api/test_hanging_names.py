"""A source whose name hangs, seen from the callers of another source."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.api.conftest import Start
from tests.support.installation import Headers, RunningProvider, Token, bearer
from tests.support.name_server import NameServer, name_server
from tests.support.raw import Raw, raw_upstream
from tests.support.scripted import ok

DOCUMENT = {
    "openapi": "3.1.0",
    "info": {"title": "Named", "version": "1"},
    "paths": {"/thing": {"get": {"operationId": "get", "responses": {"200": {"description": "ok"}}}}},
}


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Iterator[NameServer]:
    known = dict.fromkeys(("well.test", "hangs.test"), "127.0.0.1")
    with name_server(monkeypatch, known) as server:
        yield server


@pytest.fixture
def raw() -> Iterator[Raw]:
    with raw_upstream() as raw:
        raw.describe(DOCUMENT)
        raw.answer = ok(b"{}")
        yield raw


@pytest.fixture
def provider(start: Start, names: NameServer, admin: Headers, raw: Raw) -> RunningProvider:
    """It has `well`, and `hangs`, whose name has hung since it was registered."""
    provider = start(circuit_breaker_failure_threshold=3)
    for name in ("well", "hangs"):
        address = raw.address.replace("127.0.0.1", f"{name}.test")
        provider.register(admin, raw.url, slug=name, base_url=address, default_audience="pizzeria-backend")
    del names.known["hangs.test"]
    names.asked.clear()
    return provider


def test_a_name_that_hangs_costs_the_callers_of_other_sources_nothing(
    provider: RunningProvider, names: NameServer, token: Token
) -> None:
    users = ("johndoe", "chef", "manager")
    with ThreadPoolExecutor(12) as pool:
        hanging = [pool.submit(provider.execute, bearer(token("johndoe")), "hangs/get") for _ in range(12)]
        names.wait_until_asked(1)
        for user in users:
            answer = provider.execute(bearer(token(user)), "well/get")
            assert answer.json().get("upstream_status") == 200, answer.text
            assert answer.elapsed.total_seconds() < 1.5
        refused = [each.result().json() for each in hanging]
    assert {each["code"] for each in refused} <= {"upstream_name", "upstream_circuit_open"}
    assert "upstream_name" in {each["code"] for each in refused}
    breakers = provider.http.get("/ready").json()["breakers"]
    assert (breakers["identity_provider"], breakers["upstream:well"]) == ("closed", "closed")
    assert provider.execute(bearer(token("chef")), "well/get").json()["upstream_status"] == 200
