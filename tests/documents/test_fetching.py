"""Fetching a document: within a deadline and a size, from the address that was named and no other."""

import asyncio
import gzip
import json
import socket
import time
import zlib
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from app.documents.fetching import Documents
from app.errors import BadAnswer, DeadlineExceeded, Invalid, TooLarge, ToolsProviderError
from app.operation.operation import Conversion
from app.outbound import AddressPolicy, AddressRefused, guarded_client
from tests.sources.conftest import document
from tests.support.certificates import Authority
from tests.support.scripted import Answer, ok, redirect, scripted

pytestmark = pytest.mark.anyio

POLICY = AddressPolicy(("127.0.0.1",))


@pytest.fixture
async def documents(anyio_backend: str) -> AsyncGenerator[Documents]:
    async with guarded_client(POLICY) as client:
        yield Documents(client, POLICY, timeout=1.0, max_bytes=50_000)


async def read(documents: Documents, answer: bytes | Answer) -> Conversion:
    async with scripted(answer) as server:
        return (await documents.read(f"{server.address}/openapi.json", "slug", {})).conversion


async def refusal_of(documents: Documents, answer: bytes | Answer) -> ToolsProviderError:
    with pytest.raises(ToolsProviderError) as refused:
        await read(documents, answer)
    assert "127.0.0.1" not in refused.value.detail.replace("http://127.0.0.1", "")
    return refused.value


async def test_a_document_becomes_operations(documents: Documents) -> None:
    conversion = await read(documents, ok(json.dumps(document("/menu")).encode()))
    assert [(operation.method, operation.path) for operation in conversion.operations] == [("GET", "/menu")]
    assert conversion.title == "Test"
    assert [item.status for item in conversion.report] == ["ready"]


async def test_yaml_is_read_too(documents: Documents) -> None:
    text = b"openapi: 3.0.3\ninfo: {title: Y, version: '1'}\npaths:\n  /a:\n    get:\n      responses: {}\n"
    conversion = await read(documents, ok(text, "Content-Type: application/yaml"))
    assert [operation.path for operation in conversion.operations] == ["/a"]


async def test_names_that_were_given_before_are_kept(documents: Documents) -> None:
    async with scripted(ok(json.dumps(document("/menu")).encode())) as server:
        reading = await documents.read(server.address, "slug", {("GET", "/menu"): "old_name"})
    assert [operation.name for operation in reading.conversion.operations] == ["old_name"]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_refused_and_names_where_it_leads(status: int, documents: Documents) -> None:
    async with scripted(ok(b"{}")) as target:
        answer = redirect(f"{target.address}/secret?token=1").replace(b"302", str(status).encode())
        refused = await refusal_of(documents, answer)
        assert target.connections == 0
        assert target.address in refused.detail
    assert isinstance(refused, Invalid)
    assert refused.code == "redirect_refused"
    assert "token=1" not in refused.detail


@pytest.mark.parametrize("location", ["", "http://[", "file:///etc/passwd", "http://user:pw@x/"])
async def test_a_redirect_to_nowhere_is_refused_like_any_other(location: str, documents: Documents) -> None:
    refused = await refusal_of(documents, redirect(location))
    assert refused.code == "redirect_refused"
    assert "pw" not in refused.detail


@pytest.mark.parametrize("status", [401, 404, 500, 204])
async def test_a_server_that_has_no_document_is_reported_with_its_status(status: int, documents: Documents) -> None:
    refused = await refusal_of(documents, f"HTTP/1.1 {status} X\r\nContent-Length: 0\r\n\r\n".encode())
    assert isinstance(refused, BadAnswer)
    assert refused.code == "document_unreachable"
    assert str(status) in refused.detail


