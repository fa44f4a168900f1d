"""The writer's connection is lost around an append: a command's id tells what became of it."""

import asyncio
from collections.abc import Sequence
from itertools import cycle, islice
from uuid import uuid4

import msgspec
import pytest

from infra.eventstore.store import Store
from infra.eventstore.types import NEW, Conflict
from tests.faults.children import times
from tests.faults.commands import asked, commands, send, told
from tests.faults.diary import Answered, Asked, Diary, Part, Refused
from tests.faults.proxy import Cut, Proxy
from tests.faults.results import Counts
from tests.faults.witness import Witness

pytestmark = [pytest.mark.services, pytest.mark.faults]

CUTS, CONTESTS = times(400), times(100)
CALLERS = 10


class Around(msgspec.Struct, frozen=True):
    """What a command's id told between the cut and the next connection, and the outcome."""

    command: Asked
    told: Answered | None
    outcome: Answered | BaseException


async def cut_around(proxy: Proxy, store: Store, cut: Cut, batch: Sequence[Asked]) -> list[Around]:
    proxy.arm(cut)
    sending = [asyncio.create_task(send(store, command)) for command in batch]
    await proxy.has_cut()
    between = [await told(store, command) for command in batch]
    proxy.let_pass()
    outcomes = await asyncio.gather(*sending, return_exceptions=True)
    return [Around(*one) for one in zip(batch, between, outcomes, strict=True)]


def note(diary: Diary, around: Sequence[Around]) -> None:
    for one in around:
        diary.write(one.command)
        if isinstance(one.outcome, Answered):
            diary.write(one.outcome)
        else:
            assert isinstance(one.outcome, Conflict)
            diary.write(Refused(one.command.id))


async def test_a_command_whose_connection_was_lost_has_one_outcome(
    store: Store, proxy: Proxy, witness: Witness, counts: Counts
) -> None:
    callers = [commands(shared) for shared in [uuid4(), uuid4()] * (CALLERS // 2)]
    diary = Diary(witness.diary())
    for cut in islice(cycle(Cut), CUTS):
        around = await cut_around(proxy, store, cut, [next(caller) for caller in callers])
        note(diary, around)
        # FORWARDED: Postgres may be at it still.
        if cut is not Cut.FORWARDED:
            assert any(one.told for one in around) == (cut is Cut.ANSWERED)
        assert all(one.told in {None, one.outcome} for one in around)
    checked = await witness.check(store)
    assert checked.unanswered == 0
    assert checked.commands == CUTS * CALLERS + 1  # the one that connected
    counts.add(CUTS, checked)


async def test_a_contested_version_has_one_winner_whatever_is_lost(
    store: Store, proxy: Proxy, witness: Witness, counts: Counts
) -> None:
    diary = Diary(witness.diary())
    for cut in islice(cycle(Cut), CONTESTS):
        stream = uuid4()
        rivals = [asked(Part(stream, NEW, 1)) for _ in range(3)]
        around = await cut_around(proxy, store, cut, rivals)
        note(diary, around)
        (winner,) = [one for one in around if isinstance(one.outcome, Answered)]
        assert all(one.told in {None, winner.outcome} for one in around)
    checked = await witness.check(store)
    assert checked.commands == CONTESTS + 1  # the one that connected
    counts.add(CONTESTS, checked)
