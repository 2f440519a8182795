"""What opens the identity provider's breaker, and what does not."""

import asyncio

import pytest

from app.audit.outcome import Outcomes
from app.circuit_breaker import CircuitBreaker
from app.credentials.token_exchange.audited import AuditedExchanger
from app.credentials.token_exchange.caching import CachingExchanger
from app.credentials.token_exchange.exchanger import ExchangeTarget
from app.credentials.token_exchange.guarded import GuardedExchanger
from app.credentials.token_exchange.issued_token import IssuedTokenCheck
from app.credentials.token_exchange.keycloak import KeycloakExchanger
from app.errors import ToolsProviderError, Unavailable
from app.identity.issuer_watch import IssuerWatch
from app.outbound import plain_client
from app.telemetry import Telemetry
from tests.credentials.conftest import PIZZERIA, THRESHOLD, Agents, Recorded
from tests.support.clock import Clock
from tests.support.files import no_more_files
from tests.support.issuer import SECRET, Answer, Issuer

pytestmark = pytest.mark.anyio


@pytest.fixture
def guarded(
    keycloak: KeycloakExchanger, breaker: CircuitBreaker, telemetry: Telemetry, audit: Recorded
) -> GuardedExchanger:
    return GuardedExchanger(AuditedExchanger(keycloak, telemetry, Outcomes(audit.record)), breaker)


async def code_of(guarded: GuardedExchanger, agents: Agents) -> str:
    with pytest.raises(ToolsProviderError) as failed:
        await guarded.exchange(await agents.agent(), PIZZERIA)
    return failed.value.code


def state_of(breaker: CircuitBreaker) -> str:
    return breaker.state


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (Answer(500), "idp_broken"),
        (Answer(503), "idp_broken"),
        (Answer(429), "idp_overloaded"),
        (Answer(200, b"", cut=True), "idp_unreachable"),
    ],
)
async def test_an_identity_provider_that_is_down_opens_it(
    guarded: GuardedExchanger, breaker: CircuitBreaker, agents: Agents, issuer: Issuer, audit: Recorded,
    answer: Answer, code: str,
) -> None:  # fmt: skip
    issuer.exchange = lambda _: answer
    assert [await code_of(guarded, agents) for _ in range(THRESHOLD)] == [code] * THRESHOLD
    assert breaker.state == "open"
    with pytest.raises(Unavailable) as refused:
        await guarded.exchange(await agents.agent(), PIZZERIA)
    assert (refused.value.code, refused.value.retry_after) == ("circuit_open", 30)
    assert "Try again in 30 s." in refused.value.detail
    assert len(issuer.forms) == THRESHOLD
    assert audit.outcomes == [code] * THRESHOLD  # what was not sent is no exchange


@pytest.mark.parametrize(
    ("status", "error", "description"),
    [
        (400, "invalid_request", "Invalid token"),
        (400, "invalid_grant", ""),
        (403, "access_denied", "Client is not within the token audience"),
        (400, "invalid_request", "Requested audience not available: pizzeria-backend"),
        (401, "unauthorized_client", "Invalid client or Invalid client credentials"),
        (400, "invalid_scope", "Missing consents for x"),
        (418, "", ""),
    ],
)
async def test_refusals_never_open_it(
    guarded: GuardedExchanger,
    breaker: CircuitBreaker,
    agents: Agents,
    issuer: Issuer,
    status: int,
    error: str,
    description: str,
) -> None:
    issuer.exchange = lambda _: Answer(status, {"error": error, "error_description": description})
    for _ in range(15):
        await code_of(guarded, agents)
    assert breaker.state == "closed"
    assert len(issuer.forms) == 15


async def test_a_refusal_shows_that_the_identity_provider_is_there(
    guarded: GuardedExchanger, breaker: CircuitBreaker, agents: Agents, issuer: Issuer
) -> None:
    for _ in range(3):
        for answer in (*[Answer(500)] * (THRESHOLD - 1), Answer(400, {"error": "invalid_grant"})):
            issuer.exchange = lambda _, answer=answer: answer  # type: ignore[misc]
            await code_of(guarded, agents)
    assert breaker.state == "closed"


@pytest.mark.parametrize("answer", [Answer(200, b"<html>"), Answer(302), Answer(200, b" " * 300_000)])
async def test_an_unreadable_answer_counts_as_nothing(
    guarded: GuardedExchanger, breaker: CircuitBreaker, agents: Agents, issuer: Issuer, answer: Answer
) -> None:
    issuer.exchange = lambda _: Answer(500)
    for _ in range(THRESHOLD - 1):
        await code_of(guarded, agents)
    issuer.exchange = lambda _: answer
    for _ in range(THRESHOLD):
        assert await code_of(guarded, agents) == "idp_broken"
    assert state_of(breaker) == "closed"
    issuer.exchange = lambda _: Answer(500)
    await code_of(guarded, agents)
    assert state_of(breaker) == "open"


