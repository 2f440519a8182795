"""What a client may send before anybody knows who it is, and how long it may take, as raw sockets show it."""

import asyncio
import json
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from app.api.http.connections import SURPLUS, Turns, payer_of
from app.api.http.protocol import bounded
from app.api.http.untaken import GRACE
from app.main import create_app
from tests.api.probe import WAIT_SECONDS, Probe
from tests.api.protocol import message
from tests.support.installation import EmbeddedIdentityProvider, Headers, RunningProvider, Token, settings_for
from tests.support.servers import address_of, listener, running

SECONDS = 0.5  # REQUEST_READ_TIMEOUT here
HEAD = 131_072
ASKED = 15  # answers at once, for which the buffers of the system have no room
MOST = 8  # MAX_CONNECTIONS of the small one
TARGET = 16_384
HOST = b"Host: localhost\r\n"
CHUNKED = b"POST /mcp HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n"


@contextmanager
def provider_of(
    identity_provider: EmbeddedIdentityProvider, folder: Path, **overrides: Any
) -> Iterator[RunningProvider]:
    """A provider behind the protocol that `serve` puts before it."""
    opened = listener()
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 65_536)  # so that an answer that is not taken waits with us
    settings = settings_for(identity_provider, address_of(opened), folder, **overrides)
    app = create_app(settings)
    with (
        running(
            app, opened, http=bounded(app.state.connections), timeout_keep_alive=int(settings.keep_alive)
        ) as address,
        httpx.Client(base_url=address, trust_env=False, timeout=30) as http,
    ):
        yield RunningProvider(address, settings, http)


@pytest.fixture(scope="module")
def provider(
    identity_provider: EmbeddedIdentityProvider, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningProvider]:
    with provider_of(identity_provider, tmp_path_factory.mktemp("bounded")) as provider:
        yield provider


@pytest.fixture(scope="module")
def hasty(
    identity_provider: EmbeddedIdentityProvider, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningProvider]:
    """A provider that waits for a request for a second only."""
    folder = tmp_path_factory.mktemp("hasty")
    with provider_of(identity_provider, folder, request_read_timeout=SECONDS) as provider:
        yield provider


