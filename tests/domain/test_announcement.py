from datetime import UTC, datetime

import pytest

from domain.announcement import ANNOUNCEMENT, AnnouncementPublished, PublishAnnouncement
from domain.user import Role
from tests.dsl import check, refused

NOW = datetime(2030, 1, 1, tzinfo=UTC)
PUBLISHED = AnnouncementPublished(
    title="Tonight", body="Down", level="warning", roles=(Role.MEMBER, Role.GUEST), at=NOW
)


def publish(title: str = "Tonight", body: str = "Down") -> PublishAnnouncement:
    roles = (Role.MEMBER, Role.GUEST, Role.MEMBER)
    return PublishAnnouncement(title=title, body=body, level="warning", roles=roles, at=NOW)


def test_an_announcement_is_published_once() -> None:
    check(ANNOUNCEMENT, given=[], when=publish(" Tonight ", " Down "), then=[PUBLISHED])
    check(ANNOUNCEMENT, given=[PUBLISHED], when=publish(), then=refused("announcement.exists"))


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (publish(title=" "), "announcement.bad_title"),
        (publish(title="x" * 201), "announcement.bad_title"),
        (publish(body="x" * 4_001), "announcement.bad_body"),
    ],
)
def test_texts_of_an_announcement_are_bounded(command: PublishAnnouncement, code: str) -> None:
    check(ANNOUNCEMENT, given=[], when=command, then=refused(code))
