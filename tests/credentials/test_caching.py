"""Which exchanges are saved, and for how long."""

import asyncio
import gc
import itertools
import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from app.audit.outcome import Outcomes
from app.circuit_breaker import CircuitBreaker
from app.credentials.token_exchange.audited import AuditedExchanger
from app.credentials.token_exchange.caching import CachingExchanger, cache_key, keep_until
from app.credentials.token_exchange.exchanger import ExchangeTarget
from app.credentials.token_exchange.keycloak import KeycloakExchanger
from app.errors import BadAnswer, InvalidAgentToken, NotPermitted, ToolsProviderError, Unavailable
from app.identity.agent_token import AgentToken
from app.memory import InProcessMemory
from app.telemetry import Telemetry
from tests.credentials.conftest import MAX_AGE, PIZZERIA, Agents, Recorded
from tests.support.clock import Clock
from tests.support.issuer import EXCHANGE_CLIENT, Answer, Issuer

pytestmark = pytest.mark.anyio

INVENTORY = ExchangeTarget("inventory-backend")


async def arrival(issuer: Issuer) -> None:
    assert await asyncio.to_thread(issuer.arrived.wait, 10)


async def test_a_second_call_needs_no_exchange(
    exchanger: CachingExchanger, agents: Agents, issuer: Issuer, audit: Recorded
) -> None:
    agent = await agents.agent()
    first = await exchanger.exchange(agent, PIZZERIA)
    second = await exchanger.exchange(agent, PIZZERIA)
    assert (first.value, first.cached) == (second.value, False)
    assert second.cached
    assert len(issuer.forms) == 1
    assert audit.outcomes == ["ok"]


@pytest.mark.parametrize("at_once", [True, False])
async def test_nobody_gets_what_was_issued_for_another_token_audience_or_scope(
    exchanger: CachingExchanger, agents: Agents, issuer: Issuer, *, at_once: bool
) -> None:
    def answer(form: dict[str, str]) -> Answer:
        return Answer(body=issuer.issue(form, jti=f"{next(numbers)}", sub=subjects[form["subject_token"]]))

    numbers = itertools.count()
    issuer.exchange = answer
    users = [await agents.agent(), await agents.agent(jti="second session"), await agents.agent(sub="another-user")]
    subjects = {agent.value: agent.subject for agent in users}
    targets = [
        PIZZERIA,
        INVENTORY,
        ExchangeTarget("pizzeria-backend", ("menu:read",)),
        ExchangeTarget("pizzeria-backend", ("menu:read", "menu:write")),
    ]
    for _ in range(2):
        calls = [exchanger.exchange(agent, target) for agent in users for target in targets]
        tokens = await asyncio.gather(*calls) if at_once else [await call for call in calls]
        assert len({token.value for token in tokens}) == len(calls)
    asked = {(form["subject_token"], form["audience"], form.get("scope")) for form in issuer.forms}
    assert len(issuer.forms) == len(asked) == len(users) * len(targets)


async def test_the_order_of_scopes_makes_no_difference(
    exchanger: CachingExchanger, agents: Agents, issuer: Issuer
) -> None:
    agent = await agents.agent()
    for scopes in (("a", "b"), ("b", "a"), ("b", "a", "b")):
        await exchanger.exchange(agent, ExchangeTarget("pizzeria-backend", scopes))
    assert len(issuer.forms) == 1


@pytest.mark.parametrize(
    ("agent_life", "exchanged_life", "kept_for"),
    [
        (3_000, 3_000, MAX_AGE),  # the setting decides
        (3_000, 90, 30),  # the exchanged token less the buffer
        (40, 3_000, 40),  # the agent token, without a buffer
        (3_000, 160, MAX_AGE),
        (3_000, 61, 1),
    ],
)
async def test_an_entry_ends_at_the_earliest_of_three_times(
    exchanger: CachingExchanger,
    agents: Agents,
    issuer: Issuer,
    clock: Clock,
    agent_life: int,
    exchanged_life: int,
    kept_for: float,
) -> None:
    agent = await agents.agent(exp=int(clock.now) + agent_life)
    issuer.exchange = lambda form: Answer(
        body={**issuer.issue(form, exp=int(clock.now) + exchanged_life), "expires_in": exchanged_life}
    )
    await exchanger.exchange(agent, PIZZERIA)
    clock.advance(kept_for - 0.5)
    assert (await exchanger.exchange(agent, PIZZERIA)).cached
    clock.advance(0.5)
    assert not (await exchanger.exchange(agent, PIZZERIA)).cached
    assert len(issuer.forms) == 2


