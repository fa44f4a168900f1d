"""A file as a project keeps it, found clean, without workers."""

from hashlib import sha256
from uuid import UUID

from domain.file import FILE, InspectFile, UploadFile, Verdict
from infra.runtime import SYSTEM, Runtime
from projections.read import wait_for


async def keep(runtime: Runtime, project: str, content: bytes, name: str = "a.txt") -> UUID:
    """The read models show it."""
    file, key = runtime.new_id(), f"f-{runtime.new_id().hex}"
    kind = "text/plain"
    await runtime.blobs.put(key, content, content_type=kind, name=name)
    upload = UploadFile(
        project=UUID(project),
        name=name,
        key=key,
        content_type=kind,
        bytes=len(content),
        sha256=sha256(content).hexdigest(),
        at=runtime.now(),
    )
    await runtime.execute(SYSTEM, FILE, file, upload, project=upload.project)
    inspect = InspectFile(number=1, verdict=Verdict.CLEAN)
    outcome = await runtime.execute(SYSTEM, FILE, file, inspect, project=upload.project)
    await shown(runtime, outcome.position)
    return file


async def shown(runtime: Runtime, position: int | None) -> None:
    assert position is not None
    await wait_for(runtime, "queries", position)
