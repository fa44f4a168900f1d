"""realtime: rooms beside Socket.IO: deliveries, latency, locks, presence, storms, slow readers."""

from pathlib import Path

import msgspec
from msgspec import UNSET

from bench.contestant import contestant
from bench.harness import Results, Stage, compete
from bench.load.delays import Delays
from bench.load.fanout import Fanout
from bench.load.idle import Idle
from bench.load.loops import Window
from bench.load.served import Formula, Node, Side
from bench.load.storm import Storm
from bench.load.together import Together
from bench.peers import npm
from bench.report import Row, Target, placed

PEER = Path(__file__).parent / "peers" / "socketio"
MINE, OTHER = "formula", "socket.io"
LEAST = {8: 3.0, 64: 12.0}  # times Socket.IO's deliveries, by messages in flight
BUSY = 512  # in flight where actions are counted
ROOM = 200  # clients of a room in the storm
STALLED_RATE = 300  # actions a second: who reads none of them has stalled within seconds


class Field(msgspec.Struct, frozen=True):
    """Who plays; without Node, Formula plays alone and says why."""

    stage: Stage
    skipped: str | None

    def sides(self, database: str, rooms: int = 1) -> dict[str, Side]:
        sides: dict[str, Side] = {MINE: Formula(self.stage.database(database), rooms)}
        if self.skipped is None:
            sides[OTHER] = Node(self.stage.servers.redis_url, rooms)
        return sides

    def scaled(self, full: int, quick: int) -> int:
        return quick if self.stage.quick else full

    def window(self, seconds: float, before_s: float = 1.0) -> Window:
        return Window(0.5, 0.2) if self.stage.quick else Window(seconds, before_s)

    def rounds(self, full: int) -> int:
        return 1 if self.stage.quick else full


def run(stage: Stage) -> list[Row]:
    field = Field(stage, npm.install(PEER))
    return [
        *fanout(field),
        *latency(field),
        *actions(field),
        *together(field),
        *stalled(field),
        *storm(field),
        *idle(field),
        *([] if field.skipped is None else [_absent(field.skipped)]),
    ]


def fanout(field: Field) -> list[Row]:
    """Closed loops; Formula's deliveries are durable before they are made, Socket.IO's are not."""
    rows: list[Row] = []
    for subscribers in (200, 1_000) if not field.stage.quick else (50,):
        sides, window = field.sides(f"fanout_{subscribers}"), field.window(3.0)
        contestants = [
            contestant(name, Fanout(side, subscribers, tuple(LEAST), window))
            for name, side in sides.items()
        ]
        results = compete(contestants, field.rounds(3))
        for in_flight, least in LEAST.items():
            title = f"{subscribers} subscribers, {in_flight} in flight"
            target = Target(least=least)
            both = pair(results, title, "deliveries/s", f"{in_flight} per_s", target)
            chart = f"{subscribers} subscribers: deliveries over messages in flight"
            rows += [
                placed(row, chart, name, in_flight)
                for row, name in zip(both, (MINE, OTHER), strict=False)
            ]
            rows += pair(results, f"{title}, p50", "ms", f"{in_flight} p50")
    return rows


def latency(field: Field) -> list[Row]:
    """Open loops: from when an action is due to when another subscriber has it."""
    alone, many, beside = "one at a time", "500 actions/s", field.scaled(200, 50)
    window = field.window(3.0)
    one = {name: Delays(side, 2, 50, window) for name, side in field.sides("one_at_a_time").items()}
    all_ = {
        name: Delays(side, beside, 500, window) for name, side in field.sides("latency").items()
    }
    lone = compete([contestant(name, load) for name, load in one.items()], field.rounds(3))
    crowd = compete([contestant(name, load) for name, load in all_.items()], field.rounds(3))
    many = f"{many}, {beside} subscribers"
    return [
        *pair(lone, f"{alone}, p50", "ms", "p50", mine=Target(most=2.5)),
        *pair(crowd, f"{many}, p50", "ms", "p50", mine=Target(most=5.0)),
        *pair(crowd, f"{many}, p99", "ms", "p99", mine=Target(most=20.0)),
    ]


def actions(field: Field) -> list[Row]:
    """The whole way, from many senders to few subscribers."""
    window, sides = field.window(3.0), field.sides("actions")
    contestants = [
        contestant(name, Fanout(side, 20, (BUSY,), window)) for name, side in sides.items()
    ]
    results = compete(contestants, field.rounds(3))
    title, metric = f"20 subscribers, {BUSY} in flight", str(BUSY)
    return [
        *pair(results, title, "actions/s", f"{metric} actions", mine=Target(least=12_000)),
        *pair(results, f"{title}, p99", "ms", f"{metric} p99", mine=Target(most=100.0)),
    ]


