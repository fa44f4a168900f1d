"""Logging: structlog for us and, through the same processors, for the libraries' own loggers.

Lines go to stderr, and where the settings say so to a syslog or OTLP receiver.
"""

import logging
import sys
from collections.abc import Sequence
from functools import partial
from time import time_ns

import structlog
from structlog.processors import ExceptionRenderer
from structlog.stdlib import ProcessorFormatter
from structlog.tracebacks import ExceptionDictTransformer
from structlog.typing import EventDict, Processor, WrappedLogger

from infra import loggers, tracing
from infra.redaction import redacting
from infra.settings import Settings
from infra.shipping import Logged, Shipper, as_json
from infra.syslog import Syslog

CHATTY = (
    "httpx",
    "httpcore",
    "websockets",
    "taskiq",
    "botocore",
    "asyncio",
    "uvicorn",
    "urllib3",
)  # below warning


def observe(settings: Settings, role: str) -> None:
    """Logs of this process, and its traces where somebody collects them."""
    configure_logging(settings, role)
    if settings.otel_exporter_otlp_endpoint:
        spans = Shipper[tracing.Span]("spans", lambda: _otlp().spans(settings, role))
        tracing.record(spans.put, settings.otel_traces_sampler_arg)


def configure_logging(settings: Settings, role: str = "formula") -> None:
    """One line an event on stderr: JSON, or for `pretty` what people read."""
    pretty = settings.log_format == "pretty"
    level = logging.getLevelNamesMapping()[settings.log_level.upper()]
    shared = [*_shared(pretty=pretty), redacting(settings)]
    last = [*_shipping(settings, role), _renderer(pretty=pretty)]
    structlog.configure(
        processors=[structlog.contextvars.merge_contextvars, loggers.add_name, *shared, *last],
        wrapper_class=loggers.bound,  # pyright: ignore[reportArgumentType]  # it makes one
        logger_factory=loggers.output,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        ProcessorFormatter(
            foreign_pre_chain=[
                structlog.contextvars.merge_contextvars,
                structlog.stdlib.add_logger_name,
                *_shared(pretty=pretty),
            ],
            # redacted last: a library's exception is put into words by the formatter
            processors=[ProcessorFormatter.remove_processors_meta, redacting(settings), *last],
        )
    )
    logging.basicConfig(handlers=[handler], level=level, force=True)
    chatty = dict.fromkeys(CHATTY, max(level, logging.WARNING))
    loggers.use({"": level, **chatty})


def _shared(*, pretty: bool) -> list[Processor]:
    """What every event goes through. Tracebacks show no locals: those hold tokens and mails."""
    return [
        structlog.processors.add_log_level,
        add_trace,
        structlog.processors.TimeStamper(fmt="%H:%M:%S.%f" if pretty else "iso", utc=True),
        structlog.processors.format_exc_info
        if pretty
        else ExceptionRenderer(ExceptionDictTransformer(show_locals=False)),
    ]


def add_trace(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    if trace := tracing.current():
        event["trace_id"] = trace.id.hex
        if trace.span:
            event["span_id"] = f"{trace.span:016x}"
    return event


def _renderer(*, pretty: bool) -> Processor:
    if pretty:
        return structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    return structlog.processors.JSONRenderer(serializer=as_json)


def _shipping(settings: Settings, role: str) -> Sequence[Processor]:
    """Hands each line to the shippers that there are."""
    shippers: list[Shipper[Logged]] = []
    if url := settings.log_syslog_url:
        shippers.append(Shipper("syslog", partial(Syslog, url, f"formula-{role}")))
    if settings.otel_exporter_otlp_endpoint and settings.otel_logs_exporter == "otlp":
        shippers.append(Shipper("logs", lambda: _otlp().logs(settings, role)))

    def ship(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        logged = Logged(time_ns(), dict(event))
        for shipper in shippers:
            shipper.put(logged)
        return event

    return [ship] if shippers else []


def _otlp():
    from infra import otlp  # noqa: PLC0415, only where there is a receiver, in its thread

    return otlp
