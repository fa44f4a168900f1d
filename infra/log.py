"""Logging: structlog for us and, through the same processors, for the libraries' own loggers."""

import logging
import sys

import msgspec
import structlog
from structlog.processors import ExceptionRenderer
from structlog.stdlib import ProcessorFormatter
from structlog.tracebacks import ExceptionDictTransformer
from structlog.typing import Processor

from infra.settings import Settings

CHATTY = (
    "httpx",
    "httpcore",
    "websockets",
    "taskiq",
    "botocore",
    "asyncio",
    "uvicorn",
)  # below warning


def configure_logging(settings: Settings) -> None:
    """One line an event on stderr: JSON, or for `pretty` what people read."""
    level = logging.getLevelNamesMapping()[settings.log_level.upper()]
    shared = _shared(pretty=settings.log_format == "pretty")
    renderer = _renderer(pretty=settings.log_format == "pretty")
    structlog.configure(
        processors=[*shared, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *shared],
            processors=[ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    logging.basicConfig(handlers=[handler], level=level, force=True)
    for name in CHATTY:
        logging.getLogger(name).setLevel(max(level, logging.WARNING))


def _shared(*, pretty: bool) -> list[Processor]:
    """What every event goes through. Tracebacks show no locals: those hold tokens and mails."""
    return [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="%H:%M:%S.%f" if pretty else "iso", utc=True),
        *([] if pretty else [ExceptionRenderer(ExceptionDictTransformer(show_locals=False))]),
    ]


def _renderer(*, pretty: bool) -> Processor:
    if pretty:
        return structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
        )
    return structlog.processors.JSONRenderer(serializer=_json)


def _json(event: dict[str, object], **_: object) -> str:
    return msgspec.json.encode(event, enc_hook=repr).decode()
