"""Records are durable when `record` returns, survive a database that is not there, and come back newest first."""

import asyncio
import json
import sqlite3
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from app.audit.log import AuditFilter, AuditLog
from app.audit.record import AuditRecord
from app.database import Database
from app.errors import Invalid, Unavailable
from app.telemetry import Telemetry

pytestmark = pytest.mark.anyio


def a_record(tool: str = "pizzeria/get_menu", **fields: object) -> AuditRecord:
    return AuditRecord(**{"kind": "call", "action": "execute", "outcome": "ok", "tool": tool, **fields})  # type: ignore[arg-type]


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    database = Database(f"sqlite:///{tmp_path}/provider.db")
    await database.migrate()
    yield database
    await database.dispose()


@pytest.fixture
async def log(database: Database) -> AsyncIterator[AuditLog]:
    log = AuditLog(database, None)
    await log.start()
    yield log
    await log.stop()


def stored(tmp_path: Path) -> list[str]:
    connection = sqlite3.connect(tmp_path / "provider.db")
    try:
        return [tool for (tool,) in connection.execute("SELECT tool FROM audit_records ORDER BY sequence")]
    finally:
        connection.close()


def change(tmp_path: Path, statement: str) -> None:
    connection = sqlite3.connect(tmp_path / "provider.db")
    try:
        connection.execute(statement)
    finally:
        connection.close()


async def test_a_record_is_in_the_database_when_record_returns(log: AuditLog, tmp_path: Path) -> None:
    await log.record(a_record("a/b"))
    assert stored(tmp_path) == ["a/b"]


async def test_every_field_comes_back(log: AuditLog) -> None:
    record = AuditRecord(
        kind="call",
        action="execute",
        outcome="upstream_error",
        door="mcp",
        subject="f7b1",
        preferred_username="johndoe",
        client_id="tools-provider-frontend",
        token_id="jti-1",
        exchanged_token_id="jti-2",
        source="pizzeria",
        tool="pizzeria/get_menu",
        audience="pizzeria-backend",
        passthrough=True,
        upstream_status=404,
        duration_ms=1.5,
        trace_id="4bf92f3577b34da6a3ce929d0e0e4736",
        detail="über",
    )
    await log.record(record)
    assert (await log.query()).items == (record,)


async def test_simultaneous_records_are_all_written_in_order(log: AuditLog, tmp_path: Path) -> None:
    names = [f"s/{number}" for number in range(1_200)]
    await asyncio.gather(*(log.record(a_record(name)) for name in names))
    assert stored(tmp_path) == names


async def test_a_record_whose_commit_was_not_confirmed_can_be_written_again(log: AuditLog, tmp_path: Path) -> None:
    record = a_record("a/b")
    await log.record(record)
    await asyncio.gather(log.record(record), log.record(a_record("a/c")))
    assert stored(tmp_path) == ["a/b", "a/c"]
    assert not (tmp_path / "audit-unsaved.jsonl").exists()


async def test_a_cancelled_caller_loses_no_record(log: AuditLog, tmp_path: Path) -> None:
    caller = asyncio.create_task(log.record(a_record("a/cancelled")))
    await asyncio.sleep(0)
    caller.cancel()
    await asyncio.wait([caller])
    await log.record(a_record("a/next"))
    assert stored(tmp_path) == ["a/cancelled", "a/next"]


async def test_stop_writes_what_is_pending(database: Database, tmp_path: Path) -> None:
    log = AuditLog(database, None)
    await log.start()
    pending = [log.submit(a_record(f"s/{number}")) for number in range(50)]
    await log.stop()
    assert len(stored(tmp_path)) == 50
    assert all(future.done() for future in pending)


