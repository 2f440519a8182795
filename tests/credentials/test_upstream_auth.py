"""Which token a call to an upstream carries."""

import logging

import pytest

from app.credentials.token_exchange.caching import CachingExchanger
from app.credentials.upstream_auth import UpstreamAuth
from app.errors import NotPermitted
from tests.credentials.conftest import PIZZERIA, Agents, Recorded
from tests.issuer import Issuer

pytestmark = pytest.mark.anyio


async def test_a_source_with_an_audience_gets_an_exchanged_token(upstream_auth: UpstreamAuth, agents: Agents) -> None:
    agent = await agents.agent()
    first = await upstream_auth.bearer_for(agent, PIZZERIA)
    assert first.value != agent.value
    assert (first.token_id, first.audience) == ("ntrtte:exchanged", "pizzeria-backend")
    assert (first.passthrough, first.cached) == (False, False)
    assert first.value not in repr(first)
    assert (await upstream_auth.bearer_for(agent, PIZZERIA)).cached


async def test_a_source_without_one_gets_the_agent_s_own(
    upstream_auth: UpstreamAuth, agents: Agents, issuer: Issuer, audit: Recorded, caplog: pytest.LogCaptureFixture
) -> None:
    agent = await agents.agent()
    with caplog.at_level(logging.DEBUG, "app"):
        bearer = await upstream_auth.bearer_for(agent, None)
    assert (bearer.value, bearer.token_id, bearer.audience) == (agent.value, agent.token_id, None)
    assert (bearer.passthrough, bearer.cached) == (True, False)
    assert caplog.messages == ["No audience specified, using agent token directly"]
    assert issuer.forms == []
    assert audit.records == []


async def test_pass_through_can_be_forbidden(exchanger: CachingExchanger, agents: Agents) -> None:
    upstream_auth = UpstreamAuth(exchanger, passthrough="deny")
    with pytest.raises(NotPermitted) as refused:
        await upstream_auth.bearer_for(await agents.agent(), None)
    assert refused.value.code == "passthrough_denied"
    assert "`default_audience`" in refused.value.detail
    assert (await upstream_auth.bearer_for(await agents.agent(), PIZZERIA)).audience == "pizzeria-backend"


async def test_a_token_that_the_upstream_refused_is_not_offered_again(
    upstream_auth: UpstreamAuth, agents: Agents, issuer: Issuer
) -> None:
    agent = await agents.agent()
    await upstream_auth.bearer_for(agent, PIZZERIA)
    await upstream_auth.forget(agent, PIZZERIA)
    assert not (await upstream_auth.bearer_for(agent, PIZZERIA)).cached
    assert len(issuer.forms) == 2
