"""boto3 alone, as it comes: `upload_fileobj` of the same file to the same server."""

import time
from pathlib import Path

import msgspec

from bench.child import Sample, answer, given
from bench.seaweed import client
from infra.settings import Settings

SEALED = {"ServerSideEncryption": "AES256"}
KEY = "boto"


class Boto(msgspec.Struct, frozen=True):
    settings: Settings
    path: str


def run(load: Boto) -> Sample:
    """`mb_per_s`, until it is there."""
    path = Path(load.path)
    bucket, s3 = load.settings.aws_s3_bucket, client(load.settings.aws_endpoint_url)
    s3.head_bucket(Bucket=bucket)
    start = time.perf_counter()
    with path.open("rb") as content:
        s3.upload_fileobj(content, bucket, KEY, ExtraArgs=SEALED)
    took = time.perf_counter() - start
    size = path.stat().st_size
    wrong = s3.head_object(Bucket=bucket, Key=KEY)["ContentLength"] != size
    s3.delete_object(Bucket=bucket, Key=KEY)
    return Sample({"mb_per_s": size / took / 1e6}, int(wrong))


if __name__ == "__main__":
    answer(run(given(Boto)))
