"""A circuit breaker: what does not answer is left alone for a while, then tried by one caller."""

import time
from collections.abc import Callable, Generator
from contextlib import contextmanager

import structlog

from domain.errors import Refused
from infra.blobs.model import Unavailable

FAILURES = 3  # in a row
REST_S = 10.0

log = structlog.get_logger()


class Breaker:
    """Closed; open after FAILURES in a row; after REST_S one attempt is let through and decides."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._failures = 0
        self._rests_until = 0.0
        self._probing = False

    @contextmanager
    def attempt(self) -> Generator[None]:
        """Raises Unavailable at once while it is open. In it, an Unavailable is a failure."""
        self._admit()
        try:
            yield
        except Unavailable as error:
            self._failed(error)
            raise
        except Refused:  # an answer
            self._succeeded()
            raise
        except BaseException:  # the caller's own: says nothing
            self._probing = False
            raise
        else:
            self._succeeded()

    def trip(self) -> None:
        """Open now: whoever was let down must find another way when trying again."""
        self._failures = max(self._failures, FAILURES)
        self._rests_until = self._clock() + REST_S

    def reset(self) -> None:
        """Closed again: it was asked, and answers."""
        self._succeeded()

    @property
    def is_open(self) -> bool:
        return self._failures >= FAILURES and self._clock() < self._rests_until

    def _admit(self) -> None:
        if self._failures < FAILURES:
            return
        left = self._rests_until - self._clock()
        if left > 0 or self._probing:
            raise Unavailable("S3 could not be reached", max(left, 1.0))
        self._probing = True

    def _failed(self, error: Unavailable) -> None:
        self._failures += 1
        self._probing = False
        if self._failures >= FAILURES:
            if not self.is_open:
                log.warning("s3_left_alone", seconds=REST_S, why=str(error))
            self._rests_until = self._clock() + REST_S

    def _succeeded(self) -> None:
        if self._failures >= FAILURES:
            log.info("s3_back")
        self._failures = 0
        self._probing = False
