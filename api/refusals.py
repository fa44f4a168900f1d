"""Refusals of access, written down one by one; but no flood of them floods the log.

Of each person, or address where nobody is known, so many lines a minute are written for a route,
and so many of all. What is left out is counted, and told when the minute is over.
"""

import asyncio
from collections import Counter
from collections.abc import Mapping
from typing import Any, cast
from uuid import UUID

import structlog
from litestar import Request, Response

from api.counting import UNKNOWN
from api.edge import request_name
from api.errors import refused
from api.realtime import protocol as p
from api.tokens import NotAuthenticated
from domain.errors import Hidden, NotAllowed, Refused
from infra.limits import address_of
from infra.metrics import Counters
from infra.runtime import Origin

WINDOW_S = 60.0
EACH = 5  # lines of a window for whom and where
ALL = 300  # lines of a window
MOST = 10_000  # of whom and where; those beyond are one
TOLD = 5  # of what was left out, the most of them
OTHERS = ("others", "")

NO_TOKEN = "auth.missing"  # noqa: S105, a code: nobody tried to get in
ROUTINE = "auth.expired"

log = structlog.get_logger()


class Refusals:
    """Of a process. To note one is an addition, and seldom a line."""

    def __init__(self, window_s: float = WINDOW_S) -> None:
        self.counted = Counters("formula_access_refused_total", "refusals of access", "route")
        self._window_s = window_s
        self._seen = Counter[tuple[str, str]]()
        self._left_out = Counter[tuple[str, str]]()
        self._written = 0

    def note(self, who: UUID | None, address: str, route: str, code: str, **more: object) -> None:
        self.counted.add(route)
        if not self._seen:
            asyncio.get_running_loop().call_later(self._window_s, self._over)
        key = (str(who or address_of((address, 0))), route)
        if key not in self._seen and len(self._seen) >= MOST:
            key = OTHERS
        self._seen[key] += 1
        if self._seen[key] > EACH or self._written >= ALL:
            self._left_out[key] += 1
            return
        self._written += 1
        write = log.info if code == ROUTINE else log.warning
        user = str(who) if who else None
        write("access_refused", user=user, address=address, route=route, code=code, **more)

    def _over(self) -> None:
        if self._left_out:
            most = [
                {"who": who, "route": route, "count": count}
                for (who, route), count in self._left_out.most_common(TOLD)
            ]
            log.warning("refusals_left_out", count=self._left_out.total(), most=most)
        self._seen.clear()
        self._left_out.clear()
        self._written = 0

    def told(self, frame: p.Err, origin: Origin, *, hidden: bool = False) -> None:
        """Note what a socket is told, where it is of access; `hidden`: its code says else."""
        of_access = hidden or frame.code.startswith(("access.", "auth."))
        if frame.code == NO_TOKEN or not of_access:
            return
        self.note(
            origin.actor,
            origin.ip,
            p.PATH,
            frame.code,
            action=frame.detail.get("action"),
            request_id=str(frame.re) if frame.re else None,
            api_key=str(origin.api_key) if origin.api_key else None,
        )


def denied(request: Request[Any, Any, Any], error: Refused) -> Response[Any]:
    """The answer to a request that was refused for who asks; it is written down."""
    if error.code != NO_TOKEN:
        _note(request, error)
    return refused(request, error)


def _note(request: Request[Any, Any, Any], error: Refused) -> None:
    scope, http = request.scope, cast("Mapping[str, Any]", request.scope)
    proven, client = scope["state"].get("proven"), scope["client"]
    asked = error.detail.get("action") or scope["route_handler"].opt.get("action")
    scope["litestar_app"].state["refusals"].note(
        proven.user if proven else None,
        client[0] if client else "",
        http.get("path_template", UNKNOWN[0]),
        error.code,
        method=request.method,
        action=str(asked) if asked else None,
        request_id=request_name(scope),
        api_key=str(proven.session) if proven and proven.expires is None else None,
    )


DENIED = dict.fromkeys((NotAllowed, NotAuthenticated, Hidden), denied)
