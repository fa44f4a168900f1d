"""The demo workspace: people of every role, clients, projects, tasks, documents, conversations."""

import asyncio
from collections.abc import Coroutine, Iterator, Sequence
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID, uuid5

import msgspec

from api.registering import NewUser, register_user
from api.seed_data import CLIENTS, PEOPLE, PROJECTS, Document, Person, Project, Task
from domain.client import CLIENT, Contact, CreateClient
from domain.document import DOCUMENT, CreateDocument
from domain.kernel import Command, Decider
from domain.project import PROJECT, AddMember, CreateProject, ProjectRole
from domain.registry import tag_of
from domain.task import TASK, AddComment, CreateTask
from domain.user import USER, UserRegistered
from infra.accounts import hash_of
from infra.hosts import is_loopback
from infra.passwords import Passwords
from infra.runtime import Origin, Runtime
from infra.settings import Settings, SettingsError

SEED = UUID("0c3b8f0e-5a58-5d3a-8f6e-2f4f7d7f5014")  # every id of the workspace follows from it
PASSWORD = "formula-demo-1"  # noqa: S105, documented: a demo is for everybody


class Seeded(msgspec.Struct, frozen=True):
    """How much there is now."""

    people: int
    clients: int
    projects: int
    tasks: int
    documents: int
    comments: int


def person_id(name: str) -> UUID:
    """By the first part of the e-mail."""
    return uuid5(SEED, f"person {name}")


def project_id(name: str) -> UUID:
    return uuid5(SEED, f"project {name}")


def reached_by(settings: Settings) -> str:
    """The setting that lets others reach it, with its value; "" where this machine alone does."""
    url = urlsplit(settings.public_url)
    if url.scheme == "https" or not is_loopback(url.hostname or ""):
        return f"PUBLIC_URL={settings.public_url}"
    return "" if is_loopback(settings.host) else f"HOST={settings.host}"


async def keep_strangers_out(runtime: Runtime) -> None:
    """Raises SettingsError where others reach a workspace that was made when they did not."""
    passwords = Passwords()
    open_: list[str] = []
    for person in PEOPLE:
        user = person_id(person.name)
        if (await runtime.load(USER, user)).state.active:
            stored = await hash_of(runtime.db, user)
            if stored and await passwords.matches(stored, PASSWORD):
                open_.append(person.email)
    if open_:
        raise SettingsError(
            f"{reached_by(runtime.settings)} lets others in, and all know the password of"
            f" {', '.join(open_)}: deactivate them or give them other ones, or say --demo"
        )


async def wanted(runtime: Runtime) -> bool:
    """Whether nobody is there, or a seed was cut short.

    What the system notes by itself does not count: a schedule's time may come before anybody does.
    """
    if not await runtime.store.read(0, 1, motion=False, types=[tag_of(UserRegistered)]):
        return True
    begun = await runtime.store.first(_command_id(person_id(PEOPLE[0].name)))
    return begun is not None and await runtime.store.first(_command_id(SEED)) is None


async def seed(runtime: Runtime) -> Seeded:
    """Make the workspace, or what is missing of it: each command has one id for ever."""
    passwords = Passwords()
    await _all(_register(runtime, passwords, person) for person in PEOPLE)
    await _all(_add_client(runtime, name, contact) for name, contact in CLIENTS)
    await _all(_create(runtime, project) for project in PROJECTS)
    await _all(_add_members(runtime, project) for project in PROJECTS)
    tasks = [(project, task) for project in PROJECTS for task in project.tasks]
    await _all(_add_task(runtime, project, task) for project, task in tasks)
    documents = [(project, document) for project in PROJECTS for document in project.documents]
    await _all(_write(runtime, project, document) for project, document in documents)
    # One after the other: a conversation has an order. The last of it says that all is there.
    comments = [*_conversation(tasks)]
    for number, (project, task, author, body) in enumerate(comments, start=1):
        last = number == len(comments)
        await _say(runtime, project, task, author, body, SEED if last else None)
    return Seeded(
        len(PEOPLE), len(CLIENTS), len(PROJECTS), len(tasks), len(documents), len(comments)
    )


async def _all(work: Iterator[Coroutine[Any, Any, None]]) -> None:
    async with asyncio.TaskGroup() as group:
        for one in work:
            group.create_task(one)


