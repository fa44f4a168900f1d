from datetime import UTC, datetime
from uuid import UUID

import msgspec
import pytest

from domain.kernel import fold
from domain.notification import (
    NOTIFICATION,
    Mailed,
    MarkRead,
    Notification,
    NotificationRead,
    NotificationSent,
    SendNotification,
)
from tests.dsl import check, refused

NOW = datetime(2030, 1, 1, tzinfo=UTC)
ANN = UUID(int=1)
SENT = NotificationSent(user=ANN, kind="mention", title="Bob named you", at=NOW)


def send(
    kind: str = "mention", title: str = "Bob named you", body: str = "", link: str = ""
) -> SendNotification:
    return SendNotification(user=ANN, kind=kind, title=title, body=body, link=link, at=NOW)


def test_a_notification_is_sent_once() -> None:
    check(NOTIFICATION, given=[], when=send(title=" Bob named you "), then=[SENT])
    check(NOTIFICATION, given=[SENT], when=send(), then=refused("notification.exists"))


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (send(kind=""), "notification.bad_kind"),
        (send(kind="x" * 61), "notification.bad_kind"),
        (send(title=""), "notification.bad_title"),
        (send(title="x" * 201), "notification.bad_title"),
        (send(body="x" * 4_001), "notification.bad_body"),
        (send(link="x" * 501), "notification.bad_link"),
    ],
)
def test_texts_of_a_notification_are_bounded(command: SendNotification, code: str) -> None:
    check(NOTIFICATION, given=[], when=command, then=refused(code))


def test_a_notification_is_read_once() -> None:
    read = NotificationRead(at=NOW)
    check(NOTIFICATION, given=[SENT], when=MarkRead(at=NOW), then=[read])
    check(NOTIFICATION, given=[SENT, read], when=MarkRead(at=NOW), then=[])


def test_what_is_wanted_on_no_way_is_not_sent() -> None:
    unwanted = msgspec.structs.replace(send(), in_app=False)
    check(NOTIFICATION, given=[], when=unwanted, then=[])
    mailed = msgspec.structs.replace(unwanted, email=Mailed.DAILY)
    sent = msgspec.structs.replace(SENT, mail_only=True, email=Mailed.DAILY)
    check(NOTIFICATION, given=[], when=mailed, then=[sent])


def test_what_is_critical_is_shown_whatever_one_prefers() -> None:
    hidden = msgspec.structs.replace(send(), in_app=False, level="critical")
    shown = msgspec.structs.replace(SENT, level="critical")
    check(NOTIFICATION, given=[], when=hidden, then=[shown])


def test_what_was_not_sent_cannot_be_read() -> None:
    check(NOTIFICATION, given=[], when=MarkRead(at=NOW), then=refused("notification.not_found"))


def test_the_state_is_what_the_events_say() -> None:
    assert fold(NOTIFICATION, [SENT]) == Notification(ANN, read=False)
    assert fold(NOTIFICATION, [SENT, NotificationRead(at=NOW)]) == Notification(ANN, read=True)
