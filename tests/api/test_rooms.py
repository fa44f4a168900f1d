"""A room's fan-out by value: the chain, gaps, slow readers, audiences."""

from uuid import UUID, uuid4

import msgspec

from api.realtime.locking import Granted
from api.realtime.member import Member
from api.realtime.meters import Meters
from api.realtime.presence import Tempo
from api.realtime.rooms import LIST_AGAIN, RING, Room
from bench.load.ws import Frames
from infra.bus import Entry, Kind
from projections.members import MAX_LISTED

ROOM = "project:x"
ANN = uuid4()


class Peer:
    """A socket that keeps what it is sent."""

    def __init__(self) -> None:
        self.paused = False
        self.frames: list[dict[str, object]] = []
        self.pieces = 0  # that they came in
        self.looked_at: list[UUID] = []
        self.was_reaped: list[UUID] = []
        self.grants: list[Granted] = []

    def send(self, frame: bytes) -> None:
        self.pieces += 1
        self.frames += [msgspec.json.decode(text) for _, text in Frames().feed(frame)]

    def rights_changed(self, concerned: UUID) -> None:
        self.looked_at.append(concerned)

    def granted(self, granted: Granted) -> None:
        self.grants.append(granted)

    def reaped(self, participation: UUID) -> None:
        self.was_reaped.append(participation)

    @property
    def positions(self) -> list[object]:
        return [frame["pos"] for frame in self.frames]


def room_with(*peers: Peer) -> tuple[Room, list[Member], list[Room]]:
    gaps: list[Room] = []
    room = Room(ROOM, gaps.append, Meters(), Tempo())
    members = [Member(peer, uuid4(), audience=0) for peer in peers]
    for member in members:
        room.members[member.participation] = member
        room.start(member, 0)
    return room, members, gaps


def event(pos: int, prev: int, audience: int = 0) -> Entry:
    payload = msgspec.json.encode({"op": "ev", "pos": pos})
    return Entry(Kind.EVENT, pos, payload, prev, audience)


def motion(pos: int, participation: UUID | None = None) -> Entry:
    here = participation or uuid4()
    frame = {"op": "mo", "type": "motion.cursor", "by": ANN, "participation": here, "pos": pos}
    return Entry(Kind.MOTION, pos, msgspec.json.encode(frame))


def test_events_reach_everybody_in_order() -> None:
    ann, bob = Peer(), Peer()
    room, _, gaps = room_with(ann, bob)
    room.take_in([event(3, 0), event(5, 3)])
    assert ann.positions == bob.positions == [3, 5]
    assert gaps == []


def test_what_comes_in_one_message_leaves_in_one_piece() -> None:
    ann, bob = Peer(), Peer()
    room, (_, late), _ = room_with(ann, bob)
    late.after = 3  # of another snapshot
    room.take_in([event(pos, pos - 1) for pos in range(1, 9)])
    assert (ann.positions, ann.pieces) == (list(range(1, 9)), 1)
    assert (bob.positions, bob.pieces) == (list(range(4, 9)), 1)


def test_a_duplicate_is_dropped() -> None:
    ann = Peer()
    room, _, _ = room_with(ann)
    room.take_in([event(3, 0), event(3, 0), event(2, 0)])
    assert ann.positions == [3]


def test_a_gap_is_mended_before_anything_after_it_is_seen() -> None:
    ann = Peer()
    room, _, gaps = room_with(ann)
    room.take_in([event(3, 0), event(9, 7)])
    assert ann.positions == [3]
    assert gaps == [room]
    room.take_in([event(7, 3), event(9, 7)])
    assert ann.positions == [3, 7, 9]


async def test_a_joiner_gets_what_comes_after_its_snapshot_once() -> None:
    ann = Peer()
    room, _, _ = room_with()
    member = Member(ann, uuid4(), audience=0)
    room.members[member.participation] = member
    room.take_in([event(3, 0), event(5, 3), motion(6)])
    assert ann.frames == [], "nothing before the snapshot"
    room.start(member, 3)
    room.take_in([event(8, 5)])
    assert ann.positions == [5, 6, 8]


