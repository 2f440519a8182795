"""What a call to an upstream presents, by the kind of its source's credential."""

import logging

import pytest

from app.credentials.credential import Means, Terms
from app.credentials.kinds import KINDS, AuthType, auth_type_elsewhere, auth_type_of
from app.credentials.token_exchange.caching import CachingExchanger
from app.errors import BadAnswer, Invalid, NotPermitted
from tests.credentials.conftest import Agents, Recorded
from tests.support.issuer import Issuer

pytestmark = pytest.mark.anyio

PIZZERIA = Terms("pizzeria-backend")


@pytest.fixture
def means(exchanger: CachingExchanger) -> Means:
    return Means(exchanger, "allow")


async def test_a_source_with_an_audience_gets_an_exchanged_token(means: Means, agents: Agents) -> None:
    agent = await agents.agent()
    exchanged = KINDS["token_exchange"](PIZZERIA, means)
    first = await exchanged.headers(agent)
    assert first.secret is not None
    assert first.secret != agent.value
    assert first.headers == (("authorization", f"Bearer {first.secret}"),)
    assert first.exchanged_token_id == "ntrtte:exchanged"
    assert (first.passthrough, first.cached) == (False, False)
    assert first.secret not in repr(first)
    assert (await exchanged.headers(agent)).cached


async def test_a_source_without_one_gets_the_agent_s_own(
    means: Means, agents: Agents, issuer: Issuer, audit: Recorded, caplog: pytest.LogCaptureFixture
) -> None:
    agent = await agents.agent()
    with caplog.at_level(logging.DEBUG, "app"):
        presented = await KINDS["passthrough"](Terms(), means).headers(agent)
    assert presented.headers == (("authorization", f"Bearer {agent.value}"),)
    assert (presented.secret, presented.exchanged_token_id) == (agent.value, None)
    assert (presented.passthrough, presented.cached) == (True, False)
    assert agent.value not in repr(presented)
    assert caplog.messages == ["No audience specified, using agent token directly"]
    assert issuer.forms == []
    assert audit.records == []


async def test_pass_through_can_be_forbidden(exchanger: CachingExchanger, agents: Agents) -> None:
    means = Means(exchanger, "deny")
    with pytest.raises(NotPermitted) as refused:
        await KINDS["passthrough"](Terms(), means).headers(await agents.agent())
    assert refused.value.code == "passthrough_denied"
    assert "`default_audience`" in refused.value.detail
    assert not (await KINDS["token_exchange"](PIZZERIA, means).headers(await agents.agent())).passthrough


async def test_a_source_that_needs_none_gets_none(means: Means, agents: Agents, issuer: Issuer) -> None:
    nothing = KINDS["none"](Terms("ignored"), means)
    assert (await nothing.headers(await agents.agent())).headers == ()
    assert issuer.forms == []


async def test_a_token_that_the_upstream_refused_is_not_offered_again(
    means: Means, agents: Agents, issuer: Issuer
) -> None:
    agent = await agents.agent()
    exchanged = KINDS["token_exchange"](PIZZERIA, means)
    await exchanged.headers(agent)
    await exchanged.forget(agent)
    assert not (await exchanged.headers(agent)).cached
    assert len(issuer.forms) == 2


@pytest.mark.parametrize("kind", ["passthrough", "none"])
async def test_what_keeps_nothing_presents_the_same_after_a_refusal(
    kind: AuthType, means: Means, agents: Agents
) -> None:
    agent = await agents.agent()
    credential = KINDS[kind](Terms(), means)
    before = await credential.headers(agent)
    await credential.forget(agent)
    assert await credential.headers(agent) == before


async def test_an_exchange_without_an_audience_is_refused_when_stated_and_never_sent(
    means: Means, agents: Agents, issuer: Issuer
) -> None:
    with pytest.raises(Invalid) as stated:
        KINDS["token_exchange"].check(Terms(None))
    assert stated.value.code == "audience_required"
    stored = KINDS["token_exchange"](Terms(None), means)
    with pytest.raises(BadAnswer) as called:
        await stored.headers(await agents.agent())
    await stored.forget(await agents.agent())
    assert called.value.code == "exchange_audience_not_found"
    assert issuer.forms == []


@pytest.mark.parametrize("kind", ["passthrough", "none"])
def test_other_kinds_need_no_audience(kind: AuthType) -> None:
    KINDS[kind].check(Terms())


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_takes_an_audience(kind: AuthType) -> None:
    KINDS[kind].check(PIZZERIA)


@pytest.mark.parametrize(
    ("stated", "audience", "kind"),
    [
        (None, "api", "token_exchange"),
        (None, None, "passthrough"),
        ("none", "api", "none"),
        ("passthrough", "api", "passthrough"),
        ("token_exchange", None, "token_exchange"),
    ],
)
def test_what_is_not_stated_follows_from_the_audience(
    stated: AuthType | None, audience: str | None, kind: AuthType
) -> None:
    assert auth_type_of(stated, audience) == kind


def test_another_origin_never_gets_the_agent_s_own_token() -> None:
    assert [auth_type_elsewhere(audience) for audience in ("files", None)] == ["token_exchange", "none"]