async def test_records_are_also_appended_to_the_file(database: Database, tmp_path: Path) -> None:
    file = tmp_path / "audit.jsonl"
    log = AuditLog(database, file)
    await log.start()
    await log.record(a_record("a/b", detail="line\r\nbreak \x1b[1m"))
    await log.record(a_record("a/c"))
    await log.stop()
    first, second = file.read_text().splitlines()
    assert json.loads(first)["tool"] == "a/b"
    assert "\x1b" not in first
    assert json.loads(second)["outcome"] == "ok"
    assert stored(tmp_path) == ["a/b", "a/c"]


async def test_a_file_that_cannot_be_written_keeps_no_record_out_of_the_database(
    database: Database, tmp_path: Path
) -> None:
    log = AuditLog(database, tmp_path / "no" / "such" / "folder.jsonl")
    await log.start()
    await log.record(a_record("a/b"))
    await log.stop()
    assert stored(tmp_path) == ["a/b"]


async def test_without_the_database_records_are_kept_aside_and_counted_and_come_in_at_the_next_start(
    database: Database, tmp_path: Path
) -> None:
    telemetry = Telemetry()
    log = AuditLog(database, None, telemetry=telemetry, deadline=0.2)
    await log.start()
    await log.record(a_record("a/before"))
    blocker = sqlite3.connect(tmp_path / "provider.db", isolation_level=None)
    blocker.execute("BEGIN EXCLUSIVE")
    started = time.monotonic()
    await log.record(a_record("a/aside"))
    waited = time.monotonic() - started
    blocker.execute("ROLLBACK")
    blocker.close()
    assert waited < 2
    aside = tmp_path / "audit-unsaved.jsonl"
    assert json.loads(aside.read_text())["tool"] == "a/aside"
    assert b"tools_provider_audit_unsaved_total 1.0" in telemetry.render_prometheus()
    await log.record(a_record("a/after"))
    await log.stop()
    restarted = AuditLog(database, None)
    await restarted.start()
    await restarted.stop()
    assert not aside.exists()
    assert sorted(stored(tmp_path)) == ["a/after", "a/aside", "a/before"]
    telemetry.shutdown()


async def test_a_database_that_comes_back_within_the_deadline_gets_the_record_once(
    database: Database, tmp_path: Path
) -> None:
    log = AuditLog(database, None, deadline=30)
    await log.start()
    change(tmp_path, "ALTER TABLE audit_records RENAME TO elsewhere")
    with capture_logs() as logged:
        written = log.submit(a_record("a/b"))
        while not logged:
            await asyncio.wait([written], timeout=0.01)
        assert not written.done()
        change(tmp_path, "ALTER TABLE elsewhere RENAME TO audit_records")
        await written
    await log.stop()
    assert logged[0]["event"] == "audit records could not be written yet"
    assert stored(tmp_path) == ["a/b"]
    assert not (tmp_path / "audit-unsaved.jsonl").exists()


async def test_a_record_after_the_end_is_kept_aside(database: Database, tmp_path: Path) -> None:
    log = AuditLog(database, None)
    await log.start()
    await log.stop()
    await log.record(a_record("a/late"))
    assert json.loads((tmp_path / "audit-unsaved.jsonl").read_text())["tool"] == "a/late"


async def test_a_writer_that_is_cancelled_keeps_aside_what_is_pending(database: Database, tmp_path: Path) -> None:
    log = AuditLog(database, None)
    await log.start()
    pending = [log.submit(a_record("a/pending")), log.submit(a_record("a/pending"))]
    (writer,) = (task for task in asyncio.all_tasks() if task.get_name() == "audit-writer")
    writer.cancel()
    await asyncio.wait(pending)
    await log.record(a_record("a/late"))
    await log.stop()
    kept = (tmp_path / "audit-unsaved.jsonl").read_text().splitlines()
    assert [json.loads(line)["tool"] for line in kept] == ["a/pending", "a/pending", "a/late"]


async def test_a_line_that_is_no_record_does_not_stop_the_start(database: Database, tmp_path: Path) -> None:
    aside = tmp_path / "audit-unsaved.jsonl"
    aside.write_text('{"half a rec\n"a text"\n')
    log = AuditLog(database, None)
    await log.start()
    await log.record(a_record("a/b"))
    await log.stop()
    assert stored(tmp_path) == ["a/b"]


