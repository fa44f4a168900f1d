"""EmailReservation: a stream for each address makes it one user's at a time."""

from typing import TypeAlias, assert_never
from uuid import UUID, uuid5

import msgspec

from domain.errors import WrongState
from domain.kernel import Command, Decider, Event
from domain.user import normal_email

NAMESPACE = UUID("6f0d1a52-2f6b-5d0a-9a44-0b6a2c1f7e01")


class EmailReserved(Event, frozen=True, kw_only=True, tag="email.reserved.v1"):
    user: UUID


class EmailReleased(Event, frozen=True, kw_only=True, tag="email.released.v1"):
    user: UUID


class ReserveEmail(Command, frozen=True, kw_only=True, tag="reserve_email"):
    user: UUID


class ReleaseEmail(Command, frozen=True, kw_only=True, tag="release_email"):
    user: UUID


EmailEvent: TypeAlias = EmailReserved | EmailReleased
EmailCommand: TypeAlias = ReserveEmail | ReleaseEmail


class EmailReservation(msgspec.Struct, frozen=True):
    user: UUID | None = None


def email_stream(email: str) -> UUID:
    """The stream of an address, however it is spelled. Raises Invalid."""
    return uuid5(NAMESPACE, normal_email(email))


def decide(command: EmailCommand, reservation: EmailReservation) -> list[EmailEvent]:
    match command:
        case ReserveEmail(user=user):
            if reservation.user not in (None, user):
                raise WrongState("email.taken")
            return [] if reservation.user == user else [EmailReserved(user=user)]
        case ReleaseEmail(user=user):
            return [EmailReleased(user=user)] if reservation.user == user else []
        case _:
            assert_never(command)


def evolve(_reservation: EmailReservation, event: EmailEvent) -> EmailReservation:
    match event:
        case EmailReserved(user=user):
            return EmailReservation(user)
        case EmailReleased():
            return EmailReservation()
        case _:
            assert_never(event)


EMAIL = Decider(
    name="email",
    initial=EmailReservation(),
    decide=decide,
    evolve=evolve,
    events=(EmailReserved, EmailReleased),
)
