"""The append suite's contestants against a real database, in processes of their own."""

from bench.harness import contestant, play
from bench.load.append import Appends
from bench.load.loops import Window
from bench.load.streams import Streams, changed, stream_ids
from bench.peers.pgbench import Inserts
from domain.kernel import Event, Recorded
from infra.eventstore.codec import encode, encode_metadata
from infra.runtime import Runtime
from infra.settings import Settings

SHORT = Window(seconds=0.3, before_s=0.1)
STREAMS = 50


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


def test_pgbench_fills_the_librarys_table_and_formulas_own(settings: Settings) -> None:
    for full in (False, True):
        sample = play(contestant("pgbench", Inserts(settings.database_url, 2, SHORT, full=full)))
        assert (sample.errors, sample.error) == (0, "")
        assert sample.values["per_s"] > 0


def test_a_stream_in_use_is_given_to_nobody_else() -> None:
    streams = Streams(dict.fromkeys(stream_ids(0, STREAMS), 3))
    taken = {streams.take() for _ in range(STREAMS)}
    assert taken == {(stream, 3) for stream in stream_ids(0, STREAMS)}
    one = stream_ids(0, 1)[0]
    streams.give(one, 4)
    assert streams.take() == (one, 4)


def test_events_differ_from_one_to_the_next() -> None:
    assert changed(1) != changed(2)
