"""What is sent to other servers: only to addresses that may be reached, exactly as built, and read within limits."""

import asyncio
import gzip
import socket
import zlib
from collections.abc import AsyncGenerator, Callable
from ipaddress import IPv4Address

import httpx
import pytest

from app.errors import BadAnswer, TooLarge
from app.outbound import (
    AddressPolicy,
    AddressRefused,
    guarded_client,
    origin_of,
    plain_client,
    read_bounded,
    read_up_to,
)
from app.outbound.names import Names
from tests.support.scripted import Scripted, ok, redirect, scripted

pytestmark = pytest.mark.anyio

INNER = [
    "http://127.0.0.1/x",
    "http://127.0.0.1:8000/x",
    "http://2130706433/x",
    "http://0x7f000001/x",
    "http://0x7f.1/x",
    "http://0177.0.0.1/x",
    "http://017700000001/x",
    "http://127.1/x",
    "http://0/x",
    "http://0.0.0.0/x",
    "http://127.0.0.1./x",
    "http://localhost./x",
    "http://10.0.0.7/x",
    "http://172.16.3.4/x",
    "http://192.168.1.1/x",
    "http://169.254.169.254/latest/meta-data/",
    "http://100.64.0.1/x",
    "http://224.0.0.1/x",
    "http://255.255.255.255/x",
    "http://[::1]/x",
    "http://[::]/x",
    "http://[::ffff:127.0.0.1]/x",
    "http://[::ffff:7f00:1]/x",
    "http://[::127.0.0.1]/x",
    "http://[64:ff9b::7f00:1]/x",
    "http://[2002:7f00:1::]/x",
    "http://[fe80::1]/x",
    "http://[fe80::1%25eth0]/x",
    "http://[fec0::1]/x",
    "http://[fd00::1]/x",
    "http://[ff02::1]/x",
    "http://user:password@example.org/x",
    "http://example.org@127.0.0.1/x",
    "http://127.0.0.1\\@example.org/x",
    "http://example.org\t.internal/x",
    " http://example.org/x",
    "http://exa mple.org/x",
    "http://\uff11\uff12\uff17.0.0.1/x",
    "http://127%2e0.0.1/x",
    "http://example.org:0/x",
    "http://example.org:99999/x",
    "http://example.org:x/x",
    "http:///x",
    "http://-.-/x",
    "http://a..example/x",
    f"http://{'a' * 64}.example/x",
    f"http://{'a.' * 127}example/x",
    "http://xn--a/x",
    "//127.0.0.1/x",
    "",
    "file:///etc/passwd",
    "ftp://example.org/x",
    "gopher://example.org/x",
    "data:application/json,{}",
    "jar:http://example.org/x!/y",
    "unix:///var/run/docker.sock",
    "http+unix://%2Fvar%2Frun%2Fdocker.sock/x",
]


LOOKS_PUBLIC = {
    "Azure's platform": "168.63.129.16",
    "Alibaba Cloud's metadata": "100.100.100.200",
    "Oracle Cloud's metadata": "192.0.0.192",
    "IBM Cloud's name servers": "161.26.0.10",
    "IBM Cloud's private endpoints": "166.9.228.73",
    "the next 6to4 relay": "192.88.99.1",
    "metadata in most clouds": "169.254.169.254",
    "credentials of a container": "169.254.170.2",
    "Scaleway's metadata": "169.254.42.42",
}


def _spellings(text: str) -> list[str]:
    number = int(IPv4Address(text))
    high, low = number >> 16, number & 0xFFFF
    last = f"{high:x}:{low:x}"
    return [
        text,
        f"[::ffff:{last}]",
        f"[::ffff:0:{last}]",
        f"[::{last}]",
        f"[64:ff9b::{last}]",
        f"[64:ff9b:1::{last}]",
        f"[64:ff9b:1:{high:x}:{low >> 8:x}:{(low & 0xFF) << 8:x}::]",
        f"[2002:{last}::]",
        f"[2002:{last}::1]",
        f"[2001:0:5db8:d822:8000:0:{high ^ 0xFFFF:x}:{low ^ 0xFFFF:x}]",
        f"[2001:0:{last}:8000:0:a247:27dd]",
        f"[2606:2800:220:1:0:5efe:{last}]",
        f"[2606:2800:220:1:200:5efe:{last}]",
        f"[fe80::5efe:{last}]",
    ]


