from datetime import UTC, date, datetime
from uuid import UUID

import pytest

from domain.errors import Refused
from domain.kernel import fold
from domain.priority import Priority
from domain.project import (
    MAX_MEMBERS,
    PROJECT,
    AddMember,
    ChangeMemberRole,
    ChangeProject,
    ChangeProjectManager,
    ChangeProjectStatus,
    CreateProject,
    MemberAdded,
    MemberRemoved,
    MemberRoleChanged,
    Project,
    ProjectChanged,
    ProjectCommand,
    ProjectCreated,
    ProjectEvent,
    ProjectManagerChanged,
    ProjectRole,
    ProjectStatus,
    ProjectStatusChanged,
    RemoveMember,
)
from tests.dsl import check, refused

NOW = datetime(2030, 1, 1, tzinfo=UTC)
ANN, BOB, CAT, ACME = UUID(int=1), UUID(int=2), UUID(int=3), UUID(int=9)
MARCH, MAY = date(2030, 3, 1), date(2030, 5, 1)
MANAGER, CONTRIBUTOR, VIEWER = ProjectRole.MANAGER, ProjectRole.CONTRIBUTOR, ProjectRole.VIEWER

CREATED = ProjectCreated(
    name="Bridge", type="internal", client=ACME, manager=ANN, starts=MARCH, ends=MAY, at=NOW
)
ANN_IN = MemberAdded(user=ANN, role=MANAGER)
BOB_IN = MemberAdded(user=BOB, role=CONTRIBUTOR)
BRIDGE: list[ProjectEvent] = [CREATED, ANN_IN, BOB_IN]


def create(
    name: str = "Bridge",
    *,
    description: str = "",
    type: str = "internal",  # noqa: A002, the command's own word
    starts: date | None = MARCH,
) -> CreateProject:
    return CreateProject(
        name=name,
        description=description,
        type=type,
        client=ACME,
        manager=ANN,
        starts=starts,
        ends=MAY,
        at=NOW,
    )


def moved(*statuses: ProjectStatus) -> list[ProjectEvent]:
    """The bridge, brought through `statuses`."""
    events = list(BRIDGE)
    for status in statuses:
        events += PROJECT.decide(ChangeProjectStatus(status=status), fold(PROJECT, events))
    return events


def test_a_projects_manager_is_its_first_member() -> None:
    check(PROJECT, given=[], when=create(" Bridge ", type=" internal "), then=[CREATED, ANN_IN])


def test_a_project_is_not_created_twice() -> None:
    check(PROJECT, given=BRIDGE, when=create(), then=refused("project.exists"))


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (create(""), "project.bad_name"),
        (create("x" * 201), "project.bad_name"),
        (create(description="x" * 20_001), "project.bad_description"),
        (create(type="x" * 41), "project.bad_type"),
        (create(starts=date(2030, 5, 2)), "project.bad_dates"),
    ],
)
def test_values_of_a_project_are_bounded(command: CreateProject, code: str) -> None:
    check(PROJECT, given=[], when=command, then=refused(code))


@pytest.mark.parametrize(
    "command",
    [
        ChangeProject(name="B"),
        ChangeProjectStatus(status=ProjectStatus.ACTIVE),
        ChangeProjectManager(manager=BOB),
        AddMember(user=BOB, role=VIEWER),
        ChangeMemberRole(user=BOB, role=VIEWER),
        RemoveMember(user=BOB),
    ],
)
def test_what_was_not_created_cannot_be_changed(command: ProjectCommand) -> None:
    check(PROJECT, given=[], when=command, then=refused("project.not_found"))


def test_only_what_differs_is_changed() -> None:
    command = ChangeProject(
        name=" Tunnel ",
        description="Dig",
        type="internal",
        priority=Priority.HIGH,
        client=None,
        starts=MARCH,
    )
    changed = ProjectChanged(name="Tunnel", description="Dig", priority=Priority.HIGH, client=None)
    check(PROJECT, given=BRIDGE, when=command, then=[changed])


def test_a_change_without_a_difference_is_none() -> None:
    check(PROJECT, given=BRIDGE, when=ChangeProject(), then=[])
    check(PROJECT, given=BRIDGE, when=ChangeProject(name="Bridge", ends=MAY), then=[])


def test_a_project_never_ends_before_it_starts() -> None:
    early = ChangeProject(ends=date(2030, 2, 1))
    check(PROJECT, given=BRIDGE, when=early, then=refused("project.bad_dates"))
    endless = ChangeProject(starts=date(2031, 1, 1), ends=None)
    changed = ProjectChanged(starts=date(2031, 1, 1), ends=None)
    check(PROJECT, given=BRIDGE, when=endless, then=[changed])


ALL = frozenset(ProjectStatus)


@pytest.mark.parametrize(
    ("through", "onward"),
    [
        ((), ALL - {ProjectStatus.COMPLETED}),
        ((ProjectStatus.ACTIVE,), ALL),
        ((ProjectStatus.ON_HOLD,), ALL),
        (
            (ProjectStatus.ACTIVE, ProjectStatus.COMPLETED),
            {ProjectStatus.ACTIVE, ProjectStatus.ARCHIVED, ProjectStatus.COMPLETED},
        ),
        ((ProjectStatus.ARCHIVED,), {ProjectStatus.ACTIVE, ProjectStatus.ARCHIVED}),
    ],
)
def test_a_status_leads_only_where_it_should(
    through: tuple[ProjectStatus, ...], onward: frozenset[ProjectStatus]
) -> None:
    given = moved(*through)
    was = fold(PROJECT, given).status
    assert was is not None
    for status in ProjectStatus:
        command = ChangeProjectStatus(status=status)
        if status is was:
            check(PROJECT, given=given, when=command, then=[])
        elif status in onward:
            changed = ProjectStatusChanged(status=status, was=was)
            check(PROJECT, given=given, when=command, then=[changed])
        else:
            check(PROJECT, given=given, when=command, then=refused("project.bad_transition"))


