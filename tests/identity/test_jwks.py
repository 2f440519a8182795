"""How the issuer's keys are fetched and kept."""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any, cast

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

from app.errors import Unavailable
from app.identity.jwks import JwksCache, SignatureRefused
from app.identity.verifier import AgentTokenVerifier
from tests.support.clock import Clock
from tests.support.issuer import REALM, Answer, Issuer, jwk_of, private_key
from tests.support.servers import address_of, listener, running

pytestmark = pytest.mark.anyio

BROKEN: dict[str, Callable[[], Answer]] = {
    "500": lambda: Answer(500, b"boom"),
    "404": lambda: Answer(404, {"error": "Realm does not exist"}),
    "html": lambda: Answer(200, b"<html>sign in</html>"),
    "half": lambda: Answer(200, b'{"keys": [{"kid"', cut=True),
    "reset": lambda: Answer(200, b"", cut=True),
    "empty": lambda: Answer(200, b""),
    "no keys": lambda: Answer(200, {"keys": []}),
    "no list": lambda: Answer(200, {"keys": {"kid": "key-1"}}),
    "no object": lambda: Answer(200, ["key-1"]),
    "redirect": lambda: Answer(302, b"", headers={"location": "/elsewhere"}),
    "too large": lambda: Answer(200, b" " * 262_145),
    "odd coding": lambda: Answer(200, b"x", headers={"content-encoding": "br"}),
    "odd members": lambda: Answer(
        200, {"keys": ["key-1", None, {"kid": 7}, {"kid": "x", "use": "sig", "kty": "RSA", "alg": "RS256", "n": "?"}]}
    ),
}


@pytest.mark.parametrize("answer", BROKEN.values(), ids=BROKEN.keys())
async def test_without_keys_nothing_can_be_verified(keys: JwksCache, issuer: Issuer, answer: Any) -> None:
    issuer.certs = answer
    with pytest.raises(Unavailable) as failed:
        await keys.key("key-1", "RS256")
    assert (failed.value.code, failed.value.retry_after) == ("idp_unreachable", 1)
    assert "KEYCLOAK_URL" in failed.value.detail
    with pytest.raises(Unavailable):
        await keys.check()


