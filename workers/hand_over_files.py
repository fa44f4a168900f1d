"""Move files to S3 that were kept on the local disk while it could not be reached."""

from domain.job_args import HandOverFiles
from infra.blobs.door import HandedOver
from workers.model import FILES, Context, Job


async def run(context: Context, _args: HandOverFiles) -> HandedOver:
    """A retry moves what is left; where there is no S3, nothing is."""
    done = await context.runtime.blobs.hand_over()
    if done.left:
        await context.log(f"{done.left} files are still on the local disk")
    return done


JOB = Job("hand_over_files", FILES, HandOverFiles, run, timeout_s=3_600.0)
