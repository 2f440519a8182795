"""Why another server could not be used: each cause has a word, a sentence for anyone and one for admins."""

import asyncio
import json
import os
import socket
import ssl
import subprocess
import sys
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from anyio.from_thread import start_blocking_portal

from app.outbound import AddressPolicy, AiohttpSender, Cause, WireError, cause_of, plain_client
from tests.support.certificates import Authority
from tests.support.scripted import Answer, ok, scripted

pytestmark = pytest.mark.anyio

LOOPBACK = AddressPolicy(["127.0.0.0/8", "::1"])
HEAD = b"HTTP/1.1 200 OK\r\n"


async def told(url: str, method: str = "GET", connecting: float = 10) -> Cause:
    """The cause that the sender of calls tells."""
    sender = AiohttpSender(LOOPBACK, most_bytes=1_000, endless=lambda _: False, connecting=connecting)
    try:
        with pytest.raises(WireError) as failed:
            await sender.send(method, url, (), None, deadline=asyncio.get_running_loop().time() + 20, caller="johndoe")
    finally:
        await sender.aclose()
    assert str(failed.value) == failed.value.cause.plain
    return failed.value.cause


@asynccontextmanager
async def serving(answer: Answer, context: ssl.SSLContext | None = None) -> AsyncGenerator[int]:
    """A server on a port of the loopback interface."""
    async with await asyncio.start_server(answer, "127.0.0.1", 0, ssl=context) as server:
        yield server.sockets[0].getsockname()[1]


