"""A real S3 server (moto's) for the whole run, a bucket of its own for each test."""

import os
import socket
import subprocess
import sys
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from secrets import token_hex
from typing import Any

import httpx
import pytest
from boto3.session import Session
from msgspec.structs import replace

from infra.blobs.door import Blobs, open_blobs
from infra.folder import free_port
from infra.settings import Settings
from tests.conftest import STORAGE_KEY
from tests.infra.until import wait_until


class Bucket:
    """What is in the bucket, seen without our own code."""

    def __init__(self, client: Any, name: str) -> None:
        self.client, self.name = client, name

    def content(self, key: str) -> bytes:
        return self.client.get_object(Bucket=self.name, Key=key)["Body"].read()

    def head(self, key: str) -> Any:
        return self.client.head_object(Bucket=self.name, Key=key)

    @property
    def keys(self) -> list[str]:
        found = self.client.list_objects_v2(Bucket=self.name).get("Contents", ())
        return [one["Key"] for one in found]

    @property
    def unfinished(self) -> list[str]:
        found = self.client.list_multipart_uploads(Bucket=self.name).get("Uploads", ())
        return [one["Key"] for one in found]


class Server:
    """moto_server as a child; all it holds goes when it is killed."""

    def __init__(self, log: Path) -> None:
        self.port, self._log = free_port(), log
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        program = Path(sys.executable).with_name("moto_server")
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [program, "-H", "127.0.0.1", "-p", str(self.port)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={"PATH": os.environ["PATH"]},
            )
        wait_until(self._answers)

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def bucket(self, name: str) -> Bucket:
        session: Any = Session("an-id", "a-secret", region_name="us-east-1")
        client = session.client("s3", endpoint_url=self.url)
        client.create_bucket(Bucket=name)
        return Bucket(client, name)

    def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, self._log.read_text()[-2_000:]
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", self.port)):
                return False
        return httpx.get(f"{self.url}/moto-api/").status_code == 200


@contextmanager
def serving(folder: Path) -> Generator[Server]:
    server = Server(folder / "moto.log")
    server.start()
    try:
        yield server
    finally:
        server.kill()


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(tmp_path_factory.mktemp("s3")) as server:
        yield server


@pytest.fixture
def bucket(shared: Server) -> Iterator[Bucket]:
    found = shared.bucket(f"b-{token_hex(6)}")
    yield found
    found.client.close()


def in_s3(server_url: str, name: str, folder: Path) -> Settings:
    return Settings(
        aws_access_key_id="an-id",
        aws_secret_access_key="a-secret",
        aws_s3_bucket=name,
        aws_endpoint_url=server_url,
        local_storage_path=str(folder / "uploads"),
        local_storage_key=STORAGE_KEY,
        jwt_secret="signs links",
    )


@pytest.fixture
def in_bucket(shared: Server, bucket: Bucket, tmp_path: Path) -> Settings:
    return in_s3(shared.url, bucket.name, tmp_path)


@pytest.fixture
def blobs(in_bucket: Settings) -> Iterator[Blobs]:
    with opened(in_bucket) as found:
        yield found


@contextmanager
def opened(settings: Settings, clock: Callable[[], datetime] | None = None) -> Generator[Blobs]:
    found = open_blobs(settings, clock or now)
    yield found
    found.close()


def alone(settings: Settings) -> Settings:
    """Nobody answers at S3's address."""
    return replace(settings, aws_endpoint_url="http://127.0.0.1:9")


def now() -> datetime:
    return datetime.now(UTC)


async def put(blobs: Blobs, key: str, content: Any) -> None:
    await blobs.put(key, content, content_type="text/csv", name="Größe/.csv")


async def read(blobs: Blobs, key: str, *span: int) -> bytes:
    found = await blobs.open(key, *span)
    return b"".join([piece async for piece in found.content])


def files(settings: Settings) -> list[str]:
    """On the local disk."""
    root = Path(settings.local_storage_path)
    return sorted(path.name for path in root.glob("??/*"))
