"""`tools-provider serve` as a process: how it starts, what it says when it cannot, how it stops."""

import asyncio
import json
import os
import resource
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import SecretStr
from typer.testing import CliRunner, Result

from app.cli import cli
from app.main import prepare
from app.settings import Settings
from seed.ports import free_port
from tests.api.probe import WAIT_SECONDS, Probe
from tests.api.protocol import message, told
from tests.support.installation import EXCHANGE_SECRET, EmbeddedIdentityProvider, Headers, RunningProvider, settings_for
from tests.support.servers import listener

COMMAND = Path(sys.executable).with_name("tools-provider")
CALLS = 20


@pytest.fixture
def serve(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Run `serve` with nothing configured but what is given; for what ends before it listens."""

    def run(**settings: str) -> Result:
        monkeypatch.chdir(tmp_path)
        for name in Settings.model_fields:
            monkeypatch.delenv(name.upper(), raising=False)
        return CliRunner().invoke(cli, ["serve"], env={"PORT": "0", **settings})

    return run


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"PORT": "many"}, "PORT: "),
        ({"TOKEN_PASSTHROUGH": "maybe"}, "TOKEN_PASSTHROUGH: "),
        ({"ADMIN_ROLES": ""}, "ADMIN_ROLES is empty"),
        ({"ALLOWED_UPSTREAMS": "not an origin"}, "ALLOWED_UPSTREAMS: 'not an origin'"),
        ({"AUDIENCE_ORIGINS": "audience"}, "AUDIENCE_ORIGINS: 'audience'"),
        ({"TOKEN_EXCHANGE_CLIENT_SECRET_FILE": "missing"}, "TOKEN_EXCHANGE_CLIENT_SECRET_FILE: missing cannot be read"),
        ({"DATABASE_URL_FILE": sys.executable}, "it is not UTF-8 text"),
        ({"DATABASE_URL": "mysql://user:hunter2@db/x"}, "DATABASE_URL: "),
        ({"DATABASE_URL": "hunter2"}, "DATABASE_URL: "),
        ({"KEYCLOAK_URL": "localhost:8041"}, "KEYCLOAK_URL: this is not an address"),
        ({"PUBLIC_URL": "tools.example.com"}, "PUBLIC_URL: this is not an address"),
        ({"PUBLIC_URL": "https://[tools"}, "PUBLIC_URL: "),
        ({"OIDC_ISSUER": "https:///realms/test"}, "OIDC_ISSUER: this is not an address"),
        ({"HOST": "256.256.256.256"}, "Cannot listen on 256.256.256.256"),
        ({"HOST": "[2001:db8::1]"}, "Cannot listen on [2001:db8::1]:0"),
        ({"HOST": ""}, "HOST: this is empty, or has white space around it. Write for example 127.0.0.1"),
        ({"KEYCLOAK_URL": ""}, "KEYCLOAK_URL: this is not an address such as https://login.example.com"),
        ({"KEYCLOAK_URL": "https://login.example.com/realms/tools"}, "KEYCLOAK_URL: leave out /realms/"),
        ({"KEYCLOAK_URL": "https://login.example.com/realms"}, "Write https://login.example.com"),
        ({"KEYCLOAK_URL": "https://[::1"}, "KEYCLOAK_URL: "),
        ({"KEYCLOAK_URL": "http://::1:8041"}, "Write IPv6 in brackets: http://[::1]:8000"),
        ({"KEYCLOAK_URL": "https://login.example.com/.well-known/openid-configuration"}, "KEYCLOAK_URL: this is more"),
        ({"KEYCLOAK_REALM": ""}, "KEYCLOAK_REALM: this is empty"),
        ({"KEYCLOAK_REALM": " tools-provider"}, "Write for example tools-provider"),
        ({"KEYCLOAK_REALM": '"tools-provider"'}, "KEYCLOAK_REALM: leave out the quotes around the value"),
        ({"TOKEN_EXCHANGE_CLIENT_ID": "'tools'"}, "TOKEN_EXCHANGE_CLIENT_ID: leave out the quotes"),
        ({"TOKEN_EXCHANGE_CLIENT_SECRET": '"hunter2"'}, "TOKEN_EXCHANGE_CLIENT_SECRET: leave out the quotes"),
        ({"DATABASE_URL": '"postgresql://user:hunter2@db/x"'}, "DATABASE_URL: leave out the quotes"),
        ({"ACCEPTED_AUDIENCES": '"tools"'}, "ACCEPTED_AUDIENCES: leave out the quotes"),
        ({"ADMIN_ROLES": '["admin"]'}, "ADMIN_ROLES: separate the entries by commas, without brackets and quotes"),
        ({"KEYCLOAK_REALM": "realms/tools-provider"}, "KEYCLOAK_REALM: this is not the name of a realm"),
        ({"TOKEN_EXCHANGE_CLIENT_ID": ""}, "TOKEN_EXCHANGE_CLIENT_ID: this is empty"),
        ({"OTEL_SERVICE_NAME": " "}, "OTEL_SERVICE_NAME: this is empty"),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "otel-collector:4317"}, "such as http://otel-collector:4317"),
        ({"PUBLIC_URL": ""}, "PUBLIC_URL: this is not an address such as https://tools.example.com"),
        (
            {"PUBLIC_URL": "https://tools.example.com/mcp"},
            "leave out /mcp, which is added. Write https://tools.example.com",
        ),
        ({"PUBLIC_URL": "https://example.com/tools/MCP/"}, "Write https://example.com/tools"),
        ({"PUBLIC_URL": "https://me:hunter2@tools.example.com"}, "must not carry credentials"),
        ({"PUBLIC_URL": "https://tools.example.com:99999"}, "The host or port cannot be read"),
        ({"PUBLIC_URL": "https://tools.example.com:0"}, "PUBLIC_URL: "),
        ({"PUBLIC_URL": "https://tools.example.com?tenant=1"}, "PUBLIC_URL: this is more than an address"),
        ({"PUBLIC_URL": "https://tools.example.com?"}, "PUBLIC_URL: this is more than an address"),
        ({"PUBLIC_URL": "https://tools.example.com#top"}, "PUBLIC_URL: this is more than an address"),
        ({"PUBLIC_URL": "https://tools.example.com/a//b"}, "PUBLIC_URL: this is more than an address"),
        ({"PUBLIC_URL": "https://tools.example.com/a/../b"}, "PUBLIC_URL: this is more than an address"),
        ({"PUBLIC_URL": "https://tools.example.com/%2e"}, "PUBLIC_URL: this is more than an address"),
        ({"PUBLIC_URL": " https://tools.example.com"}, "no spaces"),
        ({"PUBLIC_URL": "https://tools example.com"}, "no spaces"),
        ({"PUBLIC_URL": "https://-tools.example.com"}, "PUBLIC_URL: "),
        ({"PUBLIC_URL": "https://256.1.1.1"}, "PUBLIC_URL: "),
        ({"PUBLIC_URL": "https://tööls.example.com"}, "only printable ASCII"),
        ({"ALLOWED_HOSTS": "*"}, "ALLOWED_HOSTS: '*' is not a host. Write each by its whole name"),
        ({"ALLOWED_HOSTS": "*.example.com"}, "ALLOWED_HOSTS: "),
        ({"ALLOWED_HOSTS": "https://tools.example.com"}, "ALLOWED_HOSTS: "),
        ({"ALLOWED_HOSTS": "::1"}, "IPv6 in brackets: [::1]"),
        ({"ALLOWED_ORIGINS": "*"}, "ALLOWED_ORIGINS: '*' is not an origin"),
        ({"ALLOWED_ORIGINS": "null"}, "ALLOWED_ORIGINS: "),
        ({"ALLOWED_ORIGINS": "console.example.com"}, "without a path: https://console.example.com"),
        ({"ALLOWED_ORIGINS": "https://console.example.com/app"}, "ALLOWED_ORIGINS: "),
        ({"ALLOWED_UPSTREAMS": "::1:8000"}, "Write [::1]:8000 for a port of one address"),
        ({"ALLOWED_UPSTREAMS": "http://10.0.0.5:8000/api"}, "ALLOWED_UPSTREAMS: "),
        (
            {"AUDIENCE_ORIGINS": "pizzeria=https://pizzeria.example.com/api"},
            "nothing after them: https://pizzeria.example.com",
        ),
        ({"AUDIENCE_ORIGINS": "pizzeria=https://pizzeria.example.com?a=b"}, "AUDIENCE_ORIGINS: "),
        ({"AUDIENCE_ORIGINS": " =https://pizzeria.example.com"}, "is not audience=origin"),
        ({"AUDIENCE_ORIGINS": "pizzeria=http://::1:8000"}, "Write IPv6 in brackets"),
        (
            {"SOURCE_REF_ORIGINS": "https://schemas.example.com/v1"},
            "SOURCE_REF_ORIGINS: An origin is scheme, host and port",
        ),
        ({"CHALLENGE_SCOPES": "menu:read orders:write"}, "Separate them by commas: menu:read,orders:write"),
        ({"UPSTREAM_TIMEOUT": "inf"}, "UPSTREAM_TIMEOUT: "),
        ({"UPSTREAM_TIMEOUT": "nan"}, "UPSTREAM_TIMEOUT: "),
        ({"UPSTREAM_TIMEOUT": "1e300"}, "UPSTREAM_TIMEOUT: "),
        ({"UPSTREAM_TIMEOUT": ""}, "UPSTREAM_TIMEOUT: "),
        ({"TOKEN_EXCHANGE_CACHE_MAX_AGE": "inf"}, "TOKEN_EXCHANGE_CACHE_MAX_AGE: "),
        ({"KEEP_ALIVE": "0"}, "KEEP_ALIVE: "),
        ({"SHUTDOWN_DRAIN": "-1"}, "SHUTDOWN_DRAIN: "),
        ({"SOURCE_READ_MEMORY": "99999999999999999999"}, "SOURCE_READ_MEMORY: "),
        ({"MAX_CONNECTIONS": "0"}, "MAX_CONNECTIONS: "),
        ({"SOURCE_MAX_BYTES": "40000000"}, "MAX_BYTES_HELD: one caller gets half of it, which is less than"),
        ({"MAX_BYTES_HELD": "44040191"}, "Write at least 44040192."),
        ({"HOST": "192.0.2.1"}, "Cannot listen on 192.0.2.1"),
        ({"DATABASE_URL": "postgresql://user:p@hunter2@db/x"}, "DATABASE_URL: write @ in the user or password as %40"),
        ({"DATABASE_URL": "postgresql://user:p@db:hunter2/x"}, "DATABASE_URL: the port is not a number"),
        ({"DATABASE_URL": "postgresql://user:hunter2@db/x?sslmode=on"}, "DATABASE_URL: sslmode is one of allow, "),
        ({"DATABASE_URL": "postgresql://user@db/x?connect_timeout=soon"}, "DATABASE_URL: connect_timeout is a number"),
        ({"DATABASE_URL": "sqlite:///x.db?mode=ro"}, "DATABASE_URL: SQLite takes no options here. Leave out ?mode"),
        ({"DATABASE_URL": "postgresql://user:hun@ter2@db:hunter2/x"}, "DATABASE_URL: the port is not a number"),
        ({"DATABASE_URL": "postgresql://user@db:99999/x"}, "DATABASE_URL: the port is not a number from 1 to 65535"),
        ({"DATABASE_URL": f"postgresql://user@{'a' * 64}.example/x"}, "DATABASE_URL: the host or path cannot be used"),
        ({"DATABASE_URL": "sqlite:///%00"}, "DATABASE_URL: the host or path cannot be used (embedded null byte)"),
        ({"DATABASE_URL": "postgresql://user@db/x?sslrootcert=none.pem"}, "sslrootcert: there is no file none.pem"),
        ({"AUDIT_LOG": "missing/audit.jsonl"}, "missing/audit.jsonl cannot be written (No such file or directory)"),
        ({"AUDIT_LOG": "/"}, "AUDIT_LOG: / cannot be written (Is a directory)"),
    ],
)
def test_settings_that_cannot_be_used_are_named(
    serve: Callable[..., Result], settings: dict[str, str], said: str
) -> None:
    run = serve(**settings)
    assert run.exit_code == 2, run.output
    assert said in run.stderr
    assert "Traceback" not in run.output
    assert "hunter2" not in run.output
    assert len(run.stderr.splitlines()) == 1


@pytest.mark.parametrize("name", ["TOKEN_EXCHANGE_CLIENT_SECRET_FILE", "DATABASE_URL_FILE"])
@pytest.mark.parametrize("content", ["", "\n", " \n", "sqlite:///hunter2.db\nhunter2", "sqlite:///hunter2.db\0"])
def test_a_file_that_does_not_hold_one_line_is_named(
    serve: Callable[..., Result], tmp_path: Path, name: str, content: str
) -> None:
    (tmp_path / "secret").write_text(content, encoding="utf-8")
    run = serve(**{name: "secret"})
    assert (run.exit_code, run.stderr) == (2, f"{name}: secret cannot be read (it does not hold one line of text).\n")


def test_an_audit_log_that_is_a_pipe_without_a_reader_is_named(serve: Callable[..., Result], tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    run = serve(AUDIT_LOG="pipe")
    assert (run.exit_code, len(run.stderr.splitlines())) == (2, 1)
    assert "pipe cannot be written (No such device or address)" in run.stderr


@pytest.mark.extended
def test_of_two_that_start_together_on_one_port_the_later_says_that_it_cannot_listen(tmp_path: Path) -> None:
    file = tmp_path / "x.db"
    with socket.socket() as first, sqlite3.connect(file) as lock:
        first.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        first.bind(("127.0.0.1", 0))
        lock.execute("PRAGMA journal_mode = WAL")
        lock.execute("BEGIN IMMEDIATE")
        process = subprocess.Popen(  # noqa: S603
            [COMMAND, "serve"],
            cwd=tmp_path,
            env={
                "PATH": os.environ["PATH"],
                "PORT": str(first.getsockname()[1]),
                "DATABASE_URL": f"sqlite:///{file}",
            },
            stderr=subprocess.PIPE,
            text=True,
        )
        opened = Path(f"/proc/{process.pid}/fd")
        try:
            while not any(each.resolve() == file for each in opened.iterdir()):  # it is bound, and waits for the lock
                with suppress(subprocess.TimeoutExpired):
                    assert process.wait(0.02) is None, "it has ended before"
            first.listen()
            lock.rollback()
            _, said = process.communicate(timeout=60)
        finally:
            process.kill()
    assert process.returncode == 2
    assert said.startswith("Cannot listen on 127.0.0.1:")
    assert "Address already in use" in said
    assert len(said.splitlines()) == 1


def test_a_file_of_settings_that_is_not_text_is_named(serve: Callable[..., Result], tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(b"PORT=\xff")
    run = serve()
    assert (run.exit_code, run.stderr) == (2, ".env: this is not UTF-8 text. Correct it.\n")


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("sqlite:///notes.txt", "notes.txt: it is another file, not an SQLite database"),
        ("sqlite:///{folder}", "{folder}: it cannot be opened or made"),
        ("sqlite:////proc/x.db", "/proc/x.db: it cannot be opened or made"),
        ("sqlite:////proc/none/x.db", "/proc/none/x.db: No such file or directory"),
        ("sqlite:///notes.txt/x.db", "notes.txt/x.db: File exists"),
        ("postgresql://user:hunter2@does-not-exist.invalid/x", "x: Name or service not known"),
        ("postgresql://user:hunter2@127.0.0.1:1/x?sslmode=require&channel_binding=require", "x: Connection refused"),
    ],
)
def test_a_database_that_cannot_be_used_is_told_at_once_in_one_line(
    serve: Callable[..., Result], tmp_path: Path, url: str, said: str
) -> None:
    (tmp_path / "notes.txt").write_text("Buy pizza.\n" * 100)
    run = serve(DATABASE_URL=url.format(folder=tmp_path))
    assert run.exit_code == 1
    assert run.stderr.startswith("DATABASE_URL: the database cannot be used. ")
    assert said.format(folder=tmp_path) in run.stderr
    assert len(run.output.splitlines()) == 1
    assert "hunter2" not in run.output


def test_the_audit_log_may_be_beside_a_database_that_is_not_there_yet(tmp_path: Path) -> None:
    data = tmp_path / "data"
    url = SecretStr(f"sqlite:///{data}/tools-provider.db")
    asyncio.run(prepare(Settings(_env_file=None, database_url=url, audit_log=data / "audit.jsonl")))
    assert (data / "audit.jsonl").exists()


@pytest.mark.extended
def test_an_authority_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("Buy pizza.")
    for file, reason in (("none.pem", "No such file or directory"), ("notes.txt", "it holds no certificates in PEM")):
        run = subprocess.run(  # noqa: S603
            [COMMAND, "serve"],
            cwd=tmp_path,
            env={"PATH": os.environ["PATH"], "PORT": "0", "SSL_CERT_FILE": file},
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert (run.returncode, run.stderr) == (2, f"SSL_CERT_FILE: {file} cannot be read ({reason}).\n")


def test_every_wrong_setting_is_named_at_once_and_no_secret_is_shown(serve: Callable[..., Result]) -> None:
    run = serve(PORT="many", LOG_LEVEL="LOUD", TOKEN_EXCHANGE_CLIENT_SECRET="hunter2")
    assert run.exit_code == 2
    assert [line.split(":")[0] for line in run.stderr.splitlines()] == ["PORT", "LOG_LEVEL"]
    assert "hunter2" not in run.output


@pytest.mark.parametrize("name", [name for name, field in Settings.model_fields.items() if field.default != ""])
def test_no_setting_takes_a_nan_or_an_empty_value_for_a_number(serve: Callable[..., Result], name: str) -> None:
    if isinstance(Settings.model_fields[name].default, int | float):
        for value in ("", " ", "nan", "inf", "-1", "1e999"):
            run = serve(**{name.upper(): value})
            assert run.exit_code == 2, (name, value)
            assert run.stderr.startswith(f"{name.upper()}: ")


def test_addresses_are_taken_as_they_are_meant() -> None:
    def read(**values: Any) -> Settings:
        return Settings(_env_file=None, **values)

    assert read(public_url="HTTPS://Tools.Example.com:443/").resource == "https://tools.example.com/mcp"
    assert read(public_url="http://tools_provider:80").resource == "http://tools_provider/mcp"
    assert read(public_url="http://[::1]:8040/a/b-c/").resource == "http://[::1]:8040/a/b-c/mcp"
    assert read(keycloak_url="https://login.example.com:443/auth").issuer == (
        "https://login.example.com/auth/realms/tools-provider"
    )
    assert read(oidc_issuer="https://login.example.com:443/realms/x").issuer == "https://login.example.com:443/realms/x"
    assert read(host="[::1]").host == "::1"


def test_a_line_end_after_a_value_is_no_part_of_it(tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"\xef\xbb\xbfhunter2\r\n")
    names = ("public_url", "keycloak_realm", "token_exchange_client_secret", "database_url", "log_level", "host")
    for end in ("\n", "\r", "\r\n"):
        stated = ("https://tools.example.com", "tools", "hunter2", "sqlite:///x.db", "INFO", "127.0.0.1")
        given: dict[str, Any] = {name: value + end for name, value in zip(names, stated, strict=True)}
        settings = Settings(_env_file=None, **given)
        assert (settings.public_url, settings.keycloak_realm, settings.log_level, settings.host) == (
            "https://tools.example.com",
            "tools",
            "INFO",
            "127.0.0.1",
        )
        assert (settings.exchange_secret(), settings.current_database_url()) == ("hunter2", "sqlite:///x.db")
    secret_file = Settings(_env_file=None, token_exchange_client_secret_file=tmp_path / "secret")
    assert secret_file.exchange_secret() == "hunter2"


def test_the_name_of_a_realm_is_written_in_addresses_as_keycloak_writes_it() -> None:
    assert (
        Settings(_env_file=None, keycloak_realm="My größe").issuer
        == "http://localhost:8041/realms/My%20gr%C3%B6%C3%9Fe"
    )
    assert Settings(_env_file=None, keycloak_realm="a@b+c,d").issuer == "http://localhost:8041/realms/a@b+c,d"


@pytest.mark.extended
def test_variables_that_are_nearly_settings_are_told_without_their_values(
    identity_provider: EmbeddedIdentityProvider, tmp_path: Path
) -> None:
    (tmp_path / ".env").write_text("AUDIENCE_ORIGIN=hunter2\nPOSTGRES_USER=x\nLOG_LEVEL=INFO\n", encoding="utf-8")
    others = ("KEYCLOAK_USER", "KEYCLOAK_ADMIN", "KC_LOG_LEVEL", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "DATABASE_HOST")
    stated = {"TOKEN_PASSTHROUGHS": "hunter2", "OTEL_EXPORTER_OTLP_LOGS_ENDPOINT": "x", **dict.fromkeys(others, "x")}
    with serving(identity_provider, tmp_path, **stated):
        lines = (tmp_path / "log").read_text(encoding="utf-8").splitlines()
    told = [json.loads(line) for line in lines if "looks like a setting" in line]
    assert {each["variable"]: (each["setting"], each["level"]) for each in told} == {
        "TOKEN_PASSTHROUGHS": ("TOKEN_PASSTHROUGH", "warning"),
        "AUDIENCE_ORIGIN": ("AUDIENCE_ORIGINS", "warning"),
    }
    assert not any("hunter2" in line for line in lines)


def test_a_database_that_cannot_be_had_at_the_start_is_told_in_words(tmp_path: Path) -> None:
    with listener() as nobody:  # bound, but nobody listens
        url = f"postgresql://user:hunter2@127.0.0.1:{nobody.getsockname()[1]}/x"
        environment = {"PATH": os.environ["PATH"], "PORT": "0", "DATABASE_URL": url}
        run = subprocess.run(  # noqa: S603
            [COMMAND, "serve"], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False, timeout=60
        )
    assert run.returncode == 1
    assert run.stderr.startswith("DATABASE_URL: the database cannot be used. postgresql://user:***@127.0.0.1:")
    assert run.stderr.endswith(": Connection refused\n")
    assert len(run.stderr.splitlines()) == 1


def test_a_port_that_is_taken_is_named(serve: Callable[..., Result]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        run = serve(PORT=str(port))
    assert run.exit_code == 2
    assert f"Cannot listen on 127.0.0.1:{port}" in run.stderr
    assert "HOST or PORT" in run.stderr


@contextmanager
def serving(
    identity_provider: EmbeddedIdentityProvider, folder: Path, *options: str, **settings: str
) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The command, its standard error in `log`, and its address; it is ready. `{port}` in an option is the port."""
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(  # noqa: S603
            [COMMAND, "serve", *(option.format(port=port) for option in options)],
            cwd=folder,
            env={
                "PATH": os.environ["PATH"],
                "PORT": str(port),
                "KEYCLOAK_URL": identity_provider.address,
                "PUBLIC_URL": address,
                "TOKEN_EXCHANGE_CLIENT_SECRET": EXCHANGE_SECRET,
                "ALLOWED_UPSTREAMS": "127.0.0.0/8",
                "LOG_LEVEL": "DEBUG",
                "SHUTDOWN_DRAIN": "0",
                **settings,
            },
            stdout=log,
            stderr=log,
            text=True,
        )
    try:
        until_ready(process, address)
        yield process, address
    finally:
        process.kill()
        process.wait()


def test_host_and_port_of_the_command_line_go_before_their_settings(
    identity_provider: EmbeddedIdentityProvider, tmp_path: Path
) -> None:
    options = ("--host", "127.0.0.1", "--port", "{port}")
    with serving(identity_provider, tmp_path, *options, HOST="256.256.256.256", PORT="many") as (_, address):
        assert httpx.get(f"{address}/health", trust_env=False).status_code == 200
    assert f"Tools provider on {address}" in (tmp_path / "log").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("--host", "256.256.256.256", "Cannot listen on 256.256.256.256"),
        ("--port", "65536", "'--port'"),
        ("--port", "many", "'--port'"),
    ],
)
def test_a_host_or_port_that_cannot_be_used_is_told(option: str, value: str, said: str, tmp_path: Path) -> None:
    run = subprocess.run(  # noqa: S603
        [COMMAND, "serve", option, value], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60
    )
    assert run.returncode == 2
    assert said in run.stderr


