"""Spans and log lines as an OTLP receiver gets them, over HTTP and by the protocol's own bytes."""

from collections.abc import Iterator
from uuid import UUID

import msgspec
import pytest

from infra import otlp as exporting
from infra.folder import free_port
from infra.settings import Settings
from infra.shipping import Logged, NotTaken
from infra.tracing import Kind, Span, Trace
from tests.infra.receivers import Otlp, otlp

ID = UUID(hex="0af7651916cd43dd8448eb211c80319c")
AT = Trace(ID, 0x1234, sampled=True)


@pytest.fixture
def receiver() -> Iterator[Otlp]:
    with otlp() as one:
        yield one


def settings(receiver: Otlp) -> Settings:
    return Settings(
        otel_exporter_otlp_endpoint=f"{receiver.url}/",
        otel_exporter_otlp_headers="x-tenant=a, authorization=Basic%20b",
    )


def test_a_span_arrives_whole(receiver: Otlp) -> None:
    first = Span(AT, 0, "commit", Kind.INTERNAL, 1_000, 3_000, {"commands": 2})
    link = Trace(UUID(int=5), 6, sampled=True)
    second = Span(
        msgspec.structs.replace(AT, span=7), 0x1234, "GET /x", Kind.SERVER, 0, 9, {}, link, "500"
    )
    exporting.spans(settings(receiver), "api")([first, second])
    one, other = receiver.spans
    assert (one.service, one.name, one.trace, one.span) == (
        "formula-api",
        "commit",
        ID.hex,
        "0" * 12 + "1234",
    )
    assert (one.parent, one.attributes, one.took, one.error) == ("", {"commands": 2}, 2_000, "")
    assert (other.parent, other.kind, other.error) == (one.span, 2, "500")
    assert other.links == ((link.id.hex, "0" * 15 + "6"),)
    assert receiver.headers[0]["X-Tenant"] == "a"
    assert receiver.headers[0]["Authorization"] == "Basic b"


def test_a_line_arrives_with_its_trace(receiver: Otlp) -> None:
    values = {
        "event": "listening",
        "level": "warning",
        "logger": "api.main",
        "port": 5014,
        "ports": [1, 2],
        "trace_id": ID.hex,
        "span_id": "0" * 12 + "1234",
    }
    exporting.logs(settings(receiver), "worker")([Logged(5, values), Logged(6, {"event": "x"})])
    line, bare = receiver.logs
    assert (line.service, line.name, line.level) == ("formula-worker", "listening", "warning")
    assert (line.trace, line.span) == (ID.hex, "0" * 12 + "1234")
    assert line.attributes == {"logger": "api.main", "port": 5014, "ports": "[1,2]"}
    assert (bare.name, bare.trace) == ("x", "")


def test_what_is_not_taken_is_said(receiver: Otlp) -> None:
    logs, spans = (
        exporting.logs(settings(receiver), "api"),
        exporting.spans(settings(receiver), "api"),
    )
    line, span = Logged(5, {"event": "x"}), Span(AT, 0, "x", Kind.INTERNAL, 0, 1)
    for status, error in ((400, NotTaken), (404, NotTaken), (503, OSError), (429, OSError)):
        receiver.status = status
        with pytest.raises(error):
            logs([line])
        with pytest.raises(error):
            spans([span])


def test_a_receiver_that_is_away_is_said() -> None:
    away = Settings(otel_exporter_otlp_endpoint=f"http://127.0.0.1:{free_port()}")
    with pytest.raises(OSError, match="refused"):
        exporting.logs(away, "api")([Logged(5, {"event": "x"})])