@pytest.mark.parametrize("address", LOOKS_PUBLIC.values(), ids=LOOKS_PUBLIC)
def test_an_inner_address_of_a_cloud_is_refused_in_all_its_spellings(address: str) -> None:
    for host in _spellings(address):
        with pytest.raises(AddressRefused):
            AddressPolicy(()).check_url(f"http://{host}/latest/meta-data/")


@pytest.mark.parametrize(
    "host",
    [
        "[fd00:ec2::254]",
        "[fd00:ec2::23]",
        "[fd20:ce::254]",
        "[fd00:c1::a9fe:a9fe]",
        "[fd00:42::42]",
        "[fe80::a9fe:a9fe]",
        "[64:ff9b:1::1]",
        "[100::1]",
        "[2001:2::1]",
        "[2001:db8::1]",
        "[3fff::1]",
        "[4000::1]",
        "[5f00::1]",
        "[2001::1]",
        "198.18.0.1",
        "192.0.2.1",
        "240.0.0.1",
    ],
)
def test_what_is_set_apart_for_special_use_is_no_public_address(host: str) -> None:
    with pytest.raises(AddressRefused):
        AddressPolicy(()).check_url(f"http://{host}/")


@pytest.mark.parametrize("url", INNER)
def test_an_inner_address_in_any_spelling_is_refused_by_its_text_alone(url: str) -> None:
    with pytest.raises(AddressRefused) as refused:
        AddressPolicy(()).check_url(url)
    assert refused.value.code == "address_refused"
    assert "password" not in str(refused.value).replace("user:password@", "")


@pytest.mark.parametrize(
    "url",
    [
        "https://api.github.com/x?y=1",
        "http://example.org:8000/openapi.json",
        "http://93.184.216.34/x",
        "http://[2606:2800:220:1::1]/x",
        "http://[64:ff9b::5db8:d822]/x",
        "http://[2002:5db8:d822::1]/x",
        "http://[2606:2800:220:1:0:5efe:5db8:d822]/x",
        "http://[2a00:1450:4001:830::200e]/x",
        "http://168.63.129.15/x",
        "http://192.0.1.1/x",
        "http://pizzeria:8000/openapi.json",
        "http://xn--bcher-kva.example/x",
        "http://10.example.org/",
    ],
)
def test_a_public_address_and_any_name_pass_until_they_are_looked_up(url: str) -> None:
    AddressPolicy(()).check_url(url)


@pytest.mark.parametrize(
    ("allowed", "url"),
    [
        ("10.0.0.0/8", "http://10.1.2.3:9/x"),
        ("10.1.2.3", "http://10.1.2.3/x"),
        ("127.0.0.1:8000", "http://127.0.0.1:8000/x"),
        ("http://127.0.0.1:8000", "http://127.0.0.1:8000/x"),
        ("https://10.0.0.1", "https://10.0.0.1:443/x"),
        ("[::1]:80", "http://[::1]/x"),
        ("::1", "http://[::1]:81/x"),
    ],
)
def test_the_operator_can_allow_an_inner_address(allowed: str, url: str) -> None:
    AddressPolicy((allowed,)).check_url(url)


@pytest.mark.parametrize("url", ["http://127.0.0.1:8001/x", "http://127.0.0.2:8000/x", "https://127.0.0.1/x"])
def test_what_is_allowed_is_that_port_of_that_address_only(url: str) -> None:
    with pytest.raises(AddressRefused):
        AddressPolicy(("127.0.0.1:8000",)).check_url(url)


@pytest.mark.parametrize("entry", ["pizzeria", "http://pizzeria:8000/path", "ftp://pizzeria", "10.0.0.0/99", "*", ""])
def test_an_entry_of_the_allow_list_that_means_nothing_is_an_error_at_the_start(entry: str) -> None:
    with pytest.raises(ValueError, match="ALLOWED_UPSTREAMS"):
        AddressPolicy((entry,))


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("HTTP://Example.ORG:80/a?b", "http://example.org"),
        ("https://example.org:443", "https://example.org"),
        ("https://example.org:80/", "https://example.org:80"),
        ("http://[2606:2800:220:1::1]:8080/x", "http://[2606:2800:220:1::1]:8080"),
    ],
)
def test_an_origin_has_one_spelling(url: str, origin: str) -> None:
    assert origin_of(url) == origin