def test_a_snapshot_ahead_of_the_bus_hides_what_it_told() -> None:
    ann = Peer()
    room, _, _ = room_with()
    member = Member(ann, uuid4(), audience=0)
    room.members[member.participation] = member
    room.start(member, 5)
    room.take_in([event(3, 0), event(5, 3), event(8, 5)])
    assert ann.positions == [8]


async def test_a_slow_reader_gets_events_later_and_the_newest_motion_and_delays_nobody() -> None:
    slow, quick = Peer(), Peer()
    room, (member, _), _ = room_with(slow, quick)
    slow.paused = True
    one, two = uuid4(), uuid4()  # of one person
    room.take_in([motion(1, one), event(3, 0), motion(4, one), motion(4, two), event(5, 3)])
    assert quick.positions == [1, 3, 4, 4, 5]
    assert slow.frames == []
    slow.paused = False
    room.take_in([event(7, 5)])
    assert slow.frames == [], "not before what it still has to get"
    room.take_in([motion(8, one)])
    room.drained(member)
    room.take_in([event(9, 7), motion(10, one)])
    assert slow.positions == [3, 5, 7, 8, 4, 9, 10]
    room.drained(member)
    assert len(slow.frames) == 7


def test_a_reader_slower_than_the_ring_is_told_to_resume() -> None:
    slow = Peer()
    room, (member,), _ = room_with(slow)
    room.take_in([event(1, 0)])
    slow.paused = True
    room.take_in([event(pos, pos - 1) for pos in range(2, RING + 10)])
    slow.paused = False
    room.drained(member)
    assert [frame["op"] for frame in slow.frames] == ["ev", "lagged"]
    assert slow.frames[1]["from"] == 1
    room.take_in([event(RING + 10, RING + 9)])
    assert slow.frames[-1]["pos"] == RING + 10


def test_who_may_not_see_a_frame_gets_a_skip_that_keeps_the_chain() -> None:
    ann = Peer()
    room, _, _ = room_with(ann)
    room.take_in([event(3, 0, audience=1), event(5, 3)])
    assert ann.frames[0] == {"op": "skip", "room": ROOM, "pos": 3, "prev": 0}
    assert ann.positions == [3, 5]


def test_changed_rights_are_looked_at_by_every_socket() -> None:
    ann = Peer()
    room, _, _ = room_with(ann)
    concerned = uuid4()
    room.take_in([event(3, 0), Entry(Kind.RIGHTS, 5, concerned.bytes, 3), event(7, 5)])
    assert ann.looked_at == [concerned]
    assert ann.frames[1] == {"op": "skip", "room": ROOM, "pos": 5, "prev": 3}
    assert ann.positions == [3, 5, 7]


def test_a_grant_is_an_event_that_every_socket_looks_at() -> None:
    ann = Peer()
    room, _, _ = room_with(ann)
    lock, holder, here = uuid4(), uuid4(), uuid4()
    data = {
        "resource": "a",
        "holder": holder,
        "participation": here,
        "token": 7,
        "ttl_ms": 30_000,
        "expires": "2030-01-01T00:00:30Z",
    }
    frame = {"op": "ev", "pos": 3, "prev": 0, "type": "lock.granted", "subject": lock}
    room.take_in([Entry(Kind.GRANT, 3, msgspec.json.encode({**frame, "data": data}), 0)])
    [granted] = ann.grants
    assert (granted.subject, granted.data.participation, granted.data.token) == (lock, here, 7)
    assert ann.frames[0]["type"] == "lock.granted"


def test_changed_rights_that_the_bus_lost_are_a_gap() -> None:
    ann = Peer()
    room, _, gaps = room_with(ann)
    room.take_in([event(7, 5)])
    assert gaps == [room]


async def test_a_participation_that_was_reaped_hears_of_it() -> None:
    ann = Peer()
    room, (member,), _ = room_with(ann)
    gone = {"participation": member.participation, "user": uuid4(), "reason": "node_lost"}
    room.take_in([Entry(Kind.LEAVE, 1, msgspec.json.encode(gone))])
    assert ann.was_reaped == [member.participation]
    room.stop()


