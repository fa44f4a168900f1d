"""Every route, for every role and relation, lets in whom domain.access lets in, and nobody else."""

from collections.abc import Iterator, Mapping
from typing import Any
from uuid import UUID, uuid5

import httpx
import msgspec
import pytest
from litestar.handlers import HTTPRouteHandler
from litestar.routes import HTTPRoute

from api import tokens
from api.auth import Open
from domain.access import Action, Who, allowed
from domain.client import CLIENT, CreateClient
from domain.document import DOCUMENT, CreateDocument
from domain.file import FILE, UploadFile
from domain.kernel import Command
from domain.notification import NOTIFICATION, SendNotification
from domain.project import PROJECT, AddMember, CreateProject, ProjectRole
from domain.task import TASK, CreateTask
from domain.user import USER, RegisterUser, Role
from infra.runtime import SYSTEM, Runtime
from tests.integration.conftest import Api

SPACE = UUID("7d1f0d6e-2f7e-5f0a-8e0c-2b6d2a3c4e10")
PROJECT_ID, TASK_ID, CLIENT_ID, NOBODY = (uuid5(SPACE, name) for name in ("p", "t", "c", "n"))
DOCUMENT_ID, REMOVED_ID = uuid5(SPACE, "d"), uuid5(SPACE, "r")
FILE_ID, DELETED_ID = uuid5(SPACE, "f"), uuid5(SPACE, "x")
BY_ACCESS = (
    "project.not_found",
    "task.not_found",
    "document.not_found",
    "file.not_found",
    "access.denied",
)


class Route(msgspec.Struct, frozen=True):
    """A method of a path, and what it declares."""

    method: str
    path: str
    opt: Mapping[str, Any]


class Actor(msgspec.Struct, frozen=True):
    """A user of some role, perhaps a member of the project."""

    role: Role
    member: ProjectRole | None

    @property
    def id(self) -> UUID:
        return uuid5(SPACE, f"{self.role} {self.member}")

    @property
    def message(self) -> UUID:
        return uuid5(self.id, "notification")


ACTORS = [Actor(role, member) for role in Role for member in (*ProjectRole, None)]


def routes(api: Api) -> Iterator[Route]:
    """All but the description of the API itself."""
    for route in api.app.routes:
        assert isinstance(route, HTTPRoute)
        for method, (handler, _) in route.route_handler_map.items():
            if method != "OPTIONS" and not route.path_format.startswith("/schema"):
                assert isinstance(handler, HTTPRouteHandler)
                yield Route(str(method), route.path_format, handler.opt)


async def test_every_route_declares_who_may_use_it(api: Api) -> None:
    undeclared = [
        route for route in routes(api) if not isinstance(route.opt.get("action"), Action | Open)
    ]
    assert undeclared == []
    assert len(list(routes(api))) > 40


async def test_no_route_that_changes_something_asks_only_for_the_right_to_read(api: Api) -> None:
    reading = {
        action
        for action in Action
        if action.value.endswith((".read", ".list", ".list_all"))
        and action is not Action.NOTIFICATION_READ  # to read it is to mark it
    }
    wrong = [
        route for route in routes(api) if route.method != "GET" and route.opt["action"] in reading
    ]
    assert wrong == []


async def test_without_a_token_only_public_routes_answer(api: Api) -> None:
    for route in routes(api):
        answer = await ask(api, route, {}, path(route, ACTORS[0], oneself=False))
        public = route.opt["action"] is Open.PUBLIC
        assert (answer.status_code != 401) == public, route


@pytest.mark.timeout(400)  # thousands of requests
async def test_every_route_lets_in_whom_the_access_table_lets_in(api: Api) -> None:
    await prepare(api.runtime)
    wrong: list[str] = []
    for actor in ACTORS:
        for route in routes(api):
            same = path(route, actor, oneself=True) == path(route, actor, oneself=False)
            for oneself in (False,) if same else (False, True):
                headers = {"Authorization": f"Bearer {token(api.runtime, actor)}"}
                answer = await ask(api, route, headers, path(route, actor, oneself=oneself))
                may = expected(route, actor, oneself=oneself)
                if let_in(answer) != may:
                    wrong.append(f"{actor} {route.method} {route.path} {answer.text}")
    assert wrong == []


