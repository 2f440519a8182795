from collections.abc import Iterator

import pytest

from tests.api.probe import Probe
from tests.installation import Headers, RunningProvider
from tests.servers import running


@pytest.fixture(scope="session")
def probe_address() -> Iterator[tuple[Probe, str]]:
    probe = Probe()
    with running(probe.app) as address:
        yield probe, address


@pytest.fixture(scope="module")
def probe(provider: RunningProvider, admin: Headers, probe_address: tuple[Probe, str]) -> Probe:
    """The probe, registered as `probe` (passed through) and as `scoped` (needs the scope `orders:write`)."""
    probe, address = probe_address
    provider.register(admin, f"{address}/openapi.json", slug="probe")
    provider.register(admin, f"{address}/openapi.json", slug="scoped", required_scopes=["orders:write"])
    provider.register(admin, f"{address}/openapi.json", slug="managers", allowed_roles=["manager"])
    return probe
