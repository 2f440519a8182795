"""`tools-provider dev-idp` as a command: what it says, and the address that it prints."""

import re
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from seed.identity_provider.command import dev_idp

COMMAND = Path(sys.executable).with_name("tools-provider")


@pytest.mark.parametrize(
    ("options", "host"), [([], "localhost"), (["--host", "127.0.0.1"], "localhost"), (["--host", "::1"], "[::1]")]
)
def test_the_address_that_it_prints_is_its_issuer_and_works_at_once(options: list[str], host: str) -> None:
    command = [str(COMMAND), "dev-idp", "--port", "0", *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:  # noqa: S603
        try:
            assert process.stdout is not None
            said = process.stdout.readline()
            found = re.fullmatch(
                rf"realm tools-provider: (http://{re.escape(host)}:[1-9]\d*/realms/tools-provider)\n", said
            )
            assert found is not None, said
            metadata = httpx.get(f"{found[1]}/.well-known/openid-configuration", trust_env=False).raise_for_status()
            assert metadata.json()["issuer"] == found[1]
        finally:
            process.terminate()


def test_a_port_that_is_taken_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert dev_idp("127.0.0.1", port, None) == 2
    assert f"cannot listen on 127.0.0.1:{port}" in capsys.readouterr().err


def test_the_command_says_what_it_is_and_stays_on_loopback(capsys: pytest.CaptureFixture[str]) -> None:
    assert dev_idp("0.0.0.0", 0, None) == 2  # noqa: S104 - it is what must be refused
    said = capsys.readouterr().err
    assert "DEVELOPMENT ONLY" in said
    assert "refused to listen on 0.0.0.0" in said


def test_the_command_answers_to_the_address_it_listens_on_and_to_names_that_it_is_told() -> None:
    command = [str(COMMAND), "dev-idp", "--port", "0", "--host", "127.0.0.2", "--allow-host", "idp.test"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:  # noqa: S603
        try:
            assert process.stdout is not None
            address = process.stdout.readline().split(": ")[1].strip()
            with httpx.Client(trust_env=False) as http:
                assert http.get(address).json()["token-service"].startswith(address)
                statuses = [http.get(address, headers={"Host": host}).status_code for host in ("idp.test", "evil.test")]
            assert statuses == [200, 421]
        finally:
            process.terminate()


def test_the_command_names_a_realm_file_that_is_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    missing = tmp_path / "realm.json"
    assert dev_idp("127.0.0.1", 0, missing) == 2
    missing.write_text("[]", encoding="utf-8")
    assert dev_idp("127.0.0.1", 0, missing) == 2
    assert "is not a realm export" in capsys.readouterr().err
    missing.write_text('{"realm": "r", "clients": 5}', encoding="utf-8")
    assert dev_idp("127.0.0.1", 0, missing) == 2
    assert "a member of the wrong kind" in capsys.readouterr().err


def test_a_port_that_there_cannot_be_is_refused() -> None:
    refused = subprocess.run([COMMAND, "dev-idp", "--port", "99999"], capture_output=True, text=True, check=False)  # noqa: S603
    assert (refused.returncode, "--port" in refused.stderr) == (2, True)