def test_the_program_tells_its_version() -> None:
    run = subprocess.run([COMMAND, "--version"], capture_output=True, text=True, check=True)  # noqa: S603
    assert run.stdout == f"tools-provider {version('mcp-tools-provider')}\n"


def until_ready(process: subprocess.Popen[str], address: str) -> None:
    while process.poll() is None:
        try:
            if httpx.get(f"{address}/ready", trust_env=False).status_code == 200:
                return
        except httpx.ConnectError:
            pass
    raise AssertionError("the provider ended while starting")


@pytest.mark.parametrize("door", ["rest", "mcp"])
def test_calls_in_flight_finish_when_it_is_asked_to_stop(
    identity_provider: EmbeddedIdentityProvider,
    probe_address: tuple[Probe, str],
    admin: Headers,
    agent: Headers,
    tmp_path: Path,
    door: str,
) -> None:
    probe, upstream = probe_address
    probe.go_on.clear()
    with serving(identity_provider, tmp_path) as (process, address):
        settings = settings_for(identity_provider, address, tmp_path)
        with httpx.Client(base_url=address, trust_env=False, timeout=30) as http:
            RunningProvider(address, settings, http).register(admin, f"{upstream}/openapi.json", slug="probe")
        statuses: list[int] = []
        callers = [threading.Thread(target=lambda: statuses.append(call(address, agent, door))) for _ in range(CALLS)]
        for caller in callers:
            caller.start()
        for _ in callers:
            assert probe.waiting.acquire(timeout=WAIT_SECONDS)
        process.send_signal(signal.SIGTERM)
        until_closed(address)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(timeout=1)
        probe.go_on.set()
        for caller in callers:
            caller.join(WAIT_SECONDS)
        assert process.wait(timeout=10) == 0
    assert statuses == [200] * CALLS
    log = (tmp_path / "log").read_text(encoding="utf-8")
    assert "Traceback" not in log
    assert agent["Authorization"].removeprefix("Bearer ") not in log
    assert EXCHANGE_SECRET not in log
    assert "everybody knows" in log


