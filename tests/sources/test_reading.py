"""Reading a document apart: it can be stopped, and nobody waits for it."""

import asyncio
import json
import time

import pytest

from app.errors import Invalid
from app.sources.reading import read_apart
from tests.sources.conftest import document

pytestmark = pytest.mark.anyio


def large(operations: int) -> bytes:
    return json.dumps(document(*(f"/items/{number}" for number in range(operations)))).encode()


async def longest_pause(until: asyncio.Task[object]) -> float:
    """Return the longest time in seconds that the event loop kept a neighbour waiting."""
    worst = 0.0
    while not until.done():
        started = time.perf_counter()
        await asyncio.sleep(0.01)
        worst = max(worst, time.perf_counter() - started)
    return worst


async def test_a_large_document_keeps_no_neighbour_waiting() -> None:
    reading = asyncio.create_task(read_apart(large(3_000), "application/json", "slug", {}, 100))
    assert await longest_pause(reading) < 1
    assert len(reading.result().operations) == 3_000


async def test_reading_is_stopped_at_its_deadline() -> None:
    started = time.monotonic()
    with pytest.raises(Invalid) as refused:
        await read_apart(large(5_000), "application/json", "slug", {}, 0.01)
    assert refused.value.code == "document_too_complex"
    assert time.monotonic() - started < 5


async def test_what_the_reader_refuses_comes_back_whole() -> None:
    with pytest.raises(Invalid) as refused:
        await read_apart(b'{"openapi": "3.1.0", "info"', "application/json", "slug", {}, 30)
    assert refused.value.code == "invalid_document"
    assert refused.value.violations


async def test_a_bomb_of_aliases_is_refused_quickly() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10)]
    started = time.monotonic()
    with pytest.raises(Invalid):
        await read_apart("\n".join(lines).encode(), "application/yaml", "slug", {}, 30)
    assert time.monotonic() - started < 10


async def test_a_reader_that_is_no_longer_wanted_is_ended() -> None:
    reading = asyncio.create_task(read_apart(large(5_000), "application/json", "slug", {}, 100))
    await asyncio.sleep(0)
    started = time.monotonic()
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    assert time.monotonic() - started < 1
