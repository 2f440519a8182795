"""/health, /ready and /metrics."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from app.main import create_app
from tests.api.probe import Probe
from tests.support.installation import EmbeddedIdentityProvider, Headers, RunningProvider, settings_for
from tests.support.servers import address_of, listener, running


def test_a_running_provider_is_alive_and_ready(provider: RunningProvider, probe: Probe, agent: Headers) -> None:
    provider.execute(agent, "probe/echo")
    assert provider.http.get("/health").json() == {"status": "alive"}
    answer = provider.http.get("/ready")
    assert answer.status_code == 200
    state = answer.json()
    assert (state["status"], state["database"], state["identity_provider"]) == ("ready", "up", "keys_known")
    assert state["breakers"]["identity_provider"] == "closed"
    assert state["breakers"]["upstream:probe"] == "closed"
    assert "127.0.0.1" not in answer.text


def test_the_metrics_count_the_calls(provider: RunningProvider, probe: Probe, agent: Headers) -> None:
    def calls() -> float:
        lines = provider.http.get("/metrics").text.splitlines()
        name = 'tools_provider_tool_call_duration_seconds_count{outcome="ok",source="probe"}'
        return sum(float(line.split()[-1]) for line in lines if line.startswith(name))

    before = calls()
    provider.execute(agent, "probe/echo")
    assert calls() == before + 1


@pytest.fixture
def without_identity_provider(
    identity_provider: EmbeddedIdentityProvider, tmp_path: Path
) -> Iterator[tuple[RunningProvider, EmbeddedIdentityProvider]]:
    """A provider whose identity provider shows no keys until its faults are cleared."""
    identity_provider.switch_on(kind="status", endpoint="certs", status=503)
    opened = listener()
    settings = settings_for(identity_provider, address_of(opened), tmp_path)
    try:
        with (
            running(create_app(settings), opened) as address,
            httpx.Client(base_url=address, trust_env=False, timeout=30) as http,
        ):
            yield RunningProvider(address, settings, http), identity_provider
    finally:
        identity_provider.clear_faults()


def test_a_start_without_identity_provider_heals(
    without_identity_provider: tuple[RunningProvider, EmbeddedIdentityProvider], agent: Headers
) -> None:
    provider, identity_provider = without_identity_provider
    assert provider.http.get("/health").status_code == 200
    answer = provider.http.get("/ready")
    assert answer.status_code == 503
    assert answer.json()["identity_provider"] == "no_keys"
    front = provider.http.get("/")
    assert front.status_code == 200
    assert "This server is not ready: calls cannot be served now." in front.text
    refused = provider.http.get("/api/v1/tools", headers=agent)
    assert (refused.status_code, refused.json()["code"]) == (503, "idp_unreachable")
    assert int(refused.headers["retry-after"]) >= 1
    identity_provider.clear_faults()
    for _ in range(1_000):
        if provider.http.get("/ready").status_code == 200:
            break
    assert provider.http.get("/ready").status_code == 200
    assert provider.http.get("/api/v1/tools", headers=agent).status_code == 200