@pytest.mark.extended
@pytest.mark.parametrize("door", ["rest", "mcp"])
def test_a_call_that_takes_longer_than_the_grace_is_told_that_the_server_stops(
    identity_provider: EmbeddedIdentityProvider,
    probe_address: tuple[Probe, str],
    admin: Headers,
    agent: Headers,
    tmp_path: Path,
    door: str,
) -> None:
    probe, upstream = probe_address
    probe.go_on.clear()
    files = {"SHUTDOWN_GRACE": "0", "AUDIT_LOG": str(tmp_path / "audit.jsonl")}
    with serving(identity_provider, tmp_path, **files) as (process, address), ThreadPoolExecutor(1) as caller:
        settings = settings_for(identity_provider, address, tmp_path)
        with httpx.Client(base_url=address, trust_env=False, timeout=30) as http:
            RunningProvider(address, settings, http).register(admin, f"{upstream}/openapi.json", slug="probe")
        calling = caller.submit(called, address, agent, door)
        assert probe.waiting.acquire(timeout=WAIT_SECONDS)
        process.send_signal(signal.SIGTERM)
        answer = calling.result(WAIT_SECONDS)
        probe.go_on.set()
        assert process.wait(timeout=10) == 0
    assert (answer.status_code, told(answer)["code"]) == (503, "server_stopping")
    assert int(answer.headers["retry-after"]) > 0
    assert answer.headers["x-content-type-options"] == "nosniff"
    records = [json.loads(line) for line in (tmp_path / "audit.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [each["outcome"] for each in records if each["trace_id"] == told(answer)["trace_id"]][-1] == "cancelled"
    assert "Traceback" not in (tmp_path / "log").read_text(encoding="utf-8")


@pytest.mark.extended
def test_load_balancers_hear_of_the_end_before_it_stops_listening(
    identity_provider: EmbeddedIdentityProvider, agent: Headers, tmp_path: Path
) -> None:
    with (
        serving(identity_provider, tmp_path, SHUTDOWN_DRAIN="2") as (process, address),
        httpx.Client(trust_env=False) as kept,
    ):
        assert "connection" not in kept.get(f"{address}/ready").headers
        process.send_signal(signal.SIGTERM)
        asked_at = time.monotonic()
        until_stopping(address)
        # A proxy that sent its next request as the server leaves would get no answer.
        assert kept.get(f"{address}/api/v1/tools", headers=agent).headers["connection"] == "close"
        served: list[tuple[float, str, int]] = []
        try:
            while True:  # each on a connection of its own
                said = httpx.get(f"{address}/ready", trust_env=False).json()["status"]
                listed = httpx.get(f"{address}/api/v1/tools", headers=agent, trust_env=False).status_code
                served.append((time.monotonic() - asked_at, said, listed))
        except httpx.TransportError:
            pass
        assert process.wait(timeout=10) == 0
    said = [word for _, word, _ in served]
    assert "ready" not in said[said.index("stopping") :]
    assert "stopping" in said[:5]
    assert {status for _, _, status in served} == {200}
    assert served[-1][0] > 1


@pytest.mark.extended
@pytest.mark.parametrize("signals", [[signal.SIGINT], [signal.SIGTERM, signal.SIGTERM]])
def test_nobody_waits_for_load_balancers_at_a_terminal_or_when_told_twice(
    identity_provider: EmbeddedIdentityProvider, tmp_path: Path, signals: list[signal.Signals]
) -> None:
    with serving(identity_provider, tmp_path, SHUTDOWN_DRAIN="600") as (process, address):
        for each in signals:
            process.send_signal(each)
            until_stopping(address)
        assert process.wait(timeout=10) == 0


@pytest.mark.extended
def test_an_idle_connection_is_kept_for_as_long_as_the_setting_says(
    identity_provider: EmbeddedIdentityProvider, tmp_path: Path
) -> None:
    with serving(identity_provider, tmp_path, KEEP_ALIVE="1") as (_, address):
        where = address.removeprefix("http://").split(":")
        with socket.create_connection((where[0], int(where[1])), timeout=10) as connection:
            connection.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
            answered_at = time.monotonic()
            answer = b"".join(iter(lambda: connection.recv(10_000), b""))  # until the server closes
            assert answer.startswith(b"HTTP/1.1 200")
            assert 0.9 <= time.monotonic() - answered_at < 5


BODY = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "ping"}).encode()
SIZED, CHUNKED = (
    (b"Content-Length: %d" % len(BODY), BODY),
    (b"Transfer-Encoding: chunked", b"%x\r\n%b\r\n0\r\n\r\n" % (len(BODY), BODY)),
)
OF_JAVA = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA"
OF_BROWSERS = b"Connection: keep-alive, Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13"


