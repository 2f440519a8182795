"""Who takes part: a provider in a process of its own, two upstreams, an identity provider, and a healthy caller.

The provider is `tools-provider serve`. `chef` is the healthy caller, in a process of its own with the upstream of the
source `healthy` (healthy.py). `johndoe` is hostile, and so is the upstream of the source `hostile`, whose document and
answers a row may choose (`stage.hostile`). What others answer badly comes from a process of its own (hostile.py) at
`stage.answering`, whose tools are those of the source `answering`.

The provider reaches the embedded identity provider through a front, where a row may put other answers in the place of
some (`stage.front`); an exchange of johndoe's has `stage.token()` in its form. The healthy caller's token is exchanged
anew every second, so that it depends on all that others may block.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx

from seed.identity_provider import create_identity_provider
from seed.keycloak import read_realm
from seed.ports import free_port
from tests.benchmarks.processes import wait_until_answering
from tests.bounds.front import Front, front_of
from tests.bounds.hostile import hostile
from tests.bounds.meter import Peak, cpu_seconds
from tests.bounds.toolbox import DOCUMENT, drained
from tests.support.installation import EXCHANGE_SECRET, EmbeddedIdentityProvider
from tests.support.raw import Raw, raw_upstream
from tests.support.servers import running

ROOT = Path(__file__).parents[2]
COMMAND = str(Path(sys.executable).with_name("tools-provider"))
AUDIENCE = "pizzeria-backend"
READ_TIMEOUT = 1  # seconds, so that what is slow is seen to end
UPSTREAM_TIMEOUT = 2  # seconds
_LASTING = {"accessTokenLifespan": 3600}
_SECONDS_TO_STOP = 20
_CALLS_TO_WEIGH = 100


class Healthy:
    """The healthy caller; `cost` is the provider's processor time for one of its calls, in seconds."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        self.port: int = self._told()["port"]
        self.cost = 0.0

    def ask(self, what: Any) -> dict[str, Any]:
        """Give a line and return the answer (healthy.py)."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{json.dumps(what)}\n".encode())
        self._process.stdin.flush()
        return self._told()

    def _told(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        told: dict[str, Any] = json.loads(self._process.stdout.readline())
        return told


class Stage:
    """Everything that an attack may use."""

    def __init__(
        self,
        address: str,
        pid: int,
        identity_provider: EmbeddedIdentityProvider,
        front: Front,
        hostile: Raw,
        answering: str,
    ) -> None:
        self.address = address
        self.http = httpx.Client(base_url=address, trust_env=False, timeout=60)
        self.port = int(address.rpartition(":")[2])
        self.pid = pid
        self.identity_provider = identity_provider
        self.front = front
        self.hostile = hostile
        self.reader = 0  # bytes of a process that reads a small document
        self.answering = answering
        self._tokens: dict[str, str] = {}

    def reset(self) -> None:
        """Make hostile upstream and front honest again, and forget the source that rows may register."""
        self.forget()
        self.front.lie = None
        self.hostile.describe(DOCUMENT)
        self.hostile.answer = drained(self.hostile)

    def forget(self) -> None:
        """Take the source `row` away."""
        self.admin("DELETE", "/api/v1/sources/row")

    def token(self, username: str = "johndoe") -> str:
        if username not in self._tokens:
            self._tokens[username] = self.identity_provider.access_token(username)
        return self._tokens[username]

    def signed(self, **claims: Any) -> str:
        """A token of johndoe's with other claims, and a good signature."""
        keys, issuer = self.identity_provider.state.keys, self.identity_provider.issuer
        own = keys.verified(self.token(), issuer, 0)
        return keys.sign({**own, **claims})

    def head(
        self, line: str, length: int | None, *more: str, username: str | None = "johndoe", token: str | None = None
    ) -> bytes:
        """The head of a request: `line` is method and target, `more` are whole header lines."""
        lines = [f"{line} HTTP/1.1", f"Host: 127.0.0.1:{self.port}"]
        if username is not None:
            lines.append(f"Authorization: Bearer {token or self.token(username)}")
        if length is not None:
            lines += ["Content-Type: application/json", f"Content-Length: {length}"]
        return "\r\n".join([*lines, *more, "", ""]).encode("latin-1")

    def post(
        self, path: str, body: bytes, *more: str, username: str | None = "johndoe", token: str | None = None
    ) -> bytes:
        """A whole POST of JSON."""
        return self.head(f"POST {path}", len(body), *more, username=username, token=token) + body

    def call(self, tool: str, arguments: bytes, username: str = "johndoe", token: str | None = None) -> bytes:
        """A whole MCP `tools/call`; `arguments` is JSON, which need not be good."""
        name = json.dumps(tool).encode()
        body = b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":%b,"arguments":%b}}' % (name, arguments)
        accept = "Accept: application/json, text/event-stream"
        return self.post("/mcp", body, accept, username=username, token=token)

    def admin(self, method: str, path: str, **more: Any) -> httpx.Response:
        """Ask as an admin, for what a row needs before it is measured."""
        headers = {"Authorization": f"Bearer {self.token('admin')}"}
        return self.http.request(method, path, headers=headers, **more)

    def register(self, slug: str, url: str, **source: Any) -> None:
        """Register a source, in the place of one of that slug."""
        self.admin("DELETE", f"/api/v1/sources/{slug}")
        answer = self.admin("POST", "/api/v1/sources", json={"name": slug, "slug": slug, "url": url, **source})
        assert answer.status_code == 201, answer.text