async def polite(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(ok(b"{}"))
    await writer.drain()
    writer.close()


async def hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.close()


def saying(said: bytes) -> Answer:
    async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(said)
        await writer.drain()
        writer.close()

    return answer


async def test_a_name_that_nobody_knows() -> None:
    cause = await told("http://does-not-exist.invalid/")
    assert (cause.reason, cause.connected, cause.plain) == ("name", False, "its name cannot be resolved")
    assert "the name server" in cause.detail


async def test_a_port_where_nothing_listens() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        cause = await told(f"http://127.0.0.1:{unused.getsockname()[1]}/")
    assert (cause.reason, cause.connected, cause.plain) == ("refused", False, "it refuses connections")
    assert "firewall" in cause.detail


async def test_an_address_that_takes_no_connection_is_not_waited_for_until_the_deadline() -> None:
    with socket.socket() as full, socket.socket() as other, socket.socket() as third:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        for waiting in (other, third):
            waiting.setblocking(False)
            waiting.connect_ex(full.getsockname())
        cause = await told(f"http://127.0.0.1:{full.getsockname()[1]}/", connecting=0.2)
    assert (cause.reason, cause.connected, cause.plain) == ("no_connection", False, "it accepts no connection")


BROKEN: dict[str, tuple[Answer, str, str]] = {
    "a header of 20 KB": (saying(HEAD + b"X: " + b"y" * 20_000 + b"\r\n\r\n"), "header_too_large", "16384 bytes"),
    "2,000 headers": (saying(HEAD + b"X: y\r\n" * 2_000 + b"\r\n"), "header_too_large", "too many headers"),
    "no HTTP": (saying(b"hello secret\r\n\r\n"), "framing", "is not HTTP (Bad status line)"),
    "TLS": (saying(b"\x15\x03\x01\x00\x02\x02\x50"), "framing", "https://"),
    "two lengths": (
        saying(HEAD + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nxy"),
        *("framing", "Duplicate Content-Length"),
    ),
    "half a body": (saying(HEAD + b"Content-Length: 9\r\n\r\nhalf"), "early_end", "received 4 of 9 bytes"),
    "half a chunk": (saying(HEAD + b"Transfer-Encoding: chunked\r\n\r\n9\r\nhalf"), "early_end", "broke off"),
    "nothing": (hang_up, "hung_up", "idle connections"),
}


@pytest.mark.parametrize("name", BROKEN)
async def test_an_answer_that_breaks(name: str) -> None:
    answer, reason, detail = BROKEN[name]
    async with scripted(answer) as server:
        cause = await told(server.address)
    assert (cause.reason, cause.connected) == (reason, True)
    assert detail in cause.detail
    assert "secret" not in cause.detail
    assert "yyy" not in cause.detail


async def test_a_server_that_closes_an_idle_connection_under_a_post_is_told_so() -> None:
    answers = iter([ok(b"first")])

    async def once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(next(answers))
        await writer.drain()
        await reader.readuntil(b"\r\n\r\n")

    sender = AiohttpSender(LOOPBACK, most_bytes=1_000, endless=lambda _: False)
    async with scripted(once) as server:
        deadline = asyncio.get_running_loop().time() + 20
        await sender.send("POST", server.address, (), None, deadline=deadline, caller="johndoe")
        with pytest.raises(WireError) as failed:
            await sender.send("POST", server.address, (), None, deadline=deadline, caller="johndoe")
    await sender.aclose()
    assert failed.value.cause.reason == "hung_up"
    assert "closes idle connections sooner than we do" in failed.value.cause.detail


@pytest.mark.parametrize(
    ("answer", "said"), [(saying(b"HTTP/1.1 400 Bad\r\n\r\n"), "does not speak TLS"), (hang_up, "hangs up")]
)
async def test_https_where_no_tls_is_spoken(answer: Answer, said: str) -> None:
    async with serving(answer) as port:
        cause = await told(f"https://127.0.0.1:{port}/")
    assert (cause.reason, cause.connected) == ("tls", False)
    assert cause.plain == "it does not speak TLS as we do"
    assert said in cause.detail
    assert "is it http://?" in cause.detail


async def test_an_authority_that_is_not_trusted_is_named(tmp_path: Path) -> None:
    context = Authority(tmp_path, "Inner Authority").server("inner.example", ends=9)
    async with serving(polite, context) as port:
        cause = await told(f"https://127.0.0.1:{port}/")
    assert (cause.reason, cause.connected) == ("certificate", False)
    assert cause.plain == "its TLS certificate is not trusted"
    for said in (
        "inner.example",
        "CN=Inner Authority",
        f"{datetime.now(UTC) + timedelta(9):%Y-%m-%d}",
        "SSL_CERT_FILE",
    ):
        assert said in cause.detail


ODD = {
    "two extensions of one kind": (b"\x06\x03\x2a\x03\x05", b"\x06\x03\x2a\x03\x04", "CN=odd.example"),
    "a name of an unknown kind": (b"\x82\x0bodd.example", b"\xa3\x0bodd.example", "CN=odd.example"),
    "a version that is none": (b"\xa0\x03\x02\x01\x02", b"\xa0\x03\x02\x01\x04", "its certificate is not trusted"),
    "control characters": (b"\x82\x0bodd.example", b"\x82\x0b\x1b[2Jxxxxxxx", "for \ufffd[2Jxxxxxxx ("),
}


@pytest.mark.parametrize("name", ODD)
async def test_an_odd_certificate_is_told_as_far_as_it_can_be_read(tmp_path: Path, name: str) -> None:
    old, new, said = ODD[name]
    authority = Authority(tmp_path)
    context = authority.server("odd.example", change=lambda der: der.replace(old, new, 1))
    async with serving(polite, context) as port:
        cause = await told(f"https://127.0.0.1:{port}/")
    assert (cause.reason, cause.plain) == ("certificate", "its TLS certificate is not trusted")
    assert said in cause.detail
    assert cause.detail.isprintable()


ASK = """
import asyncio, dataclasses, json, sys
from app.outbound import plain_client, cause_of
async def cause(url):
    try:
        async with plain_client() as client:
            return {"status": (await client.get(url)).status_code}
    except Exception as error:
        return dataclasses.asdict(cause_of(error))
async def main():
    print(json.dumps([await cause(url) for url in sys.argv[1:]]))
asyncio.run(main())
"""


@pytest.fixture(scope="module")
def trusting(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, object]]:
    """What a process that trusts the authority is told by servers with certificates of it."""
    authority = Authority(tmp_path_factory.mktemp("authority"))
    contexts = {
        "good": authority.server("127.0.0.1"),
        "expired": authority.server("127.0.0.1", begins=-20, ends=-3),
        "early": authority.server("127.0.0.1", begins=3),
        "another": authority.server("another.example"),
        "asking": authority.server("127.0.0.1", clients=True),
    }

    async def start(stack: AsyncExitStack) -> list[str]:
        ports = [await stack.enter_async_context(serving(polite, context)) for context in contexts.values()]
        return [f"https://127.0.0.1:{port}/" for port in ports]

    with start_blocking_portal() as portal, portal.wrap_async_context_manager(AsyncExitStack()) as stack:
        run = subprocess.run(  # noqa: S603
            [sys.executable, "-c", ASK, *portal.call(start, stack)],
            env={**os.environ, "SSL_CERT_FILE": str(authority.file)},
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )
    return dict(zip(contexts, json.loads(run.stdout), strict=True))


def test_an_authority_in_ssl_cert_file_is_trusted(trusting: dict[str, dict[str, object]]) -> None:
    assert trusting["good"] == {"status": 200}


@pytest.mark.parametrize(
    ("name", "plain", "said"),
    [
        ("expired", "has expired", f"ended on {datetime.now(UTC) - timedelta(3):%Y-%m-%d}"),
        ("early", "is not valid yet", "clock"),
        ("another", "is for another name", "another.example"),
    ],
)
def test_a_certificate_that_cannot_be_used_is_told_by_its_day_or_name(
    trusting: dict[str, dict[str, object]], name: str, plain: str, said: str
) -> None:
    cause = trusting[name]
    assert (cause["reason"], cause["plain"]) == ("certificate", f"its TLS certificate {plain}")
    assert said in str(cause["detail"])
    assert "CN=Authority of a test" in str(cause["detail"])


def test_a_server_that_asks_for_a_client_certificate(trusting: dict[str, dict[str, object]]) -> None:
    cause = trusting["asking"]
    assert (cause["reason"], cause["connected"]) == ("hung_up", True)
    assert "a client certificate" in str(cause["detail"])


async def test_the_cause_of_what_httpx_raises_is_the_same() -> None:
    async with plain_client() as client:
        with pytest.raises(httpx.ConnectError) as unknown:
            await client.get("http://does-not-exist.invalid/")
        assert cause_of(unknown.value).reason == "name"
        async with serving(hang_up) as port:
            with pytest.raises(httpx.HTTPError) as gone:
                await client.get(f"http://127.0.0.1:{port}/")
        assert cause_of(gone.value).reason == "hung_up"


async def test_a_deadline_is_a_cause() -> None:
    with pytest.raises(TimeoutError) as late:
        async with asyncio.timeout(0):
            await asyncio.Event().wait()
    assert cause_of(late.value).reason == "slow"


def test_what_is_no_failure_of_a_connection_has_no_cause_of_one() -> None:
    assert cause_of(ValueError("odd")).reason == "not_sent"
