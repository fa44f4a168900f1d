"""Receivers of telemetry: OTLP over HTTP, decoded by the protocol's own definition, and syslog."""

import json
import re
import socket
import threading
from collections.abc import Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import msgspec
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Status


class Received(msgspec.Struct, frozen=True):
    """A span or a log line; ids in hexadecimal."""

    service: str
    name: str
    trace: str
    span: str
    parent: str = ""
    kind: int = 0
    links: tuple[tuple[str, str], ...] = ()
    attributes: dict[str, Any] = {}
    error: str = ""
    took: int = 0  # nanoseconds
    level: str = ""


class Otlp:
    """What came, in the order in which it came."""

    def __init__(self) -> None:
        self.spans: list[Received] = []
        self.logs: list[Received] = []
        self.headers: list[dict[str, str]] = []
        self.status = 200  # that is answered
        self.url = ""

    def take(self, path: str, body: bytes) -> None:
        if path == "/v1/traces":
            self.spans += _spans(ExportTraceServiceRequest.FromString(body))
        elif path == "/v1/logs":
            self.logs += _logs(ExportLogsServiceRequest.FromString(body))
        else:
            raise LookupError(path)


def _spans(request: ExportTraceServiceRequest) -> Generator[Received]:
    for resource in request.resource_spans:
        service = _values(resource.resource.attributes)["service.name"]
        for one in [span for scope in resource.scope_spans for span in scope.spans]:
            yield Received(
                service,
                one.name,
                one.trace_id.hex(),
                one.span_id.hex(),
                one.parent_span_id.hex(),
                one.kind,
                tuple((link.trace_id.hex(), link.span_id.hex()) for link in one.links),
                _values(one.attributes),
                one.status.message if one.status.code == Status.STATUS_CODE_ERROR else "",
                one.end_time_unix_nano - one.start_time_unix_nano,
            )


def _logs(request: ExportLogsServiceRequest) -> Generator[Received]:
    for resource in request.resource_logs:
        service = _values(resource.resource.attributes)["service.name"]
        for one in [line for scope in resource.scope_logs for line in scope.log_records]:
            yield Received(
                service,
                one.body.string_value,
                one.trace_id.hex(),
                one.span_id.hex(),
                attributes=_values(one.attributes),
                level=one.severity_text,
            )


def _values(attributes: Any) -> dict[str, Any]:
    pairs: list[KeyValue] = list(attributes)
    return {one.key: getattr(one.value, one.value.WhichOneof("value") or "") for one in pairs}


@contextmanager
def otlp() -> Generator[Otlp]:
    """A receiver on a port of its own."""
    received = Otlp()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            assert self.headers["Content-Type"] == "application/x-protobuf"
            if received.status == 200:
                received.take(self.path, body)
                received.headers.append(dict(self.headers))
            self.send_response(received.status)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002, its name there
            """Says nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    serving = threading.Thread(target=server.serve_forever, daemon=True)
    serving.start()
    received.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield received
    finally:
        server.shutdown()
        server.server_close()
        serving.join()


# RFC 5424, 6: <PRI>VERSION TIMESTAMP HOSTNAME APP-NAME PROCID MSGID STRUCTURED-DATA MSG in UTF-8
_MESSAGE = re.compile(
    rb"<(?P<priority>0|[1-9]\d{0,2})>1 "
    rb"(?P<at>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{1,6}(?:Z|[+-]\d\d:\d\d)) "
    rb"(?P<host>[!-~]{1,255}) (?P<app>[!-~]{1,48}) (?P<pid>[!-~]{1,128}) (?P<id>[!-~]{1,32}) - "
    rb"\xef\xbb\xbf(?P<text>.*)"
)


class Message(msgspec.Struct, frozen=True):
    facility: int
    severity: int
    app: str
    id: str
    text: str

    @property
    def values(self) -> dict[str, Any]:
        return json.loads(self.text)


def parsed(data: bytes) -> Message:
    """By the standard's grammar and nothing looser."""
    found = _MESSAGE.fullmatch(data)
    assert found is not None, data
    facility, severity = divmod(int(found["priority"]), 8)
    assert facility <= 23
    return Message(
        facility, severity, found["app"].decode(), found["id"].decode(), found["text"].decode()
    )


def counted(stream: bytes) -> list[bytes]:
    """The messages of a TCP stream by octet counting (RFC 6587, 3.4.1); the last may be cut."""
    messages: list[bytes] = []
    while found := re.match(rb"([1-9]\d*) ", stream):
        end = found.end() + int(found[1])
        if end > len(stream):
            break
        messages.append(stream[found.end() : end])
        stream = stream[end:]
    return messages


def bound(kind: socket.SocketKind, path: str = "") -> socket.socket:
    """A socket that receives, on loopback or at the path."""
    opened = socket.socket(socket.AF_UNIX if path else socket.AF_INET, kind)
    opened.bind(path or ("127.0.0.1", 0))
    opened.settimeout(20.0)
    return opened
