"""Announcement: something that everybody, or everybody with one of some roles, should know."""

from datetime import datetime

import msgspec

from domain.errors import WrongState
from domain.kernel import Command, Decider, Event
from domain.notification import MAX_BODY, MAX_TITLE, Level
from domain.text import checked
from domain.user import Role


class AnnouncementPublished(Event, frozen=True, kw_only=True, tag="announcement.published.v1"):
    title: str
    body: str = ""
    level: Level = "info"
    roles: tuple[Role, ...] = ()  # empty: everybody
    at: datetime


class PublishAnnouncement(Command, frozen=True, kw_only=True, tag="publish_announcement"):
    title: str
    body: str = ""
    level: Level = "info"
    roles: tuple[Role, ...] = ()
    at: datetime


class Announcement(msgspec.Struct, frozen=True):
    published: bool = False


def decide(command: PublishAnnouncement, announcement: Announcement) -> list[AnnouncementPublished]:
    if announcement.published:
        raise WrongState("announcement.exists")
    return [
        AnnouncementPublished(
            title=checked(command.title, "announcement.bad_title", MAX_TITLE),
            body=checked(command.body, "announcement.bad_body", MAX_BODY, least=0),
            level=command.level,
            roles=tuple(dict.fromkeys(command.roles)),
            at=command.at,
        )
    ]


def evolve(_announcement: Announcement, _event: AnnouncementPublished) -> Announcement:
    return Announcement(published=True)


ANNOUNCEMENT = Decider(
    name="announcement",
    initial=Announcement(),
    decide=decide,
    evolve=evolve,
    events=(AnnouncementPublished,),
)
