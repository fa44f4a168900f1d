"""Two processes that want the same versions, and a client that sends every command three times."""

import asyncio
from uuid import uuid4

import pytest

from infra.eventstore.types import NEW
from infra.runtime import Runtime, open_runtime
from infra.settings import Settings
from tests.faults.children import LIMIT_S, child, has_ended, times, words
from tests.faults.commands import asked, commands, send, settle
from tests.faults.diary import Asked, Diary, Part, read_diaries
from tests.faults.results import Counts
from tests.faults.witness import Witness
from tests.infra.until import until

pytestmark = [pytest.mark.services, pytest.mark.faults]

VERSIONS, COMMANDS = times(4_000), times(2_000)
TOGETHER = 20  # commands at a time


async def test_of_two_processes_one_wins_each_version(
    settings: Settings, runtime: Runtime, witness: Witness, counts: Counts
) -> None:
    one, other, shot = witness.diary(), witness.diary(), Diary(witness.diary())
    with (
        child("racer", settings, one, VERSIONS) as first,
        child("racer", settings, other, VERSIONS) as second,
    ):
        await until(lambda: words(one) == words(other) == "ready\n", LIMIT_S)
        command = asked(Part(uuid4(), NEW, 1))
        shot.write(command)
        shot.write(await send(runtime.store, command))
        await has_ended(first, one)
        await has_ended(second, other)
    checked = await witness.check(runtime.store)
    assert (checked.commands, checked.unanswered) == (VERSIONS, 0)
    memories = [read_diaries([one]), read_diaries([other])]
    assert sum(len(each.answered) for each in memories) == VERSIONS - 1
    assert all(len(each.answered) > VERSIONS / 20 for each in memories), "that was no race"
    counts.add(sum(len(each.refused) for each in memories), checked)


async def test_a_command_sent_three_times_has_one_outcome_and_the_first_answer(
    settings: Settings, runtime: Runtime, witness: Witness, counts: Counts
) -> None:
    diary = Diary(witness.diary())
    callers = [commands(uuid4()) for _ in range(TOGETHER)]
    async with open_runtime(settings) as other:
        for _ in range(COMMANDS // TOGETHER):
            batch = [next(caller) for caller in callers]
            await asyncio.gather(*(thrice(runtime, other, diary, one) for one in batch))
    checked = await witness.check(runtime.store)
    assert (checked.commands, checked.unanswered) == (COMMANDS, 0)
    counts.add(2 * COMMANDS, checked)


async def thrice(here: Runtime, there: Runtime, diary: Diary, command: Asked) -> None:
    """At once by two processes' ways, as far as Postgres can tell them apart, and again later."""
    diary.write(command)
    one, other = await asyncio.gather(settle(here.store, command), settle(there.store, command))
    assert one == other == await settle(here.store, command)
    diary.write(one)
