"""A whole installation, as `formula up` starts it: its processes are killed by turns while one
person acts, another one hears it, and somebody reads by REST.
"""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from functools import partial
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
import psutil
import uvloop

from api.client.client import Client
from api.client.errors import ClientError, NotConnected
from api.client.frames import data
from api.client.live import Live
from api.client.room import Room
from api.seed import PASSWORD, project_id
from bench.child import Sample, answer, given
from bench.load.loops import Tally
from infra.folder import free_port
from projections.frames import Ev

COMMAND = (sys.executable, "-c", "from api.cli import main; main()")
VICTIMS = {
    "api": ("api.main",),
    "projector": ("projections.main",),
    "worker": ("workers.main worker",),
    "scheduler": ("workers.main scheduler",),
    "Valkey": ("valkey-server",),
    "Postgres": ("bin/postgres", "-D"),
}
UNLIMITED = {
    "RATE_LIMIT_MAX_REQUESTS": "0",
    "RATE_LIMIT_USER_MAX_REQUESTS": "0",
    "RATE_LIMIT_ACTIONS_PER_MINUTE": "0",
}
KIND = "chaos.note"
EVERY_S = 0.05  # of who acts, and of who reads
UP_S, SETTLES_S = 90.0, 60.0


class Chaos(msgspec.Struct, frozen=True):
    """`apart_s`: from when all are ready, and everybody is served again, to the next kill."""

    folder: str
    rounds: int
    apart_s: float


class Said(msgspec.Struct):
    """One action: seconds of this process's clock."""

    due: float
    acked: float | None = None
    heard: list[float] = msgspec.field(default_factory=list[float])


class Watch(msgspec.Struct):
    """What became of everything."""

    tally: Tally
    said: list[Said] = msgspec.field(default_factory=list[Said])
    order: list[int] = msgspec.field(default_factory=list[int])  # positions as they were heard
    answers: list[float] = msgspec.field(default_factory=list[float])  # when who reads had one
    kills: list[tuple[str, float]] = msgspec.field(default_factory=list[tuple[str, float]])

    def killing(self, name: str) -> None:
        """What is on its way now waits for it as well."""
        self.kills.append((name, time.perf_counter() - EVERY_S))


def run(load: Chaos) -> Sample:
    """By victim, in seconds, the longest: `acked` and `heard` since an action was due, and `read`
    between two answers to who reads; what never came counts until the end. `lost`, `twice`,
    `disordered`: actions that were acknowledged.
    """
    with TemporaryDirectory(dir=load.folder, ignore_cleanup_errors=True) as name:
        Path(name).chmod(0o755)  # as root, Postgres runs as another user
        with _up(Path(name) / "data") as (up, url):
            return uvloop.run(_measured(load, up, url))


@contextmanager
def _up(folder: Path) -> Generator[tuple[psutil.Process, str]]:
    port = free_port()
    own = {"FORMULA_DATA": str(folder), "PORT": str(port), "LOG_LEVEL": "error"}
    env = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    env |= own | UNLIMITED
    quiet = subprocess.DEVNULL
    child = subprocess.Popen([*COMMAND, "up", "--no-demo"], env=env, stdout=quiet, stderr=quiet)
    try:
        url = f"http://127.0.0.1:{port}"
        asyncio.run(_until_ready(url, UP_S))
        subprocess.run([*COMMAND, "seed"], env=env, stdout=quiet, check=True, timeout=UP_S)
        yield psutil.Process(child.pid), url
    finally:
        child.send_signal(signal.SIGINT)
        child.wait()


async def _until_ready(url: str, most_s: float) -> None:
    async with asyncio.timeout(most_s), Client(url) as client:
        while True:
            with suppress(NotConnected):
                if not await client.missing():
                    return
            await asyncio.sleep(EVERY_S)


async def _measured(load: Chaos, up: psutil.Process, url: str) -> Sample:
    watch, room = Watch(Tally()), f"project:{project_id('tour')}"
    async with _live(url, "ann") as (_, hers), _live(url, "bob") as (his_rest, his):
        heard = await his.join(room)
        await hers.join(room, follow=False)
        hearing, over = asyncio.create_task(_hear(heard, watch)), asyncio.Event()
        asking = asyncio.gather(
            _every(partial(_act, hers, room, watch), over),
            _every(partial(_read, his_rest, watch), over),
        )
        for _ in range(load.rounds):
            for name, words in VICTIMS.items():
                await asyncio.sleep(load.apart_s)
                watch.killing(name)
                await _kill(up, words)
                await _until_ready(url, SETTLES_S)
                await _well_again(watch)
        await asyncio.sleep(load.apart_s)
        watch.killing("nobody")
        over.set()
        await asking
        await _settled(watch)
        hearing.cancel()
    return watch.tally.sample(longest(watch, time.perf_counter()) | _missing(watch))


