"""The browser's client at work, in node and in Chromium, beside somebody in Python."""

from datetime import timedelta
from itertools import pairwise

import pytest

from api.client.client import Client
from api.client.errors import Refused
from domain.notification import NOTIFICATION, SendNotification
from infra.runtime import SYSTEM
from tests.browser.conftest import Stage, Visitor

pytestmark = [
    pytest.mark.services,
    pytest.mark.browser,
    pytest.mark.timeout(400),  # the first may have to install a browser
    pytest.mark.xdist_group("browser"),
]


everywhere = pytest.mark.parametrize("stage", ["node", "chromium"], indirect=True)


async def both(stage: Stage, *others: Client) -> tuple[Visitor, Visitor, str]:
    """Ann and Bob in a project's room, each in a page; the others are of the project as well."""
    ann, bob = await stage.visitor("ann"), await stage.visitor("bob")
    room = await stage.server.room(ann.person, bob.person, *others)
    await ann.join(room)
    await bob.join(room)
    await ann.sees("room.members.length === 2")
    return ann, bob, room


@everywhere
async def test_pages_and_a_script_see_each_other_and_what_they_do(stage: Stage) -> None:
    cleo = await stage.server.person("cleo")
    ann, bob, name = await both(stage, cleo)
    async with cleo.connect(device="script") as live:
        await live.join(name, follow=False)
        await ann.sees("room.members.length === 3")
        ack = await live.act(name, "note", {"by": "cleo"})
        await ann.run('await room.act("note", { by: "ann" })')
        await bob.run('await room.act("note", { by: "bob" })')
        notes = [{"by": who} for who in ("cleo", "ann", "bob")]
        assert await ann.notes(3) == await bob.notes(3) == notes
        assert await bob.run("return events.map(({ pos }) => pos)") == await ann.run(
            "return events.map(({ pos }) => pos)"
        )
        assert (await bob.run("return events[0]"))["pos"] == ack.pos
    await ann.sees("room.members.length === 2")


async def test_a_person_on_two_devices_is_one_member(stage: Stage) -> None:
    ann, bob, name = await both(stage)
    async with bob.person.connect(device="phone") as phone:
        await phone.join(name, follow=False)
        await bob.run('await formula.status("away", "board")')
        his = "room.members.find(({ user }) => user === bob)"
        await ann.sees(f"{his}.connections.some((one) => one.status === 'away')", bob=bob.id)
        shown = await ann.run(f"return {his}", bob=bob.id)
        assert (shown["status"], len(shown["connections"])) == ("online", 2)
        assert {one["device"] for one in shown["connections"]} == {"bob", "phone"}
    await ann.sees(f"{his}.status === 'away' && {his}.location === 'board'", bob=bob.id)


@everywhere
async def test_a_cursor_glides_between_where_it_was_seen(stage: Stage) -> None:
    ann, bob, _ = await both(stage)
    await ann.run("room.cursor({ x: 0, y: 100 })")
    await bob.sees("paths.length > 0")
    await ann.run("room.cursor({ x: 100, y: 0 })")
    await bob.sees("paths.at(-1).x === 100")
    path = await bob.run("return paths")
    assert path[0] == {"x": 0, "y": 100}
    between = [at for at in path if 0 < at["x"] < 100]
    assert between, "it jumped"
    assert all(abs(at["x"] + at["y"] - 100) < 0.01 for at in path), "it left the line"
    assert all(one["x"] <= next_["x"] for one, next_ in pairwise(path)), "it went back"
    assert await ann.run("return room.cursors") == [], "one's own cursor is no news"


async def test_a_cursor_elsewhere_in_the_document_jumps(stage: Stage) -> None:
    ann, bob, _ = await both(stage)
    await ann.run("room.cursor({ x: 0, y: 0, page: 1 })")
    await bob.sees("paths.length > 0")
    await ann.run("room.cursor({ x: 100, y: 0, page: 2 })")
    await bob.sees("paths.at(-1).page === 2")
    assert {at["x"] for at in await bob.run("return paths")} == {0, 100}