@pytest.fixture
async def upstream() -> AsyncGenerator[Scripted]:
    async with scripted(ok(b"hello", "Set-Cookie: session=1")) as server:
        yield server


@pytest.fixture
async def guarded(upstream: Scripted) -> AsyncGenerator[httpx.AsyncClient]:
    async with guarded_client(AddressPolicy((f"127.0.0.1:{upstream.port}",))) as client:
        yield client


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "localhost.", "LOCALHOST", "127.1", "2130706433", "[::1]"])
async def test_no_connection_is_made_to_an_inner_address_however_it_is_spelled(host: str, upstream: Scripted) -> None:
    async with guarded_client(AddressPolicy(())) as client:
        with pytest.raises((AddressRefused, httpx.TransportError)) as refused:
            await client.get(f"http://{host}:{upstream.port}/")
    assert upstream.connections == 0
    assert "127.0.0.1" not in str(refused.value) or host == "127.0.0.1"


async def test_a_name_that_resolves_to_an_inner_address_is_refused_as_such(upstream: Scripted) -> None:
    async with guarded_client(AddressPolicy(())) as client:
        with pytest.raises(AddressRefused, match=f"localhost:{upstream.port}"):
            await client.get(f"http://localhost:{upstream.port}/")


async def test_many_calls_to_an_inner_name_at_once_are_all_refused(upstream: Scripted) -> None:
    async with guarded_client(AddressPolicy(())) as client:
        results = await asyncio.gather(
            *(client.get(f"http://localhost:{upstream.port}/") for _ in range(20)), return_exceptions=True
        )
    assert {type(result) for result in results} == {AddressRefused}
    assert upstream.connections == 0


class Resolver:
    """Answers one address the first time and another one ever after, as a rebinding name server does."""

    def __init__(self, *answers: list[str]) -> None:
        self.answers = list(answers)
        self.asked = 0

    def __call__(self, _host: str, port: int, *_args: object, **_kwargs: object) -> list[tuple[object, ...]]:
        self.asked += 1
        found = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in found]


