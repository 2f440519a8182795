"""A flood of refusals is told, and does not fill the disk."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx

from app.audit.outcome import EACH_BY_ITSELF
from tests.api.protocol import ERAS, post
from tests.support.installation import Headers, RunningProvider, bearer

FLOOD = 400


def test_a_refusal_for_want_of_a_role_is_on_record(provider: RunningProvider, agent: Headers, admin: Headers) -> None:
    refused = provider.http.get("/api/v1/audit", headers=agent).json()
    (record,) = provider.audit(admin, outcome="role_required", preferred_username="johndoe")
    assert record["trace_id"] == refused["trace_id"]
    assert record["subject"]
    assert provider.settings.audit_log is not None
    lines = [json.loads(line) for line in provider.settings.audit_log.read_text(encoding="utf-8").splitlines()]
    assert [line["preferred_username"] for line in lines if line["id"] == record["id"]] == ["johndoe"]


def test_a_flood_is_counted_to_the_last_refusal(provider: RunningProvider, admin: Headers) -> None:
    def refused(_: int) -> int:
        return provider.http.get("/api/v1/tools", headers=bearer("garbage")).status_code

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(refused, range(FLOOD))) == {401}
    for _ in range(2_000):
        records = provider.audit(admin, kind="refusal", outcome="token_invalid", limit=500)
        told = sum(_number_of(record) for record in records)
        if told >= FLOOD:
            break
    assert told == FLOOD
    assert len(records) < FLOOD
    assert _are_bounded(records)


UNKNOWN = 40


def _record_of(record: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(record[name] for name in ("kind", "action", "outcome", "subject", "client_id", "source"))


def test_both_doors_leave_the_same_records_of_many_unknown_tools(
    provider: RunningProvider, agent: Headers, admin: Headers
) -> None:
    doors: dict[str, Callable[[int], httpx.Response]] = {
        "rest": lambda number: provider.execute(agent, f"nope/nothing_{number}"),
        "mcp": lambda number: post(provider, agent, "tools/call", ERAS[number % 2], name=f"nope__nothing_{number}"),
    }
    with ThreadPoolExecutor(8) as pool:
        for ask in doors.values():
            assert {answer.status_code for answer in pool.map(ask, range(UNKNOWN))} <= {200, 400, 404}
    told: dict[str, list[dict[str, Any]]] = {}
    for _ in range(2_000):
        records = provider.audit(admin, outcome="tool_not_found", limit=500)
        told = {door: [record for record in records if record["door"] == door] for door in doors}
        if all(sum(_number_of(record) for record in found) == UNKNOWN for found in told.values()):
            break
    assert {_record_of(record) for record in told["rest"]} == {_record_of(record) for record in told["mcp"]}
    for found in told.values():
        assert sum(_number_of(record) for record in found) == UNKNOWN
        assert len(found) < UNKNOWN
        assert _are_bounded(found)
        assert all(record["trace_id"] for record in found if not _counts_others(record))


def _are_bounded(records: list[dict[str, Any]]) -> bool:
    """Whether each record that counts others follows as many as get one each; the end of a second may split them."""
    counting = [record for record in records if _counts_others(record)]
    return len(records) - len(counting) >= EACH_BY_ITSELF * len(counting)


def _number_of(record: dict[str, Any]) -> int:
    return int(record["detail"].split()[0]) if _counts_others(record) else 1


def _counts_others(record: dict[str, Any]) -> bool:
    return " more like this within " in record["detail"]