async def ask(api: Api, route: Route, headers: dict[str, str], path: str) -> httpx.Response:
    """With a body that no route takes: who may gets 422, so no order of calls matters."""
    body = None if route.method in ("GET", "DELETE") else {"no such field": True}
    return await api.client.request(route.method, path, json=body, headers=headers)


def path(route: Route, actor: Actor, *, oneself: bool) -> str:
    """The path about things that exist, and about the actor or about somebody else."""
    other = Actor(Role.MEMBER, None) if actor.role is not Role.MEMBER else ACTORS[0]
    person = actor if oneself else other
    user = NOBODY if "{project}" in route.path else person.id  # removing nobody changes nothing
    ids: dict[str, object] = {
        "queue": "email",
        "project": PROJECT_ID,
        "task": TASK_ID,
        "document": REMOVED_ID if route.method == "DELETE" else DOCUMENT_ID,
        "file": DELETED_ID if route.method == "DELETE" else FILE_ID,
        "client": CLIENT_ID,
        "user": user,
        "notification": person.message,
        "room": f"project:{PROJECT_ID}",
        "name": "tasks",
        "position": 1,
        "version": 1,
    }
    named = {name: ids.get(name, NOBODY) for name in PARAMETERS}
    return route.path.format_map(named) + ("?wait=0" if route.path.endswith("/events") else "")


PARAMETERS = (
    "project",
    "room",
    "task",
    "document",
    "file",
    "version",
    "client",
    "user",
    "notification",
    "comment",
    "emoji",
    "stream",
    "job",
    "batch",
    "queue",
    "subject",
    "name",
    "position",
    "key",
    "upload",
    "session",
    "rule",
    "silence",
    "benchmark",
)


def expected(route: Route, actor: Actor, *, oneself: bool) -> bool:
    action = route.opt["action"]
    if isinstance(action, Open):
        return True
    in_project = any(
        f"{{{kind}}}" in route.path for kind in ("project", "task", "document", "file", "room")
    )
    about_person = "{user}" in route.path or "{notification}" in route.path
    return allowed(
        action,
        Who(actor.id, actor.role),
        project_role=actor.member if in_project else None,
        oneself=route.opt.get("own", False) or (oneself and about_person and not in_project),
    )


def let_in(answer: httpx.Response) -> bool:
    """An answer to HEAD says no code: what has such a route is open, or its GET tells."""
    if answer.request.method == "HEAD":
        return answer.status_code != 401
    denied = answer.status_code in (401, 403, 404) and answer.json().get("code") in BY_ACCESS
    return not denied and answer.status_code != 401


def token(runtime: Runtime, actor: Actor) -> str:
    """Of a log-in of its own: one of the routes ends it."""
    claims = tokens.claims(actor.id, actor.role, runtime.new_id(), NOBODY, runtime.now(), 900)
    return tokens.sign(claims, runtime.keys)


async def prepare(runtime: Runtime) -> None:
    """The users, each with a message of their own; a project, a task and a document with some."""
    now = runtime.now()
    create = CreateProject(name="P", manager=NOBODY, at=now)
    await runtime.execute(SYSTEM, PROJECT, PROJECT_ID, create)
    await runtime.execute(SYSTEM, TASK, TASK_ID, CreateTask(project=PROJECT_ID, title="T", at=now))
    write = CreateDocument(project=PROJECT_ID, title="D", at=now)
    for document in (DOCUMENT_ID, REMOVED_ID):
        await runtime.execute(SYSTEM, DOCUMENT, document, write)
    upload = UploadFile(
        project=PROJECT_ID,
        name="f.txt",
        key="f-1",
        content_type="text/plain",
        bytes=1,
        sha256="",
        at=now,
    )
    for file in (FILE_ID, DELETED_ID):
        await runtime.execute(SYSTEM, FILE, file, upload, project=PROJECT_ID)
    await runtime.execute(SYSTEM, CLIENT, CLIENT_ID, CreateClient(name="C", at=now))
    for actor in ACTORS:
        register = RegisterUser(email=f"{actor.id}@x.example", name="N", role=actor.role, at=now)
        await runtime.execute(SYSTEM, USER, actor.id, register)
        send = SendNotification(user=actor.id, kind="test", title="T", at=now)
        await runtime.execute(SYSTEM, NOTIFICATION, actor.message, send)
        if actor.member is not None:
            add: Command = AddMember(user=actor.id, role=actor.member)
            await runtime.execute(SYSTEM, PROJECT, PROJECT_ID, add)
