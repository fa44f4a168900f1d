"""Results as tests need them: of a machine on which nothing is to be said."""

from bench.environment import Environment
from bench.report import Report, Row

WHERE = Environment(
    at="2030-01-02T03:04:05+00:00",
    commit="abc",
    quick=False,
    cores=8,
    memory_gib=4.0,
    load_1m=0.0,
    fdatasync_ms=0.2,
    kernel="6",
    python="3.11",
    postgres="18",
    packages={"msgspec": "0.22"},
)
OURS = Row(name="ours", value=1_500.0, unit="events/s", low=1_450.0, high=1_550.0)
BESIDE = Row(
    name="beside",
    value=1_500.0,
    unit="events/s",
    low=1_450.0,
    high=1_550.0,
    against="peer",
    ratio=1.5,
    ratio_low=1.4,
    ratio_high=1.6,
)
PEER = Row(name="peer, beside", value=1_000.0, unit="events/s", low=900.0, high=1_100.0)


def report(*rows: Row, where: Environment = WHERE, suite: str = "append") -> Report:
    return Report(suite, where, rows)