async def hang(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    await reader.read()


async def drip(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 50000\r\n\r\n")
    while not writer.is_closing():
        writer.write(b" ")
        await writer.drain()
        await asyncio.sleep(0.05)


async def headers_forever(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\n")
    while not writer.is_closing():
        writer.write(b"X-A: b\r\n")
        await writer.drain()
        await asyncio.sleep(0.05)


@pytest.mark.parametrize("answer", [hang, drip, headers_forever])
async def test_a_server_that_never_ends_is_left_at_the_deadline(answer: Answer, documents: Documents) -> None:
    started = time.monotonic()
    refused = await refusal_of(documents, answer)
    assert isinstance(refused, DeadlineExceeded)
    assert refused.code == "document_timeout"
    assert time.monotonic() - started < 3


async def endless(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
    while not writer.is_closing():
        writer.write(b"x" * 10_000)
        await writer.drain()


def bomb() -> bytes:
    packed = zlib.compressobj(wbits=31)
    body = b"".join([*(packed.compress(bytes(1_000_000)) for _ in range(50)), packed.flush()])
    return ok(body, "Content-Encoding: gzip")


@pytest.mark.parametrize("answer", [endless, bomb(), ok(b" " * 50_001)], ids=["endless", "bomb", "declared"])
async def test_a_document_over_the_limit_is_refused(answer: bytes | Answer, documents: Documents) -> None:
    refused = await refusal_of(documents, answer)
    assert isinstance(refused, TooLarge)
    assert refused.code == "document_too_large"


async def test_a_compressed_document_is_read(documents: Documents) -> None:
    body = gzip.compress(json.dumps(document("/menu")).encode())
    assert len((await read(documents, ok(body, "Content-Encoding: gzip"))).operations) == 1


async def reset(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    writer.transport.abort()


async def half(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"openapi"')
    await writer.drain()


@pytest.mark.parametrize("answer", [reset, half, b"\x15\x03\x03\x00\x02\x02\x28\r\n\r\n"])
async def test_a_server_that_breaks_is_unreachable(answer: bytes | Answer, documents: Documents) -> None:
    refused = await refusal_of(documents, answer)
    assert isinstance(refused, BadAnswer)
    assert refused.code == "document_unreachable"


async def test_whoever_registers_is_told_why_a_document_cannot_be_fetched(documents: Documents, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    async with scripted(ok(b"{}"), Authority(tmp_path, "Inner Authority").server("127.0.0.1")) as secure:
        for url, why in (
            (f"http://127.0.0.1:{port}", "it refuses connections (nothing listens there, or a firewall refuses)"),
            ("http://does-not-exist.invalid", "its name cannot be resolved (the name server "),
            (f"https://127.0.0.1:{secure.port}", "issued by CN=Inner Authority) is not trusted"),
        ):
            with pytest.raises(BadAnswer) as refused:
                await documents.read(f"{url}/x", "slug", {})
            assert refused.value.code == "document_unreachable"
            assert f"{url} sent no document to this server: " in refused.value.detail
            assert why in refused.value.detail


async def test_an_inner_address_is_refused_before_anything_is_sent() -> None:
    policy = AddressPolicy(())
    async with scripted(ok(b"{}")) as server, guarded_client(policy) as client:
        for host in ("127.0.0.1", "localhost"):
            with pytest.raises(AddressRefused):
                await Documents(client, policy, timeout=1, max_bytes=10).read(
                    f"http://{host}:{server.port}/x", "slug", {}
                )
        assert server.connections == 0


@pytest.mark.parametrize(
    "body", [b"<!doctype html><html></html>", b"", b"{", b"[]", b"null", b"hello", b"\xff\xfe\x00"]
)
async def test_what_is_no_document_is_invalid(body: bytes, documents: Documents) -> None:
    refused = await refusal_of(documents, ok(body, "Content-Type: text/html"))
    assert isinstance(refused, Invalid)
    assert refused.code == "invalid_document"


async def test_credentials_are_never_sent_for_a_document(documents: Documents) -> None:
    async with scripted(ok(json.dumps(document("/menu")).encode())) as server:
        await documents.read(server.address, "slug", {})
    head = server.heads[0].lower()
    assert "authorization" not in head
    assert "cookie" not in head
