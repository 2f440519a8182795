"""Metrics and spans under the promised names, and nothing in them that operators must not see."""

import logging
import socket
import time
from collections.abc import Iterator

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from prometheus_client.parser import text_string_to_metric_families

from app.errors import BadAnswer
from app.telemetry import Telemetry, current_trace_id, trace_headers


@pytest.fixture
def exported() -> InMemorySpanExporter:
    return InMemorySpanExporter()


@pytest.fixture
def telemetry(exported: InMemorySpanExporter) -> Iterator[Telemetry]:
    telemetry = Telemetry(span_processors=[SimpleSpanProcessor(exported)])
    yield telemetry
    telemetry.shutdown()


def samples(telemetry: Telemetry) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(telemetry.render_prometheus().decode())
        for sample in family.samples
        if sample.name.startswith("tools_provider")
    }


def test_an_exchange_is_counted_and_timed(telemetry: Telemetry) -> None:
    telemetry.exchange_sent(audience="pizzeria", seconds=0.25, error=None)
    telemetry.exchange_sent(audience="pizzeria", seconds=0.5, error="idp_broken")
    telemetry.exchange_cache_hit(audience="pizzeria")
    seen = samples(telemetry)
    audience = (("audience", "pizzeria"),)
    assert seen["tools_provider_token_exchange_count_total", audience] == 2
    assert seen["tools_provider_token_exchange_duration_seconds_count", audience] == 2
    assert seen["tools_provider_token_exchange_duration_seconds_sum", audience] == 0.75
    assert seen["tools_provider_token_exchange_errors_total", (*audience, ("error", "idp_broken"))] == 1
    assert seen["tools_provider_token_exchange_cache_hits_total", audience] == 1


def test_a_breaker_is_shown_with_its_state_until_it_is_gone(telemetry: Telemetry) -> None:
    key = ("tools_provider_circuit_breaker_state", (("name", "upstream:pizzeria"),))
    for state, number in (("open", 1), ("half_open", 2), ("open", 1), ("closed", 0)):
        telemetry.breaker_changed("upstream:pizzeria", state)  # type: ignore[arg-type]
        assert samples(telemetry)[key] == number
    assert samples(telemetry)["tools_provider_circuit_breaker_opens_total", key[1]] == 2
    assert telemetry.breaker_states() == {"upstream:pizzeria": "closed"}
    telemetry.breaker_removed("upstream:pizzeria")
    assert key not in samples(telemetry)


def test_calls_are_timed_by_source_and_outcome_and_pass_through_is_counted(telemetry: Telemetry) -> None:
    telemetry.tool_called(source="pizzeria", outcome="ok", seconds=0.1)
    telemetry.tool_called(source="pizzeria", outcome="upstream_timeout", seconds=30)
    telemetry.passthrough_called(source="hours")
    telemetry.audit_unsaved(3)
    seen = samples(telemetry)
    name = "tools_provider_tool_call_duration_seconds_count"
    assert seen[name, (("outcome", "ok"), ("source", "pizzeria"))] == 1
    assert seen[name, (("outcome", "upstream_timeout"), ("source", "pizzeria"))] == 1
    assert seen["tools_provider_passthrough_count_total", (("source", "hours"),)] == 1
    assert seen["tools_provider_audit_unsaved_total", ()] == 3


def test_two_instances_in_one_process_count_by_themselves(telemetry: Telemetry) -> None:
    other = Telemetry()
    telemetry.passthrough_called(source="hours")
    other.passthrough_called(source="hours")
    key = ("tools_provider_passthrough_count_total", (("source", "hours"),))
    assert samples(telemetry)[key] == samples(other)[key] == 1
    other.shutdown()


def test_spans_of_libraries_and_of_a_later_instance_are_one_trace(
    telemetry: Telemetry, exported: InMemorySpanExporter
) -> None:
    with trace.get_tracer("mcp-python-sdk").start_as_current_span("tools/call"):
        outer = current_trace_id()
        with telemetry.span("execute_tool"):
            assert current_trace_id() == outer is not None
    (span,) = exported.get_finished_spans()
    assert span.name == "execute_tool"
    assert span.parent is not None


def test_a_failed_span_carries_the_code_and_never_the_text(
    telemetry: Telemetry, exported: InMemorySpanExporter
) -> None:
    with pytest.raises(BadAnswer), telemetry.span("execute_tool", **{"tools_provider.source": "pizzeria"}):
        raise BadAnswer("upstream_broken", "secret-text")
    with pytest.raises(ValueError, match="secret-text"), telemetry.span("execute_tool"):
        raise ValueError("secret-text")
    known, unknown = exported.get_finished_spans()
    assert known.status.description == "upstream_broken"
    assert unknown.status.description == "ValueError"
    assert known.attributes == {"tools_provider.source": "pizzeria"}
    assert "secret-text" not in known.to_json() + unknown.to_json()


def test_a_remote_trace_is_continued_and_passed_on_without_its_baggage(telemetry: Telemetry) -> None:
    trace_id = "4bf92f3577b34da6a3ce929d0e0e4736"
    traceparent = f"00-{trace_id}-00f067aa0ba902b7-01"
    headers = [(b"traceparent", traceparent.encode()), (b"tracestate", b"v=1"), (b"baggage", b"user=jo")]
    with telemetry.remote_parent(headers), telemetry.span("GET /api/"):
        assert current_trace_id() == trace_id
        sent = trace_headers()
    assert sent.keys() == {"traceparent", "tracestate"}
    assert sent["traceparent"].split("-")[1] == trace_id
    assert sent["traceparent"] != traceparent


@pytest.mark.parametrize("traceparent", ["", "x", "00-0-0-0", "00-" + "0" * 32 + "-00f067aa0ba902b7-01", "é" * 9])
def test_a_broken_traceparent_begins_a_new_trace(telemetry: Telemetry, traceparent: str) -> None:
    with telemetry.remote_parent([(b"traceparent", traceparent.encode())]), telemetry.span("GET /api/"):
        trace_id = current_trace_id()
        assert trace_id is not None
        assert len(trace_id) == 32


def test_outside_a_span_there_is_no_trace() -> None:
    assert current_trace_id() is None
    assert trace_headers() == {}


@pytest.mark.extended
def test_an_unreachable_collector_neither_blocks_nor_floods_the_log(caplog: pytest.LogCaptureFixture) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        endpoint = f"http://127.0.0.1:{unused.getsockname()[1]}"
    telemetry = Telemetry(otlp_endpoint=endpoint)
    started = time.monotonic()
    with caplog.at_level(logging.WARNING):
        for _ in range(2_000):
            with telemetry.span("execute_tool"):
                telemetry.tool_called(source="pizzeria", outcome="ok", seconds=0.1)
        recorded = time.monotonic() - started
        telemetry.shutdown()
    assert recorded < 4
    assert time.monotonic() - started < 12
    assert len(caplog.records) <= 4
