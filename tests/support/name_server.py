"""A name server on loopback that knows some names and is silent about all others, and how a process comes to ask it."""

import socket
import struct
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest

_PATIENCE = 30.0  # seconds that a system waits for its name server
_SYSTEM = socket.getaddrinfo
_ZONE = ".test"  # RFC 6761: nobody else knows names in it


class NameServer:
    """`asked` are the names in the order of their questions; those that `known` does not lead anywhere hang."""

    def __init__(self, known: Mapping[str, str]) -> None:
        self.known = dict(known)
        self.asked: list[str] = []
        self._changed = threading.Condition()
        self._unanswered: list[tuple[bytes, Any]] = []
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.address: tuple[str, int] = self.socket.getsockname()

    def serve(self) -> None:
        """Answer until the socket is closed."""
        while len((received := self.socket.recvfrom(512))[0]) > 12:
            question, sender = received
            name = _name(question)
            with self._changed:
                if name in self.known:
                    self.socket.sendto(_answer(question, self.known[name]), sender)
                else:
                    self._unanswered.append((question, sender))
                self.asked.append(name)
                self._changed.notify_all()

    def wait_until_asked(self, times: int) -> None:
        """Wait for so many questions in all."""
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.asked) >= times, _PATIENCE), self.asked

    def let_go(self) -> None:
        """Answer all that hangs with a failure, or with what is known by now."""
        with self._changed:
            for question, sender in self._unanswered:
                self.socket.sendto(_answer(question, self.known.get(_name(question))), sender)
            self._unanswered.clear()

    def close(self) -> None:
        """End `serve`, and all that hangs."""
        self.let_go()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as own:
            own.sendto(b"", self.address)


@contextmanager
def name_server(monkeypatch: pytest.MonkeyPatch, known: Mapping[str, str]) -> Iterator[NameServer]:
    """While the block lasts, the system asks this server for names in `.test`, and waits for it as systems do."""
    server = NameServer(known)
    serving = threading.Thread(target=server.serve)
    serving.start()

    def getaddrinfo(host: str, port: object, *args: Any, **options: Any) -> Any:
        if not isinstance(host, str) or not host.endswith(_ZONE):
            return _SYSTEM(host, port, *args, **options)  # type: ignore[arg-type]
        return _SYSTEM(_asked(server, host), port, *args, **options)  # type: ignore[arg-type]

    with monkeypatch.context() as patched:
        patched.setattr(socket, "getaddrinfo", getaddrinfo)
        try:
            yield server
        finally:
            server.close()
            serving.join(_PATIENCE)
            server.socket.close()


def _asked(server: NameServer, host: str) -> str:
    """Return the address (RFC 1035 section 4); raises gaierror as the system does."""
    labels = b"".join(bytes([len(label)]) + label.encode() for label in host.split("."))
    question = struct.pack("!6H", 1, 0x0100, 1, 0, 0, 0) + labels + struct.pack("!BHH", 0, 1, 1)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        asking.settimeout(_PATIENCE)
        asking.sendto(question, server.address)
        try:
            answer = asking.recv(512)
        except TimeoutError:
            raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution") from None
    if answer[3] & 0x0F:
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
    return socket.inet_ntoa(answer[-4:])


def _name(question: bytes) -> str:
    labels, rest = [], question[12:]
    while length := rest[0]:
        labels.append(rest[1 : length + 1].decode())
        rest = rest[length + 1 :]
    return ".".join(labels)


def _answer(question: bytes, address: str | None) -> bytes:
    code, count = (2, 0) if address is None else (0, 1)
    answer = question[:2] + struct.pack("!5H", 0x8180 | code, 1, count, 0, 0) + question[12:]
    if address is not None:
        answer += struct.pack("!HHHIH", 0xC00C, 1, 1, 60, 4) + socket.inet_aton(address)
    return answer
