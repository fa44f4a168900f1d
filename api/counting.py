"""How long answers take, by route: a look-up and an addition for each."""

import time
from collections.abc import Mapping
from typing import Any, cast

from litestar.types import Scope

from infra.metrics import Histograms

STARTED = "started"  # in a scope's state
# What no route takes, whatever method it names: labels are ours, never a client's.
UNKNOWN = ("unknown", "")
# Who asks how it is: not ready is no fault, and its time would hide that of requests.
PROBES = frozenset({"/livez", "/readyz", "/startupz", "/metrics"})
CLASSES = ("", "1xx", "2xx", "3xx", "4xx", "5xx")


def responses() -> Histograms:
    labels = ("route", "method", "status")
    return Histograms("formula_http_seconds", "from a request to the start of its answer", labels)


def responded(scope: Scope, status: int) -> None:
    """Count an answer that begins. Unknown routes are refused at once: their time is none."""
    now, http = time.perf_counter(), cast("Mapping[str, Any]", scope)
    if http.get("path_template") in PROBES:
        return
    which = (http["path_template"], http["method"]) if "path_template" in http else UNKNOWN
    passed = now - http["state"].get(STARTED, now)
    http["litestar_app"].state["responses"].observe((*which, CLASSES[status // 100]), passed)
