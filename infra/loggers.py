"""Named loggers whose levels change while they are in use.

The levels are the standard library's, by its hierarchy of names; ours take them over as methods,
so that a line below the level costs a call that does nothing.
"""

import inspect
import logging
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TextIO

import structlog
from structlog.typing import EventDict, WrappedLogger

METHODS = ("debug", "info", "warning", "error", "critical")

_classes: dict[str, type[Any]] = {}  # by logger
_usual: dict[str, int] = {}  # levels of the settings
_asked: dict[str, str] = {}  # levels that operators want for now


class Output(structlog.WriteLogger):
    """Knows the module that it writes for."""

    def __init__(self, file: TextIO, name: str) -> None:
        super().__init__(file)
        self.name = name


def output(*_: Any) -> Output:
    """structlog's logger_factory: named by the module that logs, found when it first does."""
    others = (name for name in _callers() if name != __name__ and not name.startswith("structlog"))
    return Output(sys.stderr, next(others, ""))


def _callers() -> Iterator[str]:
    """The modules of this stack, innermost first; a program's by its own name, not `__main__`."""
    frame = inspect.currentframe()
    while frame is not None:
        spec = frame.f_globals.get("__spec__")
        yield str(getattr(spec, "name", None) or frame.f_globals.get("__name__", ""))
        frame = frame.f_back


def bound(logger: Output, **parts: Any) -> Any:
    """structlog's wrapper_class: of each name its own, for its methods are the level."""
    kind = _classes.get(logger.name)
    if kind is None:
        kind = _classes[logger.name] = _made(logger.name)
    return kind(logger, **parts)


def add_name(logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    if isinstance(logger, Output):
        event["logger"] = logger.name
    return event


def use(levels: Mapping[str, int]) -> None:
    """The settings' levels; the name of all is empty."""
    _usual.clear()
    _usual.update(levels)
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)
    _refresh()


def ask(levels: Mapping[str, str]) -> bool:
    """Levels for now; those that were asked for before and are not among them go back.

    Whether that changes anything.
    """
    if levels == _asked:
        return False
    for name in _asked.keys() - levels.keys():
        logging.getLogger(name).setLevel(_usual.get(name, logging.NOTSET))
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level.upper())
    _asked.clear()
    _asked.update(levels)
    _refresh()
    return True


def _made(name: str) -> type[Any]:
    kind = type("Logger", (structlog.make_filtering_bound_logger(logging.NOTSET),), {})
    _set_level(kind, name)
    return kind


def _refresh() -> None:
    for name, kind in _classes.items():
        _set_level(kind, name)


def _set_level(kind: type[Any], name: str) -> None:
    filtering = structlog.make_filtering_bound_logger(logging.getLogger(name).getEffectiveLevel())
    for method in METHODS:
        does: Callable[..., Any] = getattr(filtering, method)
        setattr(kind, method, does)