@pytest.mark.parametrize(
    "command",
    [
        ChangeProject(name="B"),
        ChangeProjectManager(manager=BOB),
        AddMember(user=CAT, role=VIEWER),
        RemoveMember(user=BOB),
    ],
)
def test_an_archived_project_is_left_as_it_is(command: ProjectCommand) -> None:
    given = moved(ProjectStatus.ARCHIVED)
    check(PROJECT, given=given, when=command, then=refused("project.archived"))


def test_a_new_manager_is_a_member_that_manages() -> None:
    to_bob = ProjectManagerChanged(manager=BOB, was=ANN)
    to_cat = ProjectManagerChanged(manager=CAT, was=ANN)
    bob_manages = MemberRoleChanged(user=BOB, role=MANAGER)
    check(
        PROJECT,
        given=BRIDGE,
        when=ChangeProjectManager(manager=BOB),
        then=[to_bob, bob_manages],
    )
    check(
        PROJECT,
        given=BRIDGE,
        when=ChangeProjectManager(manager=CAT),
        then=[to_cat, MemberAdded(user=CAT, role=MANAGER)],
    )
    check(
        PROJECT,
        given=[*BRIDGE, bob_manages],
        when=ChangeProjectManager(manager=BOB),
        then=[to_bob],
    )
    check(PROJECT, given=BRIDGE, when=ChangeProjectManager(manager=ANN), then=[])


def test_a_member_is_added_once() -> None:
    cat_in = MemberAdded(user=CAT, role=VIEWER)
    check(PROJECT, given=BRIDGE, when=AddMember(user=CAT, role=VIEWER), then=[cat_in])
    check(PROJECT, given=[*BRIDGE, cat_in], when=AddMember(user=CAT, role=VIEWER), then=[])


def test_adding_a_member_again_changes_the_role() -> None:
    changed = MemberRoleChanged(user=BOB, role=VIEWER)
    check(PROJECT, given=BRIDGE, when=AddMember(user=BOB, role=VIEWER), then=[changed])
    check(PROJECT, given=BRIDGE, when=ChangeMemberRole(user=BOB, role=VIEWER), then=[changed])


def test_a_member_may_become_a_manager() -> None:
    command = ChangeMemberRole(user=BOB, role=MANAGER)
    check(PROJECT, given=BRIDGE, when=command, then=[MemberRoleChanged(user=BOB, role=MANAGER)])


def test_the_role_of_a_stranger_cannot_be_changed() -> None:
    command = ChangeMemberRole(user=CAT, role=VIEWER)
    check(PROJECT, given=BRIDGE, when=command, then=refused("project.no_such_member"))


def test_a_member_is_removed_once() -> None:
    removed = MemberRemoved(user=BOB)
    check(PROJECT, given=BRIDGE, when=RemoveMember(user=BOB), then=[removed])
    check(PROJECT, given=[*BRIDGE, removed], when=RemoveMember(user=BOB), then=[])


def test_the_last_manager_stays() -> None:
    check(PROJECT, given=BRIDGE, when=RemoveMember(user=ANN), then=refused("project.last_manager"))
    for demote in (AddMember(user=ANN, role=VIEWER), ChangeMemberRole(user=ANN, role=VIEWER)):
        check(PROJECT, given=BRIDGE, when=demote, then=refused("project.last_manager"))


def test_one_of_two_managers_may_go() -> None:
    given = [*BRIDGE, MemberRoleChanged(user=BOB, role=MANAGER)]
    check(PROJECT, given=given, when=RemoveMember(user=ANN), then=[MemberRemoved(user=ANN)])
    demoted = MemberRoleChanged(user=ANN, role=CONTRIBUTOR)
    command = ChangeMemberRole(user=ANN, role=CONTRIBUTOR)
    check(PROJECT, given=given, when=command, then=[demoted])


def test_a_project_holds_a_bounded_number_of_members() -> None:
    crowd = [MemberAdded(user=UUID(int=i), role=VIEWER) for i in range(10, 9 + MAX_MEMBERS)]
    full = fold(PROJECT, [CREATED, ANN_IN, *crowd])
    assert len(full.members) == MAX_MEMBERS
    with pytest.raises(Refused, match=r"project\.too_many_members"):
        PROJECT.decide(AddMember(user=BOB, role=VIEWER), full)
    assert PROJECT.decide(AddMember(user=UUID(int=10), role=CONTRIBUTOR), full)


def test_the_state_is_what_the_events_say() -> None:
    state = fold(
        PROJECT,
        [
            *BRIDGE,
            MemberRoleChanged(user=BOB, role=MANAGER),
            ProjectManagerChanged(manager=BOB, was=ANN),
            MemberRemoved(user=ANN),
            ProjectChanged(name="Tunnel", ends=None),
            ProjectStatusChanged(status=ProjectStatus.ACTIVE, was=ProjectStatus.PLANNING),
        ],
    )
    assert state == Project(
        details=ProjectChanged(
            name="Tunnel",
            description="",
            type="internal",
            priority=Priority.NORMAL,
            client=ACME,
            starts=MARCH,
            ends=None,
        ),
        status=ProjectStatus.ACTIVE,
        manager=BOB,
        members={BOB: MANAGER},
    )
    assert state.name == "Tunnel"


def test_what_was_not_created_has_no_name() -> None:
    assert PROJECT.initial.name == ""