async def test_typing_shows_and_is_over_when_it_is_said_so(stage: Stage) -> None:
    ann, bob, _ = await both(stage)
    await ann.run('for (const key of "title") room.type("title")')
    await bob.sees("room.typing.length === 1")
    here = await ann.run("return room.joined.participation")
    typing = [{"participation": here, "user": ann.id, "where": "title"}]
    assert await bob.run("return room.typing") == typing
    await ann.run('room.type("title", false)')
    await bob.sees("room.typing.length === 0")


async def test_what_somebody_selected_goes_with_them(stage: Stage) -> None:
    ann, bob, name = await both(stage)
    await ann.run('room.select({ tasks: ["a", "b"] }); room.type("title")')
    await bob.sees("[...room.selections.values()][0]?.selection.tasks[1] === 'b'")
    assert await bob.run("return [...room.selections.values()].map(({ user }) => user)") == [ann.id]
    await ann.run("await formula.leave(name)", name=name)
    await bob.sees("room.selections.size === 0 && room.typing.length === 0")


@everywhere
async def test_a_person_on_two_devices_points_with_both(stage: Stage) -> None:
    ann, bob, name = await both(stage)
    pointed = "[...room.cursors].map(({ at }) => at.x).sort().join()"
    async with bob.person.connect(device="phone") as phone:
        there = await phone.join(name, follow=False)
        await bob.run("room.cursor({ x: 1, y: 1 })")
        await phone.cursor(name, {"x": 5, "y": 5})
        await phone.select(name, "a")
        await ann.sees(f"{pointed} === '1,5' && room.selections.size === 1")
        ends = await ann.run("return paths.filter(({ x }) => x !== 1 && x !== 5)")
        assert ends == [], "one did not glide to the other"
        assert {one["user"] for one in await ann.run("return room.cursors")} == {bob.id}
        await bob.sees(f"{pointed} === '5'")
        own = await bob.run("return room.cursors.map((one) => one.participation)")
        assert own == [str(there.participation)], "the other device's, not one's own"
    await ann.sees(f"{pointed} === '1' && room.selections.size === 0")


@everywhere
async def test_what_happened_during_a_drop_comes_once_and_in_order(stage: Stage) -> None:
    ann, bob, _ = await both(stage)
    await ann.run('await room.act("note", 0)')
    await bob.notes(1)
    bob.network.cut(down=True)
    await bob.sees('formula.state === "offline"')
    acts = 'const all = [1, 2, 3, 4, 5].map((n) => room.act("note", n)); await Promise.all(all)'
    await ann.run(acts)
    bob.network.down = False
    assert await bob.notes(6) == [*range(6)]
    await ann.run('await room.act("note", 6)')
    assert await bob.notes(7) == [*range(7)]
    assert await bob.run("return joins") == ["resume"]
    assert (await bob.run("return states"))[-3:] == ["offline", "resuming", "live"]


async def test_what_is_done_while_offline_waits_and_is_done_once(stage: Stage) -> None:
    ann, bob, _ = await both(stage)
    bob.network.cut(down=True)
    await bob.sees('formula.state === "offline"')
    await bob.run('globalThis.acts = [1, 2, 3].map((n) => room.act("note", n))')
    assert await bob.run("return formula.queued") == 3
    bob.network.down = False
    positions = await bob.run("return (await Promise.all(acts)).map(({ pos }) => pos)")
    assert sorted(set(positions)) == positions
    assert await ann.notes(3) == [1, 2, 3]
    assert await bob.run("return formula.queued") == 0


async def test_acts_under_way_when_the_connection_is_cut_are_done_once(stage: Stage) -> None:
    ann, bob, _ = await both(stage)
    await bob.run(
        """
        globalThis.acts = Array.from({ length: 50 }, (_, n) => room.act("note", n));
        await Promise.race(acts);
        """
    )
    bob.network.cut()
    positions = await bob.run("return (await Promise.all(acts)).map(({ pos }) => pos)")
    assert len(set(positions)) == 50
    assert sorted(await ann.notes(50)) == [*range(50)]