@pytest.mark.parametrize("expires_in", [60, 1, 0, -5, "300", None])
async def test_what_would_end_at_once_is_used_once(
    exchanger: CachingExchanger, agents: Agents, issuer: Issuer, expires_in: object
) -> None:
    agent = await agents.agent()
    issuer.exchange = lambda form: Answer(body={**issuer.issue(form), "expires_in": expires_in})
    for _ in range(2):
        assert not (await exchanger.exchange(agent, PIZZERIA)).cached
    assert len(issuer.forms) == 2


@given(
    exchanged=st.floats(0, 1e10),
    agent=st.floats(0, 1e10),
    now=st.floats(0, 1e10),
    buffer=st.floats(0, 1e5),
    max_age=st.floats(0, 1e5),
)
def test_no_entry_outlives_any_of_its_bounds(
    exchanged: float, agent: float, now: float, buffer: float, max_age: float
) -> None:
    until = keep_until(exchanged, agent, now=now, buffer=buffer, max_age=max_age)
    assert until <= exchanged - buffer
    assert until <= agent
    assert until <= now + max_age
    assert until in (exchanged - buffer, agent, now + max_age)


Parts = tuple[bytes, str, str, str, frozenset[str]]
texts = st.text(st.sampled_from("ab:1 2,é\0"), max_size=4)
parts = st.tuples(
    st.sampled_from([b"\0" * 32, b"\1" * 32]), texts, texts, texts.filter(str.strip), st.frozensets(texts, max_size=3)
)


def key_of(part: Parts) -> bytes:
    digest, client_id, issuer, audience, scopes = part
    agent = AgentToken(
        value="value",
        digest=digest,
        issuer=issuer,
        subject="the same",
        preferred_username="the same",
        client_id="the same",
        token_id=None,
        scopes=frozenset(),
        roles=frozenset(),
        expires_at=0,
    )
    return cache_key(agent, ExchangeTarget(audience, tuple(scopes)), client_id)


@given(parts, parts)
def test_keys_are_equal_exactly_when_everything_is(one: Parts, other: Parts) -> None:
    assert (key_of(one) == key_of(other)) == (one == other)
    assert len(key_of(one)) == 32


async def test_a_thousand_first_calls_make_one_exchange(
    exchanger: CachingExchanger, agents: Agents, issuer: Issuer, audit: Recorded
) -> None:
    agent = await agents.agent()
    issuer.gate.clear()
    calls = [asyncio.ensure_future(exchanger.exchange(agent, PIZZERIA)) for _ in range(1_000)]
    await arrival(issuer)
    issuer.gate.set()
    assert len({token.value for token in await asyncio.gather(*calls)}) == 1
    assert len(issuer.forms) == 1
    assert audit.outcomes == ["ok"]


async def test_different_exchanges_do_not_wait_for_each_other(
    exchanger: CachingExchanger, agents: Agents, issuer: Issuer
) -> None:
    agent = await agents.agent()
    await exchanger.exchange(agent, INVENTORY)
    issuer.arrived.clear()
    issuer.gate.clear()
    waiting = asyncio.ensure_future(exchanger.exchange(agent, PIZZERIA))
    await arrival(issuer)
    assert (await exchanger.exchange(agent, INVENTORY)).cached
    issuer.gate.set()
    await waiting


async def test_a_caller_that_gives_up_takes_the_exchange_from_nobody(
    exchanger: CachingExchanger, agents: Agents, issuer: Issuer
) -> None:
    agent = await agents.agent()
    issuer.gate.clear()
    first, second = (asyncio.ensure_future(exchanger.exchange(agent, PIZZERIA)) for _ in range(2))
    await arrival(issuer)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    issuer.gate.set()
    assert (await second).token_id == "ntrtte:exchanged"
    assert len(issuer.forms) == 1


async def test_an_exchange_that_all_have_given_up_is_kept_for_the_next(
    exchanger: CachingExchanger, agents: Agents, issuer: Issuer
) -> None:
    agent = await agents.agent()
    issuer.gate.clear()
    only = asyncio.ensure_future(exchanger.exchange(agent, PIZZERIA))
    await arrival(issuer)
    only.cancel()
    await asyncio.wait([only])
    issuer.gate.set()
    assert (await exchanger.exchange(agent, PIZZERIA)).token_id == "ntrtte:exchanged"
    assert len(issuer.forms) == 1


