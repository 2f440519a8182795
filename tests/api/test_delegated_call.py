"""The main job at both doors: an agent calls the pizzeria, which receives a token made for it and the same user."""

import httpx
import jwt
import pytest

from tests.api.protocol import ERAS, post, told
from tests.support.installation import AGENT_CLIENT, EmbeddedIdentityProvider, Headers, RunningProvider, Token, bearer


@pytest.fixture(scope="module", autouse=True)
def registered(provider: RunningProvider, pizzeria: str, admin: Headers) -> dict[str, object]:
    return provider.register(admin, f"{pizzeria}/openapi.json", name="Pizzeria", default_audience="pizzeria-backend")


def test_registration_says_what_became_tools(registered: dict[str, object]) -> None:
    assert registered["slug"] == "pizzeria-backend"
    assert "pizzeria-backend/get_menu_items" in {tool["tool_id"] for tool in registered["tools"]}  # type: ignore[attr-defined]


@pytest.mark.parametrize("door", ["rest", *ERAS])
def test_the_upstream_receives_an_exchanged_token_of_the_same_user(
    provider: RunningProvider, token: Token, door: str
) -> None:
    agent = bearer(token("johndoe"))
    sent = jwt.decode(token("johndoe"), options={"verify_signature": False})
    if door == "rest":
        answer = provider.execute(agent, "pizzeria-backend/get_menu_items")
        assert answer.status_code == 200, answer.text
        body = answer.json()["result"]
    else:
        answer = post(provider, agent, "tools/call", door, name="pizzeria-backend__get_menu_items", arguments={})
        body = answer.json()["result"]["structuredContent"]
    caller = body["called_by"]
    assert caller["sub"] == sent["sub"]
    assert caller["aud"] == ["pizzeria-backend"]
    assert caller["azp"] == "tools-provider-token-exchange"


def test_what_the_users_role_forbids_is_the_upstreams_answer(provider: RunningProvider, token: Token) -> None:
    item = {"item_id": "margherita", "price_cents": 900}
    refused = provider.execute(bearer(token("johndoe")), "pizzeria-backend/update_menu_item", **item)
    assert refused.status_code == 200, refused.text
    assert (refused.json()["is_error"], refused.json()["upstream_status"]) == (True, 403)
    allowed = provider.execute(bearer(token("chef")), "pizzeria-backend/update_menu_item", **item)
    assert allowed.json()["is_error"] is False, allowed.text


def test_a_second_call_needs_no_second_exchange(
    provider: RunningProvider, identity_provider: EmbeddedIdentityProvider, token: Token
) -> None:
    agent = bearer(token("johndoe"))
    provider.execute(agent, "pizzeria-backend/get_menu_items")
    before = identity_provider.counts()["exchange"]
    assert provider.execute(agent, "pizzeria-backend/get_menu_items").json()["is_error"] is False
    assert identity_provider.counts()["exchange"] == before


def test_a_change_to_pass_through_is_effective_on_the_next_call(
    provider: RunningProvider, admin: Headers, token: Token
) -> None:
    agent = bearer(token("johndoe"))
    path = "/api/v1/sources/pizzeria-backend"
    assert provider.http.patch(path, json={"default_audience": None}, headers=admin).status_code == 200
    passed = provider.execute(agent, "pizzeria-backend/get_menu_items").json()
    assert (passed["is_error"], passed["upstream_status"]) == (True, 401)
    assert provider.http.patch(path, json={"default_audience": "pizzeria-backend"}, headers=admin).status_code == 200
    assert provider.execute(agent, "pizzeria-backend/get_menu_items").json()["is_error"] is False


def test_a_token_that_was_revoked_is_refused_from_the_next_request_on(
    provider: RunningProvider, identity_provider: EmbeddedIdentityProvider
) -> None:
    value = identity_provider.access_token("chef")
    form = {"client_id": AGENT_CLIENT, "token": value}
    revoked = httpx.post(f"{identity_provider.issuer}/protocol/openid-connect/revoke", data=form, trust_env=False)
    assert revoked.status_code == 200
    first = post(provider, bearer(value), "tools/call", name="pizzeria-backend__get_menu_items", arguments={})
    assert first.status_code == 200
    result = first.json()["result"]
    assert (result["isError"], result["_meta"]["code"]) == (True, "token_revoked")
    second = post(provider, bearer(value), "tools/list")
    assert (second.status_code, told(second)["code"]) == (401, "token_revoked")
    assert 'error="invalid_token"' in second.headers["www-authenticate"]


def test_a_source_that_is_removed_is_gone_on_the_next_call(
    provider: RunningProvider, admin: Headers, token: Token
) -> None:
    agent = bearer(token("johndoe"))
    assert provider.http.delete("/api/v1/sources/pizzeria-backend", headers=admin).status_code == 204
    assert provider.execute(agent, "pizzeria-backend/get_menu_items").status_code == 404
    gone = post(provider, agent, "tools/call", name="pizzeria-backend__get_menu_items", arguments={})
    assert gone.json()["error"]["code"] == -32602
