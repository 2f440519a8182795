"""A search through very many tools costs whoever searches, and nobody else."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import httpx
import pytest

from app.main import create_app
from tests.support.installation import EmbeddedIdentityProvider, Headers, settings_for
from tests.support.servers import address_of, listener, running
from tests.tools.builders import a_source, an_operation

MANY = 6_000


def test_others_are_answered_while_somebody_searches(
    identity_provider: EmbeddedIdentityProvider, tmp_path_factory: pytest.TempPathFactory, agent: Headers
) -> None:
    opened = listener()
    app = create_app(settings_for(identity_provider, address_of(opened), tmp_path_factory.mktemp("provider")))
    long = replace(an_operation(), description="Λορεμ ιψουμ δολορ " * 111)  # letters that cost more than ASCII
    with (
        running(app, opened) as address,
        httpx.Client(base_url=address, trust_env=False, timeout=30) as http,
        ThreadPoolExecutor() as threads,
    ):
        app.state.composition.catalog.put(
            a_source(upstream_auth_type="none"), [replace(long, name=f"tool_{number}") for number in range(MANY)]
        )
        assert http.get("/api/v1/tools?limit=1", headers=agent).status_code == 200  # the token's key is there now
        searching = threads.submit(
            httpx.get, f"{address}/api/v1/tools?q=Λορεμ+nothing", headers=agent, trust_env=False, timeout=30
        )
        answered = 0
        while not searching.done():
            assert http.get("/health").status_code == 200
            answered += 1
        assert searching.result().json() == {"items": [], "next_cursor": None}
    assert answered >= 3