async def test_status_and_location_are_said_again_after_a_drop(stage: Stage) -> None:
    ann, bob, _ = await both(stage)
    await bob.run('await formula.status("busy", "board")')
    bob.network.cut()
    await bob.sees('states.includes("resuming") && formula.state === "live"')
    his = "room.members.find(({ user }) => user === bob)"
    back = f"{his}.connections.length === 1 && !{his}.away"
    await ann.sees(f"{back} && {his}.status === 'busy' && {his}.location === 'board'", bob=bob.id)


@everywhere
async def test_a_token_that_runs_out_is_renewed_on_the_live_connection(stage: Stage) -> None:
    _, bob, _ = await both(stage)
    now = stage.server.runtime.now
    end = now() + timedelta(seconds=3)
    await bob.run("next = short", short=stage.token(bob.person, 3))
    bob.network.cut()
    await bob.sees('states.includes("resuming") && formula.state === "live"')
    connection = await bob.run("next = undefined; return formula.welcome.connection")
    await bob.sees("Date.now() > over", over=(end + timedelta(seconds=2)).timestamp() * 1_000)
    await bob.run('await room.act("note")')
    assert await bob.run("return formula.welcome.connection") == connection


async def test_a_token_that_is_not_taken_is_replaced(stage: Stage) -> None:
    _, bob, _ = await both(stage)
    await bob.run("next = old", old=stage.token(bob.person, -1))
    bob.network.cut()
    await bob.sees('states.includes("resuming") && formula.state === "live"')


@everywhere
async def test_a_lock_is_handed_over_with_a_higher_token(stage: Stage) -> None:
    ann, bob, _ = await both(stage)
    first = await ann.run('return await room.lock("desk")')
    await bob.sees("room.locks.get('desk')?.holder === ann", ann=ann.id)
    refused = await bob.run(
        'return await room.lock("desk").catch(({ code, detail }) => [code, detail.holder])'
    )
    assert refused == ["lock.held", ann.id]
    await ann.run('await room.unlock("desk")')
    await bob.sees("!room.locks.has('desk')")
    second = await bob.run('return await room.lock("desk")')
    assert second["token"] > first["token"]
    assert await ann.run("return room.held.size") == 0


async def test_a_lock_outlives_a_drop_and_is_renewed_after_it(stage: Stage) -> None:
    ann, bob, name = await both(stage)
    held = await bob.run('return await room.lock("desk", { ttl: 5_000 })')
    bob.network.cut()
    await bob.sees('states.includes("resuming") && formula.state === "live"')
    await ann.sees("events.some(({ type }) => type === 'lock.renewed')")
    assert await bob.run("return room.held.get('desk').token") == held["token"]
    async with ann.person.connect() as live:
        await live.join(name, follow=False)
        with pytest.raises(Refused) as refused:
            await live.lock(name, "desk")
    assert refused.value.code == "lock.held"


async def test_who_waits_for_a_lock_gets_it_when_it_is_free(stage: Stage) -> None:
    ann, bob, _ = await both(stage)
    first = await ann.run('return await room.lock("desk")')
    await bob.run('globalThis.waits = room.lock("desk", { wait: true })')
    await ann.sees("events.some(({ type }) => type === 'lock.queued')")
    await ann.run('await room.unlock("desk")')
    second = await bob.run("return await waits")
    assert second["token"] > first["token"]
    assert await bob.run("return room.held.get('desk').token") == second["token"]
    await ann.sees("room.locks.get('desk')?.holder === bob", bob=bob.id)
    await bob.run('await room.unlock("desk")')


async def test_who_waits_for_a_lock_still_waits_after_a_drop(stage: Stage) -> None:
    ann, bob, _ = await both(stage)
    await ann.run('await room.lock("desk")')
    await bob.run('globalThis.waits = room.lock("desk", { wait: true })')
    queued = "events.filter(({ type }) => type === 'lock.queued').length"
    await ann.sees(f"{queued} === 1")
    bob.network.cut()
    await ann.sees(f"{queued} === 2")
    await ann.run('await room.unlock("desk")')
    assert (await bob.run("return await waits"))["holder"] == bob.id


