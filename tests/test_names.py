"""Names that hang, looked up through a real name server: whoever asks for another name waits for none of them."""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress

import httpx
import pytest

from app.outbound import (
    AddressPolicy,
    AddressRefused,
    AiohttpSender,
    HttpAnswer,
    WireError,
    guarded_client,
    plain_client,
)
from app.outbound.causes import Shortage
from app.outbound.names import Names
from tests.support.name_server import NameServer, name_server
from tests.support.scripted import ok, scripted

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[NameServer]:
    with name_server(monkeypatch, {"menu.test": "127.0.0.1"}) as server:
        yield server


async def found(names: Names, host: str) -> list[str]:
    return [each.address for each in await names.addresses(host)]


async def found_at_last(names: Names, host: str) -> list[str]:
    async with asyncio.timeout(5):
        while True:
            with suppress(OSError, Shortage):
                return await found(names, host)


async def asked(server: NameServer, times: int) -> None:
    await asyncio.to_thread(server.wait_until_asked, times)


async def test_a_name_that_answers_is_found_while_others_hang(server: NameServer) -> None:
    names = Names(deadline=20)
    hanging = [asyncio.create_task(found(names, f"hangs-{number}.test")) for number in range(20)]
    await asked(server, 20)
    assert await asyncio.wait_for(found(names, "menu.test"), 5) == ["127.0.0.1"]
    server.let_go()
    assert {type(each) for each in await asyncio.gather(*hanging, return_exceptions=True)} == {socket.gaierror}


async def test_all_who_ask_for_a_name_wait_for_one_lookup(server: NameServer) -> None:
    names = Names(deadline=20)
    waiting = [asyncio.create_task(found(names, "late.test")) for _ in range(50)]
    await asked(server, 1)
    waiting[0].cancel()
    server.known["late.test"] = "127.0.0.2"
    server.let_go()
    assert await asyncio.gather(*waiting[1:]) == [["127.0.0.2"]] * 49
    assert await found(names, "late.test") == ["127.0.0.2"]
    assert server.asked == ["late.test"]


async def test_a_name_that_hangs_fails_at_the_deadline_and_from_then_on_at_once(server: NameServer) -> None:
    names, clock = Names(deadline=0.2), asyncio.get_running_loop().time
    started = clock()
    with pytest.raises(socket.gaierror) as late:
        await names.addresses("hangs.test")
    assert late.value.errno == socket.EAI_AGAIN
    assert 0.15 < clock() - started < 2
    started = clock()
    for _ in range(20):
        with pytest.raises(socket.gaierror):
            await names.addresses("hangs.test")
    assert clock() - started < 1
    assert server.asked == ["hangs.test"]


async def test_what_is_found_too_late_is_there_for_the_next_call(server: NameServer) -> None:
    names = Names(deadline=0.1)
    with pytest.raises(socket.gaierror):
        await names.addresses("late.test")
    server.known["late.test"] = "127.0.0.3"
    server.let_go()
    assert await found_at_last(names, "late.test") == ["127.0.0.3"]
    assert server.asked == ["late.test"]


async def test_too_many_names_that_hang_are_our_shortage_and_reliable_names_have_room_of_their_own(
    server: NameServer,
) -> None:
    server.known |= {"other.test": "127.0.0.4"}
    names = Names(deadline=0.2, at_once=2, kept_for=0)
    assert await found(names, "menu.test") == ["127.0.0.1"]
    hanging = [asyncio.create_task(found(names, f"hangs-{number}.test")) for number in range(2)]
    await asked(server, 3)
    with pytest.raises(Shortage):
        await names.addresses("other.test")
    assert await found(names, "menu.test") == ["127.0.0.1"]
    await asyncio.wait(hanging)
    server.let_go()
    assert await found_at_last(names, "other.test") == ["127.0.0.4"]


async def test_while_names_that_answered_hang_all_at_once_others_lead_where_they_last_led(server: NameServer) -> None:
    turncoats = {f"hangs-{number}.test": "127.0.0.5" for number in range(2)}
    server.known |= turncoats
    names = Names(deadline=0.2, at_once=2, kept_for=0)
    for host in ("menu.test", *turncoats):
        await names.addresses(host)
    for host in turncoats:
        del server.known[host]
    hanging = [asyncio.create_task(found(names, host)) for host in turncoats]
    await asked(server, 5)
    assert await found(names, "menu.test") == ["127.0.0.1"]
    await asyncio.wait(hanging)
    assert {type(each.exception()) for each in hanging} == {socket.gaierror}


