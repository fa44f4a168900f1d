"""Notification: one message to one person, and whether it was read."""

from datetime import datetime
from enum import StrEnum
from typing import Literal, TypeAlias, assert_never
from uuid import UUID

import msgspec

from domain.errors import NotFound, WrongState
from domain.kernel import Command, Decider, Event
from domain.text import checked

MAX_KIND = 60  # characters
MAX_TITLE = 200  # characters
MAX_BODY = 4_000  # characters
MAX_LINK = 500  # characters

Level: TypeAlias = Literal["info", "warning", "critical"]


class Mailed(StrEnum):
    """How a notice goes by mail."""

    NEVER = "never"
    AT_ONCE = "at_once"
    DAILY = "daily"  # in the digest


class NotificationSent(Event, frozen=True, kw_only=True, tag="notification.sent.v1"):
    user: UUID
    kind: str
    title: str
    body: str = ""
    link: str = ""
    project: UUID | None = None
    level: Level = "info"
    mail_only: bool = False
    email: Mailed = Mailed.NEVER
    at: datetime


class NotificationRead(Event, frozen=True, kw_only=True, tag="notification.read.v1"):
    at: datetime


class SendNotification(Command, frozen=True, kw_only=True, tag="send_notification"):
    """`in_app` and `email`: the ways on which it is wanted; what is on none is not sent."""

    user: UUID
    kind: str
    title: str
    body: str = ""
    link: str = ""
    project: UUID | None = None
    level: Level = "info"
    in_app: bool = True
    email: Mailed = Mailed.NEVER
    at: datetime

    @property
    def shown(self) -> bool:
        """What is critical nobody can hide."""
        return self.in_app or self.level == "critical"

    @property
    def wanted(self) -> bool:
        return self.shown or self.email is not Mailed.NEVER


class MarkRead(Command, frozen=True, kw_only=True, tag="mark_read"):
    at: datetime


NotificationEvent: TypeAlias = NotificationSent | NotificationRead
NotificationCommand: TypeAlias = SendNotification | MarkRead


class Notification(msgspec.Struct, frozen=True):
    user: UUID | None = None  # None: not sent
    read: bool = False


def decide(command: NotificationCommand, notification: Notification) -> list[NotificationEvent]:
    match command:
        case SendNotification():
            if notification.user is not None:
                raise WrongState("notification.exists")
            return [_sent(command)] if command.wanted else []
        case MarkRead(at=at):
            if notification.user is None:
                raise NotFound("notification.not_found")
            return [] if notification.read else [NotificationRead(at=at)]
        case _:
            assert_never(command)


def _sent(command: SendNotification) -> NotificationSent:
    return NotificationSent(
        user=command.user,
        kind=checked(command.kind, "notification.bad_kind", MAX_KIND),
        title=checked(command.title, "notification.bad_title", MAX_TITLE),
        body=checked(command.body, "notification.bad_body", MAX_BODY, least=0),
        link=checked(command.link, "notification.bad_link", MAX_LINK, least=0),
        project=command.project,
        level=command.level,
        mail_only=not command.shown,
        email=command.email,
        at=command.at,
    )


def evolve(notification: Notification, event: NotificationEvent) -> Notification:
    match event:
        case NotificationSent(user=user):
            return Notification(user)
        case NotificationRead():
            return msgspec.structs.replace(notification, read=True)
        case _:
            assert_never(event)


NOTIFICATION = Decider(
    name="notification",
    initial=Notification(),
    decide=decide,
    evolve=evolve,
    events=(NotificationSent, NotificationRead),
)
