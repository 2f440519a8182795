"""Which tokens an upstream accepts, and what it answers to the others."""

import time
from typing import Any

import httpx
import jwt
import pytest
from pydantic import ValidationError

from seed.bearer.keys import KeysUnavailable, SigningKeys
from seed.pizzeria.app import PizzeriaSettings
from tests.pizzeria.issuer import Issuer, rsa_key

pytestmark = pytest.mark.anyio


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


@pytest.mark.parametrize(
    ("claims", "why"),
    [
        ({"aud": "tools-provider-token-exchange"}, "Expected audience: pizzeria-backend"),
        ({"aud": None}, "aud"),
        ({"iss": "https://elsewhere.example/realms/tools-provider"}, "issuer"),
        ({"exp": 1_700_000_000}, "expired"),
        ({"exp": None}, "exp"),
        ({"nbf": 4_000_000_000}, "not yet valid"),
        ({"sub": None}, "sub"),
        ({"typ": "ID"}, "not an access token"),
        ({"typ": None}, "not an access token"),
    ],
)
async def test_a_token_with_a_wrong_claim_is_refused(
    pizzeria: httpx.AsyncClient, issuer: Issuer, claims: dict[str, Any], why: str
) -> None:
    refused = await pizzeria.get("/menu", headers=bearer(issuer.token("chef", **claims)))
    assert refused.status_code == 401
    assert why in refused.json()["detail"]
    assert refused.headers["www-authenticate"] == 'Bearer error="invalid_token"'
    assert "called_by" not in refused.json()


async def test_a_token_of_another_key_is_refused(pizzeria: httpx.AsyncClient, issuer: Issuer) -> None:
    forged = rsa_key("forged")
    refused = await pizzeria.get("/menu", headers=bearer(issuer.token("chef", key=forged)))
    assert refused.status_code == 401
    assert "Signature" in refused.json()["detail"]


async def test_the_algorithm_is_not_the_tokens_to_choose(pizzeria: httpx.AsyncClient, issuer: Issuer) -> None:
    modulus = issuer.key.public_key().public_numbers().n.to_bytes(256)
    for algorithm, key in (("HS256", modulus), ("PS256", issuer.key), ("none", "")):
        token = issuer.token("chef", key=key, algorithm=algorithm)
        refused = await pizzeria.get("/menu", headers=bearer(token))
        assert refused.status_code == 401, algorithm


@pytest.mark.parametrize("token", ["x", "a.b.c", "é.b.c", "x" * 20_000], ids=["word", "dots", "not-ascii", "huge"])
async def test_what_is_no_token_is_refused(pizzeria: httpx.AsyncClient, token: str) -> None:
    refused = await pizzeria.get("/menu", headers=[(b"Authorization", f"Bearer {token}".encode())])
    assert refused.status_code == 401
    assert token not in refused.text or len(token) == 1


async def test_a_token_of_unreasonable_length_is_not_even_looked_at(
    pizzeria: httpx.AsyncClient, issuer: Issuer
) -> None:
    refused = await pizzeria.get("/menu", headers=bearer(issuer.token(padding="x" * 60_000)))
    assert (refused.status_code, refused.json()["detail"]) == (401, "The token is too long.")


async def test_without_a_token_the_answer_asks_for_one(pizzeria: httpx.AsyncClient) -> None:
    refused = await pizzeria.get("/menu")
    assert (refused.status_code, refused.headers["www-authenticate"]) == (401, "Bearer")


async def test_a_token_is_accepted_among_several_audiences(pizzeria: httpx.AsyncClient, issuer: Issuer) -> None:
    token = issuer.token("chef", aud=["account", "pizzeria-backend"])
    assert (await pizzeria.get("/whoami", headers=bearer(token))).json()["aud"] == ["account", "pizzeria-backend"]


async def test_roles_at_another_api_do_not_count(pizzeria: httpx.AsyncClient, issuer: Issuer) -> None:
    token = issuer.token(resource_access={"other": {"roles": ["chef"]}}, realm_access={"roles": ["chef"]})
    refused = await pizzeria.delete("/menu/margherita", headers=bearer(token))
    assert (refused.status_code, refused.json()["called_by"]["roles"]) == (403, [])


async def test_a_rotated_key_is_learned_from_the_first_token_it_signs(certs: str, issuer: Issuer) -> None:
    async with httpx.AsyncClient(trust_env=False) as client:
        keys = SigningKeys(certs, client, cooldown=0)
        assert await keys.key("key-1") is not None
        issuer.rotate("key-2")
        assert await keys.key("key-2") is not None
        assert await keys.key("key-1") is not None
        assert await keys.key("encryption") is None


async def test_invented_key_names_do_not_become_requests(certs: str, issuer: Issuer) -> None:
    async with httpx.AsyncClient(trust_env=False) as client:
        keys = SigningKeys(certs, client, cooldown=60)
        assert [await keys.key(f"invented-{number}") for number in range(50)] == [None] * 50
    assert issuer.key_requests == 1


async def test_known_keys_outlive_an_outage_of_the_issuer(certs: str, issuer: Issuer) -> None:
    now = time.monotonic()
    async with httpx.AsyncClient(trust_env=False) as client:
        keys = SigningKeys(certs, client, max_age=300, cooldown=5, clock=lambda: now)
        await keys.key("key-1")
        issuer.down = True
        now += 301
        assert await keys.key("key-1") is not None
        assert issuer.key_requests == 2


async def test_without_any_key_nobody_is_judged(pizzeria: httpx.AsyncClient, certs: str, issuer: Issuer) -> None:
    issuer.down = True
    answer = await pizzeria.get("/menu", headers=bearer(issuer.token()))
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    async with httpx.AsyncClient(trust_env=False) as client:
        keys = SigningKeys(certs, client, cooldown=60)
        for _ in range(3):
            with pytest.raises(KeysUnavailable):
                await keys.key("key-1")
    assert issuer.key_requests == 2


async def test_opening_hours_take_a_token_for_anybody_and_say_for_whom(
    opening_hours: httpx.AsyncClient, issuer: Issuer
) -> None:
    for aud, seen in (("tools-provider-token-exchange", ["tools-provider-token-exchange"]), (None, [])):
        answer = await opening_hours.get("/opening-hours", headers=bearer(issuer.token(aud=aud)))
        assert answer.json()["called_by"]["aud"] == seen
    monday, tuesday = answer.json()["days"][:2]
    assert (monday["opens"], tuesday["opens"]) == (None, "11:30")


async def test_opening_hours_still_verify_the_signature(opening_hours: httpx.AsyncClient, issuer: Issuer) -> None:
    forged = rsa_key("forged")
    answer = await opening_hours.get("/opening-hours", headers=bearer(issuer.token(key=forged)))
    assert answer.status_code == 401


async def test_an_audience_check_without_an_audience_is_no_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EXPECTED_AUDIENCE", "")
    with pytest.raises(ValidationError, match="EXPECTED_AUDIENCE"):
        PizzeriaSettings()
    monkeypatch.setenv("VERIFY_AUDIENCE", "false")
    assert PizzeriaSettings().audience is None


async def test_no_token_value_is_in_what_a_caller_sees(pizzeria: httpx.AsyncClient, issuer: Issuer) -> None:
    token = issuer.token("customer")
    signature = jwt.api_jws.PyJWS().decode_complete(token, options={"verify_signature": False})["signature"]
    answer = await pizzeria.get("/whoami", headers=bearer(token))
    assert token not in answer.text
    assert signature.hex() not in answer.text
