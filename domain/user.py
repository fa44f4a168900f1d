"""User: who people are, what they may do, and whether they still may."""

from datetime import datetime
from enum import StrEnum
from typing import TypeAlias, assert_never

import msgspec
from msgspec import UNSET, UnsetType

from domain.entry import (
    ApiKeyCreated,
    ApiKeyRevoked,
    CreateApiKey,
    Entry,
    EntryCommand,
    EntryEvent,
    RefreshTokenReused,
    UserSignedOut,
    UserSignedOutEverywhere,
)
from domain.entry import decide as decide_entry
from domain.entry import evolve as evolve_entry
from domain.errors import Invalid, NotFound, WrongState
from domain.kernel import Command, Decider, Event
from domain.text import checked, no_nul

MAX_EMAIL = 254  # characters (RFC 5321, 4.5.3.1.3)
MAX_NAME = 120  # characters
MAX_DEPARTMENT = 80  # characters
MAX_REASON = 200  # characters


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


class EmailVerified(Event, frozen=True, kw_only=True, tag="user.email_verified.v1"):
    email: str


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
    """No log-in of before goes on."""

    at: datetime


class SetPassword(Command, frozen=True, kw_only=True, tag="set_password"):
    """Ends every log-in as well."""

    at: datetime


class VerifyEmail(Command, frozen=True, kw_only=True, tag="verify_email"):
    """`email`: the one that the link was sent to."""

    email: str


UserEvent: TypeAlias = (
    UserRegistered
    | UserProfileChanged
    | UserEmailChanged
    | UserRoleChanged
    | UserDeactivated
    | UserReactivated
    | PasswordSet
    | EmailVerified
    | EntryEvent
)
UserCommand: TypeAlias = (
    RegisterUser
    | ChangeProfile
    | ChangeEmail
    | ChangeRole
    | DeactivateUser
    | ReactivateUser
    | SetPassword
    | VerifyEmail
    | EntryCommand
)


class User(msgspec.Struct, frozen=True):
    email: str = ""
    name: str = ""
    role: Role = Role.GUEST
    department: str = ""
    status: UserStatus | None = None  # None: not registered
    email_verified: bool = False
    entry: Entry = Entry()
    invited: str = ""  # the address that came with the registration
    verified: str = ""  # the last one that was theirs for sure

    @property
    def active(self) -> bool:
        return self.status is UserStatus.ACTIVE

    @property
    def way_back(self) -> str:
        """Where links for another password go. Nowhere (""), where an address was changed before
        any was verified: it may be anybody's, and so may the one before.
        """
        return self.verified or (self.email if self.email == self.invited else "")


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
    if isinstance(command, EntryCommand):
        return _enter(command, user)
    match command:
        case ChangeProfile(name=name, department=department):
            return _change_profile(name, department, user)
        case ChangeEmail(email=email):
            email = normal_email(email)
            return [] if email == user.email else [UserEmailChanged(email=email)]
        case ChangeRole(role=role):
            return [] if role is user.role else [UserRoleChanged(role=role)]
        case DeactivateUser() | ReactivateUser():
            return _switch(command, user)
        case SetPassword(at=at):
            return [PasswordSet(), UserSignedOutEverywhere(at=at)]
        case VerifyEmail(email=email):
            return _verify(email, user)
        case _:
            assert_never(command)


def _enter(command: EntryCommand, user: User) -> list[UserEvent]:
    if isinstance(command, CreateApiKey) and not user.active:
        raise WrongState("user.not_active")
    return [*decide_entry(command, user.entry)]


def _switch(command: DeactivateUser | ReactivateUser, user: User) -> list[UserEvent]:
    if isinstance(command, ReactivateUser):
        return [] if user.active else [UserReactivated(), UserSignedOutEverywhere(at=command.at)]
    reason = checked(command.reason, "user.bad_reason", MAX_REASON, least=0)
    return [UserDeactivated(reason=reason)] if user.active else []


def _verify(email: str, user: User) -> list[UserEvent]:
    if user.email_verified or email != user.email:
        raise WrongState("auth.link_used")
    return [EmailVerified(email=email)]


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
    if isinstance(event, EntryEvent):
        return msgspec.structs.replace(user, entry=evolve_entry(user.entry, event))
    match event:
        case UserRegistered(email=email, name=name, role=role, department=department):
            return User(email, name, role, department, UserStatus.ACTIVE, invited=email)
        case UserProfileChanged(name=name, department=department):
            return msgspec.structs.replace(
                user,
                name=user.name if name is UNSET else name,
                department=user.department if department is UNSET else department,
            )
        case UserEmailChanged(email=email):
            return msgspec.structs.replace(user, email=email, email_verified=False)
        case UserRoleChanged(role=role):
            return msgspec.structs.replace(user, role=role)
        case UserDeactivated():
            return msgspec.structs.replace(user, status=UserStatus.DEACTIVATED)
        case UserReactivated():
            return msgspec.structs.replace(user, status=UserStatus.ACTIVE)
        case PasswordSet():
            return user
        case EmailVerified(email=email):
            yes = email == user.email
            return msgspec.structs.replace(user, email_verified=yes, verified=email)
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
        RefreshTokenReused,
        UserSignedOutEverywhere,
        EmailVerified,
        ApiKeyCreated,
        ApiKeyRevoked,
    ),
)
