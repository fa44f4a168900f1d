"""Traces: one id from a request to all that follows, and spans where somebody collects them.

The id is always there: it is the `trace` of events' metadata and the `trace_id` of log lines.
Spans are made for sampled traces alone, and shipped by infra/otlp.py. What sampled commands
store has their span's id in its metadata, so that who works on their events can go on from it.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from contextvars import ContextVar, Token
from enum import IntEnum
from itertools import islice
from random import Random
from time import time_ns
from types import TracebackType
from typing import Self, TypeAlias
from uuid import UUID

import msgspec

from domain.kernel import Event, Recorded

Attributes: TypeAlias = Mapping[str, str | int]

MOST_SHARED = 100  # traces that a batch's work is shown in
SAMPLED = 1  # of traceparent's flags
LOT = 1 << 56  # of the id's random bits (W3C Trace Context, level 2)

# https://www.w3.org/TR/trace-context/#traceparent-header: a later version may say more behind it
_PARENT = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")

_bits = Random().getrandbits  # noqa: S311, an id is no secret


class Kind(IntEnum):
    """OpenTelemetry's kinds of spans."""

    INTERNAL = 1
    SERVER = 2
    CLIENT = 3
    CONSUMER = 5


class Trace(msgspec.Struct, frozen=True, gc=False):
    """Where we are: `span` is the one that is open, 0 for none."""

    id: UUID
    span: int = 0
    sampled: bool = False

    @property
    def traceparent(self) -> str:
        """For whoever is asked next, where a span is open; else ""."""
        return f"00-{self.id.hex}-{self.span:016x}-{SAMPLED:02x}" if self.span else ""


class Span(msgspec.Struct, frozen=True):
    """A piece of work that is over. Times in nanoseconds."""

    at: Trace
    parent: int  # 0: none
    name: str
    kind: Kind
    start: int
    end: int
    attributes: Attributes = {}
    link: Trace | None = None
    error: str = ""


class _Recording(msgspec.Struct):
    """By this process: like logging, one for all of it."""

    ship: Callable[[Span], None] | None = None
    below: int = 0  # ids with a smaller lot are sampled


_recording = _Recording()
_current: ContextVar[Trace | None] = ContextVar("trace", default=None)


def record(ship: Callable[[Span], None] | None, ratio: float = 0.0) -> None:
    """From now on hand spans to `ship`; that share of the traces whose callers leave it to us."""
    _recording.ship, _recording.below = ship, int(ratio * LOT)


def current() -> Trace | None:
    return _current.get()


def begun(traceparent: str = "", otherwise: UUID | None = None) -> Trace:
    """The caller's trace where that can be read, else a new one, with the id given if one is.

    Whether a new one is sampled follows from its id: every process comes to the same.
    """
    if traceparent and (given := _parsed(traceparent)):
        return given
    id_ = otherwise or UUID(int=_bits(128))
    sampled = _recording.ship is not None and id_.int % LOT < _recording.below
    return Trace(id_, sampled=sampled)


def _parsed(traceparent: str) -> Trace | None:
    found = _PARENT.fullmatch(traceparent)
    if found is None:
        return None
    version, trace, span, flags, more = found.groups()
    trace, span = int(trace, 16), int(span, 16)
    if version == "ff" or (version == "00" and more) or not trace or not span:
        return None
    sampled = _recording.ship is not None and bool(int(flags, 16) & SAMPLED)
    return Trace(UUID(int=trace), span, sampled)


def followed(id_: UUID | None, span: int | None = None, otherwise: UUID | None = None) -> Trace:
    """The trace of what was stored; the current one if it is that, or if nothing was."""
    here = _current.get()
    if here is not None and (id_ is None or here.id == id_):
        return here
    if id_ is None or span is None:
        return begun(otherwise=id_ or otherwise)
    return Trace(id_, span, sampled=_recording.ship is not None)


def sampled() -> Trace | None:
    """The current trace, where its spans are collected."""
    here = _current.get()
    return here if here is not None and here.sampled else None


def of_events(events: Iterable[Recorded[Event]]) -> dict[int, Trace]:
    """The traces of those that a sampled command stored, by their positions."""
    if _recording.ship is None:
        return {}
    return {
        one.position: Trace(one.meta.trace, one.meta.span, sampled=True)
        for one in events
        if one.meta.span and one.meta.trace
    }


class span:  # noqa: N801, it is used as a function is
    """A piece of work: `with span("command") as open: …`, in the current trace or in `trace`.

    An error that leaves it is named by its class alone: what it says may be nobody's business.
    """

    __slots__ = ("_parent", "_start", "_token", "attributes", "error", "kind", "name", "trace")

    def __init__(self, name: str, trace: Trace | None = None, kind: Kind = Kind.INTERNAL) -> None:
        self.name, self.kind, self.error = name, kind, ""
        self.trace = trace or _current.get() or begun()
        self.attributes: dict[str, str | int] = {}
        self._parent = self._start = 0
        self._token: Token[Trace | None] | None = None

    def __enter__(self) -> Self:
        if self.trace.sampled:
            self._parent, self._start = self.trace.span, time_ns()
            self.trace = Trace(self.trace.id, _new_span(), sampled=True)
        self._token = _current.set(self.trace)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._token is not None:
            _current.reset(self._token)
        if self.trace.sampled and _recording.ship is not None:
            failed = self.error or ("" if kind is None else kind.__name__)
            _recording.ship(
                Span(
                    self.trace,
                    self._parent,
                    self.name,
                    self.kind,
                    self._start,
                    time_ns(),
                    self.attributes,
                    error=failed,
                )
            )

    @property
    def stored(self) -> int | None:
        """For the metadata of what is stored in it."""
        return self.trace.span if self.trace.sampled else None


class Passing(msgspec.Struct, frozen=True, gc=False):
    """In place of a span that nobody would see: it costs next to nothing."""

    trace: Trace
    stored: None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing to tell."""


def doing(name: str, trace: Trace) -> "span | Passing":
    """A command's span, where it is sampled."""
    return span(name, trace) if trace.sampled else Passing(trace)


def serving(name: str, traceparent: str, otherwise: UUID | None) -> AbstractContextManager[object]:
    """A span for who asks; nothing, and no id made, where nobody collects and none is named.

    Commands then have traces of their own.
    """
    if not traceparent and _recording.ship is None:
        return nullcontext()
    return span(name, begun(traceparent, otherwise), Kind.SERVER)


def share(
    name: str,
    traces: Iterable[Trace],
    start: int,
    attributes: Attributes,
    kind: Kind = Kind.INTERNAL,
) -> None:
    """Show work that was done at once for many in the trace of each; all link to the first."""
    if _recording.ship is None:
        return
    end, first = time_ns(), None
    for trace in islice(dict.fromkeys(traces), MOST_SHARED):
        at = Trace(trace.id, _new_span(), sampled=True)
        _recording.ship(Span(at, trace.span, name, kind, start, end, attributes, link=first))
        first = first or at


def _new_span() -> int:
    """Of 63 bits, for it is kept in a bigint."""
    return _bits(63) or 1
