"""Whatever an upstream says, or does not, becomes an answer or an error of ours, within the deadline and the size."""

import asyncio
import contextlib
import gzip
import resource
import socket
import struct
import zlib
from collections.abc import AsyncIterator

import pytest
from prometheus_client.parser import text_string_to_metric_families
from structlog.testing import capture_logs

from app.errors import BadAnswer, DeadlineExceeded, ToolsProviderError, Unavailable
from app.outbound import AddressPolicy, AiohttpSender, HttpAnswer
from app.telemetry import Telemetry
from app.tools.answer.body import is_stream
from app.tools.request.plan import UpstreamRequest
from app.tools.upstream import Upstream
from tests.effort import turns
from tests.support.files import no_more_files
from tests.support.raw import raw_upstream
from tests.support.scripted import Answer, Scripted, ok, redirect, scripted
from tests.tools.builders import a_source

pytestmark = pytest.mark.anyio

MIB = 1_048_576


def a_request(
    url: str, method: str = "GET", *headers: tuple[str, str], content: bytes | None = None
) -> UpstreamRequest:
    return UpstreamRequest(method, url, headers, content)


class Sender:
    """An upstream port with limits that tests can wait for."""

    def __init__(self, sending: AiohttpSender, upstream: Upstream, telemetry: Telemetry) -> None:
        self.sending = sending
        self.upstream = upstream
        self.telemetry = telemetry

    async def send(
        self,
        request: UpstreamRequest | str,
        *,
        slug: str = "pizzeria",
        server: int = 0,
        bearer: str | None = None,
        within: float = 20,
        caller: str = "johndoe",
    ) -> HttpAnswer:
        request = a_request(request) if isinstance(request, str) else request
        deadline = asyncio.get_running_loop().time() + within
        source = a_source(slug)
        credential = () if bearer is None else (("authorization", f"Bearer {bearer}"),)
        return await self.upstream.send(
            request, source=source, server=server, credential=credential, deadline=deadline, caller=caller
        )

    async def failure(self, request: UpstreamRequest | str, **options: object) -> ToolsProviderError:
        with pytest.raises(ToolsProviderError) as failure:
            await self.send(request, **options)  # type: ignore[arg-type]
        return failure.value

    def breaker_state(self, slug: str = "pizzeria") -> float | None:
        for family in text_string_to_metric_families(self.telemetry.render_prometheus().decode()):
            for sample in family.samples:
                if sample.name.endswith("breaker_state") and sample.labels["name"] == f"upstream:{slug}":
                    return sample.value
        return None


@pytest.fixture
async def sender() -> AsyncIterator[Sender]:
    telemetry = Telemetry()
    sending = AiohttpSender(AddressPolicy(["127.0.0.0/8"]), most_bytes=MIB, endless=is_stream)
    upstream = Upstream(sending, telemetry, failure_threshold=3, recovery_timeout=60, most_in_flight=4)
    yield Sender(sending, upstream, telemetry)
    await sending.aclose()
    telemetry.shutdown()


