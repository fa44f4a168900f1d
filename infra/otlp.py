"""Spans and log lines as OpenTelemetry has them, sent by its SDK's exporters over OTLP/HTTP.

Imported in a shipper's thread, where a receiver is set: the SDK takes half a second to load.
"""

from importlib.metadata import version
from uuid import UUID

from opentelemetry import trace as api
from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk._logs import ReadableLogRecord
from opentelemetry.sdk._logs.export import LogRecordExportResult
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExportResult
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace.status import Status, StatusCode

from infra.settings import Settings
from infra.shipping import Logged, NotTaken, Send, as_json
from infra.tracing import Kind, Span, Trace

SCOPE = InstrumentationScope("formula", version("formula"))
SAMPLED = api.TraceFlags(api.TraceFlags.SAMPLED)
KINDS = {Kind.SERVER: api.SpanKind.SERVER, Kind.CONSUMER: api.SpanKind.CONSUMER}
SEVERITIES = {
    "debug": SeverityNumber.DEBUG,
    "info": SeverityNumber.INFO,
    "warning": SeverityNumber.WARN,
    "error": SeverityNumber.ERROR,
    "critical": SeverityNumber.FATAL,
}


def spans(settings: Settings, role: str) -> Send[Span]:
    exporter = OTLPSpanExporter(f"{_base(settings)}/v1/traces", headers=_headers(settings))
    resource = _resource(role)

    def send(batch: list[Span]) -> None:
        """The exporter waits for a receiver that is away, ten seconds at the most."""
        if exporter.export([_span(one, resource) for one in batch]) is not SpanExportResult.SUCCESS:
            raise NotTaken("spans")

    return send


def logs(settings: Settings, role: str) -> Send[Logged]:
    exporter = OTLPLogExporter(f"{_base(settings)}/v1/logs", headers=_headers(settings))
    resource = _resource(role)

    def send(batch: list[Logged]) -> None:
        records = [ReadableLogRecord(_record(one), resource, SCOPE) for one in batch]
        if exporter.export(records) is not LogRecordExportResult.SUCCESS:
            raise NotTaken("logs")

    return send


def _base(settings: Settings) -> str:
    return settings.otel_exporter_otlp_endpoint.rstrip("/")


def _headers(settings: Settings) -> dict[str, str]:
    pairs = (pair.partition("=") for pair in settings.otel_exporter_otlp_headers.split(","))
    return {name.strip(): value.strip() for name, _, value in pairs if value}


def _resource(role: str) -> Resource:
    """The SDK adds what OTEL_RESOURCE_ATTRIBUTES says."""
    return Resource.create({"service.name": f"formula-{role}", "service.namespace": "formula"})


def _context(at: Trace, span: int) -> api.SpanContext:
    return api.SpanContext(at.id.int, span, is_remote=False, trace_flags=SAMPLED)


def _span(one: Span, resource: Resource) -> ReadableSpan:
    return ReadableSpan(
        one.name,
        _context(one.at, one.at.span),
        _context(one.at, one.parent) if one.parent else None,
        resource,
        one.attributes,
        links=[api.Link(_context(one.link, one.link.span))] if one.link else [],
        kind=KINDS.get(one.kind, api.SpanKind.INTERNAL),
        status=Status(StatusCode.ERROR, one.error) if one.error else Status(StatusCode.UNSET),
        start_time=one.start,
        end_time=one.end,
        instrumentation_scope=SCOPE,
    )


def _record(one: Logged) -> LogRecord:
    values = one.values
    level, event = str(values.get("level")), str(values.get("event"))
    record = LogRecord(
        timestamp=one.at,
        severity_text=level,
        severity_number=SEVERITIES.get(level, SeverityNumber.INFO),
        body=event,
        attributes={
            name: value if isinstance(value, str | int | float) else as_json(value)
            for name, value in values.items()
            if name not in ("event", "level", "timestamp", "trace_id", "span_id")
        },
    )
    if trace := values.get("trace_id"):
        record.trace_id = UUID(hex=str(trace)).int
        record.span_id = int(str(values.get("span_id", "0")), 16)
    return record
