"""Upstreams that break, hang, lie about their length or refuse, seen from both doors (rows U01, U04, U05 and B)."""

import asyncio
import gzip
import json
import resource
import socket
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from tests.api.conftest import Start
from tests.api.probe import WAIT_SECONDS, Probe
from tests.api.protocol import ERAS, message, post, sent_raw
from tests.support.certificates import Authority
from tests.support.installation import EmbeddedIdentityProvider, Headers, RunningProvider, Token, bearer
from tests.support.raw import Raw, raw_upstream
from tests.support.scripted import Answer, ok
from tests.support.servers import address_of
from tests.tools.test_upstream import BROKEN, HANGING, MIB, head, reset, saying

DOORS = ["rest", *ERAS]
DEADLINE = 0.8
THRESHOLD = 3
METHODS = ["get", "post", "put", "patch", "delete"]
DOCUMENT = {
    "openapi": "3.1.0",
    "info": {"title": "Raw", "version": "1"},
    "paths": {
        "/thing": {method: {"operationId": method, "responses": {"200": {"description": "ok"}}} for method in METHODS}
    },
}


@pytest.fixture(scope="module")
def raw() -> Iterator[Raw]:
    with raw_upstream() as raw:
        raw.describe(DOCUMENT)
        yield raw


@pytest.fixture(scope="module")
def overrides() -> dict[str, Any]:
    return {"upstream_timeout": DEADLINE, "circuit_breaker_failure_threshold": 1_000}


@pytest.fixture(scope="module", autouse=True)
def registered(provider: RunningProvider, admin: Headers, raw: Raw) -> None:
    provider.register(admin, raw.url, slug="raw")
    provider.register(admin, raw.url, slug="exchanged", default_audience="pizzeria-backend")


@pytest.fixture
def brittle(start: Start, admin: Headers, raw: Raw) -> Callable[..., RunningProvider]:
    """Start a provider whose breakers open after three failures, for so many seconds."""

    def started(recovery: float, **overrides: Any) -> RunningProvider:
        provider = start(
            circuit_breaker_failure_threshold=THRESHOLD, circuit_breaker_recovery_timeout=recovery, **overrides
        )
        for slug in ("raw", "other"):
            provider.register(admin, raw.url, slug=slug)
        return provider

    return started


def call(
    provider: RunningProvider, agent: Headers, door: str, tool: str = "raw/get"
) -> tuple[httpx.Response, int | None, str | None]:
    """The answer, the upstream's status in it, and our code in it."""
    if door == "rest":
        answer = provider.execute(agent, tool)
        body = answer.json()
        return answer, body.get("upstream_status"), body.get("code")
    answer = post(provider, agent, "tools/call", door, name=tool.replace("/", "__"), arguments={})
    meta = answer.json()["result"]["_meta"]
    return answer, meta.get("upstream_status"), meta.get("code")


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("name", BROKEN)
def test_u01_what_is_no_proper_answer_is_told_without_what_lies_inside(
    provider: RunningProvider, agent: Headers, raw: Raw, name: str, door: str
) -> None:
    raw.answer = BROKEN[name]
    answer, status, code = call(provider, agent, door)
    assert (status, code) == (None, "upstream_broken")
    assert answer.status_code == (502 if door == "rest" else 200)
    assert str(raw.server.port) not in answer.text
    assert "Traceback" not in answer.text