async def test_why_there_are_no_keys_stands_in_the_log(
    keys: JwksCache, issuer: Issuer, realm_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    issuer.certs = BROKEN["500"]
    with pytest.raises(Unavailable):
        await keys.check()
    (record,) = [each for each in caplog.records if each.name == "app.identity.jwks"]
    assert (record.levelname, record.getMessage()) == ("WARNING", "signing keys could not be fetched")
    told = {name: record.__dict__[name] for name in ("error", "status", "url")}
    certs = f"{realm_url}/protocol/openid-connect/certs"
    assert told == {"error": "HTTPStatusError", "status": 500, "url": certs}


async def test_keys_behind_a_redirect_are_not_taken(keys: JwksCache, issuer: Issuer, realm_url: str) -> None:
    moved = Answer(302, b"", headers={"location": f"{realm_url}/protocol/openid-connect/certs"})
    answers = iter((moved, issuer.certs()))
    issuer.certs = lambda: next(answers)
    with pytest.raises(Unavailable):
        await keys.key("key-1", "RS256")
    assert issuer.certs_requests == 1


@pytest.mark.parametrize("answer", BROKEN.values(), ids=BROKEN.keys())
async def test_known_keys_serve_on_while_no_new_ones_can_be_had(
    keys: JwksCache, issuer: Issuer, clock: Clock, answer: Any
) -> None:
    await keys.key("key-1", "RS256")
    issuer.certs = answer
    clock.advance(301)
    assert (await keys.key("key-1", "RS256")).key_id == "key-1"
    await keys.check()
    assert issuer.certs_requests == 2
    with pytest.raises(Unavailable):
        await keys.key("key-2", "RS256")


async def test_an_issuer_that_is_not_there_is_unreachable(
    anyio_backend: str, client: httpx.AsyncClient, clock: Clock
) -> None:
    with contextlib.closing(listener()) as closed:
        keys = JwksCache(client, f"{address_of(closed)}{REALM}", clock=clock)
        with pytest.raises(Unavailable) as failed:
            await keys.key("key-1", "RS256")
        assert failed.value.code == "idp_unreachable"
        assert address_of(closed) not in failed.value.detail


async def test_an_issuer_that_never_answers_is_unreachable(
    client: httpx.AsyncClient, realm_url: str, issuer: Issuer
) -> None:
    issuer.certs = lambda: Answer(silent=True)
    keys = JwksCache(client, realm_url, timeout=0.1)
    with pytest.raises(Unavailable):
        await keys.key("key-1", "RS256")


async def test_the_last_good_keys_serve_for_a_day_at_most(keys: JwksCache, issuer: Issuer, clock: Clock) -> None:
    await keys.check()
    issuer.certs = lambda: Answer(503)
    clock.advance(24 * 3600 - 1)
    await keys.key("key-1", "RS256")
    clock.advance(1)
    with pytest.raises(Unavailable):
        await keys.key("key-1", "RS256")
    with pytest.raises(Unavailable):
        await keys.check()


async def test_a_known_key_does_not_wait_long_for_an_issuer_that_hangs(
    keys: JwksCache, issuer: Issuer, clock: Clock
) -> None:
    await keys.check()
    issuer.certs = lambda: Answer(silent=True)
    clock.advance(301)
    async with asyncio.timeout(4):  # the fetch itself would take five seconds
        assert (await keys.key("key-1", "RS256")).key_id == "key-1"
        await keys.check()


async def test_keys_are_fetched_once_for_all_who_wait(keys: JwksCache, issuer: Issuer) -> None:
    found = await asyncio.gather(*(keys.key("key-1", "RS256") for _ in range(100)))
    assert {key.key_id for key in found} == {"key-1"}
    assert issuer.certs_requests == 1


async def test_a_caller_that_gives_up_does_not_end_the_fetch(keys: JwksCache, issuer: Issuer) -> None:
    first = asyncio.ensure_future(keys.key("key-1", "RS256"))
    second = asyncio.ensure_future(keys.key("key-1", "RS256"))
    await asyncio.sleep(0)
    first.cancel()
    assert (await second).key_id == "key-1"
    assert issuer.certs_requests == 1


async def test_unknown_keys_cannot_make_us_flood_the_issuer(
    keys: JwksCache, verifier: AgentTokenVerifier, issuer: Issuer, clock: Clock
) -> None:
    strangers = [issuer.token(headers={"kid": f"stranger-{n}"}) for n in range(60)]
    for _ in range(2):
        answers = await asyncio.gather(*(verifier.verify(token) for token in strangers), return_exceptions=True)
        assert [str(answer)[:13] for answer in answers] == ["token_invalid"] * 60
    assert issuer.certs_requests == 1
    assert (await verifier.verify(issuer.token())).subject
    clock.advance(9.9)
    with pytest.raises(SignatureRefused):
        await keys.key("stranger", "RS256")
    assert issuer.certs_requests == 1
    clock.advance(0.1)
    with pytest.raises(SignatureRefused):
        await keys.key("stranger", "RS256")
    assert issuer.certs_requests == 2


async def test_an_outage_is_not_made_worse_by_asking_all_the_time(
    keys: JwksCache, issuer: Issuer, clock: Clock
) -> None:
    await keys.check()
    issuer.certs = lambda: Answer(503)
    clock.advance(10)
    for _ in range(20):
        with pytest.raises(Unavailable):
            await keys.key("stranger", "RS256")
    assert issuer.certs_requests == 2
    clock.advance(10)
    with pytest.raises(Unavailable):
        await keys.key("stranger", "RS256")
    assert issuer.certs_requests == 3


async def test_readiness_asks_for_keys_once_in_five_minutes(keys: JwksCache, issuer: Issuer, clock: Clock) -> None:
    await keys.check()
    clock.advance(299)
    await keys.check()
    assert issuer.certs_requests == 1
    clock.advance(1)
    await keys.check()
    assert issuer.certs_requests == 2


async def test_a_start_before_the_issuer_is_up_heals_within_a_second(
    keys: JwksCache, issuer: Issuer, clock: Clock
) -> None:
    good, issuer.certs = issuer.certs, lambda: Answer(503)
    for _ in range(5):
        with pytest.raises(Unavailable):
            await keys.check()
    assert issuer.certs_requests == 1
    issuer.certs = good
    clock.advance(1)
    await keys.check()
    assert (await keys.key("key-1", "RS256")).key_id == "key-1"


async def test_a_new_key_is_taken_with_the_first_token_that_it_signed(
    verifier: AgentTokenVerifier, issuer: Issuer, clock: Clock
) -> None:
    await verifier.verify(issuer.token())
    clock.advance(10)
    issuer.publish("key-2")
    assert (await verifier.verify(issuer.token())).subject
    assert issuer.certs_requests == 2


async def test_a_withdrawn_key_is_no_longer_accepted_after_five_minutes(
    keys: JwksCache, issuer: Issuer, clock: Clock
) -> None:
    await keys.check()
    issuer.jwks.clear()
    issuer.publish("key-2")
    clock.advance(299)
    await keys.key("key-1", "RS256")
    clock.advance(1)
    with pytest.raises(SignatureRefused):
        await keys.key("key-1", "RS256")


async def test_only_keys_for_signatures_are_used(keys: JwksCache, issuer: Issuer) -> None:
    issuer.publish("encryption", use="enc", alg="RSA-OAEP", sign=False)
    issuer.publish("any-use", use=None, sign=False)
    issuer.jwks.append(jwk_of(private_key("small", bits=1024), "small", alg="RS256"))
    issuer.jwks.append({"kid": "secret", "use": "sig", "kty": "oct", "alg": "HS256", "k": "c2VjcmV0"})
    whole = RSAAlgorithm.to_jwk(cast("rsa.RSAPrivateKey", private_key("leaked")), as_dict=True)
    issuer.jwks.append({**whole, "kid": "leaked", "use": "sig", "alg": "RS256"})
    issuer.publish("other-curve", "ES256", crv="P-384", sign=False)
    for kid in ("encryption", "any-use", "small", "secret", "leaked", "other-curve"):
        with pytest.raises(SignatureRefused) as refused:
            await keys.key(kid, "RS256")
        assert refused.value.code == "token_invalid"


async def test_a_key_without_an_algorithm_fits_those_of_its_type(keys: JwksCache, issuer: Issuer) -> None:
    issuer.publish("open", alg=None)
    for algorithm in ("RS256", "PS512"):
        assert (await keys.key("open", algorithm)).algorithm_name == algorithm
    with pytest.raises(SignatureRefused) as refused:
        await keys.key("open", "ES256")
    assert refused.value.code == "token_algorithm_refused"
    assert str(refused.value) == "token_algorithm_refused: The token's algorithm is not that of its key."


async def test_closing_gives_up_the_fetch(client: httpx.AsyncClient, issuer: Issuer) -> None:
    issuer.certs = lambda: Answer(silent=True)
    with running(issuer) as address:
        keys = JwksCache(client, f"{address}{REALM}")
        waiting = asyncio.ensure_future(keys.key("key-1", "RS256"))
        await asyncio.sleep(0)
        await keys.aclose()
        with pytest.raises(Unavailable):
            await waiting
        await client.aclose()


async def test_fresh_keys_need_no_check(keys: JwksCache, issuer: Issuer) -> None:
    await keys.check()
    await keys.check()
    assert issuer.certs_requests == 1


async def test_there_is_nothing_to_close_without_a_fetch(keys: JwksCache) -> None:
    await keys.check()
    await keys.aclose()
    assert (await keys.key("key-1", "RS256")).key_id == "key-1"