def together(field: Field) -> list[Row]:
    """What Socket.IO has none of: locks with queues, and who is there. Open loops."""
    people = field.scaled(50, 5)
    side = Formula(field.stage.database("together"))
    load = Together(side, people, field.scaled(100, 5), field.scaled(16, 4))
    results = compete([contestant(MINE, load)], rounds=1)
    titles = {
        "handed": "a lock is given back, until the next one of the queue has it",
        "came": "somebody comes, until the last one sees it",
        "left": "somebody goes, until the last one sees it",
    }
    return [
        results.row(f"{people} in a room, {title}, {percent}", "ms", MINE, f"{what} {percent}")
        for what, title in titles.items()
        for percent in ("p50", "p99")
    ]


def stalled(field: Field) -> list[Row]:
    """Readers beside subscribers that never read."""
    readers, others = field.scaled(1_000, 50), field.scaled(100, 10)
    rate, window = field.scaled(STALLED_RATE, 50), field.window(6.0, before_s=3.0)
    sides = field.sides("stalled")
    without = {f"{name} alone": Delays(side, readers, rate, window) for name, side in sides.items()}
    beside = {
        name: Delays(side, readers, rate, window, stalled=others) for name, side in sides.items()
    }
    contestants = [contestant(name, load) for name, load in (without | beside).items()]
    results = compete(contestants, rounds=1)
    title = f"{readers:,} readers, {others} never read"
    rows = [
        _row(results, f"{title}, {metric}", unit, MINE, metric, against=f"{MINE} alone", most=1.2)
        for metric, unit in (("p99", "ms"),)
    ]
    rows.append(_row(results, f"{title}, memory", "MiB", MINE, "grown", most=100.0))
    if OTHER in sides:
        against = f"{OTHER} alone"
        rows.append(_row(results, f"{OTHER}, p99", "ms", OTHER, "p99", against=against))
        rows.append(_row(results, f"{OTHER}, memory", "MiB", OTHER, "grown"))
    return rows


def storm(field: Field) -> list[Row]:
    """All connections drop at once and come back; each client's frames are checked."""
    clients, rooms = field.scaled(5_000, 100), field.scaled(5_000, 100) // field.scaled(ROOM, 50)
    sides = field.sides("storm", rooms)
    contestants = [
        contestant(name, Storm(side, clients, 100, seconds=1.0)) for name, side in sides.items()
    ]
    results = compete(contestants, rounds=1)
    title = f"{clients:,} clients come back"
    rows = [_row(results, title, "s", MINE, "seconds", most=10.0)]
    rows += [
        _row(results, f"{title}: {fault}", "frames", MINE, fault, most=0)
        for fault in ("missed", "twice", "disordered", "gaps")
    ]
    if OTHER in sides:
        rows.append(_row(results, f"{OTHER}, {title}", "s", OTHER, "seconds"))
        rows.append(_row(results, f"{OTHER}, {title}: missed", "frames", OTHER, "missed"))
    return rows


def idle(field: Field) -> list[Row]:
    """Signed in, in their own room, doing nothing; above the process as it started."""
    connections = field.scaled(10_000, 200)
    contestants = [
        contestant(name, Idle(side, connections))
        for name, side in field.sides("idle", rooms=0).items()
    ]
    results = compete(contestants, rounds=1)
    title = "idle connections"
    return [
        *pair(results, title, "connections", "connections"),
        *pair(results, f"{title}, each", "KiB", "kib", mine=Target(most=15.0)),
        *pair(results, f"{title}, coming", "connections/s", "per_s", mine=Target(least=1_000)),
    ]


def pair(
    results: Results,
    title: str,
    unit: str,
    metric: str,
    target: Target | None = None,
    *,
    mine: Target | None = None,
) -> list[Row]:
    """Formula's figure and Socket.IO's; `target` is of the ratio, `mine` of Formula's own."""
    if OTHER not in results.samples:  # then there is no ratio to judge
        return [noted(results.row(title, unit, MINE, metric, target=mine), results, MINE, metric)]
    against = OTHER if mine is None else None
    ours = results.row(title, unit, MINE, metric, against=against, target=mine or target)
    return [
        noted(ours, results, MINE, metric),
        noted(results.row(f"{OTHER}, {title}", unit, OTHER, metric), results, OTHER, metric),
    ]


def _row(
    results: Results,
    title: str,
    unit: str,
    of: str,
    metric: str,
    *,
    against: str | None = None,
    most: float | None = None,
) -> Row:
    target = None if most is None else Target(most=most)
    row = results.row(title, unit, of, metric, against=against, target=target)
    return noted(row, results, of, metric)


def noted(row: Row, results: Results, of: str, metric: str = "") -> Row:
    """The row and what it cost: a load that is short of CPU itself measures nothing else."""
    window = metric.rpartition(" ")[0]
    costs = [
        f"{name.removesuffix(' cpu').removeprefix(window).strip()} {found.median:.0f} %"
        for name in results.samples[of][0].values
        if name.endswith(" cpu") and name.startswith(window)
        if (found := results.figure(of, name)) is not None
    ]
    if row.note is not UNSET or not costs:
        return row
    return msgspec.structs.replace(row, note=f"of a core: {', '.join(costs)}")


def _absent(reason: str) -> Row:
    return Row(name="beside Socket.IO", value=None, unit="", note=f"skipped: {reason}")
