"""Digest: a person's notices of a day in one mail. A stream for each person and local day."""

from datetime import date
from uuid import UUID, uuid5

import msgspec

from domain.errors import WrongState
from domain.kernel import Command, Decider, Event


class DigestStarted(Event, frozen=True, kw_only=True, tag="digest.started.v1"):
    """It is of what was sent after that position, up to the other one."""

    user: UUID
    day: date
    after: int
    upto: int


class StartDigest(Command, frozen=True, kw_only=True, tag="start_digest"):
    user: UUID
    day: date
    after: int
    upto: int


class Digest(msgspec.Struct, frozen=True):
    started: bool = False


def digest_stream(user: UUID, day: date) -> UUID:
    return uuid5(user, f"digest {day.isoformat()}")


def decide(command: StartDigest, digest: Digest) -> list[DigestStarted]:
    if digest.started:
        raise WrongState("digest.exists")
    return [
        DigestStarted(user=command.user, day=command.day, after=command.after, upto=command.upto)
    ]


def evolve(_digest: Digest, _event: DigestStarted) -> Digest:
    return Digest(started=True)


DIGEST = Decider(
    name="digest", initial=Digest(), decide=decide, evolve=evolve, events=(DigestStarted,)
)
