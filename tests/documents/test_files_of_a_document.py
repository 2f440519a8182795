"""The files that a document refers to: fetched from where they may be, within limits, or told why not."""

import asyncio
import json
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from app.documents.apart import ReadingLimits
from app.documents.fetching import Documents, Found, reference_origins
from app.errors import BadAnswer, Invalid, TooLarge
from app.operation.operation import Conversion
from app.outbound import AddressPolicy, guarded_client
from tests.sources.conftest import document
from tests.support.scripted import Answer, Scripted, ok, redirect, scripted

pytestmark = pytest.mark.anyio

PATH_ITEM = {"get": {"responses": {"200": {"description": "ok"}}}}


@dataclass
class Folder:
    """Serves files by their paths: JSON, an answer of its own, or 404."""

    server: Scripted
    files: dict[str, Any] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return f"{self.server.address}/spec/openapi.json"

    @property
    def asked(self) -> list[str]:
        return [head.split(" ")[1] for head in self.server.heads]

    def refer(self, **refs: str) -> None:
        """Serve a document with one path for each reference, and a good one."""
        self.files["/spec/openapi.json"] = document("/good")
        self.files["/spec/openapi.json"]["paths"] |= {f"/{name}": {"$ref": ref} for name, ref in refs.items()}


@asynccontextmanager
async def folder() -> AsyncGenerator[Folder]:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        found = served.files.get(served.asked[-1], b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
        if callable(found):
            await found(reader, writer)
            return
        writer.write(found if isinstance(found, bytes) else ok(json.dumps(found).encode(), "Connection: close"))
        await writer.drain()

    async with scripted(answer) as server:
        served = Folder(server)
        yield served


@pytest.fixture
async def here(anyio_backend: str) -> AsyncGenerator[Folder]:
    async with folder() as served:
        yield served


@pytest.fixture
async def elsewhere(anyio_backend: str) -> AsyncGenerator[Folder]:
    async with folder() as served:
        yield served


async def read(url: str | None, *origins: str, **options: Any) -> Conversion:
    return (await found(url, *origins, **options)).conversion


async def found(
    url: str | None,
    *origins: str,
    allowed: str = "127.0.0.1",
    uploaded: bytes | None = None,
    names: dict[tuple[str, str], str] | None = None,
    **limits: Any,
) -> Found:
    values = {"timeout": 5.0, "max_bytes": 50_000, "limits": ReadingLimits(), **limits}
    policy = AddressPolicy((allowed,))
    async with guarded_client(policy) as client:
        documents = Documents(client, policy, reference_origins=reference_origins(origins), **values)
        return await documents.read(url, "slug", names or {}, uploaded)


def reasons(conversion: Conversion) -> dict[str, str | None]:
    """Why operations were skipped or degraded, by the names of their paths."""
    return {item.path.strip("/"): item.reason for item in conversion.report}


async def test_files_of_the_same_origin_are_fetched_once_each(here: Folder) -> None:
    here.refer(a="paths/a.json", b="../b.json#/b", c=f"{here.server.address}/spec/paths/a.json")
    here.files |= {"/spec/paths/a.json": PATH_ITEM, "/b.json": {"b": {"$ref": "spec/paths/a.json"}}}
    assert set(reasons(await read(here.url)).values()) == {None}
    assert sorted(here.asked) == ["/b.json", "/spec/openapi.json", "/spec/paths/a.json"]


async def test_a_document_with_files_is_not_recognised_since_they_may_change_alone(here: Folder) -> None:
    here.refer(a="a.json")
    here.files |= {"/spec/a.json": PATH_ITEM}
    assert (await found(here.url)).fingerprint is None
    here.refer()
    assert (await found(here.url)).fingerprint is not None


async def test_another_origin_is_asked_only_if_the_operator_lists_it(here: Folder, elsewhere: Folder) -> None:
    here.refer(a=f"{elsewhere.server.address}/a.json")
    elsewhere.files["/a.json"] = PATH_ITEM
    refused = reasons(await read(here.url))
    assert "SOURCE_REF_ORIGINS" in str(refused["a"])
    assert refused["good"] is None
    assert elsewhere.asked == []
    assert reasons(await read(here.url, elsewhere.server.address))["a"] is None


async def test_a_listed_origin_is_no_way_to_inner_addresses(here: Folder, elsewhere: Folder) -> None:
    here.refer(a=f"{elsewhere.server.address}/a.json")
    port = here.server.port
    found = reasons(await read(here.url, elsewhere.server.address, allowed=f"127.0.0.1:{port}"))
    assert "ALLOWED_UPSTREAMS" in str(found["a"])
    assert elsewhere.server.connections == 0


@pytest.mark.parametrize(
    "ref",
    [
        "file:///etc/passwd",
        "ftp://127.0.0.1/a",
        "http://169.254.169.254/latest/meta-data",
        "http://user:pw@127.0.0.1/a",
        "//10.0.0.1/a.json",
        "http://[::1]:80/a",
        "http://2130706433/a",
        "jar:http://127.0.0.1!/a",
        "data:application/json,{}",
        "http://[",
    ],
)
async def test_what_the_guard_refuses_is_told_and_nothing_is_sent(ref: str, here: Folder) -> None:
    here.refer(a=ref)
    found = reasons(await read(here.url))
    assert "is not available" in str(found["a"])
    assert found["good"] is None
    assert here.asked == ["/spec/openapi.json"]


async def hang(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    await reader.read()


async def endless(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
    while not writer.is_closing():
        writer.write(b"x" * 10_000)
        await writer.drain()


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", "404"),
        (redirect("http://10.0.0.1/"), "Redirects are not followed"),
        (hang, "SOURCE_FETCH_TIMEOUT"),
        (endless, "SOURCE_MAX_BYTES"),
        (ok(b"<html></html>"), "HTML"),
    ],
    ids=["404", "redirect", "hang", "endless", "html"],
)
async def test_a_file_that_cannot_be_had_leaves_the_rest(answer: bytes | Answer, reason: str, here: Folder) -> None:
    here.refer(a="a.json", b="b.json")
    here.files |= {"/spec/a.json": answer, "/spec/b.json": PATH_ITEM}
    started = time.monotonic()
    found = reasons(await read(here.url, timeout=1.0))
    assert reason in str(found["a"])
    assert found["good"] is None
    assert time.monotonic() - started < 15


@pytest.mark.parametrize("status", [500, 503, 429])
async def test_where_tools_would_be_lost_a_pause_of_a_server_fails_the_reading(status: int, here: Folder) -> None:
    here.refer(a="a.json", gone="gone.json")
    here.files["/spec/a.json"] = f"HTTP/1.1 {status} X\r\nContent-Length: 0\r\n\r\n".encode()
    assert str(status) in str(reasons(await read(here.url))["a"])
    with pytest.raises(BadAnswer, match=str(status)):
        await read(here.url, names={("GET", "/a"): "a"})
    here.files["/spec/a.json"] = PATH_ITEM
    assert "404" in str(reasons(await read(here.url, names={("GET", "/a"): "a"}))["gone"])


async def test_bytes_are_counted_over_all_files(here: Folder) -> None:
    names = {f"f{number}": f"f{number}.json" for number in range(8)}
    here.refer(**names)
    here.files |= {f"/spec/{name}": PATH_ITEM | {"x-fill": "x" * 10_000} for name in names.values()}
    found = reasons(await read(here.url))
    refused = [reason for reason in found.values() if reason is not None]
    assert 4 <= len(refused) < 8
    assert all("SOURCE_MAX_BYTES" in reason for reason in refused)


async def test_references_without_number_are_refused_before_anything_is_fetched(here: Folder) -> None:
    here.refer(**{f"p{number}": f"{number}.json" for number in range(100_000)})
    with pytest.raises(Invalid, match="SOURCE_MAX_FILES"):
        await read(here.url, max_bytes=20_000_000)
    assert here.asked == ["/spec/openapi.json"]


async def test_time_for_fetching_is_not_taken_from_the_reading(here: Folder) -> None:
    async def late(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.to_thread(lambda: asyncio.run(asyncio.sleep(1.5)))
        writer.write(ok(json.dumps(PATH_ITEM).encode()))
        await writer.drain()

    here.refer(a="a.json")
    here.files["/spec/a.json"] = late
    limits = ReadingLimits(timeout=60.0)
    assert set(reasons(await read(here.url, limits=limits, timeout=30.0)).values()) == {None}


async def test_an_uploaded_document_has_files_only_where_its_url_is(here: Folder) -> None:
    here.refer(a="a.json", b=f"{here.server.address}/spec/a.json")
    here.files["/spec/a.json"] = PATH_ITEM
    content = json.dumps(here.files["/spec/openapi.json"]).encode()
    alone = reasons(await read(None, uploaded=content))
    assert "give its `url`" in str(alone["a"])
    assert "SOURCE_REF_ORIGINS" in str(alone["b"])
    assert here.asked == []
    assert set(reasons(await read(here.url, uploaded=content)).values()) == {None}
    assert here.asked == ["/spec/a.json"]


async def test_an_uploaded_document_over_the_limit_is_refused() -> None:
    with pytest.raises(TooLarge, match="SOURCE_MAX_BYTES"):
        await read(None, uploaded=b" " * 50_001)


def test_an_origin_that_cannot_be_one_is_refused_at_the_start() -> None:
    with pytest.raises(ValueError, match="SOURCE_REF_ORIGINS"):
        reference_origins(("schemas.example.com",))


async def test_time_and_memory_of_the_reading_are_named_when_they_bite() -> None:
    content = json.dumps(document("/a") | {"x-y": [[]] * 400_000}).encode()
    with pytest.raises(Invalid, match="SOURCE_READ_TIMEOUT"):
        await read(None, uploaded=content, max_bytes=10**7, limits=ReadingLimits(timeout=0.01))
    with pytest.raises(Invalid, match="SOURCE_READ_MEMORY"):
        await read(None, uploaded=content, max_bytes=10**7, limits=ReadingLimits(memory=100_000_000))
