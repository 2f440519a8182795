"""A flood of refusals is told, and does not fill the disk."""

from concurrent.futures import ThreadPoolExecutor

from app.audit.outcome import EACH_BY_ITSELF
from tests.installation import Headers, RunningProvider, bearer

FLOOD = 400


def test_a_refusal_for_want_of_a_role_is_on_record(provider: RunningProvider, agent: Headers, admin: Headers) -> None:
    refused = provider.http.get("/api/v1/audit", headers=agent).json()
    (record,) = provider.audit(admin, outcome="role_required")
    assert record["trace_id"] == refused["trace_id"]
    assert record["subject"]


def test_a_flood_is_counted_to_the_last_refusal(provider: RunningProvider, admin: Headers) -> None:
    def refused(_: int) -> int:
        return provider.http.get("/api/v1/tools", headers=bearer("garbage")).status_code

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(refused, range(FLOOD))) == {401}
    for _ in range(2_000):
        records = provider.audit(admin, kind="refusal", outcome="token_invalid", limit=500)
        told = sum(int(record["detail"].split()[0]) if record["detail"] else 1 for record in records)
        if told >= FLOOD:
            break
    assert told == FLOOD
    assert len(records) < FLOOD
    assert len([record for record in records if record["detail"] is None]) % EACH_BY_ITSELF == 0
