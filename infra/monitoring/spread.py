"""What a histogram's buckets tell."""

from collections.abc import Sequence

from infra.metrics import SECONDS


def quantile(
    buckets: Sequence[int], share: float, bounds: Sequence[float] = SECONDS
) -> float | None:
    """The value that this share of all is at most, as if each bucket were filled evenly.

    None: there are none. Of what is above the last bound no more is known than that.
    """
    total = sum(buckets)
    if not total:
        return None
    wanted, seen = share * total, 0
    for place, count in enumerate(buckets[: len(bounds)]):
        if count and seen + count >= wanted:
            below = bounds[place - 1] if place else 0.0
            return below + (bounds[place] - below) * max(wanted - seen, 0.0) / count
        seen += count
    return bounds[-1]