async def test_who_does_not_want_a_lock_any_more_is_out_of_its_queue(stage: Stage) -> None:
    ann, bob, _ = await both(stage)
    await ann.run('await room.lock("desk")')
    await bob.run('globalThis.waits = room.lock("desk", { wait: true }).catch(({ code }) => code)')
    await ann.sees("events.some(({ type }) => type === 'lock.queued')")
    await bob.run('await room.unwait("desk")')
    assert await bob.run("return await waits") == "lock.unwaited"
    await ann.sees("events.some(({ type }) => type === 'lock.unqueued')")


async def test_how_far_somebody_has_seen_the_room_is_told(stage: Stage) -> None:
    ann, bob, _ = await both(stage)
    ack = await ann.run('return await room.act("note")')
    await bob.notes(1)
    await bob.run("room.seen()")
    await ann.sees("room.receipts.get(bob) >= pos", bob=bob.id, pos=ack["pos"])


async def test_who_loses_a_lock_is_told(stage: Stage) -> None:
    ann, bob, _ = await both(stage)
    await bob.run('room.on("lost", (lost) => (globalThis.lost = lost)); await room.lock("desk")')
    await ann.run('await room.steal("desk", "urgent")')
    lost = await bob.sees("globalThis.lost")
    assert (lost["resource"], lost["reason"]) == ("desk", "urgent")
    assert await bob.run("return room.held.size") == 0


async def test_a_room_that_is_not_ones_own_is_refused(stage: Stage) -> None:
    ann, bob, _ = await both(stage)
    other = await stage.server.room(ann.person)
    code = await bob.run("return await formula.join(name).catch(({ code }) => code)", name=other)
    assert code == "access.denied"
    assert await bob.run("return formula.rooms.has(name)", name=other) is False


async def test_a_room_that_was_left_tells_nothing_more(stage: Stage) -> None:
    ann, bob, name = await both(stage)
    why = "return await new Promise((resolve) => { room.on('left', resolve); formula.leave(name) })"
    assert await bob.run(why, name=name) == {"room": name, "why": "said"}
    await ann.run('await room.act("note")')
    await ann.notes(1)
    assert await bob.run("return events") == []


async def test_notifications_missed_during_a_drop_come_in_ones_own_room(stage: Stage) -> None:
    ann, bob, _ = await both(stage)
    await bob.run('globalThis.own = []; formula.own.on("event", (event) => own.push(event))')
    bob.network.cut(down=True)
    await bob.sees('formula.state === "offline"')
    runtime = stage.server.runtime
    send = SendNotification(user=bob.person.me.id, kind="test", title="T", at=runtime.now())
    await runtime.execute(SYSTEM, NOTIFICATION, runtime.new_id(), send)
    await ann.run('await room.act("note")')
    await ann.notes(1)  # so it is in the rooms as well
    bob.network.down = False
    await bob.sees("own.length > 0")
    assert await bob.run("return own.map(({ type }) => type)") == ["notification.sent"]


async def test_a_project_s_past_happens_again(stage: Stage) -> None:
    ann, _, name = await both(stage)
    await ann.run('for (const n of [1, 2, 3]) await room.act("note", n)')
    await ann.notes(3)
    past = await ann.run(
        """
        const replay = await formula.replay(project, { speed: 1_000 });
        const seen = [];
        const ended = new Promise((resolve) => replay.on("ended", resolve));
        replay.on("event", (event) => seen.push(event));
        await ended;
        await replay.pause();
        const joined = await replay.seek(replay.joined.pos);
        await formula.leave(replay.name);
        const { paused } = joined.replay;
        return { seen: seen.map(({ type, data }) => [type, data.data]), paused };
        """,
        project=name.removeprefix("project:"),
    )
    notes = [data for kind, data in past["seen"] if kind == "activity.recorded"]
    assert (notes, past["paused"]) == ([1, 2, 3], True)


async def test_after_goodbye_nothing_is_asked_and_nothing_waits(stage: Stage) -> None:
    ann, bob, _ = await both(stage)
    codes = await bob.run(
        """
        const waiting = room.act("note", 1);
        formula.close();
        const code = (promise) => promise.then(() => "done", ({ code }) => code);
        return [await code(waiting), await code(room.act("note", 2)), formula.state];
        """
    )
    assert codes == ["client.closed", "client.closed", "closed"]
    await ann.sees("room.members.length === 1")
