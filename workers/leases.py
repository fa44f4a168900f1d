"""Leases of running jobs, renewed in a thread of its own.

A job that keeps the event loop busy must not lose what it works at: it would run twice.
"""

import asyncio
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self
from uuid import UUID

import psycopg
import structlog
from psycopg.conninfo import make_conninfo

from infra.jobs.working import RENEW, renewal

RENEWALS = 4  # within a lease
STUCK_S = 60.0  # a loop that is busy for longer will not come back
# A renewal need not outlive a crash of Postgres: nobody is declared lost right after one.
OPTIONS = "-c synchronous_commit=off -c statement_timeout=2s -c application_name=formula-leases"

log = structlog.get_logger()


class Leases:
    """What this process holds; `lost(job, attempt)` hears in the loop of what it no longer does."""

    def __init__(
        self, conninfo: str, worker: UUID, lease_s: float, lost: Callable[[UUID, int], None]
    ) -> None:
        self.held: dict[UUID, int] = {}  # attempts by job
        self._conninfo = make_conninfo(conninfo, options=OPTIONS, connect_timeout=2)
        self._worker = worker
        self._lease_s = lease_s
        self._lost = lost
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="leases", daemon=True)
        self._loop = asyncio.get_running_loop()
        self._beaten_at = time.monotonic()

    async def __aenter__(self) -> Self:
        self._thread.start()
        return self

    async def __aexit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        self._stop.set()
        await asyncio.to_thread(self._thread.join)

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                with psycopg.connect(self._conninfo, autocommit=True) as db:
                    self._renew(db)
            except (psycopg.Error, OSError) as error:
                log.warning("leases_not_renewed", jobs=len(self.held), error=str(error).strip())
                self._stop.wait(self._lease_s / RENEWALS)

    def _renew(self, db: psycopg.Connection[Any]) -> None:
        while not self._stop.wait(self._lease_s / RENEWALS):
            held = self.held.copy()
            self._loop.call_soon_threadsafe(self._beat)
            if not held or self._is_stuck():
                continue
            values = renewal(self._worker, held, self._lease_s)
            kept = {id_ for (id_,) in db.execute(RENEW, values).fetchall()}
            for job in held.keys() - kept:
                self._loop.call_soon_threadsafe(self._lost, job, held[job])

    def _beat(self) -> None:
        self._beaten_at = time.monotonic()

    def _is_stuck(self) -> bool:
        """The loop does nothing any more: others must have what is held here."""
        silent_s = time.monotonic() - self._beaten_at
        if silent_s < STUCK_S:
            return False
        log.error("loop_is_stuck", seconds=round(silent_s), jobs=len(self.held))
        return True