@pytest.fixture(scope="module")
def served(
    identity_provider: EmbeddedIdentityProvider, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, int]]:
    with serving(identity_provider, tmp_path_factory.mktemp("served")) as (_, address):
        host, port = address.removeprefix("http://").split(":")
        yield host, int(port)


@pytest.mark.parametrize("pieces", ["at once", "apart", "byte by byte"])
@pytest.mark.parametrize(("framing", "body"), [SIZED, CHUNKED], ids=["sized", "chunked"])
@pytest.mark.parametrize("offer", [OF_JAVA, OF_BROWSERS], ids=["h2c", "websocket"])
def test_a_request_that_offers_another_protocol_is_answered_in_this_one(
    served: tuple[str, int], agent: Headers, offer: bytes, framing: bytes, body: bytes, pieces: str
) -> None:
    bearer = agent["Authorization"].encode()
    asked = b"POST /mcp HTTP/1.1\r\nHost: localhost\r\nAuthorization: %b\r\n" % bearer
    asked += b"Accept: application/json, text/event-stream\r\nContent-Type: application/json\r\n"
    head, plain = asked + offer + b"\r\n" + framing + b"\r\n\r\n", asked + framing + b"\r\n\r\n"
    sent = head + body + plain + body + head + body  # the requests that follow are read from where they begin
    size = {"at once": len(sent), "apart": len(head), "byte by byte": 1}[pieces]
    with socket.create_connection(served, timeout=10) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for start in range(0, len(sent), size):
            connection.sendall(sent[start : start + size])
        received = b""
        while received.count(b'"result":{}') < 3 and (more := connection.recv(10_000)):
            received += more
    assert received.count(b"HTTP/1.1 200 OK") == received.count(b'"result":{}') == 3, received


