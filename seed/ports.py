"""Ports of the loopback interface."""

import secrets
import socket

HOST = "127.0.0.1"
# Below what systems give to connections by themselves: none of those can take a port before its server listens.
RANGE = range(16_384, 32_768)


def free_port() -> int:
    """A port for a program that binds it itself. Drawn, so that two who ask at the same time get two."""
    while True:
        port = RANGE.start + secrets.randbelow(len(RANGE))
        with socket.socket() as probe:
            try:
                probe.bind((HOST, port))
            except OSError:
                continue
        return port
