"""The command path on both stores: cached states, repeats, conflicts, several streams at once."""

import asyncio
from datetime import UTC, datetime, timedelta
from uuid import RFC_4122, UUID, uuid4

import msgspec
import pytest

from domain.email import EMAIL, ReserveEmail, email_stream
from domain.errors import NotFound, WrongState
from domain.kernel import Command, Metadata
from domain.project import (
    PROJECT,
    AddMember,
    ChangeProject,
    CreateProject,
    ProjectChanged,
    ProjectRole,
)
from domain.user import USER, ChangeProfile, DeactivateUser, RegisterUser, Role
from infra.eventstore.execute import (
    CommandReused,
    Do,
    Guard,
    Outcome,
    WrongVersion,
    command_id,
    execute,
)
from infra.eventstore.states import States
from infra.eventstore.store import Store
from infra.eventstore.types import MAX_EVENTS, MAX_READ, NEW, To
from infra.runtime import uuid7

NOW = datetime(2026, 1, 1, tzinfo=UTC)
ANN, BOB = UUID(int=1), UUID(int=2)


class Desk:
    """Somebody who gives commands, with a cache of their own."""

    def __init__(self, store: Store) -> None:
        self.store, self.states = store, States(store)

    async def do(
        self, *parts: Do, command_id: UUID | None = None, guards: tuple[Guard, ...] = ()
    ) -> Outcome:
        metadata = Metadata(
            actor=ANN,
            command=str(parts[0].command.__struct_config__.tag),
            command_id=command_id or uuid4(),
        )
        return await execute(self.store, self.states, metadata, *parts, guards=guards)


def create(project: UUID, name: str = "P") -> Do:
    return Do(PROJECT, project, CreateProject(name=name, manager=ANN, at=NOW))


def change(project: UUID, command: Command, expected: int | None = None) -> Do:
    return Do(PROJECT, project, command, expected)


def register(user: UUID, email: str) -> tuple[Do, Do]:
    command = RegisterUser(email=email, name="Somebody", role=Role.MEMBER, at=NOW)
    return Do(USER, user, command), Do(EMAIL, email_stream(email), ReserveEmail(user=user))


async def test_a_command_answers_its_version_and_position(store: Store) -> None:
    desk, project = Desk(store), uuid4()
    created = await desk.do(create(project))
    renamed = await desk.do(change(project, ChangeProject(name="Q")))
    assert (created.version, renamed.version) == (2, 3)
    assert renamed.position == (await store.read_stream(project))[-1].position


async def test_a_repeated_command_gets_its_first_answer(store: Store) -> None:
    desk, project, again = Desk(store), uuid4(), uuid4()
    first = await desk.do(create(project), command_id=again)
    await desk.do(change(project, ChangeProject(name="Q")))
    repeated = await desk.do(create(project), command_id=again)
    assert repeated.repeated
    assert (repeated.version, repeated.position) == (first.version, first.position)


async def test_a_lost_answer_is_found_again_by_somebody_without_a_cache(store: Store) -> None:
    project, again = uuid4(), uuid4()
    first = await Desk(store).do(create(project), command_id=again)
    repeated = await Desk(store).do(create(project), command_id=again)
    assert (repeated.version, repeated.position) == (first.version, first.position)


async def test_an_id_used_for_something_else_is_refused(store: Store) -> None:
    desk, again = Desk(store), uuid4()
    project = uuid4()
    await desk.do(create(project), command_id=again)
    with pytest.raises(CommandReused):
        await desk.do(create(uuid4()), command_id=again)
    with pytest.raises(CommandReused):
        await desk.do(change(project, ChangeProject(name="Q")), command_id=again)


async def test_who_expects_a_new_stream_is_told_that_it_is_not(store: Store) -> None:
    project, again = uuid4(), uuid4()
    new = msgspec.structs.replace(create(project), expected=NEW)
    first = await Desk(store).do(new, command_id=again)
    with pytest.raises(WrongVersion) as caught:
        await Desk(store).do(new)
    assert caught.value.detail == {"version": 2, "expected": 0}
    repeated = await Desk(store).do(new, command_id=again)
    assert (repeated.version, repeated.position) == (first.version, first.position)


async def test_a_refusal_is_not_remembered(store: Store) -> None:
    desk, project, again = Desk(store), uuid4(), uuid4()
    rename = change(project, ChangeProject(name="Q"))
    with pytest.raises(NotFound):
        await desk.do(rename, command_id=again)
    await desk.do(create(project))
    assert (await desk.do(rename, command_id=again)).version == 3


async def test_a_refusal_is_decided_on_what_the_store_has_not_on_the_cache(store: Store) -> None:
    here, there, user = Desk(store), Desk(store), uuid4()
    await here.do(*register(user, "a@example.org"))
    await here.do(Do(USER, user, DeactivateUser()))
    await there.do(Do(USER, user, ChangeProfile(name="Other")))
    outcome = await here.do(Do(USER, user, ChangeProfile(name="Somebody")))
    assert outcome.version == 4, "the cache said that the name was this one already"


