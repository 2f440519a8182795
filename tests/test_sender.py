"""What the sender of tool calls makes of an answer, and which word it has for each failure."""

import asyncio
import socket
import ssl
from collections.abc import AsyncGenerator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from app.outbound import AddressPolicy, AiohttpSender, HttpAnswer, WireError
from tests.support.scripted import Answer, ok, scripted

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def sender(anyio_backend: str) -> AsyncGenerator[AiohttpSender]:
    sender = AiohttpSender(AddressPolicy(["127.0.0.0/8"]), most_bytes=1_000, endless=lambda _: False)
    yield sender
    await sender.aclose()


async def get(sender: AiohttpSender, url: str) -> HttpAnswer:
    return await sender.send("GET", url, (), None, deadline=asyncio.get_running_loop().time() + 20, caller="johndoe")


async def failure(sender: AiohttpSender, url: str) -> WireError:
    with pytest.raises(WireError) as failed:
        await get(sender, url)
    return failed.value


async def test_headers_are_found_in_lower_case_and_joined(sender: AiohttpSender) -> None:
    async with scripted(ok(b"", "LINK: <a>", "Link: <b>", "X-Name: J\u00fcrgen")) as server:
        answer = await get(sender, server.address)
    assert answer.headers["link"] == "<a>, <b>"
    assert answer.headers["x-name"] == "J\u00fcrgen"


