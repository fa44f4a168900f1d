"""files: uploads beside cp and boto3, many at once, thumbnails beside Pillow, metadata."""

from pathlib import Path
from secrets import token_hex
from typing import Any, cast

import msgspec
from PIL import Image

from bench.contestant import contestant
from bench.harness import Stage, compete
from bench.load.file_server import made
from bench.load.loops import Window
from bench.load.metadata import Metadata
from bench.load.thumbnail import Thumbnail
from bench.load.upload import Upload
from bench.load.uploads import Uploads
from bench.peers.boto import Boto
from bench.peers.copied import Copied
from bench.peers.litestar_alone import Alone
from bench.peers.pillow import Bare
from bench.report import Row, Target
from bench.seaweed import KEY_ID, SECRET, seaweed
from infra.settings import Settings

MINE, MINE_IN_S3 = "formula", "formula in S3"
CP, BOTO, PILLOW, LITESTAR = "cp and fsync", "boto3", "pillow", "litestar alone"
STORAGE_KEY = "A" * 43 + "="  # 32 bytes in base64
CALLERS = 32
PHOTO = (6_000, 4_000)  # pixels


class Field(msgspec.Struct, frozen=True):
    """`here`: files lie on the disk; `in_s3`: in a bucket."""

    stage: Stage
    here: Settings
    in_s3: Settings

    def scaled(self, full: int, quick: int) -> int:
        return quick if self.stage.quick else full

    def window(self, seconds: float) -> Window:
        return Window(1.0, 0.2) if self.stage.quick else Window(seconds, 1.0)


def run(stage: Stage) -> list[Row]:
    stage.require_room(1 << 30 if stage.quick else 20 << 30)
    with seaweed(stage.folder / "s3") as s3:
        bucket = f"b-{token_hex(6)}"
        s3.bucket(bucket)
        here = _kept(stage, "files_here")
        in_s3 = msgspec.structs.replace(
            _kept(stage, "files_in_s3"),
            aws_access_key_id=KEY_ID,
            aws_secret_access_key=SECRET,
            aws_s3_bucket=bucket,
            aws_endpoint_url=s3.url,
        )
        field = Field(stage, here, in_s3)
        return [*large(field), *many(field), *thumbnail(field), *told(field)]


def _kept(stage: Stage, name: str) -> Settings:
    return msgspec.structs.replace(
        stage.database(name),
        local_storage_path=str(stage.folder / name),
        local_storage_key=STORAGE_KEY,
    )


def large(field: Field) -> list[Row]:
    """Hashed, sealed, and durable when it is answered; what stands beside is durable, or in S3.

    Who sends is in the figure, but is a process of its own that does nothing but sendfile(2). All
    read the same file, from memory, in turns.
    """
    size = field.scaled(1 << 30, 64 << 20)
    path = made(field.stage.folder / "large.jpg", size)
    contestants = [
        contestant(MINE, Upload(field.here, str(path))),
        contestant(CP, Copied(str(path))),
        contestant(MINE_IN_S3, Upload(field.in_s3, str(path))),
        contestant(BOTO, Boto(field.in_s3, str(path))),
    ]
    results = compete(contestants, rounds=2)
    path.unlink()
    title, half = f"{size >> 20:,} MiB uploaded", Target(least=0.5)
    rows: list[Row] = []
    for mine, other in ((MINE, CP), (MINE_IN_S3, BOTO)):
        named = f"{title}, {mine.removeprefix(MINE).strip() or 'local'}"
        rows += [
            results.row(named, "MB/s", mine, "mb_per_s", against=other, target=half),
            results.row(f"{other}, {title}", "MB/s", other, "mb_per_s"),
            results.row(f"{named}: API grows by", "MiB", mine, "grown", target=Target(most=64)),
        ]
    return rows


def many(field: Field) -> list[Row]:
    """At once, while somebody lists projects."""
    files, size = field.scaled(20, 6), field.scaled(100_000_000, 10_000_000)
    folder, window = str(field.stage.folder), field.window(10.0)
    sides = {"local": field.here, "in S3": field.in_s3}
    results = compete(
        [
            contestant(name, Uploads(settings, folder, files, size, window))
            for name, settings in sides.items()
        ],
        rounds=1,
    )
    rows: list[Row] = []
    for name in sides:
        title = f"{files} x {size // 1_000_000} MB at once, {name}"
        rows += [
            results.row(f"{title}: wrong by hash", "files", name, "wrong", target=Target(most=0)),
            results.row(f"{title}: projects, p99", "ms", name, "busy p99"),
            results.row(f"{title}: projects, p99, idle", "ms", name, "idle p99"),
            results.row(
                f"{title}: the one over the other", "x", name, "ratio", target=Target(most=2)
            ),
        ]
    return rows


def thumbnail(field: Field) -> list[Row]:
    path, times = str(_photo(field.stage.folder)), field.scaled(9, 3)
    contestants = [
        contestant(MINE, Thumbnail(path, times)),
        contestant(PILLOW, Bare(path, times)),
    ]
    results = compete(contestants, field.scaled(3, 2))
    most = Target(most=1.3)
    return [
        results.row("thumbnail of 24 MP", "ms", MINE, "ms", against=PILLOW, target=most),
        results.row(f"{PILLOW}, thumbnail of 24 MP", "ms", PILLOW, "ms"),
    ]


def _photo(folder: Path) -> Path:
    """Shapes and grain, as much as a camera's: neither flat nor noise to the last pixel."""
    small = [Image.effect_noise((PHOTO[0] // 4, PHOTO[1] // 4), sigma) for sigma in (60, 50, 40)]
    image = cast(Any, Image.merge("RGB", small)).resize(PHOTO, Image.Resampling.BICUBIC)
    path = folder / "photo.jpg"
    image.save(path, "JPEG", quality=90)
    return path


def told(field: Field) -> list[Row]:
    """From the cache, of somebody who is asked who they are."""
    window = field.window(3.0)
    contestants = [
        contestant(MINE, Metadata(field.here, CALLERS, window)),
        contestant(LITESTAR, Alone(CALLERS, window)),
    ]
    results = compete(contestants, field.scaled(3, 2))
    title, least = f"metadata, {CALLERS} callers", Target(least=0.6)
    return [
        results.row(title, "answers/s", MINE, against=LITESTAR, target=least),
        results.row(f"{LITESTAR}, {title}", "answers/s", LITESTAR),
    ]