@contextmanager
def staged() -> Iterator[tuple[Stage, Healthy]]:
    """Everything up and calling while the block lasts."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        app = create_identity_provider({**read_realm(), **_LASTING})
        front = stack.enter_context(front_of(stack.enter_context(running(app))))
        identity_provider = EmbeddedIdentityProvider(front.address, app.state.identity_provider)
        raw = stack.enter_context(raw_upstream())
        answering = stack.enter_context(hostile())
        healthy = Healthy(stack.enter_context(_process([sys.executable, "-m", "tests.bounds.healthy"], folder)))
        address, provider = stack.enter_context(_provider(front.address, folder))
        stage = Stage(address, provider.pid, identity_provider, front, raw, answering)
        stack.enter_context(stage.http)
        stage.reset()
        with Peak(stage.pid) as peak:
            stage.register("healthy", f"http://127.0.0.1:{healthy.port}/openapi.json", default_audience=AUDIENCE)
        stage.reader = peak.children
        stage.register("hostile", raw.url, default_audience=AUDIENCE)
        stage.register(
            "answering", f"{answering}/document/of%20the%20upstream/1", base_url=answering, default_audience=AUDIENCE
        )
        request = stage.call("healthy__state", b"{}", "chef").decode("latin-1")
        healthy.ask({"call": request, "port": stage.port, "provider": stage.pid})
        healthy.cost = _cost_of_a_call(stage, healthy)
        yield stage, healthy


def _cost_of_a_call(stage: Stage, healthy: Healthy) -> float:
    """Processor seconds; the least of some measurements, since noise only adds."""
    found = []
    for _ in range(3):
        before, calls = cpu_seconds(stage.pid), 0
        healthy.ask("watch")
        while calls < _CALLS_TO_WEIGH:
            calls = healthy.ask("report")["calls"]
        found.append((cpu_seconds(stage.pid) - before) / calls)
    return min(found)


@contextmanager
def _provider(keycloak: str, folder: Path) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    settings = {
        "KEYCLOAK_URL": keycloak,
        "TOKEN_EXCHANGE_CLIENT_SECRET": EXCHANGE_SECRET,
        "PORT": str(port),
        "PUBLIC_URL": address,
        "DATABASE_URL": f"sqlite:///{folder / 'provider.db'}",
        "ALLOWED_UPSTREAMS": "127.0.0.0/8",
        "TOKEN_EXCHANGE_CACHE_MAX_AGE": "1",
        "TOKEN_EXCHANGE_TIMEOUT": "2",
        "UPSTREAM_TIMEOUT": str(UPSTREAM_TIMEOUT),
        "SOURCE_FETCH_TIMEOUT": "2",
        "CIRCUIT_BREAKER_FAILURE_THRESHOLD": "1000000",  # what one user meets is asked for again and again
        "REQUEST_READ_TIMEOUT": str(READ_TIMEOUT),
        "LOG_LEVEL": "WARNING",
    }
    with _process([COMMAND, "serve"], folder, **settings) as provider:
        wait_until_answering(f"{address}/health", provider)
        yield address, provider


@contextmanager
def _process(command: list[str], folder: Path, **settings: str) -> Iterator[subprocess.Popen[bytes]]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **settings}
    with (folder / "errors").open("ab") as errors:
        process = subprocess.Popen(  # noqa: S603
            command, cwd=folder, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors
        )
    with process:
        try:
            yield process
        finally:
            process.terminate()
            process.wait(_SECONDS_TO_STOP)