async def test_a_header_that_is_not_utf_8_is_latin_1(sender: AiohttpSender) -> None:
    async with scripted(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX-Name: J\xfcrgen\r\n\r\n") as server:
        assert (await get(sender, server.address)).headers["x-name"] == "J\u00fcrgen"


async def test_a_header_has_no_control_characters(sender: AiohttpSender) -> None:
    async with scripted(ok(b"", "ETag: \x1b[31mred\x7f", "Link: <a>,\r\n\t<b>")) as server:
        headers = (await get(sender, server.address)).headers
    assert (headers["etag"], headers["link"]) == (" [31mred ", "<a>, <b>")


async def reset(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    writer.transport.abort()


async def close(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.close()


def saying(said: bytes) -> Answer:
    async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(said)
        await writer.drain()

    return answer


HEAD = b"HTTP/1.1 200 OK\r\n"
FAILURES: dict[str, tuple[Answer, str]] = {
    "resets": (reset, "hung_up"),
    "closes": (close, "hung_up"),
    "half a head": (saying(HEAD + b"Content-Le"), "hung_up"),
    "half a body": (saying(HEAD + b"Content-Length: 9\r\n\r\nhalf"), "early_end"),
    "half a chunk": (saying(HEAD + b"Transfer-Encoding: chunked\r\n\r\n9\r\nhalf"), "early_end"),
    "nonsense": (saying(b"hello there\r\n\r\n"), "framing"),
    "two lengths": (saying(HEAD + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nxy"), "framing"),
    "a huge header": (saying(HEAD + b"X: " + b"x" * 70_000 + b"\r\n\r\n"), "header_too_large"),
    "1xx without end": (saying(b"HTTP/1.1 103 Early Hints\r\n\r\n" * 5_000), "framing"),
    "blank lines without end": (saying(b"\r\n" * 5_000), "framing"),
}


@pytest.mark.parametrize("name", FAILURES)
async def test_what_breaks_after_connecting_has_a_word(sender: AiohttpSender, name: str) -> None:
    answer, reason = FAILURES[name]
    async with scripted(answer) as server:
        failed = await failure(sender, server.address)
    assert failed.cause.reason == reason
    assert failed.cause.connected
    assert "127.0.0.1" not in str(failed)


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        (lambda port: f"http://127.0.0.1:{port}/", "refused"),
        (lambda _: "http://does-not-exist.invalid/", "name"),
    ],
    ids=["closed port", "unknown name"],
)
async def test_what_prevents_a_connection_has_a_word(
    sender: AiohttpSender, url: Callable[[int], str], reason: str
) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        failed = await failure(sender, url(unused.getsockname()[1]))
    assert failed.cause.reason == reason
    assert not failed.cause.connected
    assert "127.0.0.1" not in str(failed)


def self_signed(folder: Path) -> ssl.SSLContext:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    certificate = builder.not_valid_before(now - timedelta(1)).not_valid_after(now + timedelta(1))
    pem = folder / "server.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    pem.write_bytes(private + certificate.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    return context


@pytest.mark.parametrize(("tls", "reason"), [(True, "certificate"), (False, "tls")])
async def test_what_prevents_a_secure_connection_has_a_word(
    sender: AiohttpSender, tmp_path: Path, tls: bool, reason: str
) -> None:
    async def plain(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    context = self_signed(tmp_path) if tls else None
    async with await asyncio.start_server(plain, "127.0.0.1", 0, ssl=context) as server:
        failed = await failure(sender, f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/")
    assert failed.cause.reason == reason
    assert not failed.cause.connected


async def test_a_body_may_be_left_before_its_end_and_the_next_call_is_answered(sender: AiohttpSender) -> None:
    async with scripted(ok(b"x" * 200_000)) as server:
        for _ in range(2):
            answer = await get(sender, server.address)
            assert (len(answer.content), answer.truncated) == (1_000, True)
    assert server.connections == 2


EMPTY = b"HTTP/1.1 204 No Content\r\nContent-Type: application/json\r\n"
TOO_MUCH: dict[str, tuple[str, tuple[bytes, ...], int]] = {
    "a 204 with a body": ("GET", (EMPTY + b'Content-Length: 12\r\n\r\n{"a":"body"}',), 204),
    "a 204 with a body that comes late": ("GET", (EMPTY + b"Content-Length: 12\r\n\r\n", b'{"a":"body"}'), 204),
    "a 204 with chunks": ("GET", (EMPTY + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",), 204),
    "a 204 whose head comes in parts": ("GET", (EMPTY + b"Content-Length: 2\r\n\r", b"\n{}"), 204),
    "a 204 after a hint": ("GET", (b"HTTP/1.1 103 X\r\nLink: <a>\r\n\r\n" + EMPTY + b"\r\nbody",), 204),
    "a 304 with a body": ("GET", (b"HTTP/1.1 304 X\r\nContent-Length: 4\r\n\r\nbody",), 304),
    "a body after HEAD": ("HEAD", (HEAD + b"Content-Length: 4\r\n\r\nbody",), 200),
    "a body that goes on": ("GET", (HEAD + b"Content-Length: 0\r\n\r\n", b"more"), 200),
    "more after the last answer": ("GET", (HEAD + b"Connection: close\r\nContent-Length: 2\r\n\r\n{}more",), 200),
    "a second answer": ("GET", (HEAD + b"Content-Length: 0\r\n\r\n" + ok(b"spoilt"),), 200),
    "a second answer with the end of a body": (
        "GET",
        (HEAD + b"Content-Length: 2\r\n\r\n", b"{}" + ok(b"spoilt")),
        200,
    ),
    "a second answer that comes late": ("GET", (EMPTY + b"\r\n", ok(b"spoilt")), 204),
}


@pytest.mark.parametrize("name", TOO_MUCH)
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_more_than_one_answer_is_one_answer_and_the_next_call_is_not_spoilt(
    sender: AiohttpSender, name: str, method: str
) -> None:
    first, parts, status = TOO_MUCH[name]
    heard = asyncio.Event()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not heard.is_set():
            for part in parts:
                writer.write(part)
                await writer.drain()
                for _ in range(5):  # the other end of the connection is in this loop
                    await asyncio.sleep(0)
            heard.set()
            await reader.readuntil(b"\r\n\r\n")
        writer.write(ok(b"next"))
        await writer.drain()

    async with scripted(answer) as server:
        deadline = asyncio.get_running_loop().time() + 20
        assert (
            await sender.send(first, server.address, (), None, deadline=deadline, caller="johndoe")
        ).status == status
        await heard.wait()
        following = await sender.send(method, server.address, (), None, deadline=deadline, caller="johndoe")
    assert (following.status, following.content) == (200, b"next")


@pytest.mark.parametrize("line", ["Content-Security-Policy: " + "x" * 16_000, "X: y\r\n" * 200 + "X: y"])
async def test_long_and_many_headers_are_read(sender: AiohttpSender, line: str) -> None:
    async with scripted(ok(b"{}", *line.split("\r\n"))) as server:
        assert (await get(sender, server.address)).content == b"{}"


@pytest.mark.parametrize(
    ("method", "head"),
    [
        ("HEAD", b"HTTP/1.1 200 OK\r\nContent-Length: 50"),
        ("GET", b"HTTP/1.1 304 Not Modified\r\nETag: x"),
        ("GET", b"HTTP/1.1 200 OK\r\nContent-Length: 0"),
    ],
)
async def test_nothing_is_not_half_of_a_compressed_body(sender: AiohttpSender, method: str, head: bytes) -> None:
    async with scripted(head + b"\r\nContent-Encoding: gzip\r\n\r\n") as server:
        deadline = asyncio.get_running_loop().time() + 20
        answer = await sender.send(method, server.address, (), None, deadline=deadline, caller="johndoe")
    assert (answer.content, answer.truncated) == (b"", False)


async def test_chunks_that_cannot_be_read_are_told_when_they_come_after_the_head(sender: AiohttpSender) -> None:
    async with scripted(saying(HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\nab\r\n")) as server:
        failed = await failure(sender, server.address)
    assert failed.cause.reason == "framing"
    assert "chunk size" in failed.cause.detail


@pytest.mark.filterwarnings("ignore:Sending a large body:ResourceWarning")
async def test_a_server_that_reads_nothing_gets_nothing_more_when_the_call_has_ended(sender: AiohttpSender) -> None:
    body = bytes(16_000_000)
    ended, received = asyncio.Event(), asyncio.get_running_loop().create_future()

    async def lazy(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await ended.wait()
        read = 0
        try:
            while part := await reader.read(1_000_000):
                read += len(part)
        except ConnectionError:
            pass
        received.set_result(read)

    async with scripted(lazy) as server:
        with pytest.raises(TimeoutError):
            await sender.send(
                "POST", server.address, (), body, deadline=asyncio.get_running_loop().time() + 0.2, caller="johndoe"
            )
        ended.set()
        assert await asyncio.wait_for(received, 10) < len(body)


@pytest.mark.parametrize("others", ["callers", "origins"])
async def test_a_body_is_cut_where_its_caller_or_origin_would_hold_more_than_is_left_to_others(others: str) -> None:
    sender = AiohttpSender(AddressPolicy(["127.0.0.0/8"]), most_bytes=1_000, all_bytes=8_000, endless=lambda _: False)
    begun = asyncio.Semaphore(0)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        held = "/held" in server.heads[-1]
        writer.write(HEAD + b"Content-Length: 1000\r\n\r\n" + b"x" * (999 if held else 1_000))
        await writer.drain()
        if held:
            begun.release()
            await reader.read()

    async def send(path: str, caller: str, host: str = "127.0.0.1") -> HttpAnswer:
        deadline, address = asyncio.get_running_loop().time() + 20, f"http://{host}:{server.port}"
        return await sender.send("GET", f"{address}/{path}", (), None, deadline=deadline, caller=caller)

    async with scripted(answer) as server:
        callers = ["johndoe"] * 2 if others == "callers" else [f"user-{number}" for number in range(4)]
        held = [asyncio.create_task(send("held", caller)) for caller in callers]
        for _ in held:
            await begun.acquire()
        async with asyncio.timeout(10):
            while not (cut := await send("", callers[0])).truncated:
                pass
        assert cut.content == b""
        if others == "callers":
            assert len((await send("", "chef")).content) == 1_000
        else:
            assert len((await send("", "chef", "localhost")).content) == 1_000
        for each in held:
            each.cancel()
        await asyncio.wait(held)
        assert len((await send("", "johndoe")).content) == 1_000
    await sender.aclose()


async def test_of_the_connections_to_one_origin_only_so_many_are_kept(sender: AiohttpSender) -> None:
    waiting, everybody = 0, asyncio.Event()

    async def together(count: int) -> None:
        nonlocal waiting, everybody
        waiting, everybody = count, asyncio.Event()
        await asyncio.gather(*(get(sender, server.address) for _ in range(count)))

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal waiting
        while True:
            waiting -= 1
            if not waiting:
                everybody.set()
            await everybody.wait()
            writer.write(ok(b""))
            await writer.drain()
            await reader.readuntil(b"\r\n\r\n")

    async with scripted(answer) as server:
        await together(40)
        assert server.connections == 40
        await together(40)
        assert server.connections == 48