@pytest.fixture(scope="module")
def causes(
    provider: RunningProvider, admin: Headers, raw: Raw, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, str]]:
    """Sources that cannot be called, by slug, and what only admins learn of each."""
    inner = Authority(tmp_path_factory.mktemp("authority"), "Inner Authority").server("127.0.0.1")
    with raw_upstream() as plain, raw_upstream(inner) as secure, socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        addresses = {
            "unknown": ("http://inner.invalid", "http://inner.invalid: its name cannot be resolved"),
            "closed": (address_of(unused), f"{address_of(unused)}: it refuses connections"),
            "untrusted": (secure.address.replace("http:", "https:"), "issued by CN=Inner Authority"),
            "header": (plain.address, "a header of its answer is too large"),
        }
        plain.answer = ok(b"{}", "X-Trail: " + "y" * 20_000)
        for slug, (address, _) in addresses.items():
            provider.register(admin, raw.url, slug=slug, base_url=address)
        yield {slug: inside for slug, (_, inside) in addresses.items()}


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize(
    ("slug", "expected", "plain"),
    [
        ("unknown", "upstream_name", "its name cannot be resolved. Nothing was sent"),
        ("closed", "upstream_refused", "it refuses connections. Nothing was sent"),
        ("untrusted", "upstream_tls", "its TLS certificate is not trusted. Nothing was sent"),
        ("header", "upstream_broken", "a header of its answer is too large. It may have done"),
    ],
)
def test_why_an_upstream_cannot_be_used_is_told_to_agents_plainly_and_to_admins_in_full(
    provider: RunningProvider,
    admin: Headers,
    agent: Headers,
    causes: dict[str, str],
    slug: str,
    expected: str,
    plain: str,
    door: str,
) -> None:
    answer, status, code = call(provider, agent, door, f"{slug}/get")
    assert (status, code) == (None, expected)
    assert plain in answer.text
    for inner in ("127.0.0.1", "inner.invalid", "Inner Authority"):
        assert inner not in answer.text
    record = provider.audit(admin, source=slug)[0]
    assert record["outcome"] == expected
    assert causes[slug] in record["detail"]


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("name", HANGING)
def test_u01_a_slow_answer_ends_at_the_deadline(
    provider: RunningProvider, agent: Headers, raw: Raw, name: str, door: str
) -> None:
    raw.answer = HANGING[name]
    started = time.monotonic()
    answer, status, code = call(provider, agent, door)
    assert (status, code) == (None, "upstream_timeout")
    assert answer.status_code == (504 if door == "rest" else 200)
    assert DEADLINE <= time.monotonic() - started < DEADLINE + 1


def bomb() -> bytes:
    packer = zlib.compressobj(wbits=zlib.MAX_WBITS | 16)
    packed = b"".join(packer.compress(bytes(MIB)) for _ in range(512)) + packer.flush()
    return ok(packed, "Content-Type: text/plain", "Content-Encoding: gzip")


LARGE: dict[str, bytes | Answer] = {
    "512 MiB in a gzip": bomb(),
    "256 MiB": saying(head("Content-Length: 268435456", "Content-Type: text/plain"), forever=b"x" * 65_536),
    "no end": saying(
        head("Transfer-Encoding: chunked", "Content-Type: text/plain"), forever=b"4000\r\n" + b"x" * 16_384 + b"\r\n"
    ),
}


@pytest.mark.parametrize("name", LARGE)
def test_u01_a_body_without_reason_is_cut_and_takes_no_memory(
    provider: RunningProvider, agent: Headers, raw: Raw, name: str
) -> None:
    raw.answer = LARGE[name]
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    answer, status, _ = call(provider, agent, "rest")
    assert (status, answer.json()["truncated"], len(answer.json()["result"])) == (200, True, MIB)
    for era in ERAS:
        answer, status, _ = call(provider, agent, era)
        assert status == 200
        assert "cut off" in answer.json()["result"]["content"][0]["text"]
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 150_000  # KiB


def echoed(agent: Headers) -> tuple[str, dict[str, bytes]]:
    token = agent["Authorization"].removeprefix("Bearer ")
    as_json = json.dumps({"you sent": token}).encode()
    escaped = as_json.replace(token.encode(), "".join(f"\\u{ord(each):04x}" for each in token).encode())
    whole = b"x" * (MIB - len(token) + 1) + token.encode()
    return token, {
        "plain": ok(as_json, "Content-Type: application/json"),
        "escaped": ok(escaped, "Content-Type: application/json"),
        "UTF-16": ok(as_json.decode().encode("utf-16"), "Content-Type: application/json; charset=utf-16"),
        "UTF-16 text": ok(token.encode("utf-16-le"), "Content-Type: text/plain; charset=utf-16-le"),
        "gzip": ok(gzip.compress(as_json), "Content-Type: application/json", "Content-Encoding: gzip"),
        "binary": ok(b"\x00" + token.encode(), "Content-Type: application/pdf"),
        "media type": ok(b"{}", f"Content-Type: text/plain; token={token}"),
        "location": ok(b"{}", f"Location: https://a.example/?{'y' * 1_900}{token}"),
        "cut in the last character": ok(whole, "Content-Type: text/plain"),
    }


