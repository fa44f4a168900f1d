"""User: who people are, what they may do, and whether they still may."""

from datetime import datetime
from enum import StrEnum
from typing import TypeAlias, assert_never
from uuid import UUID

import msgspec
from msgspec import UNSET, UnsetType

from domain.errors import Invalid, NotFound, WrongState
from domain.kernel import Command, Decider, Event
from domain.text import checked, no_nul

MAX_EMAIL = 254  # characters (RFC 5321, 4.5.3.1.3)
MAX_NAME = 120  # characters
MAX_DEPARTMENT = 80  # characters
MAX_REASON = 200  # characters
SIGN_OUTS = 50  # remembered of a person: their access tokens run out within minutes


class Role(StrEnum):
    ADMIN = "admin"
    MANAGER = "manager"
    MEMBER = "member"
    GUEST = "guest"
    AUDITOR = "auditor"
    ANALYST = "analyst"
    OPERATOR = "operator"


class UserStatus(StrEnum):
    ACTIVE = "active"
    DEACTIVATED = "deactivated"


class UserRegistered(Event, frozen=True, kw_only=True, tag="user.registered.v1"):
    email: str
    name: str
    role: Role
    department: str = ""
    at: datetime


class UserProfileChanged(Event, frozen=True, kw_only=True, tag="user.profile_changed.v1"):
    name: str | UnsetType = UNSET
    department: str | UnsetType = UNSET


class UserEmailChanged(Event, frozen=True, kw_only=True, tag="user.email_changed.v1"):
    email: str


class UserRoleChanged(Event, frozen=True, kw_only=True, tag="user.role_changed.v1"):
    role: Role


class UserDeactivated(Event, frozen=True, kw_only=True, tag="user.deactivated.v1"):
    reason: str = ""


class UserReactivated(Event, frozen=True, kw_only=True, tag="user.reactivated.v1"):
    pass


class PasswordSet(Event, frozen=True, kw_only=True, tag="user.password_set.v1"):
    """That it was set; the hash is kept outside the log, where it can be removed."""


class UserSignedOut(Event, frozen=True, kw_only=True, tag="user.signed_out.v1"):
    session: UUID  # of the log-in that has ended; others of the same person go on


class RegisterUser(Command, frozen=True, kw_only=True, tag="register_user"):
    email: str
    name: str
    role: Role
    department: str = ""
    at: datetime


class ChangeProfile(Command, frozen=True, kw_only=True, tag="change_profile"):
    name: str | UnsetType = UNSET
    department: str | UnsetType = UNSET


class ChangeEmail(Command, frozen=True, kw_only=True, tag="change_email"):
    email: str


class ChangeRole(Command, frozen=True, kw_only=True, tag="change_role"):
    role: Role


class DeactivateUser(Command, frozen=True, kw_only=True, tag="deactivate_user"):
    reason: str = ""


class ReactivateUser(Command, frozen=True, kw_only=True, tag="reactivate_user"):
    pass


class SetPassword(Command, frozen=True, kw_only=True, tag="set_password"):
    pass


class SignOut(Command, frozen=True, kw_only=True, tag="sign_out"):
    session: UUID


UserEvent: TypeAlias = (
    UserRegistered
    | UserProfileChanged
    | UserEmailChanged
    | UserRoleChanged
    | UserDeactivated
    | UserReactivated
    | PasswordSet
    | UserSignedOut
)
UserCommand: TypeAlias = (
    RegisterUser
    | ChangeProfile
    | ChangeEmail
    | ChangeRole
    | DeactivateUser
    | ReactivateUser
    | SetPassword
    | SignOut
)


class User(msgspec.Struct, frozen=True):
    email: str = ""
    name: str = ""
    role: Role = Role.GUEST
    department: str = ""
    status: UserStatus | None = None  # None: not registered
    signed_out: tuple[UUID, ...] = ()  # sessions that have ended, newest last

    @property
    def active(self) -> bool:
        return self.status is UserStatus.ACTIVE


def normal_email(text: str) -> str:
    """The form in which two spellings of one address are equal. Raises Invalid."""
    email = no_nul(text).strip().lower()
    name, _, domain = email.partition("@")
    bad = not (name and domain) or "@" in domain or len(email) > MAX_EMAIL
    if bad or not email.isprintable() or any(letter in ' <>,;:"\\' for letter in email):
        raise Invalid("user.bad_email")
    return email


def decide(command: UserCommand, user: User) -> list[UserEvent]:
    if isinstance(command, RegisterUser):
        return _register(command, user)
    if user.status is None:
        raise NotFound("user.not_found")
    match command:
        case ChangeProfile(name=name, department=department):
            return _change_profile(name, department, user)
        case ChangeEmail(email=email):
            email = normal_email(email)
            return [] if email == user.email else [UserEmailChanged(email=email)]
        case ChangeRole(role=role):
            return [] if role is user.role else [UserRoleChanged(role=role)]
        case DeactivateUser(reason=reason):
            reason = checked(reason, "user.bad_reason", MAX_REASON, least=0)
            return [UserDeactivated(reason=reason)] if user.active else []
        case ReactivateUser():
            return [] if user.active else [UserReactivated()]
        case SetPassword():
            return [PasswordSet()]
        case SignOut(session=session):
            return [] if session in user.signed_out else [UserSignedOut(session=session)]
        case _:
            assert_never(command)


def _register(command: RegisterUser, user: User) -> list[UserEvent]:
    if user.status is not None:
        raise WrongState("user.exists")
    return [
        UserRegistered(
            email=normal_email(command.email),
            name=checked(command.name, "user.bad_name", MAX_NAME),
            role=command.role,
            department=checked(command.department, "user.bad_department", MAX_DEPARTMENT, least=0),
            at=command.at,
        )
    ]


def _change_profile(
    name: str | UnsetType, department: str | UnsetType, user: User
) -> list[UserEvent]:
    if name is not UNSET:
        name = checked(name, "user.bad_name", MAX_NAME)
    if department is not UNSET:
        department = checked(department, "user.bad_department", MAX_DEPARTMENT, least=0)
    changed = UserProfileChanged(
        name=UNSET if name == user.name else name,
        department=UNSET if department == user.department else department,
    )
    return [] if changed == UserProfileChanged() else [changed]


def evolve(user: User, event: UserEvent) -> User:
    match event:
        case UserRegistered(email=email, name=name, role=role, department=department):
            return User(email, name, role, department, UserStatus.ACTIVE)
        case UserProfileChanged(name=name, department=department):
            return msgspec.structs.replace(
                user,
                name=user.name if name is UNSET else name,
                department=user.department if department is UNSET else department,
            )
        case UserEmailChanged(email=email):
            return msgspec.structs.replace(user, email=email)
        case UserRoleChanged(role=role):
            return msgspec.structs.replace(user, role=role)
        case UserDeactivated():
            return msgspec.structs.replace(user, status=UserStatus.DEACTIVATED)
        case UserReactivated():
            return msgspec.structs.replace(user, status=UserStatus.ACTIVE)
        case PasswordSet():
            return user
        case UserSignedOut(session=session):
            ended = (*user.signed_out, session)[-SIGN_OUTS:]
            return msgspec.structs.replace(user, signed_out=ended)
        case _:
            assert_never(event)


USER = Decider(
    name="user",
    initial=User(),
    decide=decide,
    evolve=evolve,
    events=(
        UserRegistered,
        UserProfileChanged,
        UserEmailChanged,
        UserRoleChanged,
        UserDeactivated,
        UserReactivated,
        PasswordSet,
        UserSignedOut,
    ),
)