async def test_nothing_to_do_answers_the_version_it_is_at(store: Store) -> None:
    desk, project = Desk(store), uuid4()
    await desk.do(create(project, "P"))
    outcome = await desk.do(change(project, ChangeProject(name="P")))
    assert (outcome.version, outcome.position) == (2, None)


async def test_two_with_old_caches_both_get_through(store: Store) -> None:
    here, there, project = Desk(store), Desk(store), uuid4()
    await here.do(create(project))
    await there.do(change(project, AddMember(user=BOB, role=ProjectRole.VIEWER)))
    outcome = await here.do(change(project, ChangeProject(name="Q")))
    assert outcome.version == 4


async def test_a_version_that_was_named_must_be_the_one(store: Store) -> None:
    desk, other, project = Desk(store), Desk(store), uuid4()
    await desk.do(create(project))
    with pytest.raises(WrongVersion) as caught:
        await desk.do(change(project, ChangeProject(name="Q"), expected=1))
    assert caught.value.detail == {"version": 2, "expected": 1}
    await other.do(change(project, ChangeProject(name="R")))
    outcome = await desk.do(change(project, ChangeProject(name="Q"), expected=3))
    assert outcome.version == 4, "an old cache must not refuse what is right"


async def test_a_unique_email_is_a_stream_of_its_own(store: Store) -> None:
    desk, loser = Desk(store), uuid4()
    await desk.do(*register(uuid4(), "ann@example.org"))
    with pytest.raises(WrongState) as caught:
        await desk.do(*register(loser, "ANN@example.org "))
    assert caught.value.code == "email.taken"
    assert await store.read_stream(loser) == []


async def test_of_many_who_want_one_email_one_gets_it(store: Store) -> None:
    desks = [Desk(store) for _ in range(10)]

    async def want(desk: Desk) -> bool:
        try:
            await desk.do(*register(uuid4(), "one@example.org"))
        except WrongState:
            return False
        return True

    assert sum(await asyncio.gather(*map(want, desks))) == 1


async def test_a_guard_that_moved_refuses_and_one_that_did_not_lets_through(store: Store) -> None:
    desk, guarded, project = Desk(store), uuid4(), uuid4()
    await desk.do(create(guarded))
    await desk.do(create(project), guards=(Guard(guarded, 2),))
    await desk.do(change(guarded, ChangeProject(name="moved")))
    with pytest.raises(WrongState) as caught:
        await desk.do(change(project, ChangeProject(name="Q")), guards=(Guard(guarded, 2),))
    assert caught.value.code == "guard.failed"
    assert len(await store.read_stream(project)) == 2


async def test_concurrent_commands_on_one_stream_are_all_done(store: Store) -> None:
    desks, project = [Desk(store) for _ in range(5)], uuid4()
    await desks[0].do(create(project))
    members = [uuid4() for _ in desks]
    await asyncio.gather(
        *(
            desk.do(change(project, AddMember(user=member, role=ProjectRole.VIEWER)))
            for desk, member in zip(desks, members, strict=True)
        )
    )
    loaded = await desks[0].states.load(PROJECT, project)
    assert set(loaded.state.members) == {ANN, *members}
    assert loaded.version == 2 + len(members)


V7 = UUID("01a227f8-a311-7f14-9ccd-5d13122fae9b")
V4 = UUID("7d444840-9dc0-41d1-b245-5ffdce74fad2")


def test_stored_ids_differ_between_people() -> None:
    given = uuid4()
    assert command_id(ANN, given) != command_id(BOB, given)
    assert command_id(ANN, given) == command_id(ANN, given)


def test_a_stored_id_is_as_old_as_the_clients_where_that_tells() -> None:
    first, later = (uuid7(NOW + timedelta(seconds=seconds)) for seconds in (0, 1))
    stored = [command_id(actor, given) for given in (first, later) for actor in (ANN, BOB)]
    assert len(set(stored)) == 4
    assert max(stored[:2]) < min(stored[2:])
    assert {one.version for one in stored} == {8}
    assert {one.variant for one in stored} == {RFC_4122}


def test_a_stored_id_stays_what_it_was() -> None:
    """Or a command that is sent again after an update would be done again."""
    one = UUID(int=1)
    assert {str(command_id(*given)) for given in ((one, V7), (None, V7), (one, V4))} == {
        "01a227f8-a311-8492-b4a3-e40ae973fdab",
        "01a227f8-a311-8700-861e-a6dc98702f11",
        "704bf846-68a7-5885-9870-c96dc0f66107",
    }


async def test_a_stream_longer_than_one_read_is_folded_to_its_end(store: Store) -> None:
    desk, project = Desk(store), uuid4()
    await desk.do(create(project))
    renamed = [ProjectChanged(name=f"P{n}") for n in range(MAX_EVENTS)]
    reads = -(-MAX_READ // MAX_EVENTS)
    for part in range(reads):
        to = To(project, 2 + part * MAX_EVENTS, tuple(renamed))
        await store.append(Metadata(command_id=uuid4()), to)
    loaded = await States(store).load(PROJECT, project)
    assert loaded.version == 2 + reads * MAX_EVENTS > MAX_READ