@pytest.mark.parametrize("door", DOORS)
def test_u04_a_token_that_is_echoed_reaches_the_agent_in_no_disguise(
    provider: RunningProvider, agent: Headers, raw: Raw, door: str
) -> None:
    token, answers = echoed(agent)
    for name, answer in answers.items():
        raw.answer = answer
        said, status, _ = call(provider, agent, door)
        assert status == 200
        assert said.text.isascii()
        assert token[:40] not in json.dumps(said.json()), name
        assert token[:40] not in str(said.json()), name


def test_u05_fifty_hanging_calls_keep_no_other_source_waiting(
    start: Start, admin: Headers, agent: Headers, raw: Raw, probe_address: tuple[Probe, str]
) -> None:
    provider = start(upstream_timeout=20)
    provider.register(admin, raw.url, slug="raw")
    provider.register(admin, f"{probe_address[1]}/openapi.json", slug="probe")
    arrived, go_on = threading.Semaphore(0), threading.Event()

    async def hang(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        arrived.release()
        await asyncio.to_thread(go_on.wait, WAIT_SECONDS)
        writer.write(ok(b"{}"))

    raw.answer = hang
    with ThreadPoolExecutor(50) as pool:
        calls = [pool.submit(call, provider, agent, DOORS[number % 3]) for number in range(50)]
        try:
            for _ in calls:
                assert arrived.acquire(timeout=WAIT_SECONDS)
            for door in DOORS:
                answer, status, _ = call(provider, agent, door, "probe/echo")
                assert status == 200
                assert answer.elapsed.total_seconds() < 1
        finally:
            go_on.set()
        assert {status for _, status, _ in (done.result(WAIT_SECONDS) for done in calls)} == {200}


def said(status: int) -> bytes:
    return f"HTTP/1.1 {status} X\r\nContent-Length: 0\r\n\r\n".encode()


def test_b01_fifteen_refusals_of_any_kind_leave_the_way_open(
    brittle: Callable[..., RunningProvider], agent: Headers, raw: Raw
) -> None:
    provider = brittle(60)
    for status in (400, 401, 403, 404, 409, 422, 429):
        raw.answer = said(status)
        for number in range(15):
            assert call(provider, agent, DOORS[number % 3])[1:] == (status, None)
    raw.answer = said(200)
    assert call(provider, agent, "rest")[1] == 200


@pytest.mark.parametrize("door", DOORS)
def test_a_204_that_brings_a_body_is_a_204_and_the_next_call_is_not_spoilt(
    provider: RunningProvider, agent: Headers, raw: Raw, door: str
) -> None:
    raw.answer = b'HTTP/1.1 204 No Content\r\nContent-Type: application/json\r\nContent-Length: 12\r\n\r\n{"a":"body"}'
    for _ in range(3):
        assert call(provider, agent, door)[1] == 204
    raw.answer = ok(b'{"the": "next"}', "Content-Type: application/json")
    answer, status, _ = call(provider, agent, door, "raw/post")
    assert status == 200
    assert "next" in answer.text


def test_five_errors_of_one_operation_take_nothing_from_anybody(
    brittle: Callable[..., RunningProvider], agent: Headers, raw: Raw
) -> None:
    provider = brittle(60)

    async def get_fails(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(said(500) if raw.heads[-1].startswith("GET") else said(200))
        await writer.drain()
        writer.close()

    raw.answer = get_fails
    for number in range(5):
        assert call(provider, agent, DOORS[number % 3])[1] == 500
    for door in DOORS:
        assert call(provider, agent, door, "raw/post")[1] == 200


def test_what_one_user_alone_brings_about_keeps_out_no_other(
    brittle: Callable[..., RunningProvider], agent: Headers, token: Token, raw: Raw
) -> None:
    provider = brittle(60, upstream_timeout=0.2)
    raw.answer = HANGING["says nothing"]
    for door in DOORS:
        assert call(provider, agent, door)[2] == "upstream_timeout"
    assert call(provider, agent, "rest")[2] == "upstream_circuit_open"
    raw.answer = said(200)
    assert call(provider, bearer(token("chef")), "rest")[1] == 200
    assert call(provider, agent, "rest")[1] == 200


@pytest.mark.parametrize("broken", [said(502), said(503), reset], ids=["502", "503", "resets"])
def test_b02_b06_b10_failures_close_the_way_to_that_source_alone(
    brittle: Callable[..., RunningProvider], agent: Headers, raw: Raw, broken: bytes | Answer
) -> None:
    provider = brittle(60)
    raw.answer = broken
    for door in DOORS:
        assert call(provider, agent, door)[2] != "upstream_circuit_open"
    sent = len(raw.heads)
    answer, _, code = call(provider, agent, "rest")
    assert (answer.status_code, code) == (503, "upstream_circuit_open")
    assert 1 <= int(answer.headers["retry-after"]) <= 60
    assert answer.elapsed.total_seconds() < 0.3
    for era in ERAS:
        assert call(provider, agent, era)[2] == "upstream_circuit_open"
    assert len(raw.heads) == sent
    raw.answer = said(200)
    assert call(provider, agent, "rest", "other/get")[1] == 200


def test_b02_a_source_that_is_well_again_is_called_again(
    brittle: Callable[..., RunningProvider], agent: Headers, raw: Raw
) -> None:
    provider = brittle(0.001)
    raw.answer = said(503)
    for _ in range(THRESHOLD):
        assert call(provider, agent, "rest")[1] == 503
    raw.answer = said(200)
    for door in DOORS:
        assert call(provider, agent, door)[1] == 200
    assert provider.http.get("/ready").json()["breakers"]["upstream:raw"] == "closed"


@pytest.mark.parametrize("door", DOORS)
def test_b05_a_probe_whose_caller_leaves_does_not_keep_the_way_closed(
    brittle: Callable[..., RunningProvider], agent: Headers, raw: Raw, door: str
) -> None:
    provider = brittle(0.001)
    raw.answer = said(503)
    for _ in range(THRESHOLD):
        assert call(provider, agent, "rest")[1] == 503
    arrived, gone = threading.Event(), threading.Event()

    async def hang(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        arrived.set()
        await reader.read()
        gone.set()

    raw.answer = hang
    path, headers, body = "/api/v1/tools/execute", agent, {"tool_id": "raw/get"}
    if door != "rest":
        body, own = message("tools/call", door, name="raw__get", arguments={})
        path, headers = "/mcp", {**own, **agent}
    with sent_raw(provider, path, headers, json.dumps(body).encode()):
        assert arrived.wait(WAIT_SECONDS)
        assert call(provider, agent, door)[2] == "upstream_circuit_open"
    assert gone.wait(WAIT_SECONDS)
    raw.answer = said(200)
    for _ in range(1_000):
        if call(provider, agent, door)[1] == 200:
            break
    assert call(provider, agent, door)[1] == 200


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("broken", [reset, saying(head("Content-Length: 9") + b"x")], ids=["resets", "breaks off"])
@pytest.mark.parametrize("method", METHODS)
def test_b11_b12_only_a_read_may_be_sent_again_to_an_upstream_that_breaks(
    provider: RunningProvider, agent: Headers, raw: Raw, method: str, broken: Answer, door: str
) -> None:
    raw.answer = broken
    sent = len(raw.heads)
    assert call(provider, agent, door, f"raw/{method}")[2] == "upstream_broken"
    methods = [line.split()[0] for line in raw.heads[sent:]]
    assert set(methods) == {method.upper()}
    assert len(methods) <= (3 if method == "get" else 1)


@pytest.mark.parametrize("door", DOORS)
def test_b13_a_cached_token_that_the_upstream_refuses_is_exchanged_once_more_and_only_a_read_is_repeated(
    provider: RunningProvider, identity_provider: EmbeddedIdentityProvider, raw: Raw, door: str
) -> None:
    agent = bearer(identity_provider.access_token("chef"))

    def sent_and_exchanged(tool: str) -> tuple[int, int]:
        sent, asked = len(raw.heads), identity_provider.counts().get("exchange", 0)
        assert call(provider, agent, door, tool)[1] == 401
        return len(raw.heads) - sent, identity_provider.counts().get("exchange", 0) - asked

    raw.answer = said(401)
    assert sent_and_exchanged("exchanged/get") == (1, 1)
    assert sent_and_exchanged("exchanged/get") == (2, 1)
    assert sent_and_exchanged("exchanged/post") == (1, 0)
    assert sent_and_exchanged("exchanged/post") == (1, 1)


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_r09_a_redirect_of_the_upstream_takes_the_token_nowhere(
    provider: RunningProvider, agent: Headers, raw: Raw, status: int, door: str
) -> None:
    with raw_upstream() as canary:
        raw.answer = f"HTTP/1.1 {status} X\r\nLocation: {canary.address}/\r\nContent-Length: 0\r\n\r\n".encode()
        assert call(provider, agent, door)[1] == status
        assert canary.server.connections == 0
