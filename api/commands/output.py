"""What commands share: settings, the console, JSON lines, and one clear line when they fail."""

import os
import sys
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from typing import Annotated, NoReturn, cast
from uuid import UUID

import msgspec
import psycopg
import typer
from psycopg_pool import PoolTimeout
from redis.exceptions import RedisError
from rich.console import Console

from api.client.errors import ClientError
from domain.errors import Refused
from domain.user import USER
from infra.eventstore.codec import UnknownTag
from infra.folder import EmbeddedError
from infra.instance import NotRunning, with_instance
from infra.runtime import Runtime, conninfo_ok, open_runtime
from infra.settings import Settings, SettingsError, load_settings
from infra.supervisor import StartFailed
from migrations.runner import MigrationError

EXIT_FAILED = 1

out = Console(highlight=False)
err = Console(stderr=True, highlight=False)

JsonFlag = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]

EXPECTED = (
    ClientError,
    EmbeddedError,
    MigrationError,
    NotRunning,
    OSError,
    PoolTimeout,
    RedisError,
    Refused,
    SettingsError,
    StartFailed,
    UnknownTag,
    psycopg.Error,
)


@contextmanager
def plain_errors() -> Generator[None]:
    """What can be expected to go wrong ends the command with one line, not with a traceback."""
    try:
        yield
    except BrokenPipeError:  # whoever read our output has gone: `| head` has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except BaseExceptionGroup as group:
        expected, other = group.split(EXPECTED)
        if other is not None or expected is None:
            raise
        fail(leaf(expected))
    except EXPECTED as error:
        fail(error)


def fail(reason: BaseException | str) -> NoReturn:
    err.print(f"formula: {one_line(reason)}", style="red", markup=False, soft_wrap=True)
    sys.exit(EXIT_FAILED)


def one_line(reason: BaseException | str) -> str:
    if isinstance(reason, StartFailed):  # and what the process wrote last
        return str(reason)
    text = " ".join(str(reason).split()) or type(reason).__name__
    return f"Postgres: {text}" if isinstance(reason, psycopg.OperationalError) else text


def leaf(error: BaseException) -> BaseException:
    """The first error inside nested groups."""
    while isinstance(error, BaseExceptionGroup):
        error = cast("BaseExceptionGroup[BaseException]", error).exceptions[0]
    return error


def running_settings() -> Settings:
    """The settings, completed from the instance that runs on the data folder."""
    return with_instance(load_settings())


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


def print_json(value: object) -> None:
    """One line."""
    sys.stdout.write(msgspec.json.encode(value).decode() + "\n")
    sys.stdout.flush()
