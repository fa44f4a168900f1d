"""formula jobs: asking for jobs, calling them off, trying them again, holding queues up."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import UUID

import msgspec
import typer

from api.commands.asking import AsUser
from api.commands.jobs import JobId, app, somebody
from api.commands.output import JsonFlag, fail, out, print_json
from api.job_forms import NewJob, wanted
from api.job_rights import (
    Accepted,
    accepted,
    require_asking,
    require_cancel,
    require_retry,
)
from api.rights import Caller, require
from domain.access import Action
from domain.job_args import QueueName
from domain.jobs import JOB, PRIORITY, CancelJob, RequestJob, RetryJob
from domain.kernel import Command, Decider
from domain.queue import (
    QUEUE,
    DiscardDead,
    PauseQueue,
    QueueCommand,
    ResumeQueue,
    RetryDead,
    queue_stream,
)
from domain.schedules import by_hand, named
from infra.runtime import Origin, Runtime

HERE = "formula jobs"  # where the command line's orders come from

QueueArgument = Annotated[QueueName, typer.Argument(metavar="QUEUE")]
Check = Callable[[Runtime, Caller | None, UUID], Awaitable[None]]


@app.command()
def ask(
    job_type: Annotated[str, typer.Argument(metavar="TYPE", help="ping, snapshot_day, …")],
    arguments: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME=VALUE… | JSON]", help="What it is told.")
    ] = None,
    priority: Annotated[int, typer.Option(help="0 goes first, 9 last.")] = PRIORITY,
    at: Annotated[datetime | None, typer.Option(help="Not before, in UTC.")] = None,
    delay: Annotated[float | None, typer.Option(help="Not before so many seconds passed.")] = None,
    unique: Annotated[str, typer.Option(help="Not while another with this text waits.")] = "",
    needs: Annotated[list[UUID] | None, typer.Option(help="Jobs to be done before.")] = None,
    as_user: AsUser = None,
    json: JsonFlag = False,
) -> None:
    """Ask for a job.

    Examples: [bold]formula jobs ask ping queue=email seconds=5[/],
    [bold]formula jobs ask snapshot_day '{"day":"2026-01-31"}'[/]
    """
    new = _new_job(
        {
            "args": {**_arguments(arguments or []), "type": job_type},
            "priority": priority,
            "run_at": at.replace(tzinfo=UTC) if at else None,
            "delay_s": delay,
            "unique": unique,
            "needs": needs or [],
        }
    )
    _print(asyncio.run(_ask(as_user, new)), "asked for", json=json)


def _arguments(given: list[str]) -> dict[str, Any]:
    if len(given) == 1 and given[0].startswith("{"):
        try:
            return msgspec.json.decode(given[0], type=dict[str, Any])
        except msgspec.DecodeError as error:
            fail(f"no JSON object: {error}")
    found: dict[str, Any] = {}
    for one in given:
        name, separator, value = one.partition("=")
        if not separator or not name:
            fail(f"arguments are NAME=VALUE or one JSON object, not {one}")
        found[name] = value
    return found


def _new_job(fields: dict[str, Any]) -> NewJob:
    try:
        return msgspec.convert(fields, NewJob, strict=False)
    except msgspec.ValidationError as error:
        fail(f"no such job: {error}")


async def _ask(as_user: str | None, new: NewJob) -> Accepted:
    async with somebody(as_user) as (runtime, who):
        one = wanted(new, runtime.now())
        await require_asking(runtime, who, [one])
        return await _do(runtime, who, JOB, runtime.new_id(), RequestJob(wanted=one))


@app.command()
def cancel(
    job: JobId,
    reason: Annotated[str, typer.Option(help="Why; whoever asked for it sees it.")] = "",
    as_user: AsUser = None,
    json: JsonFlag = False,
) -> None:
    """Call off a job, or by a batch's id all of it; also one that runs, or is dead.

    Example: [bold]formula jobs cancel 0190… --reason "no longer wanted"[/]
    """
    found = asyncio.run(_change(as_user, job, require_cancel, CancelJob(reason=reason)))
    _print(found, "cancelled", json=json)


@app.command()
def retry(job: JobId, as_user: AsUser = None, json: JsonFlag = False) -> None:
    """Try a job again that died, was refused or called off, or those of a batch."""
    found = asyncio.run(_change(as_user, job, require_retry, RetryJob()))
    _print(found, "tried again", json=json)


async def _change(
    as_user: str | None, job: UUID, check: Check, command: CancelJob | RetryJob
) -> Accepted:
    async with somebody(as_user) as (runtime, who):
        await check(runtime, who, job)
        return await _do(runtime, who, JOB, job, command)


@app.command()
def pause(
    queue: QueueArgument,
    reason: Annotated[str, typer.Option(help="Why; dashboards show it.")],
    as_user: AsUser = None,
    json: JsonFlag = False,
) -> None:
    """Hand out no more jobs of a queue; those that run go on.

    Example: [bold]formula jobs pause email --reason "the mail server is full"[/]
    """
    _order(as_user, queue, PauseQueue(queue=queue, reason=reason), "paused", json=json)


@app.command()
def resume(queue: QueueArgument, as_user: AsUser = None, json: JsonFlag = False) -> None:
    """Hand out jobs of a queue again."""
    _order(as_user, queue, ResumeQueue(queue=queue), "resumed", json=json)


@app.command("retry-dead")
def retry_dead(
    queue: QueueArgument,
    job: Annotated[str, typer.Option(help="Only those of this type.")] = "",
    as_user: AsUser = None,
    json: JsonFlag = False,
) -> None:
    """Try all dead jobs of a queue again, or those of a type."""
    _order(as_user, queue, RetryDead(queue=queue, job=job), "tried again", json=json)


@app.command("discard-dead")
def discard_dead(
    queue: QueueArgument,
    reason: Annotated[str, typer.Option(help="Why; whoever asked for them sees it.")],
    job: Annotated[str, typer.Option(help="Only those of this type.")] = "",
    as_user: AsUser = None,
    json: JsonFlag = False,
) -> None:
    """Call off all dead jobs of a queue, or those of a type: nobody will try them again.

    Example: [bold]formula jobs discard-dead email --reason "the domain is gone"[/]
    """
    command = DiscardDead(queue=queue, reason=reason, job=job)
    _order(as_user, queue, command, "has no dead jobs", json=json)


def _order(
    as_user: str | None, queue: QueueName, command: QueueCommand, what: str, *, json: bool
) -> None:
    async def run() -> Accepted:
        async with _managing(as_user) as (runtime, who):
            return await _do(runtime, who, QUEUE, queue_stream(queue), command)

    _print(asyncio.run(run()), what, json=json, subject=queue.value)


@app.command()
def run(
    name: Annotated[str, typer.Argument(metavar="NAME", help="See `formula jobs schedules`.")],
    as_user: AsUser = None,
    json: JsonFlag = False,
) -> None:
    """Run a schedule's job now; its ticks to come stay as they are."""

    async def ask_now() -> Accepted:
        async with _managing(as_user) as (runtime, who):
            command = by_hand(named(name), runtime.now())
            return await _do(runtime, who, JOB, runtime.new_id(), command)

    _print(asyncio.run(ask_now()), "asked for", json=json)


@asynccontextmanager
async def _managing(as_user: str | None) -> AsyncGenerator[tuple[Runtime, Caller | None]]:
    async with somebody(as_user) as (runtime, who):
        if who is not None:
            await require(runtime, who, Action.JOBS_MANAGE)
        yield runtime, who


async def _do(
    runtime: Runtime,
    who: Caller | None,
    decider: Decider[Any, Any, Any],
    stream: UUID,
    command: Command,
) -> Accepted:
    origin = Origin(actor=who.id if who else None, user_agent=HERE)
    return await accepted(runtime, stream, await runtime.execute(origin, decider, stream, command))


def _print(found: Accepted, what: str, *, json: bool, subject: str = "") -> None:
    if json:
        print_json(found)
        return
    when = "" if found.applied else ", once a worker runs"
    out.print(f"{subject or found.id} {what}{when}", soft_wrap=True)
