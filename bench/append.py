"""append: how fast, in what order and at what size of the log events are stored and read."""

from bench.harness import Contestant, Stage, compete, contestant
from bench.load.append import Appends
from bench.load.loops import Window
from bench.peers.pgbench import Inserts
from bench.report import Row, Target

# callers: pgbench's clients to compare with, and the least ratio to them
THROUGHPUT = {1: (1, 0.6), 8: (8, 0.9), 32: (32, 1.0), 128: (32, 1.2), 512: (32, 1.4)}
CLIENTS = (1, 8, 32)


def run(stage: Stage) -> list[Row]:
    return throughput(stage)


def throughput(stage: Stage) -> list[Row]:
    """Closed loops on one server, a database each: Formula, and an INSERT a transaction."""
    window = Window(0.5, 0.2) if stage.quick else Window(3.0)
    log, single, full = (stage.database(name) for name in ("log", "single", "full"))
    contestants: list[Contestant] = [
        *(contestant(f"formula {n}", Appends(log, n, window)) for n in THROUGHPUT),
        *(contestant(f"pgbench {n}", Inserts(single.database_url, n, window)) for n in CLIENTS),
        *(
            contestant(f"pgbench full {n}", Inserts(full.database_url, n, window, full=True))
            for n in CLIENTS
        ),
    ]
    results = compete(contestants, rounds=1 if stage.quick else 3)
    rows = [
        results.row(
            f"durable append, {callers} callers",
            "events/s",
            f"formula {callers}",
            against=f"pgbench {clients}",
            target=Target(least=least),
        )
        for callers, (clients, least) in THROUGHPUT.items()
    ]
    peers = [one.name for one in contestants if one.name.startswith("pgbench")]
    return [*rows, *(results.row(peer, "rows/s", peer) for peer in peers)]
