"""Whose weekly reports are due: managers who want them, of projects in which something was done."""

from uuid import UUID

import pytest

from domain.kernel import Event, Recorded
from domain.notification import Mailed
from domain.preferences import ChannelsSet, Notice
from domain.project import MemberAdded, ProjectChanged, ProjectRole
from domain.task import TaskChanged
from domain.user import Role, UserDeactivated, UserRegistered
from infra.db import Connection
from projections.weekly import due_reports
from tests.projections.samples import ANN, BOB, CAT, P1, P2, T1, at, recorded
from tests.projections.test_sql import project

pytestmark = pytest.mark.services

MANAGER, CONTRIBUTOR = ProjectRole.MANAGER, ProjectRole.CONTRIBUTOR


def registered(user: UUID, position: int) -> Recorded[Event]:
    email = f"{position}@example.org"
    event = UserRegistered(email=email, name="N", role=Role.MEMBER, at=at(position))
    return recorded(event, user, position)


async def team(db: Connection) -> None:
    """At 10 there are Ann and Bob, who manage both projects, and Cat, who works on one."""
    people = [registered(user, n) for n, user in enumerate((ANN, BOB, CAT), start=1)]
    added = [
        (P1, ANN, MANAGER),
        (P1, BOB, MANAGER),
        (P1, CAT, CONTRIBUTOR),
        (P2, ANN, MANAGER),
        (P2, BOB, MANAGER),
    ]
    members = [
        recorded(MemberAdded(user=user, role=role), where, n, version=n)
        for n, (where, user, role) in enumerate(added, start=5)
    ]
    await project(db, *people, *members)


def worked(on: UUID, position: int) -> Recorded[Event]:
    return recorded(ProjectChanged(name="N"), on, position, version=position)


async def due(db: Connection, after: int = 10, upto: int = 20) -> list[tuple[UUID, UUID]]:
    return [one.key for one in await due_reports(db, after, upto)]


async def test_a_project_counts_in_which_something_was_done_in_time(db: Connection) -> None:
    await team(db)
    assert await due(db) == []
    await project(db, worked(P1, 21))
    assert await due(db) == []
    await project(db, recorded(TaskChanged(title="T"), T1, 11, project=P1), worked(P2, 20))
    assert await due(db) == [(P1, ANN), (P1, BOB), (P2, ANN), (P2, BOB)]
    assert await due(db, after=11) == [(P2, ANN), (P2, BOB)]
    assert await due(db, after=20, upto=21) == [(P1, ANN), (P1, BOB)]


async def test_it_goes_to_managers_who_are_there_and_want_it(db: Connection) -> None:
    await team(db)
    await project(db, worked(P1, 11))
    await project(db, recorded(UserDeactivated(), BOB, 12, version=2))
    assert await due(db) == [(P1, ANN)]
    ways = [(False, Mailed.NEVER), (True, Mailed.NEVER), (False, Mailed.DAILY)]
    for n, (in_app, email) in enumerate(ways, start=13):
        choice = ChannelsSet(user=ANN, notice=Notice.WEEKLY_REPORT, in_app=in_app, email=email)
        await project(db, recorded(choice, UUID(int=50), n, version=n))
        assert await due(db) == ([(P1, ANN)] if n > 13 else [])


async def test_what_is_chosen_for_other_reports_is_no_matter(db: Connection) -> None:
    await team(db)
    no = ChannelsSet(user=ANN, notice=Notice.REPORT, in_app=False, email=Mailed.NEVER)
    await project(db, worked(P1, 11), recorded(no, UUID(int=50), 12))
    assert (P1, ANN) in await due(db)


async def test_thousands_come_page_by_page(db: Connection) -> None:
    await team(db)
    await project(db, worked(P1, 11), worked(P2, 12))
    everybody, found = await due(db), list[tuple[UUID, UUID]]()
    while page := await due_reports(db, 10, 20, *found[-1:], limit=3):
        found += [one.key for one in page]
    assert found == everybody
    assert len(found) == 4
