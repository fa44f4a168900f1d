"""What a gateway counts. Fan-out adds a few integers a frame, whoever many sockets it goes to."""

from collections.abc import Callable, Iterable
from datetime import datetime

from api.realtime.ready import Ready
from infra.bus import Entry, Kind
from infra.metrics import SECONDS, Counter, Counters, Gauge, Histogram, Metric
from projections.frames import recorded_at

KINDS = ("event", "motion", "presence", "head")
MODES = ("snapshot", "resume")
ENDS = ("clean", "abnormal", "missed_ping")

ABNORMAL = 1006  # nobody said goodbye (RFC 6455, 7.4.1)
FAILED = 1011


def _none(*which: str) -> dict[str, int]:
    """Told from the start: a rate needs a value before the first."""
    return dict.fromkeys(which, 0)


class Meters:
    """Since the start of the process."""

    def __init__(self) -> None:
        self.received = Counter("formula_gateway_received_total", "frames from clients")
        self.deliveries = Counters(
            "formula_gateway_deliveries_total",
            "frames sent to sockets by rooms",
            "kind",
            _none(*KINDS),
        )
        self.bytes = Counters(
            "formula_gateway_delivered_bytes_total", "bytes of those frames", "kind", _none(*KINDS)
        )
        self.dropped = Counter(
            "formula_gateway_motion_dropped_total",
            "motion slow readers were not sent as it came; the newest of each connection follows",
        )
        self.postponed = Counter(
            "formula_gateway_postponed_total", "events that had to wait in a room for a slow reader"
        )
        self.lagged = Counter(
            "formula_gateway_lagged_total", "slow readers who must ask for what they missed"
        )
        self.joins = Counters(
            "formula_gateway_joins_total", "rooms entered, and how", "mode", _none(*MODES)
        )
        self.gaps = Counter("formula_gateway_gaps_total", "gaps that were found in rooms")
        self.healed = Counter("formula_gateway_healed_total", "frames mended from the log")
        self.closes = Counters("formula_gateway_closes_total", "connections ended", "code")
        self.ends = Counters(
            "formula_ws_closed_total",
            "connections ended: with a word, without one, or for want of an answer to a ping",
            "kind",
            _none(*ENDS),
        )
        self.latency = Histogram(
            "formula_gateway_latency_seconds",
            "from the append of a message's first event to its frames on their way to sockets",
            SECONDS,
        )
        self._gauges: list[Gauge] = []

    def sent(self, kind: str, sockets: int, size: int) -> None:
        """A frame of so many bytes went to so many sockets."""
        self.deliveries.add(kind, sockets)
        self.bytes.add(kind, sockets * size)

    def gave(self, ready: Ready, sockets: int) -> None:
        """Frames of a run went to so many sockets, but for those that some had already."""
        count, size = sockets * len(ready) - ready.had, sockets * ready.size - ready.had_bytes
        self.deliveries.add("event", count)
        self.bytes.add("event", size)

    def timed(
        self, entries: Iterable[Entry], after: int, upto: int, now: Callable[[], datetime]
    ) -> None:
        """Of what was sent the first, which waited longest: one look at the clock a message."""
        for entry in entries:
            if entry.kind is Kind.EVENT and after < entry.pos <= upto:
                waited = now() - recorded_at(entry.payload)
                self.latency.observe(max(waited.total_seconds(), 0.0))
                return

    def closed(self, code: int, reason: str) -> None:
        self.closes.add(str(code))
        if code == ABNORMAL:
            self.ends.add("abnormal")
        elif code == FAILED and reason.startswith("keepalive"):
            self.ends.add("missed_ping")
        else:
            self.ends.add("clean")

    def gauge(self, name: str, about: str, read: Callable[[], float]) -> None:
        self._gauges.append(Gauge(f"formula_gateway_{name}", about, read))

    @property
    def metrics(self) -> list[Metric]:
        return [
            *self._gauges,
            self.received,
            self.deliveries,
            self.bytes,
            self.dropped,
            self.postponed,
            self.lagged,
            self.joins,
            self.gaps,
            self.healed,
            self.closes,
            self.ends,
            self.latency,
        ]

    def short(self) -> dict[str, float | None]:
        """The figures that operators look at first."""
        return {
            **{one.name.removeprefix("formula_gateway_"): one.read() for one in self._gauges},
            "deliveries": self.deliveries.total,
            "bytes": self.bytes.total,
            "dropped": self.dropped.value,
            "lagged": self.lagged.value,
            "healed": self.healed.value,
            "latency_p50_s": self.latency.quantile(0.5),
            "latency_p99_s": self.latency.quantile(0.99),
        }
