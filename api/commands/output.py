"""What commands share: settings, the console, JSON lines, and one clear line when they fail."""

import sys
from collections.abc import Generator
from contextlib import contextmanager
from typing import Annotated, Any, NoReturn, cast

import msgspec
import psycopg
import typer
from psycopg_pool import PoolTimeout
from redis.exceptions import RedisError
from rich.console import Console

from api.client.errors import ClientError
from domain.errors import Refused
from infra.eventstore.codec import UnknownTag
from infra.folder import EmbeddedError
from infra.instance import NotRunning, with_instance
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


def print_json(value: object) -> None:
    """One line; what reads it may have gone."""
    sys.stdout.write(msgspec.json.encode(value).decode() + "\n")
    sys.stdout.flush()


def builtins(value: object) -> Any:
    """A Struct as people's tools want it: plain values."""
    return msgspec.to_builtins(value)
