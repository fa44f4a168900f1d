"""What a request looks for in the audit, and the searches that a reader keeps by name."""

from collections.abc import AsyncGenerator
from datetime import datetime
from typing import Annotated
from uuid import UUID

import msgspec
from litestar import Response, delete, get, put
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter
from litestar.status_codes import HTTP_200_OK

from api.audit_reads import SavedFilter, narrowed, saved_filter, saved_filters
from api.call import Call, Done, done
from api.reads import MinPosition, audit_db
from domain.access import Action
from domain.audit import (
    AUDIT,
    AuditFilter,
    RemoveAuditFilter,
    SaveAuditFilter,
    checked_filter,
    filters_stream,
)
from infra.db import Connection
from infra.runtime import Runtime


class NewFilter(AuditFilter, frozen=True, forbid_unknown_fields=True):
    """What to look for."""


async def provide_filter(
    call: NamedDependency[Call],
    saved: Annotated[
        str | None, QueryParameter(description="one's saved filter, before those given here")
    ] = None,
    actor: FromQuery[UUID | None] = None,
    aggregate: FromQuery[str | None] = None,
    subject: FromQuery[UUID | None] = None,
    tag: Annotated[
        str | None, QueryParameter(name="type", description="a whole tag: task.created.v1")
    ] = None,
    project: FromQuery[UUID | None] = None,
    command_id: FromQuery[UUID | None] = None,
    since: FromQuery[datetime | None] = None,
    until: Annotated[
        datetime | None, QueryParameter(description="is not in the range itself")
    ] = None,
    search: Annotated[
        str | None, QueryParameter(description='words; also "a phrase", -without, this or that')
    ] = None,
) -> AuditFilter:
    given = AuditFilter(
        actor=actor,
        aggregate=aggregate,
        subject=subject,
        type=tag,
        project=project,
        command_id=command_id,
        since=since,
        until=until,
        search=search,
    )
    if saved is None:
        return checked_filter(given)
    return narrowed(await saved_filter(call.runtime, call.caller.id, saved), given)


async def provide_db_after(
    runtime: NamedDependency[Runtime],
    wanted: NamedDependency[AuditFilter],  # noqa: ARG001, whose refusal finds no connection taken
    min_position: MinPosition = None,
) -> AsyncGenerator[Connection, None]:
    """Litestar forgets what it was given beside or before what is refused."""
    async with audit_db(runtime, min_position) as db:
        yield db


@get("/filters", opt={"action": Action.AUDIT_READ})
async def list_filters(call: NamedDependency[Call]) -> list[SavedFilter]:
    """One's own, by name."""
    return await saved_filters(call.runtime, call.caller.id)


@put("/filters/{name:str}", opt={"action": Action.AUDIT_SAVE})
async def save_filter(
    name: FromPath[str], data: JSONBody[NewFilter], call: NamedDependency[Call]
) -> Response[Done]:
    wanted = AuditFilter(**msgspec.structs.asdict(data))
    stream = filters_stream(call.caller.id)
    return done(
        await call.execute(AUDIT, stream, SaveAuditFilter(name=name, filter=wanted)), stream
    )


@delete("/filters/{name:str}", status_code=HTTP_200_OK, opt={"action": Action.AUDIT_SAVE})
async def remove_filter(name: FromPath[str], call: NamedDependency[Call]) -> Response[Done]:
    stream = filters_stream(call.caller.id)
    return done(await call.execute(AUDIT, stream, RemoveAuditFilter(name=name)), stream)
