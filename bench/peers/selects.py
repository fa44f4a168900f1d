"""The `eventsourcing` library's own Postgres recorder reads Formula's log, page after page."""

import time

import msgspec

from bench.child import Sample, answer, given
from bench.load.read import read
from bench.peers.recorder import opened


class Selects(msgspec.Struct, frozen=True):
    url: str
    events: int  # to be read: positions 1 to this
    page: int


def run(load: Selects) -> Sample:
    """`per_s`: notifications a second; and how many were `missed` or came `twice`."""
    recorder, positions = opened(load.url, 1, "formula_events"), list[int]()
    start = time.perf_counter()
    while len(positions) < load.events:
        after, limit = positions[-1] if positions else 0, load.events - len(positions)
        page = recorder.select_notifications(after, min(load.page, limit), inclusive_of_start=False)
        if not page:
            break
        positions += [one.id for one in page]
    per_s = len(positions) / (time.perf_counter() - start)
    recorder.datastore.close()
    return read(load.events, positions, per_s)


if __name__ == "__main__":
    answer(run(given(Selects)))
