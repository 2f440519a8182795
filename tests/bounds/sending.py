"""How attacks are sent: each maker of a row takes what the sender chooses, as a function of the scale."""

import json
import socket
from collections.abc import Callable
from contextlib import suppress

from tests.bounds.row import CLOSED, OK, SCALES, Attack, Row
from tests.bounds.stage import Stage

ANSWER_SECONDS = 30
_AT_ONCE = 65_536


def request(
    surface: str,
    name: str,
    build: Callable[[Stage, int], bytes],
    *expected: str,
    scales: tuple[int, ...] = SCALES,
    pieces: int = 0,
) -> Row:
    """A row of bytes for the provider; `pieces` are how many bytes go in one segment, as a rule as many as fit."""

    def attack(stage: Stage, scale: int) -> Attack:
        sent = build(stage, scale)
        return Attack(len(sent), lambda: exchange(stage, sent, pieces))

    return Row(surface, name, attack, frozenset(expected), scales)


def call(
    surface: str,
    name: str,
    tool: str,
    arguments: Callable[[int], object],
    *expected: str,
    scales: tuple[int, ...] = SCALES,
) -> Row:
    """A row of a call of one of the hostile source's tools; `arguments` gives JSON, or bytes that are like it."""

    def build(stage: Stage, scale: int) -> bytes:
        given = arguments(scale)
        written = given if isinstance(given, bytes) else json.dumps(given).encode()
        return stage.call(f"hostile__{tool}", written)

    return request(surface, name, build, *expected, scales=scales)


def exchange(stage: Stage, sent: bytes, pieces: int = 0) -> str:
    """Send a request on a connection of its own and return what came of it."""
    with socket.create_connection(("127.0.0.1", stage.port), timeout=ANSWER_SECONDS) as connection:
        with suppress(OSError):  # refused before it was read to its end
            _send(connection, sent, pieces)
        return outcome_of(_received(connection))


def _send(connection: socket.socket, sent: bytes, pieces: int) -> None:
    if not pieces:
        connection.sendall(sent)
        return
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for start in range(0, len(sent), pieces):
        connection.sendall(sent[start : start + pieces])


def _received(connection: socket.socket) -> bytes:
    """Return one answer, or what there is of it when the connection ends."""
    received = b""
    with suppress(ConnectionError):
        while not _whole(received) and (more := connection.recv(_AT_ONCE)):
            received += more
    return received


def _whole(received: bytes) -> bool:
    head, found, body = received.partition(b"\r\n\r\n")
    if not found:
        return False
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return len(body) >= int(line[15:])
    return body.endswith(b"0\r\n\r\n") if b"chunked" in head.lower() else head.split()[1] in {b"202", b"204"}


def outcome_of(answer: bytes) -> str:
    """Return what an answer says: OK, CLOSED, a code of ours, or `HTTP` and a status."""
    head, _, body = answer.partition(b"\r\n\r\n")
    if not head:
        return CLOSED
    status = head.split()[1].decode("latin-1")
    try:
        told = json.loads(body)
    except ValueError:
        told = None
    code = _code_of(told) if isinstance(told, dict) else None
    return code or (OK if status.startswith("2") else f"HTTP {status}")


def _code_of(told: dict[str, object]) -> str | None:
    match told:
        case (
            {"code": str(code)} | {"error": {"data": {"code": str(code)}}} | {"result": {"_meta": {"code": str(code)}}}
        ):
            return code
        case {"error": {"code": int(number)}}:
            return f"JSON-RPC {number}"
    return None
