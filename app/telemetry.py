"""Metrics and spans, under the names that the guide promises.

No subject, path, argument or token ever becomes a label or an attribute: labels are audiences, slugs, breaker names and
stable codes, so that their number is bounded by the configuration.
"""

import logging
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from importlib.metadata import entry_points
from threading import Thread
from types import TracebackType
from typing import Any, Literal

from opentelemetry import context, trace
from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.metrics import CallbackOptions, Observation
from opentelemetry.sdk.metrics import AlwaysOffExemplarFilter, MeterProvider
from opentelemetry.sdk.metrics.export import MetricReader, PeriodicExportingMetricReader
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, DEFAULT_ON, ParentBased
from opentelemetry.trace import Span, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest

from app.errors import ToolsProviderError

BreakerState = Literal["closed", "open", "half_open"]

_BREAKER_STATES: Mapping[BreakerState, int] = {"closed": 0, "open": 1, "half_open": 2}
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_COLLECTOR_TIMEOUT = 5.0  # seconds; an unreachable collector delays nothing but the end of the process
_COLLECTOR_COMPLAINT_EVERY = 60.0  # seconds
_TRACE_CONTEXT = TraceContextTextMapPropagator()
_TRACE_HEADERS = frozenset(name.encode() for name in _TRACE_CONTEXT.fields)


class Telemetry:
    """Records every metric and span of the product; `render_prometheus` shows the metrics, OTLP sends both.

    The first instance of a process whose spans somebody takes also becomes OpenTelemetry's global tracer provider,
    because the MCP SDK traces through that one. Spans of a later instance still join the trace that is current.
    """

    def __init__(
        self,
        service_name: str = "tools-provider",
        otlp_endpoint: str = "",
        span_processors: Sequence[SpanProcessor] = (),
    ) -> None:
        resource = Resource.create({SERVICE_NAME: service_name})
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        readers: list[MetricReader] = [PrometheusMetricReader(scope_info_enabled=False, registry=self._registry)]
        processors = list(span_processors)
        if otlp_endpoint:
            _complain_rarely("opentelemetry.exporter.otlp.proto.grpc.exporter")
            readers.append(PeriodicExportingMetricReader(_otlp_exporter("metrics", otlp_endpoint)))
            processors.append(BatchSpanProcessor(_otlp_exporter("traces", otlp_endpoint)))
        # Where nobody takes spans, only their ids are needed, and those of callers who sample keep their mark.
        sampler = DEFAULT_ON if processors else ParentBased(ALWAYS_OFF)
        self._tracers = TracerProvider(sampler=sampler, resource=resource, shutdown_on_exit=False)
        for processor in processors:
            self._tracers.add_span_processor(processor)
        self._meters = MeterProvider(
            metric_readers=readers,
            resource=resource,
            shutdown_on_exit=False,
            exemplar_filter=AlwaysOffExemplarFilter(),
        )
        if processors and isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider):
            trace.set_tracer_provider(self._tracers)
        self._tracer = self._tracers.get_tracer("tools_provider")
        self._breakers: dict[str, BreakerState] = {}
        self._labels: dict[tuple[str, str], Mapping[str, str]] = {}
        self._create_instruments()

    def _create_instruments(self) -> None:
        meter = self._meters.get_meter("tools_provider")
        self._exchanges = meter.create_counter(
            "tools_provider.token_exchange.count", description="Token exchanges sent to the identity provider"
        )
        self._exchange_seconds = meter.create_histogram(
            "tools_provider.token_exchange.duration",
            unit="s",
            description="How long token exchanges took",
            explicit_bucket_boundaries_advisory=_SECONDS,
        )
        self._exchange_errors = meter.create_counter(
            "tools_provider.token_exchange.errors", description="Token exchanges that gave no token, by code"
        )
        self._cache_hits = meter.create_counter(
            "tools_provider.token_exchange.cache_hits", description="Exchanged tokens served from the cache"
        )
        meter.create_observable_gauge(
            "tools_provider.circuit_breaker.state",
            callbacks=[self._observe_breakers],
            description="0 closed, 1 open, 2 half-open",
        )
        self._breaker_opens = meter.create_counter(
            "tools_provider.circuit_breaker.opens", description="How often a circuit breaker opened"
        )
        self._call_seconds = meter.create_histogram(
            "tools_provider.tool_call.duration",
            unit="s",
            description="How long tool calls took, by source and outcome",
            explicit_bucket_boundaries_advisory=_SECONDS,
        )
        self._passthroughs = meter.create_counter(
            "tools_provider.passthrough.count", description="Calls that carried the agent's own token to an upstream"
        )

        self._audit_unsaved = meter.create_counter(
            "tools_provider.audit.unsaved", description="Audit records that the database did not take in time"
        )

    def span(self, name: str, **attributes: str | bool | float) -> AbstractContextManager[Span]:
        """Make a span current for the block. A failure marks it with its code, never with the text of an exception."""
        return _CurrentSpan(self._tracer.start_span(name, attributes=attributes))

    def remote_parent(self, headers: Iterable[tuple[bytes, bytes]]) -> AbstractContextManager[None]:
        """Let spans of the block continue the trace that a `traceparent` header names (W3C Trace Context).

        The headers are as ASGI has them. Baggage is not taken: it would travel upstream.
        """
        carried = {name.decode(): value.decode("latin-1") for name, value in headers if name in _TRACE_HEADERS}
        return _Current(_TRACE_CONTEXT.extract(carried))

    def exchange_sent(self, *, audience: str, seconds: float, error: str | None) -> None:
        """Count one request to the token endpoint; `error` is the stable code when it gave no token."""
        labels = self._label("audience", audience)
        self._exchanges.add(1, labels)
        self._exchange_seconds.record(seconds, labels)
        if error is not None:
            self._exchange_errors.add(1, {"audience": audience, "error": error})

    def exchange_cache_hit(self, *, audience: str) -> None:
        """Count one exchanged token that needed no request."""
        self._cache_hits.add(1, self._label("audience", audience))

    def breaker_changed(self, name: str, state: BreakerState) -> None:
        """Show the breaker's new state; opening is counted."""
        self._breakers[name] = state
        if state == "open":
            self._breaker_opens.add(1, self._label("name", name))

    def breaker_removed(self, name: str) -> None:
        """Stop showing a breaker whose source is gone."""
        self._breakers.pop(name, None)

    def breaker_states(self) -> dict[str, BreakerState]:
        """Return the state of every breaker that has changed since the start; the others are closed."""
        return dict(self._breakers)

    def tool_called(self, *, source: str, outcome: str, seconds: float) -> None:
        """Record one call of a tool; `outcome` is that of its audit record."""
        labels = self._labels.get((source, outcome))
        if labels is None:
            labels = self._labels[source, outcome] = {"source": source, "outcome": outcome}
        self._call_seconds.record(seconds, labels)

    def passthrough_called(self, *, source: str) -> None:
        """Count one call that carried the agent's own token."""
        self._passthroughs.add(1, self._label("source", source))

    def audit_unsaved(self, records: int) -> None:
        """Count audit records that went elsewhere than into the database."""
        self._audit_unsaved.add(records)

    def render_prometheus(self) -> bytes:
        """Return all metrics in the Prometheus text format."""
        return generate_latest(self._registry)

    def shutdown(self) -> None:
        """Send what is pending and stop; an unreachable collector is waited for 5 seconds at most."""
        stopping = [Thread(target=provider.shutdown, daemon=True) for provider in (self._tracers, self._meters)]
        for thread in stopping:
            thread.start()
        deadline = time.monotonic() + _COLLECTOR_TIMEOUT
        for thread in stopping:
            thread.join(max(0.0, deadline - time.monotonic()))

    def _label(self, name: str, value: str) -> Mapping[str, str]:
        labels = self._labels.get((name, value))
        if labels is None:
            labels = self._labels[name, value] = {name: value}
        return labels

    def _observe_breakers(self, _options: CallbackOptions) -> Iterable[Observation]:
        return [Observation(_BREAKER_STATES[state], {"name": name}) for name, state in list(self._breakers.items())]


