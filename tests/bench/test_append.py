"""The append suite's contestants against a real database, in processes of their own."""

from bench.append import grown, over_callers
from bench.child import Sample
from bench.contestant import contestant, play
from bench.harness import Results
from bench.load.append import Appends
from bench.load.distribution import PERCENTS
from bench.load.execute import Commands
from bench.load.latency import Arrivals
from bench.load.loops import Window
from bench.load.order import Seen, Watch, verdict
from bench.load.streams import Streams, changed, stream_ids
from bench.peers.pgbench import Inserts
from bench.peers.plain import Transactions
from bench.peers.recorder import ThreadAppends
from bench.report import Place, Row
from domain.kernel import Event, Recorded
from domain.task import TaskChanged, TaskCreated
from infra.eventstore.codec import encode, encode_metadata
from infra.runtime import Runtime
from infra.settings import Settings

SHORT = Window(seconds=0.3, before_s=0.1)
STREAMS = 50
STREAM = stream_ids(0, 1)[0]


async def whole_log(runtime: Runtime) -> list[Recorded[Event]]:
    return await runtime.store.read(0, 100_000)


async def test_appends_go_on_from_the_versions_in_the_log(runtime: Runtime) -> None:
    load = Appends(runtime.settings, callers=8, window=SHORT, last=STREAMS)
    for _ in range(2):
        sample = play(contestant("formula", load))
        assert (sample.errors, sample.error) == (0, "")
        assert sample.values["per_s"] > 0
    log = await whole_log(runtime)
    assert {one.stream for one in log} <= set(stream_ids(0, STREAMS))
    assert max(one.version for one in log) > 1


async def test_an_event_and_its_metadata_have_the_size_that_is_promised(runtime: Runtime) -> None:
    load = Appends(runtime.settings, callers=1, window=SHORT, last=STREAMS)
    play(contestant("formula", load))
    one = (await whole_log(runtime))[-1]
    assert 130 <= len(encode(one.event)[1]) <= 190
    assert 280 <= len(encode_metadata(one.meta)) <= 400


async def test_every_command_of_the_command_path_changes_its_stream(runtime: Runtime) -> None:
    load = Commands(runtime.settings, callers=8, window=SHORT, first=0, last=STREAMS)
    for _ in range(2):
        sample = play(contestant("execute", load))
        assert (sample.errors, sample.error) == (0, "")
        assert sample.values["per_s"] > 0
    events = [one.event for one in await whole_log(runtime)]
    assert sum(isinstance(event, TaskCreated) for event in events) == STREAMS
    assert sum(isinstance(event, TaskChanged) for event in events) > 0


def test_a_tail_beside_two_writers_sees_everything_once_and_in_order(settings: Settings) -> None:
    writers = (
        Appends(settings, 4, SHORT, 0, STREAMS),
        Appends(settings, 4, SHORT, STREAMS, 2 * STREAMS),
    )
    sample = play(contestant("tail", Watch(settings, writers)))
    assert (sample.errors, sample.error) == (0, "")
    assert sample.values["events"] > 1
    assert {name: sample.values[name] for name in ("missed", "twice", "disordered", "torn")} == {
        "missed": 0,
        "twice": 0,
        "disordered": 0,
        "torn": 0,
    }


def test_the_verdict_on_a_tail_counts_each_kind_of_fault() -> None:
    one, two, three = (Seen(n, STREAM, n) for n in (1, 2, 3))
    good = {"events": 3, "missed": 0, "twice": 0, "disordered": 0, "torn": 0}
    assert verdict([one, two, three], [one, two, three]) == good
    assert verdict([one, three], [one, two, three]) == good | {"events": 2, "missed": 1}
    assert verdict([one, two, two], [one, two]) == good | {"twice": 1}
    assert verdict([one, three, two], [one, two, three]) == good | {"disordered": 1}
    assert verdict([one, three], [one, three]) == good | {"events": 2, "torn": 1}


async def test_latencies_are_taken_of_appends_and_of_the_tail(runtime: Runtime) -> None:
    load = Arrivals(runtime.settings, rate=100, window=SHORT, tail=True, last=STREAMS)
    sample = play(contestant("formula", load))
    assert (sample.errors, sample.error) == (0, "")
    assert sample.values.keys() == {
        f"{of} p{one:g}" for of in ("append", "tail") for one in PERCENTS
    }
    assert 0 < sample.values["append p50"] <= sample.values["append p99"]
    assert len(await whole_log(runtime)) == 100 * (SHORT.before_s + SHORT.seconds)


async def test_a_plain_transaction_stores_what_formula_would(runtime: Runtime) -> None:
    load = Transactions(runtime.settings.database_url, rate=100, window=SHORT, last=STREAMS)
    for _ in range(2):
        sample = play(contestant("plain", load))
        assert (sample.errors, sample.error) == (0, "")
        assert sample.values["append p50"] > 0
    one = (await whole_log(runtime))[-1]
    assert isinstance(one.event, TaskChanged)
    assert one.meta.command == "change_task"


def test_the_stock_recorder_goes_on_from_its_own_versions(settings: Settings) -> None:
    load = ThreadAppends(settings.database_url, threads=4, window=SHORT, last=STREAMS)
    for _ in range(2):
        sample = play(contestant("eventsourcing", load))
        assert (sample.errors, sample.error) == (0, "")
        assert sample.values["per_s"] > 0


def test_pgbench_fills_the_librarys_table_and_formulas_own(settings: Settings) -> None:
    for full in (False, True):
        sample = play(contestant("pgbench", Inserts(settings.database_url, 2, SHORT, full=full)))
        assert (sample.errors, sample.error) == (0, "")
        assert sample.values["per_s"] > 0


def test_a_stream_in_use_is_given_to_nobody_else() -> None:
    streams = Streams(dict.fromkeys(stream_ids(0, STREAMS), 3))
    taken = {streams.take() for _ in range(STREAMS)}
    assert taken == {(stream, 3) for stream in stream_ids(0, STREAMS)}
    streams.give(STREAM, 4)
    assert streams.take() == (STREAM, 4)


def test_events_differ_from_one_to_the_next() -> None:
    assert changed(1) != changed(2)


def test_rows_over_callers_are_points_of_their_contestants_lines() -> None:
    names = ("durable append, 1 caller", "durable append, 8 callers", "pgbench full row 32")
    found = [over_callers(Row(name=name, value=1.0, unit="events/s")).place for name in names]
    assert found == [
        Place("throughput over callers", "durable append", 1.0),
        Place("throughput over callers", "durable append", 8.0),
        Place("throughput over callers", "pgbench full row", 32.0),
    ]


def test_what_an_append_costs_is_a_line_over_the_logs_size() -> None:
    sizes = ("10,000 events", "10,000,000 events")
    rows = grown(Results({size: [Sample({"append p99": 2.0})] for size in sizes}), "append p99")
    assert [row.place for row in rows] == [
        Place("append p99 over events in the log", "formula", size) for size in (1e4, 1e7)
    ]