async def test_a_failure_that_nobody_waits_for_is_not_complained_about(
    exchanger: CachingExchanger, agents: Agents, issuer: Issuer, audit: Recorded, caplog: pytest.LogCaptureFixture
) -> None:
    agent = await agents.agent()
    issuer.exchange = lambda _: Answer(400, {"error": "invalid_request", "error_description": "Invalid token"})
    issuer.gate.clear()
    others = asyncio.all_tasks()
    only = asyncio.ensure_future(exchanger.exchange(agent, PIZZERIA))
    await arrival(issuer)
    (flight,) = asyncio.all_tasks() - others - {only}
    only.cancel()
    await asyncio.wait([only])
    issuer.gate.set()
    await asyncio.wait([flight])
    await asyncio.sleep(0)  # what is called when the flight is done
    del flight
    gc.collect()
    assert audit.outcomes == ["token_revoked"]
    assert "never retrieved" not in caplog.text


FAILURES: list[tuple[Answer, type[ToolsProviderError]]] = [
    (Answer(400, {"error": "invalid_request", "error_description": "Invalid token"}), InvalidAgentToken),
    (Answer(400, {"error": "invalid_client", "error_description": "Audience not found"}), BadAnswer),
    (Answer(400, {"error": "invalid_scope", "error_description": "Missing consents for x"}), NotPermitted),
    (Answer(500), Unavailable),
]


@pytest.mark.parametrize(("answer", "kind"), FAILURES)
async def test_a_failure_is_shared_by_those_who_wait_and_then_forgotten(
    exchanger: CachingExchanger, agents: Agents, issuer: Issuer, answer: Answer, kind: type[ToolsProviderError]
) -> None:
    agent = await agents.agent()
    issuer.gate.clear()
    issuer.exchange = lambda _: answer
    calls = [asyncio.ensure_future(exchanger.exchange(agent, PIZZERIA)) for _ in range(10)]
    await arrival(issuer)
    issuer.gate.set()
    results = await asyncio.gather(*calls, return_exceptions=True)
    assert {type(result) for result in results} == {kind}
    assert len(issuer.forms) == 1
    issuer.exchange = issuer.exchanged
    assert (await exchanger.exchange(agent, PIZZERIA)).token_id == "ntrtte:exchanged"


async def test_an_audience_that_is_not_available_is_not_asked_for_again_within_a_second(
    exchanger: CachingExchanger, agents: Agents, issuer: Issuer, clock: Clock, audit: Recorded
) -> None:
    agent, another = await agents.agent(), await agents.agent(jti="another")
    refusal = {"error": "invalid_request", "error_description": "Requested audience not available: pizzeria-backend"}
    issuer.exchange = lambda _: Answer(400, refusal)
    details = set()
    for _ in range(5):
        with pytest.raises(NotPermitted) as refused:
            await exchanger.exchange(agent, PIZZERIA)
        assert refused.value.code == "exchange_audience_not_available"
        details.add(refused.value.detail)
        clock.advance(0.19)
    assert len(details) == len(issuer.forms) == len(audit.records) == 1
    issuer.exchange = issuer.exchanged
    await exchanger.exchange(another, PIZZERIA)
    await exchanger.exchange(agent, INVENTORY)
    clock.advance(0.05)
    assert (await exchanger.exchange(agent, PIZZERIA)).token_id == "ntrtte:exchanged"


async def test_a_forgotten_token_is_exchanged_anew(exchanger: CachingExchanger, agents: Agents, issuer: Issuer) -> None:
    agent = await agents.agent()
    await exchanger.exchange(agent, PIZZERIA)
    await exchanger.exchange(agent, INVENTORY)
    await exchanger.forget(agent, PIZZERIA)
    assert not (await exchanger.exchange(agent, PIZZERIA)).cached
    assert (await exchanger.exchange(agent, INVENTORY)).cached


async def test_no_more_tokens_are_kept_than_allowed(
    keycloak: KeycloakExchanger, telemetry: Telemetry, agents: Agents, clock: Clock
) -> None:
    exchanger = CachingExchanger(
        keycloak,
        InProcessMemory(),
        telemetry,
        client_id=EXCHANGE_CLIENT,
        buffer=0,
        max_age=60,
        most=2,
        clock=clock,
    )
    agent = await agents.agent()
    for target in (PIZZERIA, INVENTORY, ExchangeTarget("third")):
        await exchanger.exchange(agent, target)
    assert not (await exchanger.exchange(agent, PIZZERIA)).cached
    assert (await exchanger.exchange(agent, ExchangeTarget("third"))).cached


