"""What the load of the realtime suite counts and checks, and that it does so of a real gateway."""

from uuid import UUID

import pytest
from msgspec import UNSET

from bench.child import Sample
from bench.contestant import contestant, play
from bench.harness import Results
from bench.load import ws
from bench.load.checked import Seen as Checked
from bench.load.checked import faults
from bench.load.delays import Delays
from bench.load.fanout import MARK, Fanout, said
from bench.load.idle import Idle
from bench.load.loops import Window
from bench.load.served import Formula
from bench.load.storm import Storm
from bench.load.together import Seen, Together
from bench.realtime import pair
from bench.report import Target
from infra.settings import Settings

SHORT = Window(seconds=0.5, before_s=0.2)
IDLE = 300  # so many that their memory stands out of a process's own coming and going


def from_server(payload: bytes, opcode: int = ws.TEXT) -> bytes:
    """A final frame without a mask."""
    size = len(payload)
    if size < 126:
        return bytes((ws.FINAL | opcode, size)) + payload
    return bytes((ws.FINAL | opcode, 126)) + size.to_bytes(2) + payload


@pytest.mark.parametrize("step", [1, 3, 1_000])
def test_frames_are_cut_wherever_the_reads_end(step: int) -> None:
    sent = [(ws.TEXT, b"a" * 5), (ws.PING, b""), (ws.TEXT, b"b" * 300)]
    stream = b"".join(from_server(payload, opcode) for opcode, payload in sent)
    frames, found = ws.Frames(), list[tuple[int, bytes]]()
    for at in range(0, len(stream), step):
        found += frames.feed(stream[at : at + step])
    assert (found, frames.rest) == (sent, b"")


def test_a_frame_of_the_client_is_masked_with_zeros() -> None:
    assert ws.text(b"hi") == b"\x81\x82\0\0\0\0hi"
    assert ws.text(b"x" * 200) == b"\x81\xfe\x00\xc8\0\0\0\0" + b"x" * 200


def test_what_is_said_has_one_mark() -> None:
    assert said(7).count(MARK) == 1


def ev(pos: int, prev: int, number: int) -> bytes:
    return b'{"op":"ev","room":"r","pos":%d,"prev":%d,"data":{"number":%d}}' % (pos, prev, number)


def test_a_subscriber_sees_gaps_and_passes_over_what_it_has() -> None:
    seen = Checked()
    seen.joined_at(4)
    for frame in (ev(5, 4, 0), ev(5, 4, 0), b'{"op":"skip","room":"r","pos":6,"prev":5}'):
        seen.take(frame)
    assert (seen.last, seen.gaps, seen.numbers) == (6, 0, [0])
    seen.take(ev(9, 8, 2))
    assert (seen.gaps, seen.numbers) == (1, [0, 2])


def test_each_kind_of_fault_is_counted() -> None:
    assert faults([1, 2, 3], [1, 2, 3]) == (0, 0, 0)
    assert faults([1, 3], [1, 2, 3]) == (1, 0, 0)
    assert faults([1, 2, 2], [1, 2]) == (0, 1, 0)
    assert faults([2, 1], [1, 2]) == (0, 0, 1)


def test_a_ratio_is_judged_only_where_the_other_one_played() -> None:
    mine, other = (Sample({"8 per_s": per_s, "8 api cpu": 50.0}) for per_s in (400.0, 100.0))
    target = Target(least=3.0)
    both = Results({"formula": [mine], "socket.io": [other]})
    row, peer = pair(both, "8 in flight", "deliveries/s", "8 per_s", target)
    assert (row.ratio, row.ok, row.note) == (4.0, True, "of a core: api 50 %")
    assert (peer.value, peer.ok) == (100.0, UNSET)
    [alone] = pair(Results({"formula": [mine]}), "8 in flight", "deliveries/s", "8 per_s", target)
    assert (alone.ratio, alone.ok) == (None, UNSET)


@pytest.mark.services
def test_every_delivery_of_a_room_is_counted(settings: Settings) -> None:
    sample = play(contestant("fanout", Fanout(Formula(settings), 5, (2, 4), SHORT)))
    assert (sample.errors, sample.error) == (0, "")
    for in_flight in (2, 4):
        assert sample.values[f"{in_flight} per_s"] > 0
        assert sample.values[f"{in_flight} p50"] <= sample.values[f"{in_flight} p99"]


@pytest.mark.services
def test_delays_are_those_of_the_readers_and_idle_ones_are_weighed(settings: Settings) -> None:
    late = play(contestant("delays", Delays(Formula(settings), 5, 50, SHORT, stalled=2)))
    idle = play(contestant("idle", Idle(Formula(settings, rooms=0), IDLE)))
    assert (late.error, idle.error) == ("", "")
    assert 0 < late.values["p50"] <= late.values["p99"]
    assert idle.values["connections"] == IDLE
    assert idle.values["kib"] > 0


@pytest.mark.services
def test_whoever_comes_back_in_a_storm_misses_nothing(settings: Settings) -> None:
    sample = play(contestant("storm", Storm(Formula(settings, rooms=2), 20, 50, seconds=0.5)))
    assert (sample.errors, sample.error) == (0, "")
    faults = {name: sample.values[name] for name in ("missed", "twice", "disordered", "gaps")}
    assert faults == {"missed": 0, "twice": 0, "disordered": 0, "gaps": 0}
    assert sample.values["seconds"] > 0


@pytest.mark.services
def test_all_see_who_comes_and_goes_and_a_lock_is_handed_on(settings: Settings) -> None:
    sample = play(contestant("together", Together(Formula(settings), 4, 4, 2)))
    assert (sample.errors, sample.error) == (0, "")
    for what in ("left", "came", "handed"):
        assert 0 < sample.values[f"{what} p50"] <= sample.values[f"{what} p99"]


def test_a_grant_counts_for_who_holds_it_and_once() -> None:
    seen, ann, bob = Seen(), UUID(int=1), UUID(int=2)
    for number, who in enumerate((ann, bob)):
        joined = b'{"op":"joined","room":"project:x","participation":"%s"}'
        seen.note(number, joined % str(who).encode())
    seen.note(0, b'{"op":"ack","lock":{"token":3}}')
    assert (seen.holder, seen.token, seen.acks) == (0, 3, 1)
    granted = b'{"op":"ev","type":"lock.granted","data":{"token":4,"participation":"%s"}}'
    for number in (0, 1, 1):
        seen.note(number, granted % str(bob).encode())
    assert (seen.holder, seen.token, seen.room) == (1, 4, "project:x")


def test_presence_is_counted_of_the_room_alone() -> None:
    seen = Seen()
    seen.note(1, b'{"op":"presence","room":"project:x","join":[{}],"leave":["a","b"]}')
    seen.note(1, b'{"op":"presence","room":"user:x","join":[{}]}')
    assert (seen.told[1, "join"], seen.told[1, "leave"]) == (1, 2)
