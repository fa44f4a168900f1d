"""Telemetry on its way out: taken without waiting, sent in batches by a thread of its own.

What does not fit is dropped and counted: a receiver that is away costs nobody anything else.
"""

import atexit
from collections import deque
from collections.abc import Callable
from threading import Event, Thread
from typing import Any, Generic, TypeAlias, TypeVar

import msgspec
import structlog

from infra.metrics import Counters

MOST = 8_192  # that wait
BATCH = 256  # small: converting it holds the interpreter that the event loop needs
EVERY_S = 1.0  # what waits goes out so often; a whole batch at once
BACK_OFF_S = (0.2, 0.5, 1.0, 2.0, 5.0)
CLOSE_S = 2.0  # for the last of it, when the process ends

DROPPED = Counters("formula_telemetry_dropped_total", "that no receiver took", "what")

T = TypeVar("T")
Send: TypeAlias = Callable[[list[T]], None]

log = structlog.get_logger()


class NotTaken(Exception):
    """The receiver does not want this batch: it is not sent again."""


class Logged(msgspec.Struct, frozen=True):
    """A log line on its way."""

    at: int  # nanoseconds
    values: dict[str, Any]


def as_json(values: object, **_: object) -> str:
    return msgspec.json.encode(values, enc_hook=repr).decode()


class Shipper(Generic[T]):
    """`open` runs in the thread, for it may import much; what it returns sends a batch.

    That raises OSError where the receiver is away: what it has left in the batch is sent again,
    later and later.
    """

    def __init__(self, what: str, open_: Callable[[], Send[T]], most: int = MOST) -> None:
        self._what, self._open, self._most = what, open_, most
        self._waiting: deque[T] = deque()
        self._news, self._closing = Event(), Event()
        self._send: Send[T] | None = None
        self._well = True
        self._thread = Thread(target=self._run, name=f"ship {what}", daemon=True)
        self._thread.start()
        atexit.register(self.close)

    def put(self, one: T) -> None:
        """From any thread; never waits."""
        if len(self._waiting) >= self._most:
            DROPPED.add(self._what)
            return
        self._waiting.append(one)
        if len(self._waiting) >= BATCH:
            self._news.set()

    def close(self, within_s: float = CLOSE_S) -> None:
        """Send what waits, if that goes at once."""
        atexit.unregister(self.close)
        self._closing.set()
        self._news.set()
        self._thread.join(within_s)

    def _run(self) -> None:
        last = False
        while not last:
            self._news.wait(EVERY_S)
            self._news.clear()
            last = self._closing.is_set()
            while self._waiting:
                count = min(len(self._waiting), BATCH)
                self._deliver([self._waiting.popleft() for _ in range(count)])

    def _deliver(self, batch: list[T]) -> None:
        failures = 0
        while True:
            try:
                self._send = self._send or self._open()
                self._send(batch)
            except OSError as error:
                self._note(error)
                pause = BACK_OFF_S[min(failures, len(BACK_OFF_S) - 1)]
                failures += 1
                if not self._closing.wait(pause):
                    continue
                DROPPED.add(self._what, len(batch))
            except Exception as error:  # noqa: BLE001, a batch that cannot be sent is one batch
                self._note(error)
                DROPPED.add(self._what, len(batch))
            else:
                self._note(None)
            return

    def _note(self, error: Exception | None) -> None:
        """A line when it begins to fail, and one when it goes again: none for each batch."""
        if self._well and error is not None:
            log.warning("telemetry_not_shipped", what=self._what, error=repr(error))
        elif not self._well and error is None:
            dropped = DROPPED.values.get(self._what, 0)
            log.info("telemetry_shipped_again", what=self._what, dropped=dropped)
        self._well = error is None