async def test_cached_tokens_are_served_while_the_identity_provider_is_down(
    exchanger: CachingExchanger, agents: Agents, issuer: Issuer, breaker: CircuitBreaker
) -> None:
    agent = await agents.agent()
    await exchanger.exchange(agent, PIZZERIA)
    issuer.exchange = lambda _: Answer(503)
    while breaker.state == "closed":
        with pytest.raises(Unavailable):
            await exchanger.exchange(agent, INVENTORY)
    assert (await exchanger.exchange(agent, PIZZERIA)).cached
    with pytest.raises(Unavailable) as refused:
        await exchanger.exchange(agent, INVENTORY)
    assert refused.value.code == "circuit_open"


async def test_closing_ends_what_is_under_way(
    exchanger: CachingExchanger, memory: InProcessMemory, agents: Agents, issuer: Issuer, audit: Recorded
) -> None:
    agent = await agents.agent()
    issuer.exchange = lambda _: Answer(silent=True)
    before = asyncio.all_tasks()
    waiting = asyncio.ensure_future(exchanger.exchange(agent, PIZZERIA))
    await arrival(issuer)
    await memory.aclose()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert audit.outcomes == ["cancelled"]
    assert asyncio.all_tasks() <= before


async def test_one_span_for_each_exchange_that_a_call_needs(
    exchanger: CachingExchanger, agents: Agents, spans: InMemorySpanExporter
) -> None:
    agent = await agents.agent()
    for _ in range(2):
        await exchanger.exchange(agent, PIZZERIA)
    first, second = spans.get_finished_spans()
    assert first.name == second.name == "exchange_token"
    assert dict(first.attributes or {}) == {
        "token_exchange.audience": "pizzeria-backend",
        "token_exchange.cache_hit": False,
    }
    assert dict(second.attributes or {}) == {
        "token_exchange.audience": "pizzeria-backend",
        "token_exchange.cache_hit": True,
    }
    assert [event.name for event in first.events] == ["Performing token exchange"]
    assert second.events == ()


async def test_the_time_that_an_exchange_took_is_recorded(
    keycloak: KeycloakExchanger, agents: Agents, issuer: Issuer, telemetry: Telemetry, audit: Recorded
) -> None:
    stopwatch = Clock(10.0)

    def answer(form: dict[str, str]) -> Answer:
        stopwatch.advance(0.25)
        return issuer.exchanged(form)

    issuer.exchange = answer
    audited = AuditedExchanger(keycloak, telemetry, Outcomes(audit.record, stopwatch))
    await audited.exchange(await agents.agent(), PIZZERIA)
    assert audit.records[0].duration_ms == 250
    measured = 'tools_provider_token_exchange_duration_seconds_sum{audience="pizzeria-backend"} 0.25'
    assert measured in telemetry.render_prometheus().decode().splitlines()


async def test_the_metrics_count_what_was_sent_and_what_was_saved(
    exchanger: CachingExchanger, agents: Agents, issuer: Issuer, telemetry: Telemetry
) -> None:
    agent = await agents.agent()
    for _ in range(3):
        await exchanger.exchange(agent, PIZZERIA)
    issuer.exchange = lambda _: Answer(400, {"error": "invalid_client", "error_description": "Audience not found"})
    with pytest.raises(BadAnswer):
        await exchanger.exchange(agent, INVENTORY)
    lines = telemetry.render_prometheus().decode().splitlines()

    def counted(name: str) -> list[str]:
        return [line for line in lines if line.startswith(f"{name}{{")]

    assert counted("tools_provider_token_exchange_count_total") == [
        'tools_provider_token_exchange_count_total{audience="pizzeria-backend"} 1.0',
        'tools_provider_token_exchange_count_total{audience="inventory-backend"} 1.0',
    ]
    assert counted("tools_provider_token_exchange_cache_hits_total") == [
        'tools_provider_token_exchange_cache_hits_total{audience="pizzeria-backend"} 2.0'
    ]
    labels = '{audience="inventory-backend",error="exchange_audience_not_found"}'
    assert counted("tools_provider_token_exchange_errors_total") == [
        f"tools_provider_token_exchange_errors_total{labels} 1.0"
    ]


async def test_a_hit_is_told_at_debug_in_the_guide_s_words(
    exchanger: CachingExchanger, agents: Agents, caplog: pytest.LogCaptureFixture
) -> None:
    agent = await agents.agent()
    await exchanger.exchange(agent, PIZZERIA)
    with caplog.at_level(logging.DEBUG, "app"):
        token = await exchanger.exchange(agent, PIZZERIA)
    assert caplog.messages == ["Token exchange cache hit for audience 'pizzeria-backend'"]
    assert token.value not in caplog.text
