"""Reading a document apart: it can be stopped, and nobody waits for it."""

import asyncio
import json
import time
from collections.abc import Sequence
from typing import Any

import pytest

from app.documents.apart import Reading, ReadingLimits, read_apart
from app.errors import Invalid
from app.openapi.document.reading import File
from app.operation.operation import Conversion
from tests.sources.conftest import document

pytestmark = pytest.mark.anyio


def large(operations: int) -> bytes:
    return json.dumps(document(*(f"/items/{number}" for number in range(operations)))).encode()


async def no_files(addresses: Sequence[str]) -> Sequence[File | str]:
    return ["there are no other files"] * len(addresses)


async def read(data: bytes, content_type: str = "application/json", **limits: Any) -> Conversion:
    reading = Reading(File(data, content_type), "http://a/openapi.json", "slug", {})
    return await read_apart(reading, no_files, ReadingLimits(**limits))


async def longest_pause(until: asyncio.Task[object]) -> float:
    """Return the longest time in seconds that the event loop kept a neighbour waiting."""
    worst = 0.0
    while not until.done():
        started = time.perf_counter()
        await asyncio.sleep(0.01)
        worst = max(worst, time.perf_counter() - started)
    return worst


async def test_a_large_document_keeps_no_neighbour_waiting() -> None:
    reading = asyncio.create_task(read(large(3_000), timeout=100))
    assert await longest_pause(reading) < 1
    assert len(reading.result().operations) == 3_000


async def test_reading_is_stopped_at_its_deadline() -> None:
    started = time.monotonic()
    with pytest.raises(Invalid) as refused:
        await read(large(5_000), timeout=0.01)
    assert refused.value.code == "document_too_complex"
    assert time.monotonic() - started < 5


async def test_the_deadline_is_for_all_files_together() -> None:
    async def another(_: Sequence[str]) -> Sequence[File | str]:
        asked.append(f"{len(asked)}.json")
        return [File(json.dumps({"$ref": asked[-1]}).encode())]

    asked: list[str] = []
    content = json.dumps(document() | {"paths": {"/a": {"$ref": "first.json"}}}).encode()
    endless = ReadingLimits(files=10**9, nodes=10**9, timeout=3)
    with pytest.raises(Invalid, match="SOURCE_READ_TIMEOUT"):
        await read_apart(Reading(File(content), "http://a/", "slug", {}), another, endless)
    assert len(asked) > 1


async def test_what_the_reader_refuses_comes_back_whole() -> None:
    with pytest.raises(Invalid) as refused:
        await read(b'{"openapi": "3.1.0", "info"')
    assert refused.value.code == "invalid_document"
    assert refused.value.violations


async def test_what_many_operations_share_is_not_carried_by_all_of_them_without_bound() -> None:
    shared = {"name": "q" * 20_000, "in": "query", "schema": {}}
    paths = {f"/{number}": {"get": {"parameters": [{"$ref": "#/x"}]}} for number in range(1_600)}
    with pytest.raises(Invalid) as refused:
        await read(json.dumps({"openapi": "3.1.0", "paths": paths, "x": shared}).encode())
    assert refused.value.code == "document_too_complex"
    assert "SOURCE_MAX_LIST_BYTES" in refused.value.detail


async def test_a_report_is_not_carried_without_bound() -> None:
    keys: dict[str, Any] = {f"key{number}": {} for number in range(2_500)}
    with pytest.raises(Invalid) as refused:
        await read(json.dumps({"openapi": "3.1.0", "paths": {f"/{'a' * 7_000}": keys}}).encode())
    assert refused.value.code == "document_too_complex"
    assert "SOURCE_MAX_LIST_BYTES" in refused.value.detail


async def test_a_bomb_of_aliases_is_refused_quickly() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10)]
    started = time.monotonic()
    with pytest.raises(Invalid):
        await read("\n".join(lines).encode(), "application/yaml")
    assert time.monotonic() - started < 10


async def test_a_reader_that_is_no_longer_wanted_is_ended() -> None:
    reading = asyncio.create_task(read(large(5_000), timeout=100))
    await asyncio.sleep(0)
    started = time.monotonic()
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    assert time.monotonic() - started < 1