async def test_what_an_earlier_version_kept_aside_comes_in_beside_what_this_one_did(
    database: Database, tmp_path: Path
) -> None:
    log = AuditLog(database, None)
    await log.record(a_record("a/now", preferred_username="johndoe"))
    aside = tmp_path / "audit-unsaved.jsonl"
    now = json.loads(aside.read_text())
    earlier = {name: value for name, value in now.items() if name != "preferred_username"}
    lines = [{**earlier, "id": "1", "tool": "a/earlier"}, now, {**earlier, "id": "2", "tool": "a/earlier"}]
    aside.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    await log.start()
    names = [(record.tool, record.preferred_username) for record in (await log.query()).items]
    await log.stop()
    assert names == [("a/earlier", None), ("a/now", "johndoe"), ("a/earlier", None)]


async def test_what_cannot_be_kept_aside_is_logged_whole(database: Database, tmp_path: Path) -> None:
    log = AuditLog(database, None)
    (tmp_path / "audit-unsaved.jsonl").mkdir()
    with capture_logs() as logged:
        await log.record(a_record("a/late"))
    assert json.loads(logged[0]["record"])["tool"] == "a/late"


async def test_a_database_without_a_file_logs_what_it_cannot_take() -> None:
    database = Database("sqlite:///:memory:")
    log = AuditLog(database, None)
    with capture_logs() as logged:
        await log.record(a_record("a/late"))
    await database.dispose()
    assert json.loads(logged[0]["record"])["tool"] == "a/late"


async def test_text_that_no_database_takes_is_made_fit(log: AuditLog) -> None:
    await log.record(a_record("a/\x00b", subject="half \ud800 pair", detail="x" * 5_000))
    (record,) = (await log.query()).items
    assert record.tool == r"a/\u0000b"
    assert record.subject == r"half \ud800 pair"
    assert record.detail == "x" * 1_000


HIDING = {  # what a party may choose, and how whoever reads the audit or a log sees it
    "a\u202eb": r"a\u202eb",  # the rest from right to left
    "a\u2066b\u2069": r"a\u2066b\u2069",
    "a\u200bb\ufeff": r"a\u200bb\ufeff",  # no width
    "a\x1b[2Jb": r"a\u001b[2Jb",  # clears a terminal
    "a\x9b2Jb\x7f": r"a\u009b2Jb\u007f",
    "a\u2028b\u2029c\x85d\r\ne": r"a\u2028b\u2029c\u0085d\u000d\u000ae",
    "a\U000e0041b": r"a\U000e0041b",  # tags
    "a\ud800b": r"a\ud800b",
}


@pytest.mark.parametrize(("chosen", "shown"), HIDING.items(), ids=ascii)
async def test_what_hides_is_written_out_in_every_text_of_a_record(
    database: Database, tmp_path: Path, chosen: str, shown: str
) -> None:
    file = tmp_path / "audit.jsonl"
    log = AuditLog(database, file)
    await log.start()
    texts = {"tool", "subject", "preferred_username", "client_id", "source", "detail", "token_id", "audience"}
    await log.record(a_record(**dict.fromkeys(texts, chosen)))
    (record,) = (await log.query(AuditFilter(subject=chosen, tool=shown))).items
    await log.stop()
    assert {getattr(record, name) for name in texts} == {shown}
    (line,) = file.read_text(encoding="utf-8").splitlines()
    assert {json.loads(line)[name] for name in texts} == {shown}
    assert line.isprintable()


