"""No file is ever held as a whole: 300 MB pass through a process that grows by little."""

import asyncio
import sys

import pytest
from msgspec.structs import replace

from infra.settings import Settings, child_environment
from tests.blobs.conftest import alone, files

LARGE = 300_000_000  # bytes
MOST = 40 << 10  # KiB: a part of an upload, what boto3 makes of it, and what was freed meanwhile


async def peaks(settings: Settings, *steps: str) -> list[int]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.blobs.passing", *steps),
        env=child_environment(settings),
        stdout=asyncio.subprocess.PIPE,
    )
    out, _ = await process.communicate()
    assert process.returncode == 0
    return [int(line) for line in out.splitlines() if line.isdigit()]  # others are of the log


@pytest.mark.parametrize("where", ["here", "in S3", "here while S3 is away"])
async def test_a_large_file_passes_through_little_memory(where: str, in_bucket: Settings) -> None:
    """The short one is the first: what a process needs once in its life is in its peak."""
    settings = {
        "here": replace(
            in_bucket, aws_s3_bucket="", aws_access_key_id="", aws_secret_access_key=""
        ),
        "in S3": in_bucket,
        "here while S3 is away": alone(in_bucket),
    }[where]
    small, *large = await peaks(settings, "put:1000", f"put:{LARGE}", f"read:{LARGE}")
    assert max(large) - small < MOST, (small, large)
    assert files(settings) == ([] if where == "in S3" else ["k", "small"])


async def test_a_large_file_is_handed_over_in_little_memory(in_bucket: Settings) -> None:
    await peaks(alone(in_bucket), f"put:{LARGE}")
    small, large = await peaks(in_bucket, "put:1000", f"hand_over:{LARGE}")
    assert large - small < MOST, (small, large)
