"""A WebSocket that comes back: connect, say hello, send what was not answered again, in order."""

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from contextlib import suppress
from uuid import UUID

import msgspec
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus
from websockets.typing import Subprotocol

from api.client.errors import ClientError, Closed, NotConnected, Refused
from api.client.frames import Frame, read_frame
from api.client.tokens import Tokens
from api.realtime import protocol as p

FIRST_DELAY_S, MOST_DELAY_S = 0.2, 10.0
MOST_FRAME = 16 * 1024 * 1024  # bytes; a snapshot of a large room is large
OPEN_S, CLOSE_S = 10.0, 3.0
VANISHED = 1006  # RFC 6455, 7.1.5: there was no close frame

Hear = Callable[[Frame], Awaitable[None]]
Greet = Callable[[p.Welcome, str], p.Hello]


class Link:
    """Frames out with their answers, frames in to `hear`, one socket after the other.

    `greet` makes the first frame of a connection from the welcome and the token; `ready` is to be
    called once all that hello asked for has been answered.
    """

    def __init__(self, url: str, tokens: Tokens) -> None:
        self._url, self._tokens = url, tokens
        self._socket: ClientConnection | None = None
        self._unanswered: dict[UUID, tuple[bytes, asyncio.Future[Frame]]] = {}
        self._token = ""
        self._wait_s = 0.0  # what the server, or `drop`, asks for before the next connection
        self._failures = 0  # in a row
        self._why = "no answer in time"  # of the newest failure to connect
        self._error: ClientError | None = None
        self._running: asyncio.Task[None] | None = None
        self.connected = asyncio.Event()  # and all rooms joined again

    async def open(self, hear: Hear, greet: Greet, timeout_s: float) -> None:
        """Connected on return. Raises Closed, Refused, and NotConnected after the time-out."""
        self._running = asyncio.create_task(self._run(hear, greet), name="client link")
        connected = asyncio.create_task(self.connected.wait())
        done, _ = await asyncio.wait(
            {self._running, connected}, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED
        )
        connected.cancel()
        if connected not in done:
            error = self._error or NotConnected(f"no connection to {self._url}: {self._why}")
            await self.close()
            raise error

    async def close(self) -> None:
        """Say goodbye; whoever still waits for an answer gets NotConnected."""
        if self._socket is not None:
            await self._socket.close()
        if self._running is not None:
            self._running.cancel()
            await asyncio.gather(self._running, return_exceptions=True)
        self._fail(NotConnected("the connection was closed here"))

    def drop(self, away_s: float) -> None:
        """Cut the connection as a network would, and stay away for a while."""
        self._wait_s = away_s
        if self._socket is not None:
            self._socket.transport.abort()

    async def ask(self, frame: p.ClientFrame, timeout_s: float) -> Frame:
        """The answer to a frame with an id, which makes it safe to send it again: after a drop,
        and after a refusal that passes. Raises Refused, Closed, NotConnected.
        """
        refused: Refused | None = None
        try:
            async with asyncio.timeout(timeout_s):
                while True:
                    try:
                        return await self._answer(frame)
                    except Refused as error:
                        if error.retry_after is None:
                            raise
                        refused = error
                        await asyncio.sleep(error.retry_after)
        except TimeoutError:
            raise refused or NotConnected("no answer in time") from None

    async def tell(self, frame: p.ClientFrame) -> None:
        """Send what needs no answer; lost while there is no connection."""
        if self.connected.is_set():
            await self._send(msgspec.json.encode(frame))

    def answered(self, re: UUID | None, frame: Frame) -> bool:
        """Whether somebody waited for this answer."""
        _, answer = self._unanswered.get(re, (b"", None)) if re else (b"", None)
        if answer is None or answer.done():
            return False
        if isinstance(frame, p.Err):
            answer.set_exception(Refused(frame.code, frame.detail, retry_after=frame.retry_after))
        else:
            answer.set_result(frame)
        return True

    async def ready(self) -> None:
        """Everything is joined again: go on where the last connection ended."""
        self._failures = 0
        unanswered = list(self._unanswered.values())
        self.connected.set()  # what is asked from now on sends itself
        for message, _ in unanswered:
            await self._send(message)

    async def renew(self) -> None:
        """Another token for the connection there is."""
        self._token = await self._tokens.newer(self._token)
        await self.tell(p.Token(token=self._token))

    def wait_before_return(self, delay_s: float) -> None:
        self._wait_s = delay_s

    async def _answer(self, frame: p.ClientFrame) -> Frame:
        if self._error is not None:
            raise self._error
        if frame.id is None:
            raise ValueError("a frame that is asked needs an id")
        message = msgspec.json.encode(frame)
        answer: asyncio.Future[Frame] = asyncio.get_running_loop().create_future()
        self._unanswered[frame.id] = (message, answer)
        try:
            if self.connected.is_set():
                await self._send(message)
            return await answer
        finally:
            del self._unanswered[frame.id]

    async def _send(self, message: bytes) -> None:
        if self._socket is not None:
            with suppress(ConnectionClosed):  # it is sent again, if it matters
                await self._socket.send(message, text=True)

    async def _run(self, hear: Hear, greet: Greet) -> None:
        """Connection after connection, while the table of close codes says to come back."""
        try:
            while True:
                code, reason = await self._once(hear, greet)
                await self._before_return(code, reason)
        except ClientError as error:
            self._fail(error)

    async def _once(self, hear: Hear, greet: Greet) -> tuple[int, str]:
        """One connection, from its opening to its close code."""
        try:
            self._token = self._token or self._tokens.access
            async with self._connect() as socket:
                self._socket = socket
                while True:
                    frame = read_frame(await socket.recv(decode=False))
                    if isinstance(frame, p.Welcome):
                        await self._send(msgspec.json.encode(greet(frame, self._token)))
                    if frame is not None:
                        await hear(frame)
        except ConnectionClosed as closed:
            end = closed.rcvd
            return (end.code, end.reason) if end is not None else (VANISHED, "")
        except InvalidStatus as error:
            return VANISHED, f"HTTP {error.response.status_code}"
        except (OSError, InvalidHandshake) as error:  # TimeoutError is an OSError
            return VANISHED, str(error)
        finally:
            self._socket = None
            self.connected.clear()

    def _connect(self) -> connect:
        return connect(
            self._url,
            additional_headers={"Authorization": f"Bearer {self._token}"},
            subprotocols=[Subprotocol(p.SUBPROTOCOL)],
            compression=None,
            proxy=None,
            max_size=MOST_FRAME,
            open_timeout=OPEN_S,
            close_timeout=CLOSE_S,
        )

    async def _before_return(self, code: int, reason: str) -> None:
        """Wait as long as it takes to be welcome. Raises Closed where one is not."""
        self._failures += 1
        self._why = reason or str(code)
        verdict = p.RECONNECT.get(code, "yes")
        if verdict == "no" or (verdict == "token" and self._failures > 1):
            raise Closed(code, reason)
        if verdict == "token":
            self._token = await self._tokens.newer(self._token)
        self._wait_s, asked_s = 0.0, self._wait_s
        await asyncio.sleep(max(asked_s, jittered(self._failures)))

    def _fail(self, error: ClientError) -> None:
        self._error = self._error or error
        for _, answer in self._unanswered.values():
            if not answer.done():
                answer.set_exception(error)


def jittered(failures: int) -> float:
    """Seconds before the next attempt: up to twice as long each time, never all at once."""
    most = min(MOST_DELAY_S, FIRST_DELAY_S * 2 ** (failures - 1))
    return most * secrets.randbelow(1_000) / 1_000
