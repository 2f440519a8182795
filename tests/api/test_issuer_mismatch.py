"""An identity provider that is reached by one name and known to users by another, and names what it was called by."""

import httpx
import pytest

from tests.api import protocol
from tests.api.conftest import Start
from tests.api.probe import Probe
from tests.support.installation import (
    AGENT_CLIENT,
    PASSWORD,
    EmbeddedIdentityProvider,
    Headers,
    RunningProvider,
    bearer,
)

CODE = "issuer_mismatch_at_provider"
DOORS = ["rest", "mcp"]


@pytest.fixture
def outer(identity_provider: EmbeddedIdentityProvider) -> str:
    """The issuer as users know it; the identity provider says the name that it was called by."""
    return identity_provider.issuer.replace("127.0.0.1", "localhost")


def signed_in(issuer: str, username: str) -> Headers:
    form = {"grant_type": "password", "client_id": AGENT_CLIENT, "username": username, "password": PASSWORD}
    answer = httpx.post(f"{issuer}/protocol/openid-connect/token", data=form, trust_env=False)
    return bearer(answer.raise_for_status().json()["access_token"])


@pytest.fixture
def provider(start: Start, outer: str, probe_address: tuple[Probe, str]) -> RunningProvider:
    provider = start(oidc_issuer=outer)
    provider.register(
        signed_in(outer, "admin"), f"{probe_address[1]}/openapi.json", slug="probe", default_audience="pizzeria-backend"
    )
    return provider


def told(provider: RunningProvider, headers: Headers, door: str) -> tuple[int, str, str]:
    """Status, code and words of a refused call."""
    if door == "rest":
        answer = provider.execute(headers, "probe/echo")
        return answer.status_code, answer.json()["code"], answer.json()["detail"]
    answer = protocol.post(provider, headers, "tools/call", name="probe__echo", arguments={})
    if answer.status_code != 200:
        refusal = protocol.told(answer)
        return answer.status_code, refusal["code"], refusal["detail"]
    result = answer.json()["result"]
    return 502, result["_meta"]["code"], result["content"][0]["text"]


@pytest.mark.parametrize("door", DOORS)
def test_a_good_token_that_the_exchange_takes_for_invalid_is_not_called_revoked(
    provider: RunningProvider, outer: str, door: str
) -> None:
    agent = signed_in(outer, "johndoe")
    for _ in range(2):  # it is not remembered as revoked either
        status, code, words = told(provider, agent, door)
        assert (status, code) == (502, CODE)
        assert "KC_HOSTNAME" in words
        assert "OIDC_ISSUER" in words
        assert "127.0.0.1" not in words
    assert provider.http.get("/api/v1/tools", headers=agent).status_code == 200


@pytest.mark.parametrize("door", DOORS)
def test_a_token_of_the_name_that_we_call_is_not_sent_to_sign_in_again(
    provider: RunningProvider, identity_provider: EmbeddedIdentityProvider, outer: str, door: str
) -> None:
    status, code, words = told(provider, bearer(identity_provider.access_token("johndoe")), door)
    assert (status, code) == (502, CODE)
    assert "OIDC_ISSUER" in words
    records = provider.audit(signed_in(outer, "admin"), outcome=CODE)
    assert [record["action"] for record in records] == ["authenticate"]


def test_nothing_differs_where_both_agree(
    start: Start, agent: Headers, probe_address: tuple[Probe, str], admin: Headers
) -> None:
    agreeing = start()
    source = {"slug": "probe", "default_audience": "pizzeria-backend"}
    agreeing.register(admin, f"{probe_address[1]}/openapi.json", **source)
    assert agreeing.execute(agent, "probe/echo").status_code == 200