async def hang(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    await reader.read()


async def reset(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    connection: socket.socket = writer.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


def saying(*parts: bytes, forever: bytes = b"", every: float = 0.0) -> Answer:
    """Say the parts, then `forever` again and again, then close."""

    async def answer(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for part in parts:
            writer.write(part)
        while forever:
            writer.write(forever)
            await writer.drain()
            await asyncio.sleep(every)
        await writer.drain()

    return answer


def then_hanging(said: bytes) -> Answer:
    """Say this, then nothing more until the caller has gone."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(said)
        await reader.read()

    return answer


def head(*lines: str) -> bytes:
    return "\r\n".join(("HTTP/1.1 200 OK", *lines)).encode() + b"\r\n\r\n"


async def test_an_answer_comes_back_with_status_headers_and_body(sender: Sender) -> None:
    async with scripted(ok(b'{"a": 1}', "Content-Type: application/json", "ETag: x")) as server:
        answer = await sender.send(server.address + "/menu")
    assert (answer.status, answer.content, answer.truncated) == (200, b'{"a": 1}', False)
    assert answer.headers["etag"] == "x"


async def test_exactly_what_was_built_goes_out_with_one_bearer_and_our_trace(sender: Sender) -> None:
    async with scripted(ok(b"")) as server:
        request = a_request(
            server.address + "/a%2Fb%2c?x=%20y",
            "POST",
            ("X-Kind", "one"),
            ("content-type", "text/plain"),
            ("AUTHORIZATION", "Bearer of-someone-else"),
            content=b"body",
        )
        with sender.telemetry.span("execute_tool"):
            await sender.send(request, bearer="the-token")
    lines = server.heads[0].rstrip().split("\r\n")
    headers = dict(line.lower().split(": ", 1) for line in lines[1:])
    assert lines[0] == "POST /a%2Fb%2c?x=%20y HTTP/1.1"
    assert [line for line in lines if line.lower().startswith("authorization")] == ["authorization: Bearer the-token"]
    ours = {"host", "authorization", "traceparent", "content-length", "accept", "accept-encoding", "user-agent"}
    assert headers.keys() - {"connection"} == ours | {"x-kind", "content-type"}
    assert headers["accept-encoding"] == "identity"


async def test_without_a_bearer_no_authorization_goes_out(sender: Sender) -> None:
    async with scripted(ok(b"")) as server:
        await sender.send(server.address)
    assert "authorization" not in server.heads[0].lower()


async def test_a_connection_is_used_again(sender: Sender) -> None:
    async with scripted(ok(b"x" * 100_000)) as server:
        for _ in range(5):
            await sender.send(server.address)
    assert server.connections == 1


@pytest.mark.parametrize("status", [200, 204, 301, 302, 304, 307, 400, 401, 403, 404, 409, 418, 429, 500, 503, 599])
async def test_every_status_is_an_answer(sender: Sender, status: int) -> None:
    said = f"HTTP/1.1 {status} X\r\nContent-Length: 0\r\n\r\n".encode()
    async with scripted(said) as server:
        assert (await sender.send(server.address)).status == status


async def test_a_redirect_is_told_and_not_followed(sender: Sender) -> None:
    async with scripted(ok(b"inner")) as other, scripted(redirect(other.address)) as server:
        answer = await sender.send(server.address, bearer="the-token")
    assert (answer.status, answer.headers["location"]) == (302, other.address)
    assert other.connections == 0


BROKEN: dict[str, bytes | Answer] = {
    "closes without a word": saying(),
    "resets": reset,
    "speaks TLS": saying(b"\x15\x03\x01\x00\x02\x02\x50"),
    "speaks nonsense": saying(b"hello there\r\n\r\n"),
    "half a head": saying(b"HTTP/1.1 200 OK\r\nContent-Le"),
    "status 99": saying(b"HTTP/1.1 99 X\r\nContent-Length: 0\r\n\r\n"),
    "status 600": saying(b"HTTP/1.1 600 X\r\nContent-Length: 0\r\n\r\n"),
    "status 101": saying(b"HTTP/1.1 101 Switching\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n"),
    "length in words": saying(head("Content-Length: many") + b"x"),
    "negative length": saying(head("Content-Length: -1") + b"x"),
    "two lengths": saying(head("Content-Length: 1", "Content-Length: 2") + b"xy"),
    "length and chunks": saying(head("Content-Length: 3", "Transfer-Encoding: chunked") + b"1\r\nx\r\n0\r\n\r\n"),
    "shorter than its length": saying(head("Content-Length: 100") + b"x"),
    "chunks that break off": saying(head("Transfer-Encoding: chunked") + b"5\r\nab"),
    "chunks of no size": saying(head("Transfer-Encoding: chunked") + b"zz\r\nab\r\n"),
    "bad gzip": saying(head("Content-Encoding: gzip", "Content-Length: 5") + b"hello"),
    "half a gzip": saying(head("Content-Encoding: gzip", "Connection: close") + gzip.compress(b"x" * 999)[:15]),
    "brotli": saying(head("Content-Encoding: br", "Content-Length: 5") + b"hello"),
    "a chain of codings": saying(head("Content-Encoding: gzip, gzip", "Content-Length: 5") + b"hello"),
    "one header without end": saying(b"HTTP/1.1 200 OK\r\nX: ", forever=b"x" * 65_536),
    "2,000 headers": ok(b"x", *(f"X-{number}: {'y' * 100}" for number in range(2_000))),
    "17 interim answers": saying(b"HTTP/1.1 103 Early Hints\r\n\r\n" * 17 + ok(b"{}")),
    "interim answers without CR": saying(forever=b"HTTP/1.1 103 Early Hints\n\n" * 1_000),
    "64 KiB of interim answers": saying(b"HTTP/1.1 103 X\r\n" + b"Link: %b\r\n" % (b"x" * 8_192) * 8 + b"\r\n"),
    "256 KiB of headers": ok(b"x", *(f"X-{number}: {'y' * 8_192}" for number in range(32))),
    "chunks with extensions": saying(
        head("Transfer-Encoding: chunked"), forever=b"1;%b\r\nx\r\n" % (b"y" * 1_000) * 100
    ),
    "a control character in a header name": saying(b"HTTP/1.1 200 OK\r\nX\x00Y: 1\r\n\r\n"),
}


@pytest.mark.parametrize("name", BROKEN)
async def test_what_is_no_proper_answer_is_upstream_broken(sender: Sender, name: str) -> None:
    async with scripted(BROKEN[name]) as server:
        failure = await sender.failure(server.address)
    assert isinstance(failure, BadAnswer)
    assert failure.code == "upstream_broken"
    assert str(server.port) not in failure.detail
    assert "127.0.0.1" not in failure.detail


@pytest.mark.extended
async def test_chunks_of_a_few_bytes_are_taken_and_of_one_byte_only_so_many(sender: Sender) -> None:
    chunked = head("Transfer-Encoding: chunked")
    async with scripted(saying(chunked, b"8\r\nsome-xyz\r\n" * 60_000 + b"0\r\n\r\n")) as server:
        assert len((await sender.send(server.address)).content) == 480_000
    async with scripted(saying(chunked, forever=b"1\r\nx\r\n" * 10_000)) as server:
        failure = await sender.failure(server.address)
    assert failure.code == "upstream_broken"
    assert "more around its content than content" in str(failure.inside)


FLOODS: dict[str, bytes | Answer] = {
    "interim answers": saying(forever=b"HTTP/1.1 103 Early Hints\r\n\r\n" * 10_000),
    "interim answers without CR": saying(forever=b"HTTP/1.1 103 Early Hints\n\n" * 10_000),
    "empty lines": saying(forever=b"\r\n" * 100_000),
    "headers": saying(b"HTTP/1.1 200 OK\r\n", forever=b"X: 1\r\n" * 10_000),
    "chunks of a byte": saying(head("Transfer-Encoding: chunked"), forever=b"1\r\nx\r\n" * 40_000),
    "trailers": saying(head("Transfer-Encoding: chunked") + b"0\r\n", forever=b"X: 1\r\n" * 10_000),
    "a bomb": ok(gzip.compress(bytes(64 * MIB)), "Content-Encoding: gzip"),
    "empty members": ok(gzip.compress(b"") * 10_000, "Content-Encoding: gzip"),
    "empty blocks": saying(head("Content-Encoding: deflate") + b"\x78\x9c", forever=b"\0\0\0\xff\xff" * 40_000),
}


@pytest.mark.extended
@pytest.mark.parametrize("name", FLOODS)
async def test_no_answer_keeps_the_others_from_their_turn(name: str) -> None:
    sending = AiohttpSender(AddressPolicy(["127.0.0.0/8"]), most_bytes=64 * MIB, endless=is_stream)
    telemetry = Telemetry()
    sender = Sender(sending, Upstream(sending, telemetry, failure_threshold=3, recovery_timeout=60), telemetry)
    async with contextlib.aclosing(sending):
        with raw_upstream() as raw:
            raw.answer = FLOODS[name]
            doing = asyncio.ensure_future(sender.send(raw.address))
            assert max(await turns(doing)) < 0.5  # most of them are 0.02
            assert doing.exception() is None or isinstance(doing.exception(), ToolsProviderError)
    telemetry.shutdown()


HANGING: dict[str, Answer] = {
    "says nothing": hang,
    "drips its head": saying(b"HTTP/1.1 200 OK\r\n", forever=b"X: 1\r\n", every=0.05),
    "drips its body": saying(head("Content-Length: 100000"), forever=b"x", every=0.05),
    "stops in its body": then_hanging(head("Content-Length: 100") + b"x"),
}


@pytest.mark.parametrize("name", HANGING)
async def test_a_slow_answer_ends_at_the_deadline(sender: Sender, name: str) -> None:
    started = asyncio.get_running_loop().time()
    async with scripted(HANGING[name]) as server:
        failure = await sender.failure(server.address, within=0.4)
    assert isinstance(failure, DeadlineExceeded)
    assert failure.code == "upstream_timeout"
    assert asyncio.get_running_loop().time() - started < 3


async def test_an_endless_body_is_cut_and_said_to_be(sender: Sender) -> None:
    chunk = b"4000\r\n" + b"x" * 16_384 + b"\r\n"
    async with scripted(saying(head("Transfer-Encoding: chunked"), forever=chunk)) as server:
        answer = await sender.send(server.address)
    assert (len(answer.content), answer.truncated) == (MIB, True)


async def test_of_a_body_that_says_it_is_huge_only_the_limit_is_waited_for(sender: Sender) -> None:
    lengths = head("Content-Length: 10000000000") + b"x" * (MIB + 1)
    async with scripted(then_hanging(lengths)) as server:
        answer = await sender.send(server.address)
    assert (len(answer.content), answer.truncated) == (MIB, True)


@pytest.mark.parametrize("coding", ["identity", "gzip"])
async def test_a_stream_that_is_cut_at_the_deadline_gives_what_came_and_its_place_back(
    sender: Sender, coding: str
) -> None:
    packer = zlib.compressobj(wbits=zlib.MAX_WBITS | 16)
    packed = packer.compress(b"data: 1\n\n") + packer.flush(zlib.Z_SYNC_FLUSH)
    lines = head("Content-Type: text/event-stream", f"Content-Encoding: {coding}", "Connection: close")
    async with scripted(then_hanging(lines + (packed if coding == "gzip" else b"data: 1\n\n"))) as server:
        for _ in range(4):
            answer = await sender.send(server.address, within=0.2)
            assert (answer.content, answer.truncated) == (b"data: 1\n\n", True)
    assert sender.breaker_state() == 0


async def test_a_stream_that_breaks_off_is_broken(sender: Sender) -> None:
    lines = head("Content-Type: text/event-stream", "Transfer-Encoding: chunked")
    async with scripted(saying(lines + b"9\r\ndata: 1\n\n\r\n")) as server:
        assert (await sender.failure(server.address)).code == "upstream_broken"


async def test_a_body_of_exactly_the_limit_is_whole(sender: Sender) -> None:
    async with scripted(ok(b"x" * MIB)) as server:
        answer = await sender.send(server.address)
    assert (len(answer.content), answer.truncated) == (MIB, False)


@pytest.mark.extended
async def test_a_compressed_bomb_takes_no_memory(sender: Sender) -> None:
    packer = zlib.compressobj(wbits=zlib.MAX_WBITS | 16)
    bomb = b"".join(packer.compress(bytes(MIB)) for _ in range(512)) + packer.flush()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    async with scripted(ok(bomb, "Content-Encoding: gzip")) as server:
        answer = await sender.send(server.address)
    assert (len(answer.content), answer.truncated) == (MIB, True)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000  # KiB


@pytest.mark.parametrize("method", ["HEAD", "GET"])
async def test_no_content_is_no_broken_gzip(sender: Sender, method: str) -> None:
    async with scripted(ok(b"", "Content-Encoding: gzip")) as server:
        assert (await sender.send(a_request(server.address, method))).content == b""


async def test_compressed_bodies_of_nothing_end_at_their_size(sender: Sender) -> None:
    lines = head("Content-Encoding: gzip", "Connection: close")
    begin = zlib.compressobj(wbits=zlib.MAX_WBITS | 16).flush(zlib.Z_SYNC_FLUSH)
    async with scripted(saying(lines + begin, forever=b"\0\0\0\xff\xff" * 10_000)) as server:
        answer = await sender.send(server.address)
        assert (answer.content, answer.truncated) == (b"", True)
    async with scripted(saying(lines, forever=gzip.compress(b"") * 1_000)) as server:
        failure = await sender.failure(server.address)
    assert failure.code == "upstream_broken"
    assert "1000 pieces" in failure.detail


async def test_an_ordinary_gzip_is_unpacked_although_not_asked_for(sender: Sender) -> None:
    async with scripted(ok(gzip.compress(b"menu"), "Content-Encoding: gzip")) as server:
        assert (await sender.send(server.address)).content == b"menu"


async def plain_http(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(10)
    writer.write(b"HTTP/1.1 400 X\r\n\r\n")
    await writer.drain()
    writer.close()


async def test_what_prevents_a_connection_is_told_to_agents_plainly_and_to_admins_in_full(sender: Sender) -> None:
    with socket.socket() as unused, capture_logs() as logged:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        async with await asyncio.start_server(plain_http, "127.0.0.1", 0) as server:
            tls = server.sockets[0].getsockname()[1]
            for url, code, plain, inside in (
                ("http://no-such-host.invalid/x", "upstream_name", "name cannot be resolved", "http://no-such-host"),
                (f"http://127.0.0.1:{port}/x", "upstream_refused", "refuses connections", f"127.0.0.1:{port}: it refu"),
                (f"https://127.0.0.1:{tls}/x", "upstream_tls", "does not speak TLS", "is it http://?"),
            ):
                failure = await sender.failure(url, slug=code)
                assert isinstance(failure, BadAnswer)
                assert failure.code == code
                assert plain in failure.detail
                assert "Nothing was sent" in failure.detail
                assert inside in str(failure.inside)
                assert logged[-1]["reason"] == failure.inside
                for inner in ("127.0.0.1", "no-such-host", str(port), str(tls)):
                    assert inner not in failure.detail


async def test_an_address_that_no_way_leads_to_is_unreachable(sender: Sender) -> None:
    failure = await sender.failure("http://127.255.255.255:9/")  # the broadcast address: nothing connects to it
    assert failure.code == "upstream_unreachable"
    assert "no way leads to it" in failure.detail
    assert "127.255.255.255:9: no way leads to it (Network is unreachable)" in str(failure.inside)


async def test_an_inner_address_is_refused_and_says_nothing_against_the_upstream(sender: Sender) -> None:
    for _ in range(4):
        failure = await sender.failure("http://10.0.0.1/")
        assert isinstance(failure, BadAnswer)
        assert failure.code == "upstream_unreachable"
        assert "this server may not send to its address. Nothing was sent." in failure.detail
        assert "10.0.0.1" not in failure.detail
        assert str(failure.inside).startswith("http://10.0.0.1: This is not a public address.")
        assert "ALLOWED_UPSTREAMS" in str(failure.inside)


@pytest.mark.parametrize("method", ["POST", "PATCH", "PUT", "DELETE"])
async def test_what_may_not_be_repeated_is_sent_once(sender: Sender, method: str) -> None:
    answers = iter([ok(b"first")])

    async def once_then_reset(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(next(answers))
        await writer.drain()
        server.heads.append((await reader.readuntil(b"\r\n\r\n")).decode())
        await reset(reader, writer)

    async with scripted(once_then_reset) as server:
        await sender.send(a_request(server.address, method))
        failure = await sender.failure(a_request(server.address, method))
    assert failure.code == "upstream_broken"
    assert len(server.heads) == 2


async def test_a_cancelled_call_ends_at_the_upstream_too(sender: Sender) -> None:
    arrived, gone = asyncio.Event(), asyncio.Event()

    async def watch(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        arrived.set()
        assert await reader.read() == b""
        gone.set()

    async with scripted(watch) as server:
        for _ in range(4):
            arrived.clear()
            gone.clear()
            call = asyncio.create_task(sender.send(server.address))
            await arrived.wait()
            call.cancel()
            await asyncio.wait_for(gone.wait(), 5)
            assert call.cancelled() or await asyncio.wait([call])
    assert sender.breaker_state() == 0


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 422, 429])
async def test_refusals_never_open_the_breaker(sender: Sender, status: int) -> None:
    async with scripted(f"HTTP/1.1 {status} X\r\nContent-Length: 0\r\n\r\n".encode()) as server:
        for _ in range(10):
            assert (await sender.send(server.address)).status == status
    assert sender.breaker_state() == 0


@pytest.mark.parametrize("status", [500, 501, 505, 507, 511])
async def test_an_error_of_one_operation_never_opens_the_breaker(sender: Sender, status: int) -> None:
    async with scripted(f"HTTP/1.1 {status} X\r\nContent-Length: 0\r\n\r\n".encode()) as server:
        for _ in range(10):
            assert (await sender.send(server.address)).status == status
    assert sender.breaker_state() == 0


@pytest.mark.parametrize("name", ["speaks nonsense", "one header without end", "2,000 headers", "brotli", "status 600"])
async def test_an_answer_that_cannot_be_read_never_opens_the_breaker(sender: Sender, name: str) -> None:
    async with scripted(BROKEN[name]) as server:
        for _ in range(5):
            assert (await sender.failure(server.address)).code == "upstream_broken"
    assert sender.breaker_state() == 0


@pytest.mark.parametrize("status", [502, 503, 504])
async def test_answers_that_nobody_can_answer_open_the_breaker_of_that_source_alone(
    sender: Sender, status: int
) -> None:
    async with scripted(f"HTTP/1.1 {status} X\r\nContent-Length: 0\r\n\r\n".encode()) as server:
        for _ in range(3):
            assert (await sender.send(server.address)).status == status
        refused = await sender.failure(server.address)
        assert isinstance(refused, Unavailable)
        assert refused.code == "upstream_circuit_open"
        assert 0 < refused.retry_after <= 60
        assert len(server.heads) == 3
        assert sender.breaker_state() == 1
        assert (await sender.send(server.address, slug="other")).status == status
        assert sender.breaker_state("other") == 0


@pytest.mark.parametrize("answer", [reset, hang, b"HTTP/1.1 504 X\r\nContent-Length: 0\r\n\r\n"])
async def test_what_one_caller_alone_meets_keeps_out_no_other(sender: Sender, answer: Answer | bytes) -> None:
    async def but_for_the_menu(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        told = ok(b"quick") if server.heads[-1].startswith("GET /menu ") else answer
        await (saying(told) if isinstance(told, bytes) else told)(reader, writer)

    async with scripted(but_for_the_menu) as server:
        for _ in range(3):
            with contextlib.suppress(ToolsProviderError):
                await sender.send(server.address, within=0.2)
        assert (await sender.failure(f"{server.address}/menu")).code == "upstream_circuit_open"
        assert (await sender.send(f"{server.address}/menu", caller="other")).content == b"quick"


async def test_what_everybody_meets_keeps_out_everybody(sender: Sender) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{unused.getsockname()[1]}/"
        for _ in range(3):
            await sender.failure(address)
        assert (await sender.failure(address, caller="other")).code == "upstream_circuit_open"


@pytest.mark.parametrize("answer", [reset, hang], ids=["resets", "hangs"])
async def test_transport_errors_and_deadlines_open_the_breaker(sender: Sender, answer: Answer) -> None:
    async with scripted(answer) as server:
        for _ in range(3):
            await sender.failure(server.address, within=0.2)
        assert (await sender.failure(server.address)).code == "upstream_circuit_open"


async def test_each_origin_of_a_source_has_a_breaker_of_its_own_and_none_stays(sender: Sender) -> None:
    async with scripted(b"HTTP/1.1 503 X\r\nContent-Length: 0\r\n\r\n") as server, scripted(ok(b"")) as well:
        while sender.breaker_state("pizzeria/1") != 1:
            await sender.send(server.address, server=1)
        assert (await sender.failure(server.address, server=1)).code == "upstream_circuit_open"
        assert (await sender.send(well.address)).status == 200
        assert sender.breaker_state() == 0
    sender.upstream.remove("pizzeria")
    assert sender.breaker_state("pizzeria/1") is None


async def test_a_source_that_moves_is_called_at_its_new_origin_at_once(sender: Sender) -> None:
    async with scripted(b"HTTP/1.1 503 X\r\nContent-Length: 0\r\n\r\n") as server, scripted(ok(b"")) as well:
        while sender.breaker_state() != 1:
            await sender.send(server.address)
        assert (await sender.failure(f"{server.address}/v2")).code == "upstream_circuit_open"
        assert (await sender.send(f"{well.address}/v2")).status == 200
        assert sender.breaker_state() == 0


async def test_calls_that_outlive_their_source_show_no_breaker(sender: Sender) -> None:
    hanging = Hanging()
    async with scripted(hanging) as server:
        await sender.failure(server.address, within=0.1)
        calls = [asyncio.create_task(sender.failure(server.address, within=0.3)) for _ in range(2)]
        for _ in range(3):
            await hanging.arrived.acquire()
        sender.upstream.remove("pizzeria")
        assert {failure.code for failure in await asyncio.gather(*calls)} == {"upstream_timeout"}
    assert sender.breaker_state() is None


async def test_a_source_that_is_removed_leaves_no_breaker(sender: Sender) -> None:
    async with scripted(b"HTTP/1.1 503 X\r\nContent-Length: 0\r\n\r\n") as server:
        for _ in range(3):
            await sender.send(server.address)
        sender.upstream.remove("pizzeria")
        assert sender.breaker_state() is None
        assert (await sender.send(server.address)).status == 503


class Hanging:
    """Answers nothing; `arrived` is released for each request."""

    def __init__(self) -> None:
        self.arrived = asyncio.Semaphore(0)

    async def __call__(self, reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        self.arrived.release()
        await reader.read()


async def test_a_hanging_source_holds_up_no_other(sender: Sender) -> None:
    hanging = Hanging()
    async with scripted(hanging) as slow, scripted(ok(b"quick")) as quick:
        calls = [asyncio.create_task(sender.send(slow.address)) for _ in range(50)]
        for _ in range(2):
            await hanging.arrived.acquire()
        answer = await sender.send(quick.address, slug="other", within=1)
        assert answer.content == b"quick"
        assert len(slow.heads) == 2
        for call in calls:
            call.cancel()
        await asyncio.wait(calls)


async def test_a_call_that_finds_no_room_in_time_was_not_sent_and_says_so(sender: Sender) -> None:
    hanging = Hanging()
    async with scripted(hanging) as server:
        calls = [asyncio.create_task(sender.send(server.address)) for _ in range(2)]
        for _ in range(2):
            await hanging.arrived.acquire()
        for _ in range(4):
            failure = await sender.failure(server.address, within=0.05)
            assert isinstance(failure, Unavailable)
            assert failure.code == "upstream_busy"
            assert failure.retry_after == 1
            assert "Nothing was sent" in failure.detail
        assert len(server.heads) == 2
        assert sender.breaker_state() == 0
        for call in calls:
            call.cancel()
        await asyncio.wait(calls)


class Held:
    """Answers a request for `/held…` when told to, any other at once; `paths` are in the order of arrival."""

    def __init__(self) -> None:
        self.server = Scripted()
        self.paths: list[str] = []
        self._arrived = asyncio.Semaphore(0)
        self._told: dict[str, asyncio.Event] = {}

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        path = self.server.heads[-1].split(" ")[1]
        self.paths.append(path)
        if path.startswith("/held"):
            told = self._told[path] = asyncio.Event()
            self._arrived.release()
            waits = {asyncio.create_task(told.wait()), asyncio.create_task(reader.read(1))}
            _, others = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            for each in others:
                each.cancel()
        writer.write(ok(path.encode(), "Connection: close"))
        await writer.drain()

    def tell(self, path: str) -> None:
        self._told[path].set()

    async def arrive(self, times: int = 1) -> None:
        for _ in range(times):
            await asyncio.wait_for(self._arrived.acquire(), 5)


@pytest.fixture
async def held() -> AsyncIterator[Held]:
    held = Held()
    async with scripted(held) as held.server:
        yield held


def begin(sender: Sender, held: Held, *calls: str, **options: object) -> list[asyncio.Task[HttpAnswer]]:
    """Begin calls, each `caller/number`, to `/held/caller/number`."""
    return [
        asyncio.create_task(
            sender.send(f"{held.server.address}/held/{call}", caller=call.partition("/")[0], **options)  # type: ignore[arg-type]
        )
        for call in calls
    ]


async def end(calls: list[asyncio.Task[HttpAnswer]]) -> None:
    for call in calls:
        call.cancel()
    await asyncio.wait(calls)


async def test_hanging_calls_of_some_users_leave_room_for_the_next(sender: Sender, held: Held) -> None:
    calls = begin(sender, held, *(f"first/{number}" for number in range(9)))
    await held.arrive(2)
    assert (await sender.send(f"{held.server.address}/quick", caller="second", within=1)).status == 200
    calls += begin(sender, held, *(f"second/{number}" for number in range(9)))
    await held.arrive()
    assert (await sender.send(f"{held.server.address}/quick", caller="third", within=1)).status == 200
    assert [path for path in held.paths if path.startswith("/held")] == [
        "/held/first/0",
        "/held/first/1",
        "/held/second/0",
    ]
    await end(calls)
    assert sender.breaker_state() == 0


async def test_of_those_who_wait_whoever_has_the_fewest_calls_is_next(sender: Sender, held: Held) -> None:
    calls = begin(sender, held, "first/0", "first/1")
    await held.arrive(2)
    calls += begin(sender, held, "second/0", "third/0")
    await held.arrive(2)
    calls += begin(sender, held, "first/2", "first/3", "second/1", "fourth/0")
    await asyncio.sleep(0)
    held.tell("/held/first/0")
    await held.arrive()
    assert held.paths[4:] == ["/held/fourth/0"]
    await end(calls)


async def test_a_place_goes_to_nobody_who_has_left(sender: Sender, held: Held) -> None:
    calls = begin(sender, held, "first/0", "first/1")
    await held.arrive(2)
    waiting = begin(sender, held, "first/2", "first/3", "first/4")
    await asyncio.sleep(0)
    waiting[0].cancel()
    held.tell("/held/first/0")
    await asyncio.wait(calls[:1])
    waiting[1].cancel()
    await held.arrive()
    assert held.paths[2:] in (["/held/first/3"], ["/held/first/4"])
    await end([*calls, *waiting])
    assert (await sender.send(f"{held.server.address}/quick", caller="first", within=1)).status == 200


async def test_so_many_calls_wait_and_one_more_is_refused_at_once(sender: Sender, held: Held) -> None:
    calls = begin(sender, held, *(f"first/{number}" for number in range(2 + 128)))
    await held.arrive(2)
    for _ in range(3):
        refused = await sender.failure(f"{held.server.address}/quick", caller="first")
        assert isinstance(refused, Unavailable)
        assert refused.code == "upstream_busy"
    assert (await sender.send(f"{held.server.address}/quick", caller="second", within=1)).status == 200
    await end(calls)
    assert sender.breaker_state() == 0


async def test_what_had_to_wait_and_comes_too_late_says_nothing_against_the_upstream(
    sender: Sender, held: Held
) -> None:
    sender.upstream = Upstream(
        sender.sending, sender.telemetry, failure_threshold=1, recovery_timeout=60, most_in_flight=4
    )
    calls = begin(sender, held, "first/0", "first/1")
    await held.arrive(2)
    late = begin(sender, held, "first/2", "first/3", within=0.3)
    await asyncio.sleep(0)
    held.tell("/held/first/0")
    await held.arrive()
    await asyncio.wait(late)
    codes = {str(call.exception()).partition(":")[0] for call in late}
    assert "upstream_timeout" in codes  # both, where the second has the place of the first for its last moment
    assert codes <= {"upstream_busy", "upstream_timeout"}
    assert sender.breaker_state() == 0
    await end(calls)


async def test_calls_to_all_origins_together_are_bounded_and_shared_by_callers(sender: Sender, held: Held) -> None:
    sender.upstream = Upstream(
        sender.sending, sender.telemetry, failure_threshold=3, recovery_timeout=60, most_in_all=8
    )
    calls = begin(sender, held, "first/0") + begin(sender, held, "first/1", slug="other")
    await held.arrive(2)
    refused = await sender.failure(f"{held.server.address}/quick", slug="third", caller="first", within=0.2)
    assert refused.code == "upstream_busy"
    waiting = asyncio.ensure_future(sender.send(f"{held.server.address}/quick", slug="third", caller="first"))
    answer = await sender.send(f"{held.server.address}/quick", slug="third", caller="second")
    assert answer.status == 200
    assert not waiting.done()
    held.tell("/held/first/0")
    assert (await waiting).status == 200
    await end(calls)


async def test_an_origin_that_keeps_many_callers_waiting_leaves_as_much_to_others_however_many_sources_lead_there(
    sender: Sender, held: Held
) -> None:
    sender.upstream = Upstream(
        sender.sending, sender.telemetry, failure_threshold=3, recovery_timeout=60, most_in_all=8
    )
    calls = [call for number in range(4) for call in begin(sender, held, f"user-{number}/0", slug=f"source-{number}")]
    await held.arrive(4)
    waited = await sender.failure(f"{held.server.address}/quick", slug="fifth", caller="fifth", within=0.1)
    assert waited.code == "upstream_busy"
    elsewhere = held.server.address.replace("127.0.0.1", "localhost")
    for caller in ("user-0", "fifth"):
        assert (await sender.send(f"{elsewhere}/quick", slug="elsewhere", caller=caller)).status == 200
    await end(calls)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_a_system_without_a_file_to_spare_says_nothing_against_the_upstream(sender: Sender, host: str) -> None:
    async with scripted(ok(b"")) as server:
        address = server.address.replace("127.0.0.1", host)
        with no_more_files():
            failures = [await sender.failure(address) for _ in range(4)]
        assert {failure.code for failure in failures} == {"upstream_busy"}
        assert (await sender.send(address)).status == 200
    assert sender.breaker_state() == 0
