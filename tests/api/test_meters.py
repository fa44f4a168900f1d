"""How connections end, as it is counted."""

import pytest

from api.realtime.meters import Meters
from api.realtime.protocol import CloseCode


@pytest.mark.parametrize(
    ("code", "reason", "kind"),
    [
        (CloseCode.NORMAL, "", "clean"),
        (CloseCode.RESTARTING, "restarting", "clean"),
        (CloseCode.TOO_SLOW, "read too slowly", "clean"),
        (1006, "", "abnormal"),
        (1011, "keepalive ping timeout", "missed_ping"),
        (1011, "", "clean"),
    ],
)
def test_an_end_is_of_one_kind(code: int, reason: str, kind: str) -> None:
    meters = Meters()
    meters.closed(code, reason)
    assert {name for name, count in meters.ends.values.items() if count} == {kind}
    assert meters.closes.values == {str(int(code)): 1}
