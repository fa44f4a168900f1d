"""The benchmark of files measures what it says."""

from hashlib import sha256
from pathlib import Path

import pytest
from msgspec.structs import replace
from PIL import Image

from bench.contestant import contestant, play
from bench.load.file_server import made
from bench.load.loops import Window
from bench.load.metadata import Metadata
from bench.load.thumbnail import Thumbnail
from bench.load.upload import Upload
from bench.load.uploads import Uploads, wrong
from bench.peers.boto import Boto
from bench.peers.copied import Copied
from bench.peers.litestar_alone import Alone
from bench.peers.pillow import Bare
from bench.seaweed import KEY_ID, SECRET, seaweed
from infra.settings import Settings
from tests.conftest import STORAGE_KEY

SIZE = 3_000_000  # bytes
SHORT = Window(0.3, 0.1)

services = pytest.mark.services


@pytest.fixture
def here(settings: Settings, tmp_path: Path) -> Settings:
    path = str(tmp_path / "uploads")
    return replace(settings, local_storage_path=path, local_storage_key=STORAGE_KEY)


@pytest.fixture
def large(tmp_path: Path) -> str:
    return str(made(tmp_path / "large.jpg", SIZE))


@services
def test_a_file_is_sent_here_and_to_s3(here: Settings, large: str, tmp_path: Path) -> None:
    with seaweed(tmp_path / "s3") as server:
        s3 = server.bucket("bucket")
        in_s3 = replace(
            here,
            aws_access_key_id=KEY_ID,
            aws_secret_access_key=SECRET,
            aws_s3_bucket="bucket",
            aws_endpoint_url=server.url,
        )
        for load in (Upload(here, large), Upload(in_s3, large), Boto(in_s3, large)):
            sample = play(contestant("sent", load))
            assert (sample.errors, sample.error) == (0, "")
            assert sample.values["mb_per_s"] > 0
        kept = s3.list_objects_v2(Bucket="bucket")["Contents"]
    assert SIZE in [one["Size"] for one in kept]
    assert "boto" not in [one["Key"] for one in kept]


def test_a_copy_is_not_left_behind(large: str, tmp_path: Path) -> None:
    sample = play(contestant("copied", Copied(large)))
    assert (sample.errors, sample.values["mb_per_s"] > 0) == (0, True)
    assert [path.name for path in tmp_path.iterdir()] == ["large.jpg"]


@services
def test_many_come_at_once_each_as_it_was_sent(here: Settings, tmp_path: Path) -> None:
    sample = play(contestant("many", Uploads(here, str(tmp_path), 3, SIZE, SHORT)))
    assert (sample.errors, sample.error) == (0, "")
    assert sample.values["wrong"] == 0
    assert sample.values["busy p50"] <= sample.values["busy p99"]
    ratio = sample.values["busy p99"] / sample.values["idle p99"]
    assert sample.values["ratio"] == pytest.approx(ratio)


def test_a_file_that_is_not_what_was_sent_is_counted(tmp_path: Path) -> None:
    path = made(tmp_path / "a.jpg", 100)
    true = {"sha256": sha256(path.read_bytes()).hexdigest(), "bytes": 100}
    told = [true, {**true, "sha256": "0" * 64}, {**true, "bytes": 99}]
    assert wrong(told, [path] * 3) == 2


@services
def test_metadata_is_asked_for(here: Settings) -> None:
    for load in (Metadata(here, 2, SHORT), Alone(2, SHORT)):
        sample = play(contestant("asked", load))
        assert (sample.errors, sample.error) == (0, "")
        assert sample.values["per_s"] > 0


def test_both_make_a_thumbnail(tmp_path: Path) -> None:
    path = tmp_path / "photo.jpg"
    Image.effect_noise((900, 600), 60).convert("RGB").save(path)
    for load in (Thumbnail(str(path), 1), Bare(str(path), 1)):
        sample = play(contestant("thumbnail", load))
        assert (sample.errors, sample.error) == (0, "")
        assert sample.values["ms"] > 0


def test_a_thumbnail_that_fails_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "photo.jpg"
    path.write_bytes(b"no picture")
    for load in (Thumbnail(str(path), 1), Bare(str(path), 1)):
        assert play(contestant("thumbnail", load)).errors == 1
