"""Documents of one party leave places to those of others."""

import asyncio
import json
from typing import Any

import pytest

from app.documents.fetching import Documents
from app.documents.places import Places
from app.errors import Unavailable
from app.outbound import AddressPolicy, guarded_client
from tests.sources.conftest import document
from tests.support.scripted import ok, scripted

pytestmark = pytest.mark.anyio

POLICY = AddressPolicy(("127.0.0.1",))
PLAIN = ok(json.dumps(document("/menu")).encode(), "Connection: close")
REFERRING = document() | {"paths": {"/menu": {"$ref": "hangs.json"}}}
HANGING = ok(json.dumps(REFERRING).encode(), "Connection: close")


async def test_files_that_hang_leave_a_reader_to_others() -> None:
    hang = asyncio.Event()

    async def answer(reader: Any, writer: Any) -> None:
        asked = server.heads[-1].split(" ")[1]
        if asked == "/hangs.json":
            hang.set()
            await reader.read()  # until the client is gone
            return
        writer.write(HANGING if asked == "/referring.json" else PLAIN)
        await writer.drain()

    async with scripted(answer) as server, guarded_client(POLICY) as client:
        documents = Documents(client, POLICY, timeout=100, max_bytes=50_000)
        address = server.address
        many = [documents.read(f"{address}/referring.json", "slug", {}, party="one") for _ in range(6)]
        reading = [asyncio.ensure_future(each) for each in many]
        await hang.wait()
        async with asyncio.timeout(30):
            found = await documents.read(f"{address}/plain.json", "slug", {}, party="another")
        assert len(found.conversion.operations) == 1
        assert not any(each.done() for each in reading)
        for each in reading:
            each.cancel()
        await asyncio.wait(reading)


async def test_of_those_who_wait_whoever_has_the_fewest_is_next_and_then_whoever_waits_longest() -> None:
    places, order = Places(2, 10), list[str]()

    async def use(party: str) -> None:
        async with places.one_for(party):
            order.append(party)
            await asyncio.sleep(0)

    await asyncio.gather(*map(use, "aaaabbbbc"))
    assert sorted(order) == list("aaaabbbbc")
    assert order.index("c") <= 4
    await use("a")


async def test_whoever_gives_up_leaves_the_place_to_others() -> None:
    places = Places(1, 10)
    async with places.one_for("a"):
        given_up = asyncio.ensure_future(places.one_for("b").__aenter__())
        await asyncio.sleep(0)
        given_up.cancel()
        await asyncio.wait([given_up])
    async with asyncio.timeout(1), places.one_for("c"):
        pass


async def test_so_many_of_one_party_wait_and_no_more() -> None:
    places = Places(1, 2)
    async with places.one_for("a"):
        waiting = [asyncio.ensure_future(places.one_for("a").__aenter__()) for _ in range(3)]
        await asyncio.sleep(0)
        with pytest.raises(Unavailable) as refused:
            await waiting[2]
        assert refused.value.code == "server_busy"
        for each in waiting:
            each.cancel()
        await asyncio.wait(waiting)
