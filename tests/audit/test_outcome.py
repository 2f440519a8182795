"""However something ends, one record says how; a flood of refusals is counted instead of written down."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from app.audit.outcome import EACH_BY_ITSELF, Outcome, Outcomes
from app.audit.record import AuditRecord
from app.errors import Invalid, NotFound, NotPermitted, ToolsProviderError, Unavailable
from tests.support.clock import Clock
from tests.tools.builders import an_agent

pytestmark = pytest.mark.anyio


class Kept:
    """Takes records; each is durable once `room` is set."""

    def __init__(self) -> None:
        self.records: list[AuditRecord] = []
        self.room = asyncio.Event()
        self.room.set()

    async def record(self, record: AuditRecord) -> None:
        self.records.append(record)
        await self.room.wait()

    @property
    def outcomes(self) -> list[tuple[str, str]]:
        return [(record.kind, record.outcome) for record in self.records]


@pytest.fixture
async def kept(anyio_backend: str) -> Kept:
    return Kept()


@pytest.fixture
def clock() -> Clock:
    return Clock(50)


@pytest.fixture
async def audit(kept: Kept, clock: Clock) -> AsyncIterator[Outcomes]:
    audit = Outcomes(kept.record, clock)
    yield audit
    await audit.stop()


async def fail(outcome: Outcome, error: Exception) -> None:
    async with outcome:
        raise error


def a_call(audit: Outcomes) -> Outcome:
    return audit.outcome(kind="call", action="execute", agent=an_agent(), door="mcp")


async def test_what_the_work_learns_is_on_record(audit: Outcomes, kept: Kept, clock: Clock) -> None:
    async with a_call(audit) as call:
        call.source, call.tool, call.audience = "pizzeria", "pizzeria/get_menu", "pizzeria-backend"
        call.exchanged_token_id, call.upstream_status = "jti-2", 200
        clock.advance(1.2345678)
    (record,) = kept.records
    assert (record.kind, record.action, record.outcome, record.door) == ("call", "execute", "ok", "mcp")
    assert (record.subject, record.client_id, record.token_id) == ("f7b1", "tools-provider-frontend", "jti-agent")
    assert record.preferred_username == "johndoe"
    assert (record.source, record.tool, record.audience) == ("pizzeria", "pizzeria/get_menu", "pizzeria-backend")
    assert (record.exchanged_token_id, record.upstream_status, record.duration_ms) == ("jti-2", 200, 1234.568)


@pytest.mark.parametrize(
    ("error", "kind", "detail"),
    [
        (Invalid("invalid_arguments", "/secret is unknown"), "refusal", None),
        (NotFound("tool_not_found", "There is none."), "refusal", "There is none."),
        (NotPermitted("consent_required", "Ask."), "refusal", "Ask."),
        (Unavailable("upstream_circuit_open", "Wait."), "call", "Wait."),
    ],
)
async def test_a_call_that_fails_is_recorded_with_its_code(
    audit: Outcomes, kept: Kept, error: ToolsProviderError, kind: str, detail: str | None
) -> None:
    with pytest.raises(type(error)):
        await fail(a_call(audit), error)
    (record,) = kept.records
    assert (record.kind, record.outcome, record.detail) == (kind, error.code, detail)


async def test_a_fault_of_our_own_is_recorded_without_its_text(audit: Outcomes, kept: Kept) -> None:
    with pytest.raises(ZeroDivisionError):
        await fail(a_call(audit), ZeroDivisionError("secret"))
    assert kept.outcomes == [("call", "internal_error")]
    assert "secret" not in repr(kept.records)


async def test_a_caller_who_gives_up_still_leaves_a_record(audit: Outcomes, kept: Kept) -> None:
    begun = asyncio.Event()

    async def work() -> None:
        async with a_call(audit):
            begun.set()
            await asyncio.Event().wait()

    call = asyncio.create_task(work())
    await begun.wait()
    call.cancel()
    await asyncio.wait([call])
    assert call.cancelled()
    assert kept.outcomes == [("call", "cancelled")]


async def test_the_block_is_left_when_the_record_is_durable(audit: Outcomes, kept: Kept) -> None:
    kept.room.clear()

    async def work() -> None:
        async with a_call(audit):
            pass

    call = asyncio.create_task(work())
    done, _ = await asyncio.wait([call], timeout=0.05)
    assert (done, kept.outcomes) == (set(), [("call", "ok")])
    kept.room.set()
    await call


async def test_how_it_ended_is_told_before_it_is_written_down(audit: Outcomes, kept: Kept) -> None:
    told: list[tuple[str, int]] = []

    def ended(outcome: Outcome) -> None:
        told.append((outcome.code, len(kept.records)))

    with pytest.raises(Unavailable):
        await fail(audit.outcome(kind="exchange", action="exchange", ended=ended), Unavailable("idp_broken", ""))
    assert told == [("idp_broken", 0)]
    assert kept.outcomes == [("exchange", "idp_broken")]


async def test_what_is_to_be_silent_leaves_no_record(audit: Outcomes, kept: Kept) -> None:
    async with audit.outcome(kind="admin", action="refresh", door="schedule") as refresh:
        refresh.silent = True
    assert kept.records == []


async def test_a_flood_of_refused_calls_is_counted_and_other_calls_are_not(audit: Outcomes, kept: Kept) -> None:
    for _ in range(3 * EACH_BY_ITSELF):
        with pytest.raises(Invalid):
            await fail(a_call(audit), Invalid("invalid_arguments", ""))
        await audit.refused(NotFound("tool_not_found", "No such tool."), "rest", action="execute", agent=an_agent())
        async with a_call(audit):
            pass
    await audit.stop()
    assert kept.outcomes.count(("call", "ok")) == 3 * EACH_BY_ITSELF
    for code, door, said in (("invalid_arguments", "mcp", None), ("tool_not_found", "rest", "No such tool.")):
        details = [record.detail for record in kept.records if (record.outcome, record.door) == (code, door)]
        assert details == [*[said] * EACH_BY_ITSELF, f"{2 * EACH_BY_ITSELF} more like this within 1 s"]
    assert {(record.subject, record.preferred_username) for record in kept.records} == {("f7b1", "johndoe")}


async def test_refusals_of_different_people_do_not_hide_each_other(audit: Outcomes, kept: Kept) -> None:
    for subject in ("one", "another"):
        for _ in range(EACH_BY_ITSELF):
            await audit.refused(NotPermitted("role_required", ""), "rest", agent=an_agent(subject=subject))
    assert len(kept.records) == 2 * EACH_BY_ITSELF
