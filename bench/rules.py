"""What to do about what was measured: condition -> evidence -> what to change."""

import re
from collections.abc import Callable, Iterator

import msgspec
from msgspec import UNSET

from bench.lines import lines
from bench.report import Report, Row, number

SLOW_DISK_MS = 2.0  # a commit waits for it once or twice
BUSY_LOAD = 0.5
FEW_CORES = 4  # servers, Formula and the load beside each other
WIDE = 0.3  # of the median, between the least and the most of the rounds
LONG_TAIL = 10  # times the median
FULL = 85  # % of a core, of a process of one thread
COST = re.compile(r"(\w+) (\d+) %")  # as in the notes `of a core: api 92 %, projector 10 %`
FAULTS = (
    *(": missed", ": twice", ": disordered", ": out of order", ": gaps", ": gaps in versions"),
    *(": wrong by hash", ": deliveries missing"),
    *("acknowledged, and nobody heard it", "heard more than once", "heard before what came first"),
)


class Advice(msgspec.Struct, frozen=True):
    title: str
    evidence: tuple[str, ...]
    change: str


class Rule(msgspec.Struct, frozen=True):
    """`find` yields the evidence in a suite's report: nothing where the condition is not met."""

    title: str
    find: Callable[[Report], Iterator[str]]
    change: str


def advice(report: Report) -> list[Advice]:
    found = [(rule, tuple(dict.fromkeys(rule.find(report)))) for rule in RULES]
    return [Advice(rule.title, evidence, rule.change) for rule, evidence in found if evidence]


def _slow_disk(report: Report) -> Iterator[str]:
    if (took := report.environment.fdatasync_ms) > SLOW_DISK_MS:
        yield f"fdatasync takes {took:g} ms"


def _busy(report: Report) -> Iterator[str]:
    if (load := report.environment.load_1m) > BUSY_LOAD:
        yield f"the load was {load:g} before it began"


def _few_cores(report: Report) -> Iterator[str]:
    if (cores := report.environment.cores) < FEW_CORES:
        yield f"{cores} cores"


def _quick(report: Report) -> Iterator[str]:
    if report.environment.quick:
        yield "it was run with --quick"


def _not_committed(report: Report) -> Iterator[str]:
    if (commit := report.environment.commit).endswith("+") or commit == "unknown":
        yield f"commit {commit}"


def _errors(report: Report) -> Iterator[str]:
    for row in report.rows:
        if row.errors:
            yield f"{row.name}: {row.errors}, {'no reason' if row.note is UNSET else row.note}"


def _skipped(report: Report) -> Iterator[str]:
    return (f"{row.name} {row.note}" for row in report.rows if row.skipped)


def _wide(report: Report) -> Iterator[str]:
    for row in report.rows:
        low, high = row.low, row.high
        if row.value and low is not None and high is not None and high - low > WIDE * row.value:
            yield f"{row.name}: {number(low)} to {number(high)} {row.unit}"


def _long_tail(report: Report) -> Iterator[str]:
    named = {row.name: row for row in _ours(report)}
    for name, row in named.items():
        median = named.get(name.removesuffix("p99") + "p50") if name.endswith("p99") else None
        if median and median.value and row.value and row.value > LONG_TAIL * median.value:
            yield f"{name} {number(row.value)} ms, the median {number(median.value)} ms"


def _full(*processes: str) -> Callable[[Report], Iterator[str]]:
    def find(report: Report) -> Iterator[str]:
        for row in _ours(report):
            used = max(costs(row).get(process, 0) for process in processes)
            if used >= FULL:
                yield f"{row.name}: {used} % of a core"

    return find


def _missed(*words: str) -> Callable[[Report], Iterator[str]]:
    """Targets that were missed in rows whose names have one of the words."""

    def find(report: Report) -> Iterator[str]:
        for row in report.rows:
            if row.ok is False and not row.errors and any(word in row.name for word in words):
                was = row.value if row.against is None else row.ratio
                if was is not None:
                    unit = row.unit if row.against is None else f"x {row.against}"
                    yield f"{row.name}: {number(was)} {unit}, wanted {row.target}"

    return find


def _faults(report: Report) -> Iterator[str]:
    for row in _ours(report):
        if row.value and row.name.endswith(FAULTS):
            yield f"{row.name}: {number(row.value)} {row.unit}"


def costs(row: Row) -> dict[str, int]:
    """How much of a core each process used, as the row's note says."""
    if row.note is UNSET or not row.note.startswith("of a core: "):
        return {}
    return {name: int(percent) for name, percent in COST.findall(row.note)}


def _ours(report: Report) -> list[Row]:
    return [line.row for line in lines(report.rows)]


