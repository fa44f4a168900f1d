"""The server under attack: real processes, and a room whose people must notice nothing."""

from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from subprocess import Popen
from uuid import UUID

import msgspec
import psutil

from api.realtime import protocol as p
from domain.project import ProjectRole
from infra.folder import free_port
from infra.runtime import Runtime, open_runtime
from infra.settings import Settings
from tests.faults.children import LIMIT_S, serving
from tests.hostile.pair import undisturbed
from tests.http import answers
from tests.infra.until import wait_until
from tests.integration.sockets import Served

GROWTH = 96 * 1024 * 1024  # bytes that the server may be larger after an attack

BUGS = (b'"internal"', b"effect_failed", b"Traceback", b'"exception"')


class Besieged(msgspec.Struct, frozen=True):
    """The processes that attack after attack is made against."""

    settings: Settings
    api: Popen[bytes]
    log: Path

    def memory(self) -> int:
        """Bytes that are resident."""
        return psutil.Process(self.api.pid).memory_info().rss

    def bugs(self) -> list[bytes]:
        """Lines of its log that tell of an error nobody had thought of."""
        lines = self.log.read_bytes().splitlines()
        return [line for line in lines if any(word in line for word in BUGS)]

    def is_ready(self) -> bool:
        assert self.api.poll() is None, self.log.read_text()[-4_000:]
        return answers(f"http://127.0.0.1:{self.settings.port}/livez")


@contextmanager
def besieged(settings: Settings, folder: Path) -> Generator[Besieged]:
    mine = msgspec.structs.replace(settings, port=free_port())
    log = folder / "api.log"
    with (
        serving("projections.main", mine, folder / "projector.log"),
        serving("api.main", mine, log) as api,
    ):
        one = Besieged(mine, api, log)
        wait_until(one.is_ready, LIMIT_S)
        yield one


class Siege(Served):
    """Ann, who manages a project, Bob, and Mallory, who is a member of it too."""

    ann: UUID
    bob: UUID
    mallory: UUID
    in_project: UUID

    def __init__(self, runtime: Runtime, against: Besieged) -> None:
        self.against, self.port = against, against.settings.port
        super().__init__(runtime, f"ws://127.0.0.1:{self.port}{p.PATH}")

    @property
    def room(self) -> str:
        return f"project:{self.in_project}"

    async def settle(self) -> None:
        self.ann, self.bob, self.mallory = [
            await self.user(name) for name in ("ann", "bob", "mallory")
        ]
        self.in_project = await self.project(self.ann)
        for member in (self.bob, self.mallory):
            await self.add(self.in_project, member, ProjectRole.CONTRIBUTOR)


@asynccontextmanager
async def siege(against: Besieged) -> AsyncGenerator[Siege]:
    """Whatever is done inside, Ann and Bob work on, and the server neither errs nor grows."""
    async with open_runtime(against.settings) as runtime:
        here = Siege(runtime, against)
        await here.settle()
        ann, bob = await here.open(here.ann), await here.open(here.bob)
        await ann.ask("join", room=here.room)
        joined = await bob.ask("join", room=here.room)
        known, before = len(against.bugs()), against.memory()
        try:
            async with undisturbed(ann.connection, bob.connection, joined):
                yield here
        finally:
            await here.close()
        bugs, grown = against.bugs()[known:], against.memory() - before
        assert not bugs, bugs[0].decode()
        assert grown < GROWTH, f"{grown:,} bytes more"
