"""Whether the identity provider names the issuer that tokens must carry, and who is told when it does not."""

import asyncio
from collections.abc import Callable

import httpx
import pytest

from app.errors import BadAnswer, InvalidAgentToken
from app.identity.issuer_watch import IssuerWatch
from app.identity.verifier import AgentTokenVerifier
from tests.support.clock import Clock
from tests.support.issuer import Answer, Issuer

pytestmark = pytest.mark.anyio

INNER = "http://keycloak:8080/realms/test"
NOT_HAD: dict[str, Callable[[], Answer]] = {
    "nothing": lambda: Answer(404),
    "a page": lambda: Answer(200, b"<html>"),
    "no issuer": lambda: Answer(200, {"issuer": 7}),
    "an end": lambda: Answer(200, b"{}", cut=True),
}


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [each.message for each in caplog.records if each.levelname == "WARNING"]


async def test_no_word_where_both_agree(watch: IssuerWatch, issuer: Issuer, caplog: pytest.LogCaptureFixture) -> None:
    assert not await watch.differs()
    assert await watch.names(issuer.issuer)
    assert warnings(caplog) == []


async def test_a_difference_is_warned_about_with_both_issuers_and_the_settings(
    watch: IssuerWatch, issuer: Issuer, realm_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    issuer.discovery = lambda: Answer(body={"issuer": INNER + "x" * 300})
    assert await watch.differs()
    (record,) = caplog.records
    assert (record.levelname, record.name) == ("WARNING", "app.identity.issuer_watch")
    assert record.message == (
        "the identity provider names another issuer than the one that tokens must carry, and will accept no token: set "
        "KC_HOSTNAME at Keycloak, or OIDC_ISSUER here"
    )
    told = {name: record.__dict__[name] for name in ("named", "must_carry", "url")}
    discovery = f"{realm_url}/.well-known/openid-configuration"
    assert told == {"named": (INNER + "x" * 300)[:300], "must_carry": issuer.issuer, "url": discovery}


async def test_a_slash_makes_a_difference(watch: IssuerWatch, issuer: Issuer) -> None:
    issuer.discovery = lambda: Answer(body={"issuer": f"{issuer.issuer}/"})
    assert await watch.differs()
    assert not await watch.names(issuer.issuer)


@pytest.mark.parametrize("answer", NOT_HAD.values(), ids=NOT_HAD)
async def test_what_cannot_be_had_is_no_difference(
    watch: IssuerWatch, issuer: Issuer, realm_url: str, caplog: pytest.LogCaptureFixture, answer: Callable[[], Answer]
) -> None:
    issuer.discovery = answer
    assert not await watch.differs()
    assert not await watch.names(issuer.issuer)
    assert not await watch.names(None)
    assert warnings(caplog) == ["discovery could not be fetched"]
    assert caplog.records[-1].__dict__["url"] == f"{realm_url}/.well-known/openid-configuration"
    assert caplog.records[-1].__dict__["error"]


async def test_what_was_found_is_believed_while_nothing_new_can_be_had(
    watch: IssuerWatch, issuer: Issuer, clock: Clock
) -> None:
    issuer.discovery = lambda: Answer(body={"issuer": INNER})
    assert await watch.differs()
    issuer.discovery = lambda: Answer(503)
    clock.advance(10)
    assert await watch.differs()
    assert issuer.discovery_requests == 2


async def test_it_asks_once_in_ten_seconds_however_many_want_to_know(
    watch: IssuerWatch, issuer: Issuer, clock: Clock
) -> None:
    issuer.discovery = lambda: Answer(body={"issuer": INNER})
    assert await asyncio.gather(*(watch.differs() for _ in range(20))) == [True] * 20
    clock.advance(9.75)
    assert await watch.differs()
    assert issuer.discovery_requests == 1
    issuer.discovery = lambda: Answer(body={"issuer": issuer.issuer})
    clock.advance(0.25)
    assert not await watch.differs()
    assert issuer.discovery_requests == 2


async def test_it_compares_from_the_start_on_and_nobody_waits_for_it(watch: IssuerWatch, issuer: Issuer) -> None:
    asked = asyncio.Event()
    loop = asyncio.get_running_loop()

    def never() -> Answer:
        loop.call_soon_threadsafe(asked.set)
        return Answer(silent=True)

    issuer.discovery = never
    async with watch.running():
        assert not asked.is_set()
        async with asyncio.timeout(3):
            await asked.wait()
    assert issuer.discovery_requests == 1


@pytest.mark.parametrize(("answer", "pause"), [(Answer(503), 30.0), (Answer(body={"issuer": INNER}), 600.0)])
async def test_it_compares_every_ten_minutes_and_sooner_while_nothing_is_known(
    client: httpx.AsyncClient,
    realm_url: str,
    issuer: Issuer,
    clock: Clock,
    answer: Answer,
    pause: float,
) -> None:
    pauses: list[float] = []
    done = asyncio.Event()

    async def pass_by(seconds: float) -> None:
        pauses.append(seconds)
        clock.advance(seconds)
        if len(pauses) == 3:
            done.set()
            await asyncio.Event().wait()

    issuer.discovery = lambda: answer
    watch = IssuerWatch(client, realm_url, issuer.issuer, clock=clock, sleep=pass_by)
    async with watch.running(), asyncio.timeout(3):
        await done.wait()
    assert pauses == [pause] * 3
    assert issuer.discovery_requests == 3


async def test_a_token_of_the_issuer_that_the_identity_provider_names_is_not_sent_to_sign_in_again(
    verifier: AgentTokenVerifier, issuer: Issuer
) -> None:
    issuer.discovery = lambda: Answer(body={"issuer": INNER})
    with pytest.raises(BadAnswer) as failed:
        await verifier.verify(issuer.token(iss=INNER))
    assert failed.value.code == "issuer_mismatch_at_provider"
    assert "OIDC_ISSUER" in failed.value.detail
    assert INNER not in failed.value.detail
    for other in ("https://elsewhere.example/realms/test", None):
        with pytest.raises(InvalidAgentToken) as refused:
            await verifier.verify(issuer.token(iss=other))
        assert refused.value.code == "token_issuer_mismatch"
    assert (await verifier.verify(issuer.token())).issuer == issuer.issuer
    assert issuer.discovery_requests == 1