@pytest.mark.parametrize("at_last", [{}, {"menu.test": "127.0.0.1"}], ids=["fails at last", "answers too late"])
async def test_a_name_that_hung_is_no_longer_a_reliable_one(server: NameServer, at_last: dict[str, str]) -> None:
    names = Names(deadline=0.1, at_once=1, kept_for=0)
    assert await found(names, "menu.test") == ["127.0.0.1"]
    del server.known["menu.test"]
    before = asyncio.all_tasks()
    with pytest.raises(socket.gaierror):
        await names.addresses("menu.test")
    server.known |= at_last
    server.let_go()
    await asyncio.wait(asyncio.all_tasks() - before)
    hanging = asyncio.create_task(found(names, "hangs.test"))
    await asked(server, 3)
    with pytest.raises(Shortage):
        await names.addresses("menu.test")
    await asyncio.wait([hanging])


async def test_localhost_is_known_without_any_name_server(server: NameServer) -> None:
    assert set(await found(Names(), "localhost")) <= {"127.0.0.1", "::1"}
    assert server.asked == []


@pytest.fixture
async def sender(anyio_backend: str) -> AsyncIterator[AiohttpSender]:
    sender = AiohttpSender(AddressPolicy(["127.0.0.0/8"]), most_bytes=1_000, endless=lambda _: False)
    yield sender
    await sender.aclose()


async def send(sender: AiohttpSender, url: str) -> HttpAnswer:
    deadline = asyncio.get_running_loop().time() + 20
    return await sender.send("GET", url, (), None, deadline=deadline, caller="johndoe")


async def test_a_call_to_a_name_that_hangs_fails_within_two_seconds_as_a_name(
    server: NameServer, sender: AiohttpSender
) -> None:
    async with scripted(ok(b"menu")) as upstream:
        hanging = asyncio.create_task(send(sender, f"http://hangs.test:{upstream.port}/"))
        await asked(server, 1)
        assert (await send(sender, f"http://menu.test:{upstream.port}/")).content == b"menu"
        with pytest.raises(WireError) as failed:
            await hanging
    assert failed.value.cause.reason == "name"
    assert failed.value.cause.detail == "its name cannot be resolved (the name server does not answer)"


async def test_a_document_behind_a_name_that_hangs_and_a_check_of_one_end_within_two_seconds(
    server: NameServer,
) -> None:
    policy = AddressPolicy(())
    async with guarded_client(policy) as client, asyncio.timeout(5):
        checked, fetched = await asyncio.gather(
            policy.check_name("http://hangs.test/"), client.get("http://hangs.test/"), return_exceptions=True
        )
    assert checked is None
    assert isinstance(fetched, httpx.ConnectError)
    assert server.asked == ["hangs.test"] * 2
    with pytest.raises(AddressRefused):
        await policy.check_name("http://menu.test/")


async def test_the_identity_provider_waits_for_no_name_of_an_upstream_or_a_document(
    server: NameServer, sender: AiohttpSender
) -> None:
    server.known["idp.test"] = "127.0.0.1"
    policy = AddressPolicy(())
    async with scripted(ok(b"keys")) as idp, guarded_client(policy) as documents, plain_client() as client:
        hanging = [asyncio.create_task(send(sender, f"http://hangs-{number}.test/")) for number in range(70)]
        fetched = [asyncio.create_task(documents.get(f"http://hangs-{number}.test/")) for number in range(70)]
        await asked(server, 64)
        async with asyncio.timeout(1.5):
            assert (await client.get(f"http://idp.test:{idp.port}/")).content == b"keys"
        await asyncio.wait([*hanging, *fetched])
    reasons = {str(each.exception()) for each in hanging}
    assert reasons == {"its name cannot be resolved", "too much is under way on this server"}
    assert {type(each.exception()) for each in fetched} == {httpx.ConnectError, httpx.PoolTimeout}
