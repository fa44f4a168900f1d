"""To register somebody: over REST, and from the seed."""

from typing import Annotated
from uuid import UUID

import msgspec
from msgspec import Meta

from domain.email import EMAIL, ReserveEmail, email_stream
from domain.user import USER, RegisterUser, Role, normal_email
from infra import accounts
from infra.eventstore.execute import Do, Outcome
from infra.passwords import Passwords
from infra.runtime import Origin, Runtime

Email = Annotated[str, Meta(max_length=320, examples=["grace@example.com"])]
Name = Annotated[str, Meta(max_length=500, examples=["Grace Hopper"])]
Department = Annotated[str, Meta(max_length=500, examples=["Research"])]
LEAST_PASSWORD, MOST_PASSWORD = 12, 128  # characters, of new ones: older ones let in still
Password = Annotated[
    str,
    Meta(min_length=LEAST_PASSWORD, max_length=MOST_PASSWORD, examples=["correct horse battery"]),
]


class NewUser(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    email: Email
    name: Name
    role: Role
    password: Password
    department: Department = ""


async def register_user(
    runtime: Runtime,
    passwords: Passwords,
    origin: Origin,
    user: UUID,
    wanted: NewUser,
    *also: Do,
    command_id: UUID | None = None,
) -> Outcome:
    """Somebody new with their address and password; of two with one address, one is refused."""
    if (await runtime.load(USER, user)).version == 0:  # else this is a retry
        await accounts.set_hash(runtime.db, user, await passwords.hash(wanted.password))
    command = RegisterUser(
        email=normal_email(wanted.email),
        name=wanted.name,
        role=wanted.role,
        department=wanted.department,
        at=runtime.now(),
    )
    reserve = Do(EMAIL, email_stream(command.email), ReserveEmail(user=user))
    return await runtime.execute(origin, USER, user, command, reserve, *also, command_id=command_id)