def test_only_a_quiet_room_says_where_it_is_and_once() -> None:
    ann = Peer()
    room, _, gaps = room_with(ann)
    room.take_in([event(3, 0)])
    room.is_at(3)
    room.take_in([event(5, 3)])
    room.is_at(5)
    assert [frame["op"] for frame in ann.frames] == ["ev", "ev"], "frames came and told it"
    room.is_at(5)
    assert ann.frames[2:] == [{"op": "head", "room": ROOM, "pos": 5}]
    room.is_at(5)
    assert len(ann.frames) == 3
    assert gaps == []
    room.is_at(7)
    assert gaps == [room]


async def test_people_are_counted_where_they_are_too_many_to_name() -> None:
    ann = Peer()
    room, _, _ = room_with(ann)
    room.sized(MAX_LISTED + 1)
    assert not room.listed
    someone = {"participation": uuid4(), "user": uuid4(), "status": "online"}
    room.take_in([Entry(Kind.JOIN, 1, msgspec.json.encode(someone))])
    assert room.recount
    assert ann.frames == [], "no names"
    room.sized(MAX_LISTED)
    assert not room.listed
    assert not room.shrunk, "not for one who comes and goes"
    room.sized(LIST_AGAIN)
    assert room.shrunk


async def test_a_newcomer_is_shown_who_moves() -> None:
    peer = Peer()
    room, _, _ = room_with(peer)
    one, two = uuid4(), uuid4()
    room.take_in([motion(1, one), motion(2, one), motion(3, two)])
    assert [msgspec.json.decode(frame)["pos"] for frame in room.moving()] == [3, 2]
    left = {"participation": one, "user": ANN, "reason": "said"}
    room.take_in([Entry(Kind.LEAVE, 4, msgspec.json.encode(left)), motion(5, one)])
    room.stop()
    assert [msgspec.json.decode(frame)["pos"] for frame in room.moving()] == [3]
    assert peer.positions == [1, 2, 3], "nothing of who has left"


async def test_what_each_was_sent_is_counted_whenever_it_was_sent() -> None:
    slow, quick, late = Peer(), Peer(), Peer()
    meters = Meters()
    room = Room(ROOM, lambda _: None, meters, Tempo())
    members = [Member(peer, uuid4(), audience=0) for peer in (slow, quick, late)]
    room.members.update((one.participation, one) for one in members)
    for member in members[:2]:
        room.start(member, 0)
    slow.paused = True
    room.take_in([event(3, 0), motion(4), event(5, 3)])
    deliveries = meters.deliveries.values
    assert (deliveries["event"], deliveries["motion"]) == (2, 1)
    assert (meters.postponed.value, meters.dropped.value) == (2, 2)
    room.start(members[2], 3)
    slow.paused = False
    room.drained(members[0])
    assert (deliveries["event"], deliveries["motion"]) == (5, 3), "the newest motion follows"
    frames = [one for peer in (slow, quick, late) for one in peer.frames if one["op"] == "ev"]
    assert meters.bytes.values["event"] == sum(len(msgspec.json.encode(one)) + 2 for one in frames)


def test_what_came_since_a_position_is_in_memory_as_far_as_the_ring_reaches() -> None:
    room, _, _ = room_with()
    room.last = 4
    assert room.since(4) == []
    assert room.since(3) is None, "before the first frame that was heard here"
    assert room.since(5) is None, "ahead of all that was"
    room.take_in([event(pos, pos - 1) for pos in range(5, RING + 10)])
    since = room.since(RING + 6)
    assert since is not None
    assert [frame.pos for frame in since] == [RING + 7, RING + 8, RING + 9]
    assert room.since(9) is not None
    assert room.since(8) is None, "the ring has let go of it"


def test_what_does_not_reach_the_newest_frame_is_not_all_that_came() -> None:
    room, _, _ = room_with()
    room.take_in([event(pos, pos - 1) for pos in range(1, 5)])
    room.last = 9
    assert room.since(2) is None
    assert room.since(9) == []