@pytest.fixture(autouse=True)
def no_fault(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """What the loop says about a protocol that failed is in no test's way, so it is looked for."""
    yield
    records = [*caplog.get_records("call"), *caplog.records]
    assert [record.getMessage() for record in records if record.name in {"asyncio", "uvicorn.error"}] == []


def connected(provider: RunningProvider, address: str = "127.0.0.1") -> socket.socket:
    """A connection from this address."""
    where = urlsplit(provider.address)
    connection = socket.create_connection(
        (str(where.hostname), where.port or 0), timeout=20, source_address=(address, 0)
    )
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def received(connection: socket.socket) -> bytes:
    """All that comes until the server closes."""
    return b"".join(iter(lambda: connection.recv(65_536), b""))


def answered(provider: RunningProvider, *pieces: bytes) -> tuple[int, str, bytes]:
    """Status and code of the answer after which the server has closed, and the answer."""
    with connected(provider) as connection:
        for piece in pieces:
            connection.sendall(piece)
        answer = received(connection)
    return *read(answer), answer


def read(answer: bytes) -> tuple[int, str]:
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"connection: close" in head.lower(), answer
    told = json.loads(body)
    code = told["error"]["data"]["code"] if "jsonrpc" in told else told["code"]
    return int(head.split()[1]), str(code)


def headers(number: int) -> bytes:
    return b"".join(b"X-%d: y\r\n" % each for each in range(number))


def test_a_plain_request_passes_up_to_the_limits(provider: RunningProvider) -> None:
    for target, lines in (
        (b"/health", headers(99)),
        (b"/health?" + b"x" * (TARGET - len(b"/health?")), b""),
        (b"/health", b"X: " + b"y" * (HEAD - 100) + b"\r\n"),
    ):
        with connected(provider) as connection:
            connection.sendall(b"GET %b HTTP/1.1\r\n%b%b\r\n" % (target, HOST, lines))
            assert connection.recv(65_536).startswith(b"HTTP/1.1 200 OK\r\n")


@pytest.mark.parametrize("ended", [True, False], ids=["complete", "never ending"])
@pytest.mark.parametrize("path", [b"/health", b"/mcp", b"/api/v1/tools"])
@pytest.mark.parametrize(
    ("status", "code", "target", "lines"),
    [
        (431, "headers_too_large", b"", b"X: " + b"y" * 2 * HEAD),
        (431, "headers_too_large", b"", (b"X: " + b"y" * 4_000 + b"\r\n") * 40 + b"X: y"),
        (431, "headers_too_large", b"", b"X" * 2 * HEAD + b": y"),
        (431, "headers_too_large", b"", headers(101) + b"X: y"),
        (431, "headers_too_large", b"", headers(100_000) + b"X: y"),
        (414, "target_too_long", b"?" + b"x" * TARGET, b"X: y"),
        (414, "target_too_long", b"/" + b"x" * 1_000_000, b"X: y"),
    ],
    ids=["one header", "40 headers", "name", "101 lines", "100,000 lines", "query", "path"],
)
def test_what_is_too_long_is_refused_while_it_comes(
    provider: RunningProvider, ended: bool, path: bytes, status: int, code: str, target: bytes, lines: bytes
) -> None:
    sent = b"GET %b%b HTTP/1.1\r\n%b%b" % (path, target, HOST, lines)
    told = answered(provider, sent + b"\r\n\r\n" if ended else sent)
    assert told[:2] == (status, code)
    assert (b'"jsonrpc"' in told[2]) == (path == b"/mcp" and target[:1] != b"/")
    assert b"x-content-type-options: nosniff" in told[2].lower()


@pytest.mark.parametrize("path", [b"/", b"/mcp"])
@pytest.mark.parametrize(
    "sent",
    [
        b"BREW %b HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET %b HTTP/1.1\r\nHost : localhost\r\n\r\n",
        b"GET %b HTTP/1.1\r\nHost: localhost\r\n folded\r\n\r\n",
        b"GET %b HTTP/1.1\nHost: localhost\n\n",
        b"GET %b HTTP/2.0\r\nHost: localhost\r\n\r\n",
        b"GET %b\r\n\r\n",
        b"GET %b HTTP/0.9\r\n\r\n",
        b"GET %b HTTP/1.1\r\n\r\n",
        b"GET %b HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n",
        b"GET %b HTTP/1.0\r\nHost: localhost\r\nHost: evil.example\r\n\r\n",
        b"POST %b HTTP/1.1\r\nHost: localhost\r\nContent-Length: +1\r\n\r\nx",
        b"POST %b HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"GET http://evil.example%b HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET http://localhost:1%b HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET http://me@localhost%b HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET http://localhost%b HTTP/1.1\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03%.0b",
    ],
)
def test_what_is_no_http_or_reads_two_ways_is_told_in_our_form(
    provider: RunningProvider, path: bytes, sent: bytes
) -> None:
    with connected(provider) as connection:
        connection.sendall(sent % path)
        head, _, body = connection.recv(65_536).partition(b"\r\n\r\n")
    told = json.loads(body)
    assert head.startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert (told["error"]["data"] if "jsonrpc" in told else told)["code"] == "invalid_http"


@pytest.mark.parametrize(
    "sent",
    [
        b"GET http://localhost/health HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET HTTP://LocalHost:80/health HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"\r\n\r\nGET /health HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET /health HTTP/1.0\r\n\r\n",
    ],
)
def test_what_is_unusual_and_clear_is_answered(provider: RunningProvider, sent: bytes) -> None:
    with connected(provider) as connection:
        connection.sendall(sent)
        assert connection.recv(65_536).startswith(b"HTTP/1.1 200 OK\r\n")


@pytest.mark.parametrize("path", [b"/", b"/mcp"])
def test_refusals_are_on_record(provider: RunningProvider, admin: Headers, path: bytes) -> None:
    for _ in range(1_000):  # others of the same second may have left it no room
        told = answered(provider, b"GET %b?%b HTTP/1.1\r\n" % (path, b"x" * TARGET))[2]
        trace_id = told.partition(b'"trace_id":"')[2][:32].decode()
        records = [each for each in provider.audit(admin, outcome="target_too_long") if each["trace_id"] == trace_id]
        if records:
            break
    (record,) = records
    assert (record["kind"], record["door"]) == ("refusal", "mcp" if path == b"/mcp" else "rest")


def test_trailers_are_no_headers(provider: RunningProvider, agent: Headers) -> None:
    secret = agent["Authorization"].encode()
    asked = b"1\r\n \r\n0\r\nAuthorization: %b\r\nHost: evil.example\r\n\r\n" % secret
    with connected(provider) as connection:
        connection.sendall(CHUNKED + asked)
        assert connection.recv(65_536).startswith(b"HTTP/1.1 401 ")


def chunked_upload(agent: Headers) -> bytes:
    more = b"Authorization: %b\r\nContent-Type: application/json\r\n\r\n" % agent["Authorization"].encode()
    return CHUNKED.removesuffix(b"\r\n") + more


@pytest.mark.parametrize(
    "framing",
    [
        [b"1;" + b"x" * 60_000, b"x" * 60_000],
        [b"0" * 60_000, b"0" * 60_000],
        [b"0\r\nX: " + b"y" * 60_000, b"y" * 60_000],
        [b"0\r\n" + b"X: y\r\n" * 10_000, b"X: y\r\n" * 10_000],
        [b"1;x=1234567890123456789012345\r\n \r\n" * 6_000] * 2,
        [b"1\r\n \r\n" * 120_000],
    ],
    ids=["an extension", "zeros", "a trailer", "trailers", "extensions", "small chunks"],
)
def test_around_the_chunks_of_a_body_there_is_little(
    provider: RunningProvider, agent: Headers, framing: list[bytes]
) -> None:
    with connected(provider) as connection:
        connection.sendall(chunked_upload(agent))
        assert not pending(connection)
        for piece in framing:
            connection.sendall(piece)
        answer = received(connection)
    assert read(answer) == (400, "invalid_http")


def pending(connection: socket.socket) -> bool:
    """Whether an answer, or the end, comes soon."""
    connection.settimeout(0.1)
    try:
        connection.recv(1, socket.MSG_PEEK)
    except TimeoutError:
        return False
    except ConnectionResetError:
        return True
    finally:
        connection.settimeout(20)
    return True


@pytest.mark.parametrize(("size", "length"), [(100, 1_000_000), (2, 150_000)], ids=["buffers", "tokens"])
def test_a_body_in_many_chunks_is_read(provider: RunningProvider, agent: Headers, size: int, length: int) -> None:
    body = json.dumps(message("tools/list", "2025-11-25")[0]).encode() + b" " * length
    pieces = [body[start : start + size] for start in range(0, len(body), size)]
    with connected(provider) as connection:
        connection.sendall(
            chunked_upload(agent) + b"".join(b"%x\r\n%b\r\n" % (len(p), p) for p in pieces) + b"0\r\n\r\n"
        )
        assert connection.recv(65_536).startswith(b"HTTP/1.1 200 ")


def test_blank_lines_without_end_are_not_read(provider: RunningProvider) -> None:
    with connected(provider) as connection, pytest.raises(ConnectionError):
        send_for_ever(connection, b"\r\n" * 100_000)


def send_for_ever(connection: socket.socket, piece: bytes) -> None:
    for _ in range(100_000_000 // len(piece)):
        connection.sendall(piece)
    raise AssertionError("the server goes on reading")


def test_of_requests_that_are_sent_ahead_some_are_answered_and_the_others_closed(provider: RunningProvider) -> None:
    for offer in (b"", b"Connection: Upgrade\r\nUpgrade: h2c\r\n"):
        with connected(provider) as connection:
            connection.sendall(b"GET /health HTTP/1.1\r\n%b%b\r\n" % (HOST, offer) * 2_000)
            try:
                answers = received(connection)
            except ConnectionResetError:
                continue
            assert 0 < answers.count(b"HTTP/1.1 200 OK\r\n") < 100
            assert answers.count(b"connection: close") == 1


def told_while_dripping(provider: RunningProvider, *requests: tuple[bytes, bytes]) -> list[bytes]:
    """The answers to requests that begin in this way and go on in small pieces."""
    began = time.monotonic()
    with ExitStack() as open_now:
        dripping = [(open_now.enter_context(connected(provider)), drop) for _, drop in requests]
        for (connection, _), (begin, _) in zip(dripping, requests, strict=True):
            connection.sendall(begin)
        for _ in range(100):
            for connection, drop in dripping:
                connection.sendall(drop)
            if pending(dripping[-1][0]):
                break
        answers = [received(connection) for connection, _ in dripping]
    assert SECONDS <= time.monotonic() - began < SECONDS + 5
    return answers


def test_a_head_has_a_deadline(hasty: RunningProvider) -> None:
    unfinished = [(b"GET /health HTTP/1.1\r\n", b"X: y\r\n"), (b"GET /mcp HTTP/1.1\r\nHost: localhost\r\nX: y", b"z")]
    rest, mcp = told_while_dripping(hasty, *unfinished)
    assert read(rest) == read(mcp) == (408, "request_timeout")
    assert [b'"jsonrpc"' in each for each in (rest, mcp)] == [False, True]


def test_a_body_has_a_deadline(hasty: RunningProvider, agent: Headers) -> None:
    bearer = agent["Authorization"].encode()
    bodies = [(b"Content-Length: 100", b" "), (b"Transfer-Encoding: chunked", b"1\r\n \r\n")]
    asked = [
        (b"POST %b HTTP/1.1\r\n%bAuthorization: %b\r\n%b\r\n\r\n" % (path, HOST, bearer, framing), drop)
        for path in (b"/mcp", b"/api/v1/tools/execute")
        for framing, drop in bodies
    ]
    assert {read(answer) for answer in told_while_dripping(hasty, *asked)} == {(408, "request_timeout")}


def test_a_large_body_over_a_slow_line_is_read_while_it_comes_along(hasty: RunningProvider, agent: Headers) -> None:
    body = json.dumps(message("tools/list", "2025-11-25")[0]).encode() + b" " * 3_000_000
    asked = b"POST /mcp HTTP/1.1\r\n%bAuthorization: %b\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
    began = time.monotonic()
    with connected(hasty) as slow:
        slow.sendall(asked % (HOST, agent["Authorization"].encode(), len(body)))
        for start in range(0, len(body), 200_000):
            assert not pending(slow)
            slow.sendall(body[start : start + 200_000])
        assert statuses(slow) == 200
    assert time.monotonic() - began > 2 * SECONDS


@pytest.mark.parametrize(
    ("asked", "status"),
    [
        (b"POST /mcp HTTP/1.1\r\n%bAuthorization: %b\r\n%b", 200),
        (b"GET /api/v1/tools HTTP/1.1\r\n%bAuthorization: %b\r\n\r\n", 200),
        (b"GET /health HTTP/1.0\n\n", 400),
    ],
    ids=["a message", "a list", "no HTTP"],
)
def test_a_client_that_ends_its_side_is_answered(
    provider: RunningProvider, agent: Headers, asked: bytes, status: int
) -> None:
    body = json.dumps(message("tools/list", "2025-11-25")[0]).encode()
    content = b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
    with connected(provider) as connection:
        connection.sendall(asked % (HOST, agent["Authorization"].encode(), content)[: asked.count(b"%b")])
        connection.shutdown(socket.SHUT_WR)
        answer = received(connection)
    assert int(answer.split()[1]) == status


def test_the_call_of_a_client_that_has_left_ends_soon(
    provider: RunningProvider, probe_address: tuple[Probe, str], admin: Headers, agent: Headers
) -> None:
    probe, address = probe_address
    provider.register(admin, f"{address}/openapi.json", slug="probe")
    body = b'{"tool_id": "probe/hang"}'
    asked = b"POST /api/v1/tools/execute HTTP/1.1\r\n%bAuthorization: %b\r\nContent-Length: %d\r\n\r\n%b"
    with connected(provider) as connection:
        connection.sendall(asked % (HOST, agent["Authorization"].encode(), len(body), body))
        assert probe.hanging.acquire(timeout=WAIT_SECONDS)
    began = time.monotonic()
    assert probe.cancelled.acquire(timeout=WAIT_SECONDS)
    assert time.monotonic() - began < 10


def test_of_a_client_that_waits_to_send_its_body_nothing_else_is_taken_for_it(
    provider: RunningProvider, agent: Headers
) -> None:
    body = json.dumps(message("ping", "2025-11-25")[0]).encode()
    waits = b"POST /mcp HTTP/1.1\r\nExpect: 100-continue\r\n%b%bContent-Length: %d\r\n\r\n"
    with connected(provider) as refused:
        refused.sendall(waits % (HOST, b"", len(body)))
        assert read(received(refused)) == (401, "token_missing")
    with connected(provider) as connection:
        for _ in range(2):
            connection.sendall(waits % (HOST, b"Authorization: %b\r\n" % agent["Authorization"].encode(), len(body)))
            assert connection.recv(65_536) == b"HTTP/1.1 100 Continue\r\n\r\n"
            connection.sendall(body)
            assert statuses(connection) == 200


def test_a_client_that_says_nothing_is_left_alone_and_closed(hasty: RunningProvider) -> None:
    with connected(hasty) as silent, connected(hasty) as blank:
        blank.sendall(b"\r\n")
        assert received(silent) == received(blank) == b""


def statuses(connection: socket.socket) -> int:
    """The status of the answer that comes, read in full."""
    answer = connection.recv(65_536)
    length = int(answer.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
    while len(answer.partition(b"\r\n\r\n")[2]) < length:
        more = connection.recv(65_536)
        assert more
        answer += more
    return int(answer.split()[1])


GET = b"GET %b HTTP/1.1\r\n" + HOST + b"\r\n"


@pytest.fixture(scope="module")
def small(
    identity_provider: EmbeddedIdentityProvider, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningProvider]:
    """A provider of few connections and little memory for large requests."""
    folder = tmp_path_factory.mktemp("small")
    limits = {"max_connections": MOST, "max_bytes_held": 4_194_304, "source_max_bytes": 1_048_576}
    with provider_of(identity_provider, folder, **limits) as provider:
        provider.http.close()
        yield provider


def test_who_has_the_most_connections_makes_room_for_others(small: RunningProvider) -> None:
    with ExitStack() as open_now:
        for _ in range(MOST):
            connection = open_now.enter_context(connected(small))
            connection.sendall(b"GET /openapi.json HTTP/1.1\r\n")
        mine = open_now.enter_context(connected(small))
        mine.sendall(GET % b"/openapi.json")
        status, code, *_ = *read(answer := received(mine)), 0
        assert (status, code) == (503, "server_busy")
        assert b"retry-after: 1\r\n" in answer.lower()
        for path in (b"/health", b"/ready"):
            probe = open_now.enter_context(connected(small))
            probe.sendall(GET % path)
            answer = received(probe)
            assert answer.startswith(b"HTTP/1.1 200 ")
            assert b"connection: close" in answer
        other = open_now.enter_context(connected(small, "127.0.0.2"))
        other.sendall(GET % b"/openapi.json")
        assert statuses(other) == 200


@pytest.mark.anyio
async def test_those_who_send_many_requests_at_once_wait_for_their_own() -> None:
    turns, loop, begun = Turns(), asyncio.get_running_loop(), list[str]()
    for sender in ["many"] * 100 + ["one"] * 2 + ["many"]:
        turns.begin(loop, sender, partial(begun.append, sender))
    for rounds in range(1, 104):
        assert len(begun) == rounds
        await asyncio.sleep(0)
    assert begun[:6] == ["many", "many", "one", "many", "one", "many"]
    turns.begin(loop, "late", partial(begun.append, "late"))
    assert begun[103:] == ["late"]


def test_connections_are_counted_for_one_subscriber() -> None:
    ours = ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9%eth0")
    assert len({payer_of((address, 1)) for address in ours}) == 1
    others = ("2001:db8:1:3::1", "10.0.0.1", "10.0.0.2", "::1")
    assert len({payer_of((address, 1)) for address in (*others, *ours)}) == 5
    assert payer_of(("::ffff:10.0.0.1", 1)) == payer_of(("10.0.0.1", 1))
    assert payer_of(None) == payer_of(("", 1))


def test_idle_connections_make_room(small: RunningProvider) -> None:
    with ExitStack() as open_now:
        idle = [open_now.enter_context(connected(small)) for _ in range(MOST)]
        for connection in idle:
            connection.sendall(GET % b"/health")
            assert statuses(connection) == 200
        for _ in range(3):
            new = open_now.enter_context(connected(small))
            new.sendall(GET % b"/openapi.json")
            assert statuses(new) == 200
        assert [pending(connection) for connection in idle].count(True) == 3
        assert received(idle[0]) == b""


def test_connections_whose_answers_are_not_taken_make_room_for_others(small: RunningProvider) -> None:
    with ExitStack() as open_now:
        for _ in range(MOST):
            deaf = open_now.enter_context(connected(small))
            deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
            deaf.sendall(GET % b"/static/swagger-ui-bundle.js" * 10)
            assert deaf.recv(4_096).startswith(b"HTTP/1.1 200 ")

        def status_of_another() -> int:
            with connected(small, "127.0.0.2") as other:
                other.sendall(GET % b"/openapi.json")
                return statuses(other)

        until = time.monotonic() + 5  # until what the system keeps of the answers is full
        while (status := status_of_another()) != 200 and time.monotonic() < until:
            pass
        assert status == 200


def test_those_above_the_limit_do_not_grow_in_number_either(small: RunningProvider) -> None:
    with ExitStack() as open_now:
        silent = [open_now.enter_context(connected(small)) for _ in range(MOST + SURPLUS + 10)]
        probe = open_now.enter_context(connected(small))
        probe.sendall(GET % b"/health")
        assert statuses(probe) == 200
        assert sum(pending(connection) for connection in silent[MOST : MOST + 11]) == 11


def test_large_bodies_at_once_have_a_bound_and_small_ones_pass(small: RunningProvider, token: Token) -> None:
    large, small_body = b" " * (65_536 + 1_048_576), json.dumps(message("tools/list", "2025-11-25")[0]).encode()

    def asked(user: str, length: int) -> bytes:
        bearer = token(user).encode()
        more = b"Authorization: Bearer %b\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
        return b"POST /mcp HTTP/1.1\r\n" + HOST + more % (bearer, length)

    with ExitStack() as open_now:

        def sent(user: str, body: bytes, length: int) -> socket.socket:
            connection = open_now.enter_context(connected(small))
            connection.sendall(asked(user, length))
            connection.sendall(body)
            return connection

        held = [sent("johndoe", large, len(large) + 1) for _ in range(2)]
        assert not any(map(pending, held))
        refused = sent("johndoe", large, len(large) + 1)
        refusal = refused.recv(65_536)
        assert refusal.startswith(b"HTTP/1.1 503 ")
        assert b"server_busy" in refusal
        assert statuses(sent("johndoe", small_body, len(small_body))) == 200
        assert not pending(sent("chef", large, len(large) + 1))
        assert statuses(sent("chef", large, len(large) + 1)) == 503
        assert not pending(sent("admin", large, len(large) + 1))
        for connection in held:
            connection.close()
        again = sent("johndoe", large, len(large) + 1)
        assert not pending(again)
        again.sendall(b" ")
        assert b"invalid_json" in again.recv(65_536)


@pytest.mark.extended
def test_an_answer_that_nobody_takes_ends_its_connection(hasty: RunningProvider) -> None:
    where = urlsplit(hasty.address)
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        connection.settimeout(20)
        connection.connect((where.hostname, where.port))
        connection.sendall(GET % b"/openapi.json" * ASKED)
        while_others_are_closed_for_their_silence(hasty, GRACE + 5 * SECONDS)
        answers = b""
        with suppress(ConnectionResetError):
            while (more := connection.recv(65_536)) and answers.count(b"HTTP/1.1 200 OK") < ASKED:
                answers += more
    assert 0 < answers.count(b"HTTP/1.1 200 OK") < ASKED


def while_others_are_closed_for_their_silence(provider: RunningProvider, seconds: float) -> None:
    began = time.monotonic()
    while time.monotonic() - began < seconds:
        with connected(provider) as silent:
            assert received(silent) == b""


def test_a_client_that_leaves_a_long_answer_with_requests_behind_it_is_no_fault(provider: RunningProvider) -> None:
    with connected(provider) as leaving:
        leaving.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        leaving.sendall(GET % b"/static/swagger-ui-bundle.js" * 10)
        until = time.monotonic() + 1  # until what the system keeps of the answers is full
        while time.monotonic() < until:
            assert provider.http.get("/health").status_code == 200
    for _ in range(20):  # turns of the loop, in which it meets the end
        assert provider.http.get("/health").status_code == 200


def test_a_body_whose_answer_has_been_given_is_dropped_for_a_while(
    provider: RunningProvider, hasty: RunningProvider
) -> None:
    sized = b"PUT /api/v1/sources/x/document HTTP/1.1\r\n" + HOST + b"Content-Length: %d\r\n\r\n"
    with connected(hasty) as patient:
        patient.sendall(sized % 20_000_000 + b" " * 20_000_000)
        assert statuses(patient) == 401
        patient.sendall(GET % b"/health")
        assert statuses(patient) == 200
    with connected(provider) as endless:  # whose time is not over before
        endless.sendall(sized % 10**12)
        assert statuses(endless) == 401
        with pytest.raises(ConnectionError):
            send_for_ever(endless, b" " * 1_000_000)
    with connected(hasty) as slow:
        slow.sendall(sized % 100)
        assert statuses(slow) == 401
        assert received(slow) == b""
