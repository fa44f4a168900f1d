"""/auth: what one may do, and the accounts of the demo workspace, for pages that show the way."""

from typing import Annotated
from uuid import UUID

import msgspec
from litestar import Router, get
from litestar.di import NamedDependency
from litestar.params import QueryParameter

from api.auth import Caller, Open
from api.rights import role_in
from api.seed import PASSWORD, person_id
from api.seed_data import PEOPLE
from domain.access import Action
from domain.email import EMAIL, email_stream
from domain.project import ProjectRole
from domain.user import Role
from infra.runtime import Runtime

Project = Annotated[
    UUID | None, QueryParameter(description="one's rights there, with those that one has anyway")
]


class Rights(msgspec.Struct, frozen=True):
    """By the table of access; what one may do to oneself is not among them."""

    actions: list[Action]
    project_role: ProjectRole | None = None


class Somebody(msgspec.Struct, frozen=True):
    email: str
    name: str
    role: Role


class Demo(msgspec.Struct, frozen=True):
    """Nobody, where there is no demo workspace."""

    people: list[Somebody] = []
    password: str = ""


@get("/rights", opt={"action": Open.SIGNED_IN})
async def own_rights(
    caller: NamedDependency[Caller], runtime: NamedDependency[Runtime], project: Project = None
) -> Rights:
    role = await role_in(runtime, caller, project) if project else None
    return Rights([action for action in Action if caller.may(action, role)], role)


@get("/demo", opt={"action": Open.PUBLIC})
async def demo(runtime: NamedDependency[Runtime]) -> Demo:
    """Their password is no secret: a demo is for everybody."""
    first = PEOPLE[0]
    known = (await runtime.load(EMAIL, email_stream(first.email))).state
    if not runtime.settings.formula_demo or known.user != person_id(first.name):
        return Demo()
    people = [one for one in PEOPLE if one.department != "Tour"]
    return Demo([Somebody(one.email, one.full_name, one.role) for one in people], PASSWORD)


rights = Router("/auth", route_handlers=[own_rights, demo], tags=["auth"])
