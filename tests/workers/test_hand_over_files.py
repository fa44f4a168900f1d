"""The job that moves files to S3 that were kept on the local disk, by a real worker."""

from msgspec.structs import replace

from domain.job_args import HandOverFiles
from infra.blobs.door import HandedOver
from infra.runtime import Runtime
from tests.workers.office import Office, working


async def test_where_there_is_no_s3_nothing_is_moved(projected: Runtime) -> None:
    await projected.blobs.put("k", b"x", content_type="text/plain", name="a")
    async with working(projected.settings):
        assert await Office(projected).done(HandOverFiles(), HandedOver) == HandedOver()
    assert (await projected.blobs.head("k")).bytes == 1


async def test_while_s3_is_away_files_wait_and_the_job_says_so(projected: Runtime) -> None:
    away = replace(
        projected.settings,
        aws_access_key_id="an-id",
        aws_secret_access_key="a-secret",
        aws_s3_bucket="bucket",
        aws_endpoint_url="http://127.0.0.1:9",
    )
    await projected.blobs.put("k", b"x", content_type="text/plain", name="a")
    async with working(away):
        assert await Office(projected).done(HandOverFiles(), HandedOver) == HandedOver(left=1)
        (row,) = await Office(projected).jobs("hand_over_files")
    assert row.queue == "files"
    assert (await projected.blobs.head("k")).bytes == 1  # seen without S3: it is still here
