"""preferences, digests and what is mailed daily: who chose what, and whose digest is due."""

from datetime import date
from uuid import UUID

import pytest

from domain.digest import DigestStarted
from domain.notification import Mailed, NotificationRead, NotificationSent
from domain.preferences import DEFAULTS, Channels, ChannelsSet, DigestTimeSet, Notice
from infra.db import Connection
from projections import digests
from projections.digests import DueRow, Hour, due_digests
from projections.model import Upsert
from projections.notifications import notifications_of, unread_daily
from projections.preferences import channels_of, zones_of_digests
from tests.projections.samples import ANN, BOB, C1, C2, CAT, P1, at, recorded
from tests.projections.test_sql import project

S1, S2 = UUID(int=51), UUID(int=52)
MONDAY, TUESDAY = date(2030, 1, 7), date(2030, 1, 8)
NINE = Hour("Europe/Berlin", 9, MONDAY)


def chosen(user: UUID, notice: Notice, email: Mailed, *, in_app: bool = True) -> ChannelsSet:
    return ChannelsSet(user=user, notice=notice, in_app=in_app, email=email)


def time(user: UUID, zone: str = "Europe/Berlin", hour: int = 9) -> DigestTimeSet:
    return DigestTimeSet(user=user, hour=hour, zone=zone)


def sent(user: UUID, email: Mailed = Mailed.DAILY, *, mail_only: bool = False) -> NotificationSent:
    return NotificationSent(
        user=user, kind=Notice.REPORT, title="T", email=email, mail_only=mail_only, at=at(1)
    )


def started(user: UUID, upto: int) -> DigestStarted:
    return DigestStarted(user=user, day=MONDAY, after=0, upto=upto)


def test_a_digest_never_goes_back() -> None:
    batch = [recorded(started(ANN, upto), S1, n) for n, upto in enumerate((7, 5), start=8)]
    assert digests.project(batch) == [
        Upsert(digests.DIGESTS, [{"user_id": ANN, "upto": 7}], newest="upto")
    ]


@pytest.mark.services
async def test_a_page_of_people_is_asked_for_at_once(db: Connection) -> None:
    never, hidden = Channels(email=Mailed.NEVER), Channels(in_app=False)
    await project(
        db,
        recorded(chosen(ANN, Notice.REPORT, Mailed.DAILY), S1, 1),
        recorded(chosen(ANN, Notice.REPORT, Mailed.NEVER), S1, 2, version=2),
        recorded(chosen(BOB, Notice.REPORT, Mailed.AT_ONCE, in_app=False), S2, 3),
        recorded(chosen(CAT, Notice.ASSIGNED, Mailed.NEVER), C1, 4),
    )
    found = await channels_of(db, Notice.REPORT, [CAT, BOB, ANN])
    assert found == {ANN: never, BOB: hidden, CAT: DEFAULTS[Notice.REPORT]}


@pytest.mark.services
async def test_a_digest_is_due_to_whose_hour_it_is_and_who_has_something_unread(
    db: Connection,
) -> None:
    await project(db, recorded(time(ANN), S1, 1), recorded(time(BOB, hour=10), S2, 2))
    await project(db, recorded(sent(ANN), C1, 3), recorded(sent(BOB), C2, 4))
    assert await zones_of_digests(db) == ["Europe/Berlin"]
    ann, bob = DueRow(ANN, MONDAY, 0), DueRow(BOB, TUESDAY, 0)
    assert await due_digests(db, [NINE]) == [ann]
    assert await due_digests(db, [NINE, Hour("Europe/Berlin", 10, TUESDAY)]) == [ann, bob]
    assert await due_digests(db, [NINE], after=ANN) == []
    assert await due_digests(db, [Hour("", 9, MONDAY)]) == []
    await project(db, recorded(started(ANN, 5), P1, 6))
    assert await due_digests(db, [NINE]) == []
    await project(db, recorded(sent(ANN), UUID(int=71), 7))
    assert await due_digests(db, [NINE]) == [DueRow(ANN, MONDAY, 5)]
    read = NotificationRead(at=at(8))
    await project(db, recorded(read, UUID(int=71), 8, version=2))
    assert await due_digests(db, [NINE]) == []


@pytest.mark.services
async def test_what_comes_at_once_or_never_is_not_collected(db: Connection) -> None:
    await project(db, recorded(time(ANN), S1, 1))
    for n, email in enumerate((Mailed.AT_ONCE, Mailed.NEVER), start=2):
        await project(db, recorded(sent(ANN, email), UUID(int=70 + n), n))
    assert await due_digests(db, [NINE]) == []


@pytest.mark.services
async def test_what_goes_by_mail_alone_is_collected_and_not_shown(db: Connection) -> None:
    await project(db, recorded(sent(ANN, mail_only=True), C1, 1), recorded(sent(ANN), C2, 2))
    assert [row.id for row in await notifications_of(db, ANN)] == [C2]
    assert [row.id for row in await notifications_of(db, ANN, unread=True)] == [C2]
    kinds = [Notice.REPORT]
    both = await unread_daily(db, ANN, kinds, after=0, upto=2, limit=9)
    assert [row.id for row in both] == [C2, C1]
    assert await unread_daily(db, ANN, kinds, after=2, upto=9, limit=9) == []
    assert [row.id for row in await unread_daily(db, ANN, kinds, after=0, upto=1, limit=9)] == [C1]
    assert await unread_daily(db, ANN, [Notice.ASSIGNED], after=0, upto=2, limit=9) == []