async def _register(runtime: Runtime, passwords: Passwords, person: Person) -> None:
    user = person_id(person.name)
    wanted = NewUser(
        email=person.email,
        name=person.full_name,
        role=person.role,
        password=PASSWORD,
        department=person.department,
    )
    origin = _origin(person_id(PEOPLE[0].name))
    await register_user(runtime, passwords, origin, user, wanted, command_id=_command_id(user))


async def _add_client(runtime: Runtime, name: str, contact: Contact) -> None:
    command = CreateClient(name=name, contacts=(contact,), at=runtime.now())
    await _execute(runtime, person_id("grace"), CLIENT, uuid5(SEED, f"client {name}"), command)


async def _create(runtime: Runtime, project: Project) -> None:
    today = runtime.now().date()
    command = CreateProject(
        name=project.title,
        description=project.description,
        type="internal" if project.client is None else "client",
        priority=project.priority,
        client=None if project.client is None else uuid5(SEED, f"client {project.client}"),
        manager=person_id(project.manager),
        starts=today,
        ends=today + timedelta(days=90),
        at=runtime.now(),
    )
    stream = project_id(project.name)
    actor = person_id(project.manager)
    await _execute(runtime, actor, PROJECT, stream, command, project=stream)


async def _add_members(runtime: Runtime, project: Project) -> None:
    stream, actor = project_id(project.name), person_id(project.manager)
    roles = {ProjectRole.CONTRIBUTOR: project.contributors, ProjectRole.VIEWER: project.viewers}
    for role, names in roles.items():
        for name in names:
            command = AddMember(user=person_id(name), role=role)
            id_ = uuid5(stream, f"member {name}")
            await _execute(runtime, actor, PROJECT, stream, command, project=stream, id_=id_)


async def _add_task(runtime: Runtime, project: Project, task: Task) -> None:
    due = runtime.now().date() + timedelta(days=task.due_in)
    command = CreateTask(
        project=project_id(project.name),
        title=task.title,
        status=task.status,
        priority=task.priority,
        assignee=person_id(task.assignee) if task.assignee else None,
        due=due,
        at=runtime.now(),
    )
    stream, actor = _task_id(project, task), person_id(project.manager)
    await _execute(runtime, actor, TASK, stream, command, project=project_id(project.name))


async def _write(runtime: Runtime, project: Project, document: Document) -> None:
    where, actor = project_id(project.name), person_id(project.manager)
    command = CreateDocument(
        project=where, title=document.title, fields=dict(document.fields), at=runtime.now()
    )
    stream = uuid5(SEED, f"document {project.name} {document.title}")
    await _execute(runtime, actor, DOCUMENT, stream, command, project=where)


def _conversation(
    tasks: Sequence[tuple[Project, Task]],
) -> Iterator[tuple[Project, Task, str, str]]:
    for project, task in tasks:
        for author, body in task.comments:
            yield project, task, author, body


async def _say(
    runtime: Runtime, project: Project, task: Task, author: str, body: str, id_: UUID | None
) -> None:
    stream = _task_id(project, task)
    comment = uuid5(stream, f"{author}: {body}")
    named = [person.name for person in PEOPLE if f"@{person.name}" in body]
    command = AddComment(
        comment=comment,
        author=person_id(author),
        body=body,
        mentions=tuple(person_id(name) for name in named),
        at=runtime.now(),
    )
    where = project_id(project.name)
    actor, id_ = person_id(author), id_ or comment
    await _execute(runtime, actor, TASK, stream, command, project=where, id_=id_)


async def _execute(
    runtime: Runtime,
    actor: UUID,
    decider: Decider[Any, Any, Any],
    stream: UUID,
    command: Command,
    *,
    project: UUID | None = None,
    id_: UUID | None = None,
) -> None:
    """`id_` where a stream gets more than one command."""
    command_id = _command_id(id_ or stream)
    await runtime.execute(
        _origin(actor), decider, stream, command, command_id=command_id, project=project
    )


def _origin(actor: UUID) -> Origin:
    return Origin(actor=actor, user_agent="formula seed")


def _task_id(project: Project, task: Task) -> UUID:
    return uuid5(SEED, f"task {project.name} {task.title}")


def _command_id(thing: UUID) -> UUID:
    return uuid5(thing, "seed")