async def test_what_we_lack_ourselves_says_nothing_of_the_identity_provider(
    breaker: CircuitBreaker, check: IssuedTokenCheck, watch: IssuerWatch, agents: Agents, realm_url: str
) -> None:
    agent = await agents.agent()
    async with plain_client() as unconnected:
        keycloak = KeycloakExchanger(
            unconnected, check, watch, realm_url=realm_url, client_id="c", client_secret=lambda: SECRET, timeout=5
        )
        guarded = GuardedExchanger(keycloak, breaker)
        with no_more_files():
            for _ in range(THRESHOLD + 1):
                with pytest.raises(Unavailable, match="no connection to spare") as failed:
                    await guarded.exchange(agent, PIZZERIA)
                assert failed.value.code == "idp_unreachable"
    assert state_of(breaker) == "closed"


@pytest.mark.parametrize("odd", ["audience", "subject"])
async def test_what_one_audience_or_one_user_makes_it_fail_at_is_no_one_else_s_loss(
    guarded: GuardedExchanger, agents: Agents, issuer: Issuer, odd: str
) -> None:
    parties = {"audience": "menu", "subject": "johndoe"}
    other = {"audience": "orders", "subject": "chef"}

    async def exchanged(audience: str, subject: str) -> str:
        agent = await agents.agent(sub=subject)
        issuer.exchange = lambda form: (
            Answer(500) if parties[odd] in (form["audience"], subject) else Answer(body=issuer.issue(form, sub=subject))
        )
        try:
            await guarded.exchange(agent, ExchangeTarget(audience))
        except Unavailable as failure:
            return failure.code
        return "ok"

    for _ in range(THRESHOLD):
        for stated in (parties, {**other, odd: parties[odd]}):
            assert await exchanged(**stated) in ("idp_broken", "circuit_open")
    assert await exchanged(**parties) == "circuit_open"
    assert await exchanged(**{**parties, odd: other[odd]}) == "ok"
    assert await exchanged(**other) == "ok"


async def test_it_heals_with_one_probe(
    guarded: GuardedExchanger, breaker: CircuitBreaker, agents: Agents, issuer: Issuer, clock: Clock
) -> None:
    issuer.exchange = lambda _: Answer(429)
    for _ in range(THRESHOLD):
        await code_of(guarded, agents)
    clock.advance(30)
    issuer.exchange = issuer.exchanged
    issuer.forms.clear()
    agent = await agents.agent()
    results = await asyncio.gather(
        *(guarded.exchange(agent, ExchangeTarget(f"audience-{number}")) for number in range(20)),
        return_exceptions=True,
    )
    assert len(issuer.forms) == 1
    assert sum(isinstance(result, Unavailable) and result.code == "circuit_open" for result in results) == 19
    assert breaker.state == "closed"


async def test_a_cancelled_probe_does_not_keep_it_open(
    guarded: GuardedExchanger, breaker: CircuitBreaker, agents: Agents, issuer: Issuer, clock: Clock, audit: Recorded
) -> None:
    issuer.exchange = lambda _: Answer(500)
    for _ in range(THRESHOLD):
        await code_of(guarded, agents)
    clock.advance(30)
    issuer.exchange = lambda _: Answer(silent=True)
    issuer.arrived.clear()
    probe = asyncio.ensure_future(guarded.exchange(await agents.agent(), PIZZERIA))
    assert await asyncio.to_thread(issuer.arrived.wait, 10)
    probe.cancel()
    with pytest.raises(asyncio.CancelledError):
        await probe
    assert state_of(breaker) == "half_open"
    assert audit.outcomes[-1] == "cancelled"
    issuer.exchange = issuer.exchanged
    await guarded.exchange(await agents.agent(), PIZZERIA)
    assert state_of(breaker) == "closed"


async def test_each_exchange_is_audited_with_who_and_what_for(
    exchanger: CachingExchanger, agents: Agents, issuer: Issuer, audit: Recorded, telemetry: Telemetry
) -> None:
    agent = await agents.agent()
    with telemetry.span("call"):
        await exchanger.exchange(agent, PIZZERIA)
    (record,) = audit.records
    assert (record.kind, record.action, record.outcome) == ("exchange", "exchange", "ok")
    assert (record.subject, record.client_id, record.audience) == (agent.subject, "agent", "pizzeria-backend")
    assert (record.token_id, record.exchanged_token_id) == ("onrtro:agent-token", "ntrtte:exchanged")
    assert record.duration_ms is not None
    assert 0 < record.duration_ms < 10_000
    assert record.trace_id is not None
    assert len(record.trace_id) == 32
    assert agent.value not in repr(record)


async def test_a_fault_of_our_own_is_recorded_as_one(telemetry: Telemetry, audit: Recorded, agents: Agents) -> None:
    class Faulty:
        async def exchange(self, *_: object) -> None:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await AuditedExchanger(Faulty(), telemetry, Outcomes(audit.record)).exchange(await agents.agent(), PIZZERIA)  # type: ignore[arg-type]
    assert audit.outcomes == ["internal_error"]
