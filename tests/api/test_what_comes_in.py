"""What a client may send before anybody knows who it is, and how long it may take, as raw sockets show it."""

import json
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from app.api.http.protocol import bounded
from app.main import create_app
from tests.api.protocol import message
from tests.support.installation import EmbeddedIdentityProvider, Headers, RunningProvider, settings_for
from tests.support.servers import address_of, listener, running

SECONDS = 1.0  # REQUEST_READ_TIMEOUT here
HEAD = 131_072
TARGET = 16_384
HOST = b"Host: localhost\r\n"
CHUNKED = b"POST /mcp HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n"


@contextmanager
def provider_of(identity_provider: EmbeddedIdentityProvider, folder: Path, **overrides: Any) -> Iterator[RunningProvider]:
    """A provider behind the protocol that `serve` puts before it."""
    opened = listener()
    settings = settings_for(identity_provider, address_of(opened), folder, **overrides)
    app = create_app(settings)
    with (
        running(app, opened, http=bounded(app.state.connections), timeout_keep_alive=int(settings.keep_alive)) as address,
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


def connected(provider: RunningProvider) -> socket.socket:
    where = urlsplit(provider.address)
    connection = socket.create_connection((str(where.hostname), where.port or 0), timeout=20)
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
