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
    return await sender.send("GET", url, (), None, deadline=asyncio.get_running_loop().time() + 20)


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
        answer = await sender.send(method, server.address, (), None, deadline=deadline)
    assert (answer.content, answer.truncated) == (b"", False)


async def test_what_a_server_says_unasked_is_never_the_answer_to_the_next_call(sender: AiohttpSender) -> None:
    answered, dropped = asyncio.Event(), asyncio.Event()

    async def twice(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(ok(b"asked for"))
        await answered.wait()
        writer.write(ok(b"of another"))
        assert await reader.read() == b""
        dropped.set()

    async with scripted(twice) as server:
        for connections in (1, 2):
            assert (await get(sender, server.address)).content == b"asked for"
            answered.set()
            await asyncio.wait_for(dropped.wait(), 5)
            assert server.connections == connections


@pytest.mark.parametrize(("method", "status"), [("HEAD", 200), ("GET", 204), ("GET", 304)])
async def test_a_body_where_none_may_be_is_no_answer_to_anyone(sender: AiohttpSender, method: str, status: int) -> None:
    inner = ok(b"of another")
    said = f"HTTP/1.1 {status} X\r\nContent-Length: {len(inner)}\r\n\r\n".encode() + inner
    async with scripted(said) as server:
        for connections in (1, 2):
            deadline = asyncio.get_running_loop().time() + 20
            answer = await sender.send(method, server.address, (), None, deadline=deadline)
            assert (answer.status, answer.content, server.connections) == (status, b"", connections)


async def test_after_a_204_that_announces_a_body_the_connection_is_not_used_again(sender: AiohttpSender) -> None:
    async with scripted(b"HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n") as server:
        for connections in (1, 2):
            assert (await get(sender, server.address)).status == 204
            assert server.connections == connections


async def test_a_wrong_chunk_in_the_middle_of_a_body_ends_the_call_at_once() -> None:
    begun = asyncio.Event()

    def endless(_: str | None) -> bool:
        begun.set()
        return False

    async def chunks(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(HEAD + b"Transfer-Encoding: chunked\r\n\r\n4\r\ngood\r\n")
        await begun.wait()
        writer.write(b"no number\r\n")

    sender = AiohttpSender(AddressPolicy(["127.0.0.0/8"]), most_bytes=1_000, endless=endless)
    try:
        async with scripted(chunks) as server:
            assert (await failure(sender, server.address)).cause.reason == "early_end"
    finally:
        await sender.aclose()


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
            await sender.send("POST", server.address, (), body, deadline=asyncio.get_running_loop().time() + 0.2)
        ended.set()
        assert await asyncio.wait_for(received, 10) < len(body)
