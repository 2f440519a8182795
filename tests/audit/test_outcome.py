"""However something ends, one record says how; a flood of refusals is counted instead of written down."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import asdict

import pytest

from app.audit.outcome import EACH_BY_ITSELF, Outcome, Outcomes
from app.audit.record import AuditRecord
from app.errors import Invalid, NotFound, NotPermitted, ToolsProviderError, Unavailable
from tests.support.clock import Clock
from tests.tools.builders import an_agent

pytestmark = pytest.mark.anyio

SUMMARY = "more like this within 1 s"


class Kept:
    """Takes records; each is durable once `room` is set."""

    def __init__(self) -> None:
        self.records: list[AuditRecord] = []
        self.room = asyncio.Event()
        self.room.set()
        self.summarised = asyncio.Event()

    async def record(self, record: AuditRecord) -> None:
        self.records.append(record)
        if record.detail is not None and record.detail.endswith(SUMMARY):
            self.summarised.set()
        await self.room.wait()

    async def next_summary(self) -> AuditRecord:
        """The summary that comes by itself, at most a window later."""
        async with asyncio.timeout(20):
            await self.summarised.wait()
        self.summarised.clear()
        return self.records[-1]

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
        assert details == [*[said] * EACH_BY_ITSELF, f"{2 * EACH_BY_ITSELF} {SUMMARY}"]
    assert {(record.subject, record.preferred_username) for record in kept.records} == {("f7b1", "johndoe")}


async def test_refusals_of_different_people_do_not_hide_each_other(audit: Outcomes, kept: Kept) -> None:
    for subject in ("one", "another"):
        for _ in range(EACH_BY_ITSELF):
            await audit.refused(NotPermitted("role_required", ""), "rest", agent=an_agent(subject=subject))
    assert len(kept.records) == 2 * EACH_BY_ITSELF


async def test_a_refusal_before_any_work_says_no_more_than_is_known(audit: Outcomes, kept: Kept) -> None:
    await audit.refused(NotFound("tool_not_found", "None."), "mcp")
    (record,) = kept.records
    stated = {
        "kind": "refusal",
        "action": "authenticate",
        "outcome": "tool_not_found",
        "door": "mcp",
        "detail": "None.",
    }
    known = {name: value for name, value in asdict(record).items() if value is not None and name not in {"at", "id"}}
    assert known == {**stated, "door": "mcp", "detail": "None.", "passthrough": False}


async def test_as_many_as_are_recorded_by_themselves_need_no_summary(audit: Outcomes, kept: Kept) -> None:
    for _ in range(EACH_BY_ITSELF):
        await audit.refused(NotPermitted("role_required", ""), "rest")
    await audit.stop()
    assert len(kept.records) == EACH_BY_ITSELF


async def test_every_second_of_a_flood_is_summarised_by_itself(audit: Outcomes, kept: Kept) -> None:
    for more in (2, 3):
        for _ in range(EACH_BY_ITSELF + more):
            await audit.refused(NotPermitted("role_required", ""), "rest", action="administer", agent=an_agent())
        summary = await kept.next_summary()
        assert (summary.kind, summary.action, summary.outcome) == ("refusal", "administer", "role_required")
        assert (summary.subject, summary.door, summary.detail) == ("f7b1", "rest", f"{more} {SUMMARY}")
    assert len(kept.records) == 2 * (EACH_BY_ITSELF + 1)


async def test_time_is_counted_from_the_beginning_of_the_work(kept: Kept) -> None:
    audit = Outcomes(kept.record, Clock(0))
    async with audit.outcome(kind="call", action="execute") as call:
        pass
    assert (call.seconds, kept.records[0].duration_ms) == (0, 0)
