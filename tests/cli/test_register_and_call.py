"""`tools-provider register` and `call` as somebody uses them who has a document and a server."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from typer.testing import CliRunner, Result

from app.cli import cli
from app.cli.asking import is_loopback
from tests.support.installation import PASSWORD, EmbeddedIdentityProvider, Headers, RunningProvider, Token
from tests.support.raw import raw_upstream
from tests.support.scripted import ok
from tests.support.servers import running

COMMAND = Path(sys.executable).with_name("tools-provider")
Run = Callable[..., "subprocess.CompletedProcess[str]"]

FIELDS: dict[str, Any] = {
    "text": {"type": "string"},
    "number": {"type": "integer"},
    "flag": {"type": "boolean"},
    "list": {"type": "array", "items": {"type": "string"}},
    "object": {"type": "object"},
    "size": {"$ref": "#/components/schemas/Size"},
    "limit": {"allOf": [{"$ref": "#/components/schemas/Limit"}, {"description": "At most so many."}]},
    "id": {"anyOf": [{"type": "integer"}, {"type": "string"}]},
    "any": {},
    "bytes": {"type": "string", "contentEncoding": "base64"},
}
DOCUMENT: dict[str, Any] = {
    "openapi": "3.1.0",
    "info": {"title": "A mirror", "version": "1"},
    "servers": [{"url": "/"}],
    "paths": {
        "/echo": {
            "post": {
                "operationId": "echo",
                "requestBody": {"content": {"application/json": {"schema": {"type": "object", "properties": FIELDS}}}},
            }
        },
        "/says/{what}": {
            "get": {
                "operationId": "say",
                "parameters": [{"name": "what", "in": "path", "required": True, "schema": {"type": "string"}}],
            }
        },
        "/lost": {"get": "not an operation"},
    },
    "components": {"schemas": {"Size": {"enum": ["small", "large"]}, "Limit": {"type": "integer", "maximum": 9}}},
}
YAML = """
openapi: 3.1.0
info: {title: The menu, version: "1"}
paths:
  /menu:
    get: {operationId: getMenu, summary: Read the menu, responses: {200: {description: The menu}}}
