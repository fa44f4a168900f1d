"""What can be expected to go wrong in a command: one clear line, not a traceback."""

import os
import sys
from collections.abc import Iterator
from typing import cast

import psycopg
from psycopg_pool import PoolTimeout
from redis.exceptions import RedisError

from api.client.errors import ClientError
from api.commands.output import one_line, stop
from domain.errors import Refused
from infra.blobs.model import Unavailable
from infra.eventstore.codec import UnknownTag
from infra.folder import EmbeddedError
from infra.instance import NotRunning
from infra.settings import SettingsError
from infra.supervisor import StartFailed
from migrations.runner import MigrationError
from projections.read import BehindPosition

EXPECTED = (
    BehindPosition,
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
    Unavailable,
    UnknownTag,
    psycopg.Error,
)


def end(error: BaseException) -> None:
    """End the process with one line; what cannot be expected is raised again."""
    if isinstance(error, BrokenPipeError):  # whoever read our output has seen enough: `| head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return
    leaves = list(_leaves(error))
    if not all(isinstance(one, EXPECTED) for one in leaves):
        raise error
    stop(said(leaves[0]))


def said(error: BaseException) -> str:
    if isinstance(error, StartFailed):  # and what the process wrote last
        return str(error)
    line = one_line(error)
    return f"Postgres: {line}" if isinstance(error, psycopg.OperationalError) else line


def _leaves(error: BaseException) -> Iterator[BaseException]:
    """The errors inside nested groups."""
    if not isinstance(error, BaseExceptionGroup):
        yield error
        return
    for one in cast("BaseExceptionGroup[BaseException]", error).exceptions:
        yield from _leaves(one)
