"""Login: that somebody signed in. No rule depends on it; how it ends is in their own stream."""

from typing import Literal, TypeAlias
from uuid import UUID

import msgspec

from domain.errors import WrongState
from domain.kernel import Command, Decider, Event

Way: TypeAlias = Literal["password", "link"]


class LoginBegun(Event, frozen=True, kw_only=True, tag="login.begun.v1"):
    """The stream has the id of its session; from where and by what, its metadata says."""

    user: UUID
    way: Way


class BeginLogin(Command, frozen=True, kw_only=True, tag="begin_login"):
    user: UUID
    way: Way


class Login(msgspec.Struct, frozen=True):
    begun: bool = False


def decide(command: BeginLogin, login: Login) -> list[LoginBegun]:
    if login.begun:
        raise WrongState("login.exists")
    return [LoginBegun(user=command.user, way=command.way)]


def evolve(_login: Login, _event: LoginBegun) -> Login:
    return Login(begun=True)


LOGIN = Decider(name="login", initial=Login(), decide=decide, evolve=evolve, events=(LoginBegun,))