@pytest.mark.extended
def test_as_many_files_may_be_open_as_connections_need(
    identity_provider: EmbeddedIdentityProvider, tmp_path: Path
) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (1_024, hard))
    try:
        with serving(identity_provider, tmp_path, MAX_CONNECTIONS="600") as (process, _):
            assert resource.prlimit(process.pid, resource.RLIMIT_NOFILE)[0] == 2 * 600 + 200
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_what_comes_in_is_bounded(served: tuple[str, int]) -> None:
    with socket.create_connection(served, timeout=10) as connection:
        connection.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\nX: " + b"y" * 140_000)
        assert connection.recv(10_000).startswith(b"HTTP/1.1 431 ")


def test_there_is_no_tunnel(served: tuple[str, int]) -> None:
    with socket.create_connection(served, timeout=10) as connection:
        connection.sendall(b"CONNECT login.example.com:443 HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert connection.recv(10_000).startswith(b"HTTP/1.1 400 ")


def until_stopping(address: str) -> None:
    """Return when the server says that it stops, or does not say anything any more."""
    try:
        while httpx.get(f"{address}/ready", trust_env=False).json()["status"] != "stopping":
            pass
    except httpx.TransportError:
        return


def call(address: str, agent: Headers, door: str) -> int:
    answer = called(address, agent, door)
    return answer.status_code if "waited" in answer.text else 0


def called(address: str, agent: Headers, door: str) -> httpx.Response:
    if door == "rest":
        body: dict[str, Any] = {"tool_id": "probe/wait", "arguments": {}}
        headers: Headers = {"content-type": "application/json"}
        path = "/api/v1/tools/execute"
    else:
        body, headers = message("tools/call", name="probe__wait", arguments={})
        path = "/mcp"
    return httpx.post(
        f"{address}{path}", content=json.dumps(body), headers={**headers, **agent}, trust_env=False, timeout=30
    )


def until_closed(address: str) -> None:
    """Return when no new connection is accepted."""
    while True:
        try:
            httpx.get(f"{address}/health", trust_env=False)
        except httpx.TransportError:
            return
