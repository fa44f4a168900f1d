"""How latencies are spread: the percentiles that a plot of them needs."""

from bench.load.loops import Latencies

PERCENTS = (1, 10, 25, 50, 75, 90, 95, 99, 99.9)


def distribution(late: Latencies, of: str) -> dict[str, float]:
    """Milliseconds, by names such as `append p99.9`; none where nothing was recorded."""
    values = late.values(of)
    return values and values | {f"{of} p{one:g}": late.percentile_ms(one) for one in PERCENTS}
