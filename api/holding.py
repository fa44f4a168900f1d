"""To hold something: the command for it, whoever gives it."""

from uuid import UUID

from domain.errors import NotFound
from domain.hold import Kind, PlaceHold
from domain.project import PROJECT
from infra.runtime import Runtime


async def placing(runtime: Runtime, subject: UUID, kind: Kind, reason: str) -> PlaceHold:
    """The command, with the project that the record belongs to. Raises NotFound."""
    project = subject
    if kind == "record":
        project = await _project_of(runtime, subject)
    elif not (await runtime.load(PROJECT, subject)).version:
        raise NotFound("project.not_found", id=subject)
    return PlaceHold(subject=subject, kind=kind, project=project, reason=reason, at=runtime.now())


async def _project_of(runtime: Runtime, record: UUID) -> UUID | None:
    """None for what belongs to no project: a client, a person. A project is held as one."""
    made = await runtime.store.read_stream(record, 0, 1)
    if not made or isinstance(made[0].event, PROJECT.events):
        raise NotFound("hold.no_such_record", id=record)
    return made[0].meta.project_id
