"""How attacks are sent: each maker of a row takes what the sender chooses, as a function of the scale."""

import json
import socket
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress

from tests.bounds.row import CLOSED, HELD, OK, SCALES, Attack, Row
from tests.bounds.stage import Stage

ANSWER_SECONDS = 30.0
HELD_SECONDS = 0.3  # how long connections on which nothing more is sent are kept
_AT_ONCE = 65_536

Build = Callable[[Stage, int], bytes]
BuildMany = Callable[[Stage, int], list[bytes]]


def request(
    surface: str,
    name: str,
    build: Build,
    *expected: str,
    scales: tuple[int, ...] = SCALES,
    pieces: int = 0,
    patience: float = ANSWER_SECONDS,
    registers: bool = False,
) -> Row:
    """A row of bytes for the provider, on a connection of their own.

    `pieces` are how many bytes go in one segment, as a rule as many as fit; `patience` is how many seconds an answer is
    waited for. What `registers` the source `row` finds none of that name.
    """

    def attack(stage: Stage, scale: int) -> Attack:
        sent = build(stage, scale)
        prepare = [stage.forget] if registers else []
        return Attack(len(sent), lambda: exchange(stage, sent, pieces, patience), *prepare)

    return Row(surface, name, attack, frozenset(expected), scales, apart=registers)


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


def requests(
    surface: str, name: str, build: BuildMany, *expected: str, scales: tuple[int, ...] = SCALES, ahead: bool = False
) -> Row:
    """A row of requests one after the other on one connection; `ahead` sends all of them before any answer is read."""

    def attack(stage: Stage, scale: int) -> Attack:
        sent = build(stage, scale)
        return Attack(sum(map(len, sent)), lambda: _in_turn(stage, [b"".join(sent)] if ahead else sent, len(sent)))

    return Row(surface, name, attack, frozenset(expected), scales)


def together(
    surface: str,
    name: str,
    build: BuildMany,
    *expected: str,
    scales: tuple[int, ...] = SCALES,
    patience: float = ANSWER_SECONDS,
) -> Row:
    """A row of many connections at the same time, each with its own bytes; then the answers are read."""

    def attack(stage: Stage, scale: int) -> Attack:
        sent = build(stage, scale)
        size = max(sum(map(len, sent)), len(sent))  # a connection on which nothing is sent is something
        return Attack(size, lambda: _at_once(stage, sent, patience))

    return Row(surface, name, attack, frozenset(expected), scales)


def exchange(stage: Stage, sent: bytes, pieces: int = 0, patience: float = ANSWER_SECONDS) -> str:
    """Send a request on a connection of its own and return what came of it."""
    with _connected(stage, patience) as connection:
        with suppress(OSError):  # refused before it was read to its end
            _send(connection, sent, pieces)
        return told(_answers(connection, 1))


@contextmanager
def sending(stage: Stage, sent: list[bytes]) -> Iterator[list[socket.socket]]:
    """Send requests, each on a connection of its own, which are closed when the block ends."""
    with ExitStack() as open_now:
        connections = []
        for each in sent:
            with suppress(OSError):
                connections.append(open_now.enter_context(_connected(stage, ANSWER_SECONDS)))
                connections[-1].sendall(each)
        yield connections


def told(answers: Iterable[bytes | None]) -> str:
    """Return what the answers say, each kind once; None is one that has not come."""
    return ", ".join(sorted({HELD if answer is None else _outcome(answer) for answer in answers}))


def _connected(stage: Stage, patience: float) -> socket.socket:
    return socket.create_connection(("127.0.0.1", stage.port), timeout=patience)


def _in_turn(stage: Stage, sent: list[bytes], expected: int) -> str:
    with _connected(stage, ANSWER_SECONDS) as connection:
        found: list[bytes | None] = []
        for each in sent:
            with suppress(OSError):
                connection.sendall(each)
            found += _answers(connection, expected // len(sent))
        return told(found)


def _at_once(stage: Stage, sent: list[bytes], patience: float) -> str:
    with sending(stage, sent) as connections:
        found: list[bytes | None] = []
        for connection in connections:
            connection.settimeout(max(patience, 0.01))
            found += _answers(connection, 1)
            patience = 0 if found[-1] is None else patience  # none of the others is waited for again
        return told(found)


def _send(connection: socket.socket, sent: bytes, pieces: int) -> None:
    if not pieces:
        connection.sendall(sent)
        return
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for start in range(0, len(sent), pieces):
        connection.sendall(sent[start : start + pieces])


def _answers(connection: socket.socket, expected: int) -> Iterator[bytes | None]:
    """Yield so many answers; less when the connection ends, of which the last may not be whole; None for a late one."""
    received, ended = b"", False
    for _ in range(expected):
        while not (length := _length(received)) and not ended:
            try:
                more = connection.recv(_AT_ONCE)
            except TimeoutError:
                yield None
                return
            except ConnectionError:
                more = b""
            received, ended = received + more, not more
        yield received[: length or None]
        if ended:
            return
        received = received[length:]


def _length(received: bytes) -> int:
    """Return how long the first answer is, 0 while it is not whole."""
    head, found, rest = received.partition(b"\r\n\r\n")
    if not found:
        return 0
    begin = len(head) + len(found)
    lines = head.lower().split(b"\r\n")
    for line in lines:
        if line.startswith(b"content-length:"):
            end = int(line[15:])
            return begin + end if len(rest) >= end else 0
    if b"transfer-encoding: chunked" in lines:
        return begin + rest.index(b"0\r\n\r\n") + 5 if b"0\r\n\r\n" in rest else 0
    return begin if head.split()[1] in {b"202", b"204"} else 0


def _outcome(answer: bytes) -> str:
    head, _, body = answer.partition(b"\r\n\r\n")
    if not head:
        return CLOSED
    status = head.split()[1].decode("latin-1")
    try:
        said = json.loads(body)
    except ValueError:
        said = None
    code = _code_of(said) if isinstance(said, dict) else None
    return code or (OK if status.startswith("2") else f"HTTP {status}")


def _code_of(said: dict[str, object]) -> str | None:
    match said:
        case {"code": str(code)} | {"error": {"data": {"code": str(code)}}}:
            return code
        case {"result": {"_meta": {"code": str(code)}}}:
            return code
        case {"error": {"code": int(number)}}:
            return f"JSON-RPC {number}"
    return None
