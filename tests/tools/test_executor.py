"""One call of a tool: what is sent, what comes back, and what is written down about it."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import pytest
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from app.audit.log import AuditLog
from app.audit.outcome import Outcomes
from app.audit.record import AuditRecord
from app.credentials.credential import Means
from app.credentials.token_exchange.caching import CachingExchanger
from app.credentials.token_exchange.exchanger import ExchangedToken, ExchangeTarget
from app.database import Database
from app.errors import (
    BadAnswer,
    DeadlineExceeded,
    Invalid,
    InvalidAgentToken,
    NotPermitted,
    TooLarge,
    ToolsProviderError,
    Unavailable,
)
from app.identity.agent_token import AgentToken
from app.memory import InProcessMemory
from app.operation.operation import Body
from app.outbound import AddressPolicy, AiohttpSender
from app.sources.source import Authority
from app.telemetry import Telemetry
from app.tools.answer.body import is_stream
from app.tools.answer.result import ToolResult
from app.tools.arguments import ArgumentRules
from app.tools.catalog import Catalog
from app.tools.executor import ToolExecutor
from app.tools.upstream import Upstream
from tests.effort import turns
from tests.support.clock import Clock
from tests.support.scripted import Scripted, ok, scripted
from tests.tools.builders import a_source, an_agent, an_operation

pytestmark = pytest.mark.anyio

MENU = {"category": {"type": "string"}, "vegan": {"type": "boolean"}}
REQUEST_BYTES = 1_024


@dataclass
class Issuing:
    """Stands for the identity provider: issues `exchanged-1`, `exchanged-2`, … within a second each, or fails."""

    clock: Clock
    failure: ToolsProviderError | None = None
    asked: list[ExchangeTarget] = field(default_factory=list)

    async def exchange(self, agent: AgentToken, target: ExchangeTarget) -> ExchangedToken:
        self.asked.append(target)
        self.clock.advance(1)
        if self.failure is not None:
            raise self.failure
        number = len(self.asked)
        return ExchangedToken(f"exchanged-{number}", agent.expires_at, token_id=f"jti-exchanged-{number}")


class Provider:
    """The parts of one call, put together as main.py does; the identity provider is `issuing`."""

    def __init__(
        self,
        telemetry: Telemetry,
        audit: AuditLog,
        upstream: Upstream,
        passthrough: Literal["allow", "deny"],
        upstream_timeout: float,
    ) -> None:
        self.clock = Clock(1_000)
        self.issuing = Issuing(self.clock)
        self.refused: list[AgentToken] = []
        self.audit = audit
        self.outcomes = Outcomes(audit.record, self.clock)
        self.telemetry = telemetry
        exchanger = CachingExchanger(self.issuing, InProcessMemory(), telemetry, client_id="x", buffer=0, max_age=60)
        self.catalog = Catalog(Means(exchanger, passthrough))
        self.executor = ToolExecutor(
            upstream,
            self.outcomes,
            telemetry,
            upstream_timeout=upstream_timeout,
            request_bytes=REQUEST_BYTES,
            refuse=self._refuse,
            clock=self.clock,
        )

    async def _refuse(self, agent: AgentToken) -> None:
        self.refused.append(agent)

    def show(self, server: Scripted, method: str = "get", **source: Any) -> None:
        operation = an_operation("get_menu", method=method, properties=MENU)
        self.catalog.put(a_source("pizzeria", server.address, **source), [operation])

    async def call(
        self,
        arguments: dict[str, Any] | None = None,
        *,
        tool: str = "pizzeria/get_menu",
        agent: AgentToken | None = None,
    ) -> ToolResult:
        found = self.catalog.find(tool)
        assert found is not None
        return await self.executor.execute(found, arguments or {}, agent or an_agent(), "rest")

    async def records(self) -> list[AuditRecord]:
        """Newest first, exchanges left out."""
        return list((await self.audit.query()).items)

    async def the_record(self) -> AuditRecord:
        (record,) = await self.records()
        return record


@pytest.fixture
def spans() -> InMemorySpanExporter:
    return InMemorySpanExporter()


@pytest.fixture
def passthrough() -> Literal["allow", "deny"]:
    return "allow"


@pytest.fixture
def upstream_timeout() -> float:
    return 20


@pytest.fixture
async def provider(
    tmp_path: Path, spans: InMemorySpanExporter, passthrough: Literal["allow", "deny"], upstream_timeout: float
) -> AsyncIterator[Provider]:
    telemetry = Telemetry(span_processors=[SimpleSpanProcessor(spans)])
    database = Database(f"sqlite:///{tmp_path}/provider.db")
    await database.migrate()
    audit = AuditLog(database, None)
    await audit.start()
    sender = AiohttpSender(AddressPolicy(["127.0.0.0/8"]), most_bytes=1_048_576, endless=is_stream)
    upstream = Upstream(sender, telemetry, failure_threshold=5, recovery_timeout=30)
    made = Provider(telemetry, audit, upstream, passthrough, upstream_timeout)
    yield made
    await made.outcomes.stop()
    await sender.aclose()
    await audit.stop()
    await database.dispose()
    telemetry.shutdown()


def bearers(server: Scripted) -> list[str | None]:
    """The token of each request that arrived."""
    found: list[str | None] = []
    for head in server.heads:
        values = [line.split(" ", 2)[2] for line in head.split("\r\n") if line.lower().startswith("authorization:")]
        found.append(values[0] if values else None)
        assert len(values) <= 1
    return found


def target_of(head: str) -> str:
    return head.split(" ", 2)[1]


def status(number: int, *rest: str) -> bytes:
    return "\r\n".join((f"HTTP/1.1 {number} X", "Content-Length: 0", *rest)).encode() + b"\r\n\r\n"


async def checking(rules: ArgumentRules, arguments: dict[str, Any]) -> None:
    """Check the arguments in one turn of the event loop."""
    with pytest.raises(Invalid):
        rules.check(arguments)


async def test_very_many_arguments_are_checked_beside_the_event_loop(provider: Provider) -> None:
    many = {"category": list(range(99_000))}
    async with scripted(b"") as server:
        provider.show(server)
        tool = provider.catalog.find("pizzeria/get_menu")
        assert tool is not None
        alone = max(await turns(asyncio.ensure_future(checking(tool.arguments, many))))
        refused = asyncio.ensure_future(provider.call(many))
        assert max(await turns(refused)) < alone / 4
        assert isinstance(refused.exception(), Invalid)
        assert server.heads == []


async def test_the_answer_comes_back_and_everything_is_written_down(
    provider: Provider, spans: InMemorySpanExporter
) -> None:
    async with scripted(ok(b'{"pizzas": []}', "Content-Type: application/json")) as server:
        provider.show(server)
        result = await provider.call({"category": "a b/c"})
        assert target_of(server.heads[0]) in {"/menu?category=a%20b%2Fc", "/menu?category=a+b%2Fc"}
    assert (result.upstream_status, result.body, result.is_error) == (200, {"pizzas": []}, False)
    assert bearers(server) == ["exchanged-1"]
    record = await provider.the_record()
    assert (record.kind, record.action, record.outcome, record.door) == ("call", "execute", "ok", "rest")
    assert (record.subject, record.client_id) == ("f7b1", "tools-provider-frontend")
    assert (record.token_id, record.exchanged_token_id) == ("jti-agent", "jti-exchanged-1")
    assert (record.source, record.tool, record.audience) == ("pizzeria", "pizzeria/get_menu", "pizzeria-backend")
    assert (record.upstream_status, record.passthrough, record.detail) == (200, False, None)
    span = next(span for span in spans.get_finished_spans() if span.name == "execute_tool")
    assert record.trace_id == f"{span.context.trace_id:032x}"
    assert f"traceparent: 00-{record.trace_id}-" in server.heads[0]
    assert span.attributes == {
        "tools_provider.source": "pizzeria",
        "tools_provider.tool": "pizzeria/get_menu",
        "tools_provider.door": "rest",
        "http.response.status_code": 200,
    }
    metrics = provider.telemetry.render_prometheus()
    assert b'tools_provider_tool_call_duration_seconds_count{outcome="ok",source="pizzeria"} 1.0' in metrics


async def test_the_result_tells_the_upstreams_time_and_the_record_that_of_the_whole_call(provider: Provider) -> None:
    async def answer(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        provider.clock.advance(0.2345678)
        writer.write(status(200, "Connection: close"))
        await writer.drain()

    async with scripted(answer) as server:
        provider.show(server)
        result = await provider.call()
    assert result.duration_ms == 234.568
    assert (await provider.the_record()).duration_ms == 1234.568
    total = b'tools_provider_tool_call_duration_seconds_sum{outcome="ok",source="pizzeria"} 1.2345'
    assert total in provider.telemetry.render_prometheus()


@pytest.mark.parametrize("upstream_timeout", [0.05])
async def test_an_upstream_has_only_so_long_to_answer(provider: Provider) -> None:
    async def hang(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async with scripted(hang) as server:
        provider.show(server)
        with pytest.raises(DeadlineExceeded) as failure:
            await provider.call()
    assert failure.value.code == "upstream_timeout"
    assert (await provider.the_record()).outcome == "upstream_timeout"


async def test_the_second_call_uses_the_cached_token(provider: Provider) -> None:
    async with scripted(ok(b"{}")) as server:
        provider.show(server, scopes=("orders",))
        for _ in range(3):
            await provider.call()
    assert bearers(server) == ["exchanged-1"] * 3
    assert provider.issuing.asked == [ExchangeTarget("pizzeria-backend", ("orders",))]


def show_with_files(provider: Provider, own: Scripted, files: Scripted, audience: str | None, **source: Any) -> None:
    """The pizzeria, with an operation `get_file` at another origin."""
    other = Authority(1, files.address, "token_exchange" if audience else "none", audience, ("files:read",))
    there = replace(an_operation("get_file", path="/file"), server=f"{files.address}/v1")
    shown = a_source("pizzeria", own.address, other_servers=(other,), **source)
    provider.catalog.put(shown, [an_operation("get_menu", properties=MENU), there])


async def test_another_server_of_a_source_gets_a_token_of_its_own_audience(provider: Provider) -> None:
    async with scripted(ok(b"{}")) as own, scripted(ok(b"{}")) as files:
        show_with_files(provider, own, files, "files", scopes=("orders",))
        for _ in range(2):
            await provider.call()
            await provider.call(tool="pizzeria/get_file")
    assert provider.issuing.asked == [
        ExchangeTarget("pizzeria-backend", ("orders",)),
        ExchangeTarget("files", ("files:read",)),
    ]
    assert bearers(own) == ["exchanged-1"] * 2
    assert bearers(files) == ["exchanged-2"] * 2
    assert [target_of(head) for head in files.heads] == ["/v1/file"] * 2
    audiences = [(record.tool, record.audience) for record in await provider.records()]
    assert audiences[:2] == [("pizzeria/get_file", "files"), ("pizzeria/get_menu", "pizzeria-backend")]


async def test_another_server_of_a_source_that_fails_keeps_nobody_from_its_own(provider: Provider) -> None:
    async with scripted(ok(b"{}")) as own, scripted(status(503)) as files:
        show_with_files(provider, own, files, "files")
        for _ in range(5):
            await provider.call(tool="pizzeria/get_file")
        with pytest.raises(Unavailable):
            await provider.call(tool="pizzeria/get_file")
        assert not (await provider.call()).is_error


@pytest.mark.parametrize("auth_type", ["token_exchange", "passthrough"])
async def test_another_server_without_an_audience_gets_no_token(
    provider: Provider, auth_type: Literal["token_exchange", "passthrough"]
) -> None:
    async with scripted(ok(b"{}")) as own, scripted(ok(b"{}")) as files:
        show_with_files(provider, own, files, None, upstream_auth_type=auth_type)
        await provider.call(tool="pizzeria/get_file")
        await provider.call()
    assert bearers(files) == [None]
    assert bearers(own) == ["exchanged-1" if auth_type == "token_exchange" else "agent-token"]
    record = (await provider.records())[1]
    assert (record.tool, record.audience, record.passthrough) == ("pizzeria/get_file", None, False)


async def test_a_token_that_another_server_refuses_is_the_one_that_is_forgotten(provider: Provider) -> None:
    async with scripted(ok(b"{}")) as own, scripted(status(401)) as files:
        show_with_files(provider, own, files, "files")
        for tool in ("pizzeria/get_menu", "pizzeria/get_file", "pizzeria/get_file", "pizzeria/get_menu"):
            await provider.call(tool=tool)
    assert bearers(files) == ["exchanged-2", "exchanged-2", "exchanged-3"]
    assert bearers(own) == ["exchanged-1", "exchanged-1"]


async def test_a_null_that_means_left_out_is_not_sent(provider: Provider) -> None:
    async with scripted(ok(b"{}")) as server:
        provider.show(server)
        await provider.call({"category": None, "vegan": True})
    assert target_of(server.heads[0]) == "/menu?vegan=true"


async def test_wrong_arguments_send_nothing_and_stay_out_of_the_record(provider: Provider) -> None:
    async with scripted(ok(b"{}")) as server:
        provider.show(server)
        with pytest.raises(Invalid) as refused:
            await provider.call({"vegan": "secret-argument", "secret-name": 1})
    assert refused.value.code == "invalid_arguments"
    assert {violation.pointer for violation in refused.value.violations} == {"/vegan", "/secret-name"}
    assert server.connections == 0
    assert provider.issuing.asked == []
    record = await provider.the_record()
    assert (record.kind, record.outcome, record.detail) == ("refusal", "invalid_arguments", None)
    assert "secret" not in repr(record)


async def test_what_would_grow_too_large_on_the_wire_is_refused_before_a_token_is_asked_for(provider: Provider) -> None:
    note = an_operation("note", "post", body=Body("text/plain", required=True, argument="text"))
    note = replace(note, input_schema={"type": "object", "properties": {"text": {"type": "string"}}})
    async with scripted(ok(b"{}")) as server:
        provider.catalog.put(a_source("pizzeria", server.address), [note])
        with pytest.raises(TooLarge) as refused:
            await provider.call({"text": "a" * (REQUEST_BYTES + 1)}, tool="pizzeria/note")
        assert refused.value.code == "request_too_large"
        assert "1,024 bytes (UPSTREAM_REQUEST_BYTES)" in refused.value.detail
        assert (server.connections, provider.issuing.asked) == (0, [])
        record = await provider.the_record()
        assert (record.kind, record.outcome) == ("refusal", "request_too_large")
        await provider.call({"text": "a" * REQUEST_BYTES}, tool="pizzeria/note")
    assert server.connections == 1


async def test_a_pass_through_source_gets_the_agents_own_token_and_is_counted(provider: Provider) -> None:
    async with scripted(ok(b"{}")) as server:
        provider.show(server, upstream_auth_type="passthrough", default_audience=None)
        await provider.call()
    assert bearers(server) == ["agent-token"]
    assert provider.issuing.asked == []
    record = await provider.the_record()
    assert (record.passthrough, record.exchanged_token_id, record.audience) == (True, None, None)
    assert b'tools_provider_passthrough_count_total{source="pizzeria"} 1.0' in provider.telemetry.render_prometheus()


@pytest.mark.parametrize("passthrough", ["deny"])
async def test_pass_through_can_be_denied(provider: Provider) -> None:
    async with scripted(ok(b"{}")) as server:
        provider.show(server, upstream_auth_type="passthrough", default_audience=None)
        with pytest.raises(NotPermitted) as refused:
            await provider.call()
    assert refused.value.code == "passthrough_denied"
    assert server.connections == 0
    record = await provider.the_record()
    assert (record.kind, record.outcome) == ("refusal", "passthrough_denied")


async def test_a_source_of_type_none_gets_no_token(provider: Provider) -> None:
    async with scripted(ok(b"{}")) as server:
        provider.show(server, upstream_auth_type="none", default_audience=None)
        await provider.call()
    assert bearers(server) == [None]
    record = await provider.the_record()
    assert (record.passthrough, record.exchanged_token_id) == (False, None)


async def test_an_exchange_without_an_audience_never_becomes_pass_through(provider: Provider) -> None:
    async with scripted(ok(b"{}")) as server:
        provider.show(server, default_audience=None)
        with pytest.raises(BadAnswer) as failure:
            await provider.call()
    assert failure.value.code == "exchange_audience_not_found"
    assert "default_audience" in failure.value.detail
    assert server.connections == 0


async def test_a_refused_exchange_sends_nothing(provider: Provider) -> None:
    async with scripted(ok(b"{}")) as server:
        provider.show(server)
        provider.issuing.failure = NotPermitted("exchange_audience_not_available", "Ask an admin.")
        with pytest.raises(NotPermitted):
            await provider.call()
    assert server.connections == 0
    assert provider.refused == []
    record = await provider.the_record()
    assert (record.kind, record.outcome, record.detail) == (
        "refusal",
        "exchange_audience_not_available",
        "Ask an admin.",
    )


async def test_a_failing_identity_provider_is_a_failed_call(provider: Provider) -> None:
    async with scripted(ok(b"{}")) as server:
        provider.show(server)
        provider.issuing.failure = BadAnswer("exchange_client_rejected", "Correct the secret.")
        with pytest.raises(BadAnswer):
            await provider.call()
    record = await provider.the_record()
    assert (record.kind, record.outcome, record.detail) == ("call", "exchange_client_rejected", "Correct the secret.")


async def test_a_token_that_the_identity_provider_does_not_take_is_refused_from_then_on(provider: Provider) -> None:
    agent = an_agent()
    async with scripted(ok(b"{}")) as server:
        provider.show(server)
        provider.issuing.failure = InvalidAgentToken("token_revoked", "Sign in again.")
        with pytest.raises(InvalidAgentToken):
            await provider.call(agent=agent)
    assert provider.refused == [agent]
    assert server.connections == 0
    assert (await provider.the_record()).outcome == "token_revoked"


class Revoking:
    """Answers 401 to the tokens of `revoked`, 200 to others."""

    def __init__(self, *revoked: str) -> None:
        self.revoked = set(revoked)

    async def __call__(self, _reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = self.server.heads[-1]
        token = next(line.split(" ")[2] for line in head.split("\r\n") if line.lower().startswith("authorization:"))
        writer.write(status(401 if token in self.revoked else 200, "Connection: close"))
        await writer.drain()

    server: Scripted


async def revoke_between_two_calls(provider: Provider, method: str, *revoked: str) -> tuple[ToolResult, Scripted]:
    revoking = Revoking()
    async with scripted(revoking) as server:
        revoking.server = server
        provider.show(server, method=method)
        await provider.call()
        revoking.revoked = set(revoked)
        return await provider.call(), server


@pytest.mark.parametrize("method", ["get", "head", "options"])
async def test_a_cached_token_that_the_upstream_refuses_is_exchanged_anew_once(provider: Provider, method: str) -> None:
    result, server = await revoke_between_two_calls(provider, method, "exchanged-1")
    assert result.upstream_status == 200
    assert bearers(server) == ["exchanged-1", "exchanged-1", "exchanged-2"]
    records = await provider.records()
    assert [record.exchanged_token_id for record in records] == ["jti-exchanged-2", "jti-exchanged-1"]


async def test_an_upstream_that_also_refuses_the_new_token_is_believed(provider: Provider) -> None:
    result, server = await revoke_between_two_calls(provider, "get", "exchanged-1", "exchanged-2")
    assert (result.upstream_status, result.is_error) == (401, True)
    assert bearers(server) == ["exchanged-1", "exchanged-1", "exchanged-2"]
    record = (await provider.records())[0]
    assert (record.kind, record.outcome, record.upstream_status) == ("call", "upstream_error", 401)


@pytest.mark.parametrize("method", ["post", "put", "patch", "delete"])
async def test_what_may_not_be_repeated_is_not_but_the_token_is_forgotten(provider: Provider, method: str) -> None:
    result, server = await revoke_between_two_calls(provider, method, "exchanged-1")
    assert result.upstream_status == 401
    assert bearers(server) == ["exchanged-1", "exchanged-1"]
    assert len(provider.issuing.asked) == 1
    async with scripted(ok(b"{}")) as healthy:
        provider.show(healthy, method=method)
        await provider.call()
    assert bearers(healthy) == ["exchanged-2"]


async def test_a_fresh_token_that_is_refused_is_not_exchanged_again(provider: Provider) -> None:
    async with scripted(status(401)) as server:
        provider.show(server)
        assert (await provider.call()).upstream_status == 401
    assert bearers(server) == ["exchanged-1"]
    assert len(provider.issuing.asked) == 1


async def test_a_refused_agent_token_of_a_pass_through_source_is_told_as_it_is(provider: Provider) -> None:
    async with scripted(status(401)) as server:
        provider.show(server, upstream_auth_type="passthrough", default_audience=None)
        assert (await provider.call()).upstream_status == 401
    assert len(server.heads) == 1
    assert provider.refused == []


async def test_an_error_of_the_upstream_is_a_result(provider: Provider) -> None:
    async with scripted(status(500)) as server:
        provider.show(server)
        result = await provider.call()
    assert (result.upstream_status, result.is_error) == (500, True)
    record = await provider.the_record()
    assert (record.kind, record.outcome, record.upstream_status) == ("call", "upstream_error", 500)


async def test_an_upstream_that_breaks_off_is_recorded(provider: Provider) -> None:
    async with scripted(b"nonsense\r\n\r\n") as server:
        provider.show(server)
        with pytest.raises(BadAnswer):
            await provider.call()
    record = await provider.the_record()
    assert (record.kind, record.outcome, record.upstream_status) == ("call", "upstream_broken", None)
    assert record.exchanged_token_id == "jti-exchanged-1"


async def test_a_token_that_is_echoed_does_not_reach_the_agent(provider: Provider) -> None:
    async with scripted(ok(b'{"you sent": "exchanged-1"}')) as server:
        provider.show(server)
        result = await provider.call()
    assert "exchanged-1" not in result.raw.decode()


async def test_a_call_that_is_cancelled_is_recorded(provider: Provider) -> None:
    arrived = asyncio.Event()

    async def hang(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        arrived.set()
        await reader.read()

    async with scripted(hang) as server:
        provider.show(server)
        call = asyncio.create_task(provider.call())
        await arrived.wait()
        call.cancel()
        await asyncio.wait([call])
    assert call.cancelled()
    record = await provider.the_record()
    assert (record.kind, record.outcome) == ("call", "cancelled")
