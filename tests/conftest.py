"""Real servers for the whole run, a fresh database for each test that asks for one."""

import asyncio
import os
import shutil
import tempfile
from base64 import b64encode
from collections.abc import AsyncGenerator, AsyncIterator, Generator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path

import psutil
import pytest
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings

from infra.embedded import Embedded, embedded_servers
from infra.folder import EmbeddedError, require_reachable, server_user
from infra.limits import lifted
from infra.runtime import Runtime, open_runtime
from infra.settings import Settings
from migrations.runner import migrate
from projections.projector import grouped, run_groups
from projections.registry import PROJECTIONS
from tests.alone import Alone
from tests.databases import Databases, databases_of

TEMPLATE = "formula_template"
READ_MODELS = "formula_read_models"
SHORT = {"domain", "golden"}  # folders whose tests take no time
LONG = 100  # characters of a value
PREFIX = "formula-tests-"  # and the pid of the run
MEMORY, ROOM = Path("/dev/shm"), 12 * 1024**3  # noqa: S108, made by mkdtemp
STORAGE_KEY = b64encode(bytes(range(32))).decode()
JWT_SECRET = "a-secret-of-the-tests-that-is-long-enough"

hypothesis_settings.register_profile(
    "formula", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
hypothesis_settings.load_profile("formula")


def pytest_configure(config: pytest.Config) -> None:
    """The first process of the run makes the folder; xdist's workers share it."""
    if "FORMULA_TEST_FOLDER" not in os.environ:
        tempfile.tempdir = os.environ["TMPDIR"] = open_folder()
        folder = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-", dir=servers_folder()))
        folder.chmod(0o755)  # an embedded server run as another user must reach its data
        os.environ["FORMULA_TEST_FOLDER"] = str(folder)
        config.add_cleanup(lambda: shutil.rmtree(folder, ignore_errors=True))
        if config.getoption("numprocesses", default=None):
            config.pluginmanager.register(Alone())


@pytest.hookimpl(trylast=True)
def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Of what is long: pytest would write out all of a file, and send it about as a test's name."""
    return argname if isinstance(val, bytes | str) and len(val) > LONG else None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """The shortest come last, so that no process of the run ends long before the other.

    After pytest-randomly, whose order is kept otherwise.
    """
    items.sort(key=lambda item: item.path.parent.name in SHORT)
    if config.getoption("loadgroup", default=False):
        for item in items:  # there was a pytest in which they did not, and nothing said so
            if item.get_closest_marker("xdist_group") and "@" not in item.nodeid:
                raise pytest.UsageError(f"xdist's groups do not hold: {item.nodeid}")


def open_folder() -> str:
    """Where temporary folders can be reached by the user that the embedded servers run as."""
    for base in (tempfile.gettempdir(), "/var/tmp", "/dev/shm"):  # noqa: S108, made by mkdtemp
        with suppress(EmbeddedError, OSError):
            require_reachable(Path(base), server_user(), "")
            return base
    raise EmbeddedError("no folder for temporary files that all users can enter: set TMPDIR")


def servers_folder() -> Path:
    """In memory where that has room: most of a test's time its database was waiting for the disk.

    What a run that was killed has left there is removed.
    """
    on_disk = Path(tempfile.gettempdir())
    for left in (*on_disk.glob(f"{PREFIX}*-*"), *MEMORY.glob(f"{PREFIX}*-*")):
        if not psutil.pid_exists(int(left.name.split("-")[2])):
            shutil.rmtree(left, ignore_errors=True)
    return MEMORY if _has_room(MEMORY) else on_disk


def _has_room(folder: Path) -> bool:
    """And programs may be started from there: some embedded servers are copied to be reached."""
    if not folder.is_dir() or os.statvfs(folder).f_flag & os.ST_NOEXEC:
        return False
    return min(shutil.disk_usage(folder).free, psutil.virtual_memory().available) > ROOM


@pytest.fixture(scope="session")
def servers() -> Iterator[Embedded]:
    """Postgres and Valkey of this process."""
    folder = Path(os.environ["FORMULA_TEST_FOLDER"]) / os.environ.get("PYTEST_XDIST_WORKER", "main")
    folder.mkdir(mode=0o755)
    with embedded_servers(folder, durable=False) as embedded:
        yield embedded


@pytest.fixture(scope="session")
def databases(servers: Embedded) -> Iterator[Databases]:
    """With a migrated template."""
    with databases_of(servers) as databases:
        databases.create(TEMPLATE, "template1")
        migrate(databases.url(TEMPLATE))
        yield databases


@pytest.fixture(scope="session")
def read_models(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A template database whose read models serve, over an empty log."""
    databases.create(READ_MODELS, TEMPLATE)
    folder = tmp_path_factory.mktemp("data")
    asyncio.run(_built(_settings(databases, READ_MODELS, folder)))
    return READ_MODELS


async def _built(settings: Settings) -> None:
    async with open_runtime(settings) as runtime, projecting(runtime):
        pass


@pytest.fixture
def settings(
    databases: Databases, tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[Settings]:
    """Settings of a database that nobody else uses, dropped afterwards."""
    reads = "projected" in request.fixturenames  # who starts the groups need not wait for a build
    template = request.getfixturevalue("read_models") if reads else TEMPLATE
    with fresh_database(databases, template, tmp_path) as fresh:
        yield fresh


@contextmanager
def fresh_database(databases: Databases, template: str, folder: Path) -> Generator[Settings]:
    """The settings of a copy of `template` that is dropped on leaving."""
    name = databases.copy(template)
    yield _settings(databases, name, folder)
    databases.drop(name)


def _settings(databases: Databases, name: str, folder: Path) -> Settings:
    own = Settings(
        database_url=databases.url(name),
        redis_url=databases.servers.redis_url,
        redis_prefix=f"{name}:",
        jwt_secret=JWT_SECRET,
        formula_data=str(folder),
        mail_folder=str(folder / "mail"),
        local_storage_path=str(folder / "uploads"),
        local_storage_key=STORAGE_KEY,
        database_pool_size=6,
    )
    return lifted(own)  # the tests of limits set their own


@pytest.fixture
async def runtime(settings: Settings) -> AsyncIterator[Runtime]:
    """An open runtime over an empty log."""
    async with open_runtime(settings) as opened:
        yield opened


@pytest.fixture
async def projected(runtime: Runtime) -> AsyncIterator[Runtime]:
    """A runtime whose log is projected as it grows, by all groups."""
    async with projecting(runtime):
        yield runtime


@asynccontextmanager
async def projecting(runtime: Runtime) -> AsyncGenerator[None]:
    """All groups are led in this process from the first line to the last."""
    leads: dict[str, bool] = {}
    groups = grouped(PROJECTIONS)
    ready = asyncio.Event()

    def note(group: str, leader: bool) -> None:
        leads[group] = leader
        if len(leads) == len(groups) and all(leads.values()):
            ready.set()

    running = asyncio.create_task(run_groups(runtime, groups, note))
    started = asyncio.create_task(ready.wait())
    done, _ = await asyncio.wait(
        {running, started}, timeout=20, return_when=asyncio.FIRST_COMPLETED
    )
    assert started in done, running.exception() if running.done() else "the projector did not start"
    yield
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