class _Current(AbstractContextManager[None]):
    # Classes, because generators cost more than what they do here, on the path of every call.
    __slots__ = ("_context", "_token")

    def __init__(self, current: context.Context) -> None:
        self._context = current

    def __enter__(self) -> None:
        self._token = context.attach(self._context)

    def __exit__(self, *_: object) -> None:
        context.detach(self._token)


class _CurrentSpan(AbstractContextManager[Span]):
    __slots__ = ("_span", "_token")

    def __init__(self, span: Span) -> None:
        self._span = span

    def __enter__(self) -> Span:
        self._token = context.attach(trace.set_span_in_context(self._span))
        return self._span

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        context.detach(self._token)
        if isinstance(error, ToolsProviderError):
            self._span.set_status(StatusCode.ERROR, error.code)
        elif kind is not None:
            self._span.set_status(StatusCode.ERROR, kind.__name__)
        self._span.end()


def current_trace_id() -> str | None:
    """Return the 32 hex digits of the current trace, or None outside of any span."""
    span_context = trace.get_current_span().get_span_context()
    return f"{span_context.trace_id:032x}" if span_context.is_valid else None


def trace_headers() -> dict[str, str]:
    """Return `traceparent` (and `tracestate`) of the current span for a request that we send; empty outside spans."""
    headers: dict[str, str] = {}
    _TRACE_CONTEXT.inject(headers)
    return headers


def _otlp_exporter(kind: Literal["metrics", "traces"], endpoint: str) -> Any:  # noqa: ANN401
    # By entry point: the gRPC stack costs 21 MB and is only wanted where a collector is configured.
    (entry,) = entry_points(group=f"opentelemetry_{kind}_exporter", name="otlp_proto_grpc")
    return entry.load()(endpoint=endpoint, timeout=_COLLECTOR_TIMEOUT)


class _AtMostEvery(logging.Filter):
    def __init__(self, seconds: float) -> None:
        super().__init__()
        self._seconds = seconds
        self._next = 0.0

    def filter(self, _record: logging.LogRecord) -> bool:
        now = time.monotonic()
        if now < self._next:
            return False
        self._next = now + self._seconds
        return True


def _complain_rarely(logger_name: str) -> None:
    logging.getLogger(logger_name).addFilter(_AtMostEvery(_COLLECTOR_COMPLAINT_EVERY))
