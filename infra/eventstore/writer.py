"""The group-committing writer: any number of callers, one transaction for all that wait.

While one batch commits (one round trip, one fsync) the next one gathers; there is no timer, so
an idle store adds no wait and a busy one makes large batches by itself. A batch that has grown
large while it waited is sent behind the one that commits, so that Postgres finds it ready.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from itertools import islice
from time import time_ns

import msgspec
import psycopg
import structlog
from psycopg.pq.abc import PGresult

from domain.kernel import Metadata
from infra.eventstore.batch import (
    STATEMENTS,
    TYPES,
    answers,
    append_statement,
    motion_statement,
    recorded,
    recorded_statement,
)
from infra.eventstore.codec import NEVER
from infra.eventstore.pipe import Answer, Pipe, Statement, open_pipe, rows
from infra.eventstore.queue import (
    MAX_BATCH,
    Command,
    MotionKey,
    MotionRow,
    Queue,
    motion_key,
    prepare,
    prepare_motion,
)
from infra.eventstore.types import Appended, Motion, Repeated, StoreOverloaded, To
from infra.tracing import share

MAX_MOTION = 10_000  # (participation, tag) pairs waiting; newer replace older
DEPTH = 2  # batches on their way
WORTH = 4  # commands that are worth a transaction of their own while another one commits
CLOSE_S = 10.0  # what is not stored so long after `close` is given up
BACK_OFF_S = (0.05, 0.1, 0.2, 0.5, 1.0, 2.0)

log = structlog.get_logger()

# Plans never depend on the arrays: planning them anew cost a quarter of an append. Made over an
# empty log they must use the indexes all the same, for they are kept while it grows.
SESSION = (
    "-c lock_timeout=10s -c transaction_timeout=30s -c synchronous_commit=on"
    " -c plan_cache_mode=force_generic_plan -c jit=off"
    " -c enable_seqscan=off -c enable_bitmapscan=off"
)


class _Sent(msgspec.Struct, eq=False):
    """A transaction on its way; what it holds goes again if the connection is lost."""

    commands: Sequence[Command]
    motion: Sequence[MotionRow] = ()
    at: int = msgspec.field(default_factory=time_ns)


@contextmanager
def _telling(commands: Sequence[Command]) -> Generator[None]:
    """Whatever goes wrong here, their callers hear of it: nothing else would answer them."""
    try:
        yield
    except Exception as error:
        log.exception("batch_failed", commands=len(commands))
        for command in commands:
            command.settle(error)


class Writer:
    """One for each process and database. `run` must be running for appends to finish."""

    def __init__(self, conninfo: str, *, compress_above: int = NEVER) -> None:
        self._loop = asyncio.get_running_loop()
        self._conninfo = conninfo
        self._compress_above = compress_above
        self._queue = Queue()
        self._motion: dict[MotionKey, MotionRow] = {}
        self._sent: deque[_Sent] = deque()
        self._pipe: Pipe | None = None
        self._pumping = self._resting = self._closing = self._gave_up = False
        self._failures = 0  # since the last batch that was stored
        self._finished = asyncio.Event()

    async def append(self, metadata: Metadata, *parts: To) -> Appended:
        """Store every part or none; returns once they are durable.

        Raises Conflict, Repeated (the command id is stored already), StoreOverloaded, BadAppend,
        and codec's UnknownTag, TooLarge, HasNul. `metadata.command_id` is required. A caller who
        is cancelled takes the command back if it was not sent yet; otherwise the command id tells
        what became of it.
        """
        if self._queue.full or self._closing:
            raise StoreOverloaded
        command = prepare(metadata, parts, self._compress_above)
        self._queue.put(command)
        self._schedule()
        return await command.done

    def append_motion(self, motion: Motion) -> None:
        """Queue a fact; what is newer for the same participation and tag replaces it."""
        key, row = prepare_motion(motion)
        if key in self._motion or len(self._motion) < MAX_MOTION:
            self._motion[key] = row
            self._schedule()

    async def run(self) -> None:
        """Commit batches until `close`; a lost connection is opened again, nothing is given up."""
        try:
            while not self._is_finished():
                try:
                    await self._work(await open_pipe(self._conninfo, SESSION, STATEMENTS, TYPES))
                except Exception as error:  # noqa: BLE001, without it nobody could append again
                    log.warning("writer_not_connected", error=str(error).strip())
                if not self._is_finished():
                    await asyncio.sleep(self._back_off())
        finally:
            self._closing = True
            for command in self._queue.take_all():
                command.settle(StoreOverloaded())

    def close(self) -> None:
        """Take no more appends; `run` returns when those that wait are stored, or CLOSE_S later."""
        self._closing = True
        if self._is_finished():
            self._finished.set()
        else:
            self._loop.call_later(CLOSE_S, self._give_up)

    def cut(self) -> None:
        """Leave this connection: Postgres is away, and what is on its way goes again."""
        if self._pipe is not None:
            self._pipe.cut()

    def _give_up(self) -> None:
        self._gave_up = True
        self._finished.set()

    async def _work(self, pipe: Pipe) -> None:
        """Send and answer over this connection until it is lost or all is done."""
        self._pipe, self._resting = pipe, False
        finished = asyncio.ensure_future(self._finished.wait())
        try:
            self._pump()
            await asyncio.wait({finished, pipe.lost}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            finished.cancel()
            self._pipe = None
            await pipe.close()
            if self._sent:
                log.warning("append_retried", error=pipe.lost.result())
            while self._sent:  # it may be committed: the command ids tell, when it goes again
                sent = self._sent.pop()
                for command in sent.commands:
                    command.sent = True
                self._put_back(sent)

    def _is_finished(self) -> bool:
        return self._gave_up or (self._closing and not (self._queue or self._motion or self._sent))

    def _put_back(self, sent: _Sent) -> None:
        self._queue.put_back(sent.commands)
        for row in sent.motion:
            self._motion.setdefault(motion_key(row), row)

    def _schedule(self) -> None:
        """Pump at the end of this turn of the loop: who appends in it shares the batch."""
        if not self._pumping:
            self._pumping = True
            self._loop.call_soon(self._pump)

    def _pump(self) -> None:
        self._pumping = False
        while self._pipe is not None and self._is_worth_it():
            self._send_batch(self._pipe)
        if self._is_finished():
            self._finished.set()

    def _is_worth_it(self) -> bool:
        """Anything is, while Postgres idles; much is, while it commits."""
        if self._resting or len(self._sent) >= DEPTH:
            return False
        return bool(self._queue or self._motion) if not self._sent else len(self._queue) >= WORTH

    def _send_batch(self, pipe: Pipe) -> None:
        """Durable commands first, of those that wait or are on their way each batch its share."""
        unanswered = len(self._queue) + sum(len(sent.commands) for sent in self._sent)
        commands = self._queue.take(max(WORTH, unanswered // DEPTH))
        alone = any(command.alone for command in commands)  # a refusal must be its own
        room = 0 if alone else max(MAX_BATCH - len(commands), 0)
        motion = [self._motion.pop(key) for key in list(islice(self._motion, room))]
        with _telling(commands):
            statements: list[Statement] = []
            if commands:
                statements.append(append_statement(commands, pipe.oids))
            if motion:
                statements.append(motion_statement(motion))
            if statements:
                self._send(pipe, _Sent(commands, motion), self._stored, *statements)

    def _send(
        self,
        pipe: Pipe,
        sent: _Sent,
        stored: Callable[[_Sent, Sequence[PGresult]], None],
        *statements: Statement,
    ) -> None:
        def answered(answer: Answer) -> None:
            self._sent.popleft()
            if isinstance(answer, psycopg.Error):
                self._refused(sent, answer)
            else:
                self._failures = 0
                with _telling(sent.commands):
                    stored(sent, answer)
            self._schedule()

        self._sent.append(sent)
        pipe.send(answered, *statements)

    def _stored(self, sent: _Sent, results: Sequence[PGresult]) -> None:
        if not sent.commands:  # motion alone
            return
        traces = (command.trace for command in sent.commands if command.trace)
        share("commit", traces, sent.at, {"commands": len(sent.commands)})
        for command, answer in answers(sent.commands, rows(results[0])[0]):
            if command.sent and isinstance(answer, Repeated):
                self._ask_what_it_stored(command)
            else:
                command.settle(answer)

    def _ask_what_it_stored(self, command: Command) -> None:
        """A connection was lost over it, and it had been committed."""
        if self._pipe is None:
            self._queue.put_back([command])
        else:
            statement = recorded_statement(command)
            self._send(self._pipe, _Sent([command]), self._recorded, statement)

    def _recorded(self, sent: _Sent, results: Sequence[PGresult]) -> None:
        sent.commands[0].settle(recorded(rows(results[0])[0]))

    def _refused(self, sent: _Sent, error: psycopg.Error) -> None:
        """Nothing of it was stored: it goes again, or only the command at fault fails."""
        log.warning("append_refused", commands=len(sent.commands), error=str(error).strip())
        if isinstance(error, psycopg.OperationalError):  # a lock's time-out, a full disk
            self._put_back(sent)
            self._rest()
        elif len(sent.commands) > 1 or sent.motion:  # facts are not worth a second try
            for command in sent.commands:
                command.alone = True
            self._queue.put_back(sent.commands)
        else:
            sent.commands[0].settle(error)

    def _rest(self) -> None:
        if not self._resting:
            self._resting = True
            self._loop.call_later(self._back_off(), self._wake)

    def _wake(self) -> None:
        self._resting = False
        self._schedule()

    def _back_off(self) -> float:
        """Seconds; longer with every failure."""
        self._failures += 1
        return BACK_OFF_S[min(self._failures, len(BACK_OFF_S)) - 1]
