"""The running instance: what `formula up` leaves in its data folder for other commands to find."""

import os
import pwd
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import psutil

from infra.folder import kept_key, kept_password, usable, write_private
from infra.settings import Settings

FILE = "instance.json"
SECRET = "jwt.secret"  # noqa: S105, the file's name
KEY = "storage.key"


class NotRunning(Exception):
    """Nothing runs on this data folder."""


class Instance(msgspec.Struct, frozen=True):
    """Where the servers of a running instance are, with their passwords: a private file."""

    pid: int
    started: float  # the process's, seconds since 1970: a pid alone may be another's by now
    host: str
    port: int
    database_url: str
    redis_url: str
    jwt_secret: str
    jwt_secret_old: str = ""
    local_storage_key: str = ""

    @property
    def alive(self) -> bool:
        try:
            return psutil.Process(self.pid).create_time() == self.started
        except psutil.NoSuchProcess:
            return False


@contextmanager
def announced(settings: Settings) -> Generator[None]:
    """Let other commands find this process's instance until the block is left."""
    path = settings.data / FILE
    instance = Instance(
        pid=os.getpid(),
        started=psutil.Process().create_time(),
        host=settings.host,
        port=settings.port,
        database_url=settings.database_url,
        redis_url=settings.redis_url,
        jwt_secret=settings.jwt_secret,
        jwt_secret_old=settings.jwt_secret_old,
        local_storage_key=settings.local_storage_key,
    )
    with usable(settings.data):
        write_private(path, msgspec.json.encode(instance).decode(), _oneself())
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


def find_instance(folder: Path) -> Instance | None:
    """The instance that runs on the folder; None for none, also where it ended without a word."""
    try:
        instance = msgspec.json.decode((folder / FILE).read_bytes(), type=Instance)
    except FileNotFoundError:
        return None
    return instance if instance.alive else None


def with_instance(settings: Settings) -> Settings:
    """The settings with what is empty taken from the running instance.

    Raises NotRunning where a server's address is needed and none is known.
    """
    instance = find_instance(settings.data)
    if instance is None:
        if not (settings.database_url and settings.redis_url):
            raise NotRunning(f"not running on {settings.data}: start it with `make run`")
        kept = with_key(settings) if (settings.data / KEY).exists() else settings
        return with_secret(kept)
    ours = settings.database_url in {"", instance.database_url}
    return msgspec.structs.replace(
        settings,
        port=instance.port if ours else settings.port,
        database_url=settings.database_url or instance.database_url,
        redis_url=settings.redis_url or instance.redis_url,
        jwt_secret=settings.jwt_secret or instance.jwt_secret,
        jwt_secret_old=settings.jwt_secret_old or instance.jwt_secret_old,
        local_storage_key=settings.local_storage_key or instance.local_storage_key,
    )


def with_secret(settings: Settings) -> Settings:
    """With a secret for access tokens: the given one, or the data folder's, made when missing."""
    if settings.jwt_secret:
        return settings
    with usable(settings.data):
        settings.data.mkdir(parents=True, exist_ok=True)
        secret = kept_password(settings.data / SECRET, _oneself())
    return msgspec.structs.replace(settings, jwt_secret=secret)


def with_key(settings: Settings) -> Settings:
    """With a key that seals local files: the given one, or the data folder's, made when missing."""
    if settings.local_storage_key:
        return settings
    with usable(settings.data):
        settings.data.mkdir(parents=True, exist_ok=True)
        key = kept_key(settings.data / KEY, _oneself())
    return msgspec.structs.replace(settings, local_storage_key=key)


def base_url(settings: Settings) -> str:
    """Where this machine reaches the API."""
    host = "127.0.0.1" if settings.host in {"", "0.0.0.0"} else settings.host  # noqa: S104, compared
    return f"http://{host}:{settings.port}"


def _oneself() -> pwd.struct_passwd:
    return pwd.getpwuid(os.geteuid())
