"""As whom a command reads: the access table counts on the command line as well."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Annotated
from uuid import UUID

import typer

from api.rights import Caller, require
from domain.access import Action
from domain.email import EMAIL, email_stream
from domain.errors import NotFound
from domain.user import USER
from infra.runtime import Runtime, conninfo_ok, open_runtime
from infra.settings import Settings

AsUser = Annotated[
    str | None,
    typer.Option(
        "--as",
        metavar="EMAIL",
        help="Ask as this user. Default: as who holds the database's password, who may see all.",
    ),
]


@asynccontextmanager
async def asking(
    settings: Settings, email: str | None, action: Action, project: UUID | None = None
) -> AsyncGenerator[Runtime]:
    """A runtime, for those who may do `action`. Raises NotAllowed, and NotFound for a stranger."""
    async with connected(settings) as runtime:
        if email is not None:
            await require(runtime, await caller(runtime, email), action, project=project)
        yield runtime


async def caller(runtime: Runtime, email: str) -> Caller:
    """The user of --as. Raises NotFound."""
    holder = (await runtime.load(EMAIL, email_stream(email))).state.user
    user = (await runtime.load(USER, holder)).state if holder else None
    if holder is None or user is None or not user.active:
        raise NotFound("user.not_found", email=email)
    return Caller(holder, user.role, session=holder, expires=runtime.now())


@asynccontextmanager
async def connected(settings: Settings) -> AsyncGenerator[Runtime]:
    """A runtime for one command. Raises psycopg.OperationalError at once, not after retries."""
    await conninfo_ok(settings.database_url)
    async with open_runtime(settings) as runtime:
        yield runtime


async def actor_name(runtime: Runtime, actor: UUID | None) -> str:
    if actor is None:
        return "system"
    return (await runtime.load(USER, actor)).state.name or str(actor)
