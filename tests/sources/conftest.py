"""Registration on a real database, with documents that come over real HTTP."""

import json
import time
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest

from app.audit.outcome import Outcomes
from app.audit.record import AuditRecord
from app.database import Database
from app.documents.fetching import Documents
from app.identity.agent_token import AgentToken
from app.memory import InProcessMemory
from app.operation.operation import Operation
from app.outbound import AddressPolicy, guarded_client
from app.sources.forms import Offering, SourceCreate
from app.sources.repository import SourceRepository
from app.sources.rules import SourceRules
from app.sources.source import RegisteredSource
from app.sources.tables import Source
from app.sources.use_cases import UseCases, use_cases
from app.sources.writing import Writing
from tests.support.scripted import Answer, Scripted, ok, scripted


def document(*paths: str, servers: list[str] | None = None, **more: Any) -> dict[str, Any]:
    """An OpenAPI document with one GET operation for each path."""
    operations = {
        path: {"get": {"operationId": path.strip("/").replace("/", "_"), "responses": {"200": {"description": "ok"}}}}
        for path in paths
    }
    stated = {} if servers is None else {"servers": [{"url": url} for url in servers]}
    return {"openapi": "3.1.0", "info": {"title": "Test", "version": "1"}, "paths": operations, **stated, **more}


def a_source_row(url: str, **values: Any) -> Source:
    """A source as it is stored."""
    moment = datetime(2026, 11, 1, tzinfo=UTC)
    times = {"created_at": moment, "updated_at": moment, "refreshed_at": moment}
    return Source(**({"slug": "s", "name": "S", "url": url, "base_url": url} | times | values))


@dataclass
class Site:
    """Serves one document, which can be replaced; `scripted` is the server."""

    scripted: Scripted
    answer: bytes | Answer = b""

    @property
    def origin(self) -> str:
        return self.scripted.address

    @property
    def url(self) -> str:
        return f"{self.scripted.address}/openapi.json"

    def serve(self, content: dict[str, Any], *headers: str) -> None:
        body = json.dumps(content).encode()
        self.answer = ok(body, "Content-Type: application/json", "Connection: close", *headers)

    def serve_unless_known(self, content: dict[str, Any], etag: str) -> None:
        """Answer 304 to whoever knows that ETag."""
        self.serve(content, f"ETag: {etag}")
        whole = self.answer

        async def answer(_: Any, writer: Any) -> None:
            known = f"if-none-match: {etag}\r\n" in self.scripted.heads[-1].lower()
            writer.write(b"HTTP/1.1 304 Not Modified\r\n\r\n" if known else whole)
            await writer.drain()

        self.answer = answer

    def break_down(self) -> None:
        self.answer = b"HTTP/1.1 500 X\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


@pytest.fixture
async def site(anyio_backend: str) -> AsyncGenerator[Site]:
    async for found in _site():
        yield found


@pytest.fixture
async def other_site(anyio_backend: str) -> AsyncGenerator[Site]:
    async for found in _site():
        yield found


async def _site() -> AsyncGenerator[Site]:
    async def answer(reader: Any, writer: Any) -> None:
        if callable(found.answer):
            await found.answer(reader, writer)
        else:
            writer.write(found.answer)
            await writer.drain()

    async with scripted(answer) as server:
        found = Site(server)
        found.serve(document("/menu", "/orders"))
        yield found


def agent(*roles: str) -> AgentToken:
    """A verified token with these realm roles."""
    return AgentToken(
        value="secret",
        digest=b"digest",
        issuer="https://issuer",
        subject=f"user-{'-'.join(roles)}",
        preferred_username=roles[0] if roles else "nobody",
        client_id="frontend",
        token_id="jti-1",
        scopes=frozenset(),
        roles=frozenset(roles),
        expires_at=9e9,
    )


ADMIN = agent("admin")
MANAGER = agent("manager")
OURS = frozenset({"tools-provider"})


@dataclass
class World:
    """The use cases, and what reached their neighbours."""

    sources: UseCases
    writing: Writing
    clock: Callable[[], float] = time.time
    shown: dict[str, tuple[RegisteredSource, tuple[Operation, ...]]] = field(default_factory=dict)
    records: list[AuditRecord] = field(default_factory=list)

    async def register(self, url: str, admin: AgentToken = ADMIN, **values: Any) -> Offering:
        create = SourceCreate.model_validate({"name": "Pizzeria Backend API", "url": url, **values})
        return await self.sources.register(create, admin)

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.clock(), UTC)

    def tools(self, slug: str) -> list[str]:
        return [operation.name for operation in self.shown[slug][1]]

    @property
    def outcomes(self) -> list[tuple[str, str]]:
        return [(record.action, record.outcome) for record in self.records]


MakeWorld = Callable[..., World]


@pytest.fixture
async def make_world(database: Database) -> AsyncGenerator[MakeWorld]:
    """Make the use cases under a configuration; all worlds of a test share the database."""
    everything = AddressPolicy(("127.0.0.0/8", "::1"))
    async with guarded_client(everything) as client:

        def make(
            audience_origins: tuple[str, ...] = (),
            *,
            passthrough_allowed: bool = True,
            allowed: tuple[str, ...] = ("127.0.0.0/8", "::1"),
            release: str = "1",
        ) -> World:
            policy = AddressPolicy(allowed)
            documents = Documents(client, policy, timeout=5.0, max_bytes=100_000, release=release)

            async def record(entry: AuditRecord) -> None:
                made.records.append(entry)

            async def changed(source: RegisteredSource, operations: tuple[Operation, ...]) -> None:
                made.shown[source.slug] = (source, operations)

            def now() -> datetime:
                return made.now()

            repository = SourceRepository(database)
            rules = SourceRules(
                policy,
                audience_origins,
                own_audiences=OURS,
                passthrough_allowed=passthrough_allowed,
            )
            writing = Writing(
                repository,
                rules,
                audit=Outcomes(record),
                on_changed=changed,
                on_removed=lambda slug: made.shown.pop(slug, None) and None,
                tool_bytes=32_768,
                now=now,
            )
            made = World(use_cases(writing, repository, documents, rules, InProcessMemory().leases), writing)
            return made

        yield make


@pytest.fixture
def world(make_world: MakeWorld) -> World:
    return make_world()