"""


async def _document(_request: Request) -> Response:
    return JSONResponse(DOCUMENT)


async def _echo(request: Request) -> Response:
    return JSONResponse(await request.json())


async def _say(request: Request) -> Response:
    match request.path_params["what"]:
        case "words":
            return PlainTextResponse("two\nlines")
        case "json-text":
            return JSONResponse("a text")
        case "much":
            return PlainTextResponse("x" * 2_000_000)
        case _:
            return JSONResponse({"detail": "there is no such thing"}, 404)


async def _other_api(_request: Request) -> Response:
    return JSONResponse({"message": "unknown"}, 404)


@pytest.fixture(scope="module")
def mirror() -> Iterator[str]:
    routes = [
        Route("/openapi.json", _document),
        Route("/echo", _echo, methods=["POST"]),
        Route("/says/{what}", _say),
        Route("/api/{path:path}", _other_api, methods=["GET", "POST"]),
    ]
    with running(Starlette(routes=routes)) as address:
        yield address


@pytest.fixture
def run(provider: RunningProvider, tmp_path: Path) -> Run:
    """Run a command against the provider, with nothing in its environment but what is given."""

    def command(*arguments: str, stdin: str = "", **environment: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(  # noqa: S603
            [COMMAND, *arguments, "--server", provider.address],
            cwd=tmp_path,
            env={"PATH": os.environ["PATH"], **environment},
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
        )

    return command


@pytest.fixture
def as_admin(token: Token) -> dict[str, str]:
    return {"TOOLS_PROVIDER_TOKEN": token("admin")}


@pytest.fixture(scope="module")
def registered(mirror: str, provider: RunningProvider, admin: dict[str, str]) -> str:
    """The slug of the mirror, registered."""
    return str(provider.register(admin, f"{mirror}/openapi.json", slug="mirror")["slug"])


@pytest.fixture
def call(run: Run, registered: str, token: Token) -> Run:
    """Call a tool of the mirror as johndoe."""

    def called(operation: str, *arguments: str, stdin: str = "") -> "subprocess.CompletedProcess[str]":
        return run("call", f"{registered}/{operation}", *arguments, stdin=stdin, TOOLS_PROVIDER_TOKEN=token("johndoe"))

    return called


def test_a_document_at_an_address_is_registered_and_its_report_shown(
    run: Run, mirror: str, as_admin: dict[str, str]
) -> None:
    done = run("register", f"{mirror}/openapi.json", "--slug", "shown", **as_admin)
    assert done.returncode == 0
    assert done.stderr.startswith("Warning: passthrough_source: ")
    assert len(done.stderr.splitlines()) == 1
    assert "POST /echo" in done.stdout
    assert "shown/echo" in done.stdout
    assert "/paths/~1lost/get" in done.stdout.split("What was lost, and why")[1]
    assert "3 operations, 2 tools" in done.stdout
    assert done.stdout.endswith(f"Registered as shown: {mirror}, calls carry the agent's own token\n")


def test_every_option_of_a_registration_reaches_the_server(
    run: Run, pizzeria: str, as_admin: dict[str, str], provider: RunningProvider, admin: dict[str, str]
) -> None:
    said = ["--name", "The pizzeria", "--audience", "pizzeria-backend", "--base-url", f"{pizzeria}/"]
    done = run("register", f"{pizzeria}/openapi.json", *said, **as_admin)
    assert (done.returncode, done.stderr) == (0, "")
    assert "calls carry a token for pizzeria-backend" in done.stdout
    source = provider.http.get("/api/v1/sources/pizzeria-backend", headers=admin).json()
    assert (source["name"], source["default_audience"]) == ("The pizzeria", "pizzeria-backend")
    assert source["base_url"].rstrip("/") == pizzeria


def test_a_file_is_uploaded_and_named_by_its_title(
    run: Run, mirror: str, tmp_path: Path, as_admin: dict[str, str], provider: RunningProvider, admin: dict[str, str]
) -> None:
    (tmp_path / "api.yaml").write_text(YAML, encoding="utf-8")
    done = run("register", "api.yaml", "--base-url", mirror, **as_admin)
    assert done.returncode == 0, done.stderr
    assert "menu/getMenu" in done.stdout
    source = provider.http.get("/api/v1/sources/menu", headers=admin).json()
    assert (source["name"], source["uploaded"]) == ("The menu", True)


def test_what_the_server_refuses_is_told_with_its_code_and_places(
    run: Run, mirror: str, as_admin: dict[str, str], token: Token
) -> None:
    refused = run("register", f"{mirror}/openapi.json", "--slug", "Not a slug", **as_admin)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr.startswith("invalid_request (422): ")
    assert "\n  /slug: " in refused.stderr
    assert "trace_id: " in refused.stderr
    not_an_admin = run("register", f"{mirror}/openapi.json", TOOLS_PROVIDER_TOKEN=token("johndoe"))
    assert not_an_admin.returncode == 1
    assert "role_required (403)" in not_an_admin.stderr


def test_a_file_that_cannot_be_read_ends_with_2(run: Run, as_admin: dict[str, str]) -> None:
    done = run("register", "missing.yaml", **as_admin)
    assert (done.returncode, done.stderr) == (2, "missing.yaml: No such file or directory\n")


def test_arguments_are_typed_by_the_schema_of_the_tool(call: Run, tmp_path: Path) -> None:
    (tmp_path / "words.txt").write_text("from a file", encoding="utf-8")
    (tmp_path / "list.json").write_text('["a", "b"]', encoding="utf-8")
    (tmp_path / "bytes").write_bytes(b"\x00\xff")
    pairs = ["text=1", "number=1", "flag=true", "list=@list.json", 'object={"a": 1}', "size=small", "limit=3"]
    done = call("echo", *pairs, "id=7", "any:=[1]", "bytes=@bytes")
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout) == {
        "text": "1",
        "number": 1,
        "flag": True,
        "list": ["a", "b"],
        "object": {"a": 1},
        "size": "small",
        "limit": 3,
        "id": "7",
        "any": [1],
        "bytes": "AP8=",
    }
    from_file = call("echo", "text=@words.txt", "id:=7")
    assert json.loads(from_file.stdout) == {"text": "from a file", "id": 7}


@pytest.mark.parametrize("given", ["--json={}", "--json=-"])
def test_all_arguments_can_be_given_as_one_object(call: Run, given: str) -> None:
    arguments = '{"text": "a=b", "number": 2}'
    done = call("echo", given.replace("{}", arguments), stdin=arguments)
    assert json.loads(done.stdout) == {"text": "a=b", "number": 2}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["number=many"], "the tool takes no text there"),
        (["text"], "write KEY=VALUE"),
        (["text=a", "text=b"], "given twice"),
        (["--json=[]"], "an object of arguments"),
        (["--json={", ""], "this is not JSON"),
        (["--json={}", "text=a"], "either --json or single arguments"),
        (["text=@missing"], "missing: No such file or directory"),
        (["number=NaN"], "cannot be sent as JSON"),
        (["any:=1e400"], "cannot be sent as JSON"),
        (["any:=" + "[" * 50_000], "this is not JSON"),
        (["--json", '{"text": "\\ud800"}'], "cannot be sent as JSON"),
        (["text=\udcff"], "cannot be sent as JSON"),
        (["--json", '{"text": "a", "text": "b"}'], "the same name twice"),
    ],
)
def test_arguments_that_cannot_be_meant_are_told_before_anything_is_called(
    call: Run, arguments: list[str], said: str
) -> None:
    done = call("echo", *[each for each in arguments if each])
    assert (done.returncode, done.stdout) == (2, "")
    assert said in " ".join(done.stderr.replace("│", " ").split())


@pytest.mark.parametrize(
    "tool_id", ["", "..", "../sources/mirror", "mirror__echo", "mirror/a/b", "mirror/?", "\udcff/echo"]
)
def test_what_cannot_be_a_tool_is_told_before_anything_is_asked(tool_id: str) -> None:
    done = told("call", tool_id, "text=a")
    assert done.exit_code == 2
    assert "write slug/operation" in done.stderr


def test_text_is_printed_as_text_and_json_as_json(call: Run) -> None:
    assert call("say", "what=words").stdout == "two\nlines\n"
    assert call("say", "what=json-text").stdout == '"a text"\n'


def test_what_was_cut_says_so(call: Run) -> None:
    done = call("say", "what=much")
    assert done.returncode == 0
    assert "this was cut" in done.stderr


def test_an_error_of_the_upstream_is_printed_and_ends_with_3(call: Run) -> None:
    done = call("say", "what=nothing")
    assert done.returncode == 3
    assert json.loads(done.stdout) == {"detail": "there is no such thing"}
    assert done.stderr == "The upstream answered 404.\n"


def test_a_call_that_is_refused_says_why(call: Run) -> None:
    refused = call("echo", "limit=10")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr.startswith("invalid_arguments (422): ")
    assert "\n  /limit: " in refused.stderr
    unknown = call("no-such-operation")
    assert unknown.returncode == 1
    assert "tool_not_found (404)" in unknown.stderr


def test_a_user_signs_in_at_the_development_issuer_that_the_server_names(
    run: Run, registered: str, tmp_path: Path
) -> None:
    (tmp_path / "password").write_text(f"{PASSWORD}\n", encoding="utf-8")
    signing_in = ["--user", "johndoe", "--password-file", "password"]
    done = run("call", f"{registered}/say", "what=words", *signing_in)
    assert (done.returncode, done.stdout) == (0, "two\nlines\n")
    (tmp_path / "password").write_text("wrong", encoding="utf-8")
    refused = run("call", f"{registered}/say", "what=words", *signing_in)
    assert refused.returncode == 1
    assert "did not let johndoe sign in: " in refused.stderr
    assert "wrong" not in refused.stderr.replace(str(tmp_path), "")


def test_no_password_goes_to_an_issuer_elsewhere(token: Token, tmp_path: Path) -> None:
    asked: list[str] = []

    async def metadata(request: Request) -> Response:
        asked.append(request.url.path)
        return JSONResponse({"authorization_servers": ["https://login.example.com/realms/tools-provider"]})

    (tmp_path / "password").write_text(PASSWORD, encoding="utf-8")
    with running(Starlette(routes=[Route("/.well-known/oauth-protected-resource/mcp", metadata)])) as elsewhere:
        done = subprocess.run(  # noqa: S603
            [COMMAND, "call", "a/b", "--server", elsewhere, "--user", "johndoe", "--password-file", "password"],
            cwd=tmp_path, capture_output=True, text=True, check=False,
        )  # fmt: skip
    assert asked == ["/.well-known/oauth-protected-resource/mcp"]
    assert done.returncode == 2
    assert "https://login.example.com" in done.stderr
    assert "--token-file" in done.stderr


def test_a_token_in_a_file_is_used_and_one_that_is_refused_is_named_by_where_it_came_from(
    run: Run, registered: str, token: Token, tmp_path: Path
) -> None:
    for encoding in ("utf-8", "utf-8-sig"):  # some editors put a mark before the text
        (tmp_path / "token").write_text(f"{token('johndoe')}\n", encoding=encoding)
        done = run("call", f"{registered}/say", "what=words", "--token-file", "token")
        assert done.stdout == "two\nlines\n"
    (tmp_path / "token").write_text("eyJ.secret.token", encoding="utf-8")
    refused = run("call", f"{registered}/say", "--token-file", "token")
    assert refused.returncode == 1
    assert "token_invalid (401)" in refused.stderr
    assert "The token was the one from token." in refused.stderr


def test_what_a_header_cannot_carry_is_refused_and_never_shown(run: Run, registered: str) -> None:
    done = run("call", f"{registered}/say", TOOLS_PROVIDER_TOKEN="eyJsecret\nX-Injected: 1")
    assert done.returncode == 2
    assert "TOOLS_PROVIDER_TOKEN" in done.stderr
    assert "secret" not in done.stdout + done.stderr


def test_no_token_no_server_and_another_server_are_told_apart(
    run: Run, registered: str, mirror: str, token: Token, tmp_path: Path, identity_provider: EmbeddedIdentityProvider
) -> None:
    nobody = run("call", f"{registered}/say")
    assert (nobody.returncode, "--token-file or --user" in nobody.stderr) == (2, True)
    with running(Starlette()) as other:
        pass
    strangers = {
        other: "cannot be reached",
        mirror: "not as a tools provider",
        f"{mirror}/x": "not as a tools provider",
    }
    for address, said in strangers.items():
        done = subprocess.run(  # noqa: S603
            [COMMAND, "call", "a/b", "--server", address],
            env={"PATH": os.environ["PATH"], "TOOLS_PROVIDER_TOKEN": token("johndoe")},
            cwd=tmp_path, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 2
        assert said in done.stderr
        assert "eyJ" not in done.stdout + done.stderr


ODD_ANSWERS = {
    "an empty object": Response(b"{}"),
    "a list": Response(b"[]"),
    "null": Response(b"null"),
    "nested deeply": Response(b"[" * 200_000),
    "not what it says": Response(b"{}", headers={"content-encoding": "gzip"}),
    "other members": Response(b'{"input_schema": [], "is_error": "maybe", "slug": 1}'),
    "another problem": Response(b'{"code": "x", "violations": ["a", 1]}', 400),
    "a redirect": Response(b"", 307, {"location": "https://elsewhere.example/"}),
}


@pytest.mark.parametrize("odd", ODD_ANSWERS)
def test_an_answer_that_no_tools_provider_gives_is_told_as_that(odd: str, tmp_path: Path) -> None:
    async def answer(_request: Request) -> Response:
        return ODD_ANSWERS[odd]

    (tmp_path / "password").write_text(PASSWORD, encoding="utf-8")
    with running(Starlette(routes=[Route("/{path:path}", answer, methods=["GET", "POST"])])) as server:
        for asked in (["call", "a/b"], ["call", "a/b", "x=1"], ["register", "https://api.example.com/openapi.json"]):
            done = told(*asked, "--server", server)
            assert done.exit_code == 2
            assert "not as a tools provider" in done.stderr or "cannot be reached" in done.stderr
        signing_in = ["--user", "x", "--password-file", str(tmp_path / "password")]
        assert told("call", "a/b", "--server", server, *signing_in).exit_code == 2


def told(*arguments: str, **environment: str) -> Result:
    """Run a command in this process, which is quicker; an exception that it does not expect would end with 1."""
    return CliRunner().invoke(cli, arguments, env={"TOOLS_PROVIDER_TOKEN": "eyJ", **environment})


@pytest.mark.parametrize(
    "server",
    [
        "http://user:hunter2@localhost:1",
        "http://localhost:1/?key=hunter2",
        "http://localhost:1/#hunter2",
        "http://localhost:99999",
        "http://localhost:port",
        "http://[::1",
        "http://a..b",
        f"http://{'a' * 300}.example",
        "http://xn--",
        "http://\udcff",
        "ftp://localhost",
        "localhost:8040",
    ],
)
def test_an_address_that_no_server_can_have_is_told_without_its_secrets(server: str) -> None:
    done = told("call", "a/b", "--server", server)
    assert (done.exit_code, done.stdout) == (2, "")
    assert "hunter2" not in done.stderr
    assert "--server" in done.stderr or "cannot be asked" in done.stderr


@pytest.mark.parametrize(
    "environment",
    [
        {"http_proxy": "gopher://user:hunter2@proxy.example"},
        {"http_proxy": "http://user:hunter2@proxy.example:port"},
        {"all_proxy": "socks5://user:hunter2@proxy.example"},
        {"SSL_CERT_FILE": "missing"},
        {"SSLKEYLOGFILE": "missing/file"},
    ],
    ids="".join,
)
def test_an_environment_that_cannot_be_used_is_told(environment: dict[str, str]) -> None:
    scheme = "http" if "http_proxy" in environment else "https"
    done = told("call", "a/b", "--server", f"{scheme}://server.invalid", **environment)
    assert done.exit_code == 2
    assert "the environment's proxies (http" in done.stderr
    assert "hunter2" not in done.stderr


def test_a_password_is_not_asked_for_where_there_is_no_terminal(provider: RunningProvider) -> None:
    done = subprocess.run(  # noqa: S603
        [COMMAND, "call", "a/b", "--server", provider.address, "--user", "johndoe"],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, start_new_session=True,
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr.endswith("There is no terminal to ask for the password at: give --password-file.\n")


def test_the_options_that_a_refusal_speaks_of_are_named(
    run: Run, mirror: str, tmp_path: Path, as_admin: dict[str, str], registered: str
) -> None:
    (tmp_path / "api.yaml").write_text(YAML, encoding="utf-8")
    nowhere = run("register", "api.yaml", "--name", "Nowhere", **as_admin)
    assert "base_url_refused (422)" in nowhere.stderr
    assert "\n`base_url` is --base-url here.\n" in nowhere.stderr
    assert "--slug" not in nowhere.stderr
    taken = run("register", f"{mirror}/openapi.json", "--name", registered, **as_admin)
    assert "slug_taken (409)" in taken.stderr
    assert "\n`slug` is --slug here.\n" in taken.stderr


@pytest.mark.parametrize("name", ["odd\udcff.yaml", 'a"b\n.yaml', "ü.yaml"])
def test_a_file_may_have_any_name(
    name: str, mirror: str, tmp_path: Path, as_admin: dict[str, str], provider: RunningProvider, admin: Headers
) -> None:
    (tmp_path / name).write_text(YAML, encoding="utf-8")
    asked = ["register", str(tmp_path / name), "--slug", "named", "--base-url", mirror, "--server", provider.address]
    done = told(*asked, **as_admin)
    provider.http.delete("/api/v1/sources/named", headers=admin)
    assert done.exit_code == 0, done.stderr


@pytest.mark.parametrize("document", ["http://", "https://[::1", "HTTP://:80"])
def test_an_address_of_no_document_is_told_before_anything_is_asked(document: str) -> None:
    done = told("register", document)
    assert (done.exit_code, "https://host/openapi.json" in done.stderr) == (2, True)


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("127.0.0.1", True),
        ("127.1.2.3", True),
        ("::1", True),
        ("localhost", True),
        ("0.0.0.0", False),  # noqa: S104 - it is what must be refused
        ("::", False),
        ("192.0.2.1", False),
        ("localhost.example", False),
        ("", False),
    ],
)
def test_only_loopback_is_loopback(host: str, loopback: bool) -> None:
    assert is_loopback(host) is loopback


@pytest.mark.parametrize("proxy", ["http", "bare", "socks5"])
def test_the_environments_proxy_is_used_for_a_server_elsewhere(proxy: str) -> None:
    with raw_upstream() as raw:
        raw.answer = ok(b"<html>", "Content-Type: text/html")
        stated = {"http": raw.address, "bare": raw.address.removeprefix("http://"), "socks5": "socks5://127.0.0.1:1"}
        environment = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
        environment |= {"HTTP_PROXY": stated[proxy], "NO_PROXY": "localhost,[::1]", "TOOLS_PROVIDER_TOKEN": "token"}
        command = [str(COMMAND), "call", "shop/list", "page=1", "--server", "http://tools.invalid"]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)  # noqa: S603
        heads = raw.heads
    assert done.returncode == 2
    if proxy == "socks5":
        assert "SOCKS is not spoken here; look at" in done.stderr
        assert "the environment's proxies (http:// or https://)" in done.stderr
    else:
        assert heads[0].startswith("GET http://tools.invalid/api/v1/tools/shop/list HTTP/1.1\r\n")
