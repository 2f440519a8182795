from collections.abc import Iterator

import pytest

from tests.api.probe import Probe
from tests.installation import Headers, RunningProvider, Token, bearer
from tests.servers import running


@pytest.fixture(scope="session")
def probe_address() -> Iterator[tuple[Probe, str]]:
    probe = Probe()
    with running(probe.app) as address:
        yield probe, address


@pytest.fixture(scope="module")
def probe(provider: RunningProvider, admin: Headers, probe_address: tuple[Probe, str]) -> Probe:
    """The probe, registered as `probe`, as `scoped` (needs `orders:write`) and as `managers` (needs both)."""
    probe, address = probe_address
    for slug, access in {
        "probe": {},
        "scoped": {"required_scopes": ["orders:write"]},
        "managers": {"allowed_roles": ["manager"], "required_scopes": ["orders:write"]},
    }.items():
        provider.register(admin, f"{address}/openapi.json", slug=slug, **access)
    return probe


@pytest.fixture(scope="module")
def agent(token: Token) -> Headers:
    return bearer(token("johndoe"))
