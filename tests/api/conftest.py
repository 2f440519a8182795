from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.main import create_app
from tests.api.probe import Probe
from tests.support.installation import (
    EmbeddedIdentityProvider,
    Headers,
    RunningProvider,
    Token,
    bearer,
    settings_for,
)
from tests.support.servers import address_of, listener, running

Start = Callable[..., RunningProvider]


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


@pytest.fixture(scope="session")
def agent(token: Token) -> Headers:
    return bearer(token("johndoe"))


@pytest.fixture
def start(identity_provider: EmbeddedIdentityProvider, tmp_path: Path) -> Iterator[Start]:
    """Start providers whose settings differ; all of a test keep their things in the same folder."""
    with ExitStack() as open_now:

        def started(**overrides: Any) -> RunningProvider:
            opened = listener()
            settings = settings_for(identity_provider, address_of(opened), tmp_path, **overrides)
            address = open_now.enter_context(running(create_app(settings), opened))
            http = open_now.enter_context(httpx.Client(base_url=address, trust_env=False, timeout=30))
            return RunningProvider(address, settings, http)

        yield started
