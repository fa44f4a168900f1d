"""A real S3 server for the whole run, a bucket of its own for each test."""

from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from secrets import token_hex
from typing import Any

import pytest
from msgspec.structs import replace

from bench.seaweed import KEY_ID, SECRET, Seaweed, seaweed
from infra.blobs.door import Blobs, open_blobs
from infra.settings import Settings
from tests.conftest import STORAGE_KEY


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


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seaweed]:
    with seaweed(tmp_path_factory.mktemp("s3")) as server:
        yield server


@pytest.fixture
def bucket(shared: Seaweed) -> Iterator[Bucket]:
    found = made(shared, f"b-{token_hex(6)}")
    yield found
    found.client.delete_bucket(Bucket=found.name)
    found.client.close()


def made(server: Seaweed, name: str) -> Bucket:
    return Bucket(server.bucket(name), name)


def in_s3(server_url: str, name: str, folder: Path) -> Settings:
    return Settings(
        aws_access_key_id=KEY_ID,
        aws_secret_access_key=SECRET,
        aws_s3_bucket=name,
        aws_endpoint_url=server_url,
        local_storage_path=str(folder / "uploads"),
        local_storage_key=STORAGE_KEY,
        jwt_secret="signs links",
    )


@pytest.fixture
def in_bucket(shared: Seaweed, bucket: Bucket, tmp_path: Path) -> Settings:
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
