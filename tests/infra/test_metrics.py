"""Metrics as Prometheus reads them."""

from infra.metrics import Counter, Counters, Gauge, Gauges, Histogram, Metric, Metrics


def told(*metrics: Metric) -> list[str]:
    return Metrics(metrics).text().splitlines()


def test_a_counter_and_a_gauge_are_a_line_each() -> None:
    counter = Counter("made_total", "things made")
    counter.value += 2
    assert told(counter, Gauge("open", "now", lambda: 3)) == [
        "# HELP made_total things made",
        "# TYPE made_total counter",
        "made_total 2",
        "# HELP open now",
        "# TYPE open gauge",
        "open 3",
    ]


def test_a_label_has_a_line_for_each_of_its_values() -> None:
    closes = Counters("closes_total", "ends", "code")
    closes.add("1006")
    closes.add("1000", 2)
    closes.add('a"b\\c\n')
    assert told(closes)[1:] == [
        "# TYPE closes_total counter",
        'closes_total{code="1000"} 2',
        'closes_total{code="1006"} 1',
        'closes_total{code="a\\"b\\\\c\\n"} 1',
    ]
    assert closes.total == 4


def test_gauges_have_a_line_for_each_of_their_labels() -> None:
    email, reports = ("queue", "email"), ("queue", "reports")
    jobs = Gauges("jobs", "now", {(reports, ("state", "dead")): 1, (email, ("state", '"')): 2.5})
    assert told(jobs) == [
        "# HELP jobs now",
        "# TYPE jobs gauge",
        'jobs{queue="email",state="\\""} 2.5',
        'jobs{queue="reports",state="dead"} 1',
    ]


def test_a_histogram_counts_up_to_each_bound() -> None:
    latency = Histogram("s", "time", (0.001, 0.01, 1.0))
    for value in (0.001, 0.002, 0.5, 2.0):
        latency.observe(value)
    assert told(latency)[2:] == [
        's_bucket{le="0.001"} 1',
        's_bucket{le="0.01"} 2',
        's_bucket{le="1"} 3',
        's_bucket{le="+Inf"} 4',
        "s_sum 2.503000",
        "s_count 4",
    ]


def test_a_quantile_is_the_bound_above_it() -> None:
    latency = Histogram("s", "time", (1.0, 2.0))
    assert latency.quantile(0.5) is None
    for value in (0.5, 0.5, 1.5, 9.0):
        latency.observe(value)
    assert (latency.quantile(0.5), latency.quantile(0.75)) == (1.0, 2.0)
    assert latency.quantile(0.99) is None, "above every bound"