async def test_a_name_with_one_public_and_one_inner_address_is_refused(
    upstream: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", Resolver(["93.184.216.34", "127.0.0.1"]))
    async with guarded_client(AddressPolicy(())) as client:
        with pytest.raises(AddressRefused):
            await client.get(f"http://both.example:{upstream.port}/")
    assert upstream.connections == 0


async def test_a_name_that_changes_its_address_after_the_check_gains_nothing(
    upstream: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    resolver = Resolver(["127.0.0.9"], ["127.0.0.1"])
    monkeypatch.setattr(socket, "getaddrinfo", resolver)
    async with guarded_client(AddressPolicy(("127.0.0.9",))) as client:
        with pytest.raises(httpx.ConnectError):
            await client.get(f"http://rebinding.example:{upstream.port}/")
    assert resolver.asked == 1
    assert upstream.connections == 0


async def test_of_a_name_of_very_many_addresses_the_first_are_looked_at(
    upstream: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    many = ["127.0.0.1", *(f"93.184.{number // 250}.{number % 250}" for number in range(4_000))]
    monkeypatch.setattr(socket, "getaddrinfo", Resolver(many))
    names = Names()
    assert [each.address for each in await names.addresses("many.example")] == many[:32]
    async with guarded_client(AddressPolicy(("127.0.0.1",))) as client:
        assert (await client.get(f"http://many.example:{upstream.port}/")).status_code == 200


async def test_an_allowed_name_is_reached_under_its_own_name(upstream: Scripted) -> None:
    async with guarded_client(AddressPolicy((f"localhost:{upstream.port}",))) as client:
        answer = await client.get(f"http://localhost:{upstream.port}/")
    assert answer.status_code == 200
    assert f"host: localhost:{upstream.port}" in upstream.heads[0].lower()


async def test_the_environment_sends_nothing_through_a_proxy(
    guarded: httpx.AsyncClient, upstream: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert (await guarded.get(upstream.address)).status_code == 200


async def test_a_redirect_is_an_answer() -> None:
    async with scripted(ok(b"")) as target, scripted(redirect(target.address)) as server:
        async with guarded_client(AddressPolicy(("127.0.0.0/8",))) as client:
            assert (await client.get(server.address)).status_code == 302
        assert target.connections == 0


async def test_a_cookie_that_one_call_got_goes_out_with_no_other(upstream: Scripted) -> None:
    async with guarded_client(AddressPolicy((f"localhost:{upstream.port}",))) as client:
        for _ in range(2):
            await client.get(f"http://localhost:{upstream.port}/")
    assert len(upstream.heads) == 2
    assert "cookie" not in "".join(upstream.heads).lower()


@pytest.mark.parametrize(
    "target", ["/a%2Cb;c%3Bd/%2e%2e/x%2Fy?q=a%2Cb&r=%3A%2F%3F%40%26%3D%2B%20%3B&e=%7E", "/%C3%A4?x=%61", "/"]
)
async def test_a_url_goes_out_exactly_as_it_was_built(
    target: str, guarded: httpx.AsyncClient, upstream: Scripted
) -> None:
    await guarded.get(upstream.address + target)
    assert upstream.heads[0].split(" ")[1] == target


async def test_nothing_is_added_to_the_headers_but_what_http_needs(
    guarded: httpx.AsyncClient, upstream: Scripted
) -> None:
    await guarded.post(upstream.address, content=b"x", headers={"x-mine": "1"})
    names = {line.partition(":")[0].lower() for line in upstream.heads[0].split("\r\n")[1:] if line}
    assert names == {"host", "accept", "accept-encoding", "connection", "user-agent", "content-length", "x-mine"}
    assert "accept-encoding: identity" in upstream.heads[0].lower()


async def test_a_thousand_calls_are_under_way_at_once() -> None:
    waiting = 0
    everybody = asyncio.Event()

    async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal waiting
        waiting += 1
        if waiting == 1000:
            everybody.set()
        await everybody.wait()
        writer.write(ok(b""))
        await writer.drain()

    async with scripted(answer) as server, guarded_client(AddressPolicy(("127.0.0.1",))) as client:
        async with asyncio.timeout(60):
            answers = await asyncio.gather(*(client.get(server.address) for _ in range(1000)))
    assert {answer.status_code for answer in answers} == {200}


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
async def test_a_change_is_sent_once_though_the_kept_connection_breaks(method: str) -> None:
    seen: list[str] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(ok(b""))
        await writer.drain()
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        seen.append(head.split(" ")[0])

    async with scripted(answer) as server, guarded_client(AddressPolicy(("127.0.0.1",))) as client:
        await client.get(server.address)
        with pytest.raises(httpx.RemoteProtocolError):
            await client.request(method, server.address)
    assert seen == [method]
    assert server.connections == 1


async def test_a_read_is_repeated_when_the_kept_connection_breaks() -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(ok(b""))
        await writer.drain()
        await reader.readuntil(b"\r\n\r\n")

    async with scripted(answer) as server, guarded_client(AddressPolicy(("127.0.0.1",))) as client:
        await client.get(server.address)
        assert (await client.get(server.address)).status_code == 200
    assert server.connections == 2


async def reset(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    writer.transport.abort()


async def half(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
    await writer.drain()


async def nonsense(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"\x15\x03\x03\x00\x02\x02\x28 what is this\r\n\r\n")
    await writer.drain()


async def close(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.close()


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (reset, httpx.RemoteProtocolError),
        (close, httpx.RemoteProtocolError),
        (nonsense, httpx.RemoteProtocolError),
        (half, httpx.ReadError),
    ],
)
async def test_what_breaks_is_told_apart_and_names_no_address(
    answer: Callable[..., object], error: type[httpx.TransportError]
) -> None:
    async with scripted(answer) as server, guarded_client(AddressPolicy(("127.0.0.1",))) as client:  # type: ignore[arg-type]
        with pytest.raises(error) as broken:
            await client.get(server.address)
    assert "127.0.0.1" not in str(broken.value)


async def _connect_error(url: str) -> str:
    async with guarded_client(AddressPolicy(("127.0.0.1",))) as client:
        with pytest.raises(httpx.ConnectError) as failed:
            await client.get(url)
    assert "127.0.0.1" not in str(failed.value)
    return str(failed.value)


async def test_a_closed_port_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    assert await _connect_error(f"http://127.0.0.1:{port}/") == "it refuses connections"


async def test_an_unknown_name_is_told() -> None:
    assert await _connect_error("http://does-not-exist.invalid/") == "its name cannot be resolved"


async def test_a_server_without_tls_is_told() -> None:
    async def plain(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(plain, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        assert "TLS" in await _connect_error(f"https://127.0.0.1:{port}/")


async def test_a_timeout_given_for_a_call_is_a_timeout() -> None:
    async def silent(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await reader.read()

    async with scripted(silent) as server, guarded_client(AddressPolicy(("127.0.0.1",))) as client:
        with pytest.raises(httpx.ReadTimeout):
            await client.get(server.address, timeout=0.05)


async def test_the_plain_client_reaches_any_address(upstream: Scripted) -> None:
    async with plain_client() as client:
        assert (await client.get(upstream.address)).status_code == 200


async def _read(answer: bytes, most: int) -> bytes:
    async with scripted(answer) as server, plain_client() as client, client.stream("GET", server.address) as response:
        return await read_bounded(response, most)


async def test_a_body_of_exactly_the_limit_is_read() -> None:
    assert await _read(ok(b"12345"), 5) == b"12345"


async def test_the_beginning_of_a_longer_body_can_be_had() -> None:
    async with scripted(ok(b"123456")) as server, plain_client() as client:
        async with client.stream("GET", server.address) as response:
            assert await read_up_to(response.aiter_raw(), "", 5) == (b"12345", True)
        async with client.stream("GET", server.address) as response:
            assert await read_up_to(response.aiter_raw(), "", 6) == (b"123456", False)


@pytest.mark.parametrize(
    "answer",
    [
        ok(b"123456"),
        b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999999\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"4\r\n1234\r\n" * 2,
        ok(gzip.compress(b"123456"), "Content-Encoding: gzip"),
    ],
    ids=["declared", "declared beyond numbers", "chunked", "compressed"],
)
async def test_a_body_over_the_limit_is_refused(answer: bytes) -> None:
    with pytest.raises((TooLarge, httpx.RemoteProtocolError)) as refused:
        await _read(answer, 5)
    if isinstance(refused.value, TooLarge):
        assert refused.value.code == "answer_too_large"


@pytest.mark.parametrize(
    ("body", "encoding"),
    [
        (gzip.compress(b"hello", mtime=0), "gzip"),
        (gzip.compress(b"hel", mtime=0) + gzip.compress(b"lo", mtime=0), "x-gzip"),
        (zlib.compress(b"hello"), "deflate"),
        (zlib.compress(b"hello", wbits=-zlib.MAX_WBITS), "deflate"),
        (gzip.compress(b"hello", mtime=0), "identity, GZIP"),
        (b"hello", "utf-8"),
        (b"hello", "none"),
        (b"hello", "identity"),
    ],
)
async def test_a_server_that_compresses_unasked_is_understood(body: bytes, encoding: str) -> None:
    assert await _read(ok(body, f"Content-Encoding: {encoding}"), 5) == b"hello"


@pytest.mark.parametrize(
    ("body", "encoding"),
    [(b"hello", "br"), (b"hello", "gzip, gzip"), (b"hello", "gzip"), (gzip.compress(b"hello", mtime=0)[:-6], "gzip")],
)
async def test_an_encoding_that_cannot_be_undone_is_refused(body: bytes, encoding: str) -> None:
    with pytest.raises(BadAnswer) as refused:
        await _read(ok(body, f"Content-Encoding: {encoding}"), 100)
    assert refused.value.code == "answer_encoding_refused"


async def test_a_bomb_of_compression_is_never_unfolded() -> None:
    inner = zlib.compressobj(wbits=31)
    bomb = b"".join([*(inner.compress(bytes(1_000_000)) for _ in range(200)), inner.flush()])
    with pytest.raises(TooLarge):
        await _read(ok(bomb, "Content-Encoding: gzip"), 1_000_000)