@asynccontextmanager
async def _live(url: str, name: str) -> AsyncGenerator[tuple[Client, Live]]:
    async with Client(url) as client:
        await client.login(f"tour-{name}@demo.formula", PASSWORD)
        async with client.connect() as live:
            yield client, live


async def _kill(up: psutil.Process, words: Sequence[str]) -> None:
    """Returns once another is in its place."""
    killed = _child(up, words)
    while killed is None:
        await asyncio.sleep(EVERY_S)
        killed = _child(up, words)
    killed.kill()
    async with asyncio.timeout(SETTLES_S):
        while _child(up, words) in {None, killed}:  # noqa: ASYNC110, it is in the kernel
            await asyncio.sleep(EVERY_S)


def _child(up: psutil.Process, words: Sequence[str]) -> psutil.Process | None:
    for one in up.children():
        with suppress(psutil.NoSuchProcess):
            line = " ".join(one.cmdline())
            if all(word in line for word in words):
                return one
    return None


async def _every(do: Callable[[float], Coroutine[None, None, None]], over: asyncio.Event) -> None:
    """Open loop: who waits for an answer asks the next thing all the same. Ends with the last."""
    due = time.perf_counter()
    async with asyncio.TaskGroup() as tasks:
        while not over.is_set():
            tasks.create_task(do(due))
            due += EVERY_S
            await asyncio.sleep(due - time.perf_counter())


async def _act(live: Live, room: str, watch: Watch, due: float) -> None:
    said = Said(due)
    watch.said.append(said)
    try:
        await live.act(room, KIND, {"n": len(watch.said) - 1})
    except ClientError as error:
        watch.tally.failed(error)
    else:
        said.acked = time.perf_counter()


async def _read(client: Client, watch: Watch, _due: float) -> None:
    with suppress(ClientError):  # how long there is no answer is what is measured
        await client.rest.get("/projects")
        watch.answers.append(time.perf_counter())


async def _hear(room: Room, watch: Watch) -> None:
    async for frame in room:
        if isinstance(frame, Ev) and frame.type == "activity.recorded":
            said = data(frame)
            if said["kind"] == KIND:
                number: int = said["data"]["n"]
                watch.said[number].heard.append(time.perf_counter())
                watch.order.append(frame.pos)


async def _well_again(watch: Watch) -> None:
    """Who acts, hears and reads is served: what comes next is the next one's doing alone."""
    now = time.perf_counter()
    with suppress(TimeoutError):
        async with asyncio.timeout(SETTLES_S):
            while not served_since(watch, now):  # noqa: ASYNC110, of three tasks
                await asyncio.sleep(EVERY_S)


def served_since(watch: Watch, now: float) -> bool:
    done = any(one.due >= now and one.acked and one.heard for one in watch.said)
    return done and max(watch.answers, default=0.0) >= now


async def _settled(watch: Watch) -> None:
    """All that was acknowledged is heard, or never will be."""
    with suppress(TimeoutError):
        async with asyncio.timeout(SETTLES_S):
            while _unheard(watch):  # noqa: ASYNC110, of another task
                await asyncio.sleep(EVERY_S)


def longest(watch: Watch, now: float) -> dict[str, float]:
    values: dict[str, float] = {}
    for (name, start), (_, end) in pairwise(watch.kills):
        said = [one for one in watch.said if start <= one.due < end]
        answers = [at for at in watch.answers if start <= at < end]
        found = {
            "acked": [(one.acked or now) - one.due for one in said],
            "heard": [min(one.heard, default=now) - one.due for one in said],
            "read": [later - one for one, later in pairwise([start, *answers, end])],
        }
        for what, spans in found.items():
            values[f"{name} {what}"] = max([values.get(f"{name} {what}", 0.0), *spans])
    return values


def _unheard(watch: Watch) -> int:
    return sum(one.acked is not None and not one.heard for one in watch.said)


def _missing(watch: Watch) -> dict[str, float]:
    return {
        "said": len(watch.said),
        "lost": _unheard(watch),
        "twice": sum(len(one.heard) > 1 for one in watch.said),
        "disordered": sum(later <= one for one, later in pairwise(watch.order)),
    }


if __name__ == "__main__":
    answer(run(given(Chaos)))
