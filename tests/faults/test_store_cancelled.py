"""Callers who are cancelled while their append waits or is under way: the id tells the outcome."""

import asyncio
from collections.abc import Sequence
from uuid import uuid4

import pytest

from infra.eventstore.store import Store
from infra.eventstore.types import NEW
from tests.faults.children import times
from tests.faults.commands import asked, commands, send, settle, told
from tests.faults.diary import Asked, Diary, Part
from tests.faults.proxy import Cut, Proxy
from tests.faults.results import Counts
from tests.faults.witness import Witness

pytestmark = [pytest.mark.services, pytest.mark.faults]

CANCELLED = times(300)  # rounds of each test
CALLERS = 8


async def test_a_command_cancelled_under_way_is_stored_once(
    store: Store, proxy: Proxy, witness: Witness, counts: Counts
) -> None:
    """It was committed, and nobody waits for its answer; those behind it may not be sent yet."""
    diary, callers = Diary(witness.diary()), [commands(uuid4()) for _ in range(CALLERS)]
    for _ in range(CANCELLED):
        batch = [next(caller) for caller in callers]
        proxy.keep_answers()
        sent = sending(store, batch[:4])
        await proxy.has_kept()
        waiting = sending(store, batch[4:])
        await asyncio.sleep(0)  # they are in the queue now, or on their way behind the others
        await cancel(*sent, *waiting)
        proxy.let_pass()
        await settled(store, diary)
        assert await told(store, batch[0])
        await again(store, diary, batch)
    checked = await witness.check(store)
    assert checked.unanswered == 0
    counts.add(CANCELLED * CALLERS, checked)


async def test_a_command_cancelled_while_its_connection_is_lost_has_one_outcome(
    store: Store, proxy: Proxy, witness: Witness, counts: Counts
) -> None:
    diary, callers = Diary(witness.diary()), [commands(uuid4()) for _ in range(CALLERS)]
    for number in range(CANCELLED):
        batch = [next(caller) for caller in callers]
        proxy.arm(list(Cut)[number % len(Cut)])
        sent = sending(store, batch)
        await proxy.has_cut()
        await cancel(*sent)
        proxy.let_pass()
        await settled(store, diary)
        await again(store, diary, batch)
    checked = await witness.check(store)
    assert checked.unanswered == 0
    counts.add(CANCELLED * CALLERS, checked)


async def test_callers_cancelled_at_any_moment_harm_nobody_else(
    store: Store, witness: Witness, counts: Counts
) -> None:
    """Half of those who append together go, after so many turns of the loop."""
    diary, callers = Diary(witness.diary()), [commands(uuid4()) for _ in range(CALLERS)]
    for turns in range(CANCELLED):
        batch = [next(caller) for caller in callers]
        sent = sending(store, batch)
        for _ in range(turns % 30):
            await asyncio.sleep(0)
        await cancel(*sent[::2])
        await asyncio.gather(*sent[1::2])
        await settled(store, diary)
        await again(store, diary, batch)
    checked = await witness.check(store)
    assert checked.unanswered == 0
    counts.add(CANCELLED * CALLERS // 2, checked)


def sending(store: Store, batch: Sequence[Asked]) -> list[asyncio.Task[object]]:
    return [asyncio.create_task(send(store, command)) for command in batch]


async def cancel(*tasks: asyncio.Task[object]) -> None:
    """They end at once, whatever the writer does."""
    for task in tasks:
        task.cancel()
    done, _ = await asyncio.wait(tasks, timeout=1.0)
    assert len(done) == len(tasks)


async def settled(store: Store, diary: Diary) -> None:
    """Return once all that was queued is stored or gone: appends keep their order."""
    last = asked(Part(uuid4(), NEW, 2))
    diary.write(last)
    diary.write(await send(store, last))


async def again(store: Store, diary: Diary, batch: Sequence[Asked]) -> None:
    """Send all of them once more; what the ids told before is the answer now."""
    for command in batch:
        diary.write(command)
        before = await told(store, command)
        answer = await settle(store, command)
        assert before in {None, answer}
        diary.write(answer)
