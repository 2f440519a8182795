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