RULES = (
    Rule(
        "Fix what failed before you read figures",
        _errors,
        "Run the suite alone with --json and read the note; a row with errors says nothing of"
        " speed. What is reset or refused is often a limit: `ulimit -n`, `max_connections`.",
    ),
    Rule(
        "Something was lost, doubled or out of order",
        _faults,
        "That is no matter of speed and must never be: keep the result, run `formula store"
        " verify`, and report it.",
    ),
    Rule(
        "Do not trust a quick run",
        _quick,
        "Run the suite without --quick; what is quick shows that it works.",
    ),
    Rule(
        "Measure what others can check out",
        _not_committed,
        "Commit first: a figure of changed files cannot be made again.",
    ),
    Rule(
        "Let the machine come to rest",
        _busy,
        "Run it again when `uptime` shows less than 0.5; till then only ratios mean something.",
    ),
    Rule(
        "Use more cores",
        _few_cores,
        "Servers, Formula and the load share them here. Give Postgres and the API cores of their"
        " own (4 and more) before you size an installation by absolute figures.",
    ),
    Rule(
        "Install the peers that were not there",
        _skipped,
        "Install Node 20 and npm with access to a registry, and run the suite again: without the"
        " peer there is no ratio.",
    ),
    Rule(
        "Believe no figure that varies so much",
        _wide,
        "Run it on a quiet machine, and more than once; compare ratios, of which each round has"
        " both sides.",
    ),
    Rule(
        "Put Postgres's data on a faster disk",
        _slow_disk,
        "Every commit waits for it. Use a local NVMe or a volume with a write cache that survives"
        " a power cut; never turn fsync off.",
    ),
    Rule(
        "Look for what stops the world",
        _long_tail,
        "Look at checkpoints (`log_checkpoints`, a larger `max_wal_size`), at autovacuum, at the"
        " metric `loop_lag`, and at who else uses the disk.",
    ),
    Rule(
        "Start more API processes",
        _full("api"),
        "One process uses one core at most: start as many `formula api` as there are cores for"
        " them, behind a balancer. Clients need no sticky sessions.",
    ),
    Rule(
        "Give the rooms' projector a core of its own",
        _full("projector"),
        "Start `formula projector --group live` beside one for the other groups.",
    ),
    Rule(
        "The load was what was measured",
        _full("client", "talker"),
        "The client had no more of its core to give: the server can do more than the row says."
        " Drive it from another machine.",
    ),
    Rule(
        "Commit for many at once",
        _missed(", 1 caller", ", 8 callers"),
        "Few callers pay a whole commit each. Send commands beside each other rather than one"
        " after the other; a disk with a shorter fdatasync helps most.",
    ),
    Rule(
        "One process appends for all better than two",
        _missed("two processes"),
        "Batches form within a process. Have fewer API processes with more callers each before"
        " you have more.",
    ),
    Rule(
        "Read models come late",
        _missed("lag of ", "group "),
        "Let each group be led by a process of its own (`formula projector --group`), and look"
        " whether Postgres has a core left.",
    ),
    Rule(
        "Build read models when few are there",
        _missed("beside a rebuild", "rebuild of "),
        "Set REBUILD_ON_DEPLOY=false and start `formula projections rebuild` in quiet hours.",
    ),
    Rule(
        "Jobs are picked up late",
        _missed("pickup", "jobs made"),
        "Start a `formula worker` of its own for what is urgent, and raise the queue's"
        " `…_WORKERS`; the commit of the row is part of it, so see fdatasync too.",
    ),
    Rule(
        "Those who come back wait",
        _missed("come back", "coming"),
        "Put more API processes behind the balancer: each takes a share of the sockets.",
    ),
    Rule(
        "Rooms hear late",
        _missed("subscribers", "one at a time", "WebSocket, until"),
        "Each delivery waits for a commit, the rooms' projector and one API process: give each of"
        " them a core of its own (`formula projector --group live`), then look at fdatasync.",
    ),
    Rule(
        "More is asked than is answered",
        _missed(": answered", ": not answered", "REST, p99", "of the peak"),
        "What is too much is turned away with 503 and `Retry-After`. Start `formula api` once for"
        " each core, and read lists from a replica (`DATABASE_REPLICA_URL`).",
    ),
    Rule(
        "Who is killed is missed for long",
        _missed(" killed: "),
        "Run a second process of each kind, on another machine where there is one: it takes over"
        " when the lease ends. Postgres and Redis need a standby of their own.",
    ),
    Rule(
        "Memory grows",
        _missed("memory", ", each", "grows"),
        "Set MEMORY_LIMIT, restart processes one by one until it is found, and compare with the"
        " run before to see since which commit.",
    ),
    Rule(
        "The cache does not help",
        _missed("metadata"),
        "Redis should be a fraction of a millisecond away, and large enough that nothing is"
        " evicted (`maxmemory`).",
    ),
    Rule(
        "The log's size is felt",
        _missed("append p99", "tail p99"),
        "Give Postgres more `shared_buffers`, and look at `formula db indexes`; motion is thrown"
        " away after MOTION_RETENTION_S.",
    ),
    Rule(
        "Lists are slow",
        _missed("lists, ", "search", "indexed query"),
        "Ask for the job `optimise`, which names missing indexes and builds anew what is bloated,"
        " and see that `refresh_statistics` runs.",
    ),
)
