"""A whole installation of the tests' own, whose servers can be taken away one by one."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from uuid import UUID, uuid4

import httpx
import msgspec
import psutil
from aiosmtpd.controller import Controller

from api.realtime import protocol as p
from api.tokens import claims, sign
from api.users import NewUser, register_user
from bench.seaweed import Seaweed, seaweed
from domain.project import PROJECT, AddMember, CreateProject, ProjectRole
from domain.user import Role
from infra.embedded import prepare_postgres, prepare_valkey
from infra.folder import free_port, hold_folder
from infra.limits import lifted
from infra.runtime import SYSTEM, open_runtime
from infra.settings import Settings, child_environment
from infra.supervisor import Child
from migrations.runner import migrate
from tests.blobs.conftest import in_s3
from tests.conftest import JWT_SECRET
from tests.faults.children import ROOT
from tests.http import PLAIN
from tests.integration.application import CHEAP
from tests.outages.table import Away
from tests.workers.office import Mailbox

EMAIL, PASSWORD = "ann@example.org", "correct horse battery"
SCRAPER = "a-scraper"
ROLES = {
    "api": ("api.main",),
    "projector": ("projections.main",),
    "worker": ("workers.main", "worker"),
    "scheduler": ("workers.main", "scheduler"),
}
UP_S = 240.0  # on a machine that has much else to do


class World:
    """Ann, an admin, has a project with Bob; and where everything is."""

    ann: UUID
    bob: UUID
    project: UUID

    def __init__(self, settings: Settings, folder: Path, s3: Seaweed, mailbox: Mailbox) -> None:
        self.settings, self.folder = settings, folder
        self.s3, self.mailbox = s3, mailbox
        self.url = f"http://127.0.0.1:{settings.port}"
        self.ws = f"ws://127.0.0.1:{settings.port}{p.PATH}"
        self.children: dict[str, Child] = {}
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        # No connection is kept: one that the server closes as it is used again would be an error.
        limits = httpx.Limits(max_keepalive_connections=0)
        self.http = httpx.AsyncClient(
            base_url=self.url, verify=PLAIN, trust_env=False, timeout=30, limits=limits
        )
        self._sink: Controller | None = None

    async def settle(self) -> None:
        async with open_runtime(self.settings) as runtime:
            self.ann, self.bob, self.project = [runtime.new_id() for _ in range(3)]
            for user, name, role in ((self.ann, "ann", Role.ADMIN), (self.bob, "bob", Role.MEMBER)):
                email = f"{name}@example.org"
                wanted = NewUser(email=email, name=name, role=role, password=PASSWORD)
                await register_user(runtime, CHEAP, SYSTEM, user, wanted)
            create = CreateProject(name="P", manager=self.ann, at=runtime.now())
            add = AddMember(user=self.bob, role=ProjectRole.CONTRIBUTOR)
            for one in (create, add):
                await runtime.execute(SYSTEM, PROJECT, self.project, one, project=self.project)
            content = claims(self.ann, Role.ADMIN, uuid4(), uuid4(), runtime.now(), 3_600)
            self.token = sign(content, runtime.keys)
        self.http.headers["Authorization"] = f"Bearer {self.token}"

    async def ready(self) -> httpx.Response:
        return await self.http.get("/readyz")

    async def is_(self, condition: Callable[[httpx.Response], bool], limit_s: float) -> None:
        async with asyncio.timeout(limit_s):
            while True:
                try:
                    if condition(await self.ready()):
                        return
                except httpx.TransportError:
                    self._all_run()
                await asyncio.sleep(0.1)

    async def is_well(self, limit_s: float = 30.0) -> None:
        await self.is_(lambda one: one.is_success and not one.json()["degraded"], limit_s)

    async def finds_away(self, service: str, limit_s: float) -> None:
        """Until the API does so by itself."""
        async with asyncio.timeout(limit_s):
            while True:
                found = (await self.http.get("/api/v1/realtime/health/services")).json()
                [services] = [one["services"] for one in found if one["role"] == "api"]
                if (service, "down") in {(one["name"], one["state"]) for one in services}:
                    return
                await asyncio.sleep(0.1)

    def start(self, role: str) -> None:
        with (self.folder / f"{role}.log").open("ab") as log:
            self.processes[role] = subprocess.Popen(
                [sys.executable, "-m", *ROLES[role]],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=child_environment(self.settings),
                cwd=ROOT,
            )

    def listen(self) -> None:
        port = int(self.settings.smtp_url.rpartition(":")[2])
        self._sink = Controller(self.mailbox, hostname="127.0.0.1", port=port)
        self._sink.start()

    def hang_up(self) -> None:
        if self._sink is not None:
            self._sink.stop()
            self._sink = None

    @asynccontextmanager
    async def without(self, server: Away, how: str) -> AsyncGenerator[None]:
        """It hangs, or is killed; on leaving it is back."""
        if how == "hangs":
            with suspended(self._of(server)):
                yield
            return
        await self._kill(server)
        try:
            yield
        finally:
            await self._start_again(server)

    async def _kill(self, server: Away) -> None:
        if server is Away.SMTP:
            await asyncio.to_thread(self.hang_up)
        elif server is Away.PROJECTOR:
            self.processes["projector"].kill()
            self.processes["projector"].wait()
        else:
            await self.children[server].kill()

    async def _start_again(self, server: Away) -> None:
        if server is Away.SMTP:
            await asyncio.to_thread(self.listen)
        elif server is Away.PROJECTOR:
            self.start("projector")
        else:
            await self.children[server].launch()

    def _of(self, server: Away) -> list[psutil.Process]:
        if server is Away.S3:
            return [psutil.Process(self.s3.pid)]
        pid = self.children[server].report().pid
        assert pid is not None
        first = psutil.Process(pid)
        return [first, *first.children(recursive=True)]

    def _all_run(self) -> None:
        for role, process in self.processes.items():
            said = (self.folder / f"{role}.log").read_text()[-4_000:]
            assert process.poll() is None, f"{role}: {said}"


@contextmanager
def suspended(processes: list[psutil.Process]) -> Generator[None]:
    for process in processes:
        process.suspend()
    try:
        yield
    finally:
        for process in processes:
            process.resume()


@asynccontextmanager
async def world(folder: Path) -> AsyncGenerator[World]:
    """Ready, and nothing is away."""
    with ExitStack() as stack:
        held = stack.enter_context(hold_folder(folder / "data"))
        servers = {
            Away.POSTGRES: prepare_postgres(held, durable=False),
            Away.REDIS: prepare_valkey(held),
        }
        s3 = stack.enter_context(seaweed(folder / "s3"))
        s3.bucket("files").close()
        settings = _settings(servers[Away.POSTGRES].url, servers[Away.REDIS].url, s3.url, folder)
        here = World(settings, folder, s3, Mailbox())
        here.children = {away: Child(server.spec) for away, server in servers.items()}
        stack.callback(here.hang_up)
        try:
            await asyncio.gather(*(child.launch() for child in here.children.values()))
            await asyncio.to_thread(migrate, settings.database_url)
            here.listen()
            for role in ROLES:
                here.start(role)
            await here.settle()
            await here.is_well(UP_S)
            yield here
        finally:
            for process in here.processes.values():
                process.kill()
                process.wait()
            await here.http.aclose()
            await asyncio.gather(*(child.stop() for child in here.children.values()))


def _settings(database_url: str, redis_url: str, s3_url: str, folder: Path) -> Settings:
    plain = msgspec.structs.replace(
        in_s3(s3_url, "files", folder),
        database_url=database_url,
        redis_url=redis_url,
        jwt_secret=JWT_SECRET,
        metrics_token=SCRAPER,
        formula_data=str(folder / "formula"),
        smtp_url=f"smtp://127.0.0.1:{free_port()}",
        job_retry_base_s=0.2,
        job_retry_most_s=0.5,
        email_retries=20,
        port=free_port(),
    )
    address = f"http://127.0.0.1:{plain.port}"
    return lifted(
        msgspec.structs.replace(plain, public_url=address, local_public_url=f"{address}/uploads")
    )
