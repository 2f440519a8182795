"""What `make keycloak` says when it cannot serve."""

import socket
import subprocess
import sys


def test_a_port_that_is_taken_is_named_before_anything_is_started() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        command = [sys.executable, "-m", "seed.keycloak.server", "--port", str(port)]
        run = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)  # noqa: S603
    assert run.returncode == 1
    assert f"port {port} is not available" in run.stderr
