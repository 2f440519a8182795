"""How the issuer's keys are fetched and kept."""

import asyncio
import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

from app.errors import Unavailable
from app.identity.jwks import JwksCache, SignatureRefused
from app.identity.verifier import AgentTokenVerifier
from tests.support.certificates import Authority
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
    "nothing": lambda: Answer(200, {"keys": None}),
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
    assert told == {"error": "HTTP 500", "status": 500, "url": certs}


async def test_keys_behind_a_redirect_are_not_taken(
    keys: JwksCache, issuer: Issuer, realm_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    moved = Answer(302, b"", headers={"location": f"{realm_url}/protocol/openid-connect/certs"})
    answers = iter((moved, issuer.certs()))
    issuer.certs = lambda: next(answers)
    with pytest.raises(Unavailable):
        await keys.key("key-1", "RS256")
    assert issuer.certs_requests == 1
    (record,) = [each for each in caplog.records if each.name == "app.identity.jwks"]
    error = record.__dict__["error"]
    assert f"redirects to {realm_url}/protocol/openid-connect/certs" in error
    assert "KEYCLOAK_URL" in error


@pytest.mark.parametrize("body", [b"<h1>Forbidden</h1>", {"message": "Forbidden"}, b""])
async def test_what_something_else_answers_is_told_as_such(
    keys: JwksCache, issuer: Issuer, caplog: pytest.LogCaptureFixture, body: Any
) -> None:
    issuer.certs = lambda: Answer(403, body)
    with pytest.raises(Unavailable) as failed:
        await keys.key("key-1", "RS256")
    assert (failed.value.code, failed.value.retry_after) == ("idp_foreign_answer", 1)
    assert "(HTTP 403 without" in failed.value.detail
    logged = caplog.records[-1].__dict__
    assert (logged["error"], logged["status"]) == ("something else answered", 403)
    assert logged["answer"] in {"Forbidden", '{"message": "Forbidden"}', ""}


WHY: list[tuple[Answer, str, int | None]] = [
    (Answer(399, b"x"), "HTTP 399", 399),
    (Answer(500, b"x"), "HTTP 500", 500),
    (Answer(404, {"error": "Realm does not exist"}), "HTTP 404", 404),
    (Answer(200, b"x"), "this is no JSON object", 200),
    (Answer(200, {"keys": []}), "there is no usable signing key in it", 200),
    (Answer(200, b"x", headers={"content-encoding": "br"}), "The answer has a Content-Encoding that was not", 200),
    (Answer(200, b" " * 262_145), "The answer is larger than the limit of 262144 bytes.", 200),
    (Answer(200, b"", cut=True), "it broke off in the middle of its answer", None),
]


@pytest.mark.parametrize(("answer", "error", "status"), WHY)
async def test_each_reason_stands_in_the_log(
    keys: JwksCache, issuer: Issuer, caplog: pytest.LogCaptureFixture, answer: Answer, error: str, status: int | None
) -> None:
    issuer.certs = lambda: answer
    with pytest.raises(Unavailable) as failed:
        await keys.check()
    assert failed.value.code == "idp_unreachable"
    logged = caplog.records[-1].__dict__
    assert logged["error"].startswith(error)
    assert logged["status"] == status


async def test_a_certificate_that_is_not_trusted_is_told_with_the_setting(
    client: httpx.AsyncClient, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def never(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    context = Authority(tmp_path).server("127.0.0.1")
    async with await asyncio.start_server(never, "127.0.0.1", 0, ssl=context) as server:
        keys = JwksCache(client, f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}{REALM}")
        with pytest.raises(Unavailable) as failed:
            await keys.check()
    assert failed.value.code == "idp_unreachable"
    told = next(each for each in caplog.records if each.name == "app.identity.jwks").__dict__["error"]
    assert "certificate for 127.0.0.1" in told
    assert "is not trusted" in told
    assert "SSL_CERT_FILE" in told


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
    client: httpx.AsyncClient, realm_url: str, issuer: Issuer, caplog: pytest.LogCaptureFixture
) -> None:
    issuer.certs = lambda: Answer(silent=True)
    keys = JwksCache(client, realm_url, timeout=0.1)
    with pytest.raises(Unavailable):
        await keys.key("key-1", "RS256")
    assert caplog.records[-1].__dict__["error"] == "no answer within 0.1 s"


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


async def test_unknown_keys_that_come_at_once_are_asked_for_once(
    keys: JwksCache, verifier: AgentTokenVerifier, issuer: Issuer
) -> None:
    strangers = [issuer.token(headers={"kid": f"stranger-{n}"}) for n in range(60)]
    for _ in range(2):
        answers = await asyncio.gather(*(verifier.verify(token) for token in strangers), return_exceptions=True)
        assert [str(answer)[:13] for answer in answers] == ["token_invalid"] * 60
    assert issuer.certs_requests == 1
    assert (await verifier.verify(issuer.token())).subject


async def unknown_until_refused(keys: JwksCache) -> tuple[int, Unavailable]:
    """Ask for one stranger's key after the other; return how many were unknown, and why the next was not asked for."""
    for number in range(100):
        try:
            await keys.key(f"stranger-{number}", "RS256")
        except SignatureRefused:
            continue
        except Unavailable as unavailable:
            return number, unavailable
    raise AssertionError("a hundred strangers were asked for")


async def test_a_flood_of_unknown_keys_makes_few_fetches_and_nobody_unknown_without_asking(
    keys: JwksCache, issuer: Issuer, clock: Clock
) -> None:
    known, unavailable = await unknown_until_refused(keys)
    assert (known, issuer.certs_requests) == (6, 6)
    assert (unavailable.code, unavailable.retry_after) == ("idp_unreachable", 5)
    assert "Send the same token again" in unavailable.detail
    with pytest.raises(SignatureRefused):
        await keys.key("stranger-5", "RS256")
    assert (await keys.key("key-1", "RS256")).key_id == "key-1"
    clock.advance(4.75)
    with pytest.raises(Unavailable) as almost:
        await keys.key("stranger-6", "RS256")
    assert almost.value.retry_after == 1
    clock.advance(0.25)
    with pytest.raises(SignatureRefused):
        await keys.key("stranger-6", "RS256")
    with pytest.raises(Unavailable):
        await keys.key("stranger-7", "RS256")
    assert issuer.certs_requests == 7
    clock.advance(60)
    assert (await unknown_until_refused(keys))[0] == 13  # one asks for the known ones again
    assert issuer.certs_requests == 13


async def test_a_new_key_is_there_after_a_flood_though_nobody_has_asked_for_it(
    keys: JwksCache, issuer: Issuer, clock: Clock
) -> None:
    await unknown_until_refused(keys)
    issuer.publish("key-2")
    with pytest.raises(Unavailable):
        await keys.key("key-2", "RS256")
    clock.advance(5)
    with pytest.raises(SignatureRefused):
        await keys.key("stranger-7", "RS256")
    assert (await keys.key("key-2", "RS256")).key_id == "key-2"


async def test_a_stranger_s_unknown_key_keeps_no_new_one_out(keys: JwksCache, issuer: Issuer) -> None:
    await keys.check()
    with pytest.raises(SignatureRefused):
        await keys.key("stranger", "RS256")
    issuer.publish("key-2")
    assert (await keys.key("key-2", "RS256")).key_id == "key-2"
    issuer.publish("key-3")
    assert (await keys.key("key-3", "RS256")).key_id == "key-3"


async def test_a_key_that_is_published_during_a_fetch_is_asked_for_again(keys: JwksCache, issuer: Issuer) -> None:
    await keys.check()
    later = asyncio.Event()
    loop = asyncio.get_running_loop()

    def before() -> Answer:
        answer = Answer(body={"keys": list(issuer.jwks)})
        issuer.publish("key-2")
        loop.call_soon_threadsafe(later.set)
        issuer.certs = lambda: Answer(body={"keys": issuer.jwks})
        return answer

    issuer.certs = before
    stranger = asyncio.ensure_future(keys.key("stranger", "RS256"))
    await later.wait()
    assert (await keys.key("key-2", "RS256")).key_id == "key-2"
    with pytest.raises(SignatureRefused):
        await stranger


async def test_a_key_that_was_not_there_is_asked_for_again_after_ten_seconds(
    keys: JwksCache, issuer: Issuer, clock: Clock
) -> None:
    for seconds, asked in ((0, 1), (9.75, 1), (0.25, 2), (9.75, 2)):
        clock.advance(seconds)
        with pytest.raises(SignatureRefused):
            await keys.key("stranger", "RS256")
        assert issuer.certs_requests == asked


async def test_only_so_many_unknown_keys_are_remembered(keys: JwksCache, issuer: Issuer) -> None:
    async def ask(numbers: range) -> None:
        answers = await asyncio.gather(*(keys.key(f"{each}", "RS256") for each in numbers), return_exceptions=True)
        assert {type(answer) for answer in answers} == {SignatureRefused}

    await ask(range(1_000))
    await ask(range(1_000))
    assert issuer.certs_requests == 1
    await ask(range(1_000, 1_001))
    await ask(range(1, 1_001))
    assert issuer.certs_requests == 2
    await ask(range(1))
    assert issuer.certs_requests == 3


async def test_an_outage_is_not_made_worse_by_asking_all_the_time(
    keys: JwksCache, issuer: Issuer, clock: Clock
) -> None:
    await keys.check()
    issuer.certs = lambda: Answer(503)
    for _ in range(20):
        with pytest.raises(Unavailable) as failed:
            await keys.key("stranger", "RS256")
        assert failed.value.retry_after == 5
    assert issuer.certs_requests == 2
    clock.advance(5)
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


async def test_of_very_many_keys_the_first_are_read(keys: JwksCache, issuer: Issuer) -> None:
    (known,) = issuer.jwks
    issuer.jwks = [{**known, "kid": f"key-{number}"} for number in range(501)]
    assert (await keys.key("key-499", "RS256")).key_id == "key-499"
    with pytest.raises(SignatureRefused, match="does not publish"):
        await keys.key("key-500", "RS256")


@pytest.mark.parametrize(("bits", "exponent"), [(8_193, 65_537), (16_384, 65_537), (2_048, 2**32 + 1)])
async def test_a_key_that_makes_every_check_slow_is_none(
    keys: JwksCache, issuer: Issuer, bits: int, exponent: int
) -> None:
    slow = rsa.RSAPublicNumbers(exponent, 2**bits - 1).public_key()
    issuer.jwks.append({**RSAAlgorithm.to_jwk(slow, as_dict=True), "kid": "slow", "use": "sig", "alg": "RS256"})
    with pytest.raises(SignatureRefused, match="does not publish"):
        await keys.key("slow", "RS256")


async def test_a_key_of_the_longest_kind_is_one(keys: JwksCache, issuer: Issuer) -> None:
    longest = rsa.RSAPublicNumbers(2**32 - 1, 2**8_192 - 1).public_key()
    issuer.jwks.append({**RSAAlgorithm.to_jwk(longest, as_dict=True), "kid": "long", "use": "sig", "alg": "RS256"})
    assert (await keys.key("long", "RS256")).key_id == "long"


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