async def test_pages_lead_from_the_newest_to_the_oldest_without_gaps(log: AuditLog) -> None:
    for number in range(7):
        await log.record(a_record(f"s/{number}"))
    first = await log.query(limit=3)
    await log.record(a_record("s/new"))
    second = await log.query(limit=3, cursor=first.next_cursor)
    third = await log.query(limit=3, cursor=second.next_cursor)
    shown = [record.tool for page in (first, second, third) for record in page.items]
    assert shown == ["s/6", "s/5", "s/4", "s/3", "s/2", "s/1", "s/0"]
    assert third.next_cursor is None


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        (AuditFilter(), {"one", "two"}),
        (AuditFilter(subject="jo"), {"one"}),
        (AuditFilter(preferred_username="Jo"), {"one"}),
        (AuditFilter(client_id="frontend"), {"one"}),
        (AuditFilter(tool="p/two"), {"two"}),
        (AuditFilter(source="hours"), {"two"}),
        (AuditFilter(outcome="token_expired"), {"two"}),
        (AuditFilter(kind="call"), {"one"}),
        (AuditFilter(since=150), {"two"}),
        (AuditFilter(until=200), {"one"}),
        (AuditFilter(since=100, until=201), {"one", "two"}),
        (AuditFilter(subject="jo", kind="refusal"), set()),
    ],
)
async def test_filters_must_all_match(log: AuditLog, filters: AuditFilter, expected: set[str]) -> None:
    await log.record(
        a_record(
            "p/one",
            detail="one",
            subject="jo",
            preferred_username="Jo",
            client_id="frontend",
            source="pizzeria",
            at=100.0,
        )
    )
    await log.record(
        a_record("p/two", detail="two", kind="refusal", subject="ed", source="hours", outcome="token_expired", at=200.0)
    )
    assert {record.detail for record in (await log.query(filters)).items} == expected


@pytest.mark.parametrize("cursor", ["", "x", "é", "YmVmb3JlOi0x", "YmVmb3JlOng", "YWZ0ZXI6NQ", "9" * 5_000])
async def test_a_cursor_that_is_not_ours_is_refused(log: AuditLog, cursor: str) -> None:
    with pytest.raises(Invalid) as refused:
        await log.query(cursor=cursor)
    assert refused.value.code == "cursor_invalid"


async def test_a_page_never_has_more_than_500_records(log: AuditLog) -> None:
    await asyncio.gather(*(log.record(a_record()) for _ in range(501)))
    page = await log.query(limit=100_000)
    assert len(page.items) == 500
    assert page.next_cursor is not None


async def test_a_filter_that_no_record_can_fit_finds_nothing(database_url: str) -> None:
    database = Database(database_url)
    await database.migrate()
    log = AuditLog(database, None)
    await log.start()
    try:
        await log.record(a_record("a/b", subject="x\x00y"))
        for subject in ("\x00", "xy", "\ud7ff", "x" * 100_000):
            assert (await log.query(AuditFilter(subject=subject))).items == ()
        for subject in ("x\x00y", r"x\u0000y"):  # as it was, and as records show it
            assert len((await log.query(AuditFilter(subject=subject))).items) == 1
    finally:
        await log.stop()
        await database.dispose()


async def test_without_the_database_nothing_can_be_read_and_that_is_said() -> None:
    database = Database("postgresql://nobody@127.0.0.1:1/none")
    with pytest.raises(Unavailable) as failure:
        await AuditLog(database, None).query()
    assert failure.value.code == "database_unavailable"


@pytest.mark.parametrize("field", ["tool", "source", "detail"])
async def test_a_token_sent_in_place_of_a_name_is_not_kept(log: AuditLog, tmp_path: Path, field: str) -> None:
    token = f"eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJzb21lYm9keSJ9.{'s' * 86}"
    for text in (token, f"pizzeria/{token}", f"pizzeria__{token}", f"{'x' * 950}/{token}"):
        await log.record(a_record(**{field: text}))
    content = (tmp_path / "provider.db").read_bytes() + (tmp_path / "provider.db-wal").read_bytes()
    assert b"eyJzdWIiOiJzb21lYm9keSJ9" not in content
    assert b"s" * 86 not in content
