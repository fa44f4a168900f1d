"""Parts of a command that append nothing: what must be so on other streams when it is stored.

Each is decided with the command and guarded under the same lock, so nobody can be removed, and
no lock taken, between the decision and the append.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, Never
from uuid import UUID

from domain.client import CLIENT, Client, ClientStatus
from domain.errors import Invalid, Locked, NotFound
from domain.kernel import Command, Decider
from domain.lock import LOCK, Lock, lock_stream
from domain.project import PROJECT, Project
from domain.task import TASK, Task
from domain.user import USER, User
from infra.eventstore.execute import Do


class MustBeActiveUser(Command, frozen=True, tag="must_be_active_user"):
    user: UUID


class MustBeActiveClient(Command, frozen=True, tag="must_be_active_client"):
    client: UUID


class MustHaveMembers(Command, frozen=True, tag="must_have_members"):
    users: frozenset[UUID]


class MustHaveComment(Command, frozen=True, tag="must_have_comment"):
    comment: UUID | None  # None: the task itself is enough


class MustNotBeLocked(Command, frozen=True, tag="must_not_be_locked"):
    by: UUID
    token: int | None  # the fencing token the caller holds, if any
    now: datetime


def active_user(user: UUID) -> Do:
    return Do(_USER, user, MustBeActiveUser(user=user))


def active_client(client: UUID) -> Do:
    return Do(_CLIENT, client, MustBeActiveClient(client=client))


def members(project: UUID, users: Iterable[UUID]) -> Do:
    return Do(_PROJECT, project, MustHaveMembers(users=frozenset(users)))


def said(task: UUID, comment: UUID | None) -> Do:
    return Do(_TASK, task, MustHaveComment(comment=comment))


def unlocked(project: UUID, resource: str, by: UUID, token: int | None, now: datetime) -> Do:
    """Nobody holds the resource; or the caller does, by this token.

    Without it even the holder does not write: they may have another window, that holds nothing.
    """
    stream = lock_stream(project, resource)
    return Do(_LOCK, stream, MustNotBeLocked(by=by, token=token, now=now))


def _user(command: MustBeActiveUser, user: User) -> list[Never]:
    if not user.active:
        raise Invalid("user.unknown", user=command.user)
    return []


def _client(command: MustBeActiveClient, client: Client) -> list[Never]:
    if client.status is not ClientStatus.ACTIVE:
        raise Invalid("client.unknown", client=command.client)
    return []


def _members(command: MustHaveMembers, project: Project) -> list[Never]:
    strangers = sorted(command.users - project.members.keys())
    if strangers:
        raise Invalid("project.not_a_member", user=strangers[0])
    return []


def _task(command: MustHaveComment, task: Task) -> list[Never]:
    if task.project is None:
        raise NotFound("task.not_found")
    if command.comment is not None and command.comment not in task.authors:
        raise NotFound("task.no_such_comment", comment=command.comment)
    return []


def _lock(command: MustNotBeLocked, lock: Lock) -> list[Never]:
    held, token = lock.held(command.now), command.token
    if token is None and held:
        raise Locked("lock.held", holder=lock.holder, expires=lock.expires)
    # Everybody in the room sees the token: it is worth nothing to anybody else.
    if token is not None and not (held and lock.token == token and lock.holder == command.by):
        raise Locked("lock.lost", holder=lock.holder if held else None)
    return []


def _beside(decider: Decider[Any, Any, Any], decide: Any) -> Decider[Any, Any, Any]:
    """The aggregate as it is, with another question put to it."""
    return Decider(decider.name, decider.initial, decide, decider.evolve, decider.events)


_USER = _beside(USER, _user)
_CLIENT = _beside(CLIENT, _client)
_PROJECT = _beside(PROJECT, _members)
_TASK = _beside(TASK, _task)
_LOCK = _beside(LOCK, _lock)
