"""Spans and log lines by OpenTelemetry's protocol, over HTTP (OTLP 1.x, binary protobuf).

Made from the protocol's own definition: by way of the SDK's objects a span costs nine times as
much of the interpreter that the event loop needs, and the SDK half a second to load.
"""

from collections.abc import Iterable, Mapping
from http import HTTPStatus
from importlib.metadata import version
from typing import Any
from urllib.error import HTTPError
from urllib.parse import unquote
from urllib.request import ProxyHandler, Request, build_opener
from uuid import UUID

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, InstrumentationScope, KeyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord, ResourceLogs, ScopeLogs, SeverityNumber
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Status
from opentelemetry.proto.trace.v1.trace_pb2 import Span as Sent

from infra.settings import Settings
from infra.shipping import Logged, NotTaken, Send, as_json
from infra.tracing import Span

PATIENCE_S = 10.0
SCOPE = InstrumentationScope(name="formula", version=version("formula"))
SEVERITIES = {
    "debug": SeverityNumber.SEVERITY_NUMBER_DEBUG,
    "info": SeverityNumber.SEVERITY_NUMBER_INFO,
    "warning": SeverityNumber.SEVERITY_NUMBER_WARN,
    "error": SeverityNumber.SEVERITY_NUMBER_ERROR,
    "critical": SeverityNumber.SEVERITY_NUMBER_FATAL,
}
# Fields of a log line that have a place of their own.
PLACED = ("event", "level", "timestamp", "trace_id", "span_id")
# What a receiver answers that will take the same batch later.
LATER = (
    HTTPStatus.TOO_MANY_REQUESTS,
    HTTPStatus.BAD_GATEWAY,
    HTTPStatus.SERVICE_UNAVAILABLE,
    HTTPStatus.GATEWAY_TIMEOUT,
)


def spans(settings: Settings, role: str) -> Send[Span]:
    post, resource = _Post(settings, "v1/traces"), _resource(role)

    def send(batch: list[Span]) -> None:
        scope = ScopeSpans(scope=SCOPE, spans=[_span(one) for one in batch])
        whole = ResourceSpans(resource=resource, scope_spans=[scope])
        post(ExportTraceServiceRequest(resource_spans=[whole]).SerializeToString())

    return send


def logs(settings: Settings, role: str) -> Send[Logged]:
    post, resource = _Post(settings, "v1/logs"), _resource(role)

    def send(batch: list[Logged]) -> None:
        scope = ScopeLogs(scope=SCOPE, log_records=[_record(one) for one in batch])
        whole = ResourceLogs(resource=resource, scope_logs=[scope])
        post(ExportLogsServiceRequest(resource_logs=[whole]).SerializeToString())

    return send


class _Post:
    """Raises OSError where the receiver is away or full, NotTaken where it does not want it."""

    def __init__(self, settings: Settings, path: str) -> None:
        self._url = f"{settings.otel_exporter_otlp_endpoint.rstrip('/')}/{path}"
        self._headers = {"Content-Type": "application/x-protobuf", **_headers(settings)}
        self._opener = build_opener(ProxyHandler({}))

    def __call__(self, body: bytes) -> None:
        # the setting's pattern lets in http(s) alone
        request = Request(self._url, body, self._headers, method="POST")  # noqa: S310
        try:
            with self._opener.open(request, timeout=PATIENCE_S) as answer:
                answer.read()
        except HTTPError as error:
            error.close()
            if error.code in LATER:
                raise
            raise NotTaken(f"{error.code} at {self._url}") from None


def _headers(settings: Settings) -> dict[str, str]:
    """As W3C Baggage is written: values percent-encoded."""
    pairs = (pair.partition("=") for pair in settings.otel_exporter_otlp_headers.split(","))
    return {name.strip(): unquote(value.strip()) for name, _, value in pairs if value}


def _resource(role: str) -> Resource:
    names = {"service.name": f"formula-{role}", "service.namespace": "formula"}
    return Resource(attributes=_attributes(names.items()))


def _attributes(values: Iterable[tuple[str, Any]]) -> list[KeyValue]:
    return [KeyValue(key=name, value=_value(value)) for name, value in values]


def _value(value: object) -> AnyValue:
    match value:
        case str():
            return AnyValue(string_value=value)
        case bool():
            return AnyValue(bool_value=value)
        case int() if abs(value) < 1 << 63:
            return AnyValue(int_value=value)
        case float():
            return AnyValue(double_value=value)
        case _:
            return AnyValue(string_value=as_json(value))


def _span(one: Span) -> Sent:
    link = one.link
    links = [Sent.Link(trace_id=link.id.bytes, span_id=_id(link.span))] if link else []
    return Sent(
        trace_id=one.at.id.bytes,
        span_id=_id(one.at.span),
        parent_span_id=_id(one.parent) if one.parent else b"",
        name=one.name,
        kind=Sent.SpanKind.ValueType(one.kind),
        start_time_unix_nano=one.start,
        end_time_unix_nano=one.end,
        attributes=_attributes(one.attributes.items()),
        links=links,
        status=Status(code=Status.STATUS_CODE_ERROR, message=one.error) if one.error else None,
    )


def _id(span: int) -> bytes:
    return span.to_bytes(8)


def _record(one: Logged) -> LogRecord:
    values: Mapping[str, Any] = one.values
    level = str(values.get("level"))
    trace = values.get("trace_id")
    return LogRecord(
        time_unix_nano=one.at,
        observed_time_unix_nano=one.at,
        severity_text=level,
        severity_number=SEVERITIES.get(level, SEVERITIES["info"]),
        body=AnyValue(string_value=str(values.get("event"))),
        attributes=_attributes((name, values[name]) for name in values if name not in PLACED),
        trace_id=UUID(hex=str(trace)).bytes if trace else b"",
        span_id=bytes.fromhex(str(values.get("span_id", ""))),
    )
